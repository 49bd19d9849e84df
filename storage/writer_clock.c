#include "writer_clock.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/engine.h>

#define SECOND_NS       INT64_C(1000000000)
#define MINUTE_NS       (60 * SECOND_NS)
#define SOURCE_EVERY_NS (10 * MINUTE_NS)

int64_t timeline_step(const struct timeline_reading *before, const struct timeline_reading *now)
{
	int64_t sum = now->status.stepped_ns - before->status.stepped_ns;

	if (now->status.snapshot.steps == before->status.snapshot.steps)
		return 0;
	/* Set and set back within a second: it was set all the same. */
	return sum ? sum : now->status.step_ns;
}

static bool says_more(const struct timeline_reading *row, const struct timeline_reading *now)
{
	const struct owamp_clock_status *a = &row->status, *b = &now->status;

	return b->snapshot.synchronized != a->snapshot.synchronized ||
	       strcmp(b->snapshot.source, a->snapshot.source) != 0 ||
	       (b->alarm[0] == '\0') != (a->alarm[0] == '\0') || b->snapshot.leap != a->snapshot.leap ||
	       b->steering != a->steering || llabs(b->bound_ns - a->bound_ns) > a->bound_ns / 4 ||
	       now->mono_ns - row->mono_ns >= MINUTE_NS;
}

static bool source_says_more(const struct owamp_clock_source_status *before,
			     const struct owamp_clock_source_status *now)
{
	return strcmp(now->name, before->name) != 0 || now->state != before->state ||
	       now->used != before->used || now->contradicted != before->contradicted ||
	       now->steers != before->steers || strcmp(now->source, before->source) != 0;
}

static bool is_news(const struct timeline *timeline, const struct timeline_reading *reading, size_t i)
{
	return !timeline->begun || reading->mono_ns - timeline->last_sources_mono[i] >= SOURCE_EVERY_NS ||
	       source_says_more(&timeline->last_sources[i], &reading->status.sources[i]);
}

static bool any_news(const struct timeline *timeline, const struct timeline_reading *reading)
{
	for (size_t i = 0; i < reading->status.count; i++) {
		if (is_news(timeline, reading, i))
			return true;
	}
	return false;
}

/* A row's reading keeps only the sources that say something new. */
static void put_row(struct timeline *timeline, struct timeline_row *row,
		    const struct timeline_reading *reading, int64_t step_ns)
{
	row->reading = *reading;
	row->reading.status.count = 0;
	row->step_ns = step_ns;
	for (size_t i = 0; i < reading->status.count; i++) {
		if (!is_news(timeline, reading, i))
			continue;
		row->reading.status.sources[row->reading.status.count++] = reading->status.sources[i];
		timeline->last_sources[i] = reading->status.sources[i];
		timeline->last_sources_mono[i] = reading->mono_ns;
	}
}

void timeline_add(struct timeline *timeline, const struct timeline_reading *reading)
{
	int64_t step = timeline->begun ? timeline_step(&timeline->last, reading) : 0;

	timeline->last = *reading;
	if (timeline->begun && step == 0 && !says_more(&timeline->last_row, reading) &&
	    !any_news(timeline, reading))
		return;
	/* The archive has been in trouble for long: the newest stands for those before it. */
	if (timeline->count == TIMELINE_ROWS)
		step += timeline->rows[--timeline->count].step_ns;
	put_row(timeline, &timeline->rows[timeline->count++], reading, step);
	timeline->last_row = *reading;
	timeline->begun = true;
}

void timeline_written(struct timeline *timeline, unsigned count)
{
	timeline->count -= count;
	memmove(timeline->rows, timeline->rows + count, timeline->count * sizeof timeline->rows[0]);
}

void timeline_read(struct owamp_clock *clock, struct timeline_reading *reading)
{
	owamp_clock_status(clock, &reading->status);
	reading->time_ns = owamp_real_ns();
	reading->mono_ns = owamp_mono_ns();
}
