#include "stats_fixture.h"

#include <math.h>
#include <sys/resource.h>

#include "owamp/error.h"

/* The summary of packets that arrive in this order, 10 ms each. */
static struct owamp_summary in_order_of(const uint32_t *seqs, size_t count, uint32_t packets)
{
	struct owamp_stats *stats = with_packets(packets);
	struct owamp_summary summary;

	for (size_t i = 0; i < count; i++)
		put(stats, make(seqs[i], 10 * MS));
	summary = finish(stats, ALL, NULL, 0);
	owamp_stats_free(stats);
	return summary;
}

static void assert_degrees(const struct owamp_summary *summary, const uint32_t *expected, size_t count)
{
	for (size_t n = 0; n < OWAMP_REORDER_DEGREES; n++)
		assert_int_equal(summary->n_reordered[n], n < count ? expected[n] : 0);
}

static void test_five_packets(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(5);

	put(stats, make(0, 30 * MS));
	put(stats, make(1, 10 * MS));
	put(stats, make(2, 20 * MS));
	put(stats, make(2, 25 * MS));
	put(stats, make_lost(3));
	put(stats, make(4, 50 * MS));

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_int_equal(summary.sent, 5);
	assert_int_equal(summary.received, 4);
	assert_int_equal(summary.lost, 1);
	assert_int_equal(summary.skipped, 0);
	assert_int_equal(summary.duplicates, 1);
	assert_int_equal(summary.delay_min_ns, 10 * MS);
	assert_int_equal(summary.delay_median_ns, 20 * MS);
	assert_int_equal(summary.delay_max_ns, 50 * MS);
	assert_true(summary.delay_mean_ns == 27.5 * MS);
	assert_int_equal(summary.jitter_ns, 30 * MS);
	/* Pairs (0,1) and (1,2); packet 3 is lost. */
	assert_int_equal(summary.ipdv_count, 2);
	assert_int_equal(summary.ipdv_max_ns, 20 * MS);
	assert_true(summary.ipdv_mean_ns == 15.0 * MS);
	assert_int_equal(summary.reordered, 0);
	assert_true(summary.first == SEND_BASE);
	assert_true(summary.last == SEND_BASE + 4 * (OWAMP_SECOND / 10));
	owamp_stats_free(stats);
}

static void test_nothing_received(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(3);
	int64_t delay_ns;

	put(stats, make_lost(0));
	put(stats, make_lost(1));
	put(stats, make_lost(2));

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_int_equal(summary.sent, 3);
	assert_int_equal(summary.received, 0);
	assert_int_equal(summary.lost, 3);
	assert_false(summary.send_synchronized);
	assert_false(summary.receive_synchronized);
	assert_int_equal(summary.ttl_min, 255);
	assert_int_equal(summary.ttl_max, 255);
	assert_true(summary.first == SEND_BASE);
	assert_true(summary.last == SEND_BASE + 2 * (OWAMP_SECOND / 10));
	assert_int_equal(owamp_stats_percentile(stats, 50, &delay_ns), OWAMP_EDATA);
	owamp_stats_free(stats);
}

/* Dropped at our own socket: not the network's loss. */
static void test_dropped(void **state)
{
	(void)state;
	const struct owamp_skip_range skip = {6, 7};
	struct owamp_stats *stats = with_packets(12);
	struct owamp_summary summary;

	put(stats, make(0, 10 * MS));
	put(stats, make_dropped(1));
	put(stats, make_lost(2));
	/* Both are here, whichever record comes first. */
	put(stats, make_dropped(3));
	put(stats, make(3, 20 * MS));
	put(stats, make(4, 20 * MS));
	put(stats, make_dropped(4));
	/* A packet is dropped once; the first record of a loss counts. */
	put(stats, make_dropped(5));
	put(stats, make_dropped(5));
	put(stats, make_dropped(5));
	put(stats, make_lost(8));
	put(stats, make_dropped(8));
	/* Never sent, and never reached. */
	put(stats, make_dropped(6));
	put(stats, make_dropped(10));
	put(stats, make_dropped(11));
	summary = finish(stats, 10, &skip, 1);
	assert_int_equal(summary.sent, 8);
	assert_int_equal(summary.received, 3);
	assert_int_equal(summary.dropped, 2);
	/* 2 and 8, and 9 without a record. */
	assert_int_equal(summary.lost, 3);
	assert_int_equal(summary.skipped, 2);
	assert_int_equal(summary.duplicates, 0);
	assert_int_equal(summary.ipdv_count, 1);
	owamp_stats_free(stats);
}

