/*
 * Summing a session up again from its rows.
 *
 * Nothing tells when a minute can no longer change: clocks may have been set
 * meanwhile, and another server's records may say anything. So the rows are
 * walked over twice. The first walk finds out which minutes still occur after
 * which row, the second sums up and closes the minutes that do not. Memory is
 * what summing up live would have taken.
 */
#include <stdlib.h>

#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "archive_internal.h"
#include "summary_internal.h"

/* Rows read at once, if a step may read more. */
#define BATCH 1024

enum phase {
	PHASE_BEGIN,
	PHASE_REMOVE,
	PHASE_LOAD,
	PHASE_SURVEY,
	PHASE_SUM,
	PHASE_END,
};

/* After this row (counted from 0), neither its minute nor an earlier one occurs again. */
struct mark {
	uint64_t row;
	int64_t minute_ns;
};

struct summary_rebuild {
	struct archive *archive;
	int64_t session_id;
	int64_t created_ns;
	enum phase phase;
	bool failed;
	struct summary *summary;
	struct archive_walk begin; /* of the rows */
	struct archive_walk walk;
	uint64_t row;       /* the next */
	uint64_t row_count; /* that the first walk found */
	struct mark *marks; /* ascending by both */
	size_t mark_count;
	size_t mark_capacity;
	size_t mark_next; /* the first whose row is not summed up yet */
	bool closing;     /* minutes are left of those to be closed before the next row */
	struct owamp_record records[BATCH];
};

/* OWAMP_EDATA: no such session. */
static int load(struct summary_rebuild *rebuild, bool *packets_kept)
{
	struct archive *archive = rebuild->archive;
	sqlite3_stmt *st =
		archive_statement(archive, ARCHIVE_ST_SUMMED_LOAD,
				  "SELECT created_ns, packets_kept FROM sessions WHERE session_id = ?");
	int step, result = 0;

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, rebuild->session_id);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		rebuild->created_ns = summary_near(sqlite3_column_int64(st, 0));
		*packets_kept = sqlite3_column_int(st, 1) != 0;
	} else {
		result = step == SQLITE_DONE ? OWAMP_EDATA : archive_failed(archive);
	}
	(void)sqlite3_reset(st);
	return result;
}

static int mark_due(struct summary_rebuild *rebuild, bool due)
{
	sqlite3_stmt *st = archive_statement(rebuild->archive, ARCHIVE_ST_SUMMED_MARK,
					     "UPDATE sessions SET summaries_due = ? WHERE session_id = ?");

	if (!st)
		return archive_failed(rebuild->archive);
	(void)sqlite3_bind_int(st, 1, due);
	(void)sqlite3_bind_int64(st, 2, rebuild->session_id);
	return archive_run(rebuild->archive, st);
}

int summary_rebuild_new(struct summary_rebuild **rebuild, struct archive *archive, int64_t session_id)
{
	struct summary_rebuild *r = calloc(1, sizeof *r);
	bool packets_kept;
	int error = OWAMP_ENOMEM;

	*rebuild = NULL;
	if (!r)
		return error;
	r->archive = archive;
	r->session_id = session_id;
	error = load(r, &packets_kept);
	/* Minutes are closed by what the first walk found, not by time. */
	if (!error)
		error = summary_new(&r->summary, 0, r->created_ns);
	if (error) {
		summary_rebuild_free(r);
		return error;
	}
	*rebuild = r;
	return 0;
}

void summary_rebuild_free(struct summary_rebuild *rebuild)
{
	if (!rebuild)
		return;
	summary_free(rebuild->summary);
	free(rebuild->marks);
	free(rebuild);
}

/* A file that somebody changed by hand must not be in the way for ever: what overlaps is joined. */
static void add_skip(struct owamp_skip_range *skips, uint32_t *count, uint32_t first, uint32_t last)
{
	struct owamp_skip_range *previous = *count > 0 ? &skips[*count - 1] : NULL;

	if (!previous || first > previous->last)
		skips[(*count)++] = (struct owamp_skip_range){first, last};
	else if (last > previous->last)
		previous->last = last;
}

static int load_skips(struct summary_rebuild *rebuild)
{
	struct owamp_skip_range *skips;
	uint32_t count, joined = 0;
	int error = archive_skips_load(rebuild->archive, rebuild->session_id, &skips, &count);

	for (uint32_t i = 0; i < count; i++)
		add_skip(skips, &joined, skips[i].first, skips[i].last);
	if (!error)
		error = summary_skips(rebuild->summary, skips, joined);
	free(skips);
	return error;
}

/* Says that it is being summed up, so that a crash is made good. */
static int step_begin(struct summary_rebuild *rebuild)
{
	bool packets_kept = false;
	int error = load(rebuild, &packets_kept);

	rebuild->phase = packets_kept ? PHASE_REMOVE : PHASE_END;
	return error ? error : mark_due(rebuild, packets_kept);
}

static int step_load(struct summary_rebuild *rebuild)
{
	uint32_t count;
	int error = load_skips(rebuild);

	if (!error)
		error = archive_packets_seek(rebuild->archive, rebuild->session_id, 0, UINT32_MAX,
					     &rebuild->begin, &count);
	rebuild->walk = rebuild->begin;
	rebuild->phase = PHASE_SURVEY;
	return error;
}

static int step_remove(struct summary_rebuild *rebuild, unsigned max)
{
	bool more;
	int error = archive_summaries_remove(rebuild->archive, rebuild->session_id, max, &more);

	if (!error && !more)
		rebuild->phase = PHASE_LOAD;
	return error;
}

