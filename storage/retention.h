/*
 * Retention: what is old, or too much, goes; a bounded number of rows at a
 * time, each time in a transaction of its own, so that nobody waits for long.
 *
 * Used by the writer between its own transactions, and by `owstats prune`,
 * which calls retention_step() until there is nothing more to do.
 */
#ifndef STORAGE_RETENTION_H
#define STORAGE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "archive.h"

/* How long what is kept. */
struct writer_retention {
	int64_t packets_ns;   /* a session's packets, from its end; 0: for ever */
	int64_t summaries_ns; /* everything else of it, and the clock's timeline; 0: for ever */
	/*
	 * Of the file, octets, without its log (PATH-wal); 0: any. The oldest ended
	 * sessions' packets go first, then the oldest sessions.
	 */
	uint64_t octets_max;
};

struct summary_rebuild;

/* Where the work stands; zeroed before its first use but for the policy, which may be changed at any time. */
struct retention {
	struct writer_retention policy;
	int64_t session_id; /* being removed; 0: none */
	int64_t endpoint_ids[2];
	uint8_t sid[OWAMP_SID_SIZE];
	bool whole;
	bool fresh;         /* nothing of it has gone yet */
	int64_t changes;    /* of the connection, when the session was found */
	unsigned fruitless; /* sessions in a row of which nothing was there to remove */
	struct summary_rebuild *rebuild;
	bool swept;         /* sessions whose removal ended halfway were looked for */
	bool vacuumed;      /* the file has become shorter but for the last checkpoint */
	bool cannot_vacuum; /* made by somebody else, without auto_vacuum */
};

/*
 * One step: at most max_rows rows go. Sessions that are running are left alone;
 * what is derived from packets is made before they go. removed is called for a
 * session whose packets (or all of it) can no longer be read from now on, NULL:
 * nobody cares. *more: there is more to do, call again.
 */
int retention_step(struct archive *archive, struct retention *retention, int64_t now_ns, unsigned max_rows,
		   void (*removed)(void *context, const uint8_t sid[OWAMP_SID_SIZE]), void *context,
		   bool *more);

/* Forgets where the work stands: before the archive is closed, or after a failure. */
void retention_reset(struct retention *retention);

/*
 * Moves what is in the log to the file, and empties the log if it is long and
 * no reader is in the way. A reader is not waited for longer than the
 * connection's busy timeout.
 */
int retention_checkpoint(struct archive *archive, bool truncate);

#endif
