#include "owamp/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "owamp/error.h"

/*
 * Whether a record counts is known only at the end (next_seq, skip ranges),
 * and reordering depends on which records count: so all are kept.
 */
struct sample {
	owamp_ntp send_time;
	int64_t delay_ns;
	uint32_t seq;
	uint32_t arrival;
	uint16_t send_error;
	uint16_t receive_error;
	uint8_t ttl;
	bool lost;
	bool dropped; /* lost, but at our own socket */
	bool first;   /* first arrival of its sequence number */
};

struct owamp_stats {
	uint32_t packets;
	bool finished;
	struct sample *samples;
	uint32_t count;
	uint32_t capacity;
	/* After finish(), in ascending order. */
	int64_t *delays;
	uint32_t delay_count;
};

int owamp_stats_new(struct owamp_stats **stats, uint32_t packets)
{
	struct owamp_stats *s = calloc(1, sizeof(*s));

	*stats = s;
	if (!s)
		return OWAMP_ENOMEM;
	s->packets = packets;
	return 0;
}

void owamp_stats_free(struct owamp_stats *stats)
{
	if (!stats)
		return;
	free(stats->samples);
	free(stats->delays);
	free(stats);
}

static int grow(struct owamp_stats *stats)
{
	uint32_t capacity = stats->capacity ? stats->capacity * 2 : 64;
	struct sample *samples;

	if (capacity < stats->capacity)
		return OWAMP_ELIMIT;
	samples = reallocarray(stats->samples, capacity, sizeof(*samples));
	if (!samples)
		return OWAMP_ENOMEM;
	stats->samples = samples;
	stats->capacity = capacity;
	return 0;
}

int owamp_stats_record(struct owamp_stats *stats, const struct owamp_record *record)
{
	struct sample *sample;
	int error;

	if (stats->finished)
		return OWAMP_ESTATE;
	if (record->seq >= stats->packets)
		return 0;
	if (stats->count == stats->capacity) {
		error = grow(stats);
		if (error)
			return error;
	}
	sample = &stats->samples[stats->count];
	*sample = (struct sample){
		.send_time = record->send_time,
		.seq = record->seq,
		.arrival = stats->count,
		.send_error = record->send_error,
		.receive_error = record->receive_error,
		.ttl = record->ttl,
		.lost = owamp_record_lost(record),
		.dropped = record->dropped,
	};
	if (!sample->lost)
		sample->delay_ns = owamp_ntp_diff_ns(record->receive_time, record->send_time);
	stats->count++;
	return 0;
}

static void keep_what_counts(struct owamp_stats *stats, uint32_t limit, const struct owamp_skip_range *skips,
			     size_t skip_count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < stats->count; i++) {
		uint32_t seq = stats->samples[i].seq;

		if (seq < limit && !owamp_skips_contain(skips, skip_count, seq))
			stats->samples[kept++] = stats->samples[i];
	}
	stats->count = kept;
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* A sequence number's arrivals come before its lost record, if it has both. */
static int by_seq(const void *left, const void *right)
{
	const struct sample *a = left;
	const struct sample *b = right;

	if (a->seq != b->seq)
		return compare_u32(a->seq, b->seq);
	if (a->lost != b->lost)
		return a->lost - b->lost;
	return compare_u32(a->arrival, b->arrival);
}

static int by_arrival(const void *left, const void *right)
{
	const struct sample *a = left;
	const struct sample *b = right;

	return compare_u32(a->arrival, b->arrival);
}

static int by_value(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* samples sorted by_seq(). */
static void count_packets(struct sample *samples, uint32_t count, struct owamp_summary *summary)
{
	for (uint32_t i = 0; i < count; i++) {
		struct sample *sample = &samples[i];
		bool new = i == 0 || samples[i - 1].seq != sample->seq;

		sample->first = new && !sample->lost;
		if (sample->first)
			summary->received++;
		else if (!sample->lost)
			summary->duplicates++;
		else if (new && sample->dropped)
			summary->dropped++;
	}
	if (count > 0) {
		uint32_t last = count - 1;

		while (last > 0 && samples[last - 1].seq == samples[last].seq)
			last--;
		summary->first = samples[0].send_time;
		summary->last = samples[last].send_time;
	}
}

/* samples sorted by_seq(); RFC 3393 with the selection function (i, i + 1). */
static void measure_ipdv(const struct sample *samples, uint32_t count, struct owamp_summary *summary)
{
	const struct sample *previous = NULL;
	__int128 sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct sample *sample = &samples[i];

		if (!sample->first)
			continue;
		if (previous && previous->seq + 1 == sample->seq) {
			int64_t ipdv = llabs(sample->delay_ns - previous->delay_ns);

			sum += ipdv;
			summary->ipdv_count++;
			if (ipdv > summary->ipdv_max_ns)
				summary->ipdv_max_ns = ipdv;
		}
		previous = sample;
	}
	if (summary->ipdv_count > 0)
		summary->ipdv_mean_ns = (double)sum / summary->ipdv_count;
}

/* samples sorted by_arrival(); RFC 4737 sections 3.3 and 5.3. */
static void measure_reordering(const struct sample *samples, uint32_t count, struct owamp_summary *summary)
{
	uint32_t ring[OWAMP_REORDER_DEGREES];
	uint32_t arrived = 0;
	uint32_t next_expected = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t seq = samples[i].seq;

		if (!samples[i].first)
			continue;
		if (seq >= next_expected)
			next_expected = seq + 1;
		else
			summary->reordered++;
		for (uint32_t n = 1; n <= OWAMP_REORDER_DEGREES && n <= arrived; n++) {
			if (ring[(arrived - n) % OWAMP_REORDER_DEGREES] <= seq)
				break;
			summary->n_reordered[n - 1]++;
		}
		ring[arrived++ % OWAMP_REORDER_DEGREES] = seq;
	}
}

