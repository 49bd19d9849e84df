/*
 * The writer: one thread that keeps the results of running sessions in an
 * archive, in transactions of about a second.
 *
 * Whoever appends never waits: records go into a bounded queue. While the disk
 * is full, the file locked, read-only or corrupt, the queue fills; what does not
 * fit is counted in its session, which then ends as broken with the reason.
 * What fails is tried again every second, with the file opened anew: nothing
 * has to be restarted when the disk is well again, nor if the file was moved
 * away. The log is told when trouble begins, when records begin to be lost,
 * and when it is over.
 */
#ifndef STORAGE_WRITER_H
#define STORAGE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/clock.h>
#include <owamp/loop.h>

#include "archive.h"
#include "retention.h" /* struct writer_retention */

struct writer;
struct writer_session;

struct writer_config {
	const char *path;    /* or ARCHIVE_MEMORY */
	const char *program; /* "owampd" */
	uint32_t queue_max;  /* records; 0: 262144 */
	struct writer_retention retention;
	struct owamp_loop *loop;
	struct owamp_clock *clock; /* for the clock's timeline; NULL: none */
	/* With syslog's priority, on the writer's thread. */
	void (*log)(void *context, int priority, const char *line);
	/*
	 * On the loop's thread: a session's packets (or all of it) can no longer be
	 * read, for retention removes them. Also called for sessions that were
	 * removed by writer_remove_session() or an earlier process.
	 */
	void (*removed)(void *context, const uint8_t sid[OWAMP_SID_SIZE]);
	/* The same: the file is another one, what was finished before is not in it. NULL: not asked for. */
	void (*replaced)(void *context);
	void *context;
};

/*
 * Opens the archive on the caller's thread: a failure is told in error as
 * archive_open() does. One writer at a time may have a file: PATH-lock is
 * locked for as long as this one lives, "PATH: in use by another PROGRAM (pid
 * N)". Sessions that a process of the same program left running are ended as
 * broken, "PROGRAM ended while the session was running", and summed up; what
 * was being removed goes on being removed. So after this no session of the
 * program is running but ours.
 */
int writer_new(struct writer **writer, const struct writer_config *config, char *error, size_t error_size);

/*
 * Writes what there is, for at most 5 s if it fails. Sessions that were not finished
 * stay running in the file, until the next writer_new(). Flushes that wait are
 * answered. OWAMP_EPARTIAL: not all was written; the log says what was not.
 */
int writer_free(struct writer *writer);

/* From now on. Loop's thread. */
void writer_set_retention(struct writer *writer, const struct writer_retention *retention);

/*
 * All of the following but append(): on the loop's thread. session is copied.
 * OWAMP_ELIMIT: the archive has been in trouble for so long that too many
 * sessions wait already.
 */
int writer_open_session(struct writer *writer, const struct archive_session *session,
			struct writer_session **handle);

/*
 * One thread at a time for one session, and not after finish(). Never waits for
 * the disk. Duplicates beyond an eighth of the session's packets and 16 are left
 * out, so that first arrivals always have their place.
 */
void writer_append(struct writer_session *handle, const struct owamp_record *record);

/* Records that could not be stored so far, and duplicates left out; any thread. */
uint64_t writer_lost(const struct writer_session *handle);
uint64_t writer_left_out(const struct writer_session *handle);

/*
 * Ends the session: records with seq >= cut go, all if it is invalid. If records
 * were lost, finished becomes broken, with the reason. end is copied; what it
 * says to be lost or left out is added to. The handle is the writer's to free
 * from now on, also if this fails: out of memory the session ends as invalid.
 */
int writer_finish_session(struct writer_session *handle, const struct archive_end *end, uint32_t cut);

/* Removes a session that was finished, all of it, soon. */
int writer_remove_session(struct writer *writer, const uint8_t sid[OWAMP_SID_SIZE]);

/*
 * Has everything so far written at once, then calls done on the loop: error 0
 * if it is committed, or OWAMP_ESYSTEM if the archive is in trouble (reason in
 * words, valid during the call). The object is the caller's and must stay until
 * done was called or writer_flush_cancel().
 */
struct writer_flush {
	void (*done)(struct writer_flush *flush, int error, const char *reason);
	void *context;
	struct owamp_post post; /* the writer's, as what follows */
	struct writer_flush *next;
	struct writer *writer;
	int error;
	char reason[200];
};

void writer_flush(struct writer *writer, struct writer_flush *flush);
void writer_flush_cancel(struct writer_flush *flush);

#endif
