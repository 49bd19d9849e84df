#include "reference.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/error.h>

#include "storage/retention.c"

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)
#define NOW    (INT64_C(1700000000) * SECOND)
#define GONE   64

struct fixture {
	char directory[64];
	char path[128];
	struct archive *archive;
	struct retention retention;
	unsigned gone_count;
	uint8_t gone[GONE];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	char error[400];

	assert_non_null(fixture);
	snprintf(fixture->directory, sizeof fixture->directory, "/tmp/owamp-retention-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof fixture->path, "%s/results.db", fixture->directory);
	if (archive_open(&fixture->archive, fixture->path, ARCHIVE_WRITE, error, sizeof error))
		fail_msg("%s", error);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	struct dirent *entry;
	DIR *directory;

	retention_reset(&fixture->retention);
	archive_close(fixture->archive);
	directory = opendir(fixture->directory);
	assert_non_null(directory);
	while ((entry = readdir(directory)))
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	assert_int_equal(rmdir(fixture->directory), 0);
	free(fixture);
	return 0;
}

static void note_gone(void *context, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct fixture *fixture = context;

	assert_true(fixture->gone_count < GONE);
	fixture->gone[fixture->gone_count++] = sid[0];
}

/*
 * A session to 192.0.2.NUMBER that began an hour before end_ns (0: it is running
 * since yesterday), with a packet a second, all summed up unless due is set.
 */
static void add(struct fixture *fixture, uint8_t number, int64_t end_ns, uint32_t packets, bool due)
{
	int64_t start_ns = end_ns ? end_ns - HOUR : NOW - 24 * HOUR, session_id;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND};
	struct archive_session session = {
		.request = {.ipvn = 4,
			    .packets = packets,
			    .sender_address = {192, 0, 2, 200},
			    .receiver_address = {192, 0, 2, number},
			    .start = owamp_ntp_from_unix_ns(start_ns),
			    .timeout = OWAMP_SECOND,
			    .slot_count = 1,
			    .slots = &slot},
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = "192.0.2.200",
		.program = "test",
		.created_ns = start_ns,
	};
	const struct archive_end end = {.outcome = ARCHIVE_FINISHED, .end_ns = end_ns, .summaries_due = due};
	struct summary *summary;

	memset(session.request.sid, number, OWAMP_SID_SIZE);
	assert_int_equal(summary_new(&summary, SECOND, start_ns), 0);
	assert_int_equal(archive_begin(fixture->archive), 0);
	assert_int_equal(archive_session_insert(fixture->archive, &session, &session_id), 0);
	for (uint32_t seq = 0; seq < packets; seq++) {
		owamp_ntp sent = owamp_ntp_from_unix_ns(start_ns + (int64_t)seq * SECOND);
		struct owamp_record record = {
			.seq = seq, .send_time = sent, .receive_time = sent + OWAMP_SECOND / 16};

		assert_int_equal(archive_packet_insert(fixture->archive, session_id, seq, &record, start_ns),
				 0);
		assert_int_equal(summary_record(summary, &record), 0);
	}
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	if (!due)
		assert_int_equal(summary_store(summary, fixture->archive, session_id), 0);
	if (end_ns)
		assert_int_equal(archive_session_finish(fixture->archive, session_id, &end, packets), 0);
	assert_int_equal(archive_commit(fixture->archive), 0);
	summary_free(summary);
}

static void execute(struct fixture *fixture, const char *sql)
{
	if (sqlite3_exec(archive_sqlite(fixture->archive), sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(archive_sqlite(fixture->archive)));
}

static const char *ask(struct fixture *fixture, const char *sql)
{
	static char answer[400];
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(archive_sqlite(fixture->archive), sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(archive_sqlite(fixture->archive)));
	answer[0] = '\0';
	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(st, 0));
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return answer;
}

#define expect(sql, expected) assert_string_equal(ask(fixture, sql), expected)

static bool step(struct fixture *fixture, unsigned max_rows)
{
	bool more;

	assert_int_equal(retention_step(fixture->archive, &fixture->retention, NOW, max_rows, note_gone,
					fixture, &more),
			 0);
	assert_int_equal(sqlite3_get_autocommit(archive_sqlite(fixture->archive)), 1);
	return more;
}

static unsigned run(struct fixture *fixture)
{
	unsigned steps = 1;

	while (step(fixture, 1000)) {
		assert_true(steps < 10000);
		steps++;
	}
	return steps;
}

/* Numbers of the sessions with packets, of all, and of those with minutes. */
static const char with_packets[] =
	"SELECT group_concat(n) FROM (SELECT DISTINCT CAST(substr(sid, 1, 2) AS INTEGER) AS n"
	" FROM packets JOIN sessions USING (session_id) ORDER BY n)";
static const char in_all[] = "SELECT group_concat(CAST(substr(sid, 1, 2) AS INTEGER)) FROM sessions";
static const char with_minutes[] =
	"SELECT group_concat(n) FROM (SELECT DISTINCT CAST(substr(sid, 1, 2) AS INTEGER) AS n"
	" FROM minutes JOIN sessions USING (session_id) ORDER BY n)";

