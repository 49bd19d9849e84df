/* Statistics over whatever records a server may send. */
#include <stdio.h>
#include <stdlib.h>

#include <owamp/error.h>
#include <owamp/stats.h>

#include "input.h"

#define SKIPS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size);

static void require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

struct buckets {
	uint64_t count;
	int64_t last;
	int any;
};

static void bucket(void *context, int64_t lower_ns, uint32_t count)
{
	struct buckets *buckets = context;

	require(count > 0, "no bucket is empty");
	require(!buckets->any || lower_ns > buckets->last, "buckets are in order");
	buckets->any = 1;
	buckets->last = lower_ns;
	buckets->count += count;
}

static void check_delays(const struct owamp_stats *stats, const struct owamp_summary *summary,
			 int64_t width_ns)
{
	struct buckets buckets = {.count = 0};
	int64_t low, high;

	require(summary->delay_min_ns <= summary->delay_median_ns, "min <= median");
	require(summary->delay_median_ns <= summary->delay_max_ns, "median <= max");
	require(owamp_stats_percentile(stats, 10, &low) == 0, "P10");
	require(owamp_stats_percentile(stats, 99.9, &high) == 0, "P99.9");
	require(low <= high && low >= summary->delay_min_ns && high <= summary->delay_max_ns,
		"percentiles in order");
	if (width_ns > 0 && owamp_stats_buckets(stats, width_ns, bucket, &buckets) == 0)
		require(buckets.count == summary->received, "every delay is in a bucket");
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
	struct input in = {.octets = octets, .left = size};
	struct owamp_skip_range skips[SKIPS_MAX];
	uint32_t packets = input_count(&in), next_seq = input_count(&in);
	size_t skip_count = input_u8(&in) % (SKIPS_MAX + 1);
	int64_t width_ns = input_u8(&in) * INT64_C(1000000);
	struct owamp_summary summary;
	struct owamp_stats *stats;
	uint64_t records = 0;
	int error;

	for (size_t i = 0; i < skip_count; i++) {
		skips[i].first = input_count(&in);
		skips[i].last = input_count(&in);
	}
	if (owamp_stats_new(&stats, packets))
		return 0;
	for (; input_left(&in) > 0; records++) {
		struct owamp_record record = {
			.seq = input_count(&in),
			.send_time = input_uint(&in, 8),
			.receive_time = input_uint(&in, 8),
			.send_error = (uint16_t)input_uint(&in, 2),
			.receive_error = (uint16_t)input_uint(&in, 2),
		};
		uint8_t ttl = input_u8(&in);

		record.ttl = ttl;
		record.dropped = ttl & 1U;

		require(owamp_stats_record(stats, &record) == 0, "a record is taken");
	}
	error = owamp_stats_finish(stats, next_seq, skips, skip_count, &summary);
	require(error == 0 || error == OWAMP_EDATA, "finished, or contradictory");
	if (error == 0) {
		require(summary.sent == summary.received + summary.lost + summary.dropped,
			"sent = received + lost + dropped");
		require((uint64_t)summary.sent + summary.skipped <= packets, "no more than the schedule has");
		require((uint64_t)summary.received + summary.duplicates <= records, "no more than came");
		require(summary.reordered <= summary.received, "reordered are received");
		if (summary.received > 0)
			check_delays(stats, &summary, width_ns);
	}
	owamp_stats_free(stats);
	return 0;
}
