#include "retention.h"

#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "archive_internal.h"
#include "summary.h"

/* Pages moved at a time, and how many may be free: they will be needed again. */
#define VACUUM_PAGES "512"
#define SLACK_PAGES  64
#define SLACK_SHARE  16

/* Frames (pages) of the log from which on it is emptied: 16 MB. */
#define LOG_FRAMES 4096

#define COLUMNS "session_id, sid, sender_id, receiver_id, summaries_due"

/* ?1: a time. Each gives the session to take next, in the order of the indices. */
static const char removal_due[] = "SELECT " COLUMNS " FROM sessions WHERE removal_due LIMIT 1";

/* Hops over the packets from session to session; without ALL it ends also in a damaged file. */
static const char half_pruned[] =
	"WITH RECURSIVE held (id) AS (SELECT min(session_id) FROM packet_rows UNION"
	" SELECT (SELECT min(session_id) FROM packet_rows WHERE session_id > held.id) FROM held WHERE id IS "
	"NOT "
	"NULL)"
	" SELECT session_id, sid, sender_id, receiver_id, 0 FROM held JOIN sessions ON session_id = id"
	" WHERE NOT packets_kept LIMIT 1";

static const char packets_old[] = "SELECT " COLUMNS " FROM sessions WHERE packets_kept AND end_ns < ?1"
				  " AND NOT removal_due ORDER BY end_ns LIMIT 1";

/* By its end: when it was to start is what a peer said. */
static const char session_old[] = "SELECT " COLUMNS " FROM sessions WHERE end_ns < ?1"
				  " AND NOT removal_due ORDER BY end_ns LIMIT 1";

static const char packets_oldest[] = "SELECT " COLUMNS " FROM sessions WHERE packets_kept AND end_ns NOT NULL"
				     " AND NOT removal_due ORDER BY end_ns LIMIT 1";

static const char session_oldest[] = "SELECT " COLUMNS " FROM sessions WHERE end_ns NOT NULL"
				     " AND NOT removal_due ORDER BY end_ns LIMIT 1";

/* Gives a session to the work, if the query finds one. */
static int select_session(struct archive *archive, struct retention *retention, const char *sql,
			  int64_t time_ns, bool whole)
{
	sqlite3_stmt *st;
	bool due = false;
	int step, error = 0;

	if (sqlite3_prepare_v2(archive->db, sql, -1, &st, NULL) != SQLITE_OK)
		return archive_failed(archive);
	if (sqlite3_bind_parameter_count(st) > 0)
		(void)sqlite3_bind_int64(st, 1, time_ns);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		const char *sid = (const char *)sqlite3_column_text(st, 1);

		retention->session_id = sqlite3_column_int64(st, 0);
		if (!sid || owamp_sid_parse(sid, retention->sid))
			memset(retention->sid, 0, OWAMP_SID_SIZE);
		retention->endpoint_ids[0] = sqlite3_column_int64(st, 2);
		retention->endpoint_ids[1] = sqlite3_column_int64(st, 3);
		retention->whole = whole;
		retention->fresh = true;
		retention->changes = sqlite3_total_changes64(archive->db);
		/* A session 0 is none of ours, and reads as none below. */
		due = !whole && retention->session_id != 0 && sqlite3_column_int(st, 4);
	} else if (step != SQLITE_DONE) {
		error = archive_failed(archive);
	}
	(void)sqlite3_finalize(st);
	if (due)
		error = summary_rebuild_new(&retention->rebuild, archive, retention->session_id);
	return error;
}

static int pages(struct archive *archive, int64_t *all, int64_t *unused)
{
	int error = archive_integer(archive, "PRAGMA page_count", all);

	return error ? error : archive_integer(archive, "PRAGMA freelist_count", unused);
}

