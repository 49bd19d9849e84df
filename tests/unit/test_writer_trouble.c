/*
 * The writer in trouble: a file that is locked, corrupt, replaced or gone. Who appends never waits, the log
 * is told once, all goes on by itself when the trouble is over, and what is in the file then is exact.
 */
#include "writer_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#define QUEUE 2000

/* A writer with a small queue. An append that waited would wait for ever: the alarm ends that. */
static int set_up_small(void **state)
{
	struct fixture *fixture;

	(void)fixture_new(state);
	fixture = *state;
	fixture->config.queue_max = QUEUE;
	start_writer(fixture);
	alarm(120);
	return 0;
}

static int set_up_large(void **state)
{
	(void)set_up(state);
	alarm(120);
	return 0;
}

/* A transaction of another process. */
static sqlite3 *hold_lock(struct fixture *fixture)
{
	sqlite3 *db = look_at(fixture->path);

	execute(db, "BEGIN IMMEDIATE");
	return db;
}

static void let_go(sqlite3 *db)
{
	execute(db, "ROLLBACK");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct release {
	struct owamp_timer timer;
	sqlite3 *db;
};

static void release(struct owamp_timer *timer)
{
	let_go(((struct release *)timer->context)->db);
}

static void a_lock_of_some_time_only_delays(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 5000);
	struct release later = {.timer = {.expired = release, .context = &later}};

	append(session, 0, 1000);
	later.db = hold_lock(fixture);
	append(session, 1000, 500);
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &later.timer, owamp_mono_ns() + 1500 * MS), 0);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 1500), 0);
	finish(session, 1500);
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 1500 0");
	assert_int_equal(fixture->line_count, 0);
}

static void a_lock_that_stays_is_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 5000), *b = open_session(fixture, 2, 100), *c;
	struct writer_flush now = {.done = unexpected, .context = fixture};
	uint32_t lost;
	sqlite3 *db;

	append(a, 0, 100);
	assert_int_equal(flush(fixture), 0);
	db = hold_lock(fixture);
	append(a, 100, 100);
	append(b, 0, 50);
	/* It cannot be answered before it is clear that there is trouble, and then is at once. */
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	assert_string_equal(fixture->flush_reason, "database is locked");
	await_line(
		fixture, 0, LOG_ERR,
		"database is locked: results are kept in memory, up to 2000 records, and it is tried again");
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	writer_flush(fixture->writer, &now);
	assert_true(now.post.queued);
	writer_flush_cancel(&now);
	assert_int_equal(writer_lost(a), 0);
	append(a, 200, 4800);
	lost = 4800 - (QUEUE - 150);
	assert_int_equal(writer_lost(a), lost);
	await_line(fixture, 1, LOG_ERR, "records are being lost");
	append(b, 50, 25);
	/* However often it is tried meanwhile, and whatever is lost then, nothing more is said. */
	pause_for(fixture, 2500 * MS);
	append(b, 75, 25);
	assert_int_equal(writer_lost(b), 50);
	assert_int_equal(line_count(fixture), 2);
	finish(a, 5000);
	finish(b, 100);
	/* A session that comes and goes meanwhile. */
	c = open_session(fixture, 3, 100);
	finish(c, 100);
	let_go(db);
	await_line(fixture, 2, LOG_NOTICE, "3000 records of 2 sessions were lost");
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 200 + QUEUE - 150), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 50), 0);
	expect_answer(fixture->path, OUTCOMES, "broken 2050 2950, broken 50 50, finished 0 0");
	expect_answer(fixture->path, "SELECT group_concat(reason, ', ') FROM sessions",
		      "2950 records could not be stored: database is locked, "
		      "50 records could not be stored: database is locked");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT group_concat(sent, ',') FROM minutes", "2050,50");
	assert_int_equal(fixture->line_count, 3);
}

