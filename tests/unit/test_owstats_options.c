#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "owping/stats_options.h"

#define NS_PER_S INT64_C(1000000000)
#define NOW      (1795271415 * NS_PER_S)
#define SID      "0123456789abcdef0123456789ABCDEF"

#define ARGUMENTS_MAX 16

/* Splits at blanks; '_' stands for a blank within an argument. */
static int parse(struct stats_options *options, const char *line, const char *environment, char error[256])
{
	static char text[256];
	char *argv[ARGUMENTS_MAX + 1] = {"owstats"};
	int argc = 1;

	snprintf(text, sizeof text, "%s", line);
	for (char *word = strtok(text, " "); word && argc < ARGUMENTS_MAX; word = strtok(NULL, " ")) {
		for (char *c = strchr(word, '_'); c; c = strchr(c, '_'))
			*c = ' ';
		argv[argc++] = word;
	}
	error[0] = '\0';
	return stats_options_parse(options, argc, argv, environment, NOW, error, 256);
}

static void assert_right(struct stats_options *options, const char *line)
{
	char error[256];

	assert_int_equal(parse(options, line, NULL, error), 0);
	assert_string_equal(error, "");
}

static void assert_wrong(const char *line, const char *expected)
{
	struct stats_options options;
	char error[256];

	assert_int_equal(parse(&options, line, NULL, error), OWAMP_EINVAL);
	assert_string_equal(error, expected);
}

static void test_defaults(void **state)
{
	struct stats_options options;

	(void)state;
	assert_right(&options, "");
	assert_int_equal(options.command, STATS_LIST);
	assert_string_equal(options.archive, "/var/lib/owampd/archive.sqlite");
	assert_int_equal(options.format, STATS_TEXT);
	assert_int_equal(options.unit, 'm');
	assert_false(options.unix_time);
	assert_true(options.since_ns == INT64_MIN && options.until_ns == INT64_MAX);
	assert_int_equal(options.limit, 100);
	assert_right(&options, "list --json");
	assert_int_equal(options.limit, 0);
	assert_right(&options, "--csv --limit 7");
	assert_int_equal(options.limit, 7);
	assert_right(&options, "timeline a b");
	assert_int_equal(options.step_ns, 3600 * NS_PER_S);
	assert_int_equal(options.percentile_count, 3);
	assert_right(&options, "show 0123");
	assert_int_equal(options.percentile_count, 4);
	assert_true(options.percentiles[3] > 99.89 && options.percentiles[3] < 99.91);
}

static void test_archive(void **state)
{
	struct stats_options options;
	char error[256];

	(void)state;
	assert_int_equal(parse(&options, "list", "/tmp/one", error), 0);
	assert_string_equal(options.archive, "/tmp/one");
	assert_int_equal(parse(&options, "list", "", error), 0);
	assert_string_equal(options.archive, "/var/lib/owampd/archive.sqlite");
	assert_int_equal(parse(&options, "list -a /tmp/two", "/tmp/one", error), 0);
	assert_string_equal(options.archive, "/tmp/two");
}

static void test_values(void **state)
{
	struct stats_options options;

	(void)state;
	assert_right(&options,
		     "list --from alpha --to 192.0.2.2 --outcome broken --since 2h --until now -n u -U");
	assert_string_equal(options.from, "alpha");
	assert_string_equal(options.to, "192.0.2.2");
	assert_string_equal(options.outcome, "broken");
	assert_int_equal(options.since_ns, NOW - 7200 * NS_PER_S);
	assert_int_equal(options.until_ns, NOW);
	assert_int_equal(options.unit, 'u');
	assert_true(options.unix_time);
	assert_right(&options, "-U --utc");
	assert_false(options.unix_time);
	assert_right(&options, "--since 2026-11-20_10:00");
	assert_int_equal(options.since_ns, 1795168800 * NS_PER_S);
	assert_right(&options, "--minutes show " SID " --percentiles 5,99.99");
	assert_int_equal(options.command, STATS_SHOW);
	assert_string_equal(options.sid, SID);
	assert_true(options.minutes);
	assert_int_equal(options.percentile_count, 2);
	assert_right(&options, "histogram a b --rows 10 --width 60");
	assert_null(options.sid);
	assert_string_equal(options.to, "b");
	assert_int_equal(options.rows, 10);
	assert_int_equal(options.width, 60);
	assert_right(&options, "histogram abcd");
	assert_string_equal(options.sid, "abcd");
	assert_right(&options, "export abcd -o file");
	assert_string_equal(options.output, "file");
	assert_right(&options, "prune --keep-packets 30d --keep-summaries 400d --max-size 10g --dry-run");
	assert_int_equal(options.keep_packets_ns, 30 * 86400 * NS_PER_S);
	assert_int_equal(options.keep_summaries_ns, 400 * 86400 * NS_PER_S);
	assert_int_equal(options.max_octets, UINT64_C(10) << 30);
	assert_true(options.dry_run);
}

