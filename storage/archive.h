/*
 * The archive: an SQLite file with the results of sessions. docs/archive.md
 * says what is in it; storage/schema/ creates it.
 *
 * This is the synchronous layer: each call does its work on the caller's
 * thread and can wait for the disk. The writer (writer.h) puts a thread in
 * front of it.
 *
 * An object is one connection, used by one thread at a time; any number of
 * connections, in any number of processes, may have one file open. Functions
 * return 0 or a code of enum owamp_error: OWAMP_ESYSTEM for what SQLite or the
 * system refused, with the reason in words from archive_reason().
 */
#ifndef STORAGE_ARCHIVE_H
#define STORAGE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <owamp/clock.h>
#include <owamp/collector.h>
#include <owamp/pacer.h>
#include <owamp/session.h>

struct archive;
struct sqlite3;

/* PRAGMA application_id of our files: "OWMP". */
#define ARCHIVE_APPLICATION_ID 0x4f574d50

/* A private archive in memory, shared by the connections of this process that name it. */
#define ARCHIVE_MEMORY "file:/owamp-archive?vfs=memdb"

enum archive_mode {
	ARCHIVE_READ,  /* an existing file, also one that is in use; nothing is written */
	ARCHIVE_WRITE, /* created if it is not there, migrated if it is of an older version */
};

/*
 * On failure *archive is NULL and error one line, "PATH: what is wrong": no
 * such file, not an SQLite database, an SQLite database of something else, of
 * a newer version, corrupt, permission denied, ...
 */
int archive_open(struct archive **archive, const char *path, enum archive_mode mode, char *error,
		 size_t error_size);
void archive_close(struct archive *archive);

/* The newest version of the schema, that of files which we have written to. */
int archive_version(void);

/* Why the last call failed, without the path: "database or disk is full". */
const char *archive_reason(const struct archive *archive);

/* The file as opened is no longer the one with its name: removed or replaced. */
bool archive_is_gone(const struct archive *archive);

/* The connection, for queries of others. Owned by the archive. */
struct sqlite3 *archive_sqlite(const struct archive *archive);

/*
 * Transactions. Whatever changes rows below must be within one; begin() takes
 * the write lock and waits for other processes for a bounded time (5 s).
 * rollback() can be called at any time.
 */
int archive_begin(struct archive *archive);
int archive_commit(struct archive *archive);
void archive_rollback(struct archive *archive);

/* sessions.c sessions_load.c removal.c */

enum archive_outcome {
	ARCHIVE_RUNNING,
	ARCHIVE_FINISHED, /* ended by Stop-Sessions, possibly early, with all its records */
	ARCHIVE_BROKEN,   /* ended otherwise, or records are missing: reason says which */
	ARCHIVE_INVALID,  /* nothing of it is to be believed; it has no packets */
};

/* A session as it is agreed on. Nothing is kept of the pointers after the call. */
struct archive_session {
	struct owamp_request request; /* as accepted, with SID and ports */
	uint32_t mode;                /* enum owamp_mode */
	bool received;                /* the host that writes is the receiver */
	const char *identity;         /* NULL: unauthenticated mode */
	const char *class_name;       /* NULL: none */
	const char *peer;             /* address of the control connection's other end, no port */
	const char *sender_name;      /* NULL: not known */
	const char *receiver_name;
	const char *program; /* "owampd", ... */
	int64_t created_ns;  /* Unix; also tells the NTP era of all the session's times */
};

/* How it ended. */
struct archive_end {
	enum archive_outcome outcome;
	const char *reason;                    /* NULL: nothing to say */
	const struct owamp_stop_session *stop; /* the sender's account; NULL: none */
	int64_t end_ns;
	uint64_t records_lost;                       /* that could not be stored */
	uint64_t duplicates_left_out;                /* on purpose */
	bool summaries_due;                          /* what is derived from the packets is not there yet */
	const struct owamp_send_health *send_health; /* NULL: did not send */
	const struct owamp_receive_health *receive_health; /* NULL: did not receive */
};

/*
 * When a session ended that was created elapsed_ns of CLOCK_MONOTONIC ago: now,
 * but not earlier than that says if the clock was set back meanwhile. No range of
 * time holds a session that ends before it begins.
 */
int64_t archive_session_end(int64_t created_ns, int64_t elapsed_ns, int64_t now_ns);

/* OWAMP_EINVAL: a session with this SID is there already; *session_id is its id then. */
int archive_session_insert(struct archive *archive, const struct archive_session *session,
			   int64_t *session_id);

