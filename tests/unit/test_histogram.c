#include "reference.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include <owamp/error.h>

#include "storage/histogram.h"

/* A delay of any size and sign. */
static int64_t any_delay(uint64_t *seed)
{
	uint64_t value = ref_random(seed) >> ref_below(seed, 64);

	return (int64_t)value;
}

static void assert_same_bucket(int64_t delay_ns, int64_t lowest, int64_t highest, int64_t middle)
{
	int64_t low, high;

	histogram_edges(delay_ns, &low, &high);
	assert_int_equal(low, lowest);
	assert_int_equal(high, highest);
	assert_int_equal(histogram_middle(delay_ns), middle);
}

/* Bucket by bucket from one end of the line to the other. */
static void test_buckets_tile_the_line(void **state)
{
	(void)state;
	int64_t expected = INT64_MIN;

	for (unsigned buckets = 1;; buckets++) {
		int64_t low, high, middle = histogram_middle(expected);

		histogram_edges(expected, &low, &high);
		assert_int_equal(low, expected);
		assert_true(low <= middle && middle <= high);
		assert_same_bucket(low, low, high, middle);
		assert_same_bucket(middle, low, high, middle);
		assert_same_bucket(high, low, high, middle);
		assert_same_bucket(low + (high - low) / 3, low, high, middle);
		if (high == INT64_MAX) {
			/* 0..63 and 57 doublings; those mirrored but 0; INT64_MIN. */
			assert_int_equal(buckets, 2 * (64 + 57 * 64) - 1 + 1);
			return;
		}
		expected = high + 1;
	}
}

/* Each of them, counted one by one. */
static void test_small_delays(void **state)
{
	(void)state;
	int64_t previous_low, previous_high;

	histogram_edges(-70000, &previous_low, &previous_high);
	for (int64_t delay = -70000; delay <= 70000; delay++) {
		int64_t low, high;

		histogram_edges(delay, &low, &high);
		assert_true(low <= delay && delay <= high);
		if (delay > previous_high)
			assert_int_equal(low, previous_high + 1);
		else
			assert_int_equal(low, previous_low);
		if (llabs(delay) < 128)
			assert_int_equal(histogram_middle(delay), delay);
		else
			assert_true(llabs(histogram_middle(delay) - delay) * 100 <= llabs(delay));
		previous_low = low;
		previous_high = high;
	}
}

static void test_each_doubling_has_64(void **state)
{
	(void)state;

	for (unsigned power = 6; power < 63; power++) {
		int64_t edge = INT64_C(1) << power, low, high;
		unsigned buckets = 0;

		/* A power of two begins a bucket; the one below ends right before it. */
		histogram_edges(edge, &low, &high);
		assert_int_equal(low, edge);
		histogram_edges(edge - 1, &low, &high);
		assert_int_equal(high, edge - 1);
		for (int64_t next = edge; next >> power == 1; buckets++) {
			histogram_edges(next, &low, &high);
			if (high == INT64_MAX) {
				buckets++;
				break;
			}
			next = high + 1;
		}
		assert_int_equal(buckets, 64);
	}
}

static void assert_within_a_percent(int64_t delay)
{
	int64_t middle = histogram_middle(delay);
	__int128 off = (__int128)middle - delay, size = delay;

	off = off < 0 ? -off : off;
	size = size < 0 ? -size : size;
	assert_true(size < 64 ? off == 0 : off * 100 <= size);
	assert_int_equal(histogram_middle(middle), middle);
	/* Mirrored, where the mirror image fits. */
	if (delay != INT64_MIN)
		assert_int_equal(histogram_middle(-delay), -middle);
}

static void test_middle_is_within_a_percent(void **state)
{
	(void)state;
	uint64_t seed = 1;

	for (unsigned power = 0; power < 63; power++)
		for (int64_t off = -1; off <= 1; off++) {
			assert_within_a_percent((INT64_C(1) << power) + off);
			assert_within_a_percent(-(INT64_C(1) << power) + off);
		}
	assert_within_a_percent(INT64_MAX);
	assert_within_a_percent(INT64_MAX - 1);
	assert_within_a_percent(INT64_MIN);
	assert_within_a_percent(INT64_MIN + 1);
	for (int i = 0; i < 1000000; i++)
		assert_within_a_percent(any_delay(&seed));
}

