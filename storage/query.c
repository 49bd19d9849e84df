/* Sessions as owstats looks for them. */
#include "query.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "archive_internal.h"
#include "query_internal.h"

#define SQL_SIZE 2048

int query_begin(struct archive *archive)
{
	return archive_exec(archive, "BEGIN");
}

void query_end(struct archive *archive)
{
	archive_rollback(archive);
}

int query_prepare(struct archive *archive, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v2(archive->db, sql, -1, st, NULL) == SQLITE_OK ? 0 : archive_failed(archive);
}

int query_walk(struct archive *archive, sqlite3_stmt *st, query_row_fn *row, void *context)
{
	int step = SQLITE_DONE, result = 0;

	while (!result && (step = sqlite3_step(st)) == SQLITE_ROW)
		result = row(context, st);
	if (!result && step != SQLITE_DONE)
		result = archive_failed(archive);
	(void)sqlite3_finalize(st);
	return result;
}

int query_of_session(struct archive *archive, const char *sql, int64_t session_id, query_row_fn *row,
		     void *context)
{
	sqlite3_stmt *st;
	int error = query_prepare(archive, sql, &st);

	if (error)
		return error;
	(void)sqlite3_bind_int64(st, 1, session_id);
	return query_walk(archive, st, row, context);
}

const char *query_text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

static int64_t within(sqlite3_stmt *st, int column, int64_t least, int64_t most)
{
	int64_t value = sqlite3_column_int64(st, column);

	if (value < least)
		return least;
	return value < most ? value : most;
}

int64_t query_time(sqlite3_stmt *st, int column)
{
	/* A span of 100 years more must fit as well: that of a step can be so long. */
	return within(st, column, -(INT64_C(1) << 60), INT64_C(1) << 62);
}

int64_t query_delay(sqlite3_stmt *st, int column)
{
	return within(st, column, -INT64_MAX / 2, INT64_MAX / 2);
}

int64_t query_bound(sqlite3_stmt *st, int column)
{
	return within(st, column, 0, INT64_MAX);
}

enum column {
	C_SESSION_ID,
	C_SID,
	C_SENDER,
	C_SENDER_NAME,
	C_RECEIVER,
	C_RECEIVER_NAME,
	C_SENDER_PORT,
	C_RECEIVER_PORT,
	C_DIRECTION,
	C_SERVER,
	C_MODE,
	C_IDENTITY,
	C_CLASS,
	C_PEER,
	C_PACKETS,
	C_PADDING,
	C_TYPE_P,
	C_DSCP,
	C_TIMEOUT,
	C_START,
	C_CREATED,
	C_END,
	C_OUTCOME,
	C_REASON,
	C_NEXT_SEQ,
	C_RECORDS,
	C_RECORDS_LOST,
	C_LEFT_OUT,
	C_PACKETS_KEPT,
	C_SUMMARIES_DUE,
	C_PROGRAM,
	C_VERSION,
};

static const char columns[] =
	"s.session_id, s.sid, a.address, a.name, b.address, b.name, s.sender_port, s.receiver_port,"
	" s.direction, s.server, s.mode, s.identity, s.class, s.peer, s.packets, s.padding_octets, s.type_p,"
	" s.dscp, s.timeout_ns, s.start_ns, s.created_ns, s.end_ns, s.outcome, s.reason, s.next_seq,"
	" CASE s.outcome WHEN 'running' THEN (SELECT coalesce(max(p.arrival) + 1, 0) FROM packet_rows p"
	" WHERE p.session_id = s.session_id) ELSE s.records END,"
	" s.records_lost, s.duplicates_left_out, s.packets_kept, s.summaries_due, s.program, s.version";

static const char tables[] = " FROM sessions s JOIN endpoints a ON a.endpoint_id = s.sender_id"
			     " JOIN endpoints b ON b.endpoint_id = s.receiver_id WHERE NOT s.removal_due";

struct row {
	query_session_fn *fn;
	void *context;
};

