/* Times, spans and sizes as people write them. Expected values are those of date(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "owping/stats_when.h"

#define NS INT64_C(1000000000)

/* 2026-11-21T14:30:15.25 */
#define NOW (1795271415 * NS + 250000000)

static void assert_when(const char *text, int64_t expected_ns)
{
	char error[256] = "";
	int64_t ns = -1;

	assert_int_equal(stats_when_parse(text, NOW, &ns, error, sizeof error), 0);
	assert_int_equal(ns, expected_ns);
	assert_string_equal(error, "");
}

static void assert_wrong(const char *text, const char *word)
{
	char error[256] = "";
	int64_t ns = -1;

	assert_int_equal(stats_when_parse(text, NOW, &ns, error, sizeof error), OWAMP_EINVAL);
	assert_int_equal(ns, -1);
	assert_non_null(strstr(error, word));
	assert_int_equal(strncmp(error, text, strlen(text)), 0);
}

static void test_ago(void **state)
{
	(void)state;
	assert_when("2h", NOW - 7200 * NS);
	assert_when("90min", NOW - 5400 * NS);
	assert_when("90m", NOW - 5400 * NS);
	assert_when("7d", NOW - 7 * 86400 * NS);
	assert_when("1w", NOW - 7 * 86400 * NS);
	assert_when("1d12h", NOW - 36 * 3600 * NS);
	assert_when("1h30min5s", NOW - 5405 * NS);
	assert_when("1.5h", NOW - 5400 * NS);
	assert_when("0.000000001s", NOW - 1);
}

static void test_names(void **state)
{
	(void)state;
	assert_when("now", NOW);
	assert_when("NOW", NOW);
	assert_when("today", 1795219200 * NS);
	assert_when("yesterday", 1795132800 * NS);
}

static void test_dates(void **state)
{
	(void)state;
	assert_when("2026-11-20", 1795132800 * NS);
	assert_when("2026-11-20T10:00", 1795168800 * NS);
	assert_when("2026-11-20 10:00:30.5", 1795168830 * NS + 500000000);
	assert_when("2026-11-20T10:00:30.000000001Z", 1795168830 * NS + 1);
	assert_when("2026-11-20t10:00z", 1795168800 * NS);
	assert_when("2026-11-20T10:00+02:00", 1795161600 * NS);
	assert_when("2026-11-20T10:00-0530", 1795188600 * NS);
	assert_when("2026-11-20T10:00+02", 1795161600 * NS);
	assert_when("2024-02-29", 1709164800 * NS);
	assert_when("2000-02-29", 951782400 * NS);
	assert_when("1970-01-01", 0);
	assert_when("1970-01-01T00:00+01:00", -3600 * NS);
	assert_when("2261-12-31T23:59:59.999999999Z", INT64_C(9214646399999999999));
}

/* Another zone of the process changes nothing. */
static void test_zone(void **state)
{
	(void)state;
	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	tzset();
	assert_when("2026-11-20T10:00", 1795168800 * NS);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

static void test_seconds(void **state)
{
	(void)state;
	assert_when("@1763632800", 1763632800 * NS);
	assert_when("@0.25", 250000000);
	assert_when("@9223372035.999999999", INT64_C(9223372035999999999));
}

static void test_wrong(void **state)
{
	static const char *const unknown[] = {"",    "2",    "h",   "2hours",       "2h30",     "-2h",
					      "2 h", "1e3s", "2x",  "tomorrow",     "20261120", "..5h",
					      "1.h", "+1h",  "2h ", "1.0000000001h"};

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		assert_wrong(unknown[i], "expected a time, such as");
	assert_wrong("2026-13-01", "month: expected 01 to 12");
	assert_wrong("2026-00-01", "month: expected 01 to 12");
	assert_wrong("2026-11-31", "day: expected 01 to 30");
	assert_wrong("2026-02-29", "day: expected 01 to 28");
	assert_wrong("2100-02-29", "day: expected 01 to 28");
	assert_wrong("1969-12-31", "year: expected 1970 to 2261");
	assert_wrong("2262-01-01", "year: expected 1970 to 2261");
	assert_wrong("26-11-20", "year: expected 4 digits");
	assert_wrong("2026-11", "after the month");
	assert_wrong("2026-1-20", "month: expected 2 digits");
	assert_wrong("2026-11-20T24:00", "hour: expected 00 to 23");
	assert_wrong("2026-11-20T10", "after the hour");
	assert_wrong("2026-11-20T10:60", "minute: expected 00 to 59");
	assert_wrong("2026-11-20T10:00:60", "second: expected 00 to 59");
	assert_wrong("2026-11-20T10:00:00.", "decimals");
	assert_wrong("2026-11-20T10:00:00.1234567891", "decimals");
	assert_wrong("2026-11-20T10:00+24:00", "zone: expected 00 to 23");
	assert_wrong("2026-11-20T10:00+0260", "zone's minutes");
	assert_wrong("2026-11-20T10:00+2", "zone: expected 2 digits");
	assert_wrong("2026-11-20T10:00 ", "nothing is expected at ' '");
	assert_wrong("2026-11-20Z", "nothing is expected at 'Z'");
	assert_wrong("@", "seconds since 1970");
	assert_wrong("@-1", "seconds since 1970");
	assert_wrong("@9223372036", "seconds since 1970");
	assert_wrong("@1763632800s", "seconds since 1970");
}

/* What is too long is no overflow. */
static void test_spans(void **state)
{
	static const char *const wrong[] = {"",
					    "0s",
					    "0h0min",
					    "101w1000d999999h999999999min",
					    "-1h",
					    "5219w",
					    "1hm",
					    "1000000000000s",
					    "9999999999999s",
					    "99999999999w",
					    "30"};
	int64_t ns = -1;

	(void)state;
	assert_int_equal(stats_when_span("30d", &ns), 0);
	assert_int_equal(ns, 30 * 86400 * NS);
	assert_int_equal(stats_when_span("5217w", &ns), 0);
	assert_int_equal(ns, INT64_C(5217) * 7 * 86400 * NS);
	assert_int_equal(stats_when_span(".5h", &ns), OWAMP_EINVAL);
	ns = -1;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(stats_when_span(wrong[i], &ns), OWAMP_EINVAL);
	assert_int_equal(ns, -1);
}

static void test_sizes(void **state)
{
	static const char *const wrong[] = {
		"", "0", "g", "-1g", "1gb", "1.5g", "8388608t", "9999999999999999999", " 1"};
	uint64_t octets = 1;

	(void)state;
	assert_int_equal(stats_when_size("10g", &octets), 0);
	assert_int_equal(octets, UINT64_C(10737418240));
	assert_int_equal(stats_when_size("512K", &octets), 0);
	assert_int_equal(octets, 524288);
	assert_int_equal(stats_when_size("3m", &octets), 0);
	assert_int_equal(octets, 3145728);
	assert_int_equal(stats_when_size("2T", &octets), 0);
	assert_int_equal(octets, UINT64_C(2199023255552));
	assert_int_equal(stats_when_size("1234567", &octets), 0);
	assert_int_equal(octets, 1234567);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(stats_when_size(wrong[i], &octets), OWAMP_EINVAL);
	assert_int_equal(octets, 1234567);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ago),   cmocka_unit_test(test_names),   cmocka_unit_test(test_dates),
		cmocka_unit_test(test_zone),  cmocka_unit_test(test_seconds), cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_spans), cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
