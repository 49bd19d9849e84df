#include <owamp/control_server.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "stop.h"
#include "stream.h"
#include "wire.h"

enum state {
	STATE_SETUP,        /* waiting for Set-Up-Response */
	STATE_COMMAND,      /* waiting for a command */
	STATE_SLOTS,        /* waiting for the rest of Request-Session */
	STATE_SKIP_SLOTS,   /* throwing away slots of a request that has too many */
	STATE_ANSWER_SETUP, /* the caller owes an answer ... */
	STATE_ANSWER_REQUEST,
	STATE_ANSWER_START,
	STATE_ANSWER_FETCH,
	STATE_FETCH_RECORDS, /* the caller owes records */
	STATE_DEAD,
};

struct owamp_control_server {
	struct owamp_control_server_config config;
	struct stream stream;
	enum state state;
	int error; /* why it is dead */
	const char *reason;
	char reason_buffer[160];

	struct wire_setup setup;
	struct owamp_keys keys;
	bool has_keys;

	struct owamp_request request; /* slots are ours */
	uint64_t skip_octets;         /* STATE_SKIP_SLOTS: still to throw away, without HMAC */

	struct stop_list sessions;
	struct stop_message stop;
	bool active;
	bool stop_sent;
	bool stop_received;

	uint32_t records_left; /* STATE_FETCH_RECORDS */
	uint32_t records_sent;
};

static int die(struct owamp_control_server *server, int error, const char *reason)
{
	server->state = STATE_DEAD;
	server->error = error;
	if (!server->reason)
		server->reason = reason ? reason : owamp_error_text(error);
	return error;
}

int owamp_control_server_new(struct owamp_control_server **server,
			     const struct owamp_control_server_config *config)
{
	struct wire_greeting greeting = {.modes = config->modes, .count = config->pbkdf2_count};
	uint8_t wire[WIRE_GREETING_SIZE];
	struct owamp_control_server *s;

	*server = NULL;
	if (config->pbkdf2_count < OWAMP_PBKDF2_COUNT_MIN ||
	    (config->pbkdf2_count & (config->pbkdf2_count - 1)))
		return OWAMP_EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return OWAMP_ENOMEM;
	s->config = *config;
	memcpy(greeting.challenge, config->challenge, 16);
	memcpy(greeting.salt, config->salt, 16);
	wire_greeting_encode(&greeting, wire);
	if (stream_write(&s->stream, wire, sizeof wire)) {
		owamp_control_server_free(s);
		return OWAMP_ENOMEM;
	}
	*server = s;
	return 0;
}

void owamp_control_server_free(struct owamp_control_server *server)
{
	if (!server)
		return;
	stream_free(&server->stream);
	stop_list_free(&server->sessions);
	stop_message_free(&server->stop);
	free(server->request.slots);
	owamp_wipe(server, sizeof *server);
	free(server);
}

int owamp_control_server_input(struct owamp_control_server *server, const uint8_t *octets, size_t size)
{
	int error;

	if (server->state == STATE_DEAD)
		return server->error;
	error = stream_input(&server->stream, octets, size);
	return error ? die(server, error, NULL) : 0;
}

size_t owamp_control_server_input_size(const struct owamp_control_server *server)
{
	return stream_input_size(&server->stream);
}

const uint8_t *owamp_control_server_output(struct owamp_control_server *server, size_t *size)
{
	return stream_output(&server->stream, size);
}

void owamp_control_server_sent(struct owamp_control_server *server, size_t size)
{
	stream_sent(&server->stream, size);
}

const char *owamp_control_server_reason(const struct owamp_control_server *server)
{
	return server->reason ? server->reason : "";
}

bool owamp_control_server_active(const struct owamp_control_server *server)
{
	return server->active;
}

const struct owamp_keys *owamp_control_server_keys(const struct owamp_control_server *server)
{
	return server->has_keys ? &server->keys : NULL;
}

/* Server-Start that turns the peer away: nothing in it is encrypted (section 3.1). */
static int write_refusal(struct owamp_control_server *server, uint8_t accept)
{
	uint8_t wire[WIRE_START_CLEAR_SIZE + WIRE_START_SECRET_SIZE] = {0};

	wire[15] = accept;
	return stream_write(&server->stream, wire, sizeof wire);
}

static int refuse_setup(struct owamp_control_server *server, uint8_t accept, int error, const char *reason)
{
	(void)write_refusal(server, accept);
	return die(server, error, reason);
}

