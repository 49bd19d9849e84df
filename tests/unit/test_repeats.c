/* Lines that come again and again. Times in s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <syslog.h>

#include "owampd/repeats.h"

#define S INT64_C(1000000000)

struct log {
	char text[4096];
};

static void keep(void *context, int level, const char *text)
{
	struct log *log = context;
	size_t used = strlen(log->text);

	snprintf(log->text + used, sizeof(log->text) - used, "%d %s\n", level, text);
}

static struct log log_kept;

static struct repeats *begin(void)
{
	struct repeats *repeats = repeats_new(keep, &log_kept);

	log_kept.text[0] = '\0';
	assert_non_null(repeats);
	return repeats;
}

/* Since the last call. */
static void assert_written(const char *text)
{
	assert_string_equal(log_kept.text, text);
	log_kept.text[0] = '\0';
}

/* Amounts make no difference, names do. */
static void test_kinds(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	repeats_say(repeats, 1 * S, LOG_WARNING, "set by +5.000 s");
	repeats_say(repeats, 2 * S, LOG_WARNING, "set by -12 ms");
	repeats_say(repeats, 3 * S, LOG_WARNING, "set by -4.9 us");
	assert_written("4 set by +5.000 s\n");
	repeats_say(repeats, 3 * S, LOG_WARNING, "set 2 times by 5 s");
	assert_written("4 set 2 times by 5 s\n");
	repeats_say(repeats, 3 * S, LOG_INFO, "ptp0 is absent");
	repeats_say(repeats, 3 * S, LOG_INFO, "ptp1 is absent");
	assert_written("6 ptp0 is absent\n6 ptp1 is absent\n");
	repeats_free(repeats);
}

/* Once in 10 s, and the last of what was left out comes when they are over. */
static void test_repetition(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	repeats_say(repeats, 0, LOG_INFO, "a is valid");
	assert_written("6 a is valid\n");
	for (int64_t t = 1; t < 10; t++) {
		repeats_say(repeats, t * S, LOG_ERR, "a is valid");
		repeats_tell(repeats, t * S);
		assert_written("");
	}
	repeats_tell(repeats, 10 * S - 1);
	assert_written("");
	repeats_tell(repeats, 10 * S);
	assert_written("3 a is valid (and 8 more like it in 10 s)\n");
	/* That was a writing, too: the next 10 s begin. */
	repeats_say(repeats, 15 * S, LOG_INFO, "a is valid");
	repeats_tell(repeats, 20 * S - 1);
	assert_written("");
	repeats_tell(repeats, 20 * S);
	assert_written("6 a is valid\n");
	repeats_tell(repeats, 30 * S);
	assert_written("");
	repeats_say(repeats, 30 * S, LOG_INFO, "a is valid");
	assert_written("6 a is valid\n");
	repeats_free(repeats);
}

/* The last line tells how things are. */
static void test_order(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	repeats_say(repeats, 0 * S, LOG_INFO, "a is valid");
	repeats_say(repeats, 1 * S, LOG_INFO, "a is absent");
	repeats_say(repeats, 2 * S, LOG_INFO, "a is valid");
	repeats_say(repeats, 3 * S, LOG_INFO, "a is absent");
	repeats_say(repeats, 4 * S, LOG_INFO, "a is valid");
	assert_written("6 a is valid\n6 a is absent\n");
	repeats_tell(repeats, 10 * S);
	assert_written("");
	repeats_tell(repeats, 11 * S);
	assert_written("6 a is absent\n6 a is valid (and 1 more like it in 11 s)\n");
	repeats_free(repeats);
}

/* With hundreds of kinds at a time all is written, and memory does not grow. */
static void test_many(void **state)
{
	struct repeats *repeats = begin();
	char text[40];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "kind%u", i);
		repeats_say(repeats, 0, LOG_INFO, text);
		assert_true(strlen(log_kept.text) > 0);
		log_kept.text[0] = '\0';
	}
	repeats_say(repeats, 1, LOG_INFO, "kind0");
	assert_written("");
	/* Places are free again. */
	repeats_tell(repeats, 10 * S);
	repeats_tell(repeats, 20 * S);
	log_kept.text[0] = '\0';
	repeats_say(repeats, 20 * S, LOG_INFO, "kind299");
	repeats_say(repeats, 20 * S, LOG_INFO, "kind299");
	assert_written("6 kind299\n");
	repeats_free(repeats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_repetition),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
