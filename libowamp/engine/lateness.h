/*
 * A small histogram of times: percentiles within an eighth of themselves (8 ns
 * below 64 ns), in a fixed half kilobyte, for each sending session.
 */
#ifndef ENGINE_LATENESS_H
#define ENGINE_LATENESS_H

#include <stdint.h>

/* Below 64 ns four of 16 ns; then four to each doubling, up to 34 s; and one for all beyond. */
#define LATENESS_BUCKETS 121

struct lateness {
	uint64_t count;
	int64_t max_ns;
	double sum_ns;
	uint32_t buckets[LATENESS_BUCKETS]; /* of a session's packets, of which there are fewer than 2^32 */
};

void lateness_add(struct lateness *lateness, int64_t ns); /* below 0 counts as 0 */

/* By nearest rank, 0 < percent <= 100. 0 if nothing was added; never above max_ns. */
int64_t lateness_percentile(const struct lateness *lateness, double percent);

#endif
