#include "import.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "archive_internal.h"
#include "summary.h"

#define TRANSACTION_ROWS 100000

/* How the reason of a session begins of which only a part is there yet. */
#define UNFINISHED "the import did not come to its end: "

/* What the archive has of the session. */
enum present {
	PRESENT_NONE,
	PRESENT_RUNNING,
	PRESENT_REST, /* of an import or a removal that broke off */
	PRESENT_WORSE,
	PRESENT_AS_GOOD,
};

struct job {
	struct archive *archive;
	const struct import *import;
	struct summary *summary;
	uint8_t *arrived; /* a bit for each packet that arrived at any time */
	uint8_t *counted; /* and for each that has the record which counts */
	uint32_t limit;   /* one beyond the last packet that the sender reached */
	uint32_t record_count;
	uint32_t next; /* record */
	uint32_t rows;
	unsigned transaction_rows;
	int64_t session_id;
	bool removed;   /* something was there and is not any more */
	bool at_once;   /* all in the first transaction */
	char mark[120]; /* tells this import from all others */
	char *reason;
	size_t reason_size;
};

/* Runs one statement; takes sql over. */
static int run(struct job *job, char *sql)
{
	int error = sql != NULL ? archive_exec(job->archive, sql) : OWAMP_ENOMEM;

	sqlite3_free(sql);
	return error;
}

static enum present judge(struct job *job, sqlite3_stmt *st)
{
	const char *outcome = (const char *)sqlite3_column_text(st, 1);
	const char *reason = (const char *)sqlite3_column_text(st, 2);
	const char *program = (const char *)sqlite3_column_text(st, 4);
	bool finished;

	/* A file can be damaged. */
	outcome = outcome != NULL ? outcome : "?";
	program = program != NULL ? program : "?";
	finished = strcmp(outcome, "finished") == 0;
	job->session_id = sqlite3_column_int64(st, 0);
	if (sqlite3_column_int(st, 3) != 0)
		return PRESENT_REST;
	if (reason != NULL && strncmp(reason, UNFINISHED, strlen(UNFINISHED)) == 0)
		return PRESENT_REST;
	if (strcmp(outcome, "running") == 0) {
		snprintf(job->reason, job->reason_size, "the session is there and still runs (%s)", program);
		return PRESENT_RUNNING;
	}
	if (!finished && job->import->end.outcome == ARCHIVE_FINISHED)
		return PRESENT_WORSE;
	snprintf(job->reason, job->reason_size, "stored before by %s, %s%s%s", program, outcome,
		 reason != NULL ? ": " : "", reason != NULL ? reason : "");
	return PRESENT_AS_GOOD;
}

static int look(struct job *job, enum present *present)
{
	char sid[33];
	sqlite3_stmt *st;
	int step;
	int error = 0;

	*present = PRESENT_NONE;
	if (sqlite3_prepare_v2(job->archive->db,
			       "SELECT session_id, outcome, reason, removal_due, program FROM sessions"
			       " WHERE sid = ?",
			       -1, &st, NULL) != SQLITE_OK)
		return archive_failed(job->archive);
	(void)sqlite3_bind_text(st, 1, owamp_sid_text(job->import->session.request.sid, sid), -1,
				SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		*present = judge(job, st);
	else if (step != SQLITE_DONE)
		error = archive_failed(job->archive);
	(void)sqlite3_finalize(st);
	return error;
}

/* Nobody misses what is removed here, so it may take several transactions. */
static int remove_rest(struct job *job)
{
	bool more;
	int error;

	job->removed = true;
	error = archive_session_remove(job->archive, job->session_id, true, job->transaction_rows, &more);
	return error != 0 ? error : archive_commit(job->archive);
}

static int remove_whole(struct job *job)
{
	bool more = true;
	int error = 0;

	job->removed = true;
	while (more && error == 0)
		error = archive_session_remove(job->archive, job->session_id, true, UINT32_MAX, &more);
	return error;
}

static bool test_bit(const uint8_t *bits, uint32_t seq)
{
	return (bits[seq / 8] >> seq % 8 & 1) != 0;
}

/* Returns whether it was set before. */
static bool set_bit(uint8_t *bits, uint32_t seq)
{
	bool before = test_bit(bits, seq);

	bits[seq / 8] = (uint8_t)(bits[seq / 8] | 1U << seq % 8);
	return before;
}

/* One record of a packet counts: the first of those that arrived, else the first loss. */
static bool is_further(struct job *job, const struct owamp_record *record)
{
	if (owamp_record_lost(record) && test_bit(job->arrived, record->seq))
		return true;
	return set_bit(job->counted, record->seq);
}

static int put_record(struct job *job, struct owamp_record record)
{
	const struct archive_session *session = &job->import->session;
	int error;

	if (record.seq >= job->limit)
		return 0;
	record.duplicate = is_further(job, &record);
	error = archive_packet_insert(job->archive, job->session_id, job->rows, &record, session->created_ns);
	job->rows++;
	return error != 0 ? error : summary_record(job->summary, &record);
}

static int put_records(struct job *job)
{
	uint32_t left = job->record_count - job->next;
	uint32_t end = job->next + (left < job->transaction_rows ? left : job->transaction_rows);
	int error = 0;

	for (; job->next < end && error == 0; job->next++)
		error = put_record(job, job->import->records[job->next]);
	return error;
}

/*
 * Another import of the same session, which took this one's for a rest, is
 * found out before it can be added to.
 */
static int check_mark(struct job *job)
{
	char *sql = sqlite3_mprintf("SELECT 1 FROM sessions WHERE session_id = %lld AND reason = %Q",
				    (long long)job->session_id, job->mark);
	int64_t ours = 0;
	int error = sql != NULL ? archive_integer(job->archive, sql, &ours) : OWAMP_ENOMEM;

	sqlite3_free(sql);
	if (error != 0 || ours != 0)
		return error;
	snprintf(job->reason, job->reason_size, "another process imports the same session");
	return OWAMP_ESTATE;
}

static int put_mark(struct job *job)
{
	return run(job, sqlite3_mprintf("UPDATE sessions SET outcome = 'broken', reason = %Q, end_ns = %lld,"
					" records = %u WHERE session_id = %lld",
					job->mark, (long long)job->import->end.end_ns, job->rows,
					(long long)job->session_id));
}

static int put_summary(struct job *job)
{
	bool more;
	int error = 0;

	/* Somebody may have summed up the part that was there, which was marked as due. */
	if (!job->at_once)
		error = archive_summaries_remove(job->archive, job->session_id, UINT32_MAX, &more);
	if (error == 0)
		error = summary_close(job->summary, INT64_MAX);
	return error != 0 ? error : summary_store(job->summary, job->archive, job->session_id);
}

static int put_end(struct job *job)
{
	struct archive_end end = job->import->end;
	int error = put_summary(job);

	end.summaries_due = false;
	return error != 0 ? error : archive_session_finish(job->archive, job->session_id, &end, job->rows);
}

static void tell(const struct job *job)
{
	if (job->import->progress != NULL)
		job->import->progress(job->import->context, job->next);
}

/* Between two parts of a session. */
static int next_transaction(struct job *job)
{
	int error = put_mark(job);

	if (error == 0)
		error = archive_commit(job->archive);
	if (error == 0)
		tell(job);
	if (error == 0)
		error = archive_begin(job->archive);
	return error != 0 ? error : check_mark(job);
}

/* From within the first transaction to the end of the last. */
static int put_all(struct job *job)
{
	int error = archive_session_insert(job->archive, &job->import->session, &job->session_id);

	while (error == 0) {
		error = put_records(job);
		if (error != 0)
			break;
		if (job->next == job->record_count)
			return (error = put_end(job)) != 0 ? error : archive_commit(job->archive);
		if (job->at_once)
			tell(job);
		else
			error = next_transaction(job);
	}
	return error;
}

static int mark_arrivals(struct job *job)
{
	const struct owamp_record *records = job->import->records;
	uint32_t last = 0;

	for (uint32_t i = 0; i < job->record_count; i++) {
		if (records[i].seq > last && records[i].seq < job->limit)
			last = records[i].seq;
	}
	job->arrived = calloc((size_t)last / 8 + 1, 1);
	job->counted = calloc((size_t)last / 8 + 1, 1);
	if (job->arrived == NULL || job->counted == NULL)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < job->record_count; i++) {
		if (records[i].seq < job->limit && !owamp_record_lost(&records[i]))
			set_bit(job->arrived, records[i].seq);
	}
	return 0;
}

