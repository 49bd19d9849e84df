/* Who set the clock, from two looks at the clocks; and the looks. */
#include "reference.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "clock/step.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* The last second before 2026-11-21, an hour after the machine was started, with TAI - UTC of 37 s. */
#define MIDNIGHT INT64_C(1795219200000000000)
#define REAL     (MIDNIGHT - SECOND)
#define HOUR     (3600 * SECOND)
#define TAI      (37 * SECOND)

static const struct step_reading first = {
	.mono_ns = HOUR,
	.real_ns = REAL,
	.real_less_mono_ns = REAL - HOUR,
	.tai_less_mono_ns = REAL + TAI - HOUR,
};

/* A second later by CLOCK_MONOTONIC, after CLOCK_REALTIME and TAI were moved, and a sleep. */
static struct step_reading later(int64_t real, int64_t tai, int64_t slept)
{
	struct step_reading now = first;

	now.mono_ns += SECOND;
	now.real_ns += SECOND + real + slept;
	now.real_less_mono_ns += real + slept;
	now.tai_less_mono_ns += tai + slept;
	now.boot_less_mono_ns += slept;
	return now;
}

static void assert_kind(int64_t real, int64_t tai, int64_t slept, enum step_kind kind, int64_t step_ns)
{
	struct step_reading now = later(real, tai, slept);
	int64_t found = 4711;

	assert_int_equal(step_judge(&first, &now, &found), kind);
	assert_int_equal(found, step_ns);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_kind(0, 0, 0, STEP_NONE, 0);
	assert_kind(US, US, 0, STEP_NONE, 0);
	assert_kind(-US, -US, 0, STEP_NONE, 0);
	/* Somebody told the kernel TAI - UTC. */
	assert_kind(0, TAI, 0, STEP_NONE, 0);
	assert_kind(0, -SECOND, 0, STEP_NONE, 0);
}

static void test_set(void **state)
{
	(void)state;
	assert_kind(5 * SECOND, 5 * SECOND, 0, STEP_SET, 5 * SECOND);
	assert_kind(-5 * SECOND, -5 * SECOND, 0, STEP_SET, -5 * SECOND);
	assert_kind(US + 1, US + 1, 0, STEP_SET, US + 1);
	assert_kind(-US - 1, -US - 1, 0, STEP_SET, -US - 1);
	/* A whole second, but TAI has moved along: by hand, or chronyd's leapsecmode step. */
	assert_kind(SECOND, SECOND, 0, STEP_SET, SECOND);
	assert_kind(-SECOND, -SECOND, 0, STEP_SET, -SECOND);
	/* TAI stayed, but two seconds are no leap second, nor is a fraction. */
	assert_kind(-2 * SECOND, 0, 0, STEP_SET, -2 * SECOND);
	assert_kind(-SECOND / 2, 0, 0, STEP_SET, -SECOND / 2);
	assert_kind(-SECOND - 2 * MS, 0, 0, STEP_SET, -SECOND - 2 * MS);
}

/* CLOCK_REALTIME is seen to have been moved without TAI, when it says so. */
static void assert_at(int64_t real_ns, int64_t step_ns, enum step_kind kind)
{
	struct step_reading now = later(step_ns, 0, 0);
	int64_t found;

	now.real_ns = real_ns;
	assert_int_equal(step_judge(&first, &now, &found), kind);
	assert_int_equal(found, step_ns);
}

static void test_leap(void **state)
{
	(void)state;
	assert_kind(-SECOND, 0, 0, STEP_LEAP, -SECOND);
	assert_kind(SECOND, 0, 0, STEP_LEAP, SECOND);
	/* The last second of the day begins anew, or the next day begins a second early. */
	assert_at(MIDNIGHT - 1, -SECOND, STEP_LEAP);
	assert_at(MIDNIGHT + MS, SECOND, STEP_LEAP);
	assert_at(MIDNIGHT - 2 * SECOND + 1, -SECOND, STEP_LEAP);
	assert_at(MIDNIGHT + 2 * SECOND - 1, SECOND, STEP_LEAP);
	/* Too long ago, or not yet; and 14:13. */
	assert_at(MIDNIGHT - 2 * SECOND, -SECOND, STEP_SET);
	assert_at(MIDNIGHT + 2 * SECOND, -SECOND, STEP_SET);
	assert_at(MIDNIGHT + 2 * SECOND, SECOND, STEP_SET);
	assert_at(MIDNIGHT + 14 * HOUR + 13 * 60 * SECOND, -SECOND, STEP_SET);
	/* The reading's own noise. */
	assert_kind(-SECOND + 300, 300, 0, STEP_LEAP, -SECOND + 300);
}