static void test_no_records_at_all(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(7);
	struct owamp_summary summary = finish(stats, 4, NULL, 0);

	assert_int_equal(summary.sent, 4);
	assert_int_equal(summary.lost, 4);
	assert_int_equal(summary.received, 0);
	owamp_stats_free(stats);
}

/* RFC 4737 sections 7.1 to 7.4 and 5.3; numbers start with 1 there. */
static void test_rfc4737_examples(void **state)
{
	(void)state;
	const uint32_t table1[] = {1, 2, 3, 5, 6, 7, 8, 4, 9, 10};
	const uint32_t table2[] = {1, 2, 3, 4, 7, 5, 6, 8, 9, 10};
	const uint32_t table3[] = {1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11};
	const uint32_t table4[] = {1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 12, 13, 11, 14, 15, 16};
	const uint32_t section5[] = {1, 2, 3, 7, 8, 9, 4, 5, 6};
	struct owamp_summary summary;

	summary = in_order_of(table1, 10, 11);
	assert_int_equal(summary.reordered, 1);
	assert_degrees(&summary, (uint32_t[]){1, 1, 1, 1}, 4);
	summary = in_order_of(table2, 10, 11);
	assert_int_equal(summary.reordered, 2);
	assert_degrees(&summary, (uint32_t[]){1}, 1);
	summary = in_order_of(table3, 11, 12);
	assert_int_equal(summary.reordered, 3);
	assert_degrees(&summary, (uint32_t[]){1, 1, 1, 1}, 4);
	summary = in_order_of(table4, 16, 17);
	assert_int_equal(summary.reordered, 3);
	assert_degrees(&summary, (uint32_t[]){2, 2}, 2);
	summary = in_order_of(section5, 9, 10);
	assert_int_equal(summary.reordered, 3);
	assert_degrees(&summary, (uint32_t[]){1, 1, 1}, 3);
}

static void test_order_with_losses_is_no_reordering(void **state)
{
	(void)state;
	const uint32_t gaps[] = {3, 10, 11, 40};
	struct owamp_summary summary = in_order_of(gaps, 4, 50);

	assert_int_equal(summary.reordered, 0);
	assert_degrees(&summary, NULL, 0);
	assert_int_equal(summary.ipdv_count, 1);
}

static void test_more_degrees_than_are_told_apart(void **state)
{
	(void)state;
	uint32_t seqs[100];

	for (uint32_t i = 0; i < 100; i++)
		seqs[i] = 99 - i;

	struct owamp_summary summary = in_order_of(seqs, 100, 100);

	assert_int_equal(summary.reordered, 99);
	for (uint32_t n = 1; n <= OWAMP_REORDER_DEGREES; n++)
		assert_int_equal(summary.n_reordered[n - 1], 100 - n);
}

static void test_duplicate_does_not_reorder(void **state)
{
	(void)state;
	const uint32_t seqs[] = {0, 1, 2, 0, 1, 3};
	struct owamp_summary summary = in_order_of(seqs, 6, 4);

	assert_int_equal(summary.duplicates, 2);
	assert_int_equal(summary.received, 4);
	assert_int_equal(summary.reordered, 0);
	assert_degrees(&summary, NULL, 0);
}

/* RFC 5560 section 5.3, the four cases and the variation of case 2. */
static void test_rfc5560_examples(void **state)
{
	(void)state;
	const uint32_t case2[] = {1, 1, 2, 2, 3, 3, 4, 4};
	const uint32_t case2b[] = {1, 2, 3, 4, 1, 2, 3, 4};
	const uint32_t case3[] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};
	const uint32_t case4[] = {1, 1, 1, 2, 3, 3, 3, 4};

	assert_int_equal(in_order_of(case2, 8, 5).duplicates, 4);
	assert_int_equal(in_order_of(case2b, 8, 5).duplicates, 4);
	assert_int_equal(in_order_of(case3, 12, 5).duplicates, 8);
	assert_int_equal(in_order_of(case4, 8, 5).duplicates, 4);
	assert_int_equal(in_order_of(case4, 8, 5).received, 4);
	assert_int_equal(in_order_of(case4, 8, 5).lost, 1);
}

