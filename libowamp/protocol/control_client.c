#include "control_client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

int control_client_die(struct owamp_control_client *client, int error, const char *reason)
{
	client->state = STATE_DEAD;
	client->error = error;
	if (!client->reason)
		client->reason = reason                 ? reason
				 : error == OWAMP_EAUTH ? "the HMAC of a message does not match"
							: owamp_error_text(error);
	return error;
}

int owamp_control_client_new(struct owamp_control_client **client,
			     const struct owamp_control_client_config *config)
{
	*client = calloc(1, sizeof **client);
	if (!*client)
		return OWAMP_ENOMEM;
	(*client)->config = *config;
	(*client)->open_last = &(*client)->open_first;
	return 0;
}

void owamp_control_client_free(struct owamp_control_client *client)
{
	if (!client)
		return;
	while (client->open_first) {
		struct open_request *open = client->open_first;

		client->open_first = open->next;
		free(open);
	}
	stream_free(&client->stream);
	stop_list_free(&client->sessions);
	stop_message_free(&client->stop);
	free(client->request.slots);
	free(client->skips);
	free(client->records);
	owamp_wipe(client, sizeof *client);
	free(client);
}

int owamp_control_client_input(struct owamp_control_client *client, const uint8_t *octets, size_t size)
{
	int error;

	if (client->state == STATE_DEAD)
		return client->error;
	error = stream_input(&client->stream, octets, size);
	return error ? control_client_die(client, error, NULL) : 0;
}

size_t owamp_control_client_input_size(const struct owamp_control_client *client)
{
	return stream_input_size(&client->stream);
}

const uint8_t *owamp_control_client_output(struct owamp_control_client *client, size_t *size)
{
	return stream_output(&client->stream, size);
}

void owamp_control_client_sent(struct owamp_control_client *client, size_t size)
{
	stream_sent(&client->stream, size);
}

const char *owamp_control_client_reason(const struct owamp_control_client *client)
{
	return client->reason ? client->reason : "";
}

const struct owamp_keys *owamp_control_client_keys(const struct owamp_control_client *client)
{
	return client->has_keys ? &client->keys : NULL;
}

static int poll_greeting(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	const uint8_t *octets;
	int error = stream_peek(&client->stream, WIRE_GREETING_SIZE, &octets);

	if (error || !octets)
		return error;
	wire_greeting_decode(octets, &client->greeting);
	error = stream_take(&client->stream, WIRE_GREETING_SIZE);
	if (error)
		return error;
	if (client->greeting.modes == 0)
		return control_client_die(client, OWAMP_EREFUSED,
					  "the server does not wish to communicate (modes 0)");
	event->type = OWAMP_CLIENT_GREETING;
	event->modes = client->greeting.modes;
	event->pbkdf2_count = client->greeting.count;
	memcpy(event->salt, client->greeting.salt, sizeof event->salt);
	client->state = STATE_ANSWER_GREETING;
	return 1;
}

static int poll_server_start(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	const uint8_t *octets;
	uint8_t accept, server_iv[16];
	int error;

	/* Whole before it is looked at: the last block may be encrypted. */
	if (stream_input_size(&client->stream) < WIRE_START_CLEAR_SIZE + WIRE_START_SECRET_SIZE)
		return 0;
	error = stream_peek(&client->stream, WIRE_START_CLEAR_SIZE, &octets);
	if (error)
		return error;
	accept = octets[15];
	memcpy(server_iv, octets + 16, sizeof server_iv);
	error = stream_take(&client->stream, WIRE_START_CLEAR_SIZE);
	if (!error && accept == OWAMP_ACCEPT_OK && client->has_keys)
		error = stream_secure(&client->stream, &client->keys, server_iv, client->client_iv);
	if (!error)
		error = stream_peek(&client->stream, WIRE_START_SECRET_SIZE, &octets);
	if (error)
		return error;
	event->type = OWAMP_CLIENT_SETUP_DONE;
	event->accept = accept;
	event->server_start_time = get_u64(octets);
	client->state = accept == OWAMP_ACCEPT_OK ? STATE_READY : STATE_DEAD;
	client->error = accept == OWAMP_ACCEPT_OK ? 0 : OWAMP_EREFUSED;
	/* Into the HMAC of the server's next message (section 6.10). */
	error = stream_take(&client->stream, WIRE_START_SECRET_SIZE);
	return error ? error : 1;
}

