/* Histograms and bars as a terminal can show them. Pure. */
#ifndef OWPING_STATS_DRAW_H
#define OWPING_STATS_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/histogram.h"

/* A row of a histogram: delays from low to high, both included. */
struct stats_bar {
	int64_t low_ns;
	int64_t high_ns;
	uint64_t packets; /* 0: a gap, where there are none */
};

/*
 * Merges buckets, given in ascending order, to at most rows bars, 4 or more, gaps included: by
 * twos, until they are few enough. Each bar is log-linear as the buckets are.
 * bars has room for rows. Returns how many there are.
 */
size_t stats_bars(const struct histogram_bucket *buckets, size_t count, struct stats_bar *bars, size_t rows);

/*
 * A bar of value / max of width columns: blocks of eighths in UTF-8, or '#'.
 * What is not 0 is visible. Returns text, which has room for 3 * width + 1.
 */
char *stats_bar_text(char *text, uint64_t value, uint64_t max, unsigned width, bool utf8);

#endif
