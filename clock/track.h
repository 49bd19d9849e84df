/*
 * What one source said of late, and what follows from it: how much its readings
 * scatter and how fast the clock runs off while it says nothing. Pure.
 *
 * The line through the recent readings tells both. What all readings have in
 * common (an asymmetric path, the root's delay) moves the line without turning
 * it, so only the scatter around it makes its slope uncertain.
 */
#ifndef CLOCK_TRACK_H
#define CLOCK_TRACK_H

#include <stdbool.h>
#include <stddef.h>

#include "interval.h"
#include "source.h"

#define TRACK_POINTS 16

/* A line through fewer says nothing of how far off it may be. */
#define TRACK_LINE 3

/*
 * As long as there are fewer, some chance remains that they do not show how
 * much they scatter: as much again as the stated error is allowed for.
 */
#define TRACK_MANY 12

/*
 * How much the frequency of a crystal may differ from what it was over the
 * readings without anybody having steered it: a degree or two of temperature,
 * some 0.1 to 0.5 ppm a degree away from the turning point, each way.
 */
#define TRACK_OSCILLATOR_PPB 1000

/*
 * Of a clock that is steered by the source itself and is within its error of
 * it, as long as there is no line: what is left to be learnt of its frequency,
 * unless it was seen to run off faster.
 */
#define TRACK_STEERED_PPB 10000

/* The kernel runs a clock off by no more than 10 % (its tick), whoever asks. */
#define TRACK_DRIFT_LIMIT_PPB 100000000

struct track_point {
	int64_t mono_ns;
	int64_t offset_ns;
	/* The kernel's frequency correction, seen since this reading and up to the next one. */
	int64_t freq_least_ppb;
	int64_t freq_most_ppb;
};

struct track {
	struct track_point points[TRACK_POINTS]; /* the latest is the last */
	size_t count;
	/* Of the latest reading. */
	const char *source;
	int64_t error_ns;
	int64_t stated_ppb; /* -1: none */
	bool filtered;
	bool steers;
	int64_t before_ppb; /* the drift before the history began */
	/* Of the line, if there are TRACK_LINE points. */
	double slope_ppb;
	double slope_error_ppb;
	double residual_ns; /* the largest */
};

/* drift_ppb: what it came to in the end. */
void track_forget(struct track *track, int64_t drift_ppb);

/* Its latest measurement is this one. */
bool track_ends_with(const struct track *track, const struct clock_reading *reading);

/* True: it was another measurement than the one before. One of another kind, or an older one, begins anew. */
bool track_add(struct track *track, const struct clock_reading *reading, int64_t freq_ppb);

/* Nothing new: only the kernel's frequency may have changed. */
void track_idle(struct track *track, int64_t freq_ppb);

/* Whether the claim is wider only because there are fewer than TRACK_MANY points; there must be one. */
bool track_is_widened(const struct track *track);

/* The claim that follows; there must be a point. */
void track_interval(const struct track *track, int64_t drift_max_ppb, struct interval *interval);

#endif
