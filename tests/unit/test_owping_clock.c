/* owping --clock with a clock that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "owping/clock.h"
#include "owping/common.h"

#define S INT64_C(1000000000)

static const char *refusal; /* why there is no clock; NULL: there is */
static const char *alarm_text;
static bool blocked_before;
static bool blocked_after;

static bool is_blocked(void)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, SIGINT) || sigismember(&now, SIGTERM) || sigismember(&now, SIGHUP);
}

/* In place of the library's. */
int owamp_clock_new(struct owamp_clock **clock, const struct owamp_clock_config *config, char *error,
		    size_t error_size)
{
	(void)config;
	*clock = NULL;
	blocked_before = is_blocked();
	if (refusal)
		snprintf(error, error_size, "%s", refusal);
	return refusal ? OWAMP_EINVAL : 0;
}

void owamp_clock_free(struct owamp_clock *clock)
{
	(void)clock;
}

uint64_t owamp_clock_rounds(const struct owamp_clock *clock)
{
	(void)clock;
	blocked_after = is_blocked();
	return 1000;
}

/* Each a round later than the one before. */
void owamp_clock_status(struct owamp_clock *clock, struct owamp_clock_status *status)
{
	static int64_t rounds;

	(void)clock;
	owping_clock_unknown(status);
	status->now_mono = owamp_mono_ns() + ++rounds * S;
	snprintf(status->alarm, sizeof(status->alarm), "%s", alarm_text);
}

/* What goes to standard output meanwhile. */
static const char *run(const struct owping_options *options, int wanted, char *text, size_t size)
{
	int kept = dup(STDOUT_FILENO), file = memfd_create("output", MFD_CLOEXEC), status;
	ssize_t length;
	sigset_t before;

	assert_true(kept >= 0 && file >= 0);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	status = owping_clock(options);
	fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	length = pread(file, text, size - 1, 0);
	assert_true(length >= 0);
	text[length] = '\0';
	close(kept);
	close(file);
	assert_int_equal(status, wanted);
	return text;
}

/* The usual configuration would be this host's. */
static int set_up(void **state)
{
	static char path[32];
	static const char text[] = "clock { }\n";
	int file = memfd_create("clock.conf", 0);

	assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	*state = path;
	refusal = NULL;
	alarm_text = "";
	return 0;
}

static int tear_down(void **state)
{
	return close(atoi(strrchr(*state, '/') + 1));
}

/* The first round may take long: until then they end the program. */
static void test_signals(void **state)
{
	struct owping_options options = {.program = OWPING_PING, .clock = true, .clock_config = *state};
	char text[8192];

	assert_non_null(strstr(run(&options, OWPING_EXIT_OK, text, sizeof(text)), "NOT synchronized"));
	assert_false(blocked_before);
	assert_true(blocked_after);
}

static void test_alarm(void **state)
{
	struct owping_options options = {
		.program = OWPING_PING, .clock = true, .clock_seconds = 1, .clock_config = *state};
	char text[8192];

	alarm_text = "a\033[2J contradicts\nb";
	run(&options, OWPING_EXIT_OK, text, sizeof(text));
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "  ALARM: a?[2J contradicts?b\n"));
}

static void assert_refused(const struct owping_options *options, const char *wanted)
{
	char text[2048];
	json_t *document = json_loads(run(options, OWPING_EXIT_FAILED, text, sizeof(text)),
				      JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(document);
	assert_true(json_is_null(json_object_get(document, "clock")));
	assert_string_equal(json_string_value(json_object_get(document, "error")), wanted);
	json_decref(document);
}

/* Names of files are octets, JSON is not. */
static void test_not_utf8(void **state)
{
	struct owping_options options = {.program = OWPING_PING,
					 .clock = true,
					 .format = OWPING_JSON,
					 .clock_config = "/nowhere/\377\303\274"};

	assert_refused(&options, "/nowhere/???: cannot read: No such file or directory");
	options.clock_config = *state;
	refusal = "/some\377where: no";
	assert_refused(&options, "/some?where: no");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alarm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_utf8, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
