/* What may be asked by any thread: no system call, and a lock only for the status. */
#include "clock_internal.h"

#include <stdlib.h>

#include <owamp/engine.h>
#include <owamp/timestamp.h>

/* A smaller change of CLOCK_REALTIME less CLOCK_MONOTONIC is the reading's. */
#define DEVIATION_NS 1000

/* Rounds may have ceased: the thread waits for what does not come, or the process was stopped. */
static bool vouched(const struct owamp_clock_snapshot *snapshot, int64_t now_mono)
{
	return snapshot->synchronized && now_mono <= snapshot->vouched_until_mono;
}

void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot)
{
	latch_read(&clock->latch, snapshot, sizeof *snapshot);
}

void owamp_clock_status(struct owamp_clock *clock, struct owamp_clock_status *status)
{
	pthread_mutex_lock(&clock->lock);
	*status = clock->status;
	pthread_mutex_unlock(&clock->lock);
	status->snapshot.synchronized = vouched(&status->snapshot, owamp_mono_ns());
}

uint64_t owamp_clock_rounds(const struct owamp_clock *clock)
{
	return clock->rounds;
}

int64_t owamp_clock_bound(const struct owamp_clock_snapshot *snapshot, int64_t now_mono)
{
	/* A stamp from before the sample: the clock may have come nearer since. */
	int64_t age = llabs(now_mono - snapshot->sampled_at_mono);

	/* Rounded up; an age of hours (a suspended machine) stays far from overflow. */
	if (age == 0)
		return snapshot->bound_ns;
	return snapshot->bound_ns + age / 1000000 * snapshot->drift_ppb / 1000 + snapshot->drift_ppb / 1000 +
	       1;
}

uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	return owamp_error_estimate((uint64_t)(owamp_clock_bound(&snapshot, now_mono) + extra_ns),
				    vouched(&snapshot, now_mono));
}

int64_t owamp_clock_deviation(const struct owamp_clock *clock, int64_t before_mono, int64_t real_ns,
			      int64_t after_mono)
{
	int64_t shift = clock->shift_ns, slack = clock->shift_error_ns + DEVIATION_NS;
	int64_t leap_shift = clock->leap_shift_ns;
	int64_t least = real_ns - after_mono, most = real_ns - before_mono;

	if ((shift >= least - slack && shift <= most + slack) ||
	    (leap_shift >= least - slack && leap_shift <= most + slack))
		return 0;
	return most < shift ? least - shift : most - shift;
}

uint16_t owamp_clock_error_set(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns,
			       int64_t deviation_ns)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	return owamp_error_estimate(
		(uint64_t)(owamp_clock_bound(&snapshot, now_mono) + extra_ns + llabs(deviation_ns)), false);
}
