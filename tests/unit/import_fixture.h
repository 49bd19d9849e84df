/*
 * A session made by hand, with records of all kinds, and what an archive is to
 * have of it.
 */
#ifndef IMPORT_FIXTURE_H
#define IMPORT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <owamp/error.h>

#include "storage/import.h"
#include "storage/summary.h"

#define MS INT64_C(1000000)

/* 2026-11-21T00:50:55.794; the minute and the hour in which that is. */
#define START_NS  INT64_C(1795222255794000000)
#define MINUTE_NS "1795222200000000000"
#define NEXT_NS   "1795222260000000000"

/* S set, Scale 21 or 22, Multiplier 1: 2^-11 and 2^-10 s. */
#define SEND_ERROR    0x9501
#define RECEIVE_ERROR 0x9601

#define LOST     INT64_MIN
#define SID_TEXT "7f000001eeab696ece8dda48b9ec3619"

/* What a packet's records are to become; a packet a second. */
static const struct {
	uint32_t seq;
	int64_t delay_ns;
} arrivals[] = {
	{0, 1 * MS}, {1, 2 * MS}, {1, 5 * MS}, {2, LOST}, {2, LOST},    {3, LOST},    {3, 3 * MS},
	{5, 4 * MS}, {4, 6 * MS}, {4, LOST},   {6, LOST}, {8, -1 * MS}, {10, 1 * MS}, {9, LOST},
};
#define RECORDS (sizeof(arrivals) / sizeof(arrivals[0]))

/*
 * Of packet 1 the first arrival counts, of 2 the first loss, of 3 and 4 the
 * arrival; 10 is beyond the schedule and 9 was never reached.
 */
static const char packets_expected[] = "0|0|1795222255794000000|1000000|0|38145|38401|250\n"
				       "1|1|1795222256794000000|2000000|0|38145|38401|250\n"
				       "2|1|1795222256794000000|5000000|1|38145|38401|250\n"
				       "3|2|1795222257794000000|NULL|0|1|38401|255\n"
				       "4|2|1795222257794000000|NULL|1|1|38401|255\n"
				       "5|3|1795222258794000000|NULL|1|1|38401|255\n"
				       "6|3|1795222258794000000|3000000|0|38145|38401|250\n"
				       "7|5|1795222260794000000|4000000|0|38145|38401|250\n"
				       "8|4|1795222259794000000|6000000|0|38145|38401|250\n"
				       "9|4|1795222259794000000|NULL|1|1|38401|255\n"
				       "10|6|1795222261794000000|NULL|0|1|38401|255\n"
				       "11|8|1795222263794000000|-1000000|0|38145|38401|250\n";

/* Packets 6 and 7 were skipped. Delays in ms: 1 2 3 6 in the first minute, -1 4 in the second. */
static const char minutes_expected[] = MINUTE_NS
	"|5|4|1|1|1|1000000|2000000|6000000|6000000|6000000|6000000|4000000|488282|976563|1\n" NEXT_NS
	"|2|2|0|0|0|-1000000|-1000000|4000000|4000000|4000000|4000000|5000000|488282|976563|1\n";

struct fixture {
	char path[40];
	struct archive *archive;
	struct owamp_record records[RECORDS];
	struct owamp_slot slots[2];
	struct owamp_skip_range skips[1];
	struct owamp_stop_session stop;
	struct owamp_send_health send_health;
	struct import import;
	enum import_result result;
	char reason[256];
};

static inline owamp_ntp time_of(uint32_t seq, int64_t delay_ns)
{
	return owamp_ntp_from_unix_ns(START_NS + (int64_t)seq * 1000 * MS + delay_ns);
}

static inline void make_records(struct fixture *f)
{
	for (size_t i = 0; i < RECORDS; i++) {
		bool lost = arrivals[i].delay_ns == LOST;

		f->records[i] = (struct owamp_record){
			.seq = arrivals[i].seq,
			.send_time = time_of(arrivals[i].seq, 0),
			.receive_time = lost ? 0 : time_of(arrivals[i].seq, arrivals[i].delay_ns),
			.send_error = lost ? OWAMP_ERROR_LOST : SEND_ERROR,
			.receive_error = RECEIVE_ERROR,
			.ttl = lost ? 255 : 250,
		};
	}
}

static inline void make_import(struct fixture *f)
{
	struct archive_session *session = &f->import.session;
	struct owamp_request *request = &session->request;

	f->slots[0] = (struct owamp_slot){OWAMP_SLOT_EXPONENTIAL, OWAMP_SECOND};
	f->slots[1] = (struct owamp_slot){OWAMP_SLOT_FIXED, 0};
	f->skips[0] = (struct owamp_skip_range){6, 7};
	f->stop = (struct owamp_stop_session){.next_seq = 9, .skip_count = 1, .skips = f->skips};
	f->send_health.sent = 7;
	*request = (struct owamp_request){
		.ipvn = 4,
		.conf_receiver = true,
		.packets = 10,
		.sender_port = 9308,
		.receiver_port = 18809,
		.sender_address = {192, 0, 2, 1},
		.receiver_address = {192, 0, 2, 2},
		.start = time_of(0, 0),
		.timeout = 2 * OWAMP_SECOND,
		.slot_count = 2,
		.slots = f->slots,
	};
	assert_int_equal(owamp_sid_parse(SID_TEXT, request->sid), 0);
	session->mode = OWAMP_MODE_ENCRYPTED;
	session->identity = "lena";
	session->peer = "192.0.2.2";
	session->receiver_name = "server.example";
	session->program = "owping";
	session->created_ns = START_NS - 1000 * MS;
	f->import.end = (struct archive_end){
		.outcome = ARCHIVE_FINISHED,
		.reason = "ended early",
		.stop = &f->stop,
		.end_ns = START_NS + 60000 * MS,
		.send_health = &f->send_health,
		.summaries_due = true,
	};
	f->import.records = f->records;
	f->import.record_count = RECORDS;
}