static int begin(struct job *job)
{
	const struct import *import = job->import;
	const struct archive_session *session = &import->session;
	const struct owamp_stop_session *stop = import->end.stop;
	int error;

	job->limit = session->request.packets;
	if (stop != NULL && stop->next_seq < job->limit)
		job->limit = stop->next_seq;
	job->record_count = import->end.outcome == ARCHIVE_INVALID ? 0 : import->record_count;
	job->transaction_rows = import->transaction_rows != 0 ? import->transaction_rows : TRANSACTION_ROWS;
	job->at_once = job->record_count <= job->transaction_rows;
	snprintf(job->mark, sizeof(job->mark), UNFINISHED "%.20s, process %ld, %lld", session->program,
		 (long)getpid(), (long long)owamp_real_ns());
	error = mark_arrivals(job);
	if (error == 0)
		error = summary_new(&job->summary, owamp_interval_to_ns(session->request.timeout),
				    session->created_ns);
	if (error == 0 && stop != NULL)
		error = summary_skips(job->summary, stop->skips, stop->skip_count);
	return error;
}

static void end(struct job *job)
{
	archive_rollback(job->archive);
	summary_free(job->summary);
	free(job->arrived);
	free(job->counted);
}

/* Begins the transaction in which the session is put there, or finds out that it must not be. */
static int clear_the_way(struct job *job, enum present *present)
{
	int error = 0;

	do {
		error = archive_begin(job->archive);
		if (error == 0)
			error = look(job, present);
		if (error == 0 && *present == PRESENT_REST)
			error = remove_rest(job);
	} while (error == 0 && *present == PRESENT_REST);
	if (error == 0 && *present == PRESENT_WORSE) {
		job->at_once = true;
		error = remove_whole(job);
	}
	return error;
}

int archive_import(struct archive *archive, const struct import *import, enum import_result *result,
		   char *reason, size_t reason_size)
{
	struct job job = {.archive = archive, .import = import, .reason = reason, .reason_size = reason_size};
	enum present present = PRESENT_NONE;
	int error = begin(&job);

	reason[0] = '\0';
	if (error == 0)
		error = clear_the_way(&job, &present);
	*result = job.removed ? IMPORT_REPLACED : IMPORT_STORED;
	if (error == 0 && present == PRESENT_AS_GOOD)
		*result = IMPORT_KEPT;
	else if (error == 0 && present == PRESENT_RUNNING)
		error = OWAMP_ESTATE;
	else if (error == 0)
		error = put_all(&job);
	if (error != 0 && reason[0] == '\0')
		snprintf(reason, reason_size, "%s",
			 error == OWAMP_ESYSTEM ? archive_reason(archive) : owamp_error_text(error));
	end(&job);
	return error;
}