/* Is the chosen mode one bit that was offered? Fills the event on success. */
static int check_mode(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	uint32_t mode = server->setup.mode & OWAMP_MODE_MASK;
	char text[64];

	if (server->setup.mode & OWAMP_MODE_IKEV2_DERIVED & ~server->config.modes)
		return refuse_setup(server, OWAMP_ACCEPT_UNSUPPORTED, OWAMP_EMODE,
				    "the client chose IKEv2-derived keys, which were not offered");
	if (mode == 0) {
		server->state = STATE_DEAD;
		server->error = OWAMP_ECLOSED;
		server->reason = "the client chose no mode and goes away";
		event->type = OWAMP_SERVER_DECLINED;
		return 1;
	}
	if (mode & (mode - 1)) {
		snprintf(server->reason_buffer, sizeof server->reason_buffer,
			 "the client chose more than one mode: %s",
			 owamp_modes_text(mode, text, sizeof text));
		return refuse_setup(server, OWAMP_ACCEPT_FAILURE, OWAMP_EPROTO, server->reason_buffer);
	}
	if (!(mode & server->config.modes)) {
		snprintf(server->reason_buffer, sizeof server->reason_buffer,
			 "the client chose %s mode, which was not offered", owamp_mode_name(mode));
		return refuse_setup(server, OWAMP_ACCEPT_UNSUPPORTED, OWAMP_EMODE, server->reason_buffer);
	}
	event->mode = mode;
	return 0;
}

static int poll_setup(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	const uint8_t *octets;
	int result;

	result = stream_peek(&server->stream, WIRE_SETUP_SIZE, &octets);
	if (result || !octets)
		return result;
	wire_setup_decode(octets, &server->setup);
	result = stream_take(&server->stream, WIRE_SETUP_SIZE);
	if (result)
		return result;
	result = check_mode(server, event);
	if (result)
		return result;
	if (event->mode != OWAMP_MODE_OPEN && wire_key_id_decode(server->setup.key_id, event->key_id))
		return refuse_setup(server, OWAMP_ACCEPT_FAILURE, OWAMP_EPROTO,
				    "the client's KeyID is not 1 to 80 octets of UTF-8 padded with zeros");
	event->type = OWAMP_SERVER_SETUP;
	server->state = STATE_ANSWER_SETUP;
	return 1;
}

/* Takes a message of size octets and its HMAC, if both have arrived. 1, 0 or an error. */
static int take_message(struct owamp_control_server *server, size_t size)
{
	const uint8_t *octets;
	int error = stream_peek(&server->stream, size + WIRE_HMAC_SIZE, &octets);

	if (error || !octets)
		return error;
	error = stream_take(&server->stream, size);
	if (!error)
		error = stream_check_hmac(&server->stream);
	return error ? error : 1;
}

static int poll_request(struct owamp_control_server *server, const uint8_t *octets)
{
	int result;

	if (stream_input_size(&server->stream) < WIRE_REQUEST_SIZE + WIRE_HMAC_SIZE)
		return 0;
	result = stream_peek(&server->stream, WIRE_REQUEST_SIZE, &octets);
	if (result)
		return result;
	free(server->request.slots);
	wire_request_decode(octets, &server->request);
	result = take_message(server, WIRE_REQUEST_SIZE);
	if (result != 1)
		return result;
	if (server->request.slot_count > server->config.slots_max) {
		server->skip_octets = (uint64_t)server->request.slot_count * WIRE_SLOT_SIZE;
		server->state = STATE_SKIP_SLOTS;
	} else {
		server->state = STATE_SLOTS;
	}
	return 1;
}

static int write_accept(struct owamp_control_server *server, const struct wire_accept *accept)
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

/* The machine itself says no; the caller only gets to know. */
static int refuse_request(struct owamp_control_server *server, struct owamp_control_server_event *event,
			  uint8_t accept, const char *reason)
{
	struct wire_accept refusal = {.accept = accept};
	int error = write_accept(server, &refusal);

	server->reason = reason;
	event->type = OWAMP_SERVER_REFUSED;
	event->accept = accept;
	return error ? error : 1;
}

static int poll_slots(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	struct owamp_request *request = &server->request;
	size_t size = (size_t)request->slot_count * WIRE_SLOT_SIZE;
	const uint8_t *octets;
	int result;

	result = stream_peek(&server->stream, size + WIRE_HMAC_SIZE, &octets);
	if (result || !octets)
		return result;
	request->slots = calloc((size_t)request->slot_count + 1, sizeof *request->slots);
	if (!request->slots)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < request->slot_count; i++)
		wire_slot_decode(octets + i * WIRE_SLOT_SIZE, &request->slots[i]);
	result = take_message(server, size);
	if (result != 1)
		return result;

	/* The SID tells the sessions of a connection apart in Stop-Sessions. */
	if (!request->conf_receiver && stop_list_has(&server->sessions, request->sid))
		return refuse_request(server, event, OWAMP_ACCEPT_FAILURE,
				      "the SID is in use on this connection");
	if (server->sessions.count >= server->config.sessions_max)
		return refuse_request(server, event, OWAMP_ACCEPT_TEMPORARY_RESOURCES,
				      "too many sessions on this connection");
	event->type = OWAMP_SERVER_REQUEST;
	event->request = request;
	server->state = STATE_ANSWER_REQUEST;
	return 1;
}

static int poll_skip_slots(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	const uint8_t *octets;
	int result;

	while (server->skip_octets > 0) {
		result = stream_peek(&server->stream, WIRE_SLOT_SIZE, &octets);
		if (result || !octets)
			return result;
		result = stream_take(&server->stream, WIRE_SLOT_SIZE);
		if (result)
			return result;
		server->skip_octets -= WIRE_SLOT_SIZE;
	}
	result = take_message(server, 0);
	if (result != 1)
		return result;
	snprintf(server->reason_buffer, sizeof server->reason_buffer, "%u schedule slots asked for, limit %u",
		 server->request.slot_count, server->config.slots_max);
	return refuse_request(server, event, OWAMP_ACCEPT_PERMANENT_RESOURCES, server->reason_buffer);
}

