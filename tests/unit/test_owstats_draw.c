/* Pools of delays against libowamp's statistics, bars against plain loops, and comma separated values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <owamp/error.h>
#include <owamp/stats.h>

#include "owping/stats_draw.h"
#include "owping/stats_pool.h"
#include "owping/stats_table.h"

#define START (UINT64_C(3900000000) << 32)

/* xorshift64 */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Some of each size, and some below 0. */
static int64_t any_delay(uint64_t *seed)
{
	uint64_t size = next(seed) >> 30 >> next(seed) % 34;

	return next(seed) % 5 == 0 ? -(int64_t)size : (int64_t)size;
}

/* An exact pool says what libowamp says, one of buckets the same within 1 %. */
static void compare_pools(uint32_t count, uint64_t seed)
{
	static const double percents[] = {0.001, 1, 5, 33.3, 50, 90, 95, 99, 99.9, 99.99, 100};
	struct owamp_stats *stats;
	struct owamp_summary summary;
	struct stats_pool *exact, *rough;

	assert_int_equal(owamp_stats_new(&stats, count), 0);
	assert_int_equal(stats_pool_new(&exact, true), 0);
	assert_int_equal(stats_pool_new(&rough, false), 0);
	for (uint32_t seq = 0; seq < count; seq++) {
		int64_t size = any_delay(&seed);
		struct owamp_record record = {.send_time = START, .seq = seq};
		int64_t delay_ns;

		/* What is no multiple of 2^-32 s would not come back from a record. */
		record.receive_time = START + (uint64_t)(size * 4);
		delay_ns = owamp_ntp_diff_ns(record.receive_time, record.send_time);
		assert_int_equal(owamp_stats_record(stats, &record), 0);
		assert_int_equal(stats_pool_add(exact, delay_ns), 0);
		assert_int_equal(stats_pool_add(rough, delay_ns), 0);
	}
	assert_int_equal(owamp_stats_finish(stats, count, NULL, 0, &summary), 0);
	assert_int_equal(stats_pool_count(exact), count);
	assert_int_equal(stats_pool_count(rough), count);
	assert_int_equal(stats_pool_min(exact), summary.delay_min_ns);
	assert_int_equal(stats_pool_max(rough), summary.delay_max_ns);
	for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
		int64_t expected = 0, got = 1;

		assert_int_equal(owamp_stats_percentile(stats, percents[i], &expected), 0);
		assert_int_equal(stats_pool_percentile(exact, percents[i], &got), 0);
		assert_int_equal(got, expected);
		assert_int_equal(stats_pool_percentile(rough, percents[i], &got), 0);
		assert_true(llabs(got - expected) * 100 <= llabs(expected));
		assert_true(got >= summary.delay_min_ns && got <= summary.delay_max_ns);
	}
	owamp_stats_free(stats);
	stats_pool_free(exact);
	stats_pool_free(rough);
}

static void test_pools(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 60; count++)
		compare_pools(count, count * UINT64_C(0x9e3779b97f4a7c15));
	compare_pools(1000, 7);
	compare_pools(20001, 8);
}

static void test_empty_pool(void **state)
{
	struct stats_pool *pool;
	int64_t delay_ns = 7;

	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		assert_int_equal(stats_pool_new(&pool, exact), 0);
		assert_int_equal(stats_pool_percentile(pool, 50, &delay_ns), OWAMP_EDATA);
		assert_int_equal(stats_pool_percentile(pool, 0, &delay_ns), OWAMP_EINVAL);
		assert_int_equal(stats_pool_count(pool), 0);
		stats_pool_free(pool);
	}
	assert_int_equal(delay_ns, 7);
}

/* The extremes come from elsewhere, and no percentile is beyond them. */
static void test_buckets_between(void **state)
{
	struct histogram_bucket bucket = {histogram_middle(1000000), 5};
	struct stats_pool *pool;
	int64_t delay_ns = 0;

	(void)state;
	assert_true(bucket.delay_ns != 1000000);
	assert_int_equal(stats_pool_new(&pool, false), 0);
	assert_int_equal(stats_pool_add_bucket(pool, &bucket), 0);
	stats_pool_extend(pool, 1000000, 1000000);
	assert_int_equal(stats_pool_percentile(pool, 50, &delay_ns), 0);
	assert_int_equal(delay_ns, 1000000);
	assert_int_equal(stats_pool_count(pool), 5);
	stats_pool_free(pool);
}

