#include "policy_fixture.h"

static void test_no_file(void **state)
{
	struct policy *policy;
	struct lines lines = {.count = 0};
	char error[256];

	(void)state;
	assert_int_equal(policy_load(&policy, NULL, error, sizeof(error)), 0);
	assert_string_equal(class_of(policy, "203.0.113.9", NULL, OPEN), "root");
	assert_string_equal(class_of(policy, "2001:db8::1", "alice", ENCRYPTED), "root");
	assert_true(policy_allows_open(classify(policy, "203.0.113.9", NULL, OPEN)));
	assert_false(policy_delete_on_fetch(classify(policy, "203.0.113.9", NULL, OPEN)));
	policy_describe(policy, keep_line, &lines);
	assert_int_equal(lines.count, 1);
	assert_string_equal(
		lines.line[0],
		"class root (root): open mode on, delete on fetch off, bandwidth 0 of 1000000 bit/s, "
		"disk 0 of 104857600 octets, test_sessions 0 of 100 sessions, "
		"max_packet_rate 1000 packets/s, max_timeout 120 s, max_duration 86400 s");
	policy_free(policy);
}

static void test_unreadable_file(void **state)
{
	struct policy *policy = (struct policy *)state;
	char error[256];

	assert_int_equal(policy_load(&policy, "/nonexistent/limits", error, sizeof(error)), OWAMP_ESYSTEM);
	assert_null(policy);
	assert_string_equal(error, "/nonexistent/limits: cannot read: No such file or directory");
	assert_int_equal(policy_load(&policy, "/", error, sizeof(error)), OWAMP_ESYSTEM);
	assert_string_equal(error, "/: cannot read: Is a directory");
}

static void test_classify(void **state)
{
	struct policy *policy = load(ROOT "limit wide with parent=root\n"
					  "limit narrow with parent=root\n"
					  "limit host with parent=root\n"
					  "limit six with parent=root\n"
					  "limit odd with parent=root\n"
					  "limit joe with parent=root\n"
					  "limit other with parent=root\n"
					  "assign net 10.0.0.0/8 wide\n"
					  "assign net 10.1.2.3/32 host\n"
					  "assign net 10.1.0.0/16 narrow\n"
					  "assign net 172.16.0.0/12 odd\n"
					  "assign net 2001:db8::/33 six\n"
					  "assign user joe joe\n"
					  "assign default other\n");

	(void)state;
	assert_string_equal(class_of(policy, "10.2.0.1", NULL, OPEN), "wide");
	assert_string_equal(class_of(policy, "10.1.255.255", NULL, OPEN), "narrow");
	assert_string_equal(class_of(policy, "10.1.2.3", NULL, OPEN), "host");
	assert_string_equal(class_of(policy, "10.1.2.2", NULL, OPEN), "narrow");
	assert_string_equal(class_of(policy, "172.31.255.255", NULL, OPEN), "odd");
	assert_string_equal(class_of(policy, "172.32.0.0", NULL, OPEN), "other");
	assert_string_equal(class_of(policy, "172.15.255.255", NULL, OPEN), "other");
	assert_string_equal(class_of(policy, "::ffff:10.1.2.3", NULL, OPEN), "host");
	assert_string_equal(class_of(policy, "::ffff:172.32.0.0", NULL, OPEN), "other");
	assert_string_equal(class_of(policy, "2001:db8:7fff:ffff::1", NULL, OPEN), "six");
	assert_string_equal(class_of(policy, "2001:db8:8000::", NULL, OPEN), "other");
	/* 2001:db8:: begins with the octets of 32.1.13.184. */
	assert_string_equal(class_of(policy, "32.1.13.184", NULL, OPEN), "other");
	/* A user wins over networks, but only where the KeyID was proven. */
	assert_string_equal(class_of(policy, "10.1.2.3", "joe", ENCRYPTED), "joe");
	assert_string_equal(class_of(policy, "10.1.2.3", "joe", OWAMP_MODE_AUTHENTICATED), "joe");
	assert_string_equal(class_of(policy, "10.1.2.3", "joe", OPEN), "host");
	assert_string_equal(class_of(policy, "10.1.2.3", "jo", ENCRYPTED), "host");
	assert_string_equal(class_of(policy, "192.0.2.1", "bob", ENCRYPTED), "other");
	policy_free(policy);
}

