#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/stats_measure.h"

#define RECORDS 1024

int64_t stats_bound(int64_t send_error_ns, int64_t receive_error_ns)
{
	return send_error_ns < INT64_MAX - receive_error_ns ? send_error_ns + receive_error_ns : INT64_MAX;
}

int64_t stats_difference(int64_t later, int64_t earlier)
{
	int64_t difference;

	if (__builtin_sub_overflow(later, earlier, &difference))
		return later > earlier ? INT64_MAX : INT64_MIN;
	return difference;
}

int stats_cover_load(struct stats_cover *cover, struct archive *archive, const struct query_session *session)
{
	cover->limit = session->packets;
	if (session->stop_known && session->next_seq < cover->limit)
		cover->limit = session->next_seq;
	return archive_skips_load(archive, session->session_id, &cover->skips, &cover->skip_count);
}

void stats_cover_free(struct stats_cover *cover)
{
	free(cover->skips);
	*cover = (struct stats_cover){0};
}

bool stats_covers(const struct stats_cover *cover, uint32_t seq)
{
	return seq < cover->limit && !owamp_skips_contain(cover->skips, cover->skip_count, seq);
}

int stats_records(struct archive *archive, int64_t session_id,
		  int (*fn)(void *context, const struct owamp_record *record), void *context)
{
	struct owamp_record *records = calloc(RECORDS, sizeof *records);
	struct archive_walk walk;
	uint32_t count;
	int error = OWAMP_ENOMEM;

	if (records)
		error = archive_packets_seek(archive, session_id, 0, UINT32_MAX, &walk, &count);
	while (!error) {
		error = archive_packets_read(archive, &walk, records, RECORDS, &count);
		if (error || count == 0)
			break;
		for (uint32_t i = 0; i < count && !error; i++)
			error = fn(context, &records[i]);
	}
	free(records);
	return error;
}

struct feed {
	struct stats_figures *figures;
	uint32_t packets;
	uint64_t evidence; /* one beyond the last packet of which anything is known */
	uint64_t lost;     /* rows of packets that count */
};

static int feed_record(void *context, const struct owamp_record *record)
{
	struct feed *feed = context;

	if (record->seq >= feed->packets)
		return 0;
	if (record->seq >= feed->evidence)
		feed->evidence = (uint64_t)record->seq + 1;
	feed->lost += owamp_record_lost(record) && !record->dropped && !record->duplicate &&
		      stats_covers(&feed->figures->cover, record->seq);
	return owamp_stats_record(feed->figures->stats, record);
}

static void take_summary(struct stats_figures *figures)
{
	const struct owamp_summary *summary = &figures->summary;

	figures->sent = summary->sent;
	figures->received = summary->received;
	figures->lost = summary->lost;
	figures->dropped = summary->dropped;
	figures->duplicates = summary->duplicates;
	figures->reordered = summary->reordered;
	figures->skipped = summary->skipped;
	figures->delay_min_ns = summary->delay_min_ns;
	figures->delay_median_ns = summary->delay_median_ns;
	figures->delay_p95_ns = summary->delay_median_ns + summary->jitter_ns;
	figures->delay_max_ns = summary->delay_max_ns;
	figures->send_error_ns = summary->send_error_ns;
	figures->receive_error_ns = summary->receive_error_ns;
	figures->synchronized = summary->send_synchronized && summary->receive_synchronized;
	figures->has_delays = summary->received > 0;
}

/* One beyond the last packet of which anything is known: received, missing or skipped. */
static uint32_t evidence_limit(const struct feed *feed, const struct stats_cover *cover)
{
	uint64_t limit = feed->evidence;

	if (cover->skip_count > 0 && cover->skips[cover->skip_count - 1].last >= limit)
		limit = (uint64_t)cover->skips[cover->skip_count - 1].last + 1;
	return limit < feed->packets ? (uint32_t)limit : feed->packets;
}

/*
 * Packets without a row are lost, the receiver says; but if rows can be missing for
 * reasons of ours, or are still to come, nobody knows.
 */
static void judge_missing(struct stats_figures *figures, const struct query_session *session,
			  uint64_t lost_rows)
{
	figures->missing = figures->lost > lost_rows ? figures->lost - lost_rows : 0;
	if (session->outcome == ARCHIVE_FINISHED && session->records_lost == 0)
		return;
	figures->sent -= figures->missing;
	figures->lost -= figures->missing;
	figures->unknown += figures->missing;
	figures->missing = 0;
}