static int poll_accept(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	struct open_request *open = client->open_first;
	struct wire_accept accept;
	const uint8_t *octets;
	int result;

	result = stream_peek(&client->stream, WIRE_ACCEPT_SIZE, &octets);
	if (result || !octets)
		return result;
	wire_accept_decode(octets, &accept);
	result = stream_take_message(&client->stream, WIRE_ACCEPT_SIZE);
	if (result != 1)
		return result;
	event->type = OWAMP_CLIENT_ACCEPT_SESSION;
	event->accept = accept.accept;
	event->port = accept.port;
	/* Where we are the receiver the SID is ours and the field is unused. */
	memcpy(event->sid, open->conf_receiver ? accept.sid : open->sid, sizeof event->sid);
	result = 1;
	if (accept.accept == OWAMP_ACCEPT_OK) {
		if (stop_list_has(&client->sessions, event->sid)) {
			client->reason = "the server gave two sessions the same SID";
			result = OWAMP_EPROTO;
		} else if (stop_list_add(&client->sessions, event->sid, open->packets, open->conf_sender)) {
			result = OWAMP_ENOMEM;
		}
	}
	client->open_first = open->next;
	if (!client->open_first)
		client->open_last = &client->open_first;
	free(open);
	return result;
}

static int poll_start_ack(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	const uint8_t *octets;
	uint8_t accept;
	int result;

	result = stream_peek(&client->stream, WIRE_SIMPLE_SIZE, &octets);
	if (result || !octets)
		return result;
	accept = octets[0];
	result = stream_take_message(&client->stream, WIRE_SIMPLE_SIZE);
	if (result != 1)
		return result;
	event->type = OWAMP_CLIENT_START_ACK;
	event->accept = accept;
	client->active = accept == OWAMP_ACCEPT_OK;
	client->state = STATE_READY;
	return 1;
}

static void end_round(struct owamp_control_client *client)
{
	if (!client->stop_sent || !client->stop_received)
		return;
	client->active = client->stop_sent = client->stop_received = false;
	stop_list_clear(&client->sessions);
}

static int poll_stop(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	const char *reason = NULL;
	const uint8_t *octets;
	int result;

	result = stream_peek(&client->stream, OWAMP_BLOCK_SIZE, &octets);
	if (result || !octets)
		return result;
	if (octets[0] != WIRE_STOP_SESSIONS || !client->active || client->stop_received) {
		snprintf(client->reason_buffer, sizeof client->reason_buffer,
			 "unexpected message %u from the server", octets[0]);
		client->reason = client->reason_buffer;
		return OWAMP_EPROTO;
	}
	stop_message_free(&client->stop);
	result = stop_read(&client->stream, &client->sessions, client->config.skips_max, &client->stop,
			   &reason);
	if (reason)
		client->reason = reason;
	if (result != 1)
		return result;
	event->type = OWAMP_CLIENT_STOP;
	event->accept = client->stop.accept;
	event->sessions = client->stop.sessions;
	event->session_count = client->stop.session_count;
	client->stop_received = true;
	end_round(client);
	return 1;
}

static int poll_once(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	switch (client->state) {
	case STATE_GREETING:
		return poll_greeting(client, event);
	case STATE_ANSWER_GREETING:
		return 0;
	case STATE_SERVER_START:
		return poll_server_start(client, event);
	case STATE_READY:
		return client->open_first ? poll_accept(client, event) : poll_stop(client, event);
	case STATE_START_ACK:
		return poll_start_ack(client, event);
	case STATE_DEAD:
		return client->error;
	default:
		return control_client_poll_fetch(client, event);
	}
}

int owamp_control_client_poll(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	int result;

	*event = (struct owamp_control_client_event){0};
	do {
		result = poll_once(client, event);
	} while (result == 1 && event->type == 0);
	if (result < 0 && client->state != STATE_DEAD)
		return control_client_die(client, result, NULL);
	return result;
}

