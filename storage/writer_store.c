/* One transaction of the writer: all that is pending, or nothing. */
#include "writer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <owamp/error.h>

#include "archive_internal.h"

/* Removed in one transaction. */
#define ROWS_AT_ONCE 4096

/* Records of a session that are handed over together. */
#define CHAIN_PART 64

bool writer_has_work(const struct writer *writer)
{
	if (writer->batch_count > 0 || writer->removing || writer->timeline.count > 0 || writer->trouble.on)
		return true;
	for (const struct writer_session *s = writer->sessions; s; s = s->next) {
		if (s->finishing || (!s->stored && !s->refused) ||
		    (s->summary && summary_is_ready(s->summary)))
			return true;
	}
	return false;
}

/* Its SID is somebody else's: nothing of it can be stored. */
static void refuse(struct writer *writer, struct writer_session *session)
{
	uint64_t lost = 0;
	char sid[33];

	session->refused = true;
	for (uint32_t i = 0; i < writer->batch_count; i++)
		lost += writer->batch[i].session == session;
	session->lost += lost;
	writer_log(writer, LOG_ERR, "there is a session %s already: results of another one are not kept",
		   owamp_sid_text(session->row.request.sid, sid));
}

static int store_sessions(struct writer *writer)
{
	for (struct writer_session *s = writer->sessions; s; s = s->next) {
		int error;

		s->arrivals_now = s->arrivals;
		s->batch_count = 0;
		s->summary_now = s->due_now = false;
		if (s->stored || s->refused)
			continue;
		error = archive_session_insert(writer->archive, &s->row, &s->session_id);
		if (error == OWAMP_EINVAL)
			refuse(writer, s);
		else if (error)
			return error;
	}
	return 0;
}

/* Chains each session's records in the batch, in their order. */
static int chain_records(struct writer *writer)
{
	if (writer->chain_size < writer->batch_count) {
		uint32_t *chain = reallocarray(writer->chain, writer->batch_count, sizeof *chain);

		if (!chain)
			return OWAMP_ENOMEM;
		writer->chain = chain;
		writer->chain_size = writer->batch_count;
	}
	for (uint32_t i = 0; i < writer->batch_count; i++) {
		struct writer_session *s = writer->batch[i].session;

		if (s->batch_count++ == 0)
			s->batch_first = i;
		else
			writer->chain[s->batch_last] = i;
		s->batch_last = i;
	}
	return 0;
}

static int store_chain(struct writer *writer, struct writer_session *session)
{
	const struct owamp_record *records[CHAIN_PART];
	uint32_t left = session->batch_count, next = session->batch_first;
	int error = 0;

	while (left > 0 && !error) {
		uint32_t count = 0;

		while (count < CHAIN_PART && left > 0) {
			records[count++] = &writer->batch[next].record;
			if (--left > 0)
				next = writer->chain[next];
		}
		error = archive_packets_insert(writer->archive, session->session_id, session->arrivals_now,
					       records, count, session->row.created_ns);
		session->arrivals_now += count;
	}
	return error;
}

/* As they came, the rows of many sessions would each go to another part of the table. */
static int store_records(struct writer *writer)
{
	int error = chain_records(writer);

	for (struct writer_session *s = writer->sessions; s && !error; s = s->next) {
		if (!s->refused)
			error = store_chain(writer, s);
	}
	return error;
}

static int store_summary(struct writer *writer, struct writer_session *session)
{
	int error;

	if (!session->summary || !summary_is_ready(session->summary))
		return 0;
	error = summary_store(session->summary, writer->archive, session->session_id);
	session->summary_now = !error;
	session->resum |= !error && summary_is_stale(session->summary);
	return error;
}

/*
 * What is to be believed in nothing may have millions of rows: they are hidden at
 * once and go step by step.
 */
static int hide(struct writer *writer, const struct writer_session *session)
{
	bool more;
	int error = archive_session_remove(writer->archive, session->session_id, false, 0, &more);

	if (!error)
		error = archive_summaries_remove(writer->archive, session->session_id, UINT32_MAX, &more);
	writer->retention.swept = false;
	return error;
}

static int finish_session(struct writer *writer, struct writer_session *session)
{
	char reason[800];
	struct archive_end end = writer_session_outcome(session, reason, sizeof reason);
	uint64_t records = session->arrivals_now;
	int error = 0;

	if (end.outcome == ARCHIVE_INVALID && records > ROWS_AT_ONCE) {
		error = hide(writer, session);
		return error ? error : archive_session_finish(writer->archive, session->session_id, &end, 0);
	}
	if (session->replaced || (session->any && session->seq_max >= session->cut))
		error = archive_session_cut(writer->archive, session->session_id, session->cut, &records);
	/* What was derived for a file that is gone may be more than what is in this one. */
	session->due_now = session->resum || session->replaced;
	end.summaries_due = session->due_now;
	return error ? error : archive_session_finish(writer->archive, session->session_id, &end, records);
}

static int store_summaries(struct writer *writer)
{
	int error = 0;

	for (struct writer_session *s = writer->sessions; s && !error; s = s->next) {
		if (s->refused)
			continue;
		error = store_summary(writer, s);
		if (!error && s->finishing)
			error = finish_session(writer, s);
	}
	return error;
}

