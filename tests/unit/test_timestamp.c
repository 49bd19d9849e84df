#include "reference.h"

#include "owamp/timestamp.h"

#define NS_PER_S    1000000000LL
#define UNIX_EPOCH  2208988800LL /* 1970 in seconds since 1900 */
#define ERA_1       2085978496LL /* 2036-02-07T06:28:16Z in Unix time */
#define HALF_ERA_NS (2147483648LL * NS_PER_S)
#define ROUNDS      200000

/* Nanoseconds since 1900 in units of 2^-32 s; no ns is half-way between two. */
static owamp_ntp exact_ntp(int64_t unix_ns)
{
	__int128 ns = (__int128)unix_ns + (__int128)UNIX_EPOCH * NS_PER_S;
	__int128 eras = (__int128)4 << 32;

	/* Moved up by whole eras, so that the rounding is of a positive number. */
	ns += eras * NS_PER_S;
	return (owamp_ntp)ref_round(ns << 32, NS_PER_S);
}

/* True if ns is units * 10^9 / 2^32 to the nearest (either, if half-way). */
static bool nearest_ns(__int128 ns, __int128 units)
{
	__int128 error = ns * 4294967296 - units * NS_PER_S;

	return error <= (__int128)1 << 31 && -error <= (__int128)1 << 31;
}

static void test_known_times(void **state)
{
	(void)state;
	assert_true(owamp_ntp_from_unix_ns(0) == 0x83aa7e8000000000);
	assert_true(owamp_ntp_from_unix_ns(-UNIX_EPOCH * NS_PER_S) == 0);
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S) == 0);
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S + NS_PER_S / 2) == 0x80000000);
	assert_true(owamp_ntp_from_unix_ns((ERA_1 - 1) * NS_PER_S) == 0xffffffff00000000);
	/* 1 ns is 4.294967296 units, 2 ns are 8.59: rounded, not cut. */
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S + 1) == 4);
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S + 2) == 9);
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S - 1) == UINT64_MAX - 3);
	assert_true(owamp_ntp_from_unix_ns(ERA_1 * NS_PER_S - 2) == UINT64_MAX - 8);
}

static void test_from_unix_is_rounded(void **state)
{
	(void)state;
	uint64_t seed = 1;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = (int64_t)ref_random(&seed) / 4;

		assert_true(owamp_ntp_from_unix_ns(ns) == exact_ntp(ns));
	}
}

static void assert_there_and_back(int64_t unix_ns, int64_t near_unix_ns)
{
	assert_int_equal(owamp_ntp_to_unix_ns(owamp_ntp_from_unix_ns(unix_ns), near_unix_ns), unix_ns);
}

static void test_around_the_era_boundary(void **state)
{
	(void)state;
	const int64_t boundary = ERA_1 * NS_PER_S;
	const int64_t reach = HALF_ERA_NS - 2;

	for (int64_t offset = -20; offset <= 20; offset++) {
		assert_there_and_back(boundary + offset, boundary);
		assert_there_and_back(boundary + offset, boundary - NS_PER_S);
		assert_there_and_back(boundary + offset, boundary + NS_PER_S);
		assert_there_and_back(boundary + offset, boundary + offset - reach);
		assert_there_and_back(boundary + offset, boundary + offset + reach);
	}
	/* The same octets, told of today and of the year 2100. */
	assert_int_equal(owamp_ntp_to_unix_ns(0, 1790000000 * NS_PER_S), boundary);
	assert_int_equal(owamp_ntp_to_unix_ns(0, 4102444800 * NS_PER_S), boundary);
	assert_int_equal(owamp_ntp_to_unix_ns(0, -UNIX_EPOCH * NS_PER_S), -UNIX_EPOCH * NS_PER_S);
	assert_int_equal(owamp_ntp_to_unix_ns(0x83aa7e8000000000, 0), 0);
	assert_int_equal(owamp_ntp_to_unix_ns(0x83aa7e8000000000, 4102444800 * NS_PER_S),
			 4294967296 * NS_PER_S);
	/* At the ends of what fits; the third would lie nearer an era on. */
	assert_int_equal(owamp_ntp_to_unix_ns(0x83aa7e8000000000, INT64_MAX), 8589934592 * NS_PER_S);
	assert_int_equal(owamp_ntp_to_unix_ns(0x83aa7e8000000000, INT64_MIN), -8589934592 * NS_PER_S);
	assert_int_equal(owamp_ntp_to_unix_ns(0, INT64_MAX), 6380945792 * NS_PER_S);
}

