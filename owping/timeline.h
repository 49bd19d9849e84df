/* What this host's clock said of itself at a moment, and whether it was set between two. */
#ifndef OWPING_TIMELINE_H
#define OWPING_TIMELINE_H

#include <stdint.h>

#include <owamp/clock.h>

/* How far the clock is from CLOCK_MONOTONIC only changes when it is set. */
struct owping_clock {
	int64_t time_ns; /* 0: not read */
	int64_t offset_ns;
	int64_t inexact_ns; /* of the offset */
	struct owamp_clock_snapshot snapshot;
};

void owping_clock_read(struct owping_clock *reading, const struct owamp_clock *clock);

/* By how much the clock was set between two readings; 0: it was not. */
int64_t owping_clock_step(const struct owping_clock *before, const struct owping_clock *after);

#endif
