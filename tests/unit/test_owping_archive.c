#include "owping_fixture.h"

#include <pty.h>
#include <unistd.h>

#include "owping/archive.c"

static void assert_outcome(struct fixture *f, enum archive_outcome expected)
{
	fixture_report(f);
	assert_int_equal(owping_archive_outcome(f->report), expected);
	fixture_end(f);
}

/* Complete, whatever the network lost. */
static void test_finished(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	assert_outcome(&f, ARCHIVE_FINISHED);
}

/* Stopped before its end: all that RFC 4656 section 3.8 leaves is there. */
static void test_ended_early(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.error = OWAMP_EPARTIAL;
	f.result.next_seq = 7;
	f.result.record_count = 3;
	assert_outcome(&f, ARCHIVE_FINISHED);
	/* 0, 1, 2, 4: packet 3 has no record. */
	f.result.record_count = 4;
	assert_outcome(&f, ARCHIVE_BROKEN);
	f.skips[0] = (struct owamp_skip_range){3, 3};
	f.result.skip_count = 1;
	assert_outcome(&f, ARCHIVE_FINISHED);
}

static void test_skipped(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.error = OWAMP_EPARTIAL;
	f.skips[0] = (struct owamp_skip_range){3, 3};
	f.result.skip_count = 1;
	assert_outcome(&f, ARCHIVE_FINISHED);
}

static void test_broken(void **state)
{
	struct fixture f;

	(void)state;
	/* Packet 3 has no record, though the sender reached its end. */
	fixture_begin(&f);
	f.result.error = OWAMP_EPARTIAL;
	assert_outcome(&f, ARCHIVE_BROKEN);
	/* Nor have the last seven. */
	f.result.record_count = 3;
	assert_outcome(&f, ARCHIVE_BROKEN);
	/* The sender gave no account. */
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.stopped = false;
	f.result.error = OWAMP_ECLOSED;
	assert_outcome(&f, ARCHIVE_BROKEN);
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.error = OWAMP_ENOMEM;
	assert_outcome(&f, ARCHIVE_BROKEN);
}

static void test_invalid(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.error = OWAMP_EDATA;
	assert_outcome(&f, ARCHIVE_INVALID);
}

/* What the sampler counted; a leap second is not among it. */
static void test_step(void **state)
{
	struct owamp_clock_status before = {.stepped_ns = 7, .step_ns = 7, .snapshot.steps = 1};
	struct owamp_clock_status after = before;

	(void)state;
	assert_int_equal(owping_clock_step(&before, &after), 0);
	after.snapshot.steps = 3;
	after.step_ns = -100;
	after.stepped_ns = 107;
	assert_int_equal(owping_clock_step(&before, &after), 100);
	/* Set and set back. */
	after.stepped_ns = 7;
	assert_int_equal(owping_clock_step(&before, &after), -100);
}

static void test_reading(void **state)
{
	struct owamp_clock_status first, second;
	struct owamp_clock *clock;

	(void)state;
	assert_int_equal(owamp_clock_new(&clock, NULL, NULL, 0), 0);
	owping_clock_read(&first, clock);
	owping_clock_read(&second, clock);
	owamp_clock_free(clock);
	assert_true(second.now_real > first.now_real);
	assert_true(second.now_mono > first.now_mono);
	assert_int_equal(second.bound_ns, owamp_clock_bound(&second.snapshot, second.now_mono));
	assert_non_null(first.snapshot.source);
	assert_int_equal(owping_clock_step(&first, &second), 0);
}

static void test_open(void **state)
{
	struct owping_archive archive;

	(void)state;
	assert_int_equal(owping_archive_open(&archive, NULL), 0);
	assert_null(archive.archive);
	owping_archive_close(&archive);
	assert_int_not_equal(owping_archive_open(&archive, "/nowhere/results.db"), 0);
	assert_ptr_equal(strstr(archive.error, "/nowhere/results.db: "), archive.error);
	owping_archive_close(&archive);
}

/* What show_progress() writes to a terminal of that name, after so many seconds. */
static char *progress_on(const char *terminal, int64_t seconds, bool quiet)
{
	struct owping_options options = {.quiet = quiet};
	struct owping_run run = {.options = &options};
	struct owping_archive archive = {.path = "results.db"};
	struct owamp_result result = {.record_count = 300};
	struct owping_report report = {.result = &result};
	struct storing storing = {.archive = &archive, .run = &run, .report = &report};
	char *text = calloc(256, 1);
	int saved = dup(STDERR_FILENO);
	int master, slave;

	assert_non_null(text);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	dup2(slave, STDERR_FILENO);
	setenv("TERM", terminal, 1);
	storing.started_mono = owamp_mono_ns() - seconds * 1000000000;
	show_progress(&storing, 200);
	fputs("|", stderr);
	dup2(saved, STDERR_FILENO);
	/* A terminal passes each write on when it likes to. */
	for (size_t length = 0; strchr(text, '|') == NULL;) {
		ssize_t got = read(master, text + length, 255 - length);

		assert_true(got > 0);
		length += (size_t)got;
	}
	assert_true(storing.shown == (strlen(text) > 1));
	close(saved);
	close(slave);
	close(master);
	return text;
}

/* Nobody is told of what is over in a moment. */
static void test_progress(void **state)
{
	static const struct {
		const char *terminal;
		int64_t seconds;
		bool quiet;
		const char *text;
	} cases[] = {
		{"xterm", 2, false, "\r\033[Karchive results.db: 200 of 300 records|"},
		{"xterm", -1000, false, "|"},
		{"xterm", 2, true, "|"},
		{"dumb", 2, false, "|"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = progress_on(cases[i].terminal, cases[i].seconds, cases[i].quiet);

		assert_string_equal(text, cases[i].text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finished), cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_skipped),  cmocka_unit_test(test_broken),
		cmocka_unit_test(test_invalid),  cmocka_unit_test(test_step),
		cmocka_unit_test(test_reading),  cmocka_unit_test(test_open),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
