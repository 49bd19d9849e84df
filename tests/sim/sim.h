/*
 * Whole sessions in virtual time: control client and server, sender, receiver
 * and statistics of the library, joined by a network that does what a script
 * says and keeps its own account of what must come out. Every difference ends
 * the test with the seed that shows it again.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "owamp/receiver.h"
#include "owamp/session.h"
#include "owamp/stats.h"

enum sim_host { SIM_CLIENT, SIM_SERVER, SIM_HOSTS };

#define SIM_ROUNDS_MAX   3
#define SIM_SESSIONS_MAX 4 /* in one round */
#define SIM_SLOTS_MAX    4
#define SIM_STEPS_MAX    3
#define SIM_COPIES_MAX   4

#define SIM_MS     INT64_C(1000000)
#define SIM_S      INT64_C(1000000000)
#define SIM_NEVER  INT64_MAX
#define SIM_NO_SEQ UINT32_MAX

/* What becomes of one packet: each copy arrives after its delay, maybe where there is no room; none is a
 * loss. */
struct sim_fate {
	unsigned copies;
	int64_t delay_ns[SIM_COPIES_MAX];
	bool damaged[SIM_COPIES_MAX];
	bool dropped[SIM_COPIES_MAX]; /* by the receiver's own socket */
};

/* Chances are in thousandths. */
struct sim_path {
	int64_t delay_ns;
	int64_t jitter_ns; /* up to this more */
	int64_t hold_ns;   /* some are held back, by up to this */
	uint32_t hold;
	uint32_t loss;
	uint32_t duplicate;
	uint32_t damage;
	uint32_t drop; /* by the receiver's own socket */
	/* If set, decides alone. */
	void (*fate)(uint32_t seq, struct sim_fate *fate);
};

/* When the receiver's caller looks for losses. */
enum sim_expiry { SIM_EXPIRE_AT_DEADLINES, SIM_EXPIRE_NOW_AND_THEN, SIM_EXPIRE_RARELY, SIM_EXPIRIES };

struct sim_session_script {
	bool to_server;
	uint8_t refuse; /* the server's Accept value */
	uint32_t packets;
	struct owamp_slot slots[SIM_SLOTS_MAX];
	uint32_t slot_count;
	int64_t timeout_ns;
	uint32_t padding;
	bool zero_padding;
	int64_t start_delay_ns; /* from the request, by the client's clock */
	int64_t late_ns;        /* packets leave up to this late */
	uint32_t stall;         /* chance of a pause of up to stall_ns */
	int64_t stall_ns;
	uint32_t stall_seq; /* or exactly one, before this packet: SIM_NO_SEQ for none */
	uint32_t send_error;
	enum sim_expiry expiry;
	uint32_t lie; /* Stop-Sessions names so many packets less */
	struct sim_path path;
};

struct sim_step {
	int64_t after_ns; /* of the beginning */
	enum sim_host host;
	int64_t by_ns;
};

struct sim_script {
	const char *name; /* NULL: the seed */
	uint64_t seed;
	bool verbose;
	uint32_t mode;
	int64_t begin_ns;   /* Unix time */
	int64_t quantum_ns; /* all spans that chance makes are multiples of it */
	int64_t offset_ns[SIM_HOSTS];
	struct sim_step steps[SIM_STEPS_MAX];
	unsigned step_count;

	unsigned round_count;
	unsigned session_count[SIM_ROUNDS_MAX];
	struct sim_session_script sessions[SIM_ROUNDS_MAX][SIM_SESSIONS_MAX];
	bool pipelined; /* all requests at once */

	int64_t end_delay_ns; /* from the end of a send session to Stop-Sessions */
	int64_t settle_ns;    /* a receiver that is not complete waits so long after both Stop-Sessions */
	unsigned stop_round;  /* in which stop_host stops early */
	enum sim_host stop_host;
	int64_t stop_ns;  /* after its start; SIM_NEVER: not at all */
	int64_t break_ns; /* the control connection breaks so long after the beginning, or SIM_NEVER */

	int64_t latency_ns; /* of the control connection, at most */
	uint32_t piece_max; /* octets that arrive at once, at most */
};

/* A script in which nothing unusual happens: one session of 100 packets, 50 ms apart. */
void sim_script_plain(struct sim_script *script, const char *name);

/* What chance makes of a seed. */
void sim_script_random(struct sim_script *script, uint64_t seed);

/* What came of a session, by the library; all of it agrees with the account. */
struct sim_outcome {
	bool started;
	bool ended;
	bool contradictory;  /* OWAMP_EDATA */
	int64_t complete_ns; /* the receiver, so long after the beginning; 0: before it was ended it was not
			      */
	uint32_t cut;
	uint32_t next_seq; /* of Stop-Sessions, if stopped */
	bool stopped;
	struct owamp_receiver_counters counters;
	const struct owamp_record *records; /* what is kept */
	uint32_t record_count;
	bool measured; /* the following are filled */
	struct owamp_summary summary;
	const struct owamp_stats *stats;
};

struct sim_world;

/* Runs it to the end. */
struct sim_world *sim_run(const struct sim_script *script);
const struct sim_outcome *sim_outcome(const struct sim_world *world, unsigned round, unsigned index);
void sim_free(struct sim_world *world);

#endif