static int measure_packets(struct stats_figures *figures, struct archive *archive,
			   const struct query_session *session)
{
	struct feed feed = {.figures = figures, .packets = session->packets};
	struct stats_cover *cover = &figures->cover;
	/* How far the sender came: as it says, or as far as is known of a session that broke off. */
	bool is_known = session->stop_known || session->outcome == ARCHIVE_FINISHED;
	uint32_t limit;
	int error = owamp_stats_new(&figures->stats, session->packets);

	if (!error)
		error = stats_records(archive, session->session_id, feed_record, &feed);
	if (error)
		return error;
	limit = evidence_limit(&feed, cover);
	if (is_known && cover->limit > limit)
		figures->unknown = cover->limit - limit;
	else if (is_known)
		limit = cover->limit;
	error = owamp_stats_finish(figures->stats, limit, cover->skips, cover->skip_count, &figures->summary);
	if (error)
		return error;
	take_summary(figures);
	judge_missing(figures, session, feed.lost);
	return 0;
}

static int add_minute(void *context, const struct query_minute *minute)
{
	struct stats_figures *figures = context;
	bool is_first = figures->received == 0;

	figures->sent += minute->sent;
	figures->received += minute->received;
	figures->lost += minute->lost;
	figures->dropped += minute->dropped;
	figures->duplicates += minute->duplicates;
	figures->reordered += minute->reordered;
	if (minute->received == 0)
		return 0;
	stats_pool_extend(figures->pool, minute->delay_min_ns, minute->delay_max_ns);
	if (minute->send_error_ns > figures->send_error_ns)
		figures->send_error_ns = minute->send_error_ns;
	if (minute->receive_error_ns > figures->receive_error_ns)
		figures->receive_error_ns = minute->receive_error_ns;
	figures->synchronized = minute->synchronized && (is_first || figures->synchronized);
	return 0;
}

static int add_bucket(void *context, int64_t hour_ns, const struct histogram_bucket *bucket)
{
	struct stats_figures *figures = context;

	(void)hour_ns;
	return stats_pool_add_bucket(figures->pool, bucket);
}

static int measure_summaries(struct stats_figures *figures, struct archive *archive,
			     const struct query_session *session)
{
	int error = stats_pool_new(&figures->pool, false);
	uint64_t limit;

	if (!error)
		error = query_minutes(archive, session->session_id, INT64_MIN, INT64_MAX, add_minute,
				      figures);
	if (!error)
		error = query_histogram(archive, session->session_id, INT64_MIN, INT64_MAX, add_bucket,
					figures);
	if (error)
		return error;
	figures->skipped =
		owamp_skips_below(figures->cover.skips, figures->cover.skip_count, figures->cover.limit);
	limit = figures->skipped + figures->sent;
	if (session->outcome == ARCHIVE_FINISHED && figures->cover.limit > limit)
		figures->unknown = figures->cover.limit - limit;
	figures->has_delays = figures->received > 0 && stats_pool_count(figures->pool) > 0;
	if (!figures->has_delays)
		return 0;
	figures->delay_min_ns = stats_pool_min(figures->pool);
	figures->delay_max_ns = stats_pool_max(figures->pool);
	(void)stats_pool_percentile(figures->pool, 50, &figures->delay_median_ns);
	(void)stats_pool_percentile(figures->pool, 95, &figures->delay_p95_ns);
	return 0;
}

int stats_figures_measure(struct stats_figures *figures, struct archive *archive,
			  const struct query_session *session, uint64_t max)
{
	/* Of a running session the summaries lack a minute at most, of one that is due perhaps everything. */
	bool is_due = session->summaries_due && session->outcome != ARCHIVE_RUNNING;
	int error;

	*figures = (struct stats_figures){0};
	figures->exact = session->packets_kept && (session->records <= max || is_due);
	error = stats_cover_load(&figures->cover, archive, session);
	if (error)
		return error;
	error = figures->exact ? measure_packets(figures, archive, session)
			       : measure_summaries(figures, archive, session);
	figures->error_ns = stats_bound(figures->send_error_ns, figures->receive_error_ns);
	return error;
}

void stats_figures_free(struct stats_figures *figures)
{
	owamp_stats_free(figures->stats);
	stats_pool_free(figures->pool);
	stats_cover_free(&figures->cover);
}

int stats_figures_percentile(const struct stats_figures *figures, double percent, int64_t *delay_ns)
{
	if (figures->exact)
		return owamp_stats_percentile(figures->stats, percent, delay_ns);
	return stats_pool_percentile(figures->pool, percent, delay_ns);
}
