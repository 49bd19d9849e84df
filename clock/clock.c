#include <owamp/clock.h>

#include <pthread.h>
#include <stdlib.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "latch.h"
#include "phc.h"
#include "source.h"

#define SAMPLE_INTERVAL_NS INT64_C(1000000000)

/* The kernel's bound of what it knows nothing about. */
#define UNKNOWN_BOUND_NS  INT64_C(16000000000)
#define UNKNOWN_DRIFT_PPB 500000

/* A hardware clock to sample. */
struct watch {
	struct watch *next;
	struct clock_phc *phc;
	bool sampled; /* in this round */
};

struct owamp_clock {
	struct latch latch; /* of the snapshot */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change; /* something to do before the next round */
	pthread_cond_t idle;   /* sampling has become NULL */
	bool quit;
	struct watch *watches;
	const struct clock_phc *sampling; /* by the thread, without the lock */
};

static void sample(struct owamp_clock *clock)
{
	struct clock_sample sample = {.bound_ns = UNKNOWN_BOUND_NS, .drift_ppb = UNKNOWN_DRIFT_PPB};
	const struct clock_source *source = &clock_source_kernel;
	int64_t now = owamp_mono_ns();
	bool known = source->sample(&sample) == 0;
	struct owamp_clock_snapshot snapshot = {
		.synchronized = known && sample.synchronized,
		.bound_ns = sample.bound_ns,
		.sampled_at_mono = now,
		.drift_ppb = sample.drift_ppb,
		.source = known ? source->name : "none",
	};

	latch_write(&clock->latch, &snapshot, sizeof snapshot);
}

static struct watch *unsampled(struct owamp_clock *clock)
{
	struct watch *watch = clock->watches;

	while (watch && watch->sampled)
		watch = watch->next;
	return watch;
}

/* Reading a clock may take long where its bus is slow: nobody waits for it but who wants to forget it. */
static void sample_watch(struct owamp_clock *clock, struct watch *watch)
{
	struct clock_phc *phc = watch->phc;

	watch->sampled = true;
	clock->sampling = phc;
	pthread_mutex_unlock(&clock->lock);
	clock_phc_sample(phc);
	pthread_mutex_lock(&clock->lock);
	clock->sampling = NULL;
	pthread_cond_broadcast(&clock->idle);
}

static void wait_until(struct owamp_clock *clock, int64_t mono_ns)
{
	struct timespec due = {.tv_sec = mono_ns / 1000000000, .tv_nsec = mono_ns % 1000000000};

	pthread_cond_clockwait(&clock->change, &clock->lock, CLOCK_MONOTONIC, &due);
}

/* The rounds that a stopped process missed are not made up for. */
static int64_t after(int64_t due)
{
	int64_t now = owamp_mono_ns();

	due += SAMPLE_INTERVAL_NS;
	return due > now ? due : now + SAMPLE_INTERVAL_NS;
}

static void begin_round(struct owamp_clock *clock)
{
	for (struct watch *watch = clock->watches; watch; watch = watch->next)
		watch->sampled = false;
	pthread_mutex_unlock(&clock->lock);
	sample(clock);
	pthread_mutex_lock(&clock->lock);
}

static void *run(void *context)
{
	struct owamp_clock *clock = context;
	int64_t next = owamp_mono_ns() + SAMPLE_INTERVAL_NS;

	pthread_mutex_lock(&clock->lock);
	while (!clock->quit) {
		struct watch *watch = unsampled(clock);

		if (watch) {
			sample_watch(clock, watch);
		} else if (owamp_mono_ns() < next) {
			wait_until(clock, next);
		} else {
			begin_round(clock);
			next = after(next);
		}
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
	pthread_cond_init(&c->idle, NULL);
	sample(c);
	if (pthread_create(&c->thread, NULL, run, c)) {
		pthread_cond_destroy(&c->idle);
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
	while (clock->watches) {
		struct watch *watch = clock->watches;

		clock->watches = watch->next;
		free(watch);
	}
	pthread_cond_destroy(&clock->idle);
	pthread_cond_destroy(&clock->change);
	pthread_mutex_destroy(&clock->lock);
	free(clock);
}

/* Where the pointer to the watch of phc is, or to NULL at the end. */
static struct watch **find(struct owamp_clock *clock, const struct clock_phc *phc)
{
	struct watch **at = &clock->watches;

	while (*at && (*at)->phc != phc)
		at = &(*at)->next;
	return at;
}

int clock_watch_phc(struct owamp_clock *clock, struct clock_phc *phc)
{
	struct watch *watch = calloc(1, sizeof *watch), **end;
	int error = 0;

	if (!watch)
		return OWAMP_ENOMEM;
	watch->phc = phc;
	pthread_mutex_lock(&clock->lock);
	end = find(clock, phc);
	if (*end) {
		free(watch);
		error = OWAMP_EINVAL;
	} else {
		*end = watch;
		pthread_cond_signal(&clock->change);
	}
	pthread_mutex_unlock(&clock->lock);
	return error;
}

void clock_forget_phc(struct owamp_clock *clock, struct clock_phc *phc)
{
	struct watch **at, *watch;

	pthread_mutex_lock(&clock->lock);
	at = find(clock, phc);
	watch = *at;
	if (watch)
		*at = watch->next;
	while (clock->sampling == phc)
		pthread_cond_wait(&clock->idle, &clock->lock);
	pthread_mutex_unlock(&clock->lock);
	free(watch);
}

void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot)
{
	latch_read(&clock->latch, snapshot, sizeof *snapshot);
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
