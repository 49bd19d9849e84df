#include "import_fixture.h"

static void test_store(void **state)
{
	struct fixture *f = *state;

	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_STORED);
	assert_string_equal(f->reason, "");
	assert_whole(f);
}

static void note_progress(void *context, uint32_t done)
{
	char *text = context;

	snprintf(text + strlen(text), 64 - strlen(text), "%u ", done);
}

/* In five transactions, which come to the same. */
static void test_store_in_parts(void **state)
{
	struct fixture *f = *state;
	char progress[64] = "";

	f->import.transaction_rows = 3;
	f->import.progress = note_progress;
	f->import.context = progress;
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_STORED);
	assert_string_equal(progress, "3 6 9 12 ");
	assert_whole(f);
}

/* Summing up from the rows gives what was summed up from the records. */
static void test_rebuild(void **state)
{
	struct fixture *f = *state;
	struct summary_rebuild *rebuild;
	bool more = true;
	char *before, *after;

	import_with(f, 0);
	before = dump(f);
	assert_int_equal(summary_rebuild_new(&rebuild, f->archive, 1), 0);
	while (more)
		assert_int_equal(summary_rebuild_step(rebuild, 4, &more), 0);
	summary_rebuild_free(rebuild);
	after = dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Of packet 2 the first record counts, and 3 arrived after all. */
static void test_dropped(void **state)
{
	struct fixture *f = *state;

	f->records[3].dropped = f->records[5].dropped = true;
	import_with(f, 0);
	assert_rows(f,
		    "SELECT seq, duplicate FROM packets WHERE dropped AND delay_ns IS NULL ORDER BY arrival",
		    "2|0\n3|1\n");
	assert_rows(f, "SELECT count(*) FROM packets WHERE dropped", "2\n");
	assert_rows(f, "SELECT sent, received, lost, dropped FROM minutes ORDER BY minute_ns",
		    "5|4|0|1\n2|2|0|0\n");
	assert_rows(f, "SELECT count(*) FROM losses", "0\n");
	test_rebuild(state);
}

/* The other way round it is lost. */
static void test_lost_then_dropped(void **state)
{
	struct fixture *f = *state;

	f->records[4].dropped = true;
	import_with(f, 0);
	assert_rows(f, "SELECT lost, dropped FROM minutes ORDER BY minute_ns", "1|0\n0|0\n");
	assert_rows(f, "SELECT first_seq, last_seq FROM losses", "2|2\n");
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	f->import.record_count = 0;
	f->import.end.stop = NULL;
	f->import.end.outcome = ARCHIVE_BROKEN;
	import_with(f, 0);
	assert_rows(f, "SELECT outcome, next_seq, records, summaries_due FROM sessions", "broken|NULL|0|0\n");
	assert_rows(f, "SELECT count(*) FROM packets", "0\n");
}

/* Nothing of it is to be believed. */
static void test_invalid(void **state)
{
	struct fixture *f = *state;

	f->import.end.outcome = ARCHIVE_INVALID;
	import_with(f, 0);
	assert_rows(f, "SELECT outcome, reason, records FROM sessions", "invalid|ended early|0\n");
	assert_rows(f, "SELECT (SELECT count(*) FROM packets) + (SELECT count(*) FROM minutes)", "0\n");
}

static void test_kept(void **state)
{
	struct fixture *f = *state;
	char *before, *after;

	import_with(f, 0);
	before = dump(f);
	f->import.session.program = "owfetch";
	f->import.record_count = 1;
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_KEPT);
	assert_string_equal(f->reason, "stored before by owping, finished: ended early");
	after = dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* A broken one gives way to a finished one, not to another broken one. */
static void test_replaced(void **state)
{
	struct fixture *f = *state;

	f->import.end.outcome = ARCHIVE_BROKEN;
	f->import.end.reason = "the server went away";
	f->import.end.stop = NULL;
	f->import.record_count = 4;
	import_with(f, 0);
	f->import.record_count = 5;
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_KEPT);
	assert_string_equal(f->reason, "stored before by owping, broken: the server went away");
	assert_rows(f, "SELECT records FROM sessions", "4\n");
	make_import(f);
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_REPLACED);
	assert_whole(f);
}

static void test_running(void **state)
{
	struct fixture *f = *state;
	int64_t session_id;
	char *before, *after;

	f->import.session.program = "owampd";
	assert_int_equal(archive_begin(f->archive), 0);
	assert_int_equal(archive_session_insert(f->archive, &f->import.session, &session_id), 0);
	assert_int_equal(archive_commit(f->archive), 0);
	before = dump(f);
	f->import.session.program = "owfetch";
	import_with(f, OWAMP_ESTATE);
	assert_string_equal(f->reason, "the session is there and still runs (owampd)");
	after = dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Half removed, by a process that ended. */
static void test_being_removed(void **state)
{
	struct fixture *f = *state;
	bool more;

	import_with(f, 0);
	assert_int_equal(archive_begin(f->archive), 0);
	assert_int_equal(archive_session_remove(f->archive, 1, true, 3, &more), 0);
	assert_true(more);
	assert_int_equal(archive_commit(f->archive), 0);
	f->import.transaction_rows = 3;
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_REPLACED);
	assert_whole(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_store_in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rebuild, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost_then_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_invalid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_running, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_being_removed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
