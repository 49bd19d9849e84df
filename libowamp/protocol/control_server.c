#include "control_server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

int control_server_die(struct owamp_control_server *server, int error, const char *reason)
{
	server->state = STATE_DEAD;
	server->error = error;
	if (!server->reason)
		server->reason = reason                 ? reason
				 : error == OWAMP_EAUTH ? "the HMAC of a message does not match"
							: owamp_error_text(error);
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
	return error ? control_server_die(server, error, NULL) : 0;
}

bool owamp_control_server_mid_message(const struct owamp_control_server *server)
{
	return server->state == STATE_SLOTS || server->state == STATE_SKIP_SLOTS ||
	       stream_input_size(&server->stream) > 0;
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

/* Is the chosen mode one bit that was offered? Fills the event on success. */
static int check_mode(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	uint32_t mode = server->setup.mode & OWAMP_MODE_MASK;
	char text[64];

	if (server->setup.mode & OWAMP_MODE_IKEV2_DERIVED & ~server->config.modes)
		return control_server_refuse_setup(
			server, OWAMP_ACCEPT_UNSUPPORTED, OWAMP_EMODE,
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
		return control_server_refuse_setup(server, OWAMP_ACCEPT_FAILURE, OWAMP_EPROTO,
						   server->reason_buffer);
	}
	if (!(mode & server->config.modes)) {
		snprintf(server->reason_buffer, sizeof server->reason_buffer,
			 "the client chose %s mode, which was not offered", owamp_mode_name(mode));
		return control_server_refuse_setup(server, OWAMP_ACCEPT_UNSUPPORTED, OWAMP_EMODE,
						   server->reason_buffer);
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
		return control_server_refuse_setup(
			server, OWAMP_ACCEPT_FAILURE, OWAMP_EPROTO,
			"the client's KeyID is not 1 to 80 octets of UTF-8 padded with zeros");
	event->type = OWAMP_SERVER_SETUP;
	server->state = STATE_ANSWER_SETUP;
	return 1;
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
	result = stream_take_message(&server->stream, WIRE_REQUEST_SIZE);
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

/* The machine itself says no; the caller only gets to know. */
static int refuse_request(struct owamp_control_server *server, struct owamp_control_server_event *event,
			  uint8_t accept, const char *reason)
{
	struct wire_accept refusal = {.accept = accept};
	int error = control_server_write_accept(server, &refusal);

	server->reason = reason;
	event->type = OWAMP_SERVER_REFUSED;
	event->accept = accept;
	return error ? error : 1;
}

static int poll_slots(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	struct owamp_request *request = &server->request;
	int result = stream_read_slots(&server->stream, request);

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
	result = stream_take_message(&server->stream, 0);
	if (result != 1)
		return result;
	snprintf(server->reason_buffer, sizeof server->reason_buffer, "%u schedule slots asked for, limit %u",
		 server->request.slot_count, server->config.slots_max);
	return refuse_request(server, event, OWAMP_ACCEPT_PERMANENT_RESOURCES, server->reason_buffer);
}

static int poll_start(struct owamp_control_server *server, struct owamp_control_server_event *event)
{
	int result = stream_take_message(&server->stream, WIRE_SIMPLE_SIZE);

	if (result != 1)
		return result;
	event->type = OWAMP_SERVER_START;
	server->state = STATE_ANSWER_START;
	return 1;
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
	control_server_end_round(server);
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
	result = stream_take_message(&server->stream, WIRE_FETCH_SIZE);
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
		return control_server_die(server, result, NULL);
	return result;
}
