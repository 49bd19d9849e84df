#include "control_server_internal.h"

#include <string.h>

#include <owamp/error.h>

/* Server-Start that turns the peer away: nothing in it is encrypted (section 3.1). */
static int write_refusal(struct owamp_control_server *server, uint8_t accept)
{
	uint8_t wire[WIRE_START_CLEAR_SIZE + WIRE_START_SECRET_SIZE] = {0};

	wire[15] = accept;
	return stream_write(&server->stream, wire, sizeof wire);
}

int control_server_refuse_setup(struct owamp_control_server *server, uint8_t accept, int error,
				const char *reason)
{
	(void)write_refusal(server, accept);
	return control_server_die(server, error, reason);
}

int control_server_write_accept(struct owamp_control_server *server, const struct wire_accept *accept)
{
	uint8_t wire[WIRE_ACCEPT_SIZE];
	int error;

	wire_accept_encode(accept, wire);
	error = stream_write(&server->stream, wire, sizeof wire);
	if (!error)
		error = stream_write_hmac(&server->stream);
	server->state = STATE_COMMAND;
	return error;
}

void control_server_end_round(struct owamp_control_server *server)
{
	if (!server->stop_sent || !server->stop_received)
		return;
	server->active = server->stop_sent = server->stop_received = false;
	stop_list_clear(&server->sessions);
}

/* Server-Start with Accept 0, and security from there on. */
static int start_serving(struct owamp_control_server *server)
{
	uint8_t clear[WIRE_START_CLEAR_SIZE] = {0};
	uint8_t secret[WIRE_START_SECRET_SIZE] = {0};
	int error;

	memcpy(clear + 16, server->config.server_iv, 16);
	put_u64(secret, server->config.start_time);
	error = stream_write(&server->stream, clear, sizeof clear);
	if (!error && server->has_keys)
		error = stream_secure(&server->stream, &server->keys, server->setup.client_iv,
				      server->config.server_iv);
	/* This block has no HMAC of its own: the next message's covers it. */
	if (!error)
		error = stream_write(&server->stream, secret, sizeof secret);
	server->state = STATE_COMMAND;
	return error ? control_server_die(server, error, NULL) : 0;
}

int owamp_control_server_accept(struct owamp_control_server *server)
{
	if (server->state != STATE_ANSWER_SETUP || (server->setup.mode & OWAMP_MODE_MASK) != OWAMP_MODE_OPEN)
		return OWAMP_ESTATE;
	return start_serving(server);
}

int owamp_control_server_authenticate(struct owamp_control_server *server,
				      const uint8_t key[OWAMP_AES_KEY_SIZE])
{
	uint8_t token[WIRE_TOKEN_SIZE];
	int error;

	if (server->state != STATE_ANSWER_SETUP || (server->setup.mode & OWAMP_MODE_MASK) == OWAMP_MODE_OPEN)
		return OWAMP_ESTATE;
	error = crypto_cbc_once(CRYPTO_DECRYPT, key, server->setup.token, token, sizeof token);
	if (error)
		goto cleanup;
	if (!crypto_equal(token, server->config.challenge, 16)) {
		error = control_server_refuse_setup(server, OWAMP_ACCEPT_FAILURE, OWAMP_EAUTH,
						    "unknown KeyID or wrong passphrase");
		goto cleanup;
	}
	memcpy(server->keys.aes, token + 16, sizeof server->keys.aes);
	memcpy(server->keys.hmac, token + 32, sizeof server->keys.hmac);
	server->has_keys = true;
	error = start_serving(server);
cleanup:
	owamp_wipe(token, sizeof token);
	return error;
}

int owamp_control_server_refuse(struct owamp_control_server *server, uint8_t accept)
{
	if (server->state != STATE_ANSWER_SETUP || accept == OWAMP_ACCEPT_OK)
		return OWAMP_ESTATE;
	(void)control_server_refuse_setup(server, accept, OWAMP_EREFUSED, NULL);
	return 0;
}

int owamp_control_server_accept_session(struct owamp_control_server *server, uint8_t accept, uint16_t port,
					const uint8_t sid[OWAMP_SID_SIZE])
{
	struct wire_accept answer = {.accept = accept};
	int error;

	if (server->state != STATE_ANSWER_REQUEST)
		return OWAMP_ESTATE;
	if (accept == OWAMP_ACCEPT_OK) {
		answer.port = port;
		memcpy(answer.sid, sid, OWAMP_SID_SIZE);
		error = stop_list_add(&server->sessions, sid, server->request.packets,
				      !server->request.conf_sender);
		if (error)
			return control_server_die(server, error, NULL);
	}
	error = control_server_write_accept(server, &answer);
	return error ? control_server_die(server, error, NULL) : 0;
}

