#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "owamp/error.h"
#include "owampd/limits.h"

#define ROOT "limit root with bandwidth=1m\n"

static void refuses(const char *text, const char *message)
{
	struct limits *limits = (struct limits *)&limits;
	char error[512] = "", wanted[512];

	snprintf(wanted, sizeof(wanted), "FILE:%s", message);
	assert_int_equal(limits_parse(&limits, text, strlen(text), "FILE", error, sizeof(error)),
			 OWAMP_EINVAL);
	assert_null(limits);
	assert_string_equal(error, wanted);
}

static struct limits *parse(const char *text)
{
	struct limits *limits;
	char error[512] = "";

	if (limits_parse(&limits, text, strlen(text), "FILE", error, sizeof(error)))
		fail_msg("%s", error);
	return limits;
}

static void test_values(void **state)
{
	struct limits *limits = parse("  # a comment \\\n"
				      "limit root with \\\n"
				      "\tbandwidth=900m, \\\n"
				      "\tdisk=2g, allow_open_mode=off\n"
				      "\n"
				      "limit a with parent=root,bandwidth = 10k ,disk=3K,test_sessions=7,"
				      "max_packet_rate=50,max_timeout=9,max_duration=60,delete_on_fetch=on\n"
				      "limit b with parent=a, bandwidth=2T, disk=1t, allow_open_mode=on\n"
				      "limit c with parent=b, delete_on_fetch=off, bandwidth=5G, disk=4M");

	(void)state;
	assert_int_equal(limits->class_count, 4);
	assert_string_equal(limits->classes[0].name, "root");
	assert_int_equal(limits->classes[0].value[LIMITS_BANDWIDTH], 900000000);
	assert_int_equal(limits->classes[0].value[LIMITS_DISK], 2147483648);
	assert_int_equal(limits->classes[0].value[LIMITS_SESSIONS], 100);
	assert_int_equal(limits->classes[0].value[LIMITS_PACKET_RATE], 1000);
	assert_int_equal(limits->classes[0].value[LIMITS_TIMEOUT], 120);
	assert_int_equal(limits->classes[0].value[LIMITS_DURATION], 86400);
	assert_false(limits->classes[0].allow_open_mode);
	assert_false(limits->classes[0].delete_on_fetch);
	assert_int_equal(limits->classes[1].value[LIMITS_BANDWIDTH], 10000);
	assert_int_equal(limits->classes[1].value[LIMITS_DISK], 3072);
	assert_int_equal(limits->classes[1].value[LIMITS_SESSIONS], 7);
	assert_int_equal(limits->classes[1].value[LIMITS_PACKET_RATE], 50);
	assert_int_equal(limits->classes[1].value[LIMITS_TIMEOUT], 9);
	assert_int_equal(limits->classes[1].value[LIMITS_DURATION], 60);
	assert_int_equal(limits->classes[1].line, 6);
	/* The switches come from the parent, unless given. */
	assert_false(limits->classes[1].allow_open_mode);
	assert_true(limits->classes[1].delete_on_fetch);
	assert_int_equal(limits->classes[2].parent, 1);
	assert_int_equal(limits->classes[2].value[LIMITS_BANDWIDTH], 2000000000000);
	assert_int_equal(limits->classes[2].value[LIMITS_DISK], 1099511627776);
	assert_int_equal(limits->classes[2].value[LIMITS_SESSIONS], 0);
	assert_true(limits->classes[2].allow_open_mode);
	assert_true(limits->classes[2].delete_on_fetch);
	assert_int_equal(limits->classes[3].value[LIMITS_BANDWIDTH], 5000000000);
	assert_int_equal(limits->classes[3].value[LIMITS_DISK], 4194304);
	assert_true(limits->classes[3].allow_open_mode);
	assert_false(limits->classes[3].delete_on_fetch);
	limits_free(limits);
}

