/*
 * What must come of a session: by the RFC's text, from what the script did to
 * each packet, in time that does not wrap, with everything kept and looked
 * through from one end to the other.
 */
#ifndef SIM_ACCOUNT_H
#define SIM_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "owamp/receiver.h"
#include "owamp/session.h"

/* 2^-32 s since 1900, beyond 2036 as well. */
typedef __int128 sim_units;

sim_units units_of_ns(int64_t unix_ns);
/* The first ns that is not before it. */
int64_t units_to_ns(sim_units units);
/* A span, to the nearest. */
int64_t units_span_ns(sim_units span);
sim_units units_of_span(int64_t ns);

/* A packet as a receiver reads it. */
struct sim_read {
	uint32_t seq;
	uint64_t stamp;
	uint16_t error;
	bool cut_off; /* too short */
	bool forged;  /* the HMAC does not match */
	bool clean;   /* as it was sent, at sent_ns by the sender's clock */
	int64_t sent_ns;
};

struct sim_expected {
	struct owamp_record record;
	int64_t delay_ns;
};

struct sim_account {
	uint32_t packets;
	sim_units timeout;
	sim_units *due;
	uint32_t next; /* the sender's */
	uint32_t sent;
	bool *skipped;

	bool *arrived;
	uint32_t declared; /* so many have had their Timeout when somebody looked */
	/*
	 * Drops at the receiver's socket since a packet was above all before it; those
	 * before it, which have not been used up for packets between the two, each for
	 * the first that is missing when its Timeout has passed; and packets of gaps
	 * before that, for which they were used up.
	 */
	uint64_t drops;
	uint32_t gap_first;
	uint32_t gap_end;
	uint64_t gap_drops;
	bool *excused;
	struct sim_expected *records;
	uint32_t record_count;
	uint32_t record_capacity;
	struct owamp_receiver_counters counters;
	bool contradictory;
	uint32_t cut;
};

void account_init(struct sim_account *account, const struct owamp_request *request, sim_units start);
void account_free(struct sim_account *account);

/* What the sender has to do at now: an action of enum owamp_sender_action. */
int account_poll(struct sim_account *account, sim_units now);
void account_left(struct sim_account *account, bool sent);
/* The skip ranges among the packets below limit; returns how many. ranges: room for packets. */
uint32_t account_skips(const struct sim_account *account, uint32_t limit, struct owamp_skip_range *ranges);

/*
 * How the receiver must judge, and record, a packet that arrives when its clock,
 * which has been set by set_ns since the session began, shows receive_ns.
 */
int account_arrival(struct sim_account *account, const struct sim_read *read, int64_t receive_ns,
		    int64_t set_ns, uint16_t receive_error, uint8_t ttl);
void account_drops(struct sim_account *account, uint32_t count);
/* now: by the clock as it was when the session began. */
void account_expire(struct sim_account *account, sim_units now, uint16_t error);
void account_end(struct sim_account *account, const struct owamp_stop_session *stop);

#endif