int owamp_control_server_start_ack(struct owamp_control_server *server, uint8_t accept)
{
	uint8_t wire[WIRE_SIMPLE_SIZE] = {accept};
	int error;

	if (server->state != STATE_ANSWER_START)
		return OWAMP_ESTATE;
	error = stream_write(&server->stream, wire, sizeof wire);
	if (!error)
		error = stream_write_hmac(&server->stream);
	server->active = accept == OWAMP_ACCEPT_OK;
	server->state = STATE_COMMAND;
	return error ? control_server_die(server, error, NULL) : 0;
}

int owamp_control_server_stop(struct owamp_control_server *server, uint8_t accept,
			      const struct owamp_stop_session *sessions, size_t session_count)
{
	int error;

	if (!server->active || server->stop_sent || server->state == STATE_DEAD)
		return OWAMP_ESTATE;
	error = stop_write(&server->stream, &server->sessions, accept, sessions, session_count);
	if (error)
		return error == OWAMP_EINVAL ? error : control_server_die(server, error, NULL);
	server->stop_sent = true;
	control_server_end_round(server);
	return 0;
}

static int write_fetch_ack(struct owamp_control_server *server, const struct wire_fetch_ack *ack)
{
	uint8_t wire[WIRE_SIMPLE_SIZE];
	int error;

	wire_fetch_ack_encode(ack, wire);
	error = stream_write(&server->stream, wire, sizeof wire);
	return error ? error : stream_write_hmac(&server->stream);
}

int owamp_control_server_fetch_refuse(struct owamp_control_server *server, uint8_t accept)
{
	struct wire_fetch_ack ack = {.accept = accept};
	int error;

	if (server->state != STATE_ANSWER_FETCH || accept == OWAMP_ACCEPT_OK)
		return OWAMP_ESTATE;
	error = write_fetch_ack(server, &ack);
	server->state = STATE_COMMAND;
	return error ? control_server_die(server, error, NULL) : 0;
}

static int write_skips(struct stream *stream, const struct owamp_skip_range *skips, uint32_t skip_count)
{
	uint8_t wire[WIRE_SKIP_SIZE];
	int error = 0;

	for (uint32_t i = 0; !error && i < skip_count; i++) {
		wire_skip_encode(&skips[i], wire);
		error = stream_write(stream, wire, sizeof wire);
	}
	if (!error)
		error = stream_pad(stream, (size_t)skip_count * WIRE_SKIP_SIZE);
	return error ? error : stream_write_hmac(stream);
}

/* After the last record: padding and HMAC. */
static int end_fetch(struct owamp_control_server *server)
{
	int error = stream_pad(&server->stream, (size_t)server->records_sent * OWAMP_RECORD_SIZE);

	if (!error)
		error = stream_write_hmac(&server->stream);
	server->state = STATE_COMMAND;
	return error;
}

int owamp_control_server_fetch_begin(struct owamp_control_server *server, const struct owamp_request *request,
				     bool finished, uint32_t next_seq, const struct owamp_skip_range *skips,
				     uint32_t skip_count, uint32_t record_count)
{
	struct wire_fetch_ack ack = {
		.finished = finished,
		.next_seq = finished ? next_seq : 0,
		.skip_count = finished ? skip_count : 0,
		.record_count = record_count,
	};
	int error;

	if (server->state != STATE_ANSWER_FETCH)
		return OWAMP_ESTATE;
	error = write_fetch_ack(server, &ack);
	if (!error)
		error = stream_write_request(&server->stream, request);
	if (!error)
		error = write_skips(&server->stream, skips, ack.skip_count);
	server->state = STATE_FETCH_RECORDS;
	server->records_left = record_count;
	server->records_sent = 0;
	if (!error && record_count == 0)
		error = end_fetch(server);
	return error ? control_server_die(server, error, NULL) : 0;
}

int owamp_control_server_fetch_records(struct owamp_control_server *server, const uint8_t *records,
				       uint32_t record_count)
{
	int error;

	if (server->state != STATE_FETCH_RECORDS || record_count > server->records_left)
		return OWAMP_ESTATE;
	error = stream_write(&server->stream, records, (size_t)record_count * OWAMP_RECORD_SIZE);
	server->records_left -= record_count;
	server->records_sent += record_count;
	if (!error && server->records_left == 0 && record_count > 0)
		error = end_fetch(server);
	return error ? control_server_die(server, error, NULL) : 0;
}