static void test_largest_value(void **state)
{
	struct limits *limits = parse("limit root with bandwidth=1000000000000000000,disk=909494t\n");

	(void)state;
	assert_int_equal(limits->classes[0].value[LIMITS_BANDWIDTH], 1000000000000000000);
	assert_false(limits->has_default);
	limits_free(limits);
	refuses("limit root with bandwidth=1000000000000000001\n",
		"1: bandwidth: '1000000000000000001', expected bit/s as an integer with an optional suffix "
		"k, m, g or t, at most 10^18 (0: unlimited)");
	refuses("limit root with bandwidth=99999999999999999999999\n",
		"1: bandwidth: '99999999999999999999999', expected bit/s as an integer with an optional "
		"suffix "
		"k, m, g or t, at most 10^18 (0: unlimited)");
	refuses("limit root with disk=909495t\n",
		"1: disk: '909495t', expected octets as an integer with an optional suffix k, m, g or t, "
		"at most 10^18 (0: unlimited)");
	refuses("limit root with bandwidth=1000001t\n",
		"1: bandwidth: '1000001t', expected bit/s as an integer with an optional suffix "
		"k, m, g or t, at most 10^18 (0: unlimited)");
}

static void test_bad_limit_lines(void **state)
{
	(void)state;
	refuses("", " no class, expected a line 'limit NAME with LIMIT=VALUE,...'");
	refuses("# nothing\n\n", " no class, expected a line 'limit NAME with LIMIT=VALUE,...'");
	refuses("\nlimits root with bandwidth=1\n", "2: 'limits', expected 'limit', 'assign' or a comment");
	refuses("limit\n", "1: expected the name of a class after 'limit'");
	refuses("limit root\n", "1: expected 'with' after 'limit root'");
	refuses("limit root has bandwidth=1\n", "1: expected 'with' after 'limit root'");
	refuses("limit root with\n", "1: expected LIMIT=VALUE");
	refuses("limit root with bandwidth=1,\n", "1: expected LIMIT=VALUE");
	refuses("limit root with bandwidth\n", "1: expected '=' and a value after 'bandwidth'");
	refuses("limit root with bandwidth=\n", "1: expected a value after 'bandwidth='");
	refuses("limit root with bandwidth=1 disk=1\n",
		"1: expected a comma or the end of the line after '1'");
	refuses("limit root with bandwidth=1 # fast\n",
		"1: expected a comma or the end of the line after '1'");
	refuses("limit root with bandwith=1\n",
		"1: unknown limit 'bandwith', expected parent, bandwidth, disk, test_sessions, "
		"delete_on_fetch, "
		"allow_open_mode, max_packet_rate, max_timeout or max_duration");
	refuses("limit root with disk=1,disk=2\n", "1: disk is given twice for this class");
	refuses("limit root with delete_on_fetch=yes\n", "1: delete_on_fetch: 'yes', expected on or off");
	refuses("limit root with parent=root\n", "1: the first class is the root, expected no parent");
	refuses(ROOT "limit a with disk=1\n",
		"2: class 'a' has no parent, only the first class may lack one");
	refuses(ROOT "limit a with parent=b\n",
		"2: class 'b' is not defined, expected one that a line above defines");
	refuses(ROOT "limit a with parent=a\n",
		"2: class 'a' is not defined, expected one that a line above defines");
	refuses(ROOT "limit root with parent=root\n", "2: class 'root' is defined twice, first in line 1");
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"-1", "1x", "k", "1kk", "1.5", "0x10", "1m/s", "+1"};
	char text[80], message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "limit root with disk=%s\n", bad[i]);
		snprintf(message, sizeof(message),
			 "1: disk: '%s', expected octets as an integer with an optional suffix k, m, g or t, "
			 "at most 10^18 (0: unlimited)",
			 bad[i]);
		refuses(text, message);
	}
	refuses("limit root with max_timeout=1k\n",
		"1: max_timeout: '1k', expected s as an integer, at most 10^18 (0: unlimited)");
}

