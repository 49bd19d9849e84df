/* Rows of the clock's timeline. */
#include "archive.h"

#include "archive_internal.h"

int archive_clock_insert(struct archive *archive, const struct archive_clock *clock)
{
	sqlite3_stmt *st =
		archive_statement(archive, ARCHIVE_ST_CLOCK_ADD,
				  "INSERT INTO clock (time_ns, program, source, synchronized,"
				  " bound_ns, step_ns, drift_ppb, steered_by, alarm, leap, tai_utc)"
				  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, clock->time_ns);
	archive_bind_text(st, 2, clock->program);
	archive_bind_text(st, 3, clock->source);
	(void)sqlite3_bind_int(st, 4, clock->synchronized);
	(void)sqlite3_bind_int64(st, 5, clock->bound_ns);
	(void)sqlite3_bind_int64(st, 6, clock->step_ns);
	(void)sqlite3_bind_int64(st, 7, clock->drift_ppb);
	archive_bind_text(st, 8, clock->steered_by);
	archive_bind_text(st, 9, clock->alarm && clock->alarm[0] ? clock->alarm : NULL);
	(void)sqlite3_bind_int(st, 10, clock->leap);
	if (clock->tai_utc)
		(void)sqlite3_bind_int(st, 11, clock->tai_utc);
	return archive_run(archive, st);
}

int archive_clock_source_insert(struct archive *archive, const char *program,
				const struct owamp_clock_source_status *source)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_CLOCK_SOURCE_ADD,
		"INSERT INTO clock_sources (clock_id, program, name, source,"
		" state, used, contradicted, steers, offset_ns, bound_ns, age_ns, reason)"
		" VALUES ((SELECT max(clock_id) FROM clock), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	if (!st)
		return archive_failed(archive);
	archive_bind_text(st, 1, program);
	archive_bind_text(st, 2, source->name);
	archive_bind_text(st, 3, source->source);
	archive_bind_text(st, 4, owamp_clock_state_name(source->state));
	(void)sqlite3_bind_int(st, 5, source->used);
	(void)sqlite3_bind_int(st, 6, source->contradicted);
	(void)sqlite3_bind_int(st, 7, source->steers);
	if (source->measured) {
		(void)sqlite3_bind_int64(st, 8, source->offset_ns);
		(void)sqlite3_bind_int64(st, 9, source->bound_ns);
		(void)sqlite3_bind_int64(st, 10, source->age_ns);
	}
	archive_bind_text(st, 11, source->text);
	return archive_run(archive, st);
}

int archive_clock_status_insert(struct archive *archive, const char *program,
				const struct owamp_clock_status *status, int64_t step_ns)
{
	const struct archive_clock clock = {
		.time_ns = status->now_real,
		.program = program,
		.source = status->snapshot.source,
		.synchronized = status->snapshot.synchronized,
		.bound_ns = status->bound_ns,
		.step_ns = step_ns,
		.drift_ppb = status->snapshot.drift_ppb,
		.steered_by = owamp_clock_steering_words(status->steering),
		.alarm = status->alarm,
		.leap = status->snapshot.leap,
		.tai_utc = status->snapshot.tai_utc,
	};
	int error = archive_clock_insert(archive, &clock);

	for (size_t i = 0; i < status->count && !error; i++)
		error = archive_clock_source_insert(archive, program, &status->sources[i]);
	return error;
}
