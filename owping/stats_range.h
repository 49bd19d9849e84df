/*
 * What went from one endpoint to another over a range of time, in steps: from
 * the packets, or from what was derived from them when packets are gone or too
 * many.
 */
#ifndef OWPING_STATS_RANGE_H
#define OWPING_STATS_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "owping/stats_pool.h"
#include "owping/stats_run.h"
#include "storage/query.h"

/* Up to so many packets all delays are kept for exact percentiles. */
#define STATS_EXACT_MAX 3000000

#define STATS_STEPS_MAX 100000

struct stats_step {
	uint64_t sent;
	uint64_t received;
	uint64_t lost;    /* in the network */
	uint64_t dropped; /* at the receiver's own socket */
	uint64_t duplicates;
	uint64_t reordered;
	struct stats_pool *pool;
};

struct stats_range {
	int64_t begin_ns; /* what was looked at: whole steps, or whole hours */
	int64_t end_ns;   /* exclusive */
	int64_t step_ns;
	size_t step_count;
	struct stats_step *steps;
	bool exact;       /* all from packets, and all delays are kept */
	bool whole_hours; /* from summaries, at least in part */
	bool widened;     /* and so it has more than was asked for */

	uint64_t sessions; /* that reach into the range */
	uint64_t running;
	uint64_t left_out; /* pruned, though steps this short need packets */

	/* Only if anything was received. */
	int64_t error_ns; /* largest bound of both clocks together, of a session */
	bool synchronized;

	/* The minute with the most losses, or if there are none with the largest P95. */
	bool has_worst;
	struct query_minute worst;
};

struct stats_range_config {
	const char *from;
	const char *to;
	int64_t since_ns; /* INT64_MIN: from the first packet on */
	int64_t until_ns; /* INT64_MAX: to the last */
	int64_t step_ns;  /* 0: one step */
	bool buckets;     /* pools are to be histograms, whatever they come from */
};

/*
 * Without sessions, step_count is 0. stats_range_free() is due in any case.
 * On failure run->error is set.
 */
int stats_range_collect(struct stats_range *range, struct stats_run *run,
			const struct stats_range_config *config);
void stats_range_free(struct stats_range *range);

/* Sets run->error to what was looked for in vain; both: in either direction. Returns OWAMP_EDATA. */
int stats_range_nothing(struct stats_run *run, bool both);

#endif
