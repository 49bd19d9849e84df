/*
 * The server machine and its caller, who answers as the fuzzer likes and knows
 * at each step which events may come, what they must say, and every octet of
 * the output.
 */
#ifndef FUZZ_SERVER_WORLD_H
#define FUZZ_SERVER_WORLD_H

#include "owamp/control_server.h"
#include "peer.h"
#include "protocol/stop.h"

#define SESSIONS_MAX 8
#define SKIPS_MAX    64

/* What the caller owes the machine. */
enum owed { OWED_NOTHING, OWED_SETUP, OWED_REQUEST, OWED_START, OWED_FETCH, OWED_RECORDS };

struct session {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t packets;
	bool peer_sends;
};

struct world {
	struct input in;
	struct peer peer;
	struct owamp_control_server *server;
	struct owamp_control_server_config config;
	bool answer_at_once;
	bool put_setup;     /* a Set-Up-Response was said */
	bool good_token;    /* its token opens with peer_key */
	bool foreign_setup; /* what was put as set-up is not what arrived */
	int dead;           /* the first negative result */
	enum owed owed;
	bool set_up; /* SETUP came */
	bool serving;
	bool over; /* what follows cannot be known */
	uint32_t mode;
	struct owamp_request request; /* the one to answer; no slots */
	uint8_t next_sid;
	struct session sessions[SESSIONS_MAX];
	size_t session_count;
	bool active, stop_sent, stop_received;
	uint32_t records_left;
	uint32_t records_sent;
};

size_t count_sessions(const struct world *world, bool peer_sends);

/* If both sides have stopped. */
void end_round(struct world *world);

/* A negative result of a call that may be the end of the machine. */
void note_result(struct world *world, int result);

/* Lets the machine work off its input; checks events and output, answers if that is done at once. */
void poll_all(struct world *world);

/* Gives the answer that is owed. */
void answer(struct world *world);

/* The output is what it must be. */
void check_output(struct world *world);

/* Takes some of the output away. */
void send_some(struct world *world);

#endif
