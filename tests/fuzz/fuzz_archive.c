/* An archive that somebody has damaged or forged, read and written by all that reads and writes archives. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <owamp/error.h>

#include "storage/archive.h"
#include "storage/import.h"
#include "storage/query.h"
#include "storage/retention.h"
#include "storage/summary.h"

#include "archive_world.h"

#define SESSIONS_MAX 64
#define BATCH_MAX    1024

/* More than any work on so small a file takes. */
#define STEPS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size);

/* A session as it was read; those of a forged file can be many. */
struct seen {
	int64_t session_id;
	uint8_t sid[OWAMP_SID_SIZE];
};

struct reading {
	const struct world *world;
	struct archive *archive;
	bool sound;       /* the file is one: SQLite finds each row wherever it looks */
	uint64_t choices; /* of the input's */
	struct seen seen[SESSIONS_MAX];
	size_t seen_count;
	uint64_t count;
	uint64_t sum; /* of whatever texts and numbers there are */
};

static unsigned choose(struct reading *reading, unsigned below)
{
	unsigned choice = (unsigned)(reading->choices % below);

	reading->choices = reading->choices / below + (reading->choices << 59);
	return choice;
}

static void touch(struct reading *reading, const char *text)
{
	reading->sum += text ? strlen(text) : 0;
}

/* An error that has words for a person, in one line. */
static void check_reason(const struct reading *reading, int error)
{
	const char *reason = archive_reason(reading->archive);

	if (error == OWAMP_ESYSTEM)
		world_require(reason[0] && strlen(reason) < 256 && !strpbrk(reason, "\n\r\x1b"),
			      "a reason in one line");
}

static bool open_archive(struct reading *reading, enum archive_mode mode)
{
	const struct world *world = reading->world;
	size_t length = strlen(world->path);
	char error[400];
	int result = archive_open(&reading->archive, world->path, mode, error, sizeof error);

	world_require((result == 0) == (reading->archive != NULL), "an archive, or none");
	if (result == 0)
		return true;
	world_require(strncmp(error, world->path, length) == 0 && strncmp(error + length, ": ", 2) == 0 &&
			      error[length + 2] && !strpbrk(error, "\n\r\x1b"),
		      "an error in one line");
	return false;
}

/* What was counted at first is what comes, in batches of whatever size. */
static int walk(struct reading *reading, int64_t session_id, uint32_t begin, uint32_t end)
{
	static const uint32_t batches[] = {BATCH_MAX, 1, 7, 64};
	uint32_t batch = batches[choose(reading, 4)], count, got, rounds = 0;
	struct owamp_record records[BATCH_MAX];
	uint8_t wire[OWAMP_RECORD_SIZE];
	struct archive_walk walk;
	uint64_t sum = 0;
	int error = archive_packets_seek(reading->archive, session_id, begin, end, &walk, &count);

	do {
		got = 0;
		if (!error)
			error = archive_packets_read(reading->archive, &walk, records, batch, &got);
		world_require(got <= batch && ++rounds < STEPS_MAX, "a walk comes to its end");
		for (uint32_t i = 0; i < got; i++) {
			world_require(records[i].seq >= begin && records[i].seq <= end, "a packet asked for");
			owamp_record_encode(&records[i], wire);
			reading->sum += wire[0];
		}
		sum += got;
	} while (got > 0);
	if (!error && reading->sound)
		world_require(sum == count, "as many records as were counted");
	return error;
}

static int take_stored(void *context, const struct archive_stored *stored)
{
	struct reading *reading = context;
	int error;

	world_require(stored->program && (stored->request.slots || stored->request.slot_count == 0) &&
			      (stored->stop.skips || stored->stop.skip_count == 0),
		      "a session has all that a session has");
	world_require(memcmp(stored->stop.sid, stored->request.sid, OWAMP_SID_SIZE) == 0, "of one SID");
	touch(reading, stored->identity);
	touch(reading, stored->class_name);
	touch(reading, stored->program);
	for (uint32_t i = 0; i < stored->request.slot_count; i++)
		reading->sum += stored->request.slots[i].interval;
	for (uint32_t i = 0; i < stored->stop.skip_count; i++)
		reading->sum += stored->stop.skips[i].last;
	if (reading->seen_count < SESSIONS_MAX) {
		reading->seen[reading->seen_count] = (struct seen){.session_id = stored->session_id};
		memcpy(reading->seen[reading->seen_count++].sid, stored->request.sid, OWAMP_SID_SIZE);
	}
	error = walk(reading, stored->session_id, 0, UINT32_MAX);
	if (!error)
		error = walk(reading, stored->session_id, choose(reading, 20), choose(reading, 40));
	return error;
}

static int take_id(void *context, const struct archive_stored *stored)
{
	*(int64_t *)context = stored->session_id;
	return 7;
}

