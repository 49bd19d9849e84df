/*
 * The server machine's parts: control_server.c understands what the client
 * sends, control_server_answer.c writes what the server says.
 */
#ifndef PROTOCOL_CONTROL_SERVER_INTERNAL_H
#define PROTOCOL_CONTROL_SERVER_INTERNAL_H

#include <owamp/control_server.h>

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

/* The connection must be dropped: error and reason (static text, or kept in reason_buffer). */
int control_server_die(struct owamp_control_server *server, int error, const char *reason);

/* Server-Start with a non-zero Accept, then as die(). */
int control_server_refuse_setup(struct owamp_control_server *server, uint8_t accept, int error,
				const char *reason);

/* Accept-Session. */
int control_server_write_accept(struct owamp_control_server *server, const struct wire_accept *accept);

/* If both sides have stopped, the next round can begin. */
void control_server_end_round(struct owamp_control_server *server);

#endif
