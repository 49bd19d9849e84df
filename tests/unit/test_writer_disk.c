/*
 * The writer with a disk in trouble: full, read-only, slow, or failing when it
 * is to make sure. Who appends never waits, the log is told once, all goes on by
 * itself when the trouble is over, and what is in the file then is exact.
 */
#include "writer_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define QUEUE 2000

/* On a disk of its own, if the system lets us. */
static bool mount_small(struct fixture *fixture, const char *options)
{
	alarm(120);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", fixture->directory, "tmpfs", 0, options)) {
		print_message("SKIPPED: no file system of its own can be mounted: %s\n",
			      geteuid() ? "not root" : strerror(errno));
		return false;
	}
	return true;
}

static int tear_down_mounted(void **state)
{
	struct fixture *fixture = *state;

	stop_writer(fixture);
	while (umount2(fixture->directory, MNT_DETACH) == 0)
		;
	return tear_down(state);
}

/* Takes all the room there is, but for some pages. */
static void fill(struct fixture *fixture, const char *name)
{
	static const uint8_t nothing[4096];
	char path[160];
	int fd;

	snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, nothing, sizeof nothing) == sizeof nothing)
		;
	assert_int_equal(close(fd), 0);
}

static void make_room(struct fixture *fixture, const char *name)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
	assert_int_equal(unlink(path), 0);
}

static void a_full_disk_loses_nothing_for_a_while(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a, *b;

	if (!mount_small(fixture, "size=16m"))
		skip();
	start_writer(fixture);
	a = open_session(fixture, 1, 30000);
	append(a, 0, 1000);
	assert_int_equal(flush(fixture), 0);
	touch(fixture);
	fill(fixture, "ballast");
	append(a, 1000, 20000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	assert_non_null(strstr(fixture->flush_reason, "database or disk is full"));
	await_line(fixture, 0, LOG_ERR, "database or disk is full");
	append(a, 21000, 9000);
	finish(a, 30000);
	b = open_session(fixture, 2, 100);
	append(b, 0, 100);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	make_room(fixture, "ballast");
	await_line(fixture, 1, LOG_NOTICE, "nothing was lost");
	finish(b, 100);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 30000), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 100), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 30000 0, finished 100 0");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT sum(sent) || ' ' || sum(lost) || ' ' || sum(dropped) FROM minutes",
		      "30100 1505 1505");
	assert_int_equal(fixture->line_count, 2);
}

static void a_full_disk_for_long_breaks_the_session(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session;
	uint32_t lost;
	char expected[200];

	if (!mount_small(fixture, "size=4m"))
		skip();
	fixture->config.queue_max = QUEUE;
	start_writer(fixture);
	session = open_session(fixture, 1, 30000);
	append(session, 0, 1000);
	assert_int_equal(flush(fixture), 0);
	touch(fixture);
	fill(fixture, "ballast");
	append(session, 1000, 2000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	append(session, 3000, 10000);
	lost = (uint32_t)writer_lost(session);
	assert_int_equal(lost, 10000);
	await_line(fixture, 0, LOG_ERR, "database or disk is full");
	await_line(fixture, 1, LOG_ERR, "records are being lost");
	make_room(fixture, "ballast");
	await_line(fixture, 2, LOG_NOTICE, "10000 records of 1 session were lost");
	append(session, 13000, 500);
	finish(session, 30000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 13500), 10000);
	expect_answer(fixture->path, OUTCOMES, "broken 3500 10000");
	snprintf(expected, sizeof expected, "10000 records could not be stored: database or disk is full%s",
		 strstr(ask(fixture->path, "SELECT reason FROM sessions"), " (No space left on device)")
			 ?: "");
	expect_answer(fixture->path, "SELECT reason FROM sessions", expected);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT sum(sent) || ' ' || sum(lost) || ' ' || sum(dropped) FROM minutes",
		      "3500 175 175");
	assert_int_equal(fixture->line_count, 3);
}

