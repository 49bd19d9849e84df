/*
 * What the tests of summaries share: an archive with a session, packets whose
 * times are known in plain ns, and what follows from them, counted plainly.
 */
#ifndef SUMMARY_FIXTURE_H
#define SUMMARY_FIXTURE_H

#include "reference.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include <owamp/error.h>

#include "storage/summary.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* 2026-11-20T10:00:00Z, the begin of an hour. */
#define BASE_NS INT64_C(1795168800000000000)

/* The S bit, 2^-8 s and 2^-16 s and so on: 1 << scale, in 2^-32 s. */
#define SYNCED       0x8000
#define ERROR(scale) ((uint16_t)((scale) << 8 | 1))

/* A record, and what was put into it. */
struct packet {
	uint32_t seq;
	int64_t send_ns;
	int64_t delay_ns;
	bool lost;
	bool dropped; /* lost, but at our own socket */
	bool duplicate;
	uint16_t send_error;
	uint16_t receive_error;
};

struct place {
	char folder[32];
	char path[64];
	struct archive *archive;
	int64_t session_id;
	int64_t created_ns;
};

/* Unix ns in 32.32 since 1900; wraps by itself. */
static inline owamp_ntp ntp_of(int64_t unix_ns)
{
	__int128 since = (__int128)unix_ns + (__int128)2208988800 * SECOND;

	return (owamp_ntp)ref_round(since << 32, SECOND);
}

static inline struct owamp_record record_of(const struct packet *packet)
{
	owamp_ntp send = ntp_of(packet->send_ns);

	return (struct owamp_record){
		.seq = packet->seq,
		.send_time = send,
		.receive_time = packet->lost ? 0 : send + (uint64_t)ref_units(packet->delay_ns),
		.send_error = packet->send_error,
		.receive_error = packet->receive_error,
		.ttl = 255,
		.duplicate = packet->duplicate,
		.dropped = packet->dropped,
	};
}

