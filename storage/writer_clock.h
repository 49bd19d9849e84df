/*
 * The clock's timeline: what the system clock and its sources said of
 * themselves, and when the clock was set. Pure but for timeline_read().
 */
#ifndef STORAGE_WRITER_CLOCK_H
#define STORAGE_WRITER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/clock.h>

struct timeline_reading {
	int64_t time_ns; /* CLOCK_REALTIME */
	int64_t mono_ns; /* CLOCK_MONOTONIC */
	struct owamp_clock_status status;
};

/* Rows that wait to be written. */
#define TIMELINE_ROWS 64

struct timeline_row {
	struct timeline_reading reading; /* of its sources only those that say something new */
	int64_t step_ns;
};

/* Zeroed before its first use. */
struct timeline {
	bool begun;
	struct timeline_reading last;     /* seen */
	struct timeline_reading last_row; /* made into a row */
	/* Of the sources, by their place in the configuration. */
	struct owamp_clock_source_status last_sources[OWAMP_CLOCK_SOURCES_MAX];
	int64_t last_sources_mono[OWAMP_CLOCK_SOURCES_MAX];
	struct timeline_row rows[TIMELINE_ROWS];
	unsigned count;
};

/* By how much the clock was set between two readings; 0: it was not. Leap seconds do not count. */
int64_t timeline_step(const struct timeline_reading *before, const struct timeline_reading *now);

/* Takes a reading in and makes a row of it if it says something new. */
void timeline_add(struct timeline *timeline, const struct timeline_reading *reading);

/* The first count rows have been written. */
void timeline_written(struct timeline *timeline, unsigned count);

/* Reads the clocks now. */
void timeline_read(struct owamp_clock *clock, struct timeline_reading *reading);

#endif
