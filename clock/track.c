#include "track.h"

#include <math.h>
#include <string.h>

#define SECOND_NS 1e9

/* Rounding of the doubles, not of the line. */
#define ROUNDING 1e-6

/* The scatter in the largest residual of many. */
#define SPREAD 3

/*
 * Student's t of two-sided 0.01 %, for 1 degree of freedom and up: what a slope
 * may be off by, in its standard errors. Of three points it says next to
 * nothing, which is the truth.
 */
static const double student[TRACK_POINTS - 2] = {6366.2, 99.99, 28.00, 15.54, 11.18, 9.082, 7.885,
						 7.120,  6.594, 6.211, 5.921, 5.694, 5.513, 5.363};

static int64_t ceiling(double value, int64_t most)
{
	double up = ceil(value - ROUNDING);

	return up >= (double)most ? most : (int64_t)up;
}

static struct track_point *latest(struct track *track)
{
	return &track->points[track->count - 1];
}

/* Relative to the latest point, in s and ns: small numbers, which doubles hold exactly. */
static void relative(const struct track *track, size_t index, double *x, double *y)
{
	const struct track_point *point = &track->points[index], *last = &track->points[track->count - 1];

	*x = (double)(point->mono_ns - last->mono_ns) / SECOND_NS;
	*y = (double)((__int128)point->offset_ns - last->offset_ns);
}

static void fit_residuals(struct track *track, double intercept, double width)
{
	double squares = 0;

	track->residual_ns = 0;
	for (size_t i = 0; i < track->count; i++) {
		double x, y;

		relative(track, i, &x, &y);
		y -= intercept + track->slope_ppb * x;
		squares += y * y;
		track->residual_ns = fmax(track->residual_ns, fabs(y));
	}
	track->slope_error_ppb =
		student[track->count - TRACK_LINE] * sqrt(squares / (double)(track->count - 2) / width);
}

/* Least squares; ns in s are ppb. */
static void fit(struct track *track)
{
	double n = (double)track->count, mean_x = 0, mean_y = 0, width = 0, product = 0;
	double x, y;

	if (track->count < TRACK_LINE)
		return;
	for (size_t i = 0; i < track->count; i++) {
		relative(track, i, &x, &y);
		mean_x += x / n;
		mean_y += y / n;
	}
	for (size_t i = 0; i < track->count; i++) {
		relative(track, i, &x, &y);
		width += (x - mean_x) * (x - mean_x);
		product += (x - mean_x) * (y - mean_y);
	}
	track->slope_ppb = product / width;
	fit_residuals(track, mean_y - track->slope_ppb * mean_x, width);
}

void track_forget(struct track *track, int64_t drift_ppb)
{
	track->before_ppb = drift_ppb;
	track->count = 0;
}

void track_idle(struct track *track, int64_t freq_ppb)
{
	if (track->count == 0)
		return;
	if (freq_ppb < latest(track)->freq_least_ppb)
		latest(track)->freq_least_ppb = freq_ppb;
	if (freq_ppb > latest(track)->freq_most_ppb)
		latest(track)->freq_most_ppb = freq_ppb;
}

static void append(struct track *track, const struct clock_reading *reading, int64_t freq_ppb)
{
	if (track->count == TRACK_POINTS) {
		memmove(track->points, track->points + 1, (TRACK_POINTS - 1) * sizeof track->points[0]);
		track->count--;
	}
	track->points[track->count++] = (struct track_point){
		.mono_ns = reading->mono_ns,
		.offset_ns = reading->offset_ns,
		.freq_least_ppb = freq_ppb,
		.freq_most_ppb = freq_ppb,
	};
}

bool track_ends_with(const struct track *track, const struct clock_reading *reading)
{
	return track->count > 0 && track->points[track->count - 1].mono_ns == reading->mono_ns;
}

