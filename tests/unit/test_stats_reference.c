#include "stats_fixture.h"

#include <math.h>

#include "owamp/error.h"

#define RECORDS_MAX 1200

/*
 * The reference restates each definition by counting over all records,
 * with no state carried from one packet to the next.
 */
struct input {
	uint32_t packets;
	uint32_t next_seq;
	struct owamp_skip_range skips[16];
	size_t skip_count;
	struct owamp_record records[RECORDS_MAX];
	int64_t delays[RECORDS_MAX];
	size_t count;
	/* Indices of the records that are first arrivals and count. */
	size_t firsts[RECORDS_MAX];
	size_t first_count;
};

static bool in_skips(const struct input *in, uint32_t seq)
{
	for (size_t i = 0; i < in->skip_count; i++)
		if (seq >= in->skips[i].first && seq <= in->skips[i].last)
			return true;
	return false;
}

static bool was_sent(const struct input *in, uint32_t seq)
{
	return seq < in->packets && seq < in->next_seq && !in_skips(in, seq);
}

static void random_skips(struct input *in, uint64_t *seed)
{
	uint32_t at = ref_below(seed, 20);

	while (ref_below(seed, 3) > 0 && in->skip_count < 16) {
		struct owamp_skip_range *skip = &in->skips[in->skip_count++];

		skip->first = at;
		skip->last = at + ref_below(seed, 6);
		at = skip->last + 1 + ref_below(seed, 20);
	}
}

static void add(struct input *in, uint64_t *seed, uint32_t seq, bool lost)
{
	struct owamp_record *record = &in->records[in->count];
	int64_t delay_ns = (int64_t)ref_below(seed, 40) * 250001 - 2000000;

	*record = lost ? make_lost(seq) : make(seq, delay_ns);
	record->ttl = (uint8_t)(ref_below(seed, 200) + 50);
	record->send_error =
		(uint16_t)(ref_below(seed, 8) << 13 & 0x8000) | (uint16_t)(ref_below(seed, 5121) + 1);
	record->receive_error = (uint16_t)(0x8000 | ref_below(seed, 5121));
	record->dropped = lost && ref_below(seed, 2) > 0;
	in->delays[in->count++] = delay_ns;
}

static void random_input(struct input *in, uint64_t *seed)
{
	memset(in, 0, sizeof(*in));
	in->packets = 1 + ref_below(seed, 250);
	in->next_seq = ref_below(seed, 3) > 0 ? in->packets : ref_below(seed, in->packets + 20);
	if (ref_below(seed, 2) > 0)
		random_skips(in, seed);
	for (uint32_t seq = 0; seq < in->packets + 3; seq++) {
		uint32_t copies = ref_below(seed, 4) > 0 ? 1 : ref_below(seed, 4);

		for (uint32_t i = ref_below(seed, 3); copies == 0 && i > 0; i--)
			add(in, seed, seq, true);
		/* What is given up twice over, or arrives as well, comes from a strange server. */
		if (ref_below(seed, 20) == 0)
			add(in, seed, seq, true);
		for (uint32_t i = 0; i < copies; i++)
			add(in, seed, seq, false);
	}
	/* From almost sorted to thoroughly mixed. */
	uint32_t swaps = ref_below(seed, 2 * in->packets);
	uint32_t reach = 1 + ref_below(seed, 100);

	while (swaps-- > 0 && in->count > 0) {
		size_t i = ref_below(seed, (uint32_t)in->count);
		size_t j = (i + ref_below(seed, reach)) % in->count;
		struct owamp_record record = in->records[i];
		int64_t delay_ns = in->delays[i];

		in->records[i] = in->records[j];
		in->delays[i] = in->delays[j];
		in->records[j] = record;
		in->delays[j] = delay_ns;
	}
	for (size_t i = 0; i < in->count; i++) {
		bool first = was_sent(in, in->records[i].seq) && in->records[i].receive_time != 0;

		for (size_t j = 0; j < i && first; j++)
			if (in->records[j].seq == in->records[i].seq && in->records[j].receive_time != 0)
				first = false;
		if (first)
			in->firsts[in->first_count++] = i;
	}
}

static int64_t percentile(const struct owamp_stats *stats, double percent)
{
	int64_t delay_ns = -1;

	assert_int_equal(owamp_stats_percentile(stats, percent, &delay_ns), 0);
	return delay_ns;
}

static bool has_arrived(const struct input *in, uint32_t seq)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->records[i].seq == seq && in->records[i].receive_time != 0)
			return true;
	return false;
}

/* Those whose first record says so and that have no other kind of record. */
static uint32_t count_dropped(const struct input *in)
{
	uint32_t dropped = 0;

	for (uint32_t seq = 0; seq < in->packets; seq++) {
		size_t i = 0;

		while (i < in->count && in->records[i].seq != seq)
			i++;
		dropped +=
			i < in->count && in->records[i].dropped && was_sent(in, seq) && !has_arrived(in, seq);
	}
	return dropped;
}

static void check_counts(const struct input *in, const struct owamp_summary *summary)
{
	uint32_t sent = 0;
	uint32_t skipped = 0;
	uint32_t arrivals = 0;

	for (uint32_t seq = 0; seq < in->packets && seq < in->next_seq; seq++) {
		if (in_skips(in, seq))
			skipped++;
		else
			sent++;
	}
	for (size_t i = 0; i < in->count; i++)
		if (was_sent(in, in->records[i].seq) && in->records[i].receive_time != 0)
			arrivals++;
	assert_int_equal(summary->sent, sent);
	assert_int_equal(summary->skipped, skipped);
	assert_int_equal(summary->received, in->first_count);
	assert_int_equal(summary->dropped, count_dropped(in));
	assert_int_equal(summary->lost, sent - in->first_count - summary->dropped);
	assert_int_equal(summary->duplicates, arrivals - in->first_count);
}

