/* Reading sessions back on a thread of its own. */
#include "store.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "store_internal.h"

enum step {
	STEP_NONE,
	STEP_FLUSH, /* the writer's */
	STEP_READ,  /* a job's */
};

/*
 * While a step is being done its results are the other thread's; the loop's
 * thread only notes that nobody wants them any more.
 */
struct store_fetch {
	struct store_session *session;
	struct store_reader *reader;
	void (*ready)(void *context);
	void *context;
	enum step step;
	_Atomic bool cancelled; /* the job is all that still refers to this */
	bool settled;           /* the session had ended when the fetch began */
	struct writer_flush flush;
	struct owamp_job job;

	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t begin_seq, end_seq;
	struct store_head head;
	char head_reason[256];
	struct owamp_skip_range *skips;
	bool stop_known;
	struct archive_walk walk;
	uint32_t left;
	uint8_t *wire;
	uint32_t wire_size; /* records */
	uint32_t wire_count;
	int error;
	char reason[400];
};

static void fetch_free(struct store_fetch *fetch)
{
	free(fetch->head.request.slots);
	free(fetch->skips);
	free(fetch->wire);
	free(fetch);
}

__attribute__((format(printf, 3, 4))) static int fail(struct store_fetch *fetch, int error,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fetch->reason, sizeof fetch->reason, format, arguments);
	va_end(arguments);
	return error;
}

/* On the fetching thread, from here on. */

static int open_archive(struct store_fetch *fetch)
{
	struct store_reader *reader = fetch->reader;

	/* The writer makes a new file where the old one was moved away. */
	if (reader->archive && archive_is_gone(reader->archive)) {
		archive_close(reader->archive);
		reader->archive = NULL;
	}
	if (reader->archive)
		return 0;
	return archive_open(&reader->archive, reader->path, ARCHIVE_READ, fetch->reason,
			    sizeof fetch->reason);
}

/* After a failure the file is opened anew the next time. */
static int trouble(struct store_fetch *fetch, int error)
{
	struct store_reader *reader = fetch->reader;

	if (!fetch->reason[0])
		(void)fail(fetch, error, "%s: %s", reader->path,
			   error == OWAMP_ENOMEM ? owamp_error_text(error) : archive_reason(reader->archive));
	archive_close(reader->archive);
	reader->archive = NULL;
	return error;
}

static int keep_head(void *context, const struct archive_stored *stored)
{
	struct store_fetch *fetch = context;
	struct store_head *head = &fetch->head;

	if (!stored->packets_kept)
		return fail(fetch, OWAMP_EDATA, "the session's packets are not kept any more");
	head->request = stored->request;
	head->request.slots = calloc((size_t)stored->request.slot_count + 1, sizeof *head->request.slots);
	fetch->skips = calloc((size_t)stored->stop.skip_count + 1, sizeof *fetch->skips);
	if (!head->request.slots || !fetch->skips)
		return OWAMP_ENOMEM;
	if (stored->request.slot_count > 0)
		memcpy(head->request.slots, stored->request.slots,
		       stored->request.slot_count * sizeof *head->request.slots);
	if (stored->stop.skip_count > 0)
		memcpy(fetch->skips, stored->stop.skips, stored->stop.skip_count * sizeof *fetch->skips);
	head->outcome = stored->outcome;
	head->reason = fetch->head_reason;
	head->stop = stored->stop;
	head->stop.skips = fetch->skips;
	fetch->walk.session_id = stored->session_id;
	fetch->stop_known = stored->stop_known;
	return 0;
}

/* Why the session ended as it did, and where its records end. */
static int read_rest(struct store_fetch *fetch)
{
	static const char sql[] =
		"SELECT coalesce(reason, ''), CASE WHEN ?2 THEN coalesce((SELECT max(seq) + 1 FROM "
		"packet_rows"
		" WHERE packet_rows.session_id = ?1), 0) END FROM sessions WHERE session_id = ?1";
	struct store_head *head = &fetch->head;
	bool count = !fetch->stop_known && head->outcome != ARCHIVE_RUNNING;
	sqlite3 *db = archive_sqlite(fetch->reader->archive);
	sqlite3_stmt *st = NULL;
	int error = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_bind_int64(st, 1, fetch->walk.session_id) == SQLITE_OK &&
	    sqlite3_bind_int(st, 2, count) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
		snprintf(fetch->head_reason, sizeof fetch->head_reason, "%s",
			 (const char *)sqlite3_column_text(st, 0));
		if (count)
			head->stop.next_seq = (uint32_t)sqlite3_column_int64(st, 1);
	} else {
		error = fail(fetch, OWAMP_ESYSTEM, "%s: %s", fetch->reader->path, sqlite3_errmsg(db));
	}
	(void)sqlite3_finalize(st);
	return error;
}

static int read_head(struct store_fetch *fetch)
{
	struct store_reader *reader = fetch->reader;
	int error = open_archive(fetch);

	if (error)
		return error;
	/* All of it as of one moment. A failure shows in what follows. */
	(void)sqlite3_exec(archive_sqlite(reader->archive), "BEGIN", NULL, NULL, NULL);
	error = archive_session_load(reader->archive, fetch->sid, keep_head, fetch);
	if (error == OWAMP_EDATA && !fetch->reason[0])
		(void)fail(fetch, error, "%s does not have the session", reader->path);
	if (!error)
		error = read_rest(fetch);
	if (!error)
		error = archive_packets_seek(reader->archive, fetch->walk.session_id, fetch->begin_seq,
					     fetch->end_seq, &fetch->walk, &fetch->head.count);
	if (error && error != OWAMP_EDATA)
		return trouble(fetch, error);
	(void)sqlite3_exec(archive_sqlite(reader->archive), "COMMIT", NULL, NULL, NULL);
	fetch->left = fetch->head.count;
	return error;
}

