/*
 * A writer on an archive in a directory of its own, the loop it reports to, and
 * a second connection that sees what is really in the file.
 */
#ifndef WRITER_FIXTURE_H
#define WRITER_FIXTURE_H

#include "reference.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#include "storage/writer.h"

#define SECOND   INT64_C(1000000000)
#define MS       INT64_C(1000000)
#define PATIENCE (60 * SECOND)
#define NOON     (INT64_C(2000030400) * SECOND) /* 2033-05-18 12:00 */
#define LINES    32

struct fixture {
	char directory[64];
	char path[128];
	struct owamp_loop *loop;
	struct owamp_timer guard;
	struct writer_config config;
	struct writer *writer;
	bool flushed;
	int flush_error;
	char flush_reason[200];

	unsigned gone_count;
	uint8_t gone[LINES][OWAMP_SID_SIZE];

	pthread_mutex_t lock; /* for the log */
	unsigned line_count;
	int priorities[LINES];
	char lines[LINES][400];
	struct owamp_post wake;
};

static inline void never(struct owamp_timer *timer)
{
	struct fixture *fixture = timer->context;

	for (unsigned i = 0; i < fixture->line_count; i++)
		print_message("log: %s\n", fixture->lines[i]);
	fail_msg("not done in time");
}

static inline void quit_loop(struct owamp_post *post)
{
	owamp_loop_quit(((struct fixture *)post->context)->loop);
}

/* On the writer's thread. */
static inline void keep_line(void *context, int priority, const char *line)
{
	struct fixture *fixture = context;

	pthread_mutex_lock(&fixture->lock);
	if (fixture->line_count < LINES) {
		fixture->priorities[fixture->line_count] = priority;
		snprintf(fixture->lines[fixture->line_count++], 400, "%s", line);
	}
	pthread_mutex_unlock(&fixture->lock);
	owamp_loop_post(fixture->loop, &fixture->wake);
}

static inline void note_gone(void *context, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct fixture *fixture = context;

	assert_true(fixture->gone_count < LINES);
	memcpy(fixture->gone[fixture->gone_count++], sid, OWAMP_SID_SIZE);
	owamp_loop_quit(fixture->loop);
}

static inline unsigned line_count(struct fixture *fixture)
{
	unsigned count;

	pthread_mutex_lock(&fixture->lock);
	count = fixture->line_count;
	pthread_mutex_unlock(&fixture->lock);
	return count;
}

/* One turn of the loop, until something quits it or patience ends. */
static inline void run_loop(struct fixture *fixture)
{
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &fixture->guard, owamp_mono_ns() + PATIENCE), 0);
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
	owamp_loop_cancel_timer(fixture->loop, &fixture->guard);
}

/* The log's line of that number (from 0), which must have the priority and hold the text. */
static inline void await_line(struct fixture *fixture, unsigned number, int priority, const char *text)
{
	while (line_count(fixture) <= number)
		run_loop(fixture);
	if (!strstr(fixture->lines[number], text))
		fail_msg("\"%s\" does not contain \"%s\"", fixture->lines[number], text);
	assert_int_equal(fixture->priorities[number], priority);
}

static inline void start_writer(struct fixture *fixture)
{
	char error[400];

	fixture->config.path = fixture->path;
	fixture->config.program = "owampd";
	fixture->config.loop = fixture->loop;
	fixture->config.log = keep_line;
	fixture->config.removed = note_gone;
	fixture->config.context = fixture;
	if (writer_new(&fixture->writer, &fixture->config, error, sizeof error))
		fail_msg("%s", error);
}

static inline void stop_writer(struct fixture *fixture)
{
	writer_free(fixture->writer);
	fixture->writer = NULL;
}