static void test_classify_nobody(void **state)
{
	struct policy *policy = load(ROOT "assign net 0.0.0.0/0 root\n");
	const struct sockaddr local = {.sa_family = AF_UNIX};

	(void)state;
	assert_string_equal(class_of(policy, "192.0.2.1", NULL, OPEN), "root");
	assert_string_equal(class_of(policy, "2001:db8::1", NULL, OPEN), "(none)");
	assert_null(policy_classify(policy, &local, NULL, OPEN));
	policy_free(policy);
}

static void test_switches(void **state)
{
	struct policy *policy = load("limit root with allow_open_mode=off, delete_on_fetch=on\n"
				     "limit open with parent=root, allow_open_mode=on, delete_on_fetch=off\n"
				     "assign user a root\nassign user b open\n");

	(void)state;
	assert_false(policy_allows_open(user_class(policy, "a")));
	assert_true(policy_delete_on_fetch(user_class(policy, "a")));
	assert_true(policy_allows_open(user_class(policy, "b")));
	assert_false(policy_delete_on_fetch(user_class(policy, "b")));
	policy_free(policy);
}

/* One session alone above each limit, and just at it. */
static void test_never(void **state)
{
	struct policy *policy =
		load("limit root with bandwidth=10k, disk=1k, max_packet_rate=50, max_timeout=9, "
		     "max_duration=60\nassign default root\n");
	const struct policy_class *root = user_class(policy, "x");
	struct policy_demand most = {10000, 50, 50, 1024, 9 * S, 60 * S + S - 1};
	struct policy_demand demand;

	(void)state;
	policy_release(grant(policy, root, &most));
	demand = most;
	demand.bandwidth_bps = 10001;
	deny(policy, root, &demand, PERMANENT,
	     "class root: bandwidth is limited to 10000 bit/s, the session needs 10001");
	demand = most;
	demand.stored_octets = 1025;
	deny(policy, root, &demand, PERMANENT,
	     "class root: disk is limited to 1024 octets, the session needs 1025");
	demand = most;
	demand.packet_rate = 50.01;
	deny(policy, root, &demand, PERMANENT,
	     "class root: max_packet_rate is limited to 50 packets/s, the session needs 51");
	demand = most;
	demand.timeout_ns++;
	deny(policy, root, &demand, PERMANENT,
	     "class root: max_timeout is limited to 9 s, the session needs 10");
	demand = most;
	demand.duration_ns++;
	deny(policy, root, &demand, PERMANENT,
	     "class root: max_duration is limited to 60 s, the session needs 61");
	demand = most;
	demand.burst = 51;
	deny(policy, root, &demand, PERMANENT,
	     "class root: max_packet_rate is limited to 50 packets/s, the session sends a burst of 51 "
	     "packets "
	     "back to back, more than one second's allowance");
	assert_used(policy, 0, 0, 0, 0);
	policy_free(policy);
}

