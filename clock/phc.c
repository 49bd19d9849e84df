#include "phc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "latch.h"

#define MAX_AGE_NS CLOCK_PHC_MAX_AGE_NS
#define STEP_NS    CLOCK_PHC_STEP_NS

/* A reading with a larger error is none: its owner lost the CPU in the middle of each attempt. */
#define COARSE_NS 1000000

/* Readings closer together say nothing of the rate. */
#define LEAST_SPAN_NS 1000000
/* A rate is measured over at least this, as soon as there is so much. */
#define GOOD_SPAN_NS 500000000

/*
 * Against CLOCK_MONOTONIC_RAW: a hardware clock whose rate is further off is
 * broken; one whose rate changes by more between two readings was set. The
 * system clock is slewed by 500 ppm at most, unless somebody is setting it.
 */
#define ABSURD_PART 100
#define JUMP_PART   10000
#define SLEW_PART   1000

/* A servo in good order and the crystals change the rate by less than this in a second. */
#define WANDER_PPB 500

/* clock_gettime() costs some 25 ns; longer is an interruption. */
#define PAIR_GOOD_NS 500
#define PAIR_TRIES   3

#define FIRST_READINGS 5

/* CLOCK_REALTIME less CLOCK_MONOTONIC_RAW, which nobody steers; off by error_ns at most. */
struct system_time {
	int64_t raw_ns;
	int64_t shift_ns;
	int64_t error_ns;
};

/* A reading: the hardware clock showed phc_ns at real_ns, which may be off by error_ns. */
struct point {
	int64_t phc_ns;
	int64_t real_ns;
	int64_t error_ns;
	struct system_time system; /* at its end */
};

/*
 * What readers need. The rate is drift/span: of CLOCK_REALTIME less the
 * hardware clock per time of the hardware clock, so that all arithmetic is
 * exact; likewise slew/slew_span, of CLOCK_REALTIME less raw time.
 */
struct line {
	int64_t valid;
	int64_t from_ns; /* hardware time; before it one of the clocks may have been another */
	struct point last;
	int64_t span_ns;
	int64_t drift_ns;
	int64_t drift_error_ns;
	int64_t slew_span_ns;
	int64_t slew_ns;
	int64_t wander_ppb; /* by how much the rate may have changed since */
	int64_t bend_ns;    /* how far the line before this one was off at the end: changes within the span */
};

enum verdict {
	VERDICT_FIRST, /* nothing to compare with */
	VERDICT_GOOD,
	VERDICT_UNREADABLE, /* and errno */
	VERDICT_COARSE,
	VERDICT_FROZEN,
	VERDICT_ABSURD,
	VERDICT_JUMPED,
	VERDICT_STEPPED, /* the system clock */
};

struct clock_phc {
	struct clock_phc_operations operations;
	void *context;
	struct latch latch; /* of a line */

	/* The sampling thread's. */
	bool has_last;
	struct point base; /* where the line begins, if line.valid */
	struct point last;
	struct line line;
};