static void check_reordering(const struct input *in, const struct owamp_summary *summary)
{
	uint32_t reordered = 0;
	uint32_t degrees[OWAMP_REORDER_DEGREES] = {0};

	for (size_t i = 0; i < in->first_count; i++) {
		uint32_t seq = in->records[in->firsts[i]].seq;
		bool later_before = false;

		for (size_t j = 0; j < i; j++)
			if (in->records[in->firsts[j]].seq > seq)
				later_before = true;
		reordered += later_before;
		for (size_t n = 1; n <= OWAMP_REORDER_DEGREES && n <= i; n++) {
			bool all = true;

			for (size_t j = i - n; j < i; j++)
				if (in->records[in->firsts[j]].seq <= seq)
					all = false;
			degrees[n - 1] += all;
		}
	}
	assert_int_equal(summary->reordered, reordered);
	assert_memory_equal(summary->n_reordered, degrees, sizeof(degrees));
}

static void check_ipdv(const struct input *in, const struct owamp_summary *summary)
{
	uint32_t count = 0;
	int64_t max = 0;
	int64_t sum = 0;

	for (size_t i = 0; i < in->first_count; i++) {
		for (size_t j = 0; j < in->first_count; j++) {
			size_t a = in->firsts[i];
			size_t b = in->firsts[j];

			if (in->records[a].seq + 1 != in->records[b].seq)
				continue;
			int64_t ipdv = llabs(in->delays[b] - in->delays[a]);

			count++;
			sum += ipdv;
			max = ipdv > max ? ipdv : max;
		}
	}
	assert_int_equal(summary->ipdv_count, count);
	assert_int_equal(summary->ipdv_max_ns, max);
	if (count > 0)
		assert_true(fabs(summary->ipdv_mean_ns - (double)sum / count) < 1e-3);
}

/* The smallest delay that at least permille of the received do not exceed. */
static int64_t by_counting(const struct input *in, uint32_t permille)
{
	int64_t best = INT64_MAX;

	for (size_t i = 0; i < in->first_count; i++) {
		int64_t candidate = in->delays[in->firsts[i]];
		size_t not_above = 0;

		for (size_t j = 0; j < in->first_count; j++)
			not_above += in->delays[in->firsts[j]] <= candidate;
		if (not_above * 1000 >= permille * in->first_count && candidate < best)
			best = candidate;
	}
	return best;
}

static void check_delays(const struct input *in, const struct owamp_stats *stats,
			 const struct owamp_summary *summary)
{
	static const uint32_t permilles[] = {1, 50, 333, 500, 667, 900, 950, 999, 1000};
	int64_t sum = 0;
	int64_t none;

	if (in->first_count == 0) {
		assert_int_equal(owamp_stats_percentile(stats, 50, &none), OWAMP_EDATA);
		return;
	}
	for (size_t i = 0; i < in->first_count; i++)
		sum += in->delays[in->firsts[i]];
	for (size_t i = 0; i < sizeof(permilles) / sizeof(*permilles); i++)
		assert_int_equal(percentile(stats, permilles[i] / 10.0), by_counting(in, permilles[i]));
	assert_int_equal(summary->delay_min_ns, by_counting(in, 0));
	assert_int_equal(summary->delay_median_ns, by_counting(in, 500));
	assert_int_equal(summary->delay_max_ns, by_counting(in, 1000));
	assert_int_equal(summary->jitter_ns, by_counting(in, 950) - by_counting(in, 500));
	assert_true(fabs(summary->delay_mean_ns - (double)sum / (double)in->first_count) < 1e-3);
}

static void check_errors(const struct input *in, const struct owamp_summary *summary)
{
	int64_t send_ns = 0;
	int64_t receive_ns = 0;
	bool send_synchronized = in->first_count > 0;
	uint8_t ttl_min = 255;
	uint8_t ttl_max = in->first_count > 0 ? 0 : 255;

	for (size_t i = 0; i < in->first_count; i++) {
		const struct owamp_record *record = &in->records[in->firsts[i]];
		int64_t ns = ref_error_ns(record->send_error);

		send_ns = ns > send_ns ? ns : send_ns;
		ns = ref_error_ns(record->receive_error);
		receive_ns = ns > receive_ns ? ns : receive_ns;
		send_synchronized = send_synchronized && record->send_error & 0x8000;
		ttl_min = record->ttl < ttl_min ? record->ttl : ttl_min;
		ttl_max = record->ttl > ttl_max ? record->ttl : ttl_max;
	}
	assert_int_equal(summary->send_error_ns, send_ns);
	assert_int_equal(summary->receive_error_ns, receive_ns);
	assert_int_equal(summary->send_synchronized, send_synchronized);
	assert_int_equal(summary->receive_synchronized, in->first_count > 0);
	assert_int_equal(summary->ttl_min, ttl_min);
	assert_int_equal(summary->ttl_max, ttl_max);
}

static void one_session(struct input *in, uint64_t *seed)
{
	struct owamp_stats *stats;
	struct owamp_summary summary;

	random_input(in, seed);
	stats = with_packets(in->packets);
	for (size_t i = 0; i < in->count; i++)
		put(stats, in->records[i]);
	summary = finish(stats, in->next_seq, in->skips, in->skip_count);
	check_counts(in, &summary);
	check_reordering(in, &summary);
	check_ipdv(in, &summary);
	check_delays(in, stats, &summary);
	check_errors(in, &summary);
	owamp_stats_free(stats);
}

static void test_random_sessions(void **state)
{
	(void)state;
	static struct input in;
	uint64_t seed = 4656;

	for (int round = 0; round < 600; round++)
		one_session(&in, &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
