#include "query_clock.h"

#include "query_internal.h"

struct source_row {
	int (*fn)(void *context, const struct query_clock_source *source);
	void *context;
};

struct event_row {
	int (*fn)(void *context, const struct query_clock_event *event);
	void *context;
};

static int source_row(void *context, sqlite3_stmt *st)
{
	const struct source_row *row = context;
	const struct query_clock_source source = {
		.program = query_text(st, 0),
		.name = query_text(st, 1),
		.source = query_text(st, 2),
		.state = query_text(st, 3),
		.reason = query_text(st, 4),
		.used = sqlite3_column_int(st, 5),
		.contradicted = sqlite3_column_int(st, 6),
		.steers = sqlite3_column_int(st, 7),
		.measured = sqlite3_column_type(st, 9) != SQLITE_NULL,
		.offset_ns = query_delay(st, 8),
		.bound_ns = query_bound(st, 9),
		.age_ns = query_bound(st, 10),
		.time_ns = query_time(st, 11),
	};

	return row->fn(row->context, &source);
}

int query_clock_sources(struct archive *archive,
			int (*fn)(void *context, const struct query_clock_source *source), void *context)
{
	struct source_row row = {fn, context};
	sqlite3_stmt *st;
	int error =
		query_prepare(archive,
			      "SELECT program, name, source, state, reason, used, contradicted, steers,"
			      " offset_ns, bound_ns, age_ns, time_ns FROM clock_now ORDER BY program, name",
			      &st);

	return error ? error : query_walk(archive, st, source_row, &row);
}

static int event_row(void *context, sqlite3_stmt *st)
{
	const struct event_row *row = context;
	const struct query_clock_event event = {
		.time_ns = query_time(st, 0),
		.program = query_text(st, 1),
		.step_ns = query_delay(st, 2),
		.source_before = query_text(st, 3),
		.source = query_text(st, 4),
		.begun = sqlite3_column_type(st, 3) == SQLITE_NULL,
		.synchronized_before = sqlite3_column_int(st, 5),
		.synchronized = sqlite3_column_int(st, 6),
		.bound_before_ns = query_bound(st, 7),
		.bound_ns = query_bound(st, 8),
		.alarm_before = query_text(st, 9),
		.alarm = query_text(st, 10),
		.steered_by_before = query_text(st, 11),
		.steered_by = query_text(st, 12),
		.leap_before = sqlite3_column_int(st, 13),
		.leap = sqlite3_column_int(st, 14),
	};

	return row->fn(row->context, &event);
}

int query_clock_events(struct archive *archive, int64_t since_ns, int64_t until_ns,
		       int (*fn)(void *context, const struct query_clock_event *event), void *context)
{
	struct event_row row = {fn, context};
	sqlite3_stmt *st;
	int error =
		query_prepare(archive,
			      "SELECT time_ns, program, step_ns, source_before, source, synchronized_before,"
			      " synchronized, bound_before_ns, bound_ns, alarm_before, alarm,"
			      " steered_by_before, steered_by, leap_before, leap FROM clock_events"
			      " WHERE time_ns >= ?1 AND time_ns < ?2 ORDER BY time_ns, program",
			      &st);

	if (error)
		return error;
	(void)sqlite3_bind_int64(st, 1, since_ns);
	(void)sqlite3_bind_int64(st, 2, until_ns);
	return query_walk(archive, st, event_row, &row);
}