static int64_t system_time(void *context, clockid_t id)
{
	struct timespec now;

	(void)context;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t half_up(int64_t ns)
{
	return (ns + 1) / 2;
}

/* of * part / whole, rounded up; none is negative. */
static int64_t share_up(int64_t of, int64_t part, int64_t whole)
{
	return (int64_t)(((__int128)of * part + whole - 1) / whole);
}

/* of * part / whole within 1 ns. */
static int64_t share(int64_t of, int64_t part, int64_t whole)
{
	return (int64_t)((__int128)of * part / whole);
}

/* The tightest of a few; each clock may be off by its resolution of 1 ns. */
static struct system_time system_now(const struct clock_phc *phc)
{
	int64_t (*time)(void *context, clockid_t id) = phc->operations.time;
	struct system_time best = {.error_ns = INT64_MAX};

	for (int i = 0; i < PAIR_TRIES && best.error_ns > PAIR_GOOD_NS; i++) {
		int64_t before = time(phc->context, CLOCK_MONOTONIC_RAW);
		int64_t real = time(phc->context, CLOCK_REALTIME);
		int64_t after = time(phc->context, CLOCK_MONOTONIC_RAW);
		int64_t error = half_up(after - before) + 1;

		if (error < best.error_ns) {
			best.raw_ns = before + (after - before) / 2;
			best.shift_ns = real - best.raw_ns;
			best.error_ns = error;
		}
	}
	return best;
}

/* When the reading was, in raw time: as far off as the reading. */
static int64_t raw_of(const struct point *point)
{
	return point->real_ns - point->system.shift_ns;
}

static enum verdict take(const struct clock_phc *phc, struct point *point)
{
	struct clock_phc_reading reading;
	struct system_time before = system_now(phc);
	int64_t moved;

	if (phc->operations.read(phc->context, &reading))
		return VERDICT_UNREADABLE;
	point->system = system_now(phc);
	point->phc_ns = reading.phc_ns;
	/* Were the system clock set in the meantime, the window would mean nothing. */
	moved = llabs(point->system.shift_ns - before.shift_ns);
	if (reading.after_ns < reading.before_ns ||
	    moved > STEP_NS + before.error_ns + point->system.error_ns)
		return VERDICT_STEPPED;
	point->real_ns = reading.before_ns + (reading.after_ns - reading.before_ns) / 2;
	point->error_ns = half_up(reading.after_ns - reading.before_ns) + moved + before.error_ns +
			  point->system.error_ns;
	return point->error_ns > COARSE_NS ? VERDICT_COARSE : VERDICT_GOOD;
}

/* How far the line was off at the point, of both clocks against raw time. */
static int64_t residual_of(const struct clock_phc *phc, const struct point *point)
{
	int64_t span = phc->last.phc_ns - phc->base.phc_ns;
	int64_t drift = raw_of(&phc->last) - raw_of(&phc->base) - span;
	int64_t passed = point->phc_ns - phc->last.phc_ns;

	return llabs(raw_of(point) - raw_of(&phc->last) - passed - share(passed, drift, span));
}

static int64_t deviation_of(const struct line *line, const struct system_time *now)
{
	int64_t expected = share(now->raw_ns - line->last.system.raw_ns, line->slew_ns, line->slew_span_ns);

	return llabs(now->shift_ns - line->last.system.shift_ns - expected);
}

static bool jumped(const struct clock_phc *phc, const struct point *point, int64_t passed)
{
	int64_t noise = phc->last.error_ns + point->error_ns +
			share_up(passed, phc->line.drift_error_ns, phc->line.span_ns);

	return residual_of(phc, point) > noise + passed / JUMP_PART;
}

/* Whether the point and the one before it are of clocks that ran on in between. */
static enum verdict judge(const struct clock_phc *phc, const struct point *point)
{
	const struct point *last = &phc->last;
	int64_t passed, raw, shifted;

	if (!phc->has_last)
		return VERDICT_FIRST;
	raw = point->system.raw_ns - last->system.raw_ns;
	if (raw > MAX_AGE_NS)
		return VERDICT_FIRST;
	if (point->phc_ns == last->phc_ns)
		return VERDICT_FROZEN;
	if (__builtin_sub_overflow(point->phc_ns, last->phc_ns, &passed) || passed < 0 ||
	    passed > 2 * MAX_AGE_NS)
		return VERDICT_ABSURD;
	shifted = llabs(point->system.shift_ns - last->system.shift_ns);
	if (shifted > STEP_NS + raw / SLEW_PART)
		return VERDICT_STEPPED;
	if (llabs(raw_of(point) - raw_of(last) - passed) >
	    last->error_ns + point->error_ns + raw / ABSURD_PART)
		return VERDICT_ABSURD;
	return phc->line.valid && jumped(phc, point, passed) ? VERDICT_JUMPED : VERDICT_GOOD;
}

/*
 * How fast the rate changes, of what was seen: at least as fast as the last
 * time, and for a while as at worst. Only a rate over a good span is worth
 * comparing with.
 */
static int64_t wander_of(const struct clock_phc *phc, const struct point *point)
{
	const struct line *line = &phc->line;
	int64_t passed = point->phc_ns - phc->last.phc_ns, wander, seen;

	if (!line->valid)
		return WANDER_PPB;
	wander = line->wander_ppb - line->wander_ppb / 8;
	if (line->span_ns >= GOOD_SPAN_NS && passed >= GOOD_SPAN_NS) {
		seen = share_up(residual_of(phc, point), 1000000000, passed);
		wander = seen > wander ? seen : wander;
	}
	return wander > WANDER_PPB ? wander : WANDER_PPB;
}

/* The line to the point from the one before it or, while that is too near, from the one the line had. */
static void extend(struct clock_phc *phc, const struct point *point)
{
	struct line line = phc->line;
	const struct point *base = &phc->base;
	int64_t raw = raw_of(point);

	line.wander_ppb = wander_of(phc, point);
	line.bend_ns = line.valid ? residual_of(phc, point) + deviation_of(&phc->line, &point->system) +
					    phc->last.system.error_ns + point->system.error_ns
				  : 0;
	if (!line.valid)
		line.from_ns = point->phc_ns;
	if (!line.valid || raw - raw_of(&phc->last) >= GOOD_SPAN_NS || raw - raw_of(base) > MAX_AGE_NS)
		phc->base = phc->last;
	line.valid = 1;
	line.last = *point;
	line.span_ns = point->phc_ns - base->phc_ns;
	line.drift_ns = point->real_ns - base->real_ns - line.span_ns;
	line.drift_error_ns = point->error_ns + base->error_ns;
	line.slew_span_ns = point->system.raw_ns - base->system.raw_ns;
	line.slew_ns = point->system.shift_ns - base->system.shift_ns;
	phc->line = line;
	phc->last = *point;
}

/* The point, if there is one, may be the first of another line. */
static void forget(struct clock_phc *phc, const struct point *point)
{
	phc->line = (struct line){.valid = 0};
	phc->has_last = point != NULL;
	if (point)
		phc->last = *point;
}

static enum verdict sample(struct clock_phc *phc)
{
	struct point point;
	enum verdict verdict = take(phc, &point);
	bool whole = verdict == VERDICT_GOOD;

	/* The line remains what it was, and grows old. */
	if (verdict == VERDICT_UNREADABLE || verdict == VERDICT_COARSE)
		return verdict;
	if (whole && phc->has_last && point.system.raw_ns - phc->last.system.raw_ns < LEAST_SPAN_NS)
		return verdict;
	if (whole)
		verdict = judge(phc, &point);
	if (verdict == VERDICT_GOOD)
		extend(phc, &point);
	else
		forget(phc, whole ? &point : NULL);
	latch_write(&phc->latch, &phc->line, sizeof phc->line);
	return verdict;
}

void clock_phc_sample(struct clock_phc *phc)
{
	sample(phc);
}

/* How far a stamp so far from the line's end may be off. */
static int64_t error_of(const struct line *line, int64_t distance)
{
	int64_t away = llabs(distance);
	int64_t error = line->last.error_ns + share_up(away, line->drift_error_ns, line->span_ns) +
			share_up(away, line->wander_ppb, 1000000000);

	return distance < 0 ? error + line->bend_ns : error;
}

bool clock_phc_convert(const struct clock_phc *phc, int64_t phc_ns, int64_t *real_ns, int64_t *error_ns)
{
	struct system_time now;
	struct line line;
	int64_t age, distance, deviation, uncertain;

	latch_read(&phc->latch, &line, sizeof line);
	if (!line.valid || phc_ns < line.from_ns ||
	    __builtin_sub_overflow(phc_ns, line.last.phc_ns, &distance))
		return false;
	now = system_now(phc);
	age = now.raw_ns - line.last.system.raw_ns;
	if (age > MAX_AGE_NS || distance > MAX_AGE_NS || distance < -MAX_AGE_NS)
		return false;
	deviation = deviation_of(&line, &now);
	uncertain = line.last.system.error_ns + now.error_ns;
	if (deviation > STEP_NS + uncertain)
		return false;
	*real_ns = line.last.real_ns + distance + share(distance, line.drift_ns, line.span_ns);
	/* 1 ns each for the rounding of what share() made. */
	*error_ns = error_of(&line, distance) + deviation + uncertain + 2;
	return *real_ns - *error_ns <= now.raw_ns + now.shift_ns + now.error_ns;
}

bool clock_phc_latest(const struct clock_phc *phc, int64_t *phc_ns, int64_t *real_ns, int64_t *error_ns)
{
	struct line line;

	latch_read(&phc->latch, &line, sizeof line);
	*phc_ns = line.last.phc_ns;
	return line.valid && clock_phc_convert(phc, *phc_ns, real_ns, error_ns);
}

static void explain(enum verdict verdict, int saved_errno, char *error, size_t size)
{
	switch (verdict) {
	case VERDICT_UNREADABLE:
		snprintf(error, size, "cannot be read: %s", strerror(saved_errno));
		break;
	case VERDICT_COARSE:
		snprintf(error, size, "takes more than %d us to read", 2 * COARSE_NS / 1000);
		break;
	case VERDICT_FROZEN:
		snprintf(error, size, "does not advance");
		break;
	default:
		snprintf(error, size, "runs at an absurd rate, or is being set");
		break;
	}
}

static void wait_a_little(void)
{
	struct timespec time = {.tv_nsec = 10000000};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

int clock_phc_new(struct clock_phc **phc, const struct clock_phc_operations *operations, void *context,
		  char *error, size_t error_size)
{
	struct clock_phc *p = calloc(1, sizeof *p);
	enum verdict verdict = VERDICT_FIRST;

	*phc = NULL;
	if (!p) {
		snprintf(error, error_size, "%s", owamp_error_text(OWAMP_ENOMEM));
		operations->close(context);
		return OWAMP_ENOMEM;
	}
	p->operations = *operations;
	if (!p->operations.time)
		p->operations.time = system_time;
	p->context = context;
	for (int i = 0; i < FIRST_READINGS && !p->line.valid; i++) {
		if (i > 0)
			wait_a_little();
		errno = 0;
		verdict = sample(p);
	}
	/* A step of the system clock is no fault of this one: it will do later. */
	if (!p->line.valid && verdict != VERDICT_STEPPED) {
		explain(verdict, errno, error, error_size);
		clock_phc_free(p);
		return OWAMP_ESYSTEM;
	}
	*phc = p;
	return 0;
}

void clock_phc_free(struct clock_phc *phc)
{
	if (!phc)
		return;
	phc->operations.close(phc->context);
	free(phc);
}