static void test_skip_ranges_count_once(void **state)
{
	(void)state;
	const struct owamp_skip_range skips[] = {{0, 1}, {4, 4}};
	struct owamp_stats *stats = with_packets(6);

	put(stats, make_lost(0));
	put(stats, make(2, MS));
	put(stats, make_lost(3));
	put(stats, make_lost(4));
	put(stats, make(5, MS));

	struct owamp_summary summary = finish(stats, 6, skips, 2);

	assert_int_equal(summary.skipped, 3);
	assert_int_equal(summary.sent, 3);
	assert_int_equal(summary.received, 2);
	assert_int_equal(summary.lost, 1);
	assert_true(summary.first == SEND_BASE + 2 * (OWAMP_SECOND / 10));
	owamp_stats_free(stats);
}

/* What arrived is not lost, whatever else was recorded of it. */
static void test_lost_and_received(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(2);

	put(stats, make_lost(1));
	put(stats, make(0, MS));
	put(stats, make(1, MS));

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_int_equal(summary.received, 2);
	assert_int_equal(summary.lost, 0);
	assert_int_equal(summary.duplicates, 0);
	assert_int_equal(summary.ipdv_count, 1);
	owamp_stats_free(stats);
}

static void test_skip_range_over_the_end_is_cut(void **state)
{
	(void)state;
	const struct owamp_skip_range skips[] = {{1, 2}, {5, UINT32_MAX}};
	struct owamp_stats *stats = with_packets(10);
	struct owamp_summary summary = finish(stats, 8, skips, 2);

	assert_int_equal(summary.skipped, 5);
	assert_int_equal(summary.sent, 3);
	owamp_stats_free(stats);
}

static void test_everything_skipped(void **state)
{
	(void)state;
	const struct owamp_skip_range skips[] = {{0, UINT32_MAX}};
	struct owamp_stats *stats = with_packets(UINT32_MAX);
	struct owamp_summary summary = finish(stats, UINT32_MAX, skips, 1);

	assert_int_equal(summary.skipped, UINT32_MAX);
	assert_int_equal(summary.sent, 0);
	assert_int_equal(summary.lost, 0);
	owamp_stats_free(stats);
}

static void test_bad_skip_ranges(void **state)
{
	(void)state;
	const struct owamp_skip_range unordered[] = {{4, 5}, {1, 2}};
	const struct owamp_skip_range overlap[] = {{1, 3}, {3, 5}};
	const struct owamp_skip_range backwards[] = {{3, 1}};
	struct owamp_stats *stats = with_packets(10);
	struct owamp_summary summary;

	assert_int_equal(owamp_stats_finish(stats, 10, unordered, 2, &summary), OWAMP_EDATA);
	assert_int_equal(owamp_stats_finish(stats, 10, overlap, 2, &summary), OWAMP_EDATA);
	assert_int_equal(owamp_stats_finish(stats, 10, backwards, 1, &summary), OWAMP_EDATA);
	owamp_stats_free(stats);
}

/* Packet 8 came before 3 but is outside the evidence: 3 is not reordered. */
static void test_beyond_next_seq_is_ignored(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(10);
	struct owamp_record far = make(8, 900 * MS);

	far.ttl = 3;
	far.receive_error = 0x1fff;
	put(stats, make(0, MS));
	put(stats, make(1, MS));
	put(stats, far);
	put(stats, far);
	put(stats, make(2, 2 * MS));
	put(stats, make(3, MS));
	put(stats, make_lost(9));

	struct owamp_summary summary = finish(stats, 4, NULL, 0);

	assert_int_equal(summary.sent, 4);
	assert_int_equal(summary.received, 4);
	assert_int_equal(summary.lost, 0);
	assert_int_equal(summary.duplicates, 0);
	assert_int_equal(summary.reordered, 0);
	assert_degrees(&summary, NULL, 0);
	assert_int_equal(summary.delay_max_ns, 2 * MS);
	assert_int_equal(summary.ttl_min, 255);
	assert_int_equal(summary.receive_error_ns, 1);
	assert_true(summary.last == SEND_BASE + 3 * (OWAMP_SECOND / 10));
	owamp_stats_free(stats);
}

static void test_beyond_the_schedule_is_ignored(void **state)
{
	(void)state;
	const uint32_t seqs[] = {0, 5, 1, 4, UINT32_MAX};
	struct owamp_summary summary = in_order_of(seqs, 5, 4);

	assert_int_equal(summary.sent, 4);
	assert_int_equal(summary.received, 2);
	assert_int_equal(summary.reordered, 0);
}