int owamp_control_client_setup(struct owamp_control_client *client, uint32_t mode, const char *key_id,
			       const uint8_t key[OWAMP_AES_KEY_SIZE], const struct owamp_keys *keys,
			       const uint8_t client_iv[16])
{
	struct wire_setup setup = {.mode = mode};
	uint8_t token[WIRE_TOKEN_SIZE], wire[WIRE_SETUP_SIZE];
	int error;

	if (client->state != STATE_ANSWER_GREETING)
		return OWAMP_ESTATE;
	if (!(mode & OWAMP_MODE_MASK) || (mode & (mode - 1)) || !(mode & client->greeting.modes))
		return OWAMP_EMODE;
	if (mode != OWAMP_MODE_OPEN) {
		size_t size = strlen(key_id);

		if (size == 0 || size > OWAMP_KEYID_SIZE || !wire_utf8_valid((const uint8_t *)key_id, size))
			return OWAMP_EINVAL;
		memcpy(setup.key_id, key_id, size);
		memcpy(token, client->greeting.challenge, 16);
		memcpy(token + 16, keys->aes, sizeof keys->aes);
		memcpy(token + 32, keys->hmac, sizeof keys->hmac);
		error = crypto_cbc_once(CRYPTO_ENCRYPT, key, token, setup.token, sizeof token);
		owamp_wipe(token, sizeof token);
		if (error)
			return control_client_die(client, error, NULL);
		memcpy(setup.client_iv, client_iv, sizeof setup.client_iv);
		memcpy(client->client_iv, client_iv, sizeof client->client_iv);
		client->keys = *keys;
		client->has_keys = true;
	}
	wire_setup_encode(&setup, wire);
	error = stream_write(&client->stream, wire, sizeof wire);
	client->state = STATE_SERVER_START;
	return error ? control_client_die(client, error, NULL) : 0;
}

int owamp_control_client_decline(struct owamp_control_client *client)
{
	static const uint8_t nothing[WIRE_SETUP_SIZE];

	if (client->state != STATE_ANSWER_GREETING)
		return OWAMP_ESTATE;
	(void)stream_write(&client->stream, nothing, sizeof nothing);
	(void)control_client_die(client, OWAMP_ECLOSED, NULL);
	return 0;
}

static bool may_command(const struct owamp_control_client *client)
{
	return client->state == STATE_READY && !client->active;
}

int owamp_control_client_request(struct owamp_control_client *client, const struct owamp_request *request)
{
	struct open_request *open;
	int error;

	if (!may_command(client))
		return OWAMP_ESTATE;
	open = calloc(1, sizeof *open);
	if (!open)
		return OWAMP_ENOMEM;
	memcpy(open->sid, request->sid, sizeof open->sid);
	open->packets = request->packets;
	open->conf_sender = request->conf_sender;
	open->conf_receiver = request->conf_receiver;
	*client->open_last = open;
	client->open_last = &open->next;
	error = stream_write_request(&client->stream, request);
	return error ? control_client_die(client, error, NULL) : 0;
}

static int write_message(struct owamp_control_client *client, const uint8_t *wire, size_t size)
{
	int error = stream_write(&client->stream, wire, size);

	if (!error)
		error = stream_write_hmac(&client->stream);
	return error ? control_client_die(client, error, NULL) : 0;
}

int owamp_control_client_start(struct owamp_control_client *client)
{
	const uint8_t wire[WIRE_SIMPLE_SIZE] = {WIRE_START_SESSIONS};

	if (!may_command(client) || client->open_first)
		return OWAMP_ESTATE;
	client->state = STATE_START_ACK;
	return write_message(client, wire, sizeof wire);
}

int owamp_control_client_stop(struct owamp_control_client *client, uint8_t accept,
			      const struct owamp_stop_session *sessions, size_t session_count)
{
	int error;

	if (!client->active || client->stop_sent || client->state == STATE_DEAD)
		return OWAMP_ESTATE;
	error = stop_write(&client->stream, &client->sessions, accept, sessions, session_count);
	if (error)
		return error == OWAMP_EINVAL ? error : control_client_die(client, error, NULL);
	client->stop_sent = true;
	end_round(client);
	return 0;
}

int owamp_control_client_fetch(struct owamp_control_client *client, const uint8_t sid[OWAMP_SID_SIZE],
			       uint32_t begin_seq, uint32_t end_seq)
{
	struct wire_fetch fetch = {.begin_seq = begin_seq, .end_seq = end_seq};
	uint8_t wire[WIRE_FETCH_SIZE];

	if (!may_command(client) || client->open_first)
		return OWAMP_ESTATE;
	memcpy(fetch.sid, sid, sizeof fetch.sid);
	wire_fetch_encode(&fetch, wire);
	client->state = STATE_FETCH_ACK;
	return write_message(client, wire, sizeof wire);
}