static void without_a_policy_all_stays(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 1, NOW - 10000 * HOUR, 100, false);
	add(fixture, 2, 0, 100, true);
	assert_int_equal(run(fixture), 1);
	expect(with_packets, "1,2");
	assert_int_equal(fixture->gone_count, 0);
}

static void old_packets_go_and_summaries_stay(void **state)
{
	struct fixture *fixture = *state;

	fixture->retention.policy.packets_ns = 48 * HOUR;
	add(fixture, 1, NOW - 49 * HOUR, 3600, false);
	add(fixture, 2, NOW - 48 * HOUR, 100, false); /* just not longer ago */
	add(fixture, 3, 0, 100, true);
	add(fixture, 4, NOW - 50 * HOUR, 3600, false);
	execute(fixture, "INSERT INTO clock (time_ns, program, source, synchronized, bound_ns, step_ns) "
			 "VALUES (5, 'test', 'none', 0, 0, 0)");
	run(fixture);
	expect(with_packets, "2,3");
	expect(in_all, "1,2,3,4");
	expect("SELECT group_concat(packets_kept || records) FROM sessions", "03600,1100,10,03600");
	expect("SELECT sum(sent) FROM minutes JOIN sessions USING (session_id) WHERE sid < '02'", "3600");
	expect("SELECT count(*) FROM clock", "1");
	/* Each is told of once, the oldest first. */
	assert_int_equal(fixture->gone_count, 2);
	assert_int_equal(fixture->gone[0], 4);
	assert_int_equal(fixture->gone[1], 1);
	assert_int_equal(run(fixture), 1);
	assert_int_equal(fixture->gone_count, 2);
}

static void what_is_due_is_summed_up_before(void **state)
{
	struct fixture *fixture = *state;

	fixture->retention.policy.packets_ns = 48 * HOUR;
	add(fixture, 1, NOW - 49 * HOUR, 3600, true);
	expect(with_minutes, "");
	run(fixture);
	expect(with_packets, "");
	expect("SELECT sum(sent) || ' ' || sum(received) FROM minutes", "3600 3600");
	expect("SELECT sum(packets) FROM histograms", "3600");
	expect("SELECT summaries_due FROM sessions", "0");
}

static void old_sessions_go_with_all_of_it(void **state)
{
	struct fixture *fixture = *state;

	fixture->retention.policy.packets_ns = 24 * HOUR;
	fixture->retention.policy.summaries_ns = 48 * HOUR;
	add(fixture, 1, NOW - 49 * HOUR, 3600, false);
	add(fixture, 2, NOW - 47 * HOUR, 100, false);
	add(fixture, 3, 0, 100, true);
	execute(fixture, "UPDATE sessions SET start_ns = 0 WHERE outcome = 'running'");
	/* Ended before it was to start: what a peer said of that keeps nothing. */
	add(fixture, 4, NOW - 60 * HOUR, 100, false);
	execute(fixture, "UPDATE sessions SET start_ns = 1700000001000000000 WHERE sid LIKE '04%'");
	execute(fixture, "INSERT INTO clock (time_ns, program, source, synchronized, bound_ns, step_ns) "
			 "VALUES (5, 'test', 'none', 0, 0, 0), (6, 'test', 'none', 0, 0, 0),"
			 " (1700000000000000000, 'test', 'none', 0, 0, 0)");
	run(fixture);
	expect(in_all, "2,3");
	expect(with_packets, "3");
	expect(with_minutes, "2");
	expect("SELECT group_concat(address) FROM (SELECT * FROM endpoints ORDER BY address)",
	       "192.0.2.2,192.0.2.200,192.0.2.3");
	expect("SELECT group_concat(time_ns) FROM clock", "1700000000000000000");
	expect("SELECT count(*) FROM pragma_foreign_key_check", "0");
}

static void a_step_is_small(void **state)
{
	struct fixture *fixture = *state;
	long long before, after = 3700;
	unsigned steps = 0;
	bool more;

	fixture->retention.policy.summaries_ns = HOUR;
	add(fixture, 1, NOW - 49 * HOUR, 3600, false);
	add(fixture, 2, NOW - 48 * HOUR, 100, false);
	do {
		before = after;
		more = step(fixture, 100);
		after = atoll(ask(fixture, "SELECT count(*) FROM packets"));
		assert_true(before - after <= 100);
		/* What has lost some is no longer offered as whole. */
		if (after > 100 && after < 3700)
			expect("SELECT packets_kept FROM sessions WHERE sid LIKE '01%'", "0");
		steps++;
	} while (more);
	assert_int_equal(after, 0);
	assert_true(steps >= 37);
	expect(in_all, "");
	assert_int_equal(fixture->gone_count, 2);
}

