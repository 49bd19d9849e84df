#include "reference.h"

#include <string.h>

#include "engine/lateness.h"

#define VALUES 4000

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void test_nothing(void **state)
{
	struct lateness lateness = {0};

	(void)state;
	assert_int_equal(lateness_percentile(&lateness, 50), 0);
	assert_int_equal(lateness_percentile(&lateness, 100), 0);
}

/* The edges, one after the other: 0, 16, 32, 48, 64, 80, 96, 112, 128, 160 and so on, up to 2^35. */
static void test_edges(void **state)
{
	int64_t low = 0, width = 16;
	int bucket = 0;

	(void)state;
	while (low < INT64_C(1) << 35) {
		struct lateness lateness = {0};

		lateness_add(&lateness, low);
		lateness_add(&lateness, low + width / 2);
		lateness_add(&lateness, low + width - 1);
		assert_int_equal(lateness.buckets[bucket], 3);
		/* The greatest value is in it: nothing caps the middle. */
		assert_int_equal(lateness_percentile(&lateness, 50), low + width / 2);
		assert_int_equal(lateness.count, 3);
		assert_int_equal(lateness.max_ns, low + width - 1);
		low += width;
		bucket++;
		if (low >= 128 && (low & (low - 1)) == 0)
			width *= 2;
	}
	assert_int_equal(bucket, LATENESS_BUCKETS - 1);
}

/* Each alone is what the greatest is, or less, and within an eighth. */
static void test_one_value(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct lateness lateness = {0};
		int64_t ns = (int64_t)(ref_random(&seed) >> (28 + ref_below(&seed, 36)));
		int64_t found;

		lateness_add(&lateness, ns);
		found = lateness_percentile(&lateness, 50);
		assert_true(found <= ns);
		assert_true(ns - found <= (ns < 64 ? 8 : ns / 8));
	}
}

static void test_extremes(void **state)
{
	struct lateness lateness = {0};

	(void)state;
	lateness_add(&lateness, -1);
	lateness_add(&lateness, INT64_MIN);
	assert_int_equal(lateness.buckets[0], 2);
	assert_int_equal(lateness.max_ns, 0);
	assert_int_equal(lateness_percentile(&lateness, 100), 0);
	assert_true(lateness.sum_ns == 0);
	lateness_add(&lateness, INT64_MAX);
	lateness_add(&lateness, INT64_C(1) << 35);
	assert_int_equal(lateness.buckets[LATENESS_BUCKETS - 1], 2);
	assert_int_equal(lateness.max_ns, INT64_MAX);
	/* Not an invention of ours in the bucket without an end. */
	assert_int_equal(lateness_percentile(&lateness, 75), INT64_MAX);
}

static void assert_near(const struct lateness *lateness, double percent, int64_t exact)
{
	int64_t found = lateness_percentile(lateness, percent), most = exact < 64 ? 8 : exact / 8;

	assert_in_range(found, exact - most > 0 ? exact - most : 0, exact + most);
	assert_true(found <= lateness->max_ns);
}

/* By nearest rank in a sorted list: the k-th of n is the percentile of 100 k / n. */
static void test_against_sorting(void **state)
{
	static int64_t values[VALUES];
	struct lateness lateness = {0};
	uint64_t seed = 2;
	double sum = 0;

	(void)state;
	for (int i = 0; i < VALUES; i++) {
		values[i] = (int64_t)(ref_random(&seed) >> (34 + ref_below(&seed, 26)));
		lateness_add(&lateness, values[i]);
		sum += (double)values[i];
	}
	qsort(values, VALUES, sizeof values[0], compare);
	assert_int_equal(lateness.max_ns, values[VALUES - 1]);
	assert_true(lateness.sum_ns == sum);
	for (int rank = 1; rank <= VALUES; rank++)
		assert_near(&lateness, 100.0 * rank / VALUES, values[rank - 1]);
	/* 2000 of 4000; 3960; 3996. */
	assert_near(&lateness, 50, values[1999]);
	assert_near(&lateness, 99, values[3959]);
	assert_near(&lateness, 99.9, values[3995]);
}

/* One in a thousand is late: p99.9 does not see it, what lies beyond does. */
static void test_rank(void **state)
{
	struct lateness lateness = {0};

	(void)state;
	for (int i = 0; i < 999; i++)
		lateness_add(&lateness, 100);
	lateness_add(&lateness, 1000000);
	assert_int_equal(lateness_percentile(&lateness, 99.9), 104); /* of 96 to 112 */
	assert_near(&lateness, 99.95, 1000000);
	lateness_add(&lateness, 1000000);
	assert_near(&lateness, 99.9, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),   cmocka_unit_test(test_edges),
		cmocka_unit_test(test_one_value), cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_rank),      cmocka_unit_test(test_against_sorting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
