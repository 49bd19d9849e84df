/* What a summary has ready, as rows. */
#include <owamp/error.h>

#include "archive_internal.h"
#include "summary_internal.h"

static void bind_delays(sqlite3_stmt *st, int column, const struct minute_row *row)
{
	const int64_t values[] = {
		row->delay_min_ns,
		row->delay_p50_ns,
		row->delay_p95_ns,
		row->delay_p99_ns,
		row->delay_p999_ns,
		row->delay_max_ns,
		row->delay_p95_ns - row->delay_p50_ns,
		row->send_error_ns,
		row->receive_error_ns,
		row->synchronized,
	};

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		(void)sqlite3_bind_int64(st, column + (int)i, values[i]);
}

static int put_minute(struct archive *archive, int64_t session_id, const struct minute_row *row, bool *there)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_MINUTE_ADD,
		"INSERT INTO minutes (session_id, minute_ns, sent, received, lost, dropped, duplicates, "
		"reordered,"
		" delay_min_ns, delay_p50_ns, delay_p95_ns, delay_p99_ns, delay_p999_ns, delay_max_ns,"
		" jitter_ns, send_error_ns, receive_error_ns, synchronized)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		" ON CONFLICT (session_id, minute_ns) DO NOTHING");
	int error;

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, row->minute_ns);
	(void)sqlite3_bind_int64(st, 3, (int64_t)(row->received + row->lost + row->dropped));
	(void)sqlite3_bind_int64(st, 4, (int64_t)row->received);
	(void)sqlite3_bind_int64(st, 5, (int64_t)row->lost);
	(void)sqlite3_bind_int64(st, 6, (int64_t)row->dropped);
	(void)sqlite3_bind_int64(st, 7, (int64_t)row->duplicates);
	(void)sqlite3_bind_int64(st, 8, (int64_t)row->reordered);
	if (row->received > 0)
		bind_delays(st, 9, row);
	error = archive_run(archive, st);
	*there = !error && sqlite3_changes(archive->db) == 0;
	return error;
}

static int add_bucket(struct archive *archive, int64_t session_id, int64_t hour_ns,
		      const struct histogram_bucket *bucket)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_HISTOGRAM_ADD,
		"INSERT INTO histograms (session_id, hour_ns, delay_ns, packets) VALUES (?, ?, ?, ?)"
		" ON CONFLICT (session_id, hour_ns, delay_ns) DO UPDATE"
		" SET packets = packets + excluded.packets");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, hour_ns);
	(void)sqlite3_bind_int64(st, 3, bucket->delay_ns);
	(void)sqlite3_bind_int64(st, 4, (int64_t)bucket->packets);
	return archive_run(archive, st);
}

static int add_hour(struct archive *archive, int64_t session_id, const struct hour_row *row)
{
	const struct histogram_bucket *buckets;
	size_t count;
	int error = 0;

	buckets = histogram_buckets(row->histogram, &count);
	for (size_t i = 0; i < count && !error; i++)
		error = add_bucket(archive, session_id, row->hour_ns, &buckets[i]);
	return error;
}

/* The last stored row that begins at seq or before it. OWAMP_EDATA: there is none. */
static int find_loss(struct archive *archive, int64_t session_id, int64_t seq, struct loss_row *row)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_LOSS_FIND,
					     "SELECT first_seq, last_seq, begin_ns, end_ns FROM losses"
					     " WHERE session_id = ? AND first_seq <= ?"
					     " ORDER BY first_seq DESC LIMIT 1");
	int step, result = 0;

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, seq);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		*row = (struct loss_row){
			.first_seq = (uint32_t)sqlite3_column_int64(st, 0),
			.last_seq = (uint32_t)sqlite3_column_int64(st, 1),
			.begin_ns = sqlite3_column_int64(st, 2),
			.end_ns = sqlite3_column_int64(st, 3),
		};
	else
		result = step == SQLITE_DONE ? OWAMP_EDATA : archive_failed(archive);
	(void)sqlite3_reset(st);
	return result;
}

static int drop_loss(struct archive *archive, int64_t session_id, uint32_t first_seq)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_LOSS_DROP,
					     "DELETE FROM losses WHERE session_id = ? AND first_seq = ?");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, first_seq);
	return archive_run(archive, st);
}

static int put_loss(struct archive *archive, int64_t session_id, const struct loss_row *row)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_LOSS_PUT,
		"INSERT INTO losses (session_id, first_seq, last_seq, begin_ns, end_ns)"
		" VALUES (?, ?, ?, ?, ?) ON CONFLICT (session_id, first_seq) DO UPDATE"
		" SET last_seq = excluded.last_seq, begin_ns = excluded.begin_ns, end_ns = excluded.end_ns");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, row->first_seq);
	(void)sqlite3_bind_int64(st, 3, row->last_seq);
	(void)sqlite3_bind_int64(st, 4, row->begin_ns);
	(void)sqlite3_bind_int64(st, 5, row->end_ns);
	return archive_run(archive, st);
}

/*
 * Joins the row with those that it touches or overlaps, whatever the order in
 * which they came: rows in the archive never touch each other.
 */
static int join_loss(struct archive *archive, int64_t session_id, struct loss_row row)
{
	for (;;) {
		struct loss_row other;
		int error = find_loss(archive, session_id, (int64_t)row.last_seq + 1, &other);

		if (error && error != OWAMP_EDATA)
			return error;
		if (error || (int64_t)other.last_seq + 1 < row.first_seq)
			return put_loss(archive, session_id, &row);
		if (other.last_seq > row.last_seq) {
			row.last_seq = other.last_seq;
			row.end_ns = other.end_ns;
		}
		if (other.first_seq <= row.first_seq) {
			row.first_seq = other.first_seq;
			row.begin_ns = other.begin_ns;
			return put_loss(archive, session_id, &row);
		}
		error = drop_loss(archive, session_id, other.first_seq);
		if (error)
			return error;
	}
}

int summary_store(struct summary *summary, struct archive *archive, int64_t session_id)
{
	const struct minute_row *minutes = summary->minutes.rows;
	const struct hour_row *hours = summary->hours.rows;
	const struct loss_row *losses = summary->losses.rows;
	int error = 0;

	/* From now on they stay as they are: what comes in now comes on top. */
	summary->minutes.written = summary->minutes.count;
	summary->hours.written = summary->hours.count;
	summary->losses.written = summary->losses.count;
	for (size_t i = 0; i < summary->minutes.count && !error; i++) {
		bool there = false;

		error = put_minute(archive, session_id, &minutes[i], &there);
		summary->stale |= there;
	}
	for (size_t i = 0; i < summary->hours.count && !error; i++)
		error = add_hour(archive, session_id, &hours[i]);
	for (size_t i = 0; i < summary->losses.count && !error; i++)
		error = join_loss(archive, session_id, losses[i]);
	return error;
}
