#include <owamp/clock.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "source.h"

#define SAMPLE_INTERVAL_NS INT64_C(1000000000)

/* The kernel's bound of what it knows nothing about. */
#define UNKNOWN_BOUND_NS  INT64_C(16000000000)
#define UNKNOWN_DRIFT_PPB 500000

/*
 * The snapshot is guarded by a sequence number that is odd while it changes;
 * all accesses are sequentially consistent, so a reader that saw the same even
 * number before and after has seen one snapshot.
 */
struct owamp_clock {
	atomic_uint sequence;
	atomic_bool synchronized;
	_Atomic int64_t bound_ns;
	_Atomic int64_t sampled_at_mono;
	_Atomic int64_t drift_ppb;
	const char *_Atomic source;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool quit;
};

static void sample(struct owamp_clock *clock)
{
	struct clock_sample sample = {.bound_ns = UNKNOWN_BOUND_NS, .drift_ppb = UNKNOWN_DRIFT_PPB};
	const struct clock_source *source = &clock_source_kernel;
	int64_t now = owamp_mono_ns();
	bool known = source->sample(&sample) == 0;

	clock->sequence++;
	clock->synchronized = known && sample.synchronized;
	clock->bound_ns = sample.bound_ns;
	clock->drift_ppb = sample.drift_ppb;
	clock->sampled_at_mono = now;
	clock->source = known ? source->name : "none";
	clock->sequence++;
}

static void *run(void *context)
{
	struct owamp_clock *clock = context;
	int64_t next = owamp_mono_ns();

	pthread_mutex_lock(&clock->lock);
	while (!clock->quit) {
		struct timespec due;

		next += SAMPLE_INTERVAL_NS;
		due = (struct timespec){.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
		while (!clock->quit &&
		       pthread_cond_clockwait(&clock->change, &clock->lock, CLOCK_MONOTONIC, &due) == 0)
			;
		if (clock->quit)
			break;
		pthread_mutex_unlock(&clock->lock);
		sample(clock);
		pthread_mutex_lock(&clock->lock);
	}
	pthread_mutex_unlock(&clock->lock);
	return NULL;
}

int owamp_clock_new(struct owamp_clock **clock)
{
	struct owamp_clock *c = calloc(1, sizeof *c);

	*clock = NULL;
	if (!c)
		return OWAMP_ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->change, NULL);
	sample(c);
	if (pthread_create(&c->thread, NULL, run, c)) {
		pthread_cond_destroy(&c->change);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return OWAMP_ESYSTEM;
	}
	*clock = c;
	return 0;
}

void owamp_clock_free(struct owamp_clock *clock)
{
	if (!clock)
		return;
	pthread_mutex_lock(&clock->lock);
	clock->quit = true;
	pthread_cond_signal(&clock->change);
	pthread_mutex_unlock(&clock->lock);
	pthread_join(clock->thread, NULL);
	pthread_cond_destroy(&clock->change);
	pthread_mutex_destroy(&clock->lock);
	free(clock);
}

void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot)
{
	unsigned before, after;

	do {
		before = clock->sequence;
		*snapshot = (struct owamp_clock_snapshot){
			.synchronized = clock->synchronized,
			.bound_ns = clock->bound_ns,
			.sampled_at_mono = clock->sampled_at_mono,
			.drift_ppb = clock->drift_ppb,
			.source = clock->source,
		};
		after = clock->sequence;
	} while (before != after || before % 2 != 0);
}

uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns)
{
	struct owamp_clock_snapshot snapshot;
	int64_t age, drift;

	owamp_clock_read(clock, &snapshot);
	age = now_mono - snapshot.sampled_at_mono;
	/* Rounded up; an age of hours (a suspended machine) stays far from overflow. */
	drift = age > 0 ? age / 1000000 * snapshot.drift_ppb / 1000 + snapshot.drift_ppb / 1000 + 1 : 0;
	return owamp_error_estimate((uint64_t)(snapshot.bound_ns + drift + extra_ns), snapshot.synchronized);
}