/* Only marked here; what is marked goes step by step. */
static int mark_removals(struct writer *writer)
{
	int error = 0;

	for (const struct writer_removal *r = writer->removing; r && !error; r = r->next) {
		int64_t session_id;
		bool more;

		error = archive_session_find(writer->archive, r->sid, &session_id, NULL);
		if (error == OWAMP_EDATA)
			error = 0;
		else if (!error)
			error = archive_session_remove(writer->archive, session_id, true, 0, &more);
	}
	return error;
}

static int store_clock(struct writer *writer)
{
	int error = 0;

	writer->rows_now = writer->timeline.count;
	for (unsigned i = 0; i < writer->rows_now && !error; i++) {
		struct timeline_row *row = &writer->timeline.rows[i];

		row->reading.status.now_real = row->reading.time_ns;
		error = archive_clock_status_insert(writer->archive, writer->program, &row->reading.status,
						    row->step_ns);
	}
	return error;
}

static int store_all(struct writer *writer)
{
	int error = writer->located ? 0 : writer_locate(writer);

	if (!error)
		error = store_sessions(writer);
	if (!error)
		error = store_records(writer);
	if (!error)
		error = store_summaries(writer);
	if (!error)
		error = mark_removals(writer);
	return error ? error : store_clock(writer);
}

static void free_finished(struct writer *writer)
{
	struct writer_session **link = &writer->sessions;
	uint32_t count = 0;

	while (*link) {
		struct writer_session *s = *link;

		if (!s->finishing) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		writer_session_free(s);
		count++;
	}
	writer->sessions_last = link;
	pthread_mutex_lock(&writer->lock);
	writer->session_count -= count;
	pthread_mutex_unlock(&writer->lock);
}

/* The transaction stands: what was in it is no longer pending. */
static void committed(struct writer *writer)
{
	for (struct writer_session *s = writer->sessions; s; s = s->next) {
		s->stored |= !s->refused;
		s->arrivals = s->arrivals_now;
		if (s->summary_now)
			summary_stored(s->summary);
		s->summary_now = false;
		writer->settling |= s->due_now;
		s->due_now = false;
	}
	free_finished(writer);
	while (writer->removing) {
		struct writer_removal *removal = writer->removing;

		writer->removing = removal->next;
		free(removal);
	}
	timeline_written(&writer->timeline, writer->rows_now);
	writer->rows_now = 0;
	writer->doubt = false;
	writer->pending = false;
}

/* A commit that failed may have worked after all, as is seen when the file is opened anew. */
static int resolve(struct writer *writer, bool *done)
{
	int error = writer_was_committed(writer, done);

	if (error)
		return writer_failed(writer, error);
	writer->doubt = false;
	if (!*done)
		return 0;
	for (struct writer_session *s = writer->sessions; s; s = s->next)
		s->arrivals_now = s->arrivals;
	for (uint32_t i = 0; i < writer->batch_count; i++) {
		struct writer_session *s = writer->batch[i].session;

		s->arrivals_now += !s->refused;
	}
	committed(writer);
	return 0;
}

/*
 * The log (-wal) of the file that was moved has the name of the next one's log, so
 * it must be empty before that is made. While somebody reads, it cannot be.
 */
static bool can_leave(struct writer *writer)
{
	int result =
		sqlite3_wal_checkpoint_v2(writer->archive->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return (result & 0xff) != SQLITE_BUSY && (result & 0xff) != SQLITE_LOCKED;
}

static int open_if_needed(struct writer *writer)
{
	int error;

	if (writer->archive && archive_is_gone(writer->archive)) {
		if (!can_leave(writer)) {
			if (!writer->staying)
				writer_log(
					writer, LOG_WARNING,
					"the file was removed or replaced while somebody reads it: results "
					"go on into the old one until that ends");
			writer->staying = true;
			return 0;
		}
		writer->staying = false;
		writer_log(writer, LOG_WARNING, "the file was removed or replaced: it is opened anew");
		writer->left = true;
		writer->left_device = writer->archive->device;
		writer->left_inode = writer->archive->inode;
		writer_close_file(writer);
	}
	if (writer->archive)
		return 0;
	error = writer_open_file(writer);
	if (error || !writer->left)
		return error;
	/* A disk that was only unplugged comes back with the same file. */
	writer->left = false;
	if (writer->archive->device != writer->left_device || writer->archive->inode != writer->left_inode)
		owamp_loop_post(writer->loop, &writer->replaced_post);
	return 0;
}

int writer_store(struct writer *writer)
{
	bool done = false;
	int error = open_if_needed(writer);

	if (!error && writer->doubt && !writer->located)
		error = resolve(writer, &done);
	if (error || done)
		return error;
	error = archive_begin(writer->archive);
	if (!error)
		error = store_all(writer);
	if (error)
		return writer_failed(writer, error);
	error = archive_commit(writer->archive);
	if (error) {
		writer->doubt = true;
		return writer_failed(writer, error);
	}
	committed(writer);
	return 0;
}