static inline void open_archive(struct fixture *f)
{
	char error[256];

	if (archive_open(&f->archive, f->path, ARCHIVE_WRITE, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	strcpy(f->path, "/tmp/owamp-import-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	open_archive(f);
	make_records(f);
	make_import(f);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	char side[64];

	archive_close(f->archive);
	unlink(f->path);
	snprintf(side, sizeof(side), "%s-wal", f->path);
	unlink(side);
	snprintf(side, sizeof(side), "%s-shm", f->path);
	unlink(side);
	free(f);
	return 0;
}

static inline int add_row(void *context, int count, char **values, char **names)
{
	FILE *out = context;

	(void)names;
	for (int i = 0; i < count; i++)
		fprintf(out, "%s%s", i > 0 ? "|" : "", values[i] != NULL ? values[i] : "NULL");
	fputc('\n', out);
	return 0;
}

/* The rows of a query, as the sqlite3 program shows them. */
static inline char *rows(struct fixture *f, const char *sql)
{
	char *text = NULL;
	char *error = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (sqlite3_exec(archive_sqlite(f->archive), sql, add_row, out, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	assert_int_equal(fclose(out), 0);
	return text;
}

static inline void assert_rows(struct fixture *f, const char *sql, const char *expected)
{
	char *text = rows(f, sql);

	assert_string_equal(text, expected);
	free(text);
}

/* Everything, but for row numbers and whatever differs by the day. */
static inline char *dump(struct fixture *f)
{
	return rows(
		f,
		"SELECT * FROM endpoints; SELECT sid, direction, end_ns, outcome, reason, next_seq, records,"
		" summaries_due, removal_due, packets_kept, program FROM sessions; SELECT slot,"
		" distribution, interval_ntp FROM slots; SELECT first_seq, last_seq FROM skip_ranges;"
		" SELECT arrival, seq, send_time_ns, delay_ns, duplicate, dropped FROM packets;"
		" SELECT minute_ns, sent, received, lost, dropped, delay_p50_ns FROM minutes;"
		" SELECT hour_ns, delay_ns, packets FROM histograms;"
		" SELECT first_seq, last_seq FROM losses; SELECT sent FROM health");
}

static inline void import_with(struct fixture *f, int expected)
{
	int error = archive_import(f->archive, &f->import, &f->result, f->reason, sizeof(f->reason));

	if (error != expected)
		fail_msg("%d, not %d: %s", error, expected, f->reason);
	/* Whatever happened, no transaction is left. */
	assert_int_equal(archive_begin(f->archive), 0);
	archive_rollback(f->archive);
}

static inline void assert_whole(struct fixture *f)
{
	assert_rows(f,
		    "SELECT sid, direction, mode, identity, peer, end_ns, outcome, reason, next_seq, records,"
		    " records_lost, duplicates_left_out, packets_kept, summaries_due, removal_due, program"
		    " FROM sessions",
		    SID_TEXT
		    "|sent|encrypted|lena|192.0.2.2|1795222315794000000|finished|ended early|9|12|0|0|1|"
		    "0|0|owping\n");
	assert_rows(f, "SELECT address, name FROM endpoints ORDER BY address",
		    "192.0.2.1|NULL\n192.0.2.2|server.example\n");
	assert_rows(f, "SELECT slot, distribution, interval_ntp FROM slots",
		    "0|exponential|4294967296\n1|fixed|0\n");
	assert_rows(f, "SELECT first_seq, last_seq FROM skip_ranges", "6|7\n");
	assert_rows(f,
		    "SELECT arrival, seq, send_time_ns, delay_ns, duplicate, send_error_estimate,"
		    " receive_error_estimate, ttl FROM packets ORDER BY arrival",
		    packets_expected);
	assert_rows(
		f,
		"SELECT minute_ns, sent, received, lost, duplicates, reordered, delay_min_ns, delay_p50_ns,"
		" delay_p95_ns, delay_p99_ns, delay_p999_ns, delay_max_ns, jitter_ns, send_error_ns,"
		" receive_error_ns, synchronized FROM minutes ORDER BY minute_ns",
		minutes_expected);
	assert_rows(f, "SELECT hour_ns, sum(packets) FROM histograms GROUP BY hour_ns",
		    "1795219200000000000|6\n");
	assert_rows(f, "SELECT first_seq, last_seq, begin_ns, end_ns FROM losses",
		    "2|2|1795222257794000000|1795222257794000000\n");
	assert_rows(f, "SELECT sent, socket_drops FROM health", "7|NULL\n");
	assert_rows(f, "PRAGMA integrity_check", "ok\n");
	assert_rows(f, "PRAGMA foreign_key_check", "");
}

#endif
