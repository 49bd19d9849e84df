#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/report.h"

const char *owping_direction_text(enum owamp_direction direction)
{
	return direction == OWAMP_TO_SERVER ? "to server" : "from server";
}

const char *owping_reason(const struct owamp_result *result)
{
	return result->reason[0] != '\0' ? result->reason : owamp_error_text(result->error);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* One beyond the highest sequence number that has a record. */
static uint32_t recorded_limit(const struct owamp_result *result)
{
	uint32_t limit = 0;

	for (uint32_t i = 0; i < result->record_count; i++) {
		if (result->records[i].seq >= limit && result->records[i].seq < result->request.packets)
			limit = result->records[i].seq + 1;
	}
	return limit;
}

/* One beyond the last packet of which anything is known: received, lost or skipped. */
static uint32_t evidence_limit(const struct owamp_result *result)
{
	uint32_t limit = recorded_limit(result);

	for (uint32_t i = 0; i < result->skip_count; i++) {
		if (result->skips[i].last >= limit)
			limit = min_u32(result->skips[i].last, UINT32_MAX - 1) + 1;
	}
	return limit;
}

/* How far the sender came: as it says, or as far as is known of a session that broke off. */
static uint32_t session_limit(const struct owamp_result *result)
{
	if (result->stopped)
		return min_u32(result->next_seq, result->request.packets);
	return result->error == 0 ? result->request.packets : evidence_limit(result);
}

/*
 * A receiver has to drop the records of the last packets before a stop
 * (section 3.8). They were sent, but whether they were lost nobody knows.
 */
static void set_range(struct owping_report *report, uint32_t first_seq, uint32_t last_seq)
{
	const struct owamp_result *result = report->result;
	uint32_t limit = session_limit(result);

	report->ended_early = result->stopped && limit < result->request.packets;
	if (last_seq < limit)
		limit = last_seq + 1;
	report->limit = min_u32(limit, evidence_limit(result));
	report->first = min_u32(first_seq, report->limit);
	first_seq = min_u32(first_seq, limit);
	report->unknown = limit - (first_seq > report->limit ? first_seq : report->limit);
}

bool owping_report_covers(const struct owping_report *report, uint32_t seq)
{
	return seq >= report->first && seq < report->limit;
}

/* Skip ranges within the range, counted from its first packet. */
static uint32_t clip_skips(const struct owping_report *report, struct owamp_skip_range *clipped)
{
	const struct owamp_result *result = report->result;
	uint32_t count = 0;

	for (uint32_t i = 0; i < result->skip_count; i++) {
		struct owamp_skip_range range = result->skips[i];

		if (range.first > range.last) {
			clipped[count++] = range;
			continue;
		}
		if (range.last < report->first || range.first >= report->limit)
			continue;
		if (range.first < report->first)
			range.first = report->first;
		if (range.last >= report->limit)
			range.last = report->limit - 1;
		clipped[count].first = range.first - report->first;
		clipped[count++].last = range.last - report->first;
	}
	return count;
}

/* Marks bit n; returns whether it was marked before. */
static bool mark(uint8_t *bits, uint32_t n)
{
	unsigned mask = 1U << n % 8;
	bool before = (bits[n / 8] & mask) != 0;

	bits[n / 8] = (uint8_t)(bits[n / 8] | mask);
	return before;
}

/* How many packets of the range have neither a record nor a place in a skip range. */
static int count_missing(struct owping_report *report, const struct owamp_skip_range *skips,
			 uint32_t skip_count)
{
	const struct owamp_result *result = report->result;
	uint32_t limit = min_u32(report->limit, recorded_limit(result));
	uint32_t size = limit > report->first ? limit - report->first : 0;
	uint8_t *seen = calloc((size_t)size / 8 + 1, 1);
	uint32_t present = report->summary.skipped;

	if (seen == NULL)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < skip_count; i++) {
		for (uint32_t seq = skips[i].first; seq <= skips[i].last && seq < size; seq++)
			mark(seen, seq);
	}
	for (uint32_t i = 0; i < result->record_count; i++) {
		uint32_t seq = result->records[i].seq;

		if (owping_report_covers(report, seq) && !mark(seen, seq - report->first))
			present++;
	}
	free(seen);
	report->missing = report->limit - report->first - present;
	return 0;
}

