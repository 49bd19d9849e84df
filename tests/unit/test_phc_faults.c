/* Hardware and system clocks that stand still, are set or are slewed, and readings that are interrupted. */
#include "phc_world.h"

static void assert_new_refuses(struct world *world, const char *reason)
{
	struct clock_phc *phc = (struct clock_phc *)1;
	char error[100] = "";

	assert_int_equal(clock_phc_new(&phc, &operations, world, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(phc);
	assert_string_equal(error, reason);
	assert_int_equal(world->closed, 1);
	world->closed = 0;
}

static void test_refused(void **state)
{
	struct world world = plain();

	(void)state;
	world.frozen = true;
	world.frozen_at = 123;
	assert_new_refuses(&world, "does not advance");
	world = plain();
	world.phc.ppb = -SECOND / 2;
	assert_new_refuses(&world, "runs at an absurd rate, or is being set");
	world.phc.ppb = SECOND;
	assert_new_refuses(&world, "runs at an absurd rate, or is being set");
	world.phc.ppb = -3 * SECOND;
	assert_new_refuses(&world, "runs at an absurd rate, or is being set");
	/* 1 % in 10 ms are 100 us; the readings may be 402 off, each. */
	world.phc.ppb = 10 * MS + 150000;
	assert_new_refuses(&world, "runs at an absurd rate, or is being set");
	world = plain();
	world.broken = true;
	assert_new_refuses(&world, "cannot be read: Input/output error");
	world = plain();
	world.before = 3 * MS;
	assert_new_refuses(&world, "takes more than 2000 us to read");
}

static void test_freezes(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	sample_at(&world, phc, SECOND);
	world.frozen = true;
	world.frozen_at = show(&world.phc, SECOND);
	for (int i = 2; i < 5; i++) {
		sample_at(&world, phc, i * SECOND);
		/* The first time it merely stands where it did not stand before, and is late. */
		assert_refused(&world, phc, SECOND);
	}
	world.frozen = false;
	sample_at(&world, phc, 5 * SECOND);
	assert_refused(&world, phc, 5 * SECOND);
	sample_at(&world, phc, 6 * SECOND);
	assert_converts(&world, phc, 6 * SECOND + 400);
	clock_phc_free(phc);
}

/* A step of the system clock is noticed by the first stamp after it. */
static void step_system(int64_t step)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.now = 3 * SECOND + 500 * MS;
	assert_converts(&world, phc, world.now);
	world.real.base += step;
	assert_refused(&world, phc, world.now);
	/* One reading says that there was a step, the next how the clocks run. */
	sample_at(&world, phc, 4 * SECOND);
	assert_refused(&world, phc, world.now);
	sample_at(&world, phc, 5 * SECOND);
	assert_converts(&world, phc, world.now);
	/* Stamps of the old time would be converted to the new one. */
	assert_refused(&world, phc, 3 * SECOND + 400 * MS);
	assert_refused(&world, phc, 5 * SECOND);
	assert_converts(&world, phc, 5 * SECOND + 400);
	clock_phc_free(phc);
}

static void test_system_steps(void **state)
{
	(void)state;
	step_system(5 * SECOND);
	step_system(-5 * SECOND);
	step_system(37 * SECOND);
	step_system(INT64_C(1000000000) * SECOND);
	step_system(-20 * MS);
	step_system(2 * MS);
}

/* A small one is noticed at once, is in the error after, and is forgotten soon. */
static void test_small_step(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.now = 3 * SECOND + 500 * MS;
	world.real.base += 10 * US + 10;
	assert_refused(&world, phc, world.now);
	world.real.base -= 100;
	assert_in_range(assert_converts(&world, phc, world.now), 10 * US, 12 * US);
	/* The first reading after takes it for slewing: stamps from before it have that in their error. */
	sample_at(&world, phc, 4 * SECOND);
	assert_in_range(assert_converts(&world, phc, 3 * SECOND + 900 * MS), 10 * US, 25 * US);
	for (int i = 5; i < 7; i++) {
		sample_at(&world, phc, i * SECOND);
		world.now += 500 * MS;
		assert_converts(&world, phc, world.now);
	}
	assert_in_range(assert_converts(&world, phc, world.now), 402, 1100);
	clock_phc_free(phc);
}

/* Set in the middle of a reading: that one says nothing. */
static void test_step_within_reading(void **state)
{
	static const int64_t steps[] = {-SECOND, -900, -600, 11 * US, SECOND};

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct world world = plain();
		struct clock_phc *phc = new_phc(&world);

		sample_at(&world, phc, SECOND);
		world.step = steps[i];
		sample_at(&world, phc, 2 * SECOND);
		/* 800 wide: one such window would be negative. */
		if (steps[i] < -800 || steps[i] > 10 * US)
			assert_refused(&world, phc, world.now);
		else
			assert_converts(&world, phc, world.now);
		sample_at(&world, phc, 3 * SECOND);
		sample_at(&world, phc, 4 * SECOND);
		assert_converts(&world, phc, world.now);
		clock_phc_free(phc);
	}
}