static int ascending(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* The buckets are the sorted middles, counted. */
static void assert_holds(struct histogram *histogram, const int64_t *delays, size_t n)
{
	int64_t *middles = malloc((n + 1) * sizeof *middles);
	const struct histogram_bucket *buckets;
	size_t count, b = 0;

	for (size_t i = 0; i < n; i++)
		middles[i] = histogram_middle(delays[i]);
	qsort(middles, n, sizeof *middles, ascending);
	buckets = histogram_buckets(histogram, &count);
	for (size_t i = 0; i < n; b++) {
		size_t same = 1;

		while (i + same < n && middles[i + same] == middles[i])
			same++;
		assert_true(b < count);
		assert_int_equal(buckets[b].delay_ns, middles[i]);
		assert_int_equal(buckets[b].packets, same);
		i += same;
	}
	assert_int_equal(count, b);
	assert_int_equal(histogram_total(histogram), n);
	free(middles);
}

/* Read again and again while it grows, through every size of the table. */
static void test_counts_what_was_added(void **state)
{
	(void)state;
	enum { N = 60000 };
	int64_t *delays = malloc(N * sizeof *delays);
	struct histogram *histogram;
	uint64_t seed = 2;
	size_t empty;

	assert_int_equal(histogram_new(&histogram), 0);
	empty = histogram_memory(histogram);
	assert_holds(histogram, delays, 0);
	for (size_t i = 0; i < N; i++) {
		delays[i] = any_delay(&seed);
		assert_int_equal(histogram_add(histogram, delays[i], 1), 0);
		if (i < 200 || i % 10007 == 0)
			assert_holds(histogram, delays, i + 1);
	}
	assert_holds(histogram, delays, N);
	assert_true(histogram_memory(histogram) > empty);
	assert_true(histogram_memory(histogram) < 500000);
	histogram_clear(histogram);
	assert_holds(histogram, delays, 0);
	assert_int_equal(histogram_add(histogram, delays[7], 1), 0);
	assert_holds(histogram, delays + 7, 1);
	histogram_free(histogram);
	free(delays);
}

static void test_adds_many_at_once(void **state)
{
	(void)state;
	struct histogram *histogram;
	const struct histogram_bucket *buckets;
	size_t count;

	assert_int_equal(histogram_new(&histogram), 0);
	assert_int_equal(histogram_add(histogram, 5, 0), 0);
	histogram_buckets(histogram, &count);
	assert_int_equal(count, 0);
	assert_int_equal(histogram_add(histogram, 5, UINT64_MAX - 3), 0);
	assert_int_equal(histogram_add(histogram, -5, 3), 0);
	assert_int_equal(histogram_add(histogram, 5, 1), OWAMP_ELIMIT);
	assert_int_equal(histogram_add(histogram, 7, 1), OWAMP_ELIMIT);
	buckets = histogram_buckets(histogram, &count);
	assert_int_equal(count, 2);
	assert_int_equal(buckets[0].delay_ns, -5);
	assert_int_equal(buckets[0].packets, 3);
	assert_true(buckets[1].packets == UINT64_MAX - 3);
	assert_true(histogram_total(histogram) == UINT64_MAX);
	histogram_free(histogram);
}

static int64_t percentile(struct histogram *histogram, double percent)
{
	int64_t delay_ns;

	assert_int_equal(histogram_percentile(histogram, percent, &delay_ns), 0);
	return delay_ns;
}

static void test_percentiles_by_hand(void **state)
{
	(void)state;
	struct histogram *histogram;
	int64_t delay_ns;

	assert_int_equal(histogram_new(&histogram), 0);
	assert_int_equal(histogram_percentile(histogram, 50, &delay_ns), OWAMP_EDATA);
	for (int64_t delay = 100; delay >= 1; delay--)
		assert_int_equal(histogram_add(histogram, delay, 10), 0);
	assert_int_equal(histogram_percentile(histogram, 0, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(histogram_percentile(histogram, -1, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(histogram_percentile(histogram, 100.1, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(histogram_percentile(histogram, NAN, &delay_ns), OWAMP_EINVAL);
	/* 1000 packets, 10 of each: rank 500 is the last of those of 50. */
	assert_int_equal(percentile(histogram, 0.0001), 1);
	assert_int_equal(percentile(histogram, 1), 1);
	assert_int_equal(percentile(histogram, 1.1), 2);
	assert_int_equal(percentile(histogram, 50), 50);
	assert_int_equal(percentile(histogram, 50.1), 51);
	assert_int_equal(percentile(histogram, 95), 95);
	assert_int_equal(percentile(histogram, 99), 99);
	assert_int_equal(percentile(histogram, 99.9), 100);
	assert_int_equal(percentile(histogram, 100), 100);
	/* Of 1000, P99.9 has rank 999. */
	histogram_clear(histogram);
	assert_int_equal(histogram_add(histogram, 1, 998), 0);
	assert_int_equal(histogram_add(histogram, 2, 1), 0);
	assert_int_equal(histogram_add(histogram, 3, 1), 0);
	assert_int_equal(percentile(histogram, 99.8), 1);
	assert_int_equal(percentile(histogram, 99.9), 2);
	assert_int_equal(percentile(histogram, 99.91), 3);
	/* 8.8 % of 375 are 33, but not quite in binary. */
	histogram_clear(histogram);
	assert_int_equal(histogram_add(histogram, 1, 33), 0);
	assert_int_equal(histogram_add(histogram, 2, 342), 0);
	assert_int_equal(percentile(histogram, 8.8), 1);
	assert_int_equal(percentile(histogram, 8.81), 2);
	histogram_free(histogram);
}

/* Merged from parts, within 1 % of the exact nearest rank. */
static void test_merged_percentiles(void **state)
{
	(void)state;
	static const unsigned permille[] = {1, 10, 500, 900, 950, 990, 999, 1000};
	int64_t delays[5000];

	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint64_t random = seed;
		struct histogram *parts[3], *whole;
		size_t n = 1 + ref_below(&random, 5000);

		for (int p = 0; p < 3; p++)
			assert_int_equal(histogram_new(&parts[p]), 0);
		assert_int_equal(histogram_new(&whole), 0);
		for (size_t i = 0; i < n; i++) {
			delays[i] = seed % 2 ? any_delay(&random)
					     : 20000000 + (int64_t)ref_below(&random, 5000000);
			assert_int_equal(histogram_add(parts[ref_below(&random, 3)], delays[i], 1), 0);
		}
		for (int p = 0; p < 3; p++) {
			size_t count;
			const struct histogram_bucket *buckets = histogram_buckets(parts[p], &count);

			for (size_t i = 0; i < count; i++)
				assert_int_equal(
					histogram_add(whole, buckets[i].delay_ns, buckets[i].packets), 0);
			histogram_free(parts[p]);
		}
		assert_holds(whole, delays, n);
		qsort(delays, n, sizeof *delays, ascending);
		for (size_t p = 0; p < sizeof permille / sizeof permille[0]; p++) {
			int64_t exact = delays[(n * permille[p] + 999) / 1000 - 1];
			int64_t got = percentile(whole, permille[p] / 10.0);

			assert_int_equal(got, histogram_middle(exact));
			assert_true(fabsl((long double)got - (long double)exact) * 100 <=
				    fabsl((long double)exact));
		}
		histogram_free(whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_tile_the_line),
		cmocka_unit_test(test_small_delays),
		cmocka_unit_test(test_each_doubling_has_64),
		cmocka_unit_test(test_middle_is_within_a_percent),
		cmocka_unit_test(test_counts_what_was_added),
		cmocka_unit_test(test_adds_many_at_once),
		cmocka_unit_test(test_percentiles_by_hand),
		cmocka_unit_test(test_merged_percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
