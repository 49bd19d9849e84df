#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "owping/format.h"
#include "owping/output.h"

static void test_delay(void **state)
{
	static const struct {
		int64_t ns;
		char unit;
		const char *text;
	} cases[] = {
		{0, 'm', "0"},
		{1, 'm', "0.000001"},
		{-1, 's', "-0.000000001"},
		{11000, 'm', "0.011"},
		{38149, 'm', "0.0381"},
		{38150, 'm', "0.0382"},
		{99950, 'm', "0.1"},
		{102123456, 'm', "102.123"},
		{-102123500, 'm', "-102.124"},
		{102123456, 'u', "102123"},
		{102123456, 'n', "102123000"},
		{102123456, 's', "0.102123"},
		{12, 'n', "12"},
		{1234, 'n', "1230"},
		{INT64_MAX, 's', "9223372036.854776"},
		{INT64_MIN, 's', "-9223372036.854776"},
	};
	char text[OWPING_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(owping_format_delay(text, cases[i].ns, cases[i].unit), cases[i].text);
}

static void test_bound(void **state)
{
	char text[OWPING_TEXT_SIZE];

	(void)state;
	assert_string_equal(owping_format_bound(text, 500000, 'm'), "0.5");
	assert_string_equal(owping_format_bound(text, 500001, 'm'), "0.501");
	assert_string_equal(owping_format_bound(text, 16000000001, 's'), "16.1");
	assert_string_equal(owping_format_bound(text, 999001, 'm'), "1");
	assert_string_equal(owping_format_bound_auto(text, 800000), "0.8 ms");
	assert_string_equal(owping_format_bound_auto(text, 16000000000), "16 s");
	assert_string_equal(owping_format_bound_auto(text, 1234), "1.24 us");
	assert_string_equal(owping_format_delay_auto(text, -999), "-999 ns");
	assert_string_equal(owping_format_delay_auto(text, 2000000000), "2 s");
}

static void test_time(void **state)
{
	char text[OWPING_TEXT_SIZE];

	(void)state;
	assert_string_equal(owping_format_time(text, 1795222255794999999, false, 3),
			    "2026-11-21T00:50:55.794");
	assert_string_equal(owping_format_time(text, 1795222255794999999, true, 9), "1795222255.794999999");
	assert_string_equal(owping_format_time(text, 1795222255794999999, false, 0), "2026-11-21T00:50:55");
	assert_string_equal(owping_format_time(text, -1, false, 3), "1969-12-31T23:59:59.999");
	assert_string_equal(owping_format_seconds(text, -1), "-0.000000001");
	assert_string_equal(owping_format_seconds(text, 1500000000), "1.500000000");
}

static void test_address(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(861)};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char text[OWPING_TEXT_SIZE];

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr), 1);
	assert_string_equal(owping_format_endpoint(text, (const struct sockaddr *)&in6), "[2001:db8::1]:861");
	assert_string_equal(owping_format_endpoint(text, &none), "[?]:0");
	/* Interface 1 is the loopback interface, in each network namespace. */
	assert_int_equal(inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr), 1);
	assert_string_equal(owping_format_host(text, (const struct sockaddr *)&in6), "fe80::1");
	in6.sin6_scope_id = 1;
	assert_string_equal(owping_format_host(text, (const struct sockaddr *)&in6), "fe80::1%lo");
	assert_string_equal(owping_format_endpoint(text, (const struct sockaddr *)&in6), "[fe80::1%lo]:861");
}

static void test_exit_status(void **state)
{
	static const enum owping_outcome complete[] = {OWPING_COMPLETE, OWPING_COMPLETE};
	static const enum owping_outcome partial[] = {OWPING_COMPLETE, OWPING_PARTIAL};
	static const enum owping_outcome denied[] = {OWPING_COMPLETE, OWPING_FAILED};
	static const enum owping_outcome failed[] = {OWPING_FAILED, OWPING_FAILED};

	(void)state;
	assert_int_equal(owping_exit_status(0, false, complete, 2), 0);
	assert_int_equal(owping_exit_status(0, false, NULL, 0), 0);
	assert_int_equal(owping_exit_status(0, false, partial, 2), 3);
	assert_int_equal(owping_exit_status(0, false, denied, 2), 1);
	assert_int_equal(owping_exit_status(0, false, failed, 2), 1);
	assert_int_equal(owping_exit_status(-1, false, failed, 2), 1);
	assert_int_equal(owping_exit_status(-1, false, NULL, 0), 1);
	assert_int_equal(owping_exit_status(-1, false, complete, 2), 3);
	assert_int_equal(owping_exit_status(0, true, complete, 2), 3);
	assert_int_equal(owping_exit_status(0, true, denied, 2), 3);
	assert_int_equal(owping_exit_status(-1, true, failed, 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay),       cmocka_unit_test(test_bound),
		cmocka_unit_test(test_time),        cmocka_unit_test(test_address),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
