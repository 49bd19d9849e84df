/* The writer's file: opened anew after trouble, and what of ours is in it then. */
#include "writer_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "archive_internal.h"

/* Short, so that the thread looks up now and then; it tries again. */
#define BUSY_MS 250

bool writer_in_memory(const struct writer *writer)
{
	return strcmp(writer->path, ARCHIVE_MEMORY) == 0;
}

void writer_be_quick(struct writer *writer)
{
	(void)sqlite3_busy_timeout(writer->archive->db, BUSY_MS);
}

int writer_open_file(struct writer *writer)
{
	char error[PATH_MAX + 300];
	size_t length = strlen(writer->path);
	int result = archive_open(&writer->archive, writer->path, ARCHIVE_WRITE, error, sizeof error);

	writer->located = false;
	writer->busy = false;
	if (!result) {
		writer_be_quick(writer);
		return 0;
	}
	/* The log's lines name the path already. */
	if (strncmp(error, writer->path, length) == 0 && strncmp(error + length, ": ", 2) == 0)
		memmove(error, error + length + 2, strlen(error + length + 2) + 1);
	snprintf(writer->reason, sizeof writer->reason, "%.*s", WRITER_REASON_SIZE - 1, error);
	return result;
}

void writer_close_file(struct writer *writer)
{
	if (!writer->archive)
		return;
	writer_idle_reset(writer);
	archive_close(writer->archive);
	writer->archive = NULL;
	writer->located = false;
}

/* After which the connection is as good as a new one. */
static bool is_passing(int code)
{
	return code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL || code == SQLITE_NOMEM;
}

int writer_failed(struct writer *writer, int error)
{
	int code = error == OWAMP_ESYSTEM ? writer->archive->code : SQLITE_NOMEM;

	writer->busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
	writer->full = code == SQLITE_FULL;
	snprintf(writer->reason, sizeof writer->reason, "%s",
		 error == OWAMP_ENOMEM ? owamp_error_text(error) : archive_reason(writer->archive));
	archive_rollback(writer->archive);
	/* What is in memory goes with its last connection. */
	if (!is_passing(code) && !writer_in_memory(writer))
		writer_close_file(writer);
	return error;
}

/* The number after the last record of a session. */
static int next_arrival(struct writer *writer, int64_t session_id, uint32_t *next)
{
	int64_t value = 0;
	char sql[120];
	int error;

	snprintf(sql, sizeof sql,
		 "SELECT coalesce(max(arrival) + 1, 0) FROM packet_rows WHERE session_id = %lld",
		 (long long)session_id);
	error = archive_integer(writer->archive, sql, &value);
	*next = (uint32_t)value;
	return error;
}

static int locate(struct writer *writer, struct writer_session *session)
{
	uint32_t next;
	int error =
		archive_session_find(writer->archive, session->row.request.sid, &session->session_id, NULL);

	if (error == OWAMP_EDATA) {
		session->stored = false;
		session->replaced = true;
		return 0;
	}
	if (!error)
		error = next_arrival(writer, session->session_id, &next);
	if (error)
		return error;
	/* A copy from earlier, or one whose log was lost. */
	if (next != session->arrivals)
		session->replaced = true;
	if (next > session->arrivals)
		session->arrivals = next;
	return 0;
}

int writer_locate(struct writer *writer)
{
	int error = 0;

	for (struct writer_session *s = writer->sessions; s && !error; s = s->next) {
		if (s->stored && !s->refused)
			error = locate(writer, s);
	}
	writer->located = !error;
	return error;
}

/* Of a session that the transaction would have ended, or added. */
static int look_for_session(struct writer *writer, const struct writer_session *session, bool *committed)
{
	enum archive_outcome outcome;
	int64_t session_id;
	int error = archive_session_find(writer->archive, session->row.request.sid, &session_id, &outcome);

	*committed = !error && (!session->finishing || outcome != ARCHIVE_RUNNING);
	return error == OWAMP_EDATA ? 0 : error;
}

static int look_for_record(struct writer *writer, const struct writer_session *session, bool *committed)
{
	int64_t session_id;
	uint32_t next = 0;
	int error = archive_session_find(writer->archive, session->row.request.sid, &session_id, NULL);

	if (!error)
		error = next_arrival(writer, session_id, &next);
	*committed = !error && next > session->arrivals;
	return error == OWAMP_EDATA ? 0 : error;
}

static int look_for_clock(struct writer *writer, bool *committed)
{
	int64_t found = 0;
	char sql[120];
	int error;

	snprintf(sql, sizeof sql, "SELECT count(*) FROM clock WHERE time_ns = %lld",
		 (long long)writer->timeline.rows[0].reading.time_ns);
	error = archive_integer(writer->archive, sql, &found);
	*committed = !error && found > 0;
	return error;
}

/* All of a transaction is there or nothing: one thing of it tells. */
int writer_was_committed(struct writer *writer, bool *committed)
{
	*committed = false;
	for (const struct writer_session *s = writer->sessions; s; s = s->next) {
		if (!s->refused && (s->finishing || !s->stored))
			return look_for_session(writer, s, committed);
	}
	for (uint32_t i = 0; i < writer->batch_count; i++) {
		const struct writer_session *s = writer->batch[i].session;

		if (!s->refused)
			return look_for_record(writer, s, committed);
	}
	if (writer->rows_now > 0)
		return look_for_clock(writer, committed);
	/* Removals and summaries: done twice they come to the same. */
	return 0;
}
