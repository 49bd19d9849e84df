#include "stats_fixture.h"

#include <math.h>

static int64_t percentile(const struct owamp_stats *stats, double percent)
{
	int64_t delay_ns = -1;

	assert_int_equal(owamp_stats_percentile(stats, percent, &delay_ns), 0);
	return delay_ns;
}

static void test_negative_delays(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(3);

	put(stats, make(0, -5 * MS));
	put(stats, make(1, 3 * MS));
	put(stats, make(2, -7 * MS));

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_int_equal(summary.delay_min_ns, -7 * MS);
	assert_int_equal(summary.delay_median_ns, -5 * MS);
	assert_int_equal(summary.delay_max_ns, 3 * MS);
	assert_true(summary.delay_mean_ns == -3.0 * MS);
	assert_int_equal(summary.ipdv_max_ns, 10 * MS);
	assert_true(summary.ipdv_mean_ns == 9.0 * MS);
	owamp_stats_free(stats);
}

static void test_era_boundary_inside_a_delay(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(1);
	struct owamp_record record = make(0, 0);

	record.send_time = UINT64_MAX - (uint64_t)ref_units(4 * MS) + 1;
	record.receive_time = (uint64_t)ref_units(6 * MS);
	put(stats, record);
	assert_int_equal(finish(stats, ALL, NULL, 0).delay_min_ns, 10 * MS);
	owamp_stats_free(stats);
}

/*
 * Delays 1..n ms: the percentile p is ceil(p * n / 100) ms, in integers. The
 * decimal percentages that people write are not exact in binary.
 */
static void test_percentile_ranks(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 1000; n += n < 30 ? 1 : 97) {
		struct owamp_stats *stats = with_packets(n);

		for (uint32_t i = 0; i < n; i++)
			put(stats, make(i, (n - i) * MS));
		finish(stats, ALL, NULL, 0);
		for (uint32_t permille = 1; permille <= 1000; permille++) {
			uint32_t expected = (permille * n + 999) / 1000;

			assert_int_equal(percentile(stats, permille / 10.0), expected * MS);
		}
		assert_int_equal(percentile(stats, 1e-9), MS);
		owamp_stats_free(stats);
	}
}

struct buckets {
	int64_t lower[8];
	uint32_t count[8];
	size_t used;
};

static void collect(void *context, int64_t lower_ns, uint32_t count)
{
	struct buckets *buckets = context;

	assert_true(buckets->used < 8);
	buckets->lower[buckets->used] = lower_ns;
	buckets->count[buckets->used++] = count;
}

static void test_buckets(void **state)
{
	(void)state;
	const int64_t delays[] = {99, 100, 100, 199, -1, -100, -101, 1000};
	const int64_t lower[] = {-200, -100, 0, 100, 1000};
	const uint32_t count[] = {1, 2, 1, 3, 1};
	struct owamp_stats *stats = with_packets(8);
	struct buckets buckets = {0};

	for (uint32_t i = 0; i < 8; i++)
		put(stats, make(i, delays[i]));
	finish(stats, ALL, NULL, 0);
	assert_int_equal(owamp_stats_buckets(stats, 100, collect, &buckets), 0);
	assert_int_equal(buckets.used, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(buckets.lower[i], lower[i]);
		assert_int_equal(buckets.count[i], count[i]);
	}
	memset(&buckets, 0, sizeof(buckets));
	assert_int_equal(owamp_stats_buckets(stats, INT64_MAX, collect, &buckets), 0);
	assert_int_equal(buckets.used, 2);
	assert_true(buckets.lower[0] == -INT64_MAX);
	assert_int_equal(buckets.count[0], 3);
	assert_int_equal(buckets.lower[1], 0);
	assert_int_equal(buckets.count[1], 5);
	owamp_stats_free(stats);
}

static void test_delays_of_half_an_era(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(2);
	struct owamp_record early = make(0, 0);
	struct owamp_record late = make(1, 0);

	early.receive_time = early.send_time + ((uint64_t)1 << 63);
	late.receive_time = late.send_time + INT64_MAX;
	put(stats, early);
	put(stats, late);

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_true(summary.delay_min_ns == -2147483648LL * 1000000000);
	assert_true(summary.delay_max_ns == 2147483648LL * 1000000000);
	assert_true(summary.ipdv_max_ns == 4294967296LL * 1000000000);
	assert_true(fabs(summary.delay_mean_ns) < 1);
	owamp_stats_free(stats);
}

static void test_sum_beyond_64_bits(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(10);

	for (uint32_t i = 0; i < 10; i++) {
		struct owamp_record record = make(i, 0);

		record.receive_time = record.send_time + ((uint64_t)1 << 62);
		put(stats, record);
	}
	assert_true(finish(stats, ALL, NULL, 0).delay_mean_ns == 1073741824e9);
	owamp_stats_free(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negative_delays),
		cmocka_unit_test(test_era_boundary_inside_a_delay),
		cmocka_unit_test(test_percentile_ranks),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_delays_of_half_an_era),
		cmocka_unit_test(test_sum_beyond_64_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