/* More is in the file than may be. */
static int is_over(struct archive *archive, const struct retention *retention, bool *over)
{
	uint64_t all, used;
	int error;

	*over = false;
	if (retention->policy.octets_max == 0)
		return 0;
	error = archive_octets(archive, &all, &used);
	*over = !error && used > retention->policy.octets_max;
	return error;
}

/* The session whose turn it is to lose something. */
static int select_next(struct archive *archive, struct retention *retention, int64_t now_ns, bool *over)
{
	const struct writer_retention *policy = &retention->policy;
	int error = select_session(archive, retention, removal_due, 0, true);

	*over = false;
	if (!error && retention->session_id == 0 && !retention->swept) {
		error = select_session(archive, retention, half_pruned, 0, false);
		retention->swept = !error && retention->session_id == 0;
	}
	if (!error && retention->session_id == 0 && policy->packets_ns > 0)
		error = select_session(archive, retention, packets_old, now_ns - policy->packets_ns, false);
	if (!error && retention->session_id == 0 && policy->summaries_ns > 0)
		error = select_session(archive, retention, session_old, now_ns - policy->summaries_ns, true);
	if (!error && retention->session_id == 0)
		error = is_over(archive, retention, over);
	if (!error && retention->session_id == 0 && *over)
		error = select_session(archive, retention, packets_oldest, 0, false);
	if (!error && retention->session_id == 0 && *over)
		error = select_session(archive, retention, session_oldest, 0, true);
	return error;
}

/* An endpoint with which no session has to do any more. */
static int drop_endpoint(struct archive *archive, int64_t endpoint_id)
{
	static const char sql[] = "DELETE FROM endpoints WHERE endpoint_id = ?1"
				  " AND NOT EXISTS (SELECT 1 FROM sessions WHERE sender_id = ?1)"
				  " AND NOT EXISTS (SELECT 1 FROM sessions WHERE receiver_id = ?1)";
	sqlite3_stmt *st;
	int error;

	if (sqlite3_prepare_v2(archive->db, sql, -1, &st, NULL) != SQLITE_OK)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, endpoint_id);
	error = archive_run(archive, st);
	(void)sqlite3_finalize(st);
	return error;
}

static int remove_rows(struct archive *archive, struct retention *retention, unsigned max_rows, bool *more)
{
	int error = archive_begin(archive);

	if (error)
		return error;
	error = archive_session_remove(archive, retention->session_id, retention->whole, max_rows, more);
	for (int i = 0; i < 2 && !error && retention->whole && !*more; i++)
		error = drop_endpoint(archive, retention->endpoint_ids[i]);
	return error ? error : archive_commit(archive);
}

/*
 * Somebody else may have been quicker, but hardly twice: in a damaged file the same
 * would be found and not be removed for ever.
 */
static int check_progress(struct archive *archive, struct retention *retention)
{
	if (sqlite3_total_changes64(archive->db) != retention->changes) {
		retention->fruitless = 0;
	} else if (++retention->fruitless == 2) {
		archive->code = SQLITE_CORRUPT;
		snprintf(archive->reason, sizeof archive->reason,
			 "session %lld cannot be removed, the file is damaged",
			 (long long)retention->session_id);
		return OWAMP_ESYSTEM;
	}
	return 0;
}

/* What is derived goes before what it is derived from. */
static int settle(struct retention *retention, unsigned max_rows)
{
	bool more;
	int error = summary_rebuild_step(retention->rebuild, max_rows, &more);

	if (!error && !more) {
		summary_rebuild_free(retention->rebuild);
		retention->rebuild = NULL;
	}
	return error;
}

static int remove_session(struct archive *archive, struct retention *retention, unsigned max_rows,
			  void (*removed)(void *context, const uint8_t sid[OWAMP_SID_SIZE]), void *context)
{
	bool more;
	int error;

	if (retention->rebuild)
		return settle(retention, max_rows);
	error = remove_rows(archive, retention, max_rows, &more);
	if (error)
		return error;
	if (retention->fresh && removed)
		removed(context, retention->sid);
	retention->fresh = false;
	if (more)
		return 0;
	error = check_progress(archive, retention);
	retention->session_id = 0;
	return error;
}

