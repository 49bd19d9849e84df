/* Migrations, with a history of three versions made up for the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/archive.c"

const char *const schema_migrations[] = {
	"CREATE TABLE sessions (session_id INTEGER PRIMARY KEY, packets INTEGER) STRICT",
	"ALTER TABLE sessions ADD COLUMN second INTEGER NOT NULL DEFAULT 2; UPDATE sessions SET second = "
	"packets",
	"ALTER TABLE sessions ADD COLUMN third INTEGER NOT NULL DEFAULT 3",
	NULL,
};
const char schema_views[] = "DROP VIEW IF EXISTS answer; CREATE VIEW answer AS SELECT 'new' AS which;";

struct place {
	char folder[32];
	char path[64];
	char error[300];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	snprintf(place->folder, sizeof place->folder, "/tmp/test-migrate-XXXXXX");
	*state = place;
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/a", place->folder);
	return 0;
}

static int clear_place(void **state)
{
	struct place *place = *state;
	char command[80];
	int status;

	snprintf(command, sizeof command, "rm -r %s", place->folder);
	status = system(command);
	free(place);
	return status;
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A file as the release with that version would have left it, with a row. */
static void make_version(const char *path, int version)
{
	char text[200];

	for (int i = 0; i < version; i++)
		run_sql(path, schema_migrations[i]);
	if (version > 0)
		run_sql(path, "INSERT INTO sessions (session_id, packets) VALUES (7, 70)");
	snprintf(text, sizeof text,
		 "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		 "CREATE VIEW answer AS SELECT 'old' AS which",
		 ARCHIVE_APPLICATION_ID, version);
	if (version > 0)
		run_sql(path, text);
}

static int64_t ask(struct archive *archive, const char *sql)
{
	int64_t value = -1;

	assert_int_equal(archive_integer(archive, sql, &value), 0);
	return value;
}

static void test_from_every_version(void **state)
{
	struct place *place = *state;

	for (int version = 0; version < 3; version++) {
		struct archive *archive;

		make_version(place->path, version);
		assert_int_equal(
			archive_open(&archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error),
			0);
		assert_int_equal(ask(archive, "PRAGMA user_version"), 3);
		assert_int_equal(ask(archive, "PRAGMA application_id"), ARCHIVE_APPLICATION_ID);
		assert_int_equal(ask(archive, "SELECT which = 'new' FROM answer"), 1);
		if (version > 0) {
			assert_int_equal(ask(archive, "SELECT packets FROM sessions WHERE session_id = 7"),
					 70);
			assert_int_equal(ask(archive, "SELECT third FROM sessions WHERE session_id = 7"), 3);
		}
		/* A row of version 1 took the step's update, one of version 2 had its own value. */
		if (version == 1)
			assert_int_equal(ask(archive, "SELECT second FROM sessions"), 70);
		if (version == 2)
			assert_int_equal(ask(archive, "SELECT second FROM sessions"), 2);
		archive_close(archive);
		assert_int_equal(unlink(place->path), 0);
	}
}

/* A step fails half-way: the file stays what it was. */
static void test_all_or_nothing(void **state)
{
	struct place *place = *state;
	struct archive *archive;

	make_version(place->path, 1);
	/* Makes the step to version 2 fail after the column was added. */
	run_sql(place->path,
		"CREATE TRIGGER no BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END");
	assert_int_equal(
		archive_open(&archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error),
		OWAMP_ESYSTEM);
	assert_null(archive);
	assert_non_null(strstr(place->error, place->path));
	assert_non_null(strstr(place->error, ": no"));
	run_sql(place->path, "DROP TRIGGER no");
	run_sql(place->path, "ALTER TABLE sessions ADD COLUMN second INTEGER"); /* it is not there */
}

static void test_newer(void **state)
{
	struct place *place = *state;
	struct archive *archive;

	make_version(place->path, 3);
	run_sql(place->path, "PRAGMA user_version = 4");
	for (int mode = ARCHIVE_READ; mode <= ARCHIVE_WRITE; mode++) {
		assert_int_equal(archive_open(&archive, place->path, (enum archive_mode)mode, place->error,
					      sizeof place->error),
				 OWAMP_EINVAL);
		assert_non_null(strstr(place->error,
				       "is of schema version 4, written by a newer release; this one "
				       "knows 3"));
	}
}

static void test_older_is_not_read(void **state)
{
	struct place *place = *state;
	struct archive *archive;

	make_version(place->path, 2);
	assert_int_equal(archive_open(&archive, place->path, ARCHIVE_READ, place->error, sizeof place->error),
			 OWAMP_EINVAL);
	assert_non_null(strstr(place->error, "is of schema version 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_from_every_version, make_place, clear_place),
		cmocka_unit_test_setup_teardown(test_all_or_nothing, make_place, clear_place),
		cmocka_unit_test_setup_teardown(test_newer, make_place, clear_place),
		cmocka_unit_test_setup_teardown(test_older_is_not_read, make_place, clear_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