static int session_row(void *context, sqlite3_stmt *st)
{
	const struct row *row = context;
	struct query_session session = {
		.session_id = sqlite3_column_int64(st, C_SESSION_ID),
		.sid = query_text(st, C_SID),
		.sender = query_text(st, C_SENDER),
		.sender_name = query_text(st, C_SENDER_NAME),
		.receiver = query_text(st, C_RECEIVER),
		.receiver_name = query_text(st, C_RECEIVER_NAME),
		.sender_port = (uint16_t)sqlite3_column_int(st, C_SENDER_PORT),
		.receiver_port = (uint16_t)sqlite3_column_int(st, C_RECEIVER_PORT),
		.direction = query_text(st, C_DIRECTION),
		.server = query_text(st, C_SERVER),
		.mode = query_text(st, C_MODE),
		.identity = query_text(st, C_IDENTITY),
		.class_name = query_text(st, C_CLASS),
		.peer = query_text(st, C_PEER),
		.packets = (uint32_t)sqlite3_column_int64(st, C_PACKETS),
		.padding = (uint32_t)sqlite3_column_int64(st, C_PADDING),
		.type_p = (uint32_t)sqlite3_column_int64(st, C_TYPE_P),
		.dscp = -1,
		.timeout_ns = query_bound(st, C_TIMEOUT),
		.start_ns = query_time(st, C_START),
		.created_ns = query_time(st, C_CREATED),
		.end_ns = query_time(st, C_END),
		.outcome = archive_outcome_parse(query_text(st, C_OUTCOME)),
		.outcome_text = query_text(st, C_OUTCOME),
		.reason = query_text(st, C_REASON),
		.stop_known = sqlite3_column_type(st, C_NEXT_SEQ) != SQLITE_NULL,
		.next_seq = (uint32_t)sqlite3_column_int64(st, C_NEXT_SEQ),
		.records = (uint64_t)sqlite3_column_int64(st, C_RECORDS),
		.records_lost = (uint64_t)sqlite3_column_int64(st, C_RECORDS_LOST),
		.duplicates_left_out = (uint64_t)sqlite3_column_int64(st, C_LEFT_OUT),
		.packets_kept = sqlite3_column_int(st, C_PACKETS_KEPT) != 0,
		.summaries_due = sqlite3_column_int(st, C_SUMMARIES_DUE) != 0,
		.program = query_text(st, C_PROGRAM),
		.version = query_text(st, C_VERSION),
	};

	/* NOT NULL in the schema: only memory can be the reason. */
	if (!session.sid || !session.sender || !session.receiver || !session.outcome_text)
		return OWAMP_ENOMEM;
	if (sqlite3_column_type(st, C_DSCP) != SQLITE_NULL)
		session.dscp = sqlite3_column_int(st, C_DSCP);
	return row->fn(row->context, &session);
}

/* An address as the archive writes it: "[2001:DB8::1]" is "2001:db8::1". Names stay as they are. */
static void normalize(const char *endpoint, char text[256])
{
	uint8_t address[16];
	size_t length;

	snprintf(text, 256, "%s", endpoint);
	length = strlen(text);
	if (text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		memmove(text, text + 1, length - 1);
	}
	/* "fe80::1%eth0": which interface it was is not in the archive. */
	if (strchr(text, ':'))
		text[strcspn(text, "%")] = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		(void)inet_ntop(AF_INET, address, text, 256);
	else if (inet_pton(AF_INET6, text, address) == 1)
		(void)inet_ntop(AF_INET6, address, text, 256);
}

#define ENDPOINT(parameter)                                                                                  \
	"(SELECT endpoint_id FROM endpoints WHERE address = " parameter " OR name = " parameter              \
	" COLLATE NOCASE)"

/* Only the conditions that there are, so that SQLite finds its index. */
static void print_conditions(const struct query_filter *filter, char *sql, size_t size)
{
	size_t length = strlen(sql);

	snprintf(sql + length, size - length, "%s%s%s%s%s",
		 filter->until_ns < INT64_MAX ? " AND s.start_ns < :until" : "",
		 filter->since_ns > INT64_MIN ? " AND (s.end_ns IS NULL OR s.end_ns >= :since)" : "",
		 filter->from ? " AND s.sender_id IN " ENDPOINT(":from") : "",
		 filter->to ? " AND s.receiver_id IN " ENDPOINT(":to") : "",
		 filter->outcome ? " AND s.outcome = :outcome" : "");
}

