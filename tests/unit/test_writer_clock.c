#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/engine.h>

#include "storage/writer_clock.h"

#define SECOND INT64_C(1000000000)
#define NOON   (INT64_C(2000030400) * SECOND)

static struct timeline_reading reading_at_noon(void)
{
	struct timeline_reading reading = {.time_ns = NOON, .mono_ns = 5 * SECOND};

	reading.status = (struct owamp_clock_status){
		.snapshot = {.synchronized = true, .source = "kernel"},
		.bound_ns = 1000,
		.count = 2,
		.sources = {{.name = "ptp", .source = "ptp", .state = OWAMP_CLOCK_ABSENT},
			    {.name = "kernel", .source = "kernel", .state = OWAMP_CLOCK_VALID, .used = true}},
	};
	return reading;
}

/* A second after the one before, with the clock set forward by step. */
static void tick(struct timeline_reading *reading, int64_t step)
{
	reading->mono_ns += SECOND;
	reading->time_ns += SECOND + step;
	if (step == 0)
		return;
	reading->status.snapshot.steps++;
	reading->status.step_ns = step;
	reading->status.stepped_ns += step;
}

static struct timeline *timeline;

static int set_up(void **state)
{
	(void)state;
	timeline = calloc(1, sizeof *timeline);
	return timeline ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(timeline);
	return 0;
}

static void add(const struct timeline_reading *reading, unsigned rows)
{
	timeline_add(timeline, reading);
	assert_int_equal(timeline->count, rows);
}

static void a_row_is_made_when_something_is_new(void **state)
{
	struct timeline_reading reading = reading_at_noon();

	(void)state;
	add(&reading, 1);
	assert_int_equal(timeline->rows[0].step_ns, 0);
	for (int i = 0; i < 59; i++) {
		tick(&reading, 0);
		add(&reading, 1);
	}
	tick(&reading, 0);
	add(&reading, 2); /* a minute is over */
	tick(&reading, 0);
	reading.status.bound_ns = 1250;
	add(&reading, 2);
	tick(&reading, 0);
	reading.status.bound_ns = 1251; /* more than a quarter */
	add(&reading, 3);
	tick(&reading, 0);
	reading.status.bound_ns = 938; /* less than a quarter of 1251 */
	add(&reading, 4);
	tick(&reading, 0);
	reading.status.snapshot.source = "none";
	add(&reading, 5);
	tick(&reading, 0);
	reading.status.snapshot.synchronized = false;
	add(&reading, 6);
	tick(&reading, -SECOND);
	add(&reading, 7);
	assert_int_equal(timeline->rows[6].step_ns, -SECOND);
	tick(&reading, 0);
	add(&reading, 7);
	tick(&reading, 0);
	strcpy(reading.status.alarm, "ptp says this, gps says that");
	add(&reading, 8);
	tick(&reading, 0);
	reading.status.snapshot.leap = 1;
	add(&reading, 9);
	tick(&reading, 0);
	reading.status.steering = OWAMP_CLOCK_STEERED_BY_PTP;
	add(&reading, 10);
	timeline_written(timeline, 6);
	assert_int_equal(timeline->count, 4);
	assert_int_equal(timeline->rows[0].step_ns, -SECOND);
}

/* All at first, then those whose state or use changed, and each after ten minutes. */
static void a_row_has_the_sources_that_say_something_new(void **state)
{
	struct timeline_reading reading = reading_at_noon();

	(void)state;
	add(&reading, 1);
	assert_int_equal(timeline->rows[0].reading.status.count, 2);
	assert_string_equal(timeline->rows[0].reading.status.sources[1].name, "kernel");
	tick(&reading, 0);
	reading.status.sources[1].bound_ns = 77;
	add(&reading, 1);
	tick(&reading, 0);
	reading.status.sources[1].state = OWAMP_CLOCK_HOLDOVER;
	add(&reading, 2);
	assert_int_equal(timeline->rows[1].reading.status.count, 1);
	assert_string_equal(timeline->rows[1].reading.status.sources[0].name, "kernel");
	assert_int_equal(timeline->rows[1].reading.status.sources[0].bound_ns, 77);
	reading.mono_ns += 598 * SECOND - 1;
	add(&reading, 3);
	assert_int_equal(timeline->rows[2].reading.status.count, 0);
	reading.mono_ns++;
	add(&reading, 4);
	assert_int_equal(timeline->rows[3].reading.status.count, 1);
	assert_string_equal(timeline->rows[3].reading.status.sources[0].name, "ptp");
	tick(&reading, 0);
	tick(&reading, 0);
	add(&reading, 5);
	assert_string_equal(timeline->rows[4].reading.status.sources[0].name, "kernel");
	tick(&reading, 0);
	reading.status.sources[0].contradicted = true;
	add(&reading, 6);
	reading.status.sources[0].used = true;
	add(&reading, 7);
	reading.status.sources[0].steers = true;
	add(&reading, 8);
	reading.status.sources[0].source = "ptp-phc";
	add(&reading, 9);
}

/* A leap second moves the time as a step does, and is none. */
static void a_step_is_what_the_clock_counts(void **state)
{
	struct timeline_reading before = reading_at_noon(), now = before;

	(void)state;
	now.time_ns -= SECOND;
	assert_int_equal(timeline_step(&before, &now), 0);
	tick(&now, 1801);
	assert_int_equal(timeline_step(&before, &now), 1801);
	tick(&now, 5 * SECOND);
	assert_int_equal(timeline_step(&before, &now), 5 * SECOND + 1801);
	tick(&now, -5 * SECOND - 1801);
	assert_int_equal(timeline_step(&before, &now), -5 * SECOND - 1801);
}

static void rows_that_wait_are_bounded_and_steps_add_up(void **state)
{
	struct timeline_reading reading = reading_at_noon();
	int64_t steps = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		timeline_add(timeline, &reading);
		tick(&reading, SECOND);
	}
	assert_int_equal(timeline->count, TIMELINE_ROWS);
	for (unsigned i = 0; i < timeline->count; i++)
		steps += timeline->rows[i].step_ns;
	assert_int_equal(steps, 999 * SECOND);
	assert_int_equal(timeline->rows[TIMELINE_ROWS - 1].reading.mono_ns, 5 * SECOND + 999 * SECOND);
}

static void a_reading_is_of_now(void **state)
{
	struct timeline_reading reading;
	struct owamp_clock *clock;
	int64_t before = owamp_real_ns();

	(void)state;
	assert_int_equal(owamp_clock_new(&clock, NULL, NULL, 0), 0);
	timeline_read(clock, &reading);
	assert_true(reading.time_ns >= before && reading.time_ns <= owamp_real_ns());
	assert_non_null(reading.status.snapshot.source);
	assert_int_equal(reading.status.count, 4);
	owamp_clock_free(clock);
}

#define TIMELINE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TIMELINE_TEST(a_row_is_made_when_something_is_new),
		TIMELINE_TEST(a_row_has_the_sources_that_say_something_new),
		TIMELINE_TEST(a_step_is_what_the_clock_counts),
		TIMELINE_TEST(rows_that_wait_are_bounded_and_steps_add_up),
		TIMELINE_TEST(a_reading_is_of_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