/* Every packet is in the one bar that holds its delay; bars do not overlap and leave nothing out. */
static void check_bars(const int64_t *delays, size_t count, size_t rows)
{
	struct stats_bar *bars = calloc(rows, sizeof *bars);
	struct histogram *histogram;
	const struct histogram_bucket *buckets;
	size_t bucket_count, made;

	assert_non_null(bars);
	assert_int_equal(histogram_new(&histogram), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(histogram_add(histogram, delays[i], 1), 0);
	buckets = histogram_buckets(histogram, &bucket_count);
	made = stats_bars(buckets, bucket_count, bars, rows);
	assert_true(made >= 1 && made <= rows);
	for (size_t i = 0; i < made; i++) {
		uint64_t packets = 0;

		assert_true(bars[i].low_ns <= bars[i].high_ns);
		if (i > 0)
			assert_true(bars[i].low_ns == bars[i - 1].high_ns + 1);
		for (size_t j = 0; j < count; j++)
			packets += delays[j] >= bars[i].low_ns && delays[j] <= bars[i].high_ns;
		assert_int_equal(bars[i].packets, packets);
	}
	assert_true(bars[0].packets > 0 && bars[made - 1].packets > 0);
	histogram_free(histogram);
	free(bars);
}

static void test_bars(void **state)
{
	static const size_t rows[] = {4, 5, 9, 20, 64, 1000};
	static const int64_t extremes[] = {INT64_MIN + 1, -1, 0, 1, INT64_MAX};
	uint64_t seed = 99;
	int64_t delays[300];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t count = 1; count <= 300; count = count * 3 / 2 + 1) {
			for (size_t j = 0; j < count; j++)
				delays[j] = any_delay(&seed);
			check_bars(delays, count, rows[i]);
		}
		check_bars(extremes, 5, rows[i]);
	}
}

/* Few delays are told apart as far as the buckets do; many are merged as little as need be. */
static void test_fine_bars(void **state)
{
	struct histogram_bucket buckets[64];
	struct stats_bar bars[70];

	(void)state;
	/* One doubling, 64 buckets of 1 ns. */
	for (int i = 0; i < 64; i++)
		buckets[i] = (struct histogram_bucket){64 + i, 1};
	assert_int_equal(stats_bars(buckets, 64, bars, 64), 64);
	assert_int_equal(stats_bars(buckets, 64, bars, 63), 32);
	assert_int_equal(bars[1].low_ns, 66);
	assert_int_equal(bars[1].high_ns, 67);
	assert_int_equal(bars[1].packets, 2);
	assert_int_equal(stats_bars(buckets, 64, bars, 31), 16);
	assert_int_equal(stats_bars(buckets, 64, bars, 4), 4);
	/* With a gap. */
	buckets[0].delay_ns = 10;
	buckets[1].delay_ns = 14;
	assert_int_equal(stats_bars(buckets, 2, bars, 70), 3);
	assert_int_equal(bars[1].low_ns, 11);
	assert_int_equal(bars[1].high_ns, 13);
	assert_int_equal(bars[1].packets, 0);
}

static void test_bar_text(void **state)
{
	char text[3 * 10 + 1];

	(void)state;
	assert_string_equal(stats_bar_text(text, 10, 10, 10, false), "##########");
	assert_string_equal(stats_bar_text(text, 5, 10, 10, false), "#####");
	assert_string_equal(stats_bar_text(text, 1, 1000, 10, false), "#");
	assert_string_equal(stats_bar_text(text, 0, 1000, 10, false), "");
	assert_string_equal(stats_bar_text(text, 0, 0, 10, true), "");
	assert_string_equal(stats_bar_text(text, 4, 4, 2, true), "\xe2\x96\x88\xe2\x96\x88");
	/* 2 * 5 / 16: five eighths. */
	assert_string_equal(stats_bar_text(text, 5, 16, 2, true), "\xe2\x96\x8b");
	assert_string_equal(stats_bar_text(text, 1, 1000000, 2, true), "\xe2\x96\x8f");
}

typedef void print_fn(FILE *out);

static void assert_printed(print_fn *print, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void print_csv(FILE *out)
{
	json_t *list = json_pack("[{s:s, s:I, s:n, s:[i], s:f, s:b}, {s:s, s:n, s:I, s:[], s:f, s:b}]",
				 "name", "a,\"b\"\n", "start_ns", (json_int_t)1795168800000000001, "delay_ns",
				 "list", 1, "share", 0.5, "sure", 1, "name", "plain", "start_ns", "delay_ns",
				 (json_int_t)-5, "list", "share", 100.0, "sure", 0);

	assert_non_null(list);
	stats_csv_print(out, list);
	json_decref(list);
}

static void test_csv(void **state)
{
	(void)state;
	assert_printed(print_csv,
		       "name,start_time,start_ns,delay_ns,share,sure\r\n"
		       "\"a,\"\"b\"\"\n\",2026-11-20T10:00:00.000000001Z,1795168800000000001,,0.5,true\r\n"
		       "plain,,,-5,100,false\r\n");
}

static void print_table(FILE *out)
{
	static const char *const headers[] = {"<name", "count", "<end"};
	struct stats_table *table;

	assert_int_equal(stats_table_new(&table, headers, 3), 0);
	stats_table_add(table, "\xc3\xa4");
	stats_table_add(table, "%d", 1);
	stats_table_add(table, "x");
	stats_table_row(table, NULL);
	stats_table_add(table, "a\033[31m\xc2\x9b");
	stats_table_add(table, "%d", 1234567);
	stats_table_add(table, "y");
	stats_table_row(table, "\033[33m");
	assert_int_equal(stats_table_print(table, out, false), 0);
	stats_table_free(table);
}

/* Widths count characters, not octets; and no text gets at the terminal. */
static void test_table(void **state)
{
	(void)state;
	assert_printed(print_table, "name        count  end\n"
				    "\xc3\xa4               1  x\n"
				    "a?[31m??  1234567  y\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_empty_pool),
		cmocka_unit_test(test_buckets_between),
		cmocka_unit_test(test_bars),
		cmocka_unit_test(test_fine_bars),
		cmocka_unit_test(test_bar_text),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
