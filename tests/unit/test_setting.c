/* Which clock a stamp was taken with: before CLOCK_REALTIME was set, or after. */
#include "engine/setting.c"

#include "reference.h"

#define SECOND INT64_C(1000000000)
#define MS     INT64_C(1000000)

/* CLOCK_REALTIME less CLOCK_MONOTONIC at first. */
#define SHIFT (1700000000 * SECOND)

static struct {
	int64_t mono;
	int64_t shift;
	int64_t reading_ns;
} clocks;

int64_t owamp_mono_ns(void)
{
	return clocks.mono += clocks.reading_ns;
}

int64_t owamp_real_ns(void)
{
	return owamp_mono_ns() + clocks.shift;
}

static struct setting begin(void)
{
	struct setting setting;

	clocks.mono = 1000 * SECOND;
	clocks.shift = SHIFT;
	clocks.reading_ns = 20;
	setting_init(&setting);
	assert_int_equal(setting.shift_ns, SHIFT);
	return setting;
}

static void look(struct setting *setting)
{
	struct instant now;

	instant_read(&now, INSTANT_TRIES_FEW);
	setting_look(setting, &now);
}

static void assert_shift(const struct setting *setting, int64_t at_mono, int64_t shift, int64_t since,
			 int64_t expected, bool expected_sure)
{
	bool sure = !expected_sure;

	assert_int_equal(setting_shift(setting, at_mono + shift, since, &sure), expected);
	assert_int_equal(sure, expected_sure);
}

static void test_not_set(void **state)
{
	struct setting setting = begin();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		clocks.mono += 100 * MS;
		/* Nor does a reading that takes long make it so. */
		clocks.reading_ns = i % 10 == 0 ? 3 * MS : 20;
		look(&setting);
		assert_int_equal(setting.shift_ns, SHIFT);
		assert_int_equal(setting.noticed_mono, INT64_MIN);
		/* However strange a stamp is. */
		assert_shift(&setting, clocks.mono - 5 * SECOND, SHIFT, clocks.mono - MS, SHIFT, true);
	}
}

static void test_set(void **state)
{
	static const int64_t steps[] = {5 * SECOND,    -5 * SECOND, SECOND,   -SECOND,
					3600 * SECOND, 200 * MS,    -200 * MS};

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct setting setting = begin();
		int64_t since = clocks.mono, step = steps[i], set = since + 50 * MS;

		clocks.mono += 100 * MS;
		clocks.shift += step;
		look(&setting);
		assert_int_equal(setting.shift_ns, SHIFT + step);
		assert_int_equal(setting.before_ns, SHIFT);
		assert_in_range(setting.noticed_mono, since + 100 * MS, since + 100 * MS + 60);
		/* Taken between the last reading and the step, and from the step on. */
		for (int64_t at = since; at < set; at += MS)
			assert_shift(&setting, at, SHIFT, since, SHIFT, false);
		for (int64_t at = set; at < clocks.mono; at += MS)
			assert_shift(&setting, at, SHIFT + step, since, SHIFT + step, true);
		clocks.mono += 10 * MS;
		assert_shift(&setting, clocks.mono - MS, SHIFT + step, since, SHIFT + step, true);
		/* When all of before has been read, nothing is from before. */
		since = setting.noticed_mono + 1;
		assert_shift(&setting, since, SHIFT + step, since, SHIFT + step, true);
		assert_shift(&setting, since, SHIFT, since, SHIFT + step, true);
		/* It is not noticed twice. */
		look(&setting);
		assert_true(setting.noticed_mono < since);
	}
}

/* By less than stamps may have waited: it can be either. */
static void test_little(void **state)
{
	struct setting setting = begin();
	int64_t since = clocks.mono;

	(void)state;
	clocks.mono += 100 * MS;
	clocks.shift += MS;
	look(&setting);
	assert_shift(&setting, since + 50 * MS, SHIFT, since, SHIFT + MS, false);
	assert_shift(&setting, since + 50 * MS, SHIFT + MS, since, SHIFT + MS, false);
	/* Unless it came after. */
	clocks.mono += 5 * MS;
	assert_shift(&setting, since + 102 * MS, SHIFT + MS, since, SHIFT + MS, true);
}

/* A microsecond is as much as the readings are off. */
static void test_least(void **state)
{
	struct setting setting = begin();

	(void)state;
	clocks.shift += 900;
	look(&setting);
	assert_int_equal(setting.noticed_mono, INT64_MIN);
	clocks.shift += 200;
	look(&setting);
	assert_int_equal(setting.shift_ns, SHIFT + 1100);
	clocks.shift -= 1100;
	look(&setting);
	assert_int_equal(setting.shift_ns, SHIFT);
	assert_int_equal(setting.before_ns, SHIFT + 1100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_set),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_little),
		cmocka_unit_test(test_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
