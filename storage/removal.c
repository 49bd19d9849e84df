/* Taking sessions out again, a bounded number of rows at a time. */
#include "archive.h"

#include <owamp/error.h>

#include "archive_internal.h"

/* Each removes the first ?2 rows of session ?1. */
static const char *const removals[] = {
	"DELETE FROM packet_rows WHERE session_id = ?1 AND arrival <= (SELECT max(arrival) FROM"
	" (SELECT arrival FROM packet_rows WHERE session_id = ?1 ORDER BY arrival LIMIT ?2))",
	"DELETE FROM histograms WHERE session_id = ?1 AND (hour_ns, delay_ns) IN"
	" (SELECT hour_ns, delay_ns FROM histograms WHERE session_id = ?1"
	" ORDER BY hour_ns, delay_ns LIMIT ?2)",
	"DELETE FROM minutes WHERE session_id = ?1 AND minute_ns <= (SELECT max(minute_ns) FROM"
	" (SELECT minute_ns FROM minutes WHERE session_id = ?1 ORDER BY minute_ns LIMIT ?2))",
	"DELETE FROM losses WHERE session_id = ?1 AND first_seq <= (SELECT max(first_seq) FROM"
	" (SELECT first_seq FROM losses WHERE session_id = ?1 ORDER BY first_seq LIMIT ?2))",
	"DELETE FROM skip_ranges WHERE session_id = ?1 AND first_seq <= (SELECT max(first_seq) FROM"
	" (SELECT first_seq FROM skip_ranges WHERE session_id = ?1 ORDER BY first_seq LIMIT ?2))",
	"DELETE FROM slots WHERE session_id = ?1 AND slot <= (SELECT max(slot) FROM"
	" (SELECT slot FROM slots WHERE session_id = ?1 ORDER BY slot LIMIT ?2))",
};
#define REMOVALS (sizeof removals / sizeof removals[0])

/* Of them: the packets, and what is derived from those. */
#define PACKETS_END 1
#define DERIVED_END 4

_Static_assert(ARCHIVE_ST_REMOVE + REMOVALS == ARCHIVE_STATEMENTS, "a statement for each table");

static int mark(struct archive *archive, int64_t session_id, bool whole)
{
	sqlite3_stmt *st =
		archive_statement(archive, ARCHIVE_ST_SESSION_MARK,
				  "UPDATE sessions SET packets_kept = 0, removal_due = max(removal_due, ?2)"
				  " WHERE session_id = ?1 AND (packets_kept OR removal_due < ?2)");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int(st, 2, whole);
	return archive_run(archive, st);
}

static int drop(struct archive *archive, int64_t session_id)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_SESSION_DROP,
					     "DELETE FROM sessions WHERE session_id = ?");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	return archive_run(archive, st);
}

/* From the tables begin <= i < end of the list, max rows in all. */
static int remove_rows(struct archive *archive, int64_t session_id, size_t begin, size_t end, unsigned max,
		       bool *more)
{
	*more = true;
	for (size_t i = begin; i < end; i++) {
		sqlite3_stmt *st = archive_statement(archive, (enum archive_statement)(ARCHIVE_ST_REMOVE + i),
						     removals[i]);
		unsigned removed;
		int error;

		if (!st)
			return archive_failed(archive);
		(void)sqlite3_bind_int64(st, 1, session_id);
		(void)sqlite3_bind_int64(st, 2, max);
		error = archive_run(archive, st);
		removed = error ? 0 : (unsigned)sqlite3_changes(archive->db);
		if (error || removed >= max)
			return error;
		max -= removed;
	}
	*more = false;
	return 0;
}

int archive_session_remove(struct archive *archive, int64_t session_id, bool whole, unsigned max, bool *more)
{
	int error = mark(archive, session_id, whole);

	*more = true;
	if (!error)
		error = remove_rows(archive, session_id, 0, whole ? REMOVALS : PACKETS_END, max, more);
	return error || !whole || *more ? error : drop(archive, session_id);
}

int archive_summaries_remove(struct archive *archive, int64_t session_id, unsigned max, bool *more)
{
	return remove_rows(archive, session_id, PACKETS_END, DERIVED_END, max, more);
}