static void test_unlimited(void **state)
{
	struct policy *policy = load(ROOT_NONE "assign default root\n");
	const struct policy_class *root = user_class(policy, "x");
	struct policy_demand demand = {1e15, 1e9, UINT32_MAX, UINT64_C(1) << 50, INT64_MAX, INT64_MAX};
	struct policy_demand endless = small;

	(void)state;
	policy_release(grant(policy, root, &demand));
	/* Slots of 0 s: no class allows that. */
	endless.packet_rate = INFINITY;
	deny(policy, root, &endless, PERMANENT,
	     "class root: the schedule sends without end or pause, no class allows that "
	     "(inf packets/s, 1000 bit/s, 100 octets of results asked for)");
	endless = small;
	endless.bandwidth_bps = INFINITY;
	deny(policy, root, &endless, PERMANENT,
	     "class root: the schedule sends without end or pause, no class allows that "
	     "(1 packets/s, inf bit/s, 100 octets of results asked for)");
	endless.packet_rate = INFINITY;
	deny(policy, root, &endless, PERMANENT,
	     "class root: the schedule sends without end or pause, no class allows that "
	     "(inf packets/s, inf bit/s, 100 octets of results asked for)");
	endless.packet_rate = NAN;
	endless.bandwidth_bps = 1;
	deny(policy, root, &endless, PERMANENT,
	     "class root: the schedule sends without end or pause, no class allows that "
	     "(nan packets/s, 1 bit/s, 100 octets of results asked for)");
	endless = small;
	endless.stored_octets = UINT64_MAX;
	deny(policy, root, &endless, PERMANENT,
	     "class root: the schedule sends without end or pause, no class allows that "
	     "(1 packets/s, 1000 bit/s, 18446744073709551615 octets of results asked for)");
	policy_free(policy);
}

/* A sum that could not be represented is not granted either. */
static void test_unlimited_does_not_wrap(void **state)
{
	struct policy *policy = load(ROOT_NONE "assign default root\n");
	const struct policy_class *root = user_class(policy, "x");
	struct policy_demand demand = small;
	struct policy_grant *grants[18];

	(void)state;
	demand.stored_octets = UINT64_C(1000000000000000000);
	for (unsigned i = 0; i < 18; i++)
		grants[i] = grant(policy, root, &demand);
	deny(policy, root, &demand, TEMPORARY,
	     "class root: disk is limited to 18446744073709551615 octets, 18000000000000000000 are in use, "
	     "the session needs 1000000000000000000");
	for (unsigned i = 0; i < 18; i++)
		policy_release(grants[i]);
	assert_used(policy, 0, 0, 0, 0);
	policy_free(policy);
}

/*
 * The rates that slots of 1 ms and 10 us have once the wire rounded them to
 * 2^-32 s: 4294967.296 and 42949.67296 units become 4294967 and 42949.
 */
static void test_rates_of_rounded_slots(void **state)
{
	struct policy *policy = load("limit root with bandwidth=76800k, max_packet_rate=1000\n"
				     "limit fast with parent=root\n"
				     "assign default fast\n");
	struct policy *fast =
		load("limit root with bandwidth=0, max_packet_rate=100000\nassign default root\n");
	struct policy_demand demand = small;

	(void)state;
	demand.packet_rate = 4294967296.0 / 4294967;
	demand.bandwidth_bps = 76800 * demand.packet_rate;
	policy_release(grant(policy, user_class(policy, "x"), &demand));
	demand.packet_rate = 4294967296.0 / 4294960;
	deny(policy, user_class(policy, "x"), &demand, PERMANENT,
	     "class root: max_packet_rate is limited to 1000 packets/s, the session needs 1001");
	demand.packet_rate = 4294967296.0 / 42949;
	policy_release(grant(fast, user_class(fast, "x"), &demand));
	policy_free(policy);
	policy_free(fast);
}

