#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <owamp/error.h>

#include "owping/values.h"

static void test_seconds(void **state)
{
	static const char *const wrong[] = {"",   ".",   "-1",           "+1",         "1e3", " 1",
					    "1 ", "0x1", "0.0000000001", "1000000001", "nan", "1s"};
	int64_t ns = -1;

	(void)state;
	assert_int_equal(owping_parse_seconds("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(owping_parse_seconds(".000000001", &ns), 0);
	assert_int_equal(ns, 1);
	assert_int_equal(owping_parse_seconds("12.", &ns), 0);
	assert_int_equal(ns, 12000000000);
	assert_int_equal(owping_parse_seconds("500000000", &ns), 0);
	assert_int_equal(ns, 500000000000000000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(owping_parse_seconds(wrong[i], &ns), OWAMP_EINVAL);
	assert_int_equal(ns, 500000000000000000);
}

static void test_schedule(void **state)
{
	static const char *const wrong[] = {"",  ",",     "1e,", ",1e", "1ee",   "1f2f",
					    "e", "1e 2e", "-1f", "0f",  "0e,0f", "500000001f"};
	struct owamp_slot *slots = NULL;
	uint32_t count = 0;

	(void)state;
	assert_int_equal(owping_parse_schedule("1.5e,0f,2,0.25f", &slots, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(slots[0].type, OWAMP_SLOT_EXPONENTIAL);
	assert_int_equal(slots[0].interval, 3 * OWAMP_SECOND / 2);
	assert_int_equal(slots[1].type, OWAMP_SLOT_FIXED);
	assert_int_equal(slots[1].interval, 0);
	assert_int_equal(slots[2].type, OWAMP_SLOT_EXPONENTIAL);
	assert_int_equal(slots[2].interval, 2 * OWAMP_SECOND);
	assert_int_equal(slots[3].type, OWAMP_SLOT_FIXED);
	assert_int_equal(slots[3].interval, OWAMP_SECOND / 4);
	free(slots);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(owping_parse_schedule(wrong[i], &slots, &count), OWAMP_EINVAL);
}

static void test_dscp(void **state)
{
	/* Values of RFC 2474, 2597, 3246, 5865 and 8622. */
	static const struct {
		const char *name;
		int value;
	} right[] = {
		{"default", 0}, {"be", 0},    {"CS0", 0},   {"cs1", 8},   {"CS7", 56}, {"AF11", 10},
		{"af13", 14},   {"AF22", 20}, {"AF31", 26}, {"AF43", 38}, {"EF", 46},  {"ef", 46},
		{"LE", 1},      {"VA", 44},   {"63", 63},   {"0x3f", 63}, {"0", 0},
	};
	static const char *const wrong[] = {"",      "64",   "-1",   "CS8", "CS", "CS11", "AF01",
					    "AF44x", "AF51", "AF14", "EFX", "0x", "AF1"};
	uint8_t dscp = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(owping_parse_dscp(right[i].name, &dscp), 0);
		assert_int_equal(dscp, right[i].value);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(owping_parse_dscp(wrong[i], &dscp), OWAMP_EINVAL);
}

static void test_ports(void **state)
{
	static const char *const wrong[] = {"",    "-",     "1-",      "-1",    "2-1",
					    "0-5", "65536", "1-65536", "1-2-3", "x"};
	uint16_t low = 1;
	uint16_t high = 1;

	(void)state;
	assert_int_equal(owping_parse_ports("0", &low, &high), 0);
	assert_int_equal(low, 0);
	assert_int_equal(high, 0);
	assert_int_equal(owping_parse_ports("5000", &low, &high), 0);
	assert_int_equal(low, 5000);
	assert_int_equal(high, 5000);
	assert_int_equal(owping_parse_ports("1-65535", &low, &high), 0);
	assert_int_equal(low, 1);
	assert_int_equal(high, 65535);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(owping_parse_ports(wrong[i], &low, &high), OWAMP_EINVAL);
}

static void test_targets(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		uint16_t port;
	} right[] = {
		{"host", "host", 0},
		{"host:861", "host", 861},
		{"192.0.2.1:65535", "192.0.2.1", 65535},
		{"::1", "::1", 0},
		{"[::1]", "::1", 0},
		{"[fe80::1%eth0]:1", "fe80::1%eth0", 1},
		{"2001:db8::1", "2001:db8::1", 0},
	};
	static const char *const wrong[] = {"",     ":861", "h:",     "h:x",   "h:65536",
					    "[::1", "[]:1", "[::1]x", "[::1]:"};
	char host[64];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		uint16_t port = 0;

		assert_int_equal(owping_parse_target(right[i].text, host, sizeof(host), &port), 0);
		assert_string_equal(host, right[i].host);
		assert_int_equal(port, right[i].port);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint16_t port;

		assert_int_equal(owping_parse_target(wrong[i], host, sizeof(host), &port), OWAMP_EINVAL);
	}
}

static void test_percentiles(void **state)
{
	static const char *const wrong[] = {"", "0", "101", "5,", "5 6", "-5", "100.1"};
	double list[3];
	size_t count = 0;

	(void)state;
	assert_int_equal(owping_parse_percentiles("0.5,50,100", list, 3, &count), 0);
	assert_int_equal(count, 3);
	assert_true(list[0] == 0.5 && list[1] == 50 && list[2] == 100);
	assert_int_equal(owping_parse_percentiles("1,2,3,4", list, 3, &count), OWAMP_EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(owping_parse_percentiles(wrong[i], list, 3, &count), OWAMP_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds), cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_dscp),    cmocka_unit_test(test_ports),
		cmocka_unit_test(test_targets), cmocka_unit_test(test_percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