static void what_was_begun_goes_on(void **state)
{
	struct fixture *fixture = *state;
	int64_t session_id;
	bool more;

	add(fixture, 1, NOW - HOUR, 2000, false);
	add(fixture, 2, NOW - HOUR, 2000, false);
	add(fixture, 3, NOW - HOUR, 2000, false);
	for (int64_t whole = 0; whole < 2; whole++) {
		uint8_t sid[OWAMP_SID_SIZE];

		memset(sid, whole ? 1 : 2, sizeof sid);
		assert_int_equal(archive_session_find(fixture->archive, sid, &session_id, NULL), 0);
		assert_int_equal(archive_begin(fixture->archive), 0);
		assert_int_equal(archive_session_remove(fixture->archive, session_id, whole, 500, &more), 0);
		assert_int_equal(archive_commit(fixture->archive), 0);
		assert_true(more);
	}
	expect("SELECT count(*) FROM packets", "5000");
	run(fixture);
	expect("SELECT count(*) FROM packets", "2000");
	expect(with_packets, "3");
	expect(in_all, "2,3");
	expect(with_minutes, "2,3");
	expect("SELECT count(*) FROM endpoints", "3");
}

static off_t size_of(struct fixture *fixture, const char *suffix)
{
	struct stat status;
	char path[160];

	snprintf(path, sizeof path, "%s%s", fixture->path, suffix);
	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

static void the_oldest_go_when_it_is_too_much(void **state)
{
	struct fixture *fixture = *state;
	off_t before;

	/* Number 5 ended first. */
	for (uint8_t number = 1; number <= 5; number++)
		add(fixture, number, NOW - number * 48 * HOUR, 10000, false);
	add(fixture, 6, 0, 10000, true);
	assert_int_equal(retention_checkpoint(fixture->archive, true), 0);
	before = size_of(fixture, "");
	/* Room for the running one and somewhat more than two others. */
	fixture->retention.policy.octets_max = (uint64_t)before * 6 / 10;
	run(fixture);
	expect(with_packets, "1,2,6");
	expect(in_all, "1,2,3,4,5,6");
	/* All the same the file is as short as that, and so is its log. */
	assert_true((uint64_t)size_of(fixture, "") <= fixture->retention.policy.octets_max * 11 / 10);
	assert_int_equal(size_of(fixture, "-wal"), 0);
	/* There is nothing but whole sessions to remove in the end; running ones never are. */
	fixture->retention.policy.octets_max = 1;
	execute(fixture, "INSERT INTO clock (time_ns, program, source, synchronized, bound_ns, step_ns) "
			 "VALUES (5, 'test', 'none', 0, 0, 0)");
	run(fixture);
	expect(in_all, "6");
	expect(with_packets, "6");
	expect("SELECT count(*) FROM clock", "0");
	expect("SELECT count(*) FROM endpoints", "2");
	assert_true(size_of(fixture, "") < before / 3);
	expect("PRAGMA integrity_check", "ok");
}

static void a_reader_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;
	sqlite3 *reader;

	add(fixture, 1, NOW - 49 * HOUR, 20000, false);
	assert_int_equal(sqlite3_busy_timeout(archive_sqlite(fixture->archive), 10), SQLITE_OK);
	assert_int_equal(sqlite3_open(fixture->path, &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM packets", NULL, NULL, NULL),
			 SQLITE_OK);
	fixture->retention.policy.packets_ns = HOUR;
	run(fixture);
	expect(with_packets, "");
	assert_int_equal(retention_checkpoint(fixture->archive, true), 0);
	assert_true(size_of(fixture, "-wal") > 0);
	/* Nor is one that sees all there is: only the log must stay. */
	assert_int_equal(
		sqlite3_exec(reader, "COMMIT; BEGIN; SELECT count(*) FROM packets", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(retention_checkpoint(fixture->archive, true), 0);
	assert_true(size_of(fixture, "-wal") > 0);
	assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	assert_int_equal(retention_checkpoint(fixture->archive, true), 0);
	assert_int_equal(size_of(fixture, "-wal"), 0);
}

static void a_file_without_auto_vacuum_is_left_as_long(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 1, NOW - 49 * HOUR, 20000, false);
	execute(fixture, "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
	fixture->retention.policy.packets_ns = HOUR;
	run(fixture);
	expect(with_packets, "");
}

/* The statements that run each second must not search all there is. */
static void what_is_next_is_found_by_index(void **state)
{
	const char *const queries[] = {removal_due, packets_old, session_old, packets_oldest, session_oldest};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		char sql[400];
		sqlite3_stmt *st;

		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", queries[i]);
		assert_int_equal(sqlite3_prepare_v2(archive_sqlite(fixture->archive), sql, -1, &st, NULL),
				 SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(st, 3);

			if (!strstr(detail, "INDEX") || strstr(detail, "TEMP B-TREE"))
				fail_msg("%s: %s", queries[i], detail);
		}
		assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	}
}

#define unit(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(without_a_policy_all_stays),
		unit(old_packets_go_and_summaries_stay),
		unit(what_is_due_is_summed_up_before),
		unit(old_sessions_go_with_all_of_it),
		unit(a_step_is_small),
		unit(what_was_begun_goes_on),
		unit(the_oldest_go_when_it_is_too_much),
		unit(a_reader_is_not_waited_for),
		unit(a_file_without_auto_vacuum_is_left_as_long),
		unit(what_is_next_is_found_by_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
