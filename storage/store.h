/*
 * The results of the sessions a server received, kept for Fetch-Session: an
 * index in memory of what is in the archive and whose it is. The writer
 * (writer.h) puts records into the archive. What is fetched is read on a
 * thread of its own, so that the caller never waits for the disk.
 *
 * What a session takes in the file is charged to a grant of the caller's until
 * it is gone from there.
 *
 * Everything but store_append() is for the loop's thread.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <owamp/clock.h>
#include <owamp/loop.h>
#include <owamp/session.h>

#include "archive.h"
#include "writer.h"

struct store;
struct store_session;
struct store_fetch;

struct store_config {
	const char *path; /* NULL: in memory, for as long as the store lives */
	const char *program;
	struct writer_retention retention;
	struct owamp_loop *loop;
	struct owamp_clock *clock;
	/* With syslog's priority, on any thread. */
	void (*log)(void *context, int priority, const char *line);
	/* Charges what an earlier process left, without asking whether that is too much. */
	int (*charge)(void *context, const char *class_name, uint64_t octets, void **grant);
	void (*settle)(void *grant, uint64_t octets); /* so much is there after all */
	void (*release)(void *grant);                 /* it is gone */
	void *context;
};

/* What can be fetched: sessions with an owner, and their records. */
struct store_count {
	uint64_t sessions;
	uint64_t records;
};

/*
 * Opens the archive, or creates it, and charges what it holds. On failure error
 * is one line, "PATH: what is wrong".
 */
int store_new(struct store **store, const struct store_config *config, struct store_count *count, char *error,
	      size_t error_size);

/* Writes what there is, for a bounded time. All fetches must be gone; grants are released. OWAMP_EPARTIAL:
 * not all of it. */
int store_free(struct store *store);

void store_set_retention(struct store *store, const struct writer_retention *retention);

/* The octets to reserve for a session's records: its packets and some duplicates. */
uint64_t store_octets_wanted(uint32_t packets);

/* What a session takes besides its records. */
uint64_t store_overhead(uint32_t slot_count, uint32_t skip_count);

/* A session that was agreed on. */
struct store_info {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t slot_count;
	const char *owner;            /* KeyID; NULL: open mode. Copied */
	struct sockaddr_storage peer; /* of the control connection */
	void *grant;                  /* the store's, if store_open() succeeds */
};

/*
 * OWAMP_EINVAL if the SID is there already. The session stays in memory until
 * store_let_go(), whatever becomes of what it stands for.
 */
int store_open(struct store *store, const struct store_info *info, struct store_session **session);
void store_let_go(struct store_session *session);

/* It starts: only now it gets into the archive. description is copied. */
int store_start(struct store_session *session, const struct archive_session *description);

/* One thread at a time for one session, between start and finish; never waits. */
void store_append(struct store_session *session, const struct owamp_record *record);

/*
 * Ends a session: records with seq >= cut go. One that never started leaves
 * nothing. end is copied. Returns what became of it: records that could
 * not be stored make it ARCHIVE_BROKEN.
 */
enum archive_outcome store_finish(struct store_session *session, const struct archive_end *end, uint32_t cut);

struct store_session *store_find(struct store *store, const uint8_t sid[OWAMP_SID_SIZE]);

enum archive_outcome store_outcome(const struct store_session *session);
const uint8_t *store_sid(const struct store_session *session);
uint64_t store_lost(const struct store_session *session);     /* records that could not be stored */
uint64_t store_left_out(const struct store_session *session); /* duplicates */

/* It has been started: the archive has it, or will. */
bool store_is_started(const struct store_session *session);

/* It can be found by its SID. */
bool store_is_there(const struct store_session *session);

/* NULL: a session of open mode. */
const char *store_owner(const struct store_session *session);

/* Whose an open-mode session is; NULL: nobody's any more. */
const struct sockaddr *store_peer(const struct store_session *session);

/*
 * Takes a session that has ended, or never started, out of the store and the
 * archive; fetches that have begun go on.
 */
void store_remove(struct store_session *session);

/* The control connection of an open-mode session is gone: nobody can fetch it any more. */
void store_disown(struct store_session *session);

/* store_fetch.c */

/* What a fetch begins with. */
struct store_head {
	struct owamp_request request;
	enum archive_outcome outcome;
	const char *reason;             /* of the outcome; "" if there is none */
	struct owamp_stop_session stop; /* without the sender's account, next_seq is where the records end */
	uint32_t count;                 /* of the records that will come */
};

/*
 * Reads a session's head, then its records from begin_seq to end_seq, in
 * batches. ready() is called on the loop when the head has been read, and after
 * each store_fetch_next(); never from within a call.
 */
int store_fetch_new(struct store_fetch **fetch, struct store_session *session, uint32_t begin_seq,
		    uint32_t end_seq, void (*ready)(void *context), void *context);

/* At any time; ready() is not called any more. */
void store_fetch_free(struct store_fetch *fetch);

/* ready() is still to be called. */
bool store_fetch_is_busy(const struct store_fetch *fetch);

/*
 * Of what was read last: 0; OWAMP_EDATA: the archive does not have it;
 * otherwise the archive is in trouble. reason says it in words.
 */
int store_fetch_error(const struct store_fetch *fetch, const char **reason);

const struct store_head *store_fetch_head(const struct store_fetch *fetch);
struct store_session *store_fetch_session(const struct store_fetch *fetch);

/* Has more records read. */
int store_fetch_next(struct store_fetch *fetch);

/* The records read last, as they are on the wire; count 0: there are no more. */
const uint8_t *store_fetch_records(const struct store_fetch *fetch, uint32_t *count);

#endif
