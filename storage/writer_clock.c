#include "writer_clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE_NS   INT64_C(60000000000)
#define STEP_MIN_NS 1000
#define TRIES       5

int64_t timeline_step(const struct timeline_reading *before, const struct timeline_reading *now)
{
	int64_t step = (now->time_ns - now->mono_ns) - (before->time_ns - before->mono_ns);

	return llabs(step) > before->uncertainty_ns + now->uncertainty_ns + STEP_MIN_NS ? step : 0;
}

static bool says_more(const struct timeline_reading *row, const struct timeline_reading *now)
{
	return now->synchronized != row->synchronized || strcmp(now->source, row->source) != 0 ||
	       llabs(now->bound_ns - row->bound_ns) > row->bound_ns / 4 ||
	       now->mono_ns - row->mono_ns >= MINUTE_NS;
}

void timeline_add(struct timeline *timeline, const struct timeline_reading *reading)
{
	struct timeline_row *row;
	int64_t step = timeline->begun ? timeline_step(&timeline->last, reading) : 0;

	timeline->last = *reading;
	if (timeline->begun && step == 0 && !says_more(&timeline->last_row, reading))
		return;
	timeline->begun = true;
	timeline->last_row = *reading;
	if (timeline->count == TIMELINE_ROWS) {
		/* The archive has been in trouble for long: the newest stands for those before it. */
		row = &timeline->rows[TIMELINE_ROWS - 1];
		row->reading = *reading;
		row->step_ns += step;
		return;
	}
	timeline->rows[timeline->count++] = (struct timeline_row){.reading = *reading, .step_ns = step};
}

void timeline_written(struct timeline *timeline, unsigned count)
{
	timeline->count -= count;
	memmove(timeline->rows, timeline->rows + count, timeline->count * sizeof timeline->rows[0]);
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void timeline_read(const struct owamp_clock *clock, struct timeline_reading *reading)
{
	struct owamp_clock_snapshot snapshot;
	int64_t width = INT64_MAX;

	owamp_clock_read(clock, &snapshot);
	*reading = (struct timeline_reading){
		.source = snapshot.source,
		.synchronized = snapshot.synchronized,
		.bound_ns = snapshot.bound_ns,
	};
	/* The narrowest bracket: the thread may lose the processor in between. */
	for (int i = 0; i < TRIES; i++) {
		int64_t before = now_ns(CLOCK_BOOTTIME);
		int64_t real = now_ns(CLOCK_REALTIME);
		int64_t after = now_ns(CLOCK_BOOTTIME);

		if (after - before >= width)
			continue;
		width = after - before;
		reading->time_ns = real;
		reading->mono_ns = before + width / 2;
		reading->uncertainty_ns = width / 2 + 1;
	}
}