/* Nothing, if the session was removed: SQLite may have given its number to another one. */
static int read_batch(struct store_fetch *fetch)
{
	struct store_reader *reader = fetch->reader;
	uint32_t max = fetch->left < fetch->wire_size ? fetch->left : fetch->wire_size;
	int64_t session_id;
	int error = archive_session_find(reader->archive, fetch->sid, &session_id, NULL);

	if (error == OWAMP_EDATA || (!error && session_id != fetch->walk.session_id))
		return 0;
	if (error)
		return error;
	return archive_packets_read(reader->archive, &fetch->walk, reader->records, max, &fetch->wire_count);
}

static int read_records(struct store_fetch *fetch)
{
	struct store_reader *reader = fetch->reader;
	int error = open_archive(fetch);

	fetch->wire_count = 0;
	if (error)
		return error;
	(void)sqlite3_exec(archive_sqlite(reader->archive), "BEGIN", NULL, NULL, NULL);
	error = read_batch(fetch);
	if (error)
		return trouble(fetch, error);
	(void)sqlite3_exec(archive_sqlite(reader->archive), "COMMIT", NULL, NULL, NULL);
	for (uint32_t i = 0; i < fetch->wire_count; i++)
		owamp_record_encode(&reader->records[i], fetch->wire + (size_t)i * OWAMP_RECORD_SIZE);
	fetch->left -= fetch->wire_count;
	return 0;
}

static void work(struct owamp_job *job)
{
	struct store_fetch *fetch = job->context;

	/* Who asks and goes, again and again, must keep nobody waiting. */
	if (fetch->cancelled)
		return;
	fetch->error = fetch->wire ? read_records(fetch) : read_head(fetch);
}

/* On the loop's thread, from here on. */

static void done(struct owamp_job *job)
{
	struct store_fetch *fetch = job->context;

	if (fetch->cancelled) {
		fetch_free(fetch);
		return;
	}
	fetch->step = STEP_NONE;
	fetch->ready(fetch->context);
}

static int submit(struct store_fetch *fetch)
{
	int error;

	fetch->job = (struct owamp_job){.work = work, .done = done, .context = fetch};
	error = owamp_worker_submit(store_worker(fetch->session), &fetch->job);
	if (!error)
		fetch->step = STEP_READ;
	return error;
}

static void flushed(struct writer_flush *flush, int error, const char *reason)
{
	struct store_fetch *fetch = flush->context;

	fetch->step = STEP_NONE;
	if (error)
		(void)fail(fetch, error, "%s: %s", fetch->reader->path, reason);
	else
		error = submit(fetch);
	if (!error) {
		fetch->session->written |= fetch->settled;
		return;
	}
	fetch->error = error;
	if (!fetch->reason[0])
		(void)fail(fetch, error, "%s", owamp_error_text(error));
	fetch->ready(fetch->context);
}

int store_fetch_new(struct store_fetch **fetch, struct store_session *session, uint32_t begin_seq,
		    uint32_t end_seq, void (*ready)(void *context), void *context)
{
	struct store_fetch *f = calloc(1, sizeof *f);
	int error = 0;

	*fetch = NULL;
	if (!f)
		return OWAMP_ENOMEM;
	f->session = session;
	f->reader = store_reader(session);
	f->ready = ready;
	f->context = context;
	f->begin_seq = begin_seq;
	f->end_seq = end_seq;
	f->settled = session->outcome != ARCHIVE_RUNNING;
	memcpy(f->sid, session->sid, OWAMP_SID_SIZE);
	if (session->written) {
		error = submit(f);
	} else {
		f->flush = (struct writer_flush){.done = flushed, .context = f};
		f->step = STEP_FLUSH;
		writer_flush(store_writer(session), &f->flush);
	}
	if (error) {
		fetch_free(f);
		return error;
	}
	store_begin_fetch(session);
	*fetch = f;
	return 0;
}

void store_fetch_free(struct store_fetch *fetch)
{
	if (!fetch)
		return;
	store_end_fetch(fetch->session);
	if (fetch->step == STEP_READ) {
		fetch->cancelled = true;
		return;
	}
	if (fetch->step == STEP_FLUSH)
		writer_flush_cancel(&fetch->flush);
	fetch_free(fetch);
}

bool store_fetch_is_busy(const struct store_fetch *fetch)
{
	return fetch->step != STEP_NONE;
}

int store_fetch_error(const struct store_fetch *fetch, const char **reason)
{
	*reason = fetch->reason;
	return fetch->error;
}

const struct store_head *store_fetch_head(const struct store_fetch *fetch)
{
	return &fetch->head;
}

struct store_session *store_fetch_session(const struct store_fetch *fetch)
{
	return fetch->session;
}

int store_fetch_next(struct store_fetch *fetch)
{
	if (!fetch->wire) {
		fetch->wire_size = fetch->head.count < STORE_BATCH ? fetch->head.count : STORE_BATCH;
		fetch->wire = malloc((size_t)fetch->wire_size * OWAMP_RECORD_SIZE + 1);
	}
	return fetch->wire ? submit(fetch) : OWAMP_ENOMEM;
}

const uint8_t *store_fetch_records(const struct store_fetch *fetch, uint32_t *count)
{
	*count = fetch->wire_count;
	return fetch->wire;
}
