/*
 * One claim about the clock, and how it ages: at mono_ns CLOCK_REALTIME less
 * UTC was offset_ns +- error_ns, and since then the error grows by drift_ppb.
 * Sums that do not fit are held at the limit.
 */
#ifndef CLOCK_INTERVAL_H
#define CLOCK_INTERVAL_H

#include <stdint.h>

/* 36 years; leaves room for what is added to it later. */
#define INTERVAL_LIMIT_NS (INT64_MAX / 8)

struct interval {
	int64_t mono_ns;
	int64_t offset_ns;
	int64_t error_ns;
	int64_t drift_ppb;
};

/* Within +-INTERVAL_LIMIT_NS. */
int64_t interval_add(int64_t a, int64_t b);
int64_t interval_magnitude(int64_t ns);

/* What it widens by in age_ns, rounded up. */
int64_t interval_growth(int64_t age_ns, int64_t drift_ppb);

/* Its error, and its far end from 0, at a time. */
int64_t interval_error(const struct interval *interval, int64_t mono_ns);
int64_t interval_bound(const struct interval *interval, int64_t mono_ns);

/* Until when its far end is within bound_ns: the last moment; before mono_ns, if it never is. */
int64_t interval_within_until(const struct interval *interval, int64_t bound_ns);

/* By how much two miss each other at a time; 0 or less: they have something in common. */
int64_t interval_gap(const struct interval *a, const struct interval *b, int64_t mono_ns);

#endif
