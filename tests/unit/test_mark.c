/* Moments that two clocks have dated: what can be, and how old they are. */
#include "reference.h"

#include "clock/mark.h"

#define S INT64_C(1000000000)

static void test_time(void **state)
{
	int64_t ns = -1;

	(void)state;
	assert_true(clock_mark_time(0, 0, &ns));
	assert_int_equal(ns, 0);
	assert_true(clock_mark_time(1795286011, 151059687, &ns));
	assert_int_equal(ns, INT64_C(1795286011151059687));
	assert_true(clock_mark_time(4294967295, 999999999, &ns));
	assert_int_equal(ns, INT64_C(4294967295999999999));
	assert_false(clock_mark_time(4294967296, 0, &ns));
	assert_false(clock_mark_time(-1, 0, &ns));
	assert_false(clock_mark_time(1, -1, &ns));
	assert_false(clock_mark_time(1, S, &ns));
	assert_false(clock_mark_time(INT64_MAX, 0, &ns));
	assert_false(clock_mark_time(INT64_MIN, INT64_MIN, &ns));
}

/* 2^-20 s are 953.67 ns, 2^-10 s are 976562.5 ns, 2^-30 s are 0.93 ns. */
static void test_precision(void **state)
{
	static const struct {
		int64_t exponent;
		int64_t ns;
	} expected[] = {{-20, 954}, {-10, 976563}, {-1, S / 2},    {0, S},
			{3, 8 * S}, {-30, 1},      {INT64_MIN, 1}, {11, 2048 * S}};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		assert_true(clock_mark_precision(expected[i].exponent, &ns));
		assert_int_equal(ns, expected[i].ns);
	}
	assert_false(clock_mark_precision(12, &ns));
	assert_false(clock_mark_precision(INT64_MAX, &ns));
}

static void test_add(void **state)
{
	(void)state;
	assert_int_equal(clock_mark_add(3, -5), -2);
	assert_true(clock_mark_add(INT64_MAX, 1) == INT64_MAX);
	assert_true(clock_mark_add(INT64_MIN, -1) == INT64_MIN);
}

/* The clock said 1000.3 s when the reference said 1000.0 s; it is 1002.3 s now, 52 s after the machine's
 * start. */
static void test_mark(void **state)
{
	const struct clock_now now = {.mono_ns = 52 * S, .real_ns = 1002 * S + S / 10 * 3};
	struct clock_mark mark = {.set = false};
	struct clock_reading reading = {.measured = false};

	(void)state;
	assert_false(clock_mark_is_fresh(&mark, &now));
	assert_true(clock_mark_set(&mark, &now, 1000 * S + S / 10 * 3, 1000 * S, 77));
	assert_true(clock_mark_is_fresh(&mark, &now));
	clock_mark_report(&mark, &reading);
	assert_true(reading.measured);
	assert_int_equal(reading.mono_ns, 50 * S);
	assert_int_equal(reading.offset_ns, 300000000);
	assert_int_equal(reading.error_ns, 77);
}

/* Up to 5 s old when it comes, and for 5 s in all. */
static void test_age(void **state)
{
	const struct clock_now now = {.mono_ns = 52 * S, .real_ns = 1002 * S};
	const struct clock_now later = {.mono_ns = 52 * S + 1, .real_ns = 1002 * S + 1};
	struct clock_mark mark = {.set = false};

	(void)state;
	assert_false(clock_mark_set(&mark, &now, 997 * S - 1, 997 * S, 0));
	assert_false(mark.set);
	assert_true(clock_mark_set(&mark, &now, 997 * S, 997 * S, 0));
	assert_int_equal(mark.mono_ns, 47 * S);
	assert_true(clock_mark_is_fresh(&mark, &now));
	assert_false(clock_mark_is_fresh(&mark, &later));
	assert_false(clock_mark_set(&mark, &now, 0, 0, 0));
	assert_int_equal(mark.mono_ns, 47 * S);
}

/* Made while the sample is taken: of its beginning. Later than that: of no time that was. */
static void test_ahead(void **state)
{
	const struct clock_now now = {.mono_ns = 52 * S, .real_ns = 1002 * S};
	struct clock_mark mark = {.set = false};

	(void)state;
	assert_true(clock_mark_set(&mark, &now, 1002 * S + S / 10, 1002 * S, 0));
	assert_int_equal(mark.mono_ns, 52 * S);
	assert_int_equal(mark.offset_ns, S / 10);
	assert_false(clock_mark_set(&mark, &now, 1003 * S + 1, 1002 * S, 0));
	assert_false(clock_mark_set(&mark, &now, INT64_C(4294967295) * S, 1002 * S, 0));
}

/* The ends of what can be do not overflow. */
static void test_far(void **state)
{
	const struct clock_now now = {.mono_ns = S, .real_ns = INT64_C(4294967295) * S};
	struct clock_mark mark = {.set = false};

	(void)state;
	assert_true(clock_mark_set(&mark, &now, now.real_ns, 0, INT64_MAX));
	assert_int_equal(mark.offset_ns, INT64_C(4294967295000000000));
	assert_int_equal(mark.error_ns, INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time), cmocka_unit_test(test_precision), cmocka_unit_test(test_add),
		cmocka_unit_test(test_mark), cmocka_unit_test(test_age),       cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