/* Of a row and one before it in a later minute, or the same one, only the row says when that can be closed.
 */
static int note(struct summary_rebuild *rebuild, const struct owamp_record *record)
{
	int64_t send_ns = owamp_ntp_to_unix_ns(record->send_time, rebuild->created_ns);
	int64_t minute_ns = summary_floor(send_ns, SUMMARY_MINUTE_NS);

	while (rebuild->mark_count > 0 && rebuild->marks[rebuild->mark_count - 1].minute_ns >= minute_ns)
		rebuild->mark_count--;
	if (rebuild->mark_count == rebuild->mark_capacity) {
		size_t capacity = rebuild->mark_capacity + rebuild->mark_capacity / 2 + 16;
		struct mark *marks = reallocarray(rebuild->marks, capacity, sizeof *marks);

		if (!marks)
			return OWAMP_ENOMEM;
		rebuild->marks = marks;
		rebuild->mark_capacity = capacity;
	}
	rebuild->marks[rebuild->mark_count++] = (struct mark){rebuild->row++, minute_ns};
	return 0;
}

static int sum_up(struct summary_rebuild *rebuild, const struct owamp_record *record)
{
	rebuild->row++;
	return summary_record(rebuild->summary, record);
}

/* Hands at most max rows to fn; *count is how many there were, 0 at the end. */
static int walk(struct summary_rebuild *rebuild, unsigned max,
		int (*fn)(struct summary_rebuild *rebuild, const struct owamp_record *record),
		unsigned *count)
{
	int error = 0;

	*count = 0;
	while (*count < max && !error) {
		uint32_t wanted = max - *count < BATCH ? max - *count : BATCH, got;

		error = archive_packets_read(rebuild->archive, &rebuild->walk, rebuild->records, wanted,
					     &got);
		if (error || got == 0)
			break;
		for (uint32_t i = 0; i < got && !error; i++)
			error = fn(rebuild, &rebuild->records[i]);
		*count += got;
	}
	return error;
}

static int step_survey(struct summary_rebuild *rebuild, unsigned max)
{
	unsigned count;
	int error = walk(rebuild, max, note, &count);

	if (error || count > 0)
		return error;
	rebuild->row_count = rebuild->row;
	rebuild->row = 0;
	rebuild->walk = rebuild->begin;
	rebuild->phase = PHASE_SUM;
	return 0;
}

/* Closes what does not occur in the rows that are left, some of it. */
static int close_minutes(struct summary_rebuild *rebuild, unsigned max)
{
	int64_t before_ns = INT64_MAX;

	while (rebuild->mark_next < rebuild->mark_count &&
	       rebuild->marks[rebuild->mark_next].row < rebuild->row)
		rebuild->mark_next++;
	if (rebuild->mark_next < rebuild->mark_count)
		before_ns = rebuild->marks[rebuild->mark_next].minute_ns;
	return summary_close_before(rebuild->summary, before_ns, max, &rebuild->closing);
}

/* Packets that went in between would be missing for ever. */
static int check_rows(struct summary_rebuild *rebuild, bool all)
{
	bool packets_kept = false;
	int error = load(rebuild, &packets_kept);

	if (error)
		return error;
	return packets_kept && (!all || rebuild->row == rebuild->row_count) ? 0 : OWAMP_ESTATE;
}

static int step_sum(struct summary_rebuild *rebuild, unsigned max)
{
	unsigned count = 0;
	bool last = false;
	int error = 0;

	if (!rebuild->closing) {
		error = walk(rebuild, max, sum_up, &count);
		/* After the last row everything was closed. */
		last = count == 0;
	}
	if (!error)
		error = close_minutes(rebuild, max);
	if (!error)
		error = check_rows(rebuild, last);
	if (!error)
		error = summary_store(rebuild->summary, rebuild->archive, rebuild->session_id);
	/* Somebody else sums it up as well. */
	if (!error && summary_is_stale(rebuild->summary))
		error = OWAMP_ESTATE;
	if (!error && last) {
		error = mark_due(rebuild, false);
		rebuild->phase = PHASE_END;
	}
	return error;
}

static int step(struct summary_rebuild *rebuild, unsigned max)
{
	switch (rebuild->phase) {
	case PHASE_BEGIN:
		return step_begin(rebuild);
	case PHASE_REMOVE:
		return step_remove(rebuild, max);
	case PHASE_LOAD:
		return step_load(rebuild);
	case PHASE_SURVEY:
		return step_survey(rebuild, max);
	case PHASE_SUM:
		return step_sum(rebuild, max);
	case PHASE_END:
		break;
	}
	return 0;
}

int summary_rebuild_step(struct summary_rebuild *rebuild, unsigned max, bool *more)
{
	struct archive *archive = rebuild->archive;
	/* What only reads keeps nobody from writing. */
	bool writes = rebuild->phase != PHASE_LOAD && rebuild->phase != PHASE_SURVEY;
	int error;

	*more = true;
	if (max == 0)
		return OWAMP_EINVAL;
	if (rebuild->failed)
		return OWAMP_ESTATE;
	error = writes ? archive_begin(archive) : 0;
	if (error)
		return error;
	error = step(rebuild, max);
	if (!error && writes)
		error = archive_commit(archive);
	if (error) {
		rebuild->failed = true;
		if (writes)
			archive_rollback(archive);
		return error;
	}
	summary_stored(rebuild->summary);
	*more = rebuild->phase != PHASE_END;
	return 0;
}
