/*
 * The clock's timeline: what the system clock said of itself, and when it was
 * set. Pure but for timeline_read().
 *
 * Whether the clock was set shows in the offset between CLOCK_REALTIME and
 * CLOCK_BOOTTIME: adjusting the frequency changes both alike, only a step
 * (settimeofday(), a leap second) moves one alone.
 */
#ifndef STORAGE_WRITER_CLOCK_H
#define STORAGE_WRITER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/clock.h>

struct timeline_reading {
	int64_t time_ns;        /* CLOCK_REALTIME */
	int64_t mono_ns;        /* CLOCK_BOOTTIME */
	int64_t uncertainty_ns; /* of the difference of these two */
	const char *source;
	bool synchronized;
	int64_t bound_ns;
};

/* Rows that wait to be written. */
#define TIMELINE_ROWS 64

struct timeline_row {
	struct timeline_reading reading;
	int64_t step_ns;
};

/* Zeroed before its first use. */
struct timeline {
	bool begun;
	struct timeline_reading last;     /* seen */
	struct timeline_reading last_row; /* made into a row */
	struct timeline_row rows[TIMELINE_ROWS];
	unsigned count;
};

/* By how much the clock was set between two readings; 0: as far as can be told it was not. */
int64_t timeline_step(const struct timeline_reading *before, const struct timeline_reading *now);

/* Takes a reading in and makes a row of it if it says something new. */
void timeline_add(struct timeline *timeline, const struct timeline_reading *reading);

/* The first count rows have been written. */
void timeline_written(struct timeline *timeline, unsigned count);

/* Reads the clocks now. */
void timeline_read(const struct owamp_clock *clock, struct timeline_reading *reading);

#endif