bool track_add(struct track *track, const struct clock_reading *reading, int64_t freq_ppb)
{
	bool changed = true, distinct = true;

	if (track->count > 0 &&
	    (strcmp(track->source, reading->source) != 0 || reading->mono_ns < latest(track)->mono_ns))
		track->count = 0;
	track->source = reading->source;
	track->error_ns = reading->error_ns;
	track->stated_ppb = reading->drift_ppb;
	track->filtered = reading->filtered;
	track->steers = reading->steers;
	if (track_ends_with(track, reading)) {
		distinct = false;
		changed = latest(track)->offset_ns != reading->offset_ns;
		latest(track)->offset_ns = reading->offset_ns;
		track_idle(track, freq_ppb);
	} else {
		append(track, reading, freq_ppb);
	}
	if (changed)
		fit(track);
	return distinct;
}

/* By how much the kernel's correction has varied since the point: the slope is of all of them, the clock's
 * rate now may be that of any. */
static int64_t steered_ppb(const struct track *track, size_t since)
{
	int64_t least = INT64_MAX, most = INT64_MIN;

	for (size_t i = since; i < track->count; i++) {
		if (track->points[i].freq_least_ppb < least)
			least = track->points[i].freq_least_ppb;
		if (track->points[i].freq_most_ppb > most)
			most = track->points[i].freq_most_ppb;
	}
	return most - least;
}

/*
 * The largest distance from the line, three times: what is still to come may
 * be further away than what has come, and a line follows what it is drawn
 * through; the more so the fewer there are.
 */
static int64_t scatter_ns(const struct track *track)
{
	double n = (double)track->count;
	int64_t scatter = 0;

	if (track->filtered)
		return 0;
	if (track->count >= TRACK_LINE)
		scatter = ceiling(SPREAD * n / (n - 2) * track->residual_ns, INTERVAL_LIMIT_NS);
	if (track->count < TRACK_MANY && scatter < track->error_ns)
		scatter = track->error_ns;
	return scatter;
}

bool track_is_widened(const struct track *track)
{
	return track->count < TRACK_MANY && track->error_ns > 0 && scatter_ns(track) == track->error_ns;
}

/* A line that would allow for no more than drift_max is not made to say more than that by its scatter. */
static int64_t line_ppb(const struct track *track, int64_t drift_max_ppb)
{
	double slope = fabs(track->slope_ppb);
	int64_t drift = ceiling(slope + track->slope_error_ppb, TRACK_DRIFT_LIMIT_PPB);

	drift += TRACK_OSCILLATOR_PPB;
	if (drift > drift_max_ppb && slope - track->slope_error_ppb <= (double)drift_max_ppb)
		drift = drift_max_ppb;
	return drift;
}

/* Who steers and was far off a moment ago is pulling. */
static bool is_locked(const struct track *track)
{
	for (size_t i = 0; i < track->count; i++) {
		if (interval_magnitude(track->points[i].offset_ns) > track->error_ns)
			return false;
	}
	return track->steers;
}

static int64_t drift_without_line(const struct track *track, int64_t drift_max_ppb)
{
	int64_t drift = TRACK_STEERED_PPB;

	if (drift < track->before_ppb)
		drift = track->before_ppb;
	if (!is_locked(track) || drift >= drift_max_ppb)
		return drift_max_ppb;
	return interval_add(drift, steered_ppb(track, 0));
}

static int64_t drift_ppb(const struct track *track, int64_t drift_max_ppb)
{
	if (track->stated_ppb >= 0)
		return interval_add(track->stated_ppb, steered_ppb(track, track->count - 1));
	if (track->count >= TRACK_LINE)
		return interval_add(line_ppb(track, drift_max_ppb), steered_ppb(track, 0));
	return drift_without_line(track, drift_max_ppb);
}

void track_interval(const struct track *track, int64_t drift_max_ppb, struct interval *interval)
{
	const struct track_point *last = &track->points[track->count - 1];
	int64_t drift = drift_ppb(track, drift_max_ppb);

	*interval = (struct interval){
		.mono_ns = last->mono_ns,
		.offset_ns = last->offset_ns,
		.error_ns = interval_add(track->error_ns, scatter_ns(track)),
		.drift_ppb = drift < TRACK_DRIFT_LIMIT_PPB ? drift : TRACK_DRIFT_LIMIT_PPB,
	};
}
