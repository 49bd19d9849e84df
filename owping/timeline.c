#include "owping/timeline.h"

#include <time.h>

#define READINGS 5

static int64_t read_time(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void owping_clock_read(struct owping_clock *reading, const struct owamp_clock *clock)
{
	reading->inexact_ns = INT64_MAX;
	for (int i = 0; i < READINGS; i++) {
		int64_t before = read_time(CLOCK_MONOTONIC);
		int64_t now = read_time(CLOCK_REALTIME);
		int64_t after = read_time(CLOCK_MONOTONIC);

		if (after - before >= reading->inexact_ns)
			continue;
		reading->time_ns = now;
		reading->offset_ns = now - before;
		reading->inexact_ns = after - before;
	}
	owamp_clock_read(clock, &reading->snapshot);
}

int64_t owping_clock_step(const struct owping_clock *before, const struct owping_clock *after)
{
	int64_t step_ns = after->offset_ns - before->offset_ns;
	int64_t inexact_ns = before->inexact_ns + after->inexact_ns;

	return step_ns > inexact_ns || step_ns < -inexact_ns ? step_ns : 0;
}
