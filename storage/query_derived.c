/* What is derived from a session's packets, and what is known beside them. */
#include "query.h"

#include <owamp/error.h>

#include "archive_internal.h"
#include "query_internal.h"

/* A callback of query.h on its way through query_walk(). */
struct call {
	union {
		int (*slot)(void *context, const struct query_slot *slot);
		int (*minute)(void *context, const struct query_minute *minute);
		int (*bucket)(void *context, int64_t hour_ns, const struct histogram_bucket *bucket);
		int (*loss)(void *context, const struct query_loss *loss);
		query_health_fn *health;
	} fn;
	void *context;
};

static int slot_row(void *context, sqlite3_stmt *st)
{
	const struct call *call = context;
	struct query_slot slot = {query_text(st, 0), query_bound(st, 1)};

	if (!slot.distribution)
		return OWAMP_ENOMEM;
	return call->fn.slot(call->context, &slot);
}

int query_slots(struct archive *archive, int64_t session_id,
		int (*fn)(void *context, const struct query_slot *slot), void *context)
{
	struct call call = {.fn.slot = fn, .context = context};

	return query_of_session(
		archive, "SELECT distribution, interval_ns FROM slots WHERE session_id = ? ORDER BY slot",
		session_id, slot_row, &call);
}

static int minute_row(void *context, sqlite3_stmt *st)
{
	const struct call *call = context;
	struct query_minute minute = {
		.minute_ns = query_time(st, 0),
		.sent = (uint64_t)sqlite3_column_int64(st, 1),
		.received = (uint64_t)sqlite3_column_int64(st, 2),
		.lost = (uint64_t)sqlite3_column_int64(st, 3),
		.dropped = (uint64_t)sqlite3_column_int64(st, 4),
		.duplicates = (uint64_t)sqlite3_column_int64(st, 5),
		.reordered = (uint64_t)sqlite3_column_int64(st, 6),
		.delay_min_ns = query_delay(st, 7),
		.delay_p50_ns = query_delay(st, 8),
		.delay_p95_ns = query_delay(st, 9),
		.delay_p99_ns = query_delay(st, 10),
		.delay_p999_ns = query_delay(st, 11),
		.delay_max_ns = query_delay(st, 12),
		.jitter_ns = query_delay(st, 13),
		.send_error_ns = query_bound(st, 14),
		.receive_error_ns = query_bound(st, 15),
		.synchronized = sqlite3_column_int(st, 16) != 0,
	};

	return call->fn.minute(call->context, &minute);
}

static int walk_span(struct archive *archive, const char *sql, int64_t session_id, int64_t since_ns,
		     int64_t until_ns, query_row_fn *row, struct call *call)
{
	sqlite3_stmt *st;
	int error = query_prepare(archive, sql, &st);

	if (error)
		return error;
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, since_ns);
	(void)sqlite3_bind_int64(st, 3, until_ns);
	return query_walk(archive, st, row, call);
}

int query_minutes(struct archive *archive, int64_t session_id, int64_t since_ns, int64_t until_ns,
		  int (*fn)(void *context, const struct query_minute *minute), void *context)
{
	struct call call = {.fn.minute = fn, .context = context};

	return walk_span(
		archive,
		"SELECT minute_ns, sent, received, lost, dropped, duplicates, reordered, delay_min_ns,"
		" delay_p50_ns, delay_p95_ns, delay_p99_ns, delay_p999_ns, delay_max_ns, jitter_ns,"
		" send_error_ns, receive_error_ns, synchronized FROM minutes"
		" WHERE session_id = ? AND minute_ns >= ? AND minute_ns < ? ORDER BY minute_ns",
		session_id, since_ns, until_ns, minute_row, &call);
}

static int bucket_row(void *context, sqlite3_stmt *st)
{
	const struct call *call = context;
	struct histogram_bucket bucket = {query_delay(st, 1), (uint64_t)sqlite3_column_int64(st, 2)};

	return call->fn.bucket(call->context, query_time(st, 0), &bucket);
}

int query_histogram(struct archive *archive, int64_t session_id, int64_t since_ns, int64_t until_ns,
		    int (*fn)(void *context, int64_t hour_ns, const struct histogram_bucket *bucket),
		    void *context)
{
	struct call call = {.fn.bucket = fn, .context = context};

	return walk_span(archive,
			 "SELECT hour_ns, delay_ns, packets FROM histograms"
			 " WHERE session_id = ? AND hour_ns >= ? AND hour_ns < ? ORDER BY hour_ns, delay_ns",
			 session_id, since_ns, until_ns, bucket_row, &call);
}

static int loss_row(void *context, sqlite3_stmt *st)
{
	const struct call *call = context;
	struct query_loss loss = {
		.first_seq = (uint32_t)sqlite3_column_int64(st, 0),
		.last_seq = (uint32_t)sqlite3_column_int64(st, 1),
		.begin_ns = query_time(st, 2),
		.end_ns = query_time(st, 3),
	};

	return call->fn.loss(call->context, &loss);
}

int query_losses(struct archive *archive, int64_t session_id,
		 int (*fn)(void *context, const struct query_loss *loss), void *context)
{
	struct call call = {.fn.loss = fn, .context = context};

	return query_of_session(
		archive,
		"SELECT first_seq, last_seq, begin_ns, end_ns FROM losses WHERE session_id = ?"
		" ORDER BY first_seq",
		session_id, loss_row, &call);
}

/* The first column is the session. */
static int health_row(void *context, sqlite3_stmt *st)
{
	const struct call *call = context;
	int result = 0;

	for (int i = 1; i < sqlite3_column_count(st) && !result; i++) {
		bool is_text = sqlite3_column_type(st, i) == SQLITE_TEXT;

		if (sqlite3_column_type(st, i) != SQLITE_NULL)
			result = call->fn.health(call->context, sqlite3_column_name(st, i),
						 is_text ? 0 : sqlite3_column_int64(st, i),
						 is_text ? query_text(st, i) : NULL);
	}
	return result;
}

int query_health(struct archive *archive, int64_t session_id, query_health_fn *fn, void *context)
{
	struct call call = {.fn.health = fn, .context = context};

	return query_of_session(archive, "SELECT * FROM health WHERE session_id = ?", session_id, health_row,
				&call);
}
