/* A world with three clocks that a test makes run, and a hardware clock's conversion in it. */
#ifndef PHC_WORLD_H
#define PHC_WORLD_H

#include "reference.h"

#include "clock/phc.c"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/*
 * A world with three clocks, each a line of the world's own time, all in
 * integers: at world time t a clock shows base + t + t * ppb / 10^9, rounded
 * down.
 */
struct line_clock {
	int64_t base;
	int64_t ppb;
};

struct world {
	int64_t now;
	struct line_clock raw;
	struct line_clock real;
	struct line_clock phc;
	bool frozen;
	int64_t frozen_at;
	bool broken;    /* reads fail */
	int64_t before; /* the system clock was read so long before the hardware's */
	int64_t after;  /* and so long after */
	int64_t step;   /* of the system clock, in the middle of the next reading */
	int64_t costs;  /* each look at a system clock */
	int64_t hiccup; /* the next one, once */
	bool restless;  /* the step comes again */
	int64_t pass;   /* after each reading: so that the first ones have a span */
	int reads;
	int closed;
};

static inline int64_t show(const struct line_clock *clock, int64_t t)
{
	__int128 gain = (__int128)t * clock->ppb;

	return (int64_t)(clock->base + t + (gain - (gain < 0 ? SECOND - 1 : 0)) / SECOND);
}

static inline int world_read(void *context, struct clock_phc_reading *reading)
{
	struct world *world = context;

	world->reads++;
	if (world->broken) {
		errno = EIO;
		return OWAMP_ESYSTEM;
	}
	reading->before_ns = show(&world->real, world->now);
	world->now += world->before;
	reading->phc_ns = world->frozen ? world->frozen_at : show(&world->phc, world->now);
	world->real.base += world->step;
	if (!world->restless)
		world->step = 0;
	world->now += world->after;
	reading->after_ns = show(&world->real, world->now);
	return 0;
}

static inline void world_close(void *context)
{
	((struct world *)context)->closed++;
}

static inline int64_t world_time(void *context, clockid_t id)
{
	struct world *world = context;

	assert_true(id == CLOCK_REALTIME || id == CLOCK_MONOTONIC_RAW);
	world->now += world->costs;
	if (id == CLOCK_REALTIME) {
		world->now += world->hiccup;
		world->hiccup = 0;
	}
	return show(id == CLOCK_REALTIME ? &world->real : &world->raw, world->now);
}

/* Time goes on between the first readings, which only nanosleep() knows of. */
static inline int first_read(void *context, struct clock_phc_reading *reading)
{
	struct world *world = context;

	world->now += world->pass;
	return world_read(context, reading);
}

static const struct clock_phc_operations operations = {first_read, world_close, world_time};

static inline struct clock_phc *new_phc(struct world *world)
{
	struct clock_phc *phc;
	char error[100];

	if (clock_phc_new(&phc, &operations, world, error, sizeof error))
		fail_msg("refused: %s", error);
	world->pass = 0;
	return phc;
}

static inline void sample_at(struct world *world, struct clock_phc *phc, int64_t now)
{
	world->now = now;
	clock_phc_sample(phc);
}

/* 2026-02-14, 37 s behind a hardware clock on TAI that gains 10 ppm. */
static inline struct world plain(void)
{
	return (struct world){.raw = {.base = 5 * SECOND},
			      .real = {.base = 1771000000 * SECOND},
			      .phc = {.base = 1771000037 * SECOND, .ppb = 10000},
			      .before = 400,
			      .after = 400,
			      .pass = 10 * MS};
}

/* Of a stamp taken at world time t and converted now: it was right within what was said. Returns that. */
static inline int64_t assert_converts(struct world *world, const struct clock_phc *phc, int64_t t)
{
	int64_t stamp = show(&world->phc, t), truth = show(&world->real, t), real, error;

	if (!clock_phc_convert(phc, stamp, &real, &error))
		fail_msg("at %lld a stamp of %lld was refused", (long long)world->now, (long long)t);
	if (llabs(real - truth) > error)
		fail_msg("a stamp of %lld: %lld off, %lld said", (long long)t, (long long)(real - truth),
			 (long long)error);
	return error;
}

static inline void assert_refused(struct world *world, const struct clock_phc *phc, int64_t t)
{
	int64_t real, error;

	assert_false(clock_phc_convert(phc, show(&world->phc, t), &real, &error));
}

#endif