static void test_lines(void **state)
{
	struct limits *limits;

	(void)state;
	refuses("limit ro\\ot with bandwidth=1\n",
		"1: a backslash is only allowed at the very end of a line");
	refuses("limit root \\ with bandwidth=1\n",
		"1: a backslash is only allowed at the very end of a line");
	refuses("limit root with \\", "1: a backslash is only allowed at the very end of a line");
	/* Lines count on through continuations and comments. */
	refuses("# one \\\n\nlimit root with \\\n  disk=1, \\\n  nonsense=1\n",
		"5: unknown limit 'nonsense', expected parent, bandwidth, disk, test_sessions, "
		"delete_on_fetch, "
		"allow_open_mode, max_packet_rate, max_timeout or max_duration");
	refuses("limit root with disk=1\r\n", "1: control character 0x0d, expected text with Unix line ends");
	refuses("#\n#\x01\n", "2: control character 0x01, expected text with Unix line ends");
	limits = parse("\\\n\nlimit \\\nroot\\\nwith disk=1\\\n\n \\\n\nassign default root \\\n\n");
	assert_int_equal(limits->classes[0].value[LIMITS_DISK], 1);
	assert_true(limits->has_default);
	limits_free(limits);
}

static void test_bad_assign_lines(void **state)
{
	(void)state;
	refuses(ROOT "assign\n", "2: '' after 'assign', expected default, net or user");
	refuses(ROOT "assign host 1.2.3.4 root\n", "2: 'host' after 'assign', expected default, net or user");
	refuses(ROOT "assign default\n", "2: expected 'assign default CLASS'");
	refuses(ROOT "assign net 10.0.0.0/8\n", "2: expected 'assign net ADDRESS/BITS CLASS'");
	refuses(ROOT "assign user bob\n", "2: expected 'assign user NAME CLASS'");
	refuses(ROOT "assign default root now\n", "2: expected the end of the line after 'root'");
	refuses("assign default root\n" ROOT,
		"1: class 'root' is not defined, expected one that a line above defines");
	refuses(ROOT "assign default root\nassign default root\n",
		"3: the default is assigned twice, first in line 2");
	refuses(ROOT "assign user bob root\nassign user eve root\nassign user bob root\n",
		"4: user 'bob' is assigned twice, first in line 2");
	refuses(ROOT "assign net 10.0.0.0/8 root\nassign net 10.0.0.0/8 root\n",
		"3: network 10.0.0.0/8 is assigned twice, first in line 2");
	refuses(ROOT "assign net 2001:db8::/32 root\n\nassign net 2001:0db8::/32 root\n",
		"4: network 2001:0db8::/32 is assigned twice, first in line 2");
}

static void test_bad_networks(void **state)
{
	static const char *const bad[] = {
		"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8",      "10.0.0.0/-1",         "10.0.0.0/8x",
		"::/129",   "example/8",   "/8",        "fe80::1%lo/64", "10.0.0.0/4294967304",
	};
	char text[120], message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), ROOT "assign net %s root\n", bad[i]);
		snprintf(
			message, sizeof(message),
			"2: '%s' is not a network, expected ADDRESS/BITS as in 192.0.2.0/24 or 2001:db8::/32",
			bad[i]);
		refuses(text, message);
	}
	refuses(ROOT "assign net 192.168.1.1/24 root\n", "2: '192.168.1.1/24' has bits set after the first "
							 "24, expected a network such as 192.168.1.0/24");
	refuses(ROOT "assign net 172.31.0.0/11 root\n", "2: '172.31.0.0/11' has bits set after the first 11, "
							"expected a network such as 172.0.0.0/11");
	refuses(ROOT "assign net 2001:db8:8000::/32 root\n",
		"2: '2001:db8:8000::/32' has bits set after the first 32, expected a network such as "
		"2001:db8::/32");
	refuses(ROOT "assign net ::ffff:10.0.0.0/104 root\n",
		"2: '::ffff:10.0.0.0/104' is an IPv4-mapped network, expected 10.0.0.0/8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),          cmocka_unit_test(test_largest_value),
		cmocka_unit_test(test_bad_limit_lines), cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_lines),           cmocka_unit_test(test_bad_assign_lines),
		cmocka_unit_test(test_bad_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
