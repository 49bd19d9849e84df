/*
 * The client machine and its caller, who knows at each step which commands are
 * allowed, which events may come, what they must say, and every octet of the
 * output.
 */
#ifndef FUZZ_CLIENT_WORLD_H
#define FUZZ_CLIENT_WORLD_H

#include "owamp/control_client.h"
#include "peer.h"
#include "protocol/stop.h"

#define REQUESTS_MAX 8
#define SKIPS_MAX    64
#define SLOTS_MAX    4

/* What the client waits for. */
enum waits { WAITS_GREETING, WAITS_CALLER, WAITS_SERVER_START, WAITS_NOTHING, WAITS_START_ACK, WAITS_FETCH };

/* Requests are answered in order; those that were accepted are sessions. */
struct request {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t packets;
	bool conf_sender;
	bool conf_receiver;
};

struct world {
	struct input in;
	struct peer peer;
	struct owamp_control_client *client;
	struct owamp_control_client_config config;
	enum waits waits;
	int dead; /* the first negative result */
	bool said_greeting;
	bool foreign_greeting; /* what was said is not what arrived */
	uint32_t modes;        /* that the server offered */
	uint32_t mode;
	struct request open[REQUESTS_MAX];
	size_t open_count;
	struct request sessions[REQUESTS_MAX];
	size_t session_count;
	bool active, stop_sent, stop_received;
	/* The answer to Fetch-Session so far. */
	enum owamp_control_client_event_type fetched;
	uint32_t skip_total;
	uint32_t records_left;
};

/* The same in all greetings, so that the Token is known. */
extern const uint8_t client_challenge[16];

void client_note_result(struct world *world, int result);
void client_end_round(struct world *world);
void client_check_output(struct world *world);
size_t client_count_sessions(const struct world *world, bool peer_sends);
const struct request *client_find_session(const struct world *world, const uint8_t *sid);

/* Lets the machine work off its input and checks events and output. */
void client_poll_all(struct world *world);

/* Answers the greeting, with a mode that was offered. */
void client_set_up(struct world *world, uint32_t mode);

/* One command, allowed now or not (client_commands.c). */
void client_command(struct world *world);

#endif