static void test_unfolding_within_68_years(void **state)
{
	(void)state;
	uint64_t seed = 2;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = (int64_t)ref_random(&seed) / 4;
		int64_t apart = (int64_t)(ref_random(&seed) % (uint64_t)(HALF_ERA_NS - 1));

		assert_there_and_back(ns, ns + (i % 2 ? apart : -apart));
	}
}

/* Any octets, not only those that came from ns. */
static void test_to_unix_is_rounded(void **state)
{
	(void)state;
	uint64_t seed = 3;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t near = (int64_t)(ref_random(&seed) % (3 * (uint64_t)HALF_ERA_NS));
		owamp_ntp time = ref_random(&seed);
		int64_t ns = owamp_ntp_to_unix_ns(time, near);
		__int128 since_1900 = (__int128)ns + (__int128)UNIX_EPOCH * NS_PER_S;
		__int128 units = (since_1900 << 32) / NS_PER_S;
		__int128 era = (units + ((__int128)1 << 63) - time) >> 64;

		assert_true(nearest_ns(since_1900, (era << 64) + time));
		assert_true(llabs(ns - near) <= HALF_ERA_NS + 1);
	}
}

static void test_differences(void **state)
{
	(void)state;
	uint64_t seed = 4;

	assert_int_equal(owamp_ntp_diff(5, 3), 2);
	assert_int_equal(owamp_ntp_diff(3, 5), -2);
	assert_int_equal(owamp_ntp_diff(2, UINT64_MAX - 1), 4);
	assert_int_equal(owamp_ntp_diff(UINT64_MAX - 1, 2), -4);
	assert_int_equal(owamp_ntp_diff_ns(OWAMP_SECOND, 0), NS_PER_S);
	assert_int_equal(owamp_ntp_diff_ns(0, OWAMP_SECOND), -NS_PER_S);
	/* 2 units are 0.466 ns, 3 are 0.698 ns. */
	assert_int_equal(owamp_ntp_diff_ns(2, 0), 0);
	assert_int_equal(owamp_ntp_diff_ns(3, 0), 1);
	assert_int_equal(owamp_ntp_diff_ns(0, 2), 0);
	assert_int_equal(owamp_ntp_diff_ns(0, 3), -1);
	assert_true(owamp_ntp_diff_ns((uint64_t)1 << 63, 0) == -HALF_ERA_NS);
	for (int i = 0; i < ROUNDS; i++) {
		owamp_ntp a = ref_random(&seed);
		int64_t diff = (int64_t)ref_random(&seed) >> ref_below(&seed, 64);

		assert_int_equal(owamp_ntp_diff(a + (uint64_t)diff, a), diff);
		assert_true(nearest_ns(owamp_ntp_diff_ns(a + (uint64_t)diff, a), diff));
	}
}

static void test_intervals(void **state)
{
	(void)state;
	uint64_t seed = 5;

	assert_true(owamp_interval_from_ns(0) == 0);
	assert_true(owamp_interval_from_ns(1) == 4);
	assert_true(owamp_interval_from_ns(2) == 9);
	assert_true(owamp_interval_from_ns(NS_PER_S) == OWAMP_SECOND);
	/* The last ns below 2^31 s, and what no longer fits. */
	assert_true(owamp_interval_from_ns((uint64_t)HALF_ERA_NS - 1) == ((uint64_t)1 << 63) - 4);
	assert_true(owamp_interval_from_ns((uint64_t)HALF_ERA_NS) == OWAMP_INTERVAL_MAX);
	assert_true(owamp_interval_from_ns(UINT64_MAX) == OWAMP_INTERVAL_MAX);
	assert_int_equal(owamp_interval_to_ns(0), 0);
	assert_int_equal(owamp_interval_to_ns(2), 0);
	assert_int_equal(owamp_interval_to_ns(3), 1);
	assert_true(owamp_interval_to_ns(OWAMP_INTERVAL_MAX) == HALF_ERA_NS);
	assert_true(owamp_interval_to_ns(UINT64_MAX) == 2 * HALF_ERA_NS);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t ns = ref_random(&seed) % (uint64_t)HALF_ERA_NS >> ref_below(&seed, 60);
		owamp_interval interval = ref_random(&seed) >> ref_below(&seed, 64);

		assert_true(owamp_interval_from_ns(ns) == (uint64_t)ref_round((__int128)ns << 32, NS_PER_S));
		assert_int_equal(owamp_interval_to_ns(owamp_interval_from_ns(ns)), ns);
		assert_true(nearest_ns(owamp_interval_to_ns(interval), interval));
	}
}