static void measure_quality(const struct sample *samples, uint32_t count, struct owamp_summary *summary)
{
	summary->ttl_min = 255;
	summary->ttl_max = summary->received > 0 ? 0 : 255;
	summary->send_synchronized = summary->received > 0;
	summary->receive_synchronized = summary->received > 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct sample *sample = &samples[i];
		int64_t send_ns = owamp_error_estimate_ns(sample->send_error);
		int64_t receive_ns = owamp_error_estimate_ns(sample->receive_error);

		if (!sample->first)
			continue;
		if (sample->ttl < summary->ttl_min)
			summary->ttl_min = sample->ttl;
		if (sample->ttl > summary->ttl_max)
			summary->ttl_max = sample->ttl;
		if (send_ns > summary->send_error_ns)
			summary->send_error_ns = send_ns;
		if (receive_ns > summary->receive_error_ns)
			summary->receive_error_ns = receive_ns;
		if (!owamp_error_estimate_synchronized(sample->send_error))
			summary->send_synchronized = false;
		if (!owamp_error_estimate_synchronized(sample->receive_error))
			summary->receive_synchronized = false;
	}
}

static int collect_delays(struct owamp_stats *stats, uint32_t received)
{
	if (received == 0)
		return 0;
	stats->delays = reallocarray(NULL, received, sizeof(*stats->delays));
	if (!stats->delays)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < stats->count; i++)
		if (stats->samples[i].first)
			stats->delays[stats->delay_count++] = stats->samples[i].delay_ns;
	qsort(stats->delays, stats->delay_count, sizeof(*stats->delays), by_value);
	return 0;
}

uint64_t owamp_percentile_rank(double percent, uint64_t count)
{
	double share = percent * (double)count / 100;
	double result = ceil(share - share * 0x1p-51);

	if (result < 1)
		return 1;
	return result < (double)count ? (uint64_t)result : count;
}

static void measure_delays(const struct owamp_stats *stats, struct owamp_summary *summary)
{
	const int64_t *delays = stats->delays;
	uint32_t count = stats->delay_count;
	__int128 sum = 0;

	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		sum += delays[i];
	summary->delay_min_ns = delays[0];
	summary->delay_max_ns = delays[count - 1];
	summary->delay_median_ns = delays[owamp_percentile_rank(50, count) - 1];
	summary->delay_mean_ns = (double)sum / count;
	summary->jitter_ns = delays[owamp_percentile_rank(95, count) - 1] - summary->delay_median_ns;
}

int owamp_stats_finish(struct owamp_stats *stats, uint32_t next_seq, const struct owamp_skip_range *skips,
		       size_t skip_count, struct owamp_summary *summary)
{
	uint32_t limit = next_seq < stats->packets ? next_seq : stats->packets;
	int error;

	memset(summary, 0, sizeof(*summary));
	if (stats->finished)
		return OWAMP_ESTATE;
	if (!owamp_skips_valid(skips, skip_count))
		return OWAMP_EDATA;
	stats->finished = true;
	keep_what_counts(stats, limit, skips, skip_count);
	if (stats->count > 0)
		qsort(stats->samples, stats->count, sizeof(*stats->samples), by_seq);
	summary->skipped = owamp_skips_below(skips, skip_count, limit);
	summary->sent = limit - summary->skipped;
	count_packets(stats->samples, stats->count, summary);
	summary->lost = summary->sent - summary->received - summary->dropped;
	measure_ipdv(stats->samples, stats->count, summary);
	measure_quality(stats->samples, stats->count, summary);
	error = collect_delays(stats, summary->received);
	if (error)
		return error;
	measure_delays(stats, summary);
	if (stats->count > 0)
		qsort(stats->samples, stats->count, sizeof(*stats->samples), by_arrival);
	measure_reordering(stats->samples, stats->count, summary);
	free(stats->samples);
	stats->samples = NULL;
	stats->count = 0;
	return 0;
}

int owamp_stats_percentile(const struct owamp_stats *stats, double percent, int64_t *delay_ns)
{
	if (!stats->finished)
		return OWAMP_ESTATE;
	if (!(percent > 0 && percent <= 100))
		return OWAMP_EINVAL;
	if (stats->delay_count == 0)
		return OWAMP_EDATA;
	*delay_ns = stats->delays[owamp_percentile_rank(percent, stats->delay_count) - 1];
	return 0;
}

static int64_t lower_edge(int64_t delay_ns, int64_t width_ns)
{
	int64_t index = delay_ns / width_ns;

	if (delay_ns % width_ns < 0)
		index--;
	return index * width_ns;
}

int owamp_stats_buckets(const struct owamp_stats *stats, int64_t width_ns,
			void (*fn)(void *context, int64_t lower_ns, uint32_t count), void *context)
{
	uint32_t start = 0;

	if (!stats->finished)
		return OWAMP_ESTATE;
	if (width_ns <= 0)
		return OWAMP_EINVAL;
	for (uint32_t i = 0; i < stats->delay_count; i++) {
		int64_t edge = lower_edge(stats->delays[i], width_ns);

		if (i + 1 == stats->delay_count || lower_edge(stats->delays[i + 1], width_ns) != edge) {
			fn(context, edge, i + 1 - start);
			start = i + 1;
		}
	}
	return 0;
}
