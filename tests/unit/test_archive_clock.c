/* The clock's timeline in the archive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/archive_internal.h"
#include "storage/schema.h"

#define NOW_NS INT64_C(1795168800000000000)

struct place {
	char folder[32];
	char path[64];
	char error[300];
	struct archive *archive;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	*state = place;
	if (!place)
		return -1;
	snprintf(place->folder, sizeof place->folder, "/tmp/test-clock-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/a", place->folder);
	return archive_open(&place->archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error);
}

static int tear_down(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct place *place = *state;
	char path[80];

	archive_close(place->archive);
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(path, sizeof path, "%s%s", place->path, suffixes[i]);
		(void)unlink(path);
	}
	rmdir(place->folder);
	free(place);
	return 0;
}

static int64_t ask(struct archive *archive, const char *sql)
{
	sqlite3_stmt *st;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

static void assert_text(struct archive *archive, const char *sql, const char *expected)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), expected);
	sqlite3_finalize(st);
}

static void insert_session(struct archive *archive)
{
	static const char sql[] =
		"INSERT INTO endpoints (endpoint_id, address) VALUES (1, '192.0.2.1'), (2, '192.0.2.2');"
		"INSERT INTO sessions (sid, sender_id, receiver_id, sender_port, receiver_port, ip_version, "
		"direction,"
		" server, mode, peer, packets, padding_octets, type_p, timeout_ntp, start_ns, start_residue, "
		"created_ns,"
		" end_ns, program, version) VALUES ('00112233445566778899aabbccddeeff', 1, 2, 3, 4, 4, "
		"'received',"
		" 'receiver', 'encrypted', '192.0.2.1', 1, 0, 0, 0, 1000, 0, 0, 5000, 'test', '0')";

	assert_int_equal(sqlite3_exec(archive_sqlite(archive), sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_clock(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	const struct archive_clock clock = {
		.time_ns = NOW_NS,
		.program = "test",
		.source = "kernel",
		.synchronized = true,
		.bound_ns = 1500,
		.step_ns = -7,
		.drift_ppb = 12,
	};

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_clock_insert(archive, &clock), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_text(archive,
		    "SELECT program || source || synchronized || ' ' || bound_ns || ' ' || step_ns || ' ' ||"
		    " drift_ppb || ' ' || leap FROM clock WHERE time_ns = 1795168800000000000",
		    "testkernel1 1500 -7 12 0");
	assert_int_equal(
		ask(archive, "SELECT alarm IS NULL AND steered_by IS NULL AND tai_utc IS NULL FROM clock"),
		1);
}

static const struct owamp_clock_status two_sources = {
	.snapshot = {.source = OWAMP_CLOCK_GPS_PPS, .drift_ppb = 900, .leap = -1, .tai_utc = 37},
	.steering = OWAMP_CLOCK_STEERED_BY_CHRONY,
	.now_real = NOW_NS + 60000000000,
	.bound_ns = 2000,
	.alarm = "roof says this, ntp says that",
	.count = 2,
	.sources = {{.name = "roof",
		     .source = OWAMP_CLOCK_GPS_PPS,
		     .state = OWAMP_CLOCK_VALID,
		     .used = true,
		     .contradicted = true,
		     .measured = true,
		     .offset_ns = -800,
		     .bound_ns = 2000,
		     .age_ns = 412,
		     .text = "used"},
		    {.name = "ntp",
		     .source = OWAMP_CLOCK_CHRONY,
		     .steers = true,
		     .offset_ns = 9,
		     .text = "no answer"}},
};

/* What clock_now and clock_events make of it, and that sources go with their row. */
static void test_clock_sources(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	struct owamp_clock_status status = two_sources;

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, 5), 0);
	status.now_real += 60000000000;
	status.alarm[0] = '\0';
	status.count = 1;
	status.sources[0].state = OWAMP_CLOCK_HOLDOVER;
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, 0), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_text(
		archive,
		"SELECT group_concat(name || ',' || source || ',' || state || ',' || used || contradicted ||"
		" steers || ',' || coalesce(offset_ns, '-') || ',' || coalesce(bound_ns, '-') || ',' ||"
		" coalesce(age_ns, '-') || ',' || reason, ';') FROM (SELECT * FROM clock_now ORDER BY name)",
		"ntp,chrony,absent,001,-,-,-,no answer;roof,gps-pps,holdover,110,-800,2000,412,used");
	assert_text(archive,
		    "SELECT group_concat(step_ns || ',' || coalesce(alarm, '-') || ',' || steered_by, ';')"
		    " FROM (SELECT * FROM clock_events ORDER BY time_ns)",
		    "5,roof says this, ntp says that,chronyd;0,-,chronyd");
	assert_text(archive, "SELECT max(leap || ',' || tai_utc || ',' || drift_ppb) FROM clock",
		    "-1,37,900");
	assert_int_equal(sqlite3_exec(archive->db, "DELETE FROM clock WHERE step_ns = 5", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(ask(archive, "SELECT count(*) FROM clock_sources"), 1);
}

/* Set back by a month: what was seen last is the last, whatever its time. */
static void test_set_back(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	struct owamp_clock_status status = two_sources;

	status.alarm[0] = '\0';
	status.now_real += INT64_C(30) * 86400 * 1000000000;
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, 0), 0);
	status.now_real = NOW_NS;
	status.snapshot.source = OWAMP_CLOCK_NONE;
	status.sources[0].state = OWAMP_CLOCK_DOUBTFUL;
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, -7), 0);
	assert_text(archive, "SELECT state || time_ns FROM clock_now WHERE name = 'roof'",
		    "doubtful1795168800000000000");
	assert_int_equal(ask(archive, "SELECT count(*) FROM clock_events"), 1);
	assert_text(archive, "SELECT source_before || source || step_ns FROM clock_events", "gps-ppsnone-7");
}