static void bind_endpoint(sqlite3_stmt *st, const char *parameter, const char *endpoint)
{
	char text[256];

	if (!endpoint)
		return;
	normalize(endpoint, text);
	(void)sqlite3_bind_text(st, sqlite3_bind_parameter_index(st, parameter), text, -1, SQLITE_TRANSIENT);
}

static void bind_conditions(sqlite3_stmt *st, const struct query_filter *filter)
{
	/* A parameter that is not there has index 0, which is refused. */
	(void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":until"), filter->until_ns);
	(void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":since"), filter->since_ns);
	(void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":limit"), filter->limit);
	bind_endpoint(st, ":from", filter->from);
	bind_endpoint(st, ":to", filter->to);
	if (filter->outcome)
		(void)sqlite3_bind_text(st, sqlite3_bind_parameter_index(st, ":outcome"), filter->outcome, -1,
					SQLITE_STATIC);
}

int query_sessions(struct archive *archive, const struct query_filter *filter, query_session_fn *fn,
		   void *context)
{
	struct row row = {fn, context};
	char sql[SQL_SIZE];
	sqlite3_stmt *st;
	size_t length;
	int error;

	if (filter->limit) {
		snprintf(sql, sizeof sql, "SELECT %s%s AND s.session_id IN (SELECT s.session_id%s", columns,
			 tables, tables);
		print_conditions(filter, sql, sizeof sql);
		length = strlen(sql);
		snprintf(sql + length, sizeof sql - length,
			 " ORDER BY s.start_ns DESC, s.session_id DESC LIMIT :limit)");
	} else {
		snprintf(sql, sizeof sql, "SELECT %s%s", columns, tables);
		print_conditions(filter, sql, sizeof sql);
	}
	length = strlen(sql);
	snprintf(sql + length, sizeof sql - length, " ORDER BY s.start_ns, s.session_id");
	error = query_prepare(archive, sql, &st);
	if (error)
		return error;
	bind_conditions(st, filter);
	return query_walk(archive, st, session_row, &row);
}

static int integer_row(void *context, sqlite3_stmt *st)
{
	*(int64_t *)context = sqlite3_column_int64(st, 0);
	return 0;
}

int query_session_count(struct archive *archive, const struct query_filter *filter, uint64_t *count)
{
	char sql[SQL_SIZE];
	sqlite3_stmt *st;
	int64_t rows = 0;
	int error;

	snprintf(sql, sizeof sql, "SELECT count(*)%s", tables);
	print_conditions(filter, sql, sizeof sql);
	error = query_prepare(archive, sql, &st);
	if (error)
		return error;
	bind_conditions(st, filter);
	error = query_walk(archive, st, integer_row, &rows);
	*count = (uint64_t)rows;
	return error;
}

int query_sid(struct archive *archive, const char *prefix, uint32_t limit, query_session_fn *fn,
	      void *context)
{
	struct row row = {fn, context};
	char sql[SQL_SIZE];
	sqlite3_stmt *st;
	int error;

	/* 'g' is beyond each digit. */
	snprintf(sql, sizeof sql,
		 "SELECT %s%s AND s.sid >= ?1 AND s.sid < ?1 || 'g' ORDER BY s.start_ns, s.session_id LIMIT "
		 "?2",
		 columns, tables);
	error = query_prepare(archive, sql, &st);
	if (error)
		return error;
	(void)sqlite3_bind_text(st, 1, prefix, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 2, limit);
	return query_walk(archive, st, session_row, &row);
}

int query_endpoint_known(struct archive *archive, const char *endpoint, bool *known)
{
	int64_t found = 0;
	sqlite3_stmt *st;
	int error = query_prepare(archive, "SELECT EXISTS " ENDPOINT(":endpoint"), &st);

	*known = false;
	if (error)
		return error;
	bind_endpoint(st, ":endpoint", endpoint);
	error = query_walk(archive, st, integer_row, &found);
	*known = found != 0;
	return error;
}
