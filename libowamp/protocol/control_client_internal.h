/*
 * The client machine's parts: control_client.c from the greeting to
 * Stop-Sessions, control_client_fetch.c the answer to Fetch-Session.
 */
#ifndef PROTOCOL_CONTROL_CLIENT_INTERNAL_H
#define PROTOCOL_CONTROL_CLIENT_INTERNAL_H

#include <owamp/control_client.h>

#include "stop.h"
#include "stream.h"
#include "wire.h"

enum state {
	STATE_GREETING,
	STATE_ANSWER_GREETING, /* the caller owes an answer */
	STATE_SERVER_START,
	STATE_READY,
	STATE_START_ACK,
	STATE_FETCH_ACK,
	STATE_FETCH_REQUEST,
	STATE_FETCH_SLOTS,
	STATE_FETCH_SKIPS,
	STATE_FETCH_RECORDS,
	STATE_DEAD,
};

/* A Request-Session that has not been answered. */
struct open_request {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t packets;
	bool conf_sender;
	bool conf_receiver;
	struct open_request *next;
};

struct owamp_control_client {
	struct owamp_control_client_config config;
	struct stream stream;
	enum state state;
	int error;
	const char *reason;
	char reason_buffer[160];

	struct wire_greeting greeting;
	struct owamp_keys keys;
	bool has_keys;
	uint8_t client_iv[16];

	struct open_request *open_first, **open_last;
	struct stop_list sessions;
	struct stop_message stop;
	bool active;
	bool stop_sent;
	bool stop_received;

	struct wire_fetch_ack fetch_ack;
	struct owamp_request request;
	struct owamp_skip_range *skips;
	uint32_t records_left;
	struct owamp_record *records; /* of one FETCH_RECORDS event */
};

/* The connection must be dropped. */
int control_client_die(struct owamp_control_client *client, int error, const char *reason);

/* In one of the fetch states. */
int control_client_poll_fetch(struct owamp_control_client *client, struct owamp_control_client_event *event);

#endif
