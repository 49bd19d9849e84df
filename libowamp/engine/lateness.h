/*
 * A small histogram of times: percentiles within an eighth of themselves, in a
 * fixed half kilobyte, for each sending session.
 */
#ifndef ENGINE_LATENESS_H
#define ENGINE_LATENESS_H

#include <stdint.h>

/* From 64 ns to 34 s, four to each doubling. */
#define LATENESS_BUCKETS 116

struct lateness {
	uint64_t count;
	uint32_t buckets[LATENESS_BUCKETS];
	int64_t max_ns;
	double sum_ns;
};

void lateness_add(struct lateness *lateness, int64_t ns); /* below 0 counts as 0 */

/* 0 if nothing was added; never above max_ns. */
int64_t lateness_percentile(const struct lateness *lateness, double percent);

#endif