/* As of its end; what happened before and after it is not its business. */
static void test_session_clocks(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	struct owamp_clock_status status = two_sources;

	insert_session(archive);
	status.now_real = 0;
	assert_int_equal(archive_clock_status_insert(archive, "x", &status, 5), 0);
	assert_text(archive,
		    "SELECT coalesce(source, '-') || clock_steps || coalesce(alarm, '-') FROM session_clocks",
		    "-0-");
	for (int64_t time = 999; time <= 5001; time += 2001) { /* before, two within, and 5001 not reached */
		status.now_real = time;
		assert_int_equal(archive_clock_status_insert(archive, "test", &status, time == 3000 ? 0 : 7),
				 0);
		status.alarm[0] = '\0';
	}
	/* The alarm of before was still on when it began. */
	assert_text(archive,
		    "SELECT source || ',' || steered_by || ',' || clock_steps || ',' || coalesce(alarm, '-')"
		    " FROM session_clocks",
		    "gps-pps,chronyd,0,roof says this, ntp says that");
	status.now_real = 5000;
	strcpy(status.alarm, "they contradict each other");
	status.snapshot.source = OWAMP_CLOCK_NONE;
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, -3), 0);
	assert_int_equal(sqlite3_exec(archive->db, "DELETE FROM clock WHERE time_ns = 999", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_text(archive, "SELECT source || ',' || clock_steps || ',' || alarm FROM session_clocks",
		    "none,1,they contradict each other");
	/* A client's row comes after the end; but not what the session knows nothing of. */
	assert_int_equal(sqlite3_exec(archive->db, "UPDATE clock SET time_ns = 5001 WHERE time_ns = 5000",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(ask(archive, "SELECT alarm IS NULL FROM session_clocks"), 1);
	assert_int_equal(sqlite3_exec(archive->db,
				      "INSERT INTO health (session_id, clock_contradiction) VALUES (1, 1)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_text(archive, "SELECT contradiction || alarm FROM session_clocks",
		    "1they contradict each other");
}

/* What the session saw itself is better than what the timeline can tell: its times are those of a clock that
 * was set. */
static void test_health(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	const struct owamp_receive_health health = {
		.clock_steps = 2,
		.clock_step_ns = -7,
		.clock_bound_max_ns = 5000003200,
		.clock_source = OWAMP_CLOCK_PTP,
		.clock_contradiction = true,
	};
	const struct archive_end end = {
		.outcome = ARCHIVE_FINISHED, .end_ns = 5000, .receive_health = &health};
	struct owamp_clock_status status = two_sources;

	insert_session(archive);
	status.now_real = 2000;
	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_clock_status_insert(archive, "test", &status, 5), 0);
	assert_int_equal(archive_session_finish(archive, 1, &end, 0), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_text(archive,
		    "SELECT clock_steps || ',' || clock_step_ns || ',' || clock_bound_max_ns || ',' || "
		    "clock_source"
		    " FROM health",
		    "2,-7,5000003200,ptp");
	assert_text(archive, "SELECT source || ',' || clock_steps FROM session_clocks", "ptp,2");
	assert_int_equal(ask(archive, "SELECT clock_steps FROM meter_trouble"), 2);
}

/* A file of version 1 as its release left it, with a row of the clock. */
static void test_from_version_1(void **state)
{
	struct place *place = *state;
	struct archive *archive;
	sqlite3 *db;
	char sql[120];

	archive_close(place->archive);
	place->archive = NULL;
	assert_int_equal(unlink(place->path), 0);
	snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = 1",
		 ARCHIVE_APPLICATION_ID);
	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, schema_migrations[0], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO clock VALUES (7, 'old', 'kernel', 1, 1500, 0)", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(
		archive_open(&archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error), 0);
	place->archive = archive;
	assert_int_equal(ask(archive, "PRAGMA user_version"), 2);
	assert_text(
		archive,
		"SELECT time_ns || program || bound_ns || (drift_ppb IS NULL) || (alarm IS NULL) FROM clock",
		"7old150011");
	assert_int_equal(archive_clock_status_insert(archive, "test", &two_sources, 0), 0);
	assert_int_equal(ask(archive, "SELECT count(*) FROM clock_now"), 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_clock),          TEST(test_set_back), TEST(test_clock_sources),
		TEST(test_session_clocks), TEST(test_health),   TEST(test_from_version_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