/* The kernel counts TAI - UTC from 0 if nobody told it: it inserts the second in that all the same. */
static void test_leap_without_tai(void **state)
{
	struct step_reading before = first, now;
	int64_t step_ns = 0;

	(void)state;
	before.tai_less_mono_ns = before.real_less_mono_ns;
	now = before;
	now.mono_ns += SECOND;
	now.real_less_mono_ns -= SECOND;
	assert_int_equal(step_judge(&before, &now, &step_ns), STEP_LEAP);
	assert_int_equal(step_ns, -SECOND);
}

static void test_suspend(void **state)
{
	(void)state;
	assert_kind(0, 0, 600 * SECOND, STEP_SUSPEND, 0);
	assert_kind(0, 0, 2 * US, STEP_SUSPEND, 0);
	/* And somebody set the clock meanwhile, or at the waking. */
	assert_kind(-5 * SECOND, -5 * SECOND, 600 * SECOND, STEP_SUSPEND, -5 * SECOND);
	assert_kind(SECOND, 0, 600 * SECOND, STEP_SUSPEND, SECOND);
}

/* Each reading is off by up to its uncertainty: no step is seen where there was none. */
static void test_noise(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct step_reading before = first, now = later(0, 0, 0);
		uint32_t width = ref_below(&seed, 1000000);
		int64_t step_ns = 4711;

		before.uncertainty_ns = width;
		now.uncertainty_ns = width;
		before.real_less_mono_ns += ref_below(&seed, 2 * width + 1) - (int64_t)width;
		before.boot_less_mono_ns += ref_below(&seed, 2 * width + 1) - (int64_t)width;
		now.real_less_mono_ns += ref_below(&seed, 2 * width + 1) - (int64_t)width;
		now.boot_less_mono_ns += ref_below(&seed, 2 * width + 1) - (int64_t)width;
		assert_int_equal(step_judge(&before, &now, &step_ns), STEP_NONE);
		assert_int_equal(step_ns, 0);
	}
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec time;

	assert_int_equal(clock_gettime(id, &time), 0);
	return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* Between two readings of each clock, and no wider than that. */
static void test_read(void **state)
{
	int64_t mono = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME), tai = clock_ns(CLOCK_TAI);
	int64_t boot = clock_ns(CLOCK_BOOTTIME), mono_after, real_after, tai_after, boot_after, slack;
	struct step_reading reading = {0};

	(void)state;
	step_read(&reading);
	mono_after = clock_ns(CLOCK_MONOTONIC);
	real_after = clock_ns(CLOCK_REALTIME);
	tai_after = clock_ns(CLOCK_TAI);
	boot_after = clock_ns(CLOCK_BOOTTIME);
	slack = reading.uncertainty_ns;
	assert_in_range(slack, 1, mono_after - mono);
	assert_in_range(reading.mono_ns, mono, mono_after);
	assert_in_range(reading.real_ns, real, real_after);
	assert_int_equal(reading.real_ns, reading.real_less_mono_ns + reading.mono_ns);
	assert_in_range(reading.mono_ns + reading.tai_less_mono_ns, tai - slack, tai_after + slack);
	assert_in_range(reading.mono_ns + reading.boot_less_mono_ns, boot - slack, boot_after + slack);
}

/* Without the right to set the clock: nothing is noticed where nothing happened, however often it is asked.
 */
static void test_watch(void **state)
{
	int fd = step_watch();
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	assert_false(step_noticed(fd));
	assert_false(step_noticed(fd));
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_set),
		cmocka_unit_test(test_leap),    cmocka_unit_test(test_leap_without_tai),
		cmocka_unit_test(test_suspend), cmocka_unit_test(test_noise),
		cmocka_unit_test(test_read),    cmocka_unit_test(test_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
