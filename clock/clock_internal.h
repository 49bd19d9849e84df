/* What the parts of the clock share: clock.c (its life), round.c (what happens once a second), read.c (who
 * asks). */
#ifndef CLOCK_INTERNAL_H
#define CLOCK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <owamp/clock.h>

#include "latch.h"
#include "leap.h"
#include "select.h"
#include "step.h"

struct clock_phc;

/* From one round to the next; the first ones, and those after a step, come faster. */
#define CLOCK_INTERVAL_NS  INT64_C(1000000000)
#define CLOCK_HURRY_ROUNDS 8

/* A hardware clock to sample. */
struct watch {
	struct watch *next;
	struct clock_phc *phc;
	bool sampled; /* in this second */
};

struct owamp_clock {
	struct latch latch; /* of the snapshot */
	/* Of the offsets, for who needs no more: CLOCK_REALTIME less CLOCK_MONOTONIC. */
	_Atomic int64_t shift_ns;
	_Atomic int64_t shift_error_ns;
	/* What shift_ns will be any moment, or was a moment ago, because of a leap second. */
	_Atomic int64_t leap_shift_ns;
	atomic_uint_fast64_t rounds;

	struct owamp_clock_config config;
	struct clock_opener opener;
	struct leap_table leap; /* the sampling thread's, too */
	struct leap_stamp leap_stamp;
	int64_t leap_looked_mono; /* at the file; 0: never since it was first read */

	/* The sampling thread's, once there is one. */
	struct clock_source sources[OWAMP_CLOCK_SOURCES_MAX];
	size_t source_count;
	struct select *select;
	struct step_reading offsets; /* of the clocks, since the system clock was last set */
	int64_t leap_move_ns;        /* around a leap second: from shift_ns to leap_shift_ns; otherwise 0 */
	int64_t leap_mono;           /* of the last leap second seen, or the next one announced; 0: none */
	unsigned hurry;              /* rounds to be taken in a hurry */

	pthread_t thread;
	int wake;      /* eventfd: something to do before the next round */
	int set_timer; /* -1: not to be had, so that steps are noticed in the next round only */
	pthread_mutex_t lock;
	pthread_cond_t idle; /* sampling has become NULL */
	bool quit;
	struct watch *watches;
	const struct clock_phc *sampling; /* by the thread, without the lock */
	struct owamp_clock_status status;
};

/* round.c; the sampling thread's */

/* What became of the clock since the last look; if it is not what it was, everybody knows. */
enum step_kind clock_look_for_step(struct owamp_clock *clock, struct step_reading *now);

/* Asks all sources, and publishes what comes of it. */
void clock_sample(struct owamp_clock *clock);

#endif
