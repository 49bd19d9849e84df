#include "import_fixture.h"

#include <sys/wait.h>

static void crash_at_six(void *context, uint32_t done)
{
	(void)context;
	if (done == 6)
		_exit(42);
}

/* Imports in a process that ends after six records; what it leaves is then open. */
static void crash(struct fixture *f)
{
	int status;
	pid_t child;

	archive_close(f->archive);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		open_archive(f);
		f->import.transaction_rows = 3;
		f->import.progress = crash_at_six;
		(void)archive_import(f->archive, &f->import, &f->result, f->reason, sizeof(f->reason));
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	open_archive(f);
}

/* What is left is marked, and replaced by the next import, finished or not. */
static void test_crash(void **state)
{
	struct fixture *f = *state;

	crash(f);
	assert_rows(
		f,
		"SELECT outcome, summaries_due, records, reason LIKE 'the import did not come to its end: "
		"owping, process %' FROM sessions",
		"broken|1|6|1\n");
	assert_rows(f, "SELECT count(*) FROM packets", "6\n");
	f->import.end.outcome = ARCHIVE_BROKEN;
	f->import.transaction_rows = 3;
	import_with(f, 0);
	assert_int_equal(f->result, IMPORT_REPLACED);
	f->import.end.outcome = ARCHIVE_FINISHED;
	import_with(f, 0);
	assert_whole(f);
}

/* As long as the new one is not whole, the old one is there. */
static void test_crash_while_replacing(void **state)
{
	struct fixture *f = *state;
	char *before, *after;

	f->import.end.outcome = ARCHIVE_BROKEN;
	f->import.record_count = 4;
	import_with(f, 0);
	before = dump(f);
	make_import(f);
	crash(f);
	after = dump(f);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void import_elsewhere(void *context, uint32_t done)
{
	struct fixture other = *(struct fixture *)context;

	if (done != 6)
		return;
	other.import.progress = NULL;
	open_archive(&other);
	import_with(&other, 0);
	assert_int_equal(other.result, IMPORT_REPLACED);
	archive_close(other.archive);
}

/* Two at the same time: one gives up, and what is there is the other's. */
static void test_two_at_once(void **state)
{
	struct fixture *f = *state;

	f->import.transaction_rows = 3;
	f->import.progress = import_elsewhere;
	f->import.context = f;
	import_with(f, OWAMP_ESTATE);
	assert_string_equal(f->reason, "another process imports the same session");
	assert_whole(f);
}

static void sum_up_elsewhere(void *context, uint32_t done)
{
	struct fixture other = *(struct fixture *)context;
	struct summary_rebuild *rebuild;
	bool more = true;

	if (done != 9)
		return;
	open_archive(&other);
	assert_int_equal(summary_rebuild_new(&rebuild, other.archive, 1), 0);
	while (more)
		assert_int_equal(summary_rebuild_step(rebuild, 100, &more), 0);
	summary_rebuild_free(rebuild);
	archive_close(other.archive);
}

/* A server that starts meanwhile sums the part up that it finds. */
static void test_summed_up_meanwhile(void **state)
{
	struct fixture *f = *state;

	f->import.transaction_rows = 3;
	f->import.progress = sum_up_elsewhere;
	f->import.context = f;
	import_with(f, 0);
	assert_whole(f);
}

static void limit_pages(void *context, uint32_t done)
{
	struct fixture *f = context;

	if (done == 6)
		free(rows(f, "PRAGMA max_page_count = 1"));
}

/* No room for the rest. */
static void test_full(void **state)
{
	static struct owamp_record many[2000];
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 2000; i++) {
		many[i] = f->records[0];
		many[i].seq = i;
	}
	f->import.session.request.packets = 2000;
	f->import.end.stop = NULL;
	f->import.records = many;
	f->import.record_count = 6;
	import_with(f, 0);
	f->import.session.request.sid[0] = 1;
	f->import.record_count = 2000;
	f->import.transaction_rows = 3;
	f->import.progress = limit_pages;
	f->import.context = f;
	import_with(f, OWAMP_ESYSTEM);
	assert_string_equal(f->reason, "database or disk is full");
	assert_rows(f, "SELECT outcome FROM sessions ORDER BY session_id", "finished\nbroken\n");
	assert_rows(f,
		    "SELECT records = (SELECT count(*) FROM packets WHERE session_id = 2) FROM sessions"
		    " WHERE session_id = 2",
		    "1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_crash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crash_while_replacing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_summed_up_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