/* Multiplier * 2^Scale, in units of 2^-32 s. */
static unsigned __int128 estimate_units(uint16_t estimate)
{
	return (unsigned __int128)(estimate & 0xff) << (estimate >> 8 & 0x3f);
}

static unsigned __int128 smallest_not_below(uint64_t bound_ns)
{
	unsigned __int128 wanted = (unsigned __int128)bound_ns << 32;
	unsigned __int128 best = 0;

	for (uint16_t scale = 0; scale < 64; scale++) {
		for (uint16_t multiplier = 1; multiplier < 256; multiplier++) {
			unsigned __int128 units = estimate_units((uint16_t)(scale << 8 | multiplier));

			if (units * NS_PER_S >= wanted && (best == 0 || units < best))
				best = units;
		}
	}
	return best;
}

static void assert_estimate(uint64_t bound_ns)
{
	uint16_t free_running = owamp_error_estimate(bound_ns, false);
	uint16_t synchronized = owamp_error_estimate(bound_ns, true);

	assert_int_equal(free_running & 0xc000, 0);
	assert_int_equal(synchronized, free_running | 0x8000);
	assert_int_not_equal(free_running & 0xff, 0);
	assert_true(estimate_units(free_running) == smallest_not_below(bound_ns));
	if (bound_ns <= INT64_MAX)
		assert_true(owamp_error_estimate_ns(free_running) >= (int64_t)bound_ns);
}

static void test_estimate_is_the_smallest_not_below(void **state)
{
	(void)state;
	uint64_t seed = 6;

	for (uint64_t ns = 0; ns < 300; ns++)
		assert_estimate(ns);
	for (int bit = 0; bit < 64; bit++) {
		assert_estimate((uint64_t)1 << bit);
		assert_estimate(((uint64_t)1 << bit) - 1);
		assert_estimate(((uint64_t)1 << bit) + 1);
	}
	for (int i = 0; i < 1500; i++)
		assert_estimate(ref_random(&seed) >> ref_below(&seed, 64));
	assert_estimate(UINT64_MAX);
}

/* Around each value that can be stated: exactly it, and one ns more. */
static void test_estimate_at_its_own_values(void **state)
{
	(void)state;
	for (uint16_t scale = 8; scale < 40; scale++) {
		for (uint16_t multiplier = 1; multiplier < 256; multiplier += 127) {
			uint16_t estimate = (uint16_t)(scale << 8 | multiplier);
			uint64_t below = (uint64_t)(estimate_units(estimate) * NS_PER_S >> 32);

			assert_estimate(below);
			assert_estimate(below + 1);
		}
	}
}

static void test_estimate_in_ns_is_rounded_up(void **state)
{
	(void)state;
	for (uint32_t estimate = 0; estimate < 0x10000; estimate++) {
		assert_int_equal(owamp_error_estimate_ns((uint16_t)estimate),
				 ref_error_ns((uint16_t)estimate));
		assert_int_equal(owamp_error_estimate_synchronized((uint16_t)estimate), estimate >= 0x8000);
		assert_int_equal(owamp_error_estimate_valid((uint16_t)estimate), estimate % 256 != 0);
	}
	assert_int_equal(owamp_error_estimate_ns(0x0001), 1);
	assert_int_equal(owamp_error_estimate_ns(0x2001), NS_PER_S);
	assert_int_equal(owamp_error_estimate_ns(0x1401), 244141);
	assert_true(owamp_error_estimate_ns(0x3fff) == INT64_MAX);
	assert_int_equal(OWAMP_ERROR_LOST, 0x0001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times),
		cmocka_unit_test(test_from_unix_is_rounded),
		cmocka_unit_test(test_around_the_era_boundary),
		cmocka_unit_test(test_unfolding_within_68_years),
		cmocka_unit_test(test_to_unix_is_rounded),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_estimate_is_the_smallest_not_below),
		cmocka_unit_test(test_estimate_at_its_own_values),
		cmocka_unit_test(test_estimate_in_ns_is_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