static void a_reader_is_not_in_the_way(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 50000);
	sqlite3 *db = look_at(fixture->path);

	append(session, 0, 100);
	assert_int_equal(flush(fixture), 0);
	execute(db, "BEGIN; SELECT count(*) FROM packets");
	for (uint32_t seq = 100; seq < 50000; seq += 4990) {
		append(session, seq, 4990);
		assert_int_equal(flush(fixture), 0);
	}
	finish(session, 50000);
	assert_int_equal(flush(fixture), 0);
	/* It sees what there was. */
	execute(db, "CREATE TEMP TABLE seen AS SELECT count(*) AS n FROM packets; COMMIT");
	execute(db,
		"INSERT INTO temp.seen SELECT 1 FROM temp.seen WHERE n <> 100;"
		"CREATE TEMP TABLE one (n CHECK (n = 1)); INSERT INTO one SELECT count(*) FROM temp.seen");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(expect_records(fixture->path, 1, 0, 50000), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 50000 0");
	assert_int_equal(fixture->line_count, 0);
}

static void a_file_that_was_moved_away_is_made_anew(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 1000), *b;
	char moved[128];

	append(a, 0, 400);
	finish(open_session(fixture, 3, 10), 10);
	assert_int_equal(flush(fixture), 0);
	rename_to(fixture, moved, sizeof moved);
	append(a, 400, 300);
	b = open_session(fixture, 2, 100);
	append(b, 0, 100);
	assert_int_equal(flush(fixture), 0);
	await_line(fixture, 0, LOG_WARNING, "the file was removed or replaced");
	append(a, 700, 300);
	finish(a, 900);
	finish(b, 100);
	assert_int_equal(flush(fixture), 0);
	/* Each has what came in its time. */
	assert_int_equal(expect_records(moved, 1, 0, 400), 0);
	expect_answer(moved, "SELECT count(*) FROM sessions", "2");
	assert_int_equal(expect_records(fixture->path, 1, 400, 500), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 100), 0);
	expect_answer(fixture->path, OUTCOMES, "broken 500 0, finished 100 0");
	expect_answer(
		fixture->path, "SELECT reason FROM sessions WHERE sid LIKE '01%'",
		"the archive was replaced while the session was running: what came before is not in it");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT group_concat(sent) FROM (SELECT * FROM minutes ORDER BY session_id)",
		      "500,100");
	assert_int_equal(fixture->line_count, 1);
}

static void note_replaced(void *context)
{
	((struct fixture *)context)->gone_count = LINES;
}

/* Its log cannot be emptied yet, and has the name of the next one's. */
static void a_file_that_was_moved_under_a_reader_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	char moved[128];
	sqlite3 *reader;

	fixture->config.replaced = note_replaced;
	start_writer(fixture);
	finish(open_session(fixture, 1, 10), 10);
	assert_int_equal(flush(fixture), 0);
	reader = look_at(fixture->path);
	execute(reader, "BEGIN; SELECT count(*) FROM sessions");
	finish(open_session(fixture, 2, 10), 10);
	assert_int_equal(flush(fixture), 0);
	rename_to(fixture, moved, sizeof moved);
	finish(open_session(fixture, 3, 10), 10);
	assert_int_equal(flush(fixture), 0);
	await_line(fixture, 0, LOG_WARNING, "while somebody reads it");
	assert_int_equal(fixture->gone_count, 0);
	assert_int_equal(access(fixture->path, F_OK), -1);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	finish(open_session(fixture, 4, 10), 10);
	assert_int_equal(flush(fixture), 0);
	await_line(fixture, 1, LOG_WARNING, "the file was removed or replaced: it is opened anew");
	while (fixture->gone_count == 0)
		pause_for(fixture, 10 * MS);
	expect_answer(moved, "SELECT group_concat(substr(sid, 1, 2)) FROM sessions", "01,02,03");
	expect_answer(moved, "PRAGMA integrity_check", "ok");
	expect_answer(fixture->path, "SELECT group_concat(substr(sid, 1, 2)) FROM sessions", "04");
	assert_int_equal(fixture->line_count, 2);
}

/* All of the file but its first page, or that too. */
static void overwrite(struct fixture *fixture, off_t from)
{
	int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
	uint8_t garbage[4096];
	struct stat status;

	memset(garbage, 0x5a, sizeof garbage);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	for (off_t at = from; at < status.st_size; at += (off_t)sizeof garbage)
		assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
	assert_int_equal(close(fd), 0);
}