uint64_t owping_report_arrived(const struct owamp_receive_health *health)
{
	uint64_t sum = 0;

	for (int i = 0; i < OWAMP_RECEIVE_RESULTS; i++)
		sum += health->counters.results[i];
	return sum;
}

static int feed(struct owping_report *report)
{
	const struct owamp_result *result = report->result;
	int error = owamp_stats_new(&report->stats, report->limit - report->first);

	for (uint32_t i = 0; i < result->record_count && error == 0; i++) {
		struct owamp_record record = result->records[i];

		if (!owping_report_covers(report, record.seq))
			continue;
		record.seq -= report->first;
		error = owamp_stats_record(report->stats, &record);
		if (!owamp_record_lost(&record) && report->ttl_count[record.ttl]++ == 0)
			report->ttl_values++;
	}
	return error;
}

static int measure(struct owping_report *report)
{
	uint32_t skip_count = report->result->skip_count;
	struct owamp_skip_range *skips = calloc((size_t)skip_count + 1, sizeof(*skips));
	int error = OWAMP_ENOMEM;

	if (skips == NULL)
		return error;
	error = feed(report);
	if (error < 0)
		goto cleanup;
	skip_count = clip_skips(report, skips);
	error = owamp_stats_finish(report->stats, report->limit - report->first, skips, skip_count,
				   &report->summary);
	if (error == 0)
		error = count_missing(report, skips, skip_count);
cleanup:
	free(skips);
	return error;
}

static enum owping_outcome judge(const struct owping_report *report)
{
	const struct owamp_result *result = report->result;

	/* Packets that were skipped or of which nobody knows measure nothing. */
	if (report->summary.sent <= report->missing)
		return OWPING_FAILED;
	if (result->error != 0 || report->missing > 0 || report->unknown > 0 || report->ended_early ||
	    report->summary.skipped > 0 || report->summary.dropped > 0)
		return OWPING_PARTIAL;
	if (result->has_receive_health &&
	    (result->receive_health.socket_drops > 0 || result->receive_health.failed))
		return OWPING_PARTIAL;
	return OWPING_COMPLETE;
}

/* A part of a session can be empty, and that is no error of the server's. */
static void explain(struct owping_report *report, uint32_t first_seq)
{
	const struct owamp_result *result = report->result;
	uint32_t packets = result->request.packets;

	report->error = result->error;
	if (result->error != 0) {
		snprintf(report->reason, sizeof(report->reason), "%s", owping_reason(result));
	} else if (report->outcome == OWPING_FAILED && packets > 0 && first_seq >= packets) {
		report->error = OWAMP_EINVAL;
		snprintf(report->reason, sizeof(report->reason),
			 "nothing from packet %" PRIu32 " on: the session has %" PRIu32
			 " packets, the last of them is %" PRIu32,
			 first_seq, packets, packets - 1);
	} else if (report->outcome == OWPING_FAILED) {
		report->error = OWAMP_EPARTIAL;
		snprintf(report->reason, sizeof(report->reason),
			 "nothing was measured: there is no record of a packet that was sent");
	}
}

int owping_report_new(struct owping_report **report, const struct owamp_result *result, bool fetched,
		      uint32_t first_seq, uint32_t last_seq, int64_t near_ns)
{
	struct owping_report *made = calloc(1, sizeof(*made));
	int error;

	*report = made;
	if (made == NULL)
		return OWAMP_ENOMEM;
	made->result = result;
	made->fetched = fetched;
	made->near_ns = near_ns;
	set_range(made, first_seq, last_seq);
	error = measure(made);
	if (error < 0)
		return error;
	made->error_ns = made->summary.send_error_ns < INT64_MAX - made->summary.receive_error_ns
				 ? made->summary.send_error_ns + made->summary.receive_error_ns
				 : INT64_MAX;
	made->synchronized = made->summary.send_synchronized && made->summary.receive_synchronized;
	made->outcome = judge(made);
	explain(made, first_seq);
	owping_report_warn(made);
	return 0;
}

void owping_report_free(struct owping_report *report)
{
	if (report == NULL)
		return;
	owamp_stats_free(report->stats);
	free(report);
}