static inline int fixture_new(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	snprintf(fixture->directory, sizeof fixture->directory, "/tmp/owamp-writer-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof fixture->path, "%s/results.db", fixture->directory);
	assert_int_equal(owamp_loop_new(&fixture->loop), 0);
	fixture->guard = (struct owamp_timer){.expired = never, .context = fixture};
	fixture->wake = (struct owamp_post){.call = quit_loop, .context = fixture};
	pthread_mutex_init(&fixture->lock, NULL);
	*state = fixture;
	return 0;
}

static inline int set_up(void **state)
{
	(void)fixture_new(state);
	start_writer(*state);
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;
	DIR *directory;
	struct dirent *entry;

	writer_free(fixture->writer);
	owamp_loop_free(fixture->loop);
	directory = opendir(fixture->directory);
	assert_non_null(directory);
	while ((entry = readdir(directory)))
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	assert_int_equal(rmdir(fixture->directory), 0);
	pthread_mutex_destroy(&fixture->lock);
	free(fixture);
	return 0;
}

static inline void note_flush(struct writer_flush *flush, int error, const char *reason)
{
	struct fixture *fixture = flush->context;

	fixture->flushed = true;
	fixture->flush_error = error;
	snprintf(fixture->flush_reason, sizeof fixture->flush_reason, "%s", reason);
	owamp_loop_quit(fixture->loop);
}

static inline void unexpected(struct writer_flush *flush, int error, const char *reason)
{
	(void)flush;
	fail_msg("called although it was cancelled: %d %s", error, reason);
}

/* Has all so far written, and says whether it was. */
static inline int flush(struct fixture *fixture)
{
	struct writer_flush flush = {.done = note_flush, .context = fixture};

	fixture->flushed = false;
	writer_flush(fixture->writer, &flush);
	while (!fixture->flushed)
		run_loop(fixture);
	return fixture->flush_error;
}

/* A session from 192.0.2.1 to 192.0.2.N, of a second's Timeout, whose SID is N sixteen times. */
static inline struct writer_session *open_session(struct fixture *fixture, uint8_t number, uint32_t packets)
{
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND / 100};
	struct archive_session session = {
		.request = {.ipvn = 4,
			    .conf_receiver = true,
			    .packets = packets,
			    .sender_address = {192, 0, 2, 1},
			    .receiver_address = {192, 0, 2, number},
			    .start = owamp_ntp_from_unix_ns(NOON),
			    .timeout = OWAMP_SECOND,
			    .slot_count = 1,
			    .slots = &slot},
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = "192.0.2.1",
		.program = "owampd",
		.created_ns = NOON - SECOND,
	};
	struct writer_session *handle;

	memset(session.request.sid, number, OWAMP_SID_SIZE);
	assert_int_equal(writer_open_session(fixture->writer, &session, &handle), 0);
	return handle;
}

/* A packet each 10 ms, each with a delay of its own; each 10th is lost. */
static inline struct owamp_record record_of(uint32_t seq)
{
	owamp_ntp sent = owamp_ntp_from_unix_ns(NOON + (int64_t)seq * 10 * MS);

	return (struct owamp_record){
		.send_time = sent,
		.receive_time = seq % 10 == 9 ? 0 : sent + owamp_interval_from_ns(MS + seq * 1000),
		.seq = seq,
		.send_error = 0x8001,
		.receive_error = seq % 10 == 9 ? 0x8001 : 0x8002,
		.ttl = seq % 10 == 9 ? 255 : 60,
		.dropped = seq % 20 == 19,
	};
}

static inline void append(struct writer_session *session, uint32_t first, uint32_t count)
{
	for (uint32_t seq = first; seq < first + count; seq++) {
		struct owamp_record record = record_of(seq);

		writer_append(session, &record);
	}
}

static inline void finish(struct writer_session *session, uint32_t cut)
{
	const struct archive_end end = {.outcome = ARCHIVE_FINISHED, .end_ns = NOON + 3600 * SECOND};

	assert_int_equal(writer_finish_session(session, &end, cut), 0);
}

static inline sqlite3 *look_at(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
	return db;
}