static void test_not_now(void **state)
{
	struct policy *policy =
		load("limit root with bandwidth=10k, disk=1k, test_sessions=3\nassign default root\n");
	const struct policy_class *root = user_class(policy, "x");
	struct policy_grant *first, *second, *third;
	struct policy_demand demand = small;

	(void)state;
	demand.bandwidth_bps = 6000.25;
	demand.stored_octets = 600;
	first = grant(policy, root, &demand);
	assert_used(policy, 0, 6001, 600, 1);
	demand.stored_octets = 0;
	deny(policy, root, &demand, TEMPORARY,
	     "class root: bandwidth is limited to 10000 bit/s, 6001 are in use, the session needs 6001");
	demand.bandwidth_bps = 3999;
	second = grant(policy, root, &demand);
	assert_used(policy, 0, 10000, 600, 2);
	demand.bandwidth_bps = 0;
	demand.stored_octets = 425;
	deny(policy, root, &demand, TEMPORARY,
	     "class root: disk is limited to 1024 octets, 600 are in use, the session needs 425");
	demand.stored_octets = 424;
	third = grant(policy, root, &demand);
	demand.stored_octets = 0;
	deny(policy, root, &demand, TEMPORARY,
	     "class root: test_sessions is limited to 3 sessions, 3 are in use, the session needs 1");

	/* What is not needed any more is free at once. */
	policy_release_network(first);
	policy_release_network(first);
	assert_used(policy, 0, 3999, 1024, 2);
	policy_settle_storage(first, 100);
	assert_used(policy, 0, 3999, 524, 2);
	/* Counted as it is, beyond what was reserved and what is allowed. */
	policy_settle_storage(first, 700);
	assert_used(policy, 0, 3999, 1124, 2);
	demand.stored_octets = 1;
	deny(policy, root, &demand, TEMPORARY,
	     "class root: disk is limited to 1024 octets, 1124 are in use, the session needs 1");
	policy_release(second);
	policy_release(first);
	policy_release(third);
	policy_release(NULL);
	assert_used(policy, 0, 0, 0, 0);
	policy_free(policy);
}

static void test_limits_above_hold_in_sum(void **state)
{
	struct policy *policy = load("limit root with bandwidth=10k, max_timeout=60\n"
				     "limit a with parent=root, bandwidth=8k, max_timeout=0\n"
				     "limit b with parent=root, bandwidth=0, max_timeout=100\n"
				     "limit c with parent=b, bandwidth=100k\n"
				     "assign user a a\nassign user c c\n");
	const struct policy_class *a = user_class(policy, "a"), *c = user_class(policy, "c");
	struct policy_demand demand = small;
	struct policy_grant *one, *two;

	(void)state;
	demand.bandwidth_bps = 6000;
	one = grant(policy, a, &demand);
	demand.bandwidth_bps = 4000;
	deny(policy, a, &demand, TEMPORARY,
	     "class a: bandwidth is limited to 8000 bit/s, 6000 are in use, the session needs 4000");
	two = grant(policy, c, &demand);
	assert_used(policy, 0, 10000, 200, 2);
	assert_used(policy, 1, 6000, 100, 1);
	assert_used(policy, 2, 4000, 100, 1);
	assert_used(policy, 3, 4000, 100, 1);
	demand.bandwidth_bps = 1;
	deny(policy, c, &demand, TEMPORARY,
	     "class root: bandwidth is limited to 10000 bit/s, 10000 are in use, the session needs 1");
	/* What can never be is said first, even if a class below is only full. */
	demand.bandwidth_bps = 10001;
	deny(policy, c, &demand, PERMANENT,
	     "class root: bandwidth is limited to 10000 bit/s, the session needs 10001");
	demand.bandwidth_bps = 1;
	demand.timeout_ns = 61 * S;
	deny(policy, a, &demand, PERMANENT,
	     "class root: max_timeout is limited to 60 s, the session needs 61");
	deny(policy, c, &demand, PERMANENT,
	     "class root: max_timeout is limited to 60 s, the session needs 61");
	policy_release(two);
	assert_used(policy, 0, 6000, 100, 1);
	assert_used(policy, 2, 0, 0, 0);
	assert_used(policy, 3, 0, 0, 0);
	policy_release(one);
	assert_used(policy, 0, 0, 0, 0);
	assert_used(policy, 1, 0, 0, 0);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_unreadable_file),
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_classify_nobody),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_unlimited_does_not_wrap),
		cmocka_unit_test(test_rates_of_rounded_slots),
		cmocka_unit_test(test_not_now),
		cmocka_unit_test(test_limits_above_hold_in_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