/* Removes packets with seq >= cut; counts the rows into records; *records may be NULL. */
int archive_session_cut(struct archive *archive, int64_t session_id, uint32_t cut, uint64_t *records);

/* All of end. records: rows in packets, which archive_session_cut() counts or the caller knows. */
int archive_session_finish(struct archive *archive, int64_t session_id, const struct archive_end *end,
			   uint64_t records);

/* 0 and *session_id, or OWAMP_EDATA if there is none. */
int archive_session_find(struct archive *archive, const uint8_t sid[OWAMP_SID_SIZE], int64_t *session_id,
			 enum archive_outcome *outcome);

/*
 * Removes a session's packets, and if whole is set all of it; at most max rows
 * a call, so that no lock is long. Marks the session first (packets_kept,
 * removal_due), so that half of it is never taken for all, and a crash in
 * between is made good; with max 0 it only does that. *more: call again.
 */
int archive_session_remove(struct archive *archive, int64_t session_id, bool whole, unsigned max, bool *more);

/* The same for what is derived from the packets: minutes, histograms and losses. Marks nothing. */
int archive_summaries_remove(struct archive *archive, int64_t session_id, unsigned max, bool *more);

/* A session read back. */
struct archive_stored {
	int64_t session_id;
	struct owamp_request request; /* octet for octet */
	uint32_t mode;
	bool received;
	const char *identity; /* NULL: none */
	const char *class_name;
	const char *program;
	enum archive_outcome outcome;
	bool packets_kept;
	bool stop_known;
	struct owamp_stop_session stop; /* with the skip ranges */
	uint64_t records;               /* rows: counted if it is running, stored otherwise */
	int64_t created_ns;
	int64_t end_ns; /* 0: running */
};

/*
 * Calls fn for the session with this SID (OWAMP_EDATA if there is none), or with
 * sid NULL for each session that is not being removed, in the order of
 * session_id; what it gets is valid during the call. fn's non-zero result ends
 * the walk and is returned.
 */
int archive_session_load(struct archive *archive, const uint8_t *sid,
			 int (*fn)(void *context, const struct archive_stored *stored), void *context);

/*
 * A session's skip ranges in order, for free(); NULL and 0 after an error. A file
 * that was changed by hand can have ones that overlap.
 */
int archive_skips_load(struct archive *archive, int64_t session_id, struct owamp_skip_range **skips,
		       uint32_t *count);

/* The size of the file, and what of it is in use. Undefined after an error. */
int archive_octets(struct archive *archive, uint64_t *all, uint64_t *used);

/* What other rows say of the meter. */
struct archive_clock {
	int64_t time_ns;
	const char *program;
	const char *source;
	bool synchronized;
	int64_t bound_ns;
	int64_t step_ns;
	int64_t drift_ppb;
	const char *steered_by; /* NULL: not asked */
	const char *alarm;      /* NULL or "": none */
	int leap;
	int tai_utc; /* 0: not known */
};

int archive_clock_insert(struct archive *archive, const struct archive_clock *clock);

/* A source at the time of the row that archive_clock_insert() made last. */
int archive_clock_source_insert(struct archive *archive, const char *program,
				const struct owamp_clock_source_status *source);

/* Row, and all sources, of a status taken at now_real. */
int archive_clock_status_insert(struct archive *archive, const char *program,
				const struct owamp_clock_status *status, int64_t step_ns);

/* packets.c */

/*
 * arrival: ascending within the session. near_ns: the session's created_ns.
 * Every bit of the record comes back from archive_packets_read().
 */
int archive_packet_insert(struct archive *archive, int64_t session_id, uint32_t arrival,
			  const struct owamp_record *record, int64_t near_ns);

/* The same for records of one session, at arrival and what follows it; after an error some may be there. */
int archive_packets_insert(struct archive *archive, int64_t session_id, uint32_t arrival,
			   const struct owamp_record *const records[], uint32_t count, int64_t near_ns);

/* A walk over a session's records in the order of arrival. */
struct archive_walk {
	int64_t session_id;
	uint32_t begin_seq;
	uint32_t end_seq;      /* inclusive */
	uint64_t next_arrival; /* to be looked at next */
	uint64_t end_arrival;  /* one beyond the last there was at the begin */
};

/* Starts a walk and counts the records it will yield. */
int archive_packets_seek(struct archive *archive, int64_t session_id, uint32_t begin_seq, uint32_t end_seq,
			 struct archive_walk *walk, uint32_t *count);

/* At most max records, and how many in *count: 0 at the end. */
int archive_packets_read(struct archive *archive, struct archive_walk *walk, struct owamp_record *records,
			 uint32_t max, uint32_t *count);

#endif