static int poll_start(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	int result = take_message(server, WIRE_SIMPLE_SIZE);

	if (result != 1)
		return result;
	event->type = OWAMP_SERVER_START;
	server->state = STATE_ANSWER_START;
	return 1;
}

/* Both have stopped: the next round can begin. */
static void end_round(struct owamp_control_server *server)
{
	if (!server->stop_sent || !server->stop_received)
		return;
	server->active = server->stop_sent = server->stop_received = false;
	server->sessions.count = 0;
}

static int poll_stop(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	const char *reason = NULL;
	int result;

	if (!server->active || server->stop_received) {
		server->reason = "Stop-Sessions while no measurement is active";
		return OWAMP_EPROTO;
	}
	stop_message_free(&server->stop);
	result = stop_read(&server->stream, &server->sessions, server->config.skips_max, &server->stop,
			   &reason);
	if (reason)
		server->reason = reason;
	if (result != 1)
		return result;
	event->type = OWAMP_SERVER_STOP;
	event->accept = server->stop.accept;
	event->sessions = server->stop.sessions;
	event->session_count = server->stop.session_count;
	server->stop_received = true;
	end_round(server);
	return 1;
}

static int poll_fetch(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	struct wire_fetch fetch;
	const uint8_t *octets;
	int result;

	result = stream_peek(&server->stream, WIRE_FETCH_SIZE, &octets);
	if (result || !octets)
		return result;
	wire_fetch_decode(octets, &fetch);
	result = take_message(server, WIRE_FETCH_SIZE);
	if (result != 1)
		return result;
	event->type = OWAMP_SERVER_FETCH;
	event->begin_seq = fetch.begin_seq;
	event->end_seq = fetch.end_seq;
	memcpy(event->sid, fetch.sid, sizeof event->sid);
	server->state = STATE_ANSWER_FETCH;
	return 1;
}

static int poll_command(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	const uint8_t *octets;
	uint8_t command;
	int error;

	error = stream_peek(&server->stream, OWAMP_BLOCK_SIZE, &octets);
	if (error || !octets)
		return error;
	command = octets[0];
	if (command == WIRE_STOP_SESSIONS)
		return poll_stop(server, event);
	if (server->active) {
		snprintf(server->reason_buffer, sizeof server->reason_buffer,
			 "command %u while measuring, when only Stop-Sessions is allowed", command);
		server->reason = server->reason_buffer;
		return OWAMP_EPROTO;
	}
	switch (command) {
	case WIRE_REQUEST_SESSION:
		return poll_request(server, octets);
	case WIRE_START_SESSIONS:
		return poll_start(server, event);
	case WIRE_FETCH_SESSION:
		return poll_fetch(server, event);
	default:
		snprintf(server->reason_buffer, sizeof server->reason_buffer, "unknown command %u", command);
		server->reason = server->reason_buffer;
		return OWAMP_EPROTO;
	}
}

static int poll_once(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	switch (server->state) {
	case STATE_SETUP:
		return poll_setup(server, event);
	case STATE_COMMAND:
		return poll_command(server, event);
	case STATE_SLOTS:
		return poll_slots(server, event);
	case STATE_SKIP_SLOTS:
		return poll_skip_slots(server, event);
	case STATE_DEAD:
		return server->error;
	default:
		return 0;
	}
}

int owamp_control_server_poll(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	int result;

	*event = (struct owamp_control_server_event){0};
	if (server->state != STATE_DEAD)
		server->reason = NULL;
	/* A step that made progress without an event (parts of a request) is followed by the next. */
	do {
		result = poll_once(server, event);
	} while (result == 1 && event->type == 0);
	if (result < 0 && server->state != STATE_DEAD)
		return die(server, result, NULL);
	return result;
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
	return error ? die(server, error, NULL) : 0;
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
		error = refuse_setup(server, OWAMP_ACCEPT_FAILURE, OWAMP_EAUTH,
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
	(void)refuse_setup(server, accept, OWAMP_EREFUSED, NULL);
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
			return die(server, error, NULL);
	}
	error = write_accept(server, &answer);
	return error ? die(server, error, NULL) : 0;
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
	return error ? die(server, error, NULL) : 0;
}

int owamp_control_server_stop(struct owamp_control_server *server, uint8_t accept,
			      const struct owamp_stop_session *sessions, size_t session_count)
{
	int error;

	if (!server->active || server->stop_sent || server->state == STATE_DEAD)
		return OWAMP_ESTATE;
	error = stop_write(&server->stream, &server->sessions, accept, sessions, session_count);
	if (error)
		return error == OWAMP_EINVAL ? error : die(server, error, NULL);
	server->stop_sent = true;
	end_round(server);
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
	return error ? die(server, error, NULL) : 0;
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
	return error ? die(server, error, NULL) : 0;
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
	return error ? die(server, error, NULL) : 0;
}
