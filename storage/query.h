/*
 * What owstats asks the archive. All functions only read; within
 * query_begin() and query_end() they see one state of the file, whatever
 * others write meanwhile. Functions return 0, OWAMP_ENOMEM, or OWAMP_ESYSTEM
 * with the reason from archive_reason(); a callback's result that is not 0 ends
 * the walk and is returned.
 */
#ifndef STORAGE_QUERY_H
#define STORAGE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "archive.h"
#include "histogram.h"

int query_begin(struct archive *archive);
void query_end(struct archive *archive);

/* A session; texts are valid during the call, and NULL where the archive has none. */
struct query_session {
	int64_t session_id;
	const char *sid;
	const char *sender; /* address */
	const char *sender_name;
	const char *receiver;
	const char *receiver_name;
	uint16_t sender_port;
	uint16_t receiver_port;
	const char *direction; /* "sent", "received" */
	const char *server;    /* "sender", "receiver" */
	const char *mode;
	const char *identity;
	const char *class_name;
	const char *peer;
	uint32_t packets;
	uint32_t padding;
	uint32_t type_p;
	int dscp; /* -1: the Type-P is none */
	int64_t timeout_ns;
	int64_t start_ns;
	int64_t created_ns;
	int64_t end_ns; /* only if it is not running */
	enum archive_outcome outcome;
	const char *outcome_text;
	const char *reason;
	bool stop_known;
	uint32_t next_seq; /* only if stop_known */
	uint64_t records;  /* rows; of a running session at least as many as there are */
	uint64_t records_lost;
	uint64_t duplicates_left_out;
	bool packets_kept;
	bool summaries_due;
	const char *program;
	const char *version;
};

typedef int query_session_fn(void *context, const struct query_session *session);

/* Which sessions. An endpoint is named by its address or its name. */
struct query_filter {
	int64_t since_ns; /* sessions that ended before are left out; INT64_MIN: none */
	int64_t until_ns; /* and those that started then or later; INT64_MAX: none */
	const char *from; /* NULL: any */
	const char *to;
	const char *outcome;
	uint32_t limit; /* the newest so many; 0: all */
};

/* In the order of their start. */
int query_sessions(struct archive *archive, const struct query_filter *filter, query_session_fn *fn,
		   void *context);
int query_session_count(struct archive *archive, const struct query_filter *filter, uint64_t *count);

/* Those whose SID begins with these lower-case hexadecimal digits, at most limit. */
int query_sid(struct archive *archive, const char *prefix, uint32_t limit, query_session_fn *fn,
	      void *context);

/* Whether the archive knows an endpoint of this address or name. */
int query_endpoint_known(struct archive *archive, const char *endpoint, bool *known);

struct query_slot {
	const char *distribution;
	int64_t interval_ns;
};

int query_slots(struct archive *archive, int64_t session_id,
		int (*fn)(void *context, const struct query_slot *slot), void *context);

/* What is derived from the packets: query_derived.c */

/* A minute; the delays only if received > 0. */
struct query_minute {
	int64_t minute_ns;
	uint64_t sent;
	uint64_t received;
	uint64_t lost;    /* in the network */
	uint64_t dropped; /* at the receiver's own socket */
	uint64_t duplicates;
	uint64_t reordered;
	int64_t delay_min_ns;
	int64_t delay_p50_ns;
	int64_t delay_p95_ns;
	int64_t delay_p99_ns;
	int64_t delay_p999_ns;
	int64_t delay_max_ns;
	int64_t jitter_ns;
	int64_t send_error_ns;
	int64_t receive_error_ns;
	bool synchronized;
};

/* The minutes of a session that begin in [since, until). */
int query_minutes(struct archive *archive, int64_t session_id, int64_t since_ns, int64_t until_ns,
		  int (*fn)(void *context, const struct query_minute *minute), void *context);

/* The buckets of the hours that begin in [since, until), by hour. */
int query_histogram(struct archive *archive, int64_t session_id, int64_t since_ns, int64_t until_ns,
		    int (*fn)(void *context, int64_t hour_ns, const struct histogram_bucket *bucket),
		    void *context);

struct query_loss {
	uint32_t first_seq;
	uint32_t last_seq;
	int64_t begin_ns;
	int64_t end_ns;
};

int query_losses(struct archive *archive, int64_t session_id,
		 int (*fn)(void *context, const struct query_loss *loss), void *context);

/* A column of the table health that has a value: a number, or a text. */
typedef int query_health_fn(void *context, const char *name, int64_t value, const char *text);

int query_health(struct archive *archive, int64_t session_id, query_health_fn *fn, void *context);

#endif