/* Each by its SID. */
static void find_each(struct reading *reading)
{
	for (size_t i = 0; i < reading->seen_count; i++) {
		struct seen *seen = &reading->seen[i];
		enum archive_outcome outcome;
		int64_t found = seen->session_id, loaded = seen->session_id;
		int error = archive_session_find(reading->archive, seen->sid, &found, &outcome);

		check_reason(reading, error);
		error = archive_session_load(reading->archive, seen->sid, take_id, &loaded);
		check_reason(reading, error);
		if (reading->sound)
			world_require(error == 7 && found == seen->session_id && loaded == found,
				      "the same session by its SID");
	}
}

static int take_slot(void *context, const struct query_slot *slot)
{
	touch(context, slot->distribution);
	return 0;
}

static int take_minute(void *context, const struct query_minute *minute)
{
	struct reading *reading = context;

	reading->sum += minute->sent + minute->received;
	return 0;
}

static int take_bucket(void *context, int64_t hour_ns, const struct histogram_bucket *bucket)
{
	struct reading *reading = context;
	int64_t lowest, highest;

	(void)hour_ns;
	histogram_edges(bucket->delay_ns, &lowest, &highest);
	world_require(lowest <= bucket->delay_ns && bucket->delay_ns <= highest, "a bucket has edges");
	reading->sum += bucket->packets;
	return 0;
}

static int take_loss(void *context, const struct query_loss *loss)
{
	struct reading *reading = context;

	reading->sum += loss->first_seq;
	return 0;
}

static int take_health(void *context, const char *name, int64_t value, const char *text)
{
	struct reading *reading = context;

	touch(reading, name);
	touch(reading, text);
	reading->sum += (uint64_t)value;
	return 0;
}

static int query_details(struct reading *reading, int64_t session_id)
{
	struct archive *archive = reading->archive;
	struct owamp_skip_range *skips;
	uint32_t count;
	int error = archive_skips_load(archive, session_id, &skips, &count);

	world_require(error == 0 || (!skips && count == 0), "no skip ranges after an error");
	for (uint32_t i = 0; i < count; i++)
		reading->sum += skips[i].first;
	free(skips);
	if (!error)
		error = query_slots(archive, session_id, take_slot, reading);
	if (!error)
		error = query_minutes(archive, session_id, INT64_MIN, INT64_MAX, take_minute, reading);
	if (!error)
		error = query_histogram(archive, session_id, WORLD_NS, INT64_MAX, take_bucket, reading);
	if (!error)
		error = query_losses(archive, session_id, take_loss, reading);
	return error ? error : query_health(archive, session_id, take_health, reading);
}

static int take_session(void *context, const struct query_session *session)
{
	struct reading *reading = context;
	const char *const texts[] = {
		session->sid,       session->sender,       session->sender_name,   session->receiver,
		session->direction, session->server,       session->mode,          session->identity,
		session->peer,      session->outcome_text, session->reason,        session->program,
		session->version,   session->class_name,   session->receiver_name,
	};

	world_require(session->sid && session->sender && session->receiver && session->outcome_text,
		      "texts that are always there");
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		touch(reading, texts[i]);
	reading->count++;
	return query_details(reading, session->session_id);
}

static int query_all(struct reading *reading)
{
	static const char *const ends[] = {NULL, WORLD_IPV4, WORLD_NAME, "[C000:0201::]", ""};
	struct query_filter filter = {
		.since_ns = choose(reading, 2) ? INT64_MIN : WORLD_NS,
		.until_ns = choose(reading, 2) ? INT64_MAX : WORLD_NS + 1,
		.from = ends[choose(reading, 5)],
		.to = ends[choose(reading, 5)],
		.outcome = choose(reading, 3) ? NULL : "finished",
	};
	uint64_t count = 0;
	bool known;
	int error = query_sessions(reading->archive, &filter, take_session, reading);

	if (!error)
		error = query_session_count(reading->archive, &filter, &count);
	if (!error && reading->sound)
		world_require(count == reading->count, "as many sessions as are counted");
	filter.limit = 1 + choose(reading, 3);
	reading->count = 0;
	if (!error)
		error = query_sessions(reading->archive, &filter, take_session, reading);
	if (!error && reading->sound)
		world_require(reading->count == (count < filter.limit ? count : filter.limit), "the limit");
	if (!error)
		error = query_sid(reading->archive, choose(reading, 2) ? "" : "11010203", 3, take_session,
				  reading);
	return error ? error : query_endpoint_known(reading->archive, WORLD_NAME, &known);
}

static void read_all(struct reading *reading)
{
	int error;

	if (!open_archive(reading, ARCHIVE_READ))
		return;
	error = query_begin(reading->archive);
	check_reason(reading, error);
	error = archive_session_load(reading->archive, NULL, take_stored, reading);
	check_reason(reading, error);
	find_each(reading);
	error = query_all(reading);
	check_reason(reading, error);
	query_end(reading->archive);
	archive_close(reading->archive);
}