static inline void run_sql(struct archive *archive, const char *sql)
{
	assert_int_equal(sqlite3_exec(archive_sqlite(archive), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The one integer of a query. */
static inline int64_t ask(struct archive *archive, const char *sql)
{
	sqlite3_stmt *st;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

/* A session of its own, with no rows yet. */
static inline int64_t add_session(struct archive *archive, int64_t created_ns)
{
	static uint8_t number;
	struct archive_session session = {
		.request =
			{
				.ipvn = 4,
				.packets = UINT32_MAX,
				.sender_address = {192, 0, 2, 1},
				.receiver_address = {192, 0, 2, 2},
				.sid = {++number, (uint8_t)((uintptr_t)archive >> 8)},
				.start = ntp_of(created_ns),
				.timeout = 10 * OWAMP_SECOND,
			},
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = "192.0.2.1",
		.program = "test",
		.created_ns = created_ns,
	};
	int64_t session_id;

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	assert_int_equal(archive_commit(archive), 0);
	return session_id;
}

static inline void open_archive(struct place *place)
{
	char error[300];

	if (archive_open(&place->archive, place->path, ARCHIVE_WRITE, error, sizeof error))
		fail_msg("%s", error);
	/* What is tested here does not depend on the disk. */
	run_sql(place->archive, "PRAGMA synchronous = OFF");
}

/* With the session created then. */
static inline void open_place(struct place *place, int64_t created_ns)
{
	*place = (struct place){.folder = "/tmp/test-summary-XXXXXX", .created_ns = created_ns};
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof place->path, "%s/a", place->folder);
	open_archive(place);
	place->session_id = add_session(place->archive, created_ns);
}

static inline void close_place(struct place *place)
{
	char command[80];

	archive_close(place->archive);
	snprintf(command, sizeof command, "rm -r %s", place->folder);
	assert_int_equal(system(command), 0);
}

static inline struct summary *new_summary(int64_t created_ns)
{
	struct summary *summary;

	assert_int_equal(summary_new(&summary, 10 * SECOND, created_ns), 0);
	return summary;
}

static inline void put(struct summary *summary, const struct packet *packet)
{
	struct owamp_record record = record_of(packet);

	assert_int_equal(summary_record(summary, &record), 0);
}

static inline void store(struct summary *summary, struct place *place)
{
	assert_int_equal(archive_begin(place->archive), 0);
	assert_int_equal(summary_store(summary, place->archive, place->session_id), 0);
	assert_int_equal(archive_commit(place->archive), 0);
	summary_stored(summary);
}

static inline void close_and_store(struct summary *summary, struct place *place)
{
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	store(summary, place);
	assert_false(summary_is_ready(summary));
}

/* A session as a network makes it, with the faults that a foreign server's records may have as well. */
struct story {
	struct packet *packets; /* in the order of arrival */
	size_t count;
	struct owamp_skip_range skips[4];
	uint32_t skip_count;
};

struct story_kind {
	uint32_t packets;
	int64_t begin_ns;
	int64_t interval_ns;  /* mean */
	unsigned lost;        /* percent, in bursts */
	unsigned dropped;     /* percent of these, in their turn in bursts */
	unsigned duplicates;  /* percent */
	unsigned swapped;     /* percent */
	bool losses_anywhere; /* not in ascending order */
	bool skips;
};

static inline void make_story(struct story *story, const struct story_kind *kind, uint64_t seed)
{
	struct packet *packets = calloc(2 * (size_t)kind->packets + 1, sizeof *packets);
	int64_t send_ns = kind->begin_ns;
	uint32_t burst = 0;
	bool dropped = false;
	size_t n = 0;

	*story = (struct story){.packets = packets};
	for (uint32_t seq = 0; seq < kind->packets; seq++) {
		struct packet packet = {
			.seq = seq,
			.send_ns = send_ns,
			/* Around zero, as with clocks that are apart, and a long tail. */
			.delay_ns = (int64_t)ref_below(&seed, 3000000) - 100000 +
				    (ref_below(&seed, 50) == 0 ? (int64_t)ref_below(&seed, 2000) * MS : 0),
			.send_error = (uint16_t)(ERROR(ref_below(&seed, 30)) |
						 (ref_below(&seed, 200) ? SYNCED : 0)),
			.receive_error = (uint16_t)(ERROR(ref_below(&seed, 30)) |
						    (ref_below(&seed, 200) ? SYNCED : 0)),
		};

		send_ns += (int64_t)(ref_random(&seed) % (2 * (uint64_t)kind->interval_ns));
		if (burst == 0 && ref_below(&seed, 300) < kind->lost)
			burst = 1 + ref_below(&seed, 6);
		if (ref_below(&seed, 2) == 0)
			dropped = ref_below(&seed, 100) < kind->dropped;
		packet.lost = burst > 0;
		packet.dropped = packet.lost && dropped;
		burst -= packet.lost;
		packets[n++] = packet;
		while (!packet.lost && ref_below(&seed, 100) < kind->duplicates) {
			packet.duplicate = true;
			packet.delay_ns += MS;
			packets[n++] = packet;
		}
	}
	story->count = n;
	/* Neighbours, or some apart, change places; a packet's first arrival stays the first. */
	for (size_t i = 0; i + 40 < n; i++) {
		size_t j = i + 1 + ref_below(&seed, 39);
		struct packet swap = packets[i];

		if (ref_below(&seed, 100) >= kind->swapped || packets[i].duplicate || packets[j].duplicate ||
		    (!kind->losses_anywhere && (packets[i].lost || packets[j].lost)))
			continue;
		packets[i] = packets[j];
		packets[j] = swap;
	}
	for (size_t i = 0; i < n; i++)
		if (packets[i].duplicate)
			for (size_t j = i + 1; j < n && j < i + 200; j++)
				if (packets[j].seq == packets[i].seq && !packets[j].duplicate) {
					packets[j].duplicate = true;
					packets[i].duplicate = false;
				}
	if (kind->skips) {
		story->skip_count = 4;
		for (uint32_t i = 0; i < 4; i++) {
			uint32_t part = kind->packets / 4;

			story->skips[i].first = part * i + ref_below(&seed, part / 2);
			story->skips[i].last = story->skips[i].first + ref_below(&seed, part / 4);
		}
	}
}

static inline bool story_counts(const struct story *story, const struct packet *packet)
{
	for (uint32_t i = 0; i < story->skip_count; i++)
		if (packet->seq >= story->skips[i].first && packet->seq <= story->skips[i].last)
			return false;
	return true;
}

void assert_summed_up(struct place *place, const struct story *story);

#endif
