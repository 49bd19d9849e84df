#include "bare.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <owamp/stats.h>

#include "process.h"

#define NS_PER_S INT64_C(1000000000)

/* So that the first waits are like the others. */
#define BEGIN_NS (10 * INT64_C(1000000))

struct sleeper {
	struct owamp_schedule *schedule;
	int64_t *late_ns;
	uint32_t packets;
	uint32_t count;
	int priority;
	int error;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void *sleep_all(void *context)
{
	struct sleeper *sleeper = context;
	const struct sched_param wanted = {.sched_priority = sleeper->priority};
	int64_t begin = now_ns() + BEGIN_NS;

	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (sleeper->priority > 0)
		sleeper->error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted);
	for (; !sleeper->error && sleeper->count < sleeper->packets && !process_interrupted();
	     sleeper->count++) {
		int64_t due = begin + owamp_interval_to_ns(owamp_schedule_next(sleeper->schedule));
		const struct timespec at = {.tv_sec = due / NS_PER_S, .tv_nsec = due % NS_PER_S};

		sleeper->error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		sleeper->late_ns[sleeper->count] = now_ns() - due;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double rank_us(const struct sleeper *sleeper, double percent)
{
	return (double)sleeper->late_ns[owamp_percentile_rank(percent, sleeper->count) - 1] / 1e3;
}

bool bare_sleep(struct bare_lateness *result, struct owamp_schedule *schedule, uint32_t packets, int priority)
{
	struct sleeper sleeper = {.schedule = schedule, .packets = packets, .priority = priority};
	pthread_t thread;

	sleeper.late_ns = calloc((size_t)packets + 1, sizeof *sleeper.late_ns);
	sleeper.error = sleeper.late_ns ? pthread_create(&thread, NULL, sleep_all, &sleeper) : ENOMEM;
	if (!sleeper.error)
		pthread_join(thread, NULL);
	if (sleeper.error || sleeper.count == 0) {
		fprintf(stderr, "bench: FAILED: the bare sleeping loop: %s\n", strerror(sleeper.error));
		free(sleeper.late_ns);
		return false;
	}
	qsort(sleeper.late_ns, sleeper.count, sizeof *sleeper.late_ns, compare);
	*result = (struct bare_lateness){
		.p50_us = rank_us(&sleeper, 50),
		.p99_us = rank_us(&sleeper, 99),
		.p999_us = rank_us(&sleeper, 99.9),
		.max_us = rank_us(&sleeper, 100),
	};
	free(sleeper.late_ns);
	return true;
}