/* What was made from the packets is of one piece. */
static void check_derived(struct reading *reading, int64_t session_id)
{
	static const char sql[] =
		"SELECT (SELECT coalesce(sum(received), 0) FROM minutes WHERE session_id = ?1) = (SELECT"
		" coalesce(sum(packets), 0) FROM histograms WHERE session_id = ?1)"
		" FROM sessions WHERE session_id = ?1 AND packets_kept = 1";
	sqlite3_stmt *st = NULL;
	int step;

	if (!reading->sound)
		return;
	world_require(sqlite3_prepare_v2(archive_sqlite(reading->archive), sql, -1, &st, NULL) == SQLITE_OK &&
			      sqlite3_bind_int64(st, 1, session_id) == SQLITE_OK,
		      "derived rows are looked at");
	step = sqlite3_step(st);
	world_require(step == SQLITE_DONE || (step == SQLITE_ROW && sqlite3_column_int(st, 0) == 1),
		      "minutes and histograms agree");
	(void)sqlite3_finalize(st);
}

static void sum_up(struct reading *reading, int64_t session_id)
{
	static const unsigned sizes[] = {1000, 7, 50, 100000};
	unsigned max = sizes[choose(reading, 4)];
	struct summary_rebuild *rebuild;
	int error = summary_rebuild_new(&rebuild, reading->archive, session_id), steps = 0;
	bool more = !error;

	check_reason(reading, error);
	while (more && !error) {
		error = summary_rebuild_step(rebuild, max, &more);
		world_require(++steps < STEPS_MAX, "summing up comes to its end");
	}
	check_reason(reading, error);
	if (!error)
		check_derived(reading, session_id);
	summary_rebuild_free(rebuild);
}

/* A client stores what it has; the archive has something under that SID. */
static void import_again(struct reading *reading, const struct seen *seen)
{
	const struct owamp_record records[] = {
		{.seq = 0, .send_time = 1, .receive_time = 2},
		{.seq = 1, .send_time = 3},
	};
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, 1U << 30};
	struct import import = {
		.session = {.request = {.ipvn = 4, .packets = 2, .slot_count = 1, .slots = &slot},
			    .mode = OWAMP_MODE_OPEN,
			    .peer = WORLD_IPV4,
			    .program = "owping",
			    .created_ns = WORLD_NS},
		.end = {.outcome = ARCHIVE_FINISHED, .end_ns = WORLD_NS + 1},
		.records = records,
		.record_count = 2,
		.transaction_rows = choose(reading, 2),
	};
	enum import_result result;
	char reason[300];
	int error;

	memcpy(import.session.request.sid, seen->sid, OWAMP_SID_SIZE);
	error = archive_import(reading->archive, &import, &result, reason, sizeof reason);
	world_require(error == 0 || reason[0], "a reason why it is not stored");
}

static void end_again(struct reading *reading, int64_t session_id)
{
	const struct archive_end end = {.outcome = ARCHIVE_BROKEN, .end_ns = WORLD_NS};
	uint64_t records = 0;
	int error = archive_begin(reading->archive);

	if (!error)
		error = archive_session_cut(reading->archive, session_id, choose(reading, 40), &records);
	if (!error)
		error = archive_session_finish(reading->archive, session_id, &end, records);
	if (!error)
		error = archive_commit(reading->archive);
	check_reason(reading, error);
	archive_rollback(reading->archive);
}

static void keep_little(struct reading *reading)
{
	struct retention retention = {
		.policy = {.packets_ns = choose(reading, 2),
			   .summaries_ns = choose(reading, 2),
			   .octets_max = choose(reading, 2) ? 20000 : 0},
	};
	unsigned max_rows = choose(reading, 2) ? 10 : 1000;
	bool more = true;
	int error = 0, steps = 0;

	while (more && !error) {
		error = retention_step(reading->archive, &retention, INT64_C(2) * WORLD_NS, max_rows, NULL,
				       NULL, &more);
		world_require(++steps < STEPS_MAX, "retention comes to its end");
	}
	check_reason(reading, error);
	retention_reset(&retention);
}

static void write_all(struct reading *reading)
{
	if (!open_archive(reading, ARCHIVE_WRITE))
		return;
	for (size_t i = 0; i < reading->seen_count; i++) {
		const struct seen *seen = &reading->seen[i];

		switch (choose(reading, 4)) {
		case 0:
		case 1:
			sum_up(reading, seen->session_id);
			break;
		case 2:
			import_again(reading, seen);
			break;
		case 3:
			end_again(reading, seen->session_id);
			break;
		}
	}
	keep_little(reading);
	archive_close(reading->archive);
}

static struct world *world;

static void clean_up(void)
{
	world_remove(world);
}

static void read_and_write(struct reading *reading, struct input *in)
{
	reading->sound = input_u8(in) % 2 == 1;
	reading->choices = input_uint(in, 8);
	world_reset(world);
	if (reading->sound)
		world_rewrite(world, in);
	else
		world_patch(world, in);
	read_all(reading);
	if (choose(reading, 2))
		world_ask_owstats(world, choose(reading, 256));
	write_all(reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
	struct input in = {.octets = octets, .left = size};
	struct reading reading = {0};
	size_t memory;

	if (!world) {
		world = world_new();
		atexit(clean_up);
	}
	reading.world = world;
	memory = world_memory();
	read_and_write(&reading, &in);
	world_require(world_memory() == memory, "SQLite's memory is given back");
	return 0;
}
