/*
 * archive: how fast results get into an archive, and answers out of it.
 *
 *	archive.c          options, the rounds, the big archive
 *	archive_feed.c     sessions and records, through the writer
 *	archive_bare.c     the same by inserts and nothing else
 *	archive_queries.c  the queries of docs/archive.md, by the sqlite3 program
 *	archive_report.c   text and JSON
 */
#ifndef BENCH_ARCHIVE_H
#define BENCH_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/session.h>

#include "storage/archive.h"

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS   (3600 * SECOND_NS)

#define QUERIES_MAX 64

/* feed: where records come from. */

struct feed_session {
	struct owamp_request request;
	struct owamp_slot slot;
	char sender[16];
	char receiver[16];
	int64_t start_ns;
	int64_t interval_ns;
	int64_t delay_base_ns;
	uint32_t next_seq;
	uint32_t burst; /* packets that will still be lost in a row */
	bool again;     /* the last one arrives once more */
	struct owamp_record last;
	uint64_t random;
	void *handle; /* the writer's */
	int64_t session_id;
	uint32_t arrival;
};

/* number tells sessions apart, pair and back whose it is. */
void feed_session_init(struct feed_session *session, unsigned number, unsigned pair, bool back,
		       int64_t start_ns, unsigned rate, uint32_t packets);

/* What an archive is told of it; points into the session. */
struct archive_session feed_session_row(struct feed_session *session);

/* The next record in the order of arrival; false: it was the last. */
bool feed_next(struct feed_session *session, struct owamp_record *record);

/* A record and whose it is. */
struct feed_entry {
	struct feed_session *session;
	struct owamp_record record;
};

struct feed_source {
	bool (*next)(void *context, struct feed_entry *entry);
	void *context;
};

struct feed_result {
	double seconds;
	unsigned transactions; /* of the writer, seen from outside */
};

struct feed;

/* Opens or creates the archive with the real writer; says on stderr what fails. */
bool feed_new(struct feed **feed, const char *path);

/*
 * Opens the sessions, appends all records from a thread at full speed but never
 * more than the queue holds, ends the sessions, and waits until all is
 * committed. False if a record was lost.
 */
bool feed_run(struct feed *feed, struct feed_session *sessions, unsigned count,
	      const struct feed_source *source, struct feed_result *result);

void feed_free(struct feed *feed);

/* The same rows by a prepared INSERT and nothing else, in transactions of so many rows. */
bool feed_bare(const char *path, struct feed_session *sessions, unsigned count,
	       const struct feed_entry *entries, size_t entry_count, size_t transaction, double *seconds);

/* queries */

struct query {
	char *name;
	char *sql;
	bool everyday; /* a view, asked for one pair */
	double ms;     /* median */
	uint64_t rows;
};

struct queries {
	struct query list[QUERIES_MAX];
	size_t count;
};

/* The parameters of the documented queries. */
struct query_parameters {
	const char *sender;
	const char *receiver;
	int64_t from_ns;
	int64_t to_ns;
	char sid[33];
};

/* Those of the document, and each view that knows pairs. */
bool queries_load(struct queries *queries, const char *document, const char *archive);
bool queries_run(struct queries *queries, const char *archive, const struct query_parameters *parameters,
		 unsigned rounds);
void queries_free(struct queries *queries);

/* report */

struct rate {
	unsigned sessions;
	double bare;          /* rows/s */
	double writer;        /* rows/s */
	unsigned transaction; /* rows in each, with both */
	double octets;        /* of the file, a packet, without what is empty */
};

struct report {
	size_t rows; /* of each round of a rate */
	unsigned rounds;
	struct rate rates[2];
	unsigned rate_count;
	uint64_t packets; /* of the big archive; 0: there was none */
	unsigned sessions;
	double build_seconds;
	int64_t file_octets;
	double octets; /* a packet */
	struct queries queries;
};

bool report_print(const struct report *report, bool json);

#endif
