/* What the writer does between its transactions: summing up, retention, checkpoints. */
#include "writer_internal.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "archive_internal.h"

/* Rows a step: some milliseconds. */
#define ROWS 4096

#define CHECKPOINT_NS (10 * WRITER_SECOND_NS)

void writer_idle_reset(struct writer *writer)
{
	summary_rebuild_free(writer->rebuild);
	writer->rebuild = NULL;
	writer->settling = true;
	retention_reset(&writer->retention);
}

/* A session of ours that has ended and is not summed up. 0: none. */
static int find_due(struct writer *writer, int64_t *session_id)
{
	static const char sql[] =
		"SELECT session_id FROM sessions WHERE summaries_due AND outcome <> 'running'"
		" AND NOT removal_due AND program = ? LIMIT 1";
	sqlite3_stmt *st;
	int step, error = 0;

	*session_id = 0;
	if (sqlite3_prepare_v2(writer->archive->db, sql, -1, &st, NULL) != SQLITE_OK)
		return archive_failed(writer->archive);
	(void)sqlite3_bind_text(st, 1, writer->program, -1, SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		*session_id = sqlite3_column_int64(st, 0);
	else if (step != SQLITE_DONE)
		error = archive_failed(writer->archive);
	(void)sqlite3_finalize(st);
	return error;
}

static int settle(struct writer *writer)
{
	int64_t session_id;
	bool more = true;
	int error;

	if (!writer->rebuild) {
		error = find_due(writer, &session_id);
		writer->settling = error || session_id != 0;
		if (error || session_id == 0)
			return error;
		error = summary_rebuild_new(&writer->rebuild, writer->archive, session_id);
	} else {
		error = summary_rebuild_step(writer->rebuild, ROWS, &more);
	}
	if (error || !more) {
		summary_rebuild_free(writer->rebuild);
		writer->rebuild = NULL;
	}
	/* It was removed meanwhile. */
	return error == OWAMP_EDATA || error == OWAMP_ESTATE ? 0 : error;
}

void writer_call_removed(struct owamp_post *post)
{
	struct writer *writer = post->context;
	struct writer_removal *gone;

	pthread_mutex_lock(&writer->lock);
	gone = writer->gone;
	writer->gone = NULL;
	pthread_mutex_unlock(&writer->lock);
	while (gone) {
		struct writer_removal *removal = gone;

		gone = removal->next;
		writer->removed(writer->context, removal->sid);
		free(removal);
	}
}

void writer_call_replaced(struct owamp_post *post)
{
	struct writer *writer = post->context;

	if (writer->replaced)
		writer->replaced(writer->context);
}

static void removed(void *context, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct writer *writer = context;
	struct writer_removal *removal = writer->spare;

	writer->spare = NULL;
	memcpy(removal->sid, sid, OWAMP_SID_SIZE);
	pthread_mutex_lock(&writer->lock);
	removal->next = writer->gone;
	writer->gone = removal;
	pthread_mutex_unlock(&writer->lock);
	owamp_loop_post(writer->loop, &writer->gone_post);
}

/* A step removes one session at most, and what it has to tell must not fail for memory. */
static int prune(struct writer *writer, bool *more)
{
	if (!writer->spare)
		writer->spare = calloc(1, sizeof *writer->spare);
	if (!writer->spare)
		return OWAMP_ENOMEM;
	return retention_step(writer->archive, &writer->retention, owamp_real_ns(), ROWS,
			      writer->removed ? removed : NULL, writer, more);
}

int writer_idle_step(struct writer *writer, bool *more)
{
	int64_t now = owamp_mono_ns();
	int error;

	*more = true;
	if (writer->settling)
		return settle(writer);
	error = prune(writer, more);
	if (error || now < writer->checkpoint_due)
		return error;
	writer->checkpoint_due = now + CHECKPOINT_NS;
	/* What is cached hides damage to the file, however long it goes on. */
	(void)sqlite3_db_release_memory(writer->archive->db);
	return retention_checkpoint(writer->archive, false);
}