static void garbage(struct fixture *fixture, off_t from, const char *reason)
{
	struct writer_session *session = open_session(fixture, 1, 40000);
	char moved[128];
	unsigned lines;

	append(session, 0, 20000);
	assert_int_equal(flush(fixture), 0);
	touch(fixture);
	overwrite(fixture, from);
	append(session, 20000, 5000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	if (!strstr(fixture->flush_reason, reason))
		fail_msg("\"%s\" does not contain \"%s\"", fixture->flush_reason, reason);
	await_line(fixture, 0, LOG_ERR, "results are kept in memory, up to 262144 records");
	append(session, 25000, 5000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	assert_int_equal(line_count(fixture), 1);
	/* Somebody puts it aside. */
	rename_to(fixture, moved, sizeof moved);
	lines = 1;
	while (line_count(fixture) == lines)
		run_loop(fixture);
	if (strstr(fixture->lines[lines], "the file was removed or replaced"))
		lines++;
	await_line(fixture, lines, LOG_NOTICE, "nothing was lost");
	append(session, 30000, 10000);
	finish(session, 40000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 20000, 20000), 0);
	expect_answer(fixture->path, OUTCOMES, "broken 20000 0");
	expect_answer(fixture->path, "PRAGMA integrity_check", "ok");
	assert_int_equal(fixture->line_count, lines + 1);
}

static void a_file_overwritten_in_the_middle_is_trouble(void **state)
{
	garbage(*state, 4096, "malformed");
}

static void a_file_that_is_none_any_more_is_trouble(void **state)
{
	garbage(*state, 0, "not a database");
}

static void a_copy_from_earlier_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 10000);
	char command[500], moved[128];

	append(session, 0, 1000);
	assert_int_equal(flush(fixture), 0);
	touch(fixture);
	snprintf(command, sizeof command, "cp -p %s %s/copy", fixture->path, fixture->directory);
	assert_int_equal(system(command), 0);
	append(session, 1000, 1000);
	assert_int_equal(flush(fixture), 0);
	rename_to(fixture, moved, sizeof moved);
	snprintf(command, sizeof command, "mv %s/copy %s", fixture->directory, fixture->path);
	assert_int_equal(system(command), 0);
	append(session, 2000, 1000);
	finish(session, 10000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 3000), 1000);
	expect_answer(fixture->path, OUTCOMES, "broken 2000 0");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT sum(sent) FROM minutes", "2000");
}

static void the_end_does_not_wait_for_ever(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 1000);
	sqlite3 *db;

	append(session, 0, 100);
	assert_int_equal(flush(fixture), 0);
	db = hold_lock(fixture);
	append(session, 100, 300);
	finish(session, 1000);
	stop_writer(fixture);
	let_go(db);
	assert_true(fixture->line_count >= 1);
	await_line(fixture, fixture->line_count - 1, LOG_ERR,
		   "database is locked: at the end 300 records and the end of 1 session were not written");
	assert_int_equal(expect_records(fixture->path, 1, 0, 100), 0);
	expect_answer(fixture->path, OUTCOMES, "running 0 0");
	/* The next one sees to it. */
	start_writer(fixture);
	expect_answer(fixture->path, OUTCOMES, "broken 100 0");
}

static void trouble_that_ends_at_the_end_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 1000);
	sqlite3 *db = hold_lock(fixture);

	append(session, 0, 300);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	finish(session, 300);
	append(open_session(fixture, 2, 10), 0, 10);
	let_go(db);
	stop_writer(fixture);
	assert_int_equal(expect_records(fixture->path, 1, 0, 300), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 10), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 300 0, running 0 0");
}

#define small(test) cmocka_unit_test_setup_teardown(test, set_up_small, tear_down)
#define large(test) cmocka_unit_test_setup_teardown(test, set_up_large, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		large(a_lock_of_some_time_only_delays),
		small(a_lock_that_stays_is_trouble),
		large(a_reader_is_not_in_the_way),
		large(a_file_that_was_moved_away_is_made_anew),
		cmocka_unit_test_setup_teardown(a_file_that_was_moved_under_a_reader_loses_nothing,
						fixture_new, tear_down),
		large(a_file_overwritten_in_the_middle_is_trouble),
		large(a_file_that_is_none_any_more_is_trouble),
		large(a_copy_from_earlier_is_noticed),
		large(the_end_does_not_wait_for_ever),
		large(trouble_that_ends_at_the_end_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