/* A copy at the file's place that cannot be written; the original was put aside. */
static void make_read_only(struct fixture *fixture)
{
	char command[500], moved[128];

	touch(fixture);
	rename_to(fixture, moved, sizeof moved);
	snprintf(command, sizeof command, "cp -p %s %s", moved, fixture->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(mount(fixture->directory, fixture->directory, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, fixture->directory, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
}

static void a_read_only_file_is_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session;

	if (!mount_small(fixture, "size=16m"))
		skip();
	start_writer(fixture);
	session = open_session(fixture, 1, 10000);
	append(session, 0, 1000);
	assert_int_equal(flush(fixture), 0);
	make_read_only(fixture);
	append(session, 1000, 1000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	await_line(fixture, 0, LOG_WARNING, "the file was removed or replaced");
	await_line(fixture, 1, LOG_ERR, "results are kept in memory");
	append(session, 2000, 1000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	assert_int_equal(umount(fixture->directory), 0);
	await_line(fixture, 2, LOG_NOTICE, "nothing was lost");
	finish(session, 10000);
	assert_int_equal(flush(fixture), 0);
	/* The copy had all there was until then: nothing is missing. */
	assert_int_equal(expect_records(fixture->path, 1, 0, 3000), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 3000 0");
	await_answer(fixture, DUE, "0");
	assert_int_equal(fixture->line_count, 3);
}

/* The log cannot be written any more, although it is open. */
static bool set_immutable(struct fixture *fixture, const char *suffix, bool on)
{
	char path[160];
	int fd, flags = 0;
	bool done;

	snprintf(path, sizeof path, "%s%s", fixture->path, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	close(fd);
	return done;
}

static void writes_that_fail_are_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 10000);

	append(session, 0, 1000);
	assert_int_equal(flush(fixture), 0);
	if (!set_immutable(fixture, "-wal", true)) {
		print_message("SKIPPED: the file system of /tmp has no immutable files for us\n");
		skip();
	}
	append(session, 1000, 1000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	await_line(fixture, 0, LOG_ERR, "results are kept in memory");
	append(session, 2000, 1000);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	assert_true(set_immutable(fixture, "-wal", false));
	await_line(fixture, 1, LOG_NOTICE, "nothing was lost");
	finish(session, 10000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 3000), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 3000 0");
	assert_int_equal(fixture->line_count, 2);
}

/* What the sync of a log does. */
static atomic_bool sync_fails, sync_waits;
static sem_t sync_begun, sync_goes_on;
static int (*real_sync)(sqlite3_file *file, int flags);
static int (*real_open)(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out);
static sqlite3_io_methods log_methods;
static sqlite3_vfs vfs;

static int sync_log(sqlite3_file *file, int flags)
{
	if (atomic_exchange(&sync_waits, false)) {
		(void)sem_post(&sync_begun);
		(void)sem_wait(&sync_goes_on);
	}
	return sync_fails ? SQLITE_IOERR_FSYNC : real_sync(file, flags);
}

static int open_file(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
	int result = real_open(self, name, file, flags, out);

	if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL))
		file->pMethods = &log_methods;
	return result;
}

/* Learns what the methods of a log are. */
static int find_methods(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
	int result = real_open(self, name, file, flags, out);

	if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL))
		log_methods = *file->pMethods;
	return result;
}

static int set_up_sync(void **state)
{
	struct fixture *fixture;
	char path[128];
	sqlite3 *db;

	alarm(120);
	(void)fixture_new(state);
	fixture = *state;
	fixture->config.queue_max = QUEUE;
	assert_int_equal(sem_init(&sync_begun, 0, 0), 0);
	assert_int_equal(sem_init(&sync_goes_on, 0, 0), 0);
	sync_fails = sync_waits = false;
	vfs = *sqlite3_vfs_find(NULL);
	vfs.zName = "disturbed";
	real_open = vfs.xOpen;
	vfs.xOpen = find_methods;
	assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
	snprintf(path, sizeof path, "%s/other.db", fixture->directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	execute(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (t)");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	real_sync = log_methods.xSync;
	log_methods.xSync = sync_log;
	vfs.xOpen = open_file;
	start_writer(fixture);
	return 0;
}

static int tear_down_sync(void **state)
{
	(void)tear_down(state);
	assert_int_equal(sqlite3_vfs_unregister(&vfs), SQLITE_OK);
	sem_destroy(&sync_begun);
	sem_destroy(&sync_goes_on);
	return 0;
}

/*
 * Has all so far written, but kept out of the file itself: so the log is not
 * begun anew by the next transaction, and stays when the file is closed.
 */
static void flush_to_log(struct fixture *fixture)
{
	sqlite3 *reader = look_at(fixture->path);

	execute(reader, "BEGIN; SELECT count(*) FROM sessions");
	/* After each there is a step of what can wait: a checkpoint is among the first two, the next is far.
	 */
	for (int i = 0; i < 3; i++)
		assert_int_equal(flush(fixture), 0);
	execute(reader, "COMMIT");
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
}

/* The records are in the log all the same, and are found there: they must not be written twice. */
static void a_commit_that_failed_may_have_worked(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 1000);

	append(session, 0, 500);
	flush_to_log(fixture);
	sync_fails = true;
	append(session, 500, 500);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	await_line(fixture, 0, LOG_ERR, "disk I/O error");
	append(session, 1000, 500);
	sync_fails = false;
	await_line(fixture, 1, LOG_NOTICE, "nothing was lost");
	finish(session, 1500);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 1500), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 1500 0");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT sum(sent) || ' ' || sum(lost) || ' ' || sum(dropped) FROM minutes",
		      "1500 75 75");
	expect_answer(fixture->path, "SELECT sum(packets) FROM histograms", "1350");
	assert_int_equal(fixture->line_count, 2);
}