static void test_wrong(void **state)
{
	(void)state;
	assert_wrong("lost", "lost: no such command");
	assert_wrong("list abcd", "list: nothing is expected at 'abcd'");
	assert_wrong("show", "show: expected one SID, or its first digits");
	assert_wrong("show abcd abce", "show: expected one SID, or its first digits");
	assert_wrong("show abc", "abc: expected a SID, 32 hexadecimal digits, or its first ones, at least 4");
	assert_wrong("show abcx",
		     "abcx: expected a SID, 32 hexadecimal digits, or its first ones, at least 4");
	assert_wrong("export " SID "0",
		     SID "0: expected a SID, 32 hexadecimal digits, or its first ones, at least 4");
	assert_wrong("summary a", "summary: expected two endpoints, FROM TO");
	assert_wrong("histogram a b c", "histogram: expected a SID, or two endpoints, FROM TO");
	assert_wrong("histogram abcd --since 2h",
		     "histogram: --since and --until need two endpoints, not a SID");
	assert_wrong("list --step 1h", "list: there is no --step here");
	assert_wrong("summary a b --minutes", "summary: there is no --minutes here");
	assert_wrong("export abcd -n u", "export: there is no -n here");
	assert_wrong("--json --csv", "--json and --csv exclude each other");
	assert_wrong("--since 1h --until 2h", "--since is not before --until");
	assert_wrong("--since now --until now", "--since is not before --until");
	assert_wrong("--since 2026-11-31", "--since 2026-11-31: the day: expected 01 to 30");
	assert_wrong("--outcome good", "--outcome good: expected running, finished, broken or invalid");
	assert_wrong("--limit many", "--limit many: expected a number from 0 to 4294967295");
	assert_wrong("timeline a b --step 0s",
		     "--step 0s: expected a span of time above 0, such as 10min, 1h or 30d");
	assert_wrong("histogram abcd --rows 3", "--rows 3: expected a number from 4 to 1000");
	assert_wrong("summary a b --percentiles 0",
		     "--percentiles 0: expected up to 64 numbers above 0 and up to 100, such as 50,95,99.9");
	assert_wrong("-n x", "-n x: expected one of n, u, m, s");
	assert_wrong("prune", "prune: expected --keep-packets, --keep-summaries or --max-size");
	assert_wrong("prune --max-size 0", "--max-size 0: expected octets, such as 500m or 10g");
	assert_wrong("prune --keep-packets 2d --keep-summaries 1d",
		     "--keep-summaries is shorter than --keep-packets");
	assert_wrong("--until", "--until: the option needs an argument");
	assert_wrong("-a", "-a: the option needs an argument");
	assert_wrong("-x", "-x: no such option");
	assert_wrong("--colour", "--colour: no such option, or not so");
}

/* More options than there are different ones. */
static void test_repeated(void **state)
{
	struct stats_options options;
	char error[256];
	char *argv[200] = {"owstats"};

	(void)state;
	for (int i = 1; i < 199; i++)
		argv[i] = "--utc";
	assert_int_equal(stats_options_parse(&options, 199, argv, NULL, NOW, error, sizeof error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_archive),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