static void test_errors_and_ttl(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(4);
	struct owamp_record a = make(0, MS);
	struct owamp_record b = make(1, MS);
	struct owamp_record duplicate = make(1, MS);
	struct owamp_record lost = make_lost(2);

	a.send_error = 0x8000 | 12 << 8 | 200;
	a.receive_error = 0x8000 | 10 << 8 | 100;
	a.ttl = 60;
	b.send_error = 0x8000 | 11 << 8 | 255;
	b.receive_error = 11 << 8 | 100;
	b.ttl = 250;
	duplicate.send_error = 0x3fff;
	duplicate.ttl = 1;
	lost.send_error = 0x0001;
	lost.receive_error = 0x3fff;
	put(stats, a);
	put(stats, b);
	put(stats, duplicate);
	put(stats, lost);

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	/* 200 * 2^-20 s = 190734.86 ns; 100 * 2^-21 s = 47683.7 ns. */
	assert_int_equal(summary.send_error_ns, 190735);
	assert_int_equal(summary.receive_error_ns, 47684);
	assert_true(summary.send_synchronized);
	assert_false(summary.receive_synchronized);
	assert_int_equal(summary.ttl_min, 60);
	assert_int_equal(summary.ttl_max, 250);
	owamp_stats_free(stats);
}

static void test_order_of_calls(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(2);
	struct owamp_record record = make(0, MS);
	struct owamp_summary summary;
	int64_t delay_ns;

	put(stats, record);
	assert_int_equal(owamp_stats_percentile(stats, 50, &delay_ns), OWAMP_ESTATE);
	assert_int_equal(owamp_stats_buckets(stats, 1, NULL, NULL), OWAMP_ESTATE);
	finish(stats, ALL, NULL, 0);
	assert_int_equal(owamp_stats_record(stats, &record), OWAMP_ESTATE);
	assert_int_equal(owamp_stats_finish(stats, ALL, NULL, 0, &summary), OWAMP_ESTATE);
	assert_int_equal(owamp_stats_percentile(stats, 0, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(owamp_stats_percentile(stats, -1, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(owamp_stats_percentile(stats, 100.01, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(owamp_stats_percentile(stats, (double)NAN, &delay_ns), OWAMP_EINVAL);
	assert_int_equal(owamp_stats_buckets(stats, 0, NULL, NULL), OWAMP_EINVAL);
	owamp_stats_free(stats);
	owamp_stats_free(NULL);
}

static void test_memory_follows_records(void **state)
{
	(void)state;
	struct owamp_stats *stats = with_packets(UINT32_MAX);
	struct rusage before;
	struct rusage after;

	getrusage(RUSAGE_SELF, &before);
	/* Each on another page of a table by number, even of single bits. */
	for (uint32_t i = 0; i < 4096; i++)
		put(stats, make(i * 1048575U, MS));

	struct owamp_summary summary = finish(stats, ALL, NULL, 0);

	assert_int_equal(summary.sent, UINT32_MAX);
	assert_int_equal(summary.received, 4096);
	assert_int_equal(summary.lost, UINT32_MAX - 4096);
	assert_int_equal(summary.ipdv_count, 0);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8 * 1024);
	owamp_stats_free(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while the peak that it looks at is its own. */
		cmocka_unit_test(test_memory_follows_records),
		cmocka_unit_test(test_five_packets),
		cmocka_unit_test(test_nothing_received),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_no_records_at_all),
		cmocka_unit_test(test_rfc4737_examples),
		cmocka_unit_test(test_order_with_losses_is_no_reordering),
		cmocka_unit_test(test_more_degrees_than_are_told_apart),
		cmocka_unit_test(test_duplicate_does_not_reorder),
		cmocka_unit_test(test_rfc5560_examples),
		cmocka_unit_test(test_skip_ranges_count_once),
		cmocka_unit_test(test_lost_and_received),
		cmocka_unit_test(test_skip_range_over_the_end_is_cut),
		cmocka_unit_test(test_everything_skipped),
		cmocka_unit_test(test_bad_skip_ranges),
		cmocka_unit_test(test_beyond_next_seq_is_ignored),
		cmocka_unit_test(test_beyond_the_schedule_is_ignored),
		cmocka_unit_test(test_errors_and_ttl),
		cmocka_unit_test(test_order_of_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