/* In the order in which they were seen: if the clock was set back, times from before that may still be ahead.
 */
static int remove_clock(struct archive *archive, int64_t before_ns, unsigned max_rows, bool *more)
{
	static const char sql[] =
		"DELETE FROM clock WHERE clock_id IN (SELECT clock_id FROM clock WHERE clock_id <="
		" (SELECT max(clock_id) FROM clock WHERE time_ns < ?1)"
		" ORDER BY clock_id LIMIT ?2)";
	int64_t first = INT64_MAX;
	sqlite3_stmt *st;
	int error = archive_integer(archive, "SELECT time_ns FROM clock ORDER BY time_ns LIMIT 1", &first);

	if (error || first >= before_ns)
		return error;
	error = archive_begin(archive);
	if (error)
		return error;
	if (sqlite3_prepare_v2(archive->db, sql, -1, &st, NULL) != SQLITE_OK)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, before_ns);
	(void)sqlite3_bind_int64(st, 2, max_rows);
	error = archive_run(archive, st);
	(void)sqlite3_finalize(st);
	/* In a damaged file there can be rows that cannot be removed. */
	*more = sqlite3_changes(archive->db) > 0;
	return error ? error : archive_commit(archive);
}

/* Gives pages that are free back to the file system, some at a time. */
static int vacuum(struct archive *archive, struct retention *retention, bool *more)
{
	int64_t all = 0, unused = 0, left = 0;
	int error = pages(archive, &all, &unused);

	if (error || retention->cannot_vacuum || unused <= SLACK_PAGES + all / SLACK_SHARE)
		return error;
	error = archive_exec(archive, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
	if (!error)
		error = pages(archive, &all, &left);
	retention->cannot_vacuum = !error && left >= unused;
	retention->vacuumed |= !error && left < unused;
	*more = !retention->cannot_vacuum;
	return error;
}

int retention_checkpoint(struct archive *archive, bool truncate)
{
	int frames = 0, moved = 0;
	int result = sqlite3_wal_checkpoint_v2(archive->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);

	if (result == SQLITE_OK && moved == frames && frames > 0 && (truncate || frames > LOG_FRAMES))
		result = sqlite3_wal_checkpoint_v2(archive->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	/* Somebody reads, or does the same: later. */
	return result == SQLITE_OK || (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED
		       ? 0
		       : archive_failed(archive);
}

int retention_step(struct archive *archive, struct retention *retention, int64_t now_ns, unsigned max_rows,
		   void (*removed)(void *context, const uint8_t sid[OWAMP_SID_SIZE]), void *context,
		   bool *more)
{
	bool over = false;
	int error = 0;

	*more = false;
	if (retention->session_id == 0)
		error = select_next(archive, retention, now_ns, &over);
	if (!error && retention->session_id != 0) {
		*more = true;
		error = remove_session(archive, retention, max_rows, removed, context);
	} else if (!error && over) {
		error = remove_clock(archive, INT64_MAX, max_rows, more);
	} else if (!error && retention->policy.summaries_ns > 0) {
		error = remove_clock(archive, now_ns - retention->policy.summaries_ns, max_rows, more);
	}
	if (!error && !*more)
		error = vacuum(archive, retention, more);
	if (!error && !*more && retention->vacuumed) {
		retention->vacuumed = false;
		error = retention_checkpoint(archive, true);
	}
	if (error) {
		archive_rollback(archive);
		retention_reset(retention);
		*more = false;
	}
	return error;
}

void retention_reset(struct retention *retention)
{
	summary_rebuild_free(retention->rebuild);
	retention->rebuild = NULL;
	retention->session_id = 0;
	retention->swept = false;
	retention->fruitless = 0;
	retention->vacuumed = false;
	retention->cannot_vacuum = false;
}
