/*
 * The results of the sessions a server received, kept for Fetch-Session: here
 * in memory, bounded by what the policy granted each session.
 *
 * Records may be appended on one thread while others read; everything else is
 * for the main thread.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

#include <owamp/session.h>

struct store;
struct store_session;

enum store_outcome {
	STORE_RUNNING,
	STORE_NORMAL,  /* ended by Stop-Sessions, possibly early */
	STORE_BROKEN,  /* the control connection broke: only parts can be fetched */
	STORE_INVALID, /* nothing of it can be fetched */
};

struct store_info {
	struct owamp_request request; /* as accepted, with SID and ports; slots are copied */
	uint32_t mode;
	const char *key_id;           /* the owner; NULL: open mode. Copied */
	struct sockaddr_storage peer; /* of the control connection that made it */
	uint64_t octets_max;
	void *grant; /* the caller's */
};

int store_new(struct store **store);

/* release is called for each session that goes, with its grant. */
void store_free(struct store *store, void (*release)(void *grant));

/* The octets to reserve for a session's records: its packets and some duplicates. */
uint64_t store_octets_wanted(uint32_t packets);

/* What a session takes besides its records. */
uint64_t store_overhead(uint32_t slot_count, uint32_t skip_count);

/* OWAMP_EINVAL if the SID is there already. */
int store_open(struct store *store, const struct store_info *info, struct store_session **session);

/* Appends; what exceeds octets_max or memory is counted and not kept. Any thread. */
void store_append(struct store_session *session, const struct owamp_record *record);

/*
 * Ends a session: records with seq >= cut go. stop is NULL if the sender did
 * not say how far it came. Records that could not be kept make it BROKEN.
 */
int store_finish(struct store_session *session, enum store_outcome outcome,
		 const struct owamp_stop_session *stop, uint32_t cut, int64_t now_mono);

struct store_session *store_find(struct store *store, const uint8_t sid[OWAMP_SID_SIZE]);

/* The pointers in it live as long as the session. */
const struct store_info *store_info(const struct store_session *session);
enum store_outcome store_outcome(const struct store_session *session);

/* The sender's account, with the SID; without one, next_seq is where the records end. */
void store_stop(const struct store_session *session, struct owamp_stop_session *stop);
uint64_t store_octets(struct store_session *session);  /* of records */
uint64_t store_dropped(struct store_session *session); /* records that could not be kept */

/* A walk over the records of a range, as they are at its begin. */
struct store_cursor {
	uint32_t begin_seq;
	uint32_t end_seq;
	uint64_t next;  /* record */
	uint64_t limit; /* records at the beginning of the walk */
};

/* Starts a walk; returns how many records it will yield. */
uint32_t store_seek(struct store_session *session, uint32_t begin_seq, uint32_t end_seq,
		    struct store_cursor *cursor);

/* Writes at most max encoded records to wire; returns how many. */
uint32_t store_read(struct store_session *session, struct store_cursor *cursor, uint8_t *wire, uint32_t max);

/* A session that is held is not freed when it is removed, but when it is let go. */
void store_hold(struct store_session *session);
void store_let_go(struct store_session *session);

/* Takes it out of the store; its grant is the caller's to release. */
void store_remove(struct store *store, struct store_session *session);

/* Removes what ended before the given time, through release; sessions without an owner stay. */
void store_expire(struct store *store, int64_t before_mono, void (*release)(void *grant));

#endif