static inline void execute(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* The first column of the first row, "" if there is none, "NULL" for NULL. */
static inline const char *ask(const char *path, const char *sql)
{
	static char answer[400];
	sqlite3 *db = look_at(path);
	sqlite3_stmt *st;
	int step;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	step = sqlite3_step(st);
	answer[0] = '\0';
	if (step == SQLITE_ROW)
		snprintf(answer, sizeof answer, "%s",
			 sqlite3_column_type(st, 0) == SQLITE_NULL
				 ? "NULL"
				 : (const char *)sqlite3_column_text(st, 0));
	else if (step != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return answer;
}

static inline long long number_of(const char *path, const char *sql)
{
	return atoll(ask(path, sql));
}

#define expect_answer(path, sql, expected) assert_string_equal(ask(path, sql), expected)

static inline void pause_over(struct owamp_timer *timer)
{
	owamp_loop_quit(timer->context);
}

static inline void pause_for(struct fixture *fixture, int64_t ns)
{
	struct owamp_timer timer = {.expired = pause_over, .context = fixture->loop};
	int64_t end = owamp_mono_ns() + ns;

	assert_int_equal(owamp_loop_set_timer(fixture->loop, &timer, end), 0);
	while (owamp_mono_ns() < end)
		run_loop(fixture);
	owamp_loop_cancel_timer(fixture->loop, &timer);
}

/* Asks again and again, a while apart, until the answer is that. */
static inline void await_answer(struct fixture *fixture, const char *sql, const char *expected)
{
	int64_t end = owamp_mono_ns() + PATIENCE;

	while (strcmp(ask(fixture->path, sql), expected) != 0) {
		if (owamp_mono_ns() > end)
			fail_msg("%s: %s instead of %s", sql, ask(fixture->path, sql), expected);
		pause_for(fixture, 20 * MS);
	}
}

/*
 * The rows of a session are the records first .. first + count - 1 of
 * record_of(), in that order, but for those that were lost on the way: how many
 * of these there are is returned.
 */
static inline uint32_t expect_records(const char *path, uint8_t number, uint32_t first, uint32_t count)
{
	struct archive *archive;
	struct archive_walk walk;
	struct owamp_record records[256];
	uint8_t sid[OWAMP_SID_SIZE];
	int64_t session_id;
	uint32_t next = first, rows, got;
	char error[400];

	memset(sid, number, sizeof sid);
	if (archive_open(&archive, path, ARCHIVE_READ, error, sizeof error))
		fail_msg("%s", error);
	assert_int_equal(archive_session_find(archive, sid, &session_id, NULL), 0);
	assert_int_equal(archive_packets_seek(archive, session_id, 0, UINT32_MAX, &walk, &rows), 0);
	do {
		assert_int_equal(archive_packets_read(archive, &walk, records, 256, &got), 0);
		for (uint32_t i = 0; i < got; i++) {
			struct owamp_record expected = record_of(records[i].seq);

			assert_true(records[i].seq >= next);
			next = records[i].seq + 1;
			assert_int_equal(records[i].send_time, expected.send_time);
			assert_int_equal(records[i].receive_time, expected.receive_time);
			assert_int_equal(records[i].send_error, expected.send_error);
			assert_int_equal(records[i].receive_error, expected.receive_error);
			assert_int_equal(records[i].ttl, expected.ttl);
			assert_int_equal(records[i].duplicate, 0);
			assert_int_equal(records[i].dropped, expected.dropped);
		}
	} while (got > 0);
	archive_close(archive);
	assert_true(next <= first + count);
	return count - rows;
}

#define OUTCOMES "SELECT group_concat(outcome || ' ' || records || ' ' || records_lost, ', ') FROM sessions"
#define DUE      "SELECT count(*) FROM sessions WHERE summaries_due"

/* Somebody else has written too: the writer must look at the file again, and the log is empty. */
static inline void touch(struct fixture *fixture)
{
	sqlite3 *db = look_at(fixture->path);

	execute(db, "INSERT INTO clock (time_ns, program, source, synchronized, bound_ns, step_ns) VALUES "
		    "(1, 'test', 'none', 0, 0, 0); PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void rename_to(struct fixture *fixture, char *to, size_t size)
{
	snprintf(to, size, "%s/moved.db", fixture->directory);
	assert_int_equal(rename(fixture->path, to), 0);
}

#endif