static void an_end_that_failed_may_have_worked(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 1000), *b;

	append(a, 0, 500);
	flush_to_log(fixture);
	b = open_session(fixture, 2, 1000);
	sync_fails = true;
	append(a, 500, 300);
	append(b, 0, 200);
	finish(a, 700);
	assert_int_equal(flush(fixture), OWAMP_ESYSTEM);
	sync_fails = false;
	await_line(fixture, 1, LOG_NOTICE, "nothing was lost");
	append(b, 200, 100);
	finish(b, 1000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 700), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 300), 0);
	expect_answer(fixture->path, OUTCOMES, "finished 700 0, finished 300 0");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT group_concat(sent) FROM (SELECT * FROM minutes ORDER BY session_id)",
		      "700,300");
}

static void a_slow_disk_loses_what_there_is_no_room_for(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 10000);

	sync_waits = true;
	append(session, 0, 100);
	while (sem_wait(&sync_begun) != 0)
		assert_int_equal(errno, EINTR);
	/* What is being written still counts. */
	append(session, 100, 5000);
	assert_int_equal(writer_lost(session), 5000 - (QUEUE - 100));
	assert_int_equal(sem_post(&sync_goes_on), 0);
	await_line(fixture, 0, LOG_ERR, "the disk is slower than the results come in");
	await_line(fixture, 1, LOG_NOTICE, "3100 records of 1 session were lost");
	append(session, 5100, 100);
	finish(session, 10000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 5200), 3100);
	expect_answer(fixture->path, OUTCOMES, "broken 2100 3100");
	expect_answer(fixture->path, "SELECT reason FROM sessions",
		      "3100 records could not be stored: the disk is slower than the results come in");
	assert_int_equal(fixture->line_count, 2);
}

static void a_flush_is_cancelled_while_it_is_written(void **state)
{
	struct fixture *fixture = *state;
	struct writer_flush flushes[2];

	sync_waits = true;
	append(open_session(fixture, 1, 100), 0, 100);
	for (int i = 0; i < 2; i++) {
		flushes[i] = (struct writer_flush){.done = unexpected, .context = fixture};
		writer_flush(fixture->writer, &flushes[i]);
		/* The first is being written then, the second is not. */
		while (i == 0 && sem_wait(&sync_begun) != 0)
			assert_int_equal(errno, EINTR);
	}
	writer_flush_cancel(&flushes[0]);
	writer_flush_cancel(&flushes[1]);
	assert_int_equal(sem_post(&sync_goes_on), 0);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 100), 0);
}

#define mounted(test)   cmocka_unit_test_setup_teardown(test, fixture_new, tear_down_mounted)
#define disturbed(test) cmocka_unit_test_setup_teardown(test, set_up_sync, tear_down_sync)

int main(void)
{
	const struct CMUnitTest tests[] = {
		mounted(a_full_disk_loses_nothing_for_a_while),
		mounted(a_full_disk_for_long_breaks_the_session),
		mounted(a_read_only_file_is_trouble),
		cmocka_unit_test_setup_teardown(writes_that_fail_are_trouble, set_up, tear_down),
		disturbed(a_commit_that_failed_may_have_worked),
		disturbed(an_end_that_failed_may_have_worked),
		disturbed(a_slow_disk_loses_what_there_is_no_room_for),
		disturbed(a_flush_is_cancelled_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
