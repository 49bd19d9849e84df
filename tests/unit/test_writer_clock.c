#include "reference.h"

#include <owamp/engine.h>

#include "storage/writer_clock.h"

#define SECOND INT64_C(1000000000)
#define NOON   (INT64_C(2000030400) * SECOND)

/* A second after the one before, with the clock set forward by step. */
static void tick(struct timeline_reading *reading, int64_t step)
{
	reading->mono_ns += SECOND;
	reading->time_ns += SECOND + step;
}

static void a_row_is_made_when_something_is_new(void **state)
{
	struct timeline_reading reading = {.time_ns = NOON,
					   .mono_ns = 5 * SECOND,
					   .uncertainty_ns = 50,
					   .source = "kernel",
					   .synchronized = true,
					   .bound_ns = 1000};
	struct timeline timeline = {0};

	(void)state;
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 1);
	assert_int_equal(timeline.rows[0].step_ns, 0);
	for (int i = 0; i < 59; i++) {
		tick(&reading, i % 2 ? 90 : -90);
		timeline_add(&timeline, &reading);
	}
	assert_int_equal(timeline.count, 1);
	tick(&reading, 0);
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 2); /* a minute is over */
	tick(&reading, 0);
	reading.bound_ns = 1250;
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 2);
	tick(&reading, 0);
	reading.bound_ns = 1251; /* more than a quarter */
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 3);
	tick(&reading, 0);
	reading.bound_ns = 938; /* less than a quarter of 1251 */
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 4);
	tick(&reading, 0);
	reading.source = "none";
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 5);
	tick(&reading, 0);
	reading.synchronized = false;
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 6);
	tick(&reading, -SECOND);
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 7);
	assert_int_equal(timeline.rows[6].step_ns, -SECOND);
	tick(&reading, 0);
	timeline_add(&timeline, &reading);
	assert_int_equal(timeline.count, 7);
	timeline_written(&timeline, 6);
	assert_int_equal(timeline.count, 1);
	assert_int_equal(timeline.rows[0].step_ns, -SECOND);
}

static void a_step_is_more_than_the_readings_uncertainty(void **state)
{
	struct timeline_reading before = {.time_ns = NOON, .mono_ns = 7, .uncertainty_ns = 300}, now = before;

	(void)state;
	now.uncertainty_ns = 500;
	tick(&now, 1800);
	assert_int_equal(timeline_step(&before, &now), 0);
	now.time_ns++;
	assert_int_equal(timeline_step(&before, &now), 1801);
	assert_int_equal(timeline_step(&now, &before), -1801);
	now.time_ns += 3600 * SECOND;
	assert_int_equal(timeline_step(&before, &now), 3600 * SECOND + 1801);
}

static void rows_that_wait_are_bounded_and_steps_add_up(void **state)
{
	struct timeline_reading reading = {.time_ns = NOON, .source = "kernel"};
	struct timeline timeline = {0};
	int64_t steps = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		timeline_add(&timeline, &reading);
		tick(&reading, SECOND);
	}
	assert_int_equal(timeline.count, TIMELINE_ROWS);
	for (unsigned i = 0; i < timeline.count; i++)
		steps += timeline.rows[i].step_ns;
	assert_int_equal(steps, 999 * SECOND);
	assert_int_equal(timeline.rows[TIMELINE_ROWS - 1].reading.mono_ns, 999 * SECOND);
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
	assert_true(reading.uncertainty_ns > 0);
	assert_non_null(reading.source);
	owamp_clock_free(clock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_made_when_something_is_new),
		cmocka_unit_test(a_step_is_more_than_the_readings_uncertainty),
		cmocka_unit_test(rows_that_wait_are_bounded_and_steps_add_up),
		cmocka_unit_test(a_reading_is_of_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