/* A step while the clock is opened is none of its faults. */
static void test_step_at_first(void **state)
{
	struct world world = plain();
	struct clock_phc *phc;

	(void)state;
	world.step = SECOND;
	phc = new_phc(&world);
	assert_int_equal(world.reads, 3);
	assert_converts(&world, phc, world.now);
	clock_phc_free(phc);
	world = plain();
	world.step = MS;
	world.restless = true;
	phc = new_phc(&world);
	assert_refused(&world, phc, world.now);
	world.step = 0;
	sample_at(&world, phc, SECOND);
	assert_refused(&world, phc, world.now);
	sample_at(&world, phc, 2 * SECOND);
	assert_converts(&world, phc, world.now);
	clock_phc_free(phc);
}

static void step_phc(int64_t step)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.phc.base += step;
	sample_at(&world, phc, 4 * SECOND);
	assert_refused(&world, phc, 4 * SECOND);
	sample_at(&world, phc, 5 * SECOND);
	assert_converts(&world, phc, world.now);
	assert_in_range(assert_converts(&world, phc, world.now), 402, 1100);
	assert_refused(&world, phc, 4 * SECOND + 900 * MS);
	clock_phc_free(phc);
}

static void test_phc_steps(void **state)
{
	(void)state;
	step_phc(37 * SECOND);
	step_phc(-37 * SECOND);
	step_phc(INT64_C(-1771000000) * SECOND);
	step_phc(INT64_C(5000000000) * SECOND);
	step_phc(MS);
	step_phc(-150 * US);
	step_phc(150 * US);
}

/* Set to the future, before a reading tells: the stamp says so itself. */
static void test_future(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.now = 3 * SECOND + 100 * MS;
	assert_converts(&world, phc, world.now);
	assert_converts(&world, phc, world.now + 400);
	assert_refused(&world, phc, world.now + 10 * US);
	assert_refused(&world, phc, world.now + SECOND);
	clock_phc_free(phc);
}

/* The system clock is slewed by 500 ppm: known at once, at every moment. */
static void test_slewed(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t shows;

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.now = 3 * SECOND + 500 * MS;
	shows = show(&world.real, world.now);
	world.real.ppb = 500000;
	world.real.base += shows - show(&world.real, world.now);
	world.now += 10 * MS;
	assert_in_range(assert_converts(&world, phc, world.now), 5000, 7000);
	world.now += 90 * MS;
	assert_refused(&world, phc, world.now);
	/* By the second reading after, its rate is known; and it is no step. */
	for (int i = 4; i < 7; i++) {
		sample_at(&world, phc, i * SECOND);
		assert_converts(&world, phc, world.now);
	}
	world.now += 990 * MS;
	assert_in_range(assert_converts(&world, phc, world.now), 402, 1720);
	clock_phc_free(phc);
}

/* Interrupted between two looks at the system's clocks: in the error. */
static void test_interrupted(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t quiet;

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	world.now = 3 * SECOND + 100 * MS;
	quiet = assert_converts(&world, phc, 3 * SECOND + 50 * MS);
	world.costs = 50 * US;
	assert_in_range(assert_converts(&world, phc, 3 * SECOND + 50 * MS), quiet + 50 * US - 1,
			quiet + 50 * US + 2);
	/* A reading that was interrupted for too long is not taken; the line goes on. */
	world.costs = 600 * US;
	sample_at(&world, phc, 4 * SECOND);
	world.costs = 0;
	assert_converts(&world, phc, world.now);
	/* An interruption that does not come again is none of a stamp's. */
	sample_at(&world, phc, 5 * SECOND);
	quiet = assert_converts(&world, phc, 5 * SECOND + 800);
	world.hiccup = 50 * US;
	assert_in_range(assert_converts(&world, phc, 5 * SECOND + 800), quiet - 1, quiet + 2);
	clock_phc_free(phc);
}

/* What the hardware clock did between two readings is in the error of stamps from in between. */
static void test_bend(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t stamp, truth, real, error;

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	stamp = show(&world.phc, 4 * SECOND - 10 * MS);
	truth = show(&world.real, 4 * SECOND - 10 * MS);
	world.phc.base += 50 * US;
	sample_at(&world, phc, 4 * SECOND);
	assert_true(clock_phc_convert(phc, stamp, &real, &error));
	assert_true(llabs(real - truth) > 40 * US);
	assert_true(llabs(real - truth) <= error);
	clock_phc_free(phc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_freezes),
		cmocka_unit_test(test_system_steps),
		cmocka_unit_test(test_small_step),
		cmocka_unit_test(test_step_within_reading),
		cmocka_unit_test(test_step_at_first),
		cmocka_unit_test(test_phc_steps),
		cmocka_unit_test(test_future),
		cmocka_unit_test(test_slewed),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_bend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
