/* Grants after a reload, after a restart, and after their policy. */
#include "policy_fixture.h"

static void test_adopt(void **state)
{
	struct policy *old = load("limit root with bandwidth=0\n"
				  "limit a with parent=root\n"
				  "limit b with parent=a\n"
				  "limit gone with parent=a\n"
				  "assign user b b\nassign user g gone\n");
	struct policy *new = load("limit top with bandwidth=5k\n"
				  "limit b with parent=top\n"
				  "limit a with parent=top\n"
				  "assign user b b\n");
	struct policy_demand demand = small;
	struct policy_grant *b, *gone;

	(void)state;
	demand.bandwidth_bps = 4000;
	b = grant(old, user_class(old, "b"), &demand);
	gone = grant(old, user_class(old, "g"), &small);
	policy_release_network(gone);
	policy_adopt(new, old);
	for (unsigned i = 0; i < 4; i++)
		assert_used(old, i, 0, 0, 0);
	policy_free(old);

	assert_used(new, 0, 4000, 200, 1);
	assert_used(new, 1, 4000, 100, 1);
	assert_used(new, 2, 0, 0, 0);
	demand.bandwidth_bps = 1001;
	deny(new, user_class(new, "b"), &demand, TEMPORARY,
	     "class top: bandwidth is limited to 5000 bit/s, 4000 are in use, the session needs 1001");
	policy_settle_storage(gone, 30);
	assert_used(new, 0, 4000, 130, 1);
	policy_release(gone);
	policy_release(b);
	assert_used(new, 0, 0, 0, 0);
	assert_used(new, 1, 0, 0, 0);
	policy_free(new);
}

/* The new limit is below what runs: nothing new, but nothing breaks. */
static void test_adopt_above_the_limit(void **state)
{
	struct policy *old = load(ROOT "assign default root\n");
	struct policy *new = load("limit root with bandwidth=500\nassign default root\n");
	struct policy_grant *running = grant(old, user_class(old, "x"), &small);
	struct policy_demand demand = small;

	(void)state;
	policy_adopt(new, old);
	policy_free(old);
	demand.bandwidth_bps = 1;
	deny(new, user_class(new, "x"), &demand, TEMPORARY,
	     "class root: bandwidth is limited to 500 bit/s, 1000 are in use, the session needs 1");
	policy_release(running);
	policy_release(grant(new, user_class(new, "x"), &demand));
	policy_free(new);
}

/* What an earlier process left counts in all classes above, whatever they allow. */
static void test_charge(void **state)
{
	struct policy *policy = load("limit root with bandwidth=0, disk=1000, test_sessions=1\n"
				     "limit a with parent=root, disk=500\n"
				     "assign user a a\n");
	struct policy_grant *a, *gone, *none, *session;
	struct policy_demand demand = small;

	(void)state;
	assert_int_equal(policy_charge(policy, "a", 600, &a), 0);
	assert_used(policy, 0, 0, 600, 0);
	assert_used(policy, 1, 0, 600, 0);
	assert_int_equal(policy_charge(policy, "gone", 200, &gone), 0);
	assert_int_equal(policy_charge(policy, NULL, 150, &none), 0);
	assert_used(policy, 0, 0, 950, 0);
	assert_used(policy, 1, 0, 600, 0);
	deny(policy, user_class(policy, "a"), &demand, TEMPORARY,
	     "class a: disk is limited to 500 octets, 600 are in use, the session needs 100");
	policy_release(a);
	deny(policy, user_class(policy, "a"), &(struct policy_demand){.stored_octets = 501}, PERMANENT,
	     "class a: disk is limited to 500 octets, the session needs 501");
	session = grant(policy, user_class(policy, "a"), &demand);
	assert_used(policy, 0, 1000, 450, 1);
	policy_release(session);
	policy_release(none);
	policy_release(gone);
	assert_used(policy, 0, 0, 0, 0);
	policy_free(policy);
}

/* A charge is adopted like any other grant. */
static void test_adopt_charge(void **state)
{
	struct policy *old = load(ROOT "limit a with parent=root\nassign user a a\n");
	struct policy *new = load(ROOT "limit a with parent=root\nassign user a a\n");
	struct policy_grant *charge;

	(void)state;
	assert_int_equal(policy_charge(old, "a", 77, &charge), 0);
	policy_adopt(new, old);
	policy_free(old);
	assert_used(new, 0, 0, 77, 0);
	assert_used(new, 1, 0, 77, 0);
	policy_release(charge);
	assert_used(new, 1, 0, 0, 0);
	policy_free(new);
}

static void keep_user(void *context, const char *user, unsigned line)
{
	struct lines *lines = context;

	assert_true(lines->count < LINES_MAX);
	snprintf(lines->line[lines->count++], sizeof(lines->line[0]), "%u %s", line, user);
}

static void test_users(void **state)
{
	struct policy *policy = load(ROOT "assign default root\n\nassign user joe root\n"
					  "assign net 10.0.0.0/8 root\nassign user \303\251va root\n");
	struct lines lines = {.count = 0};

	(void)state;
	policy_users(policy, keep_user, &lines);
	assert_int_equal(lines.count, 2);
	assert_string_equal(lines.line[0], "4 joe");
	assert_string_equal(lines.line[1], "6 \303\251va");
	policy_free(policy);
}

static void test_grants_survive_the_policy(void **state)
{
	struct policy *policy = load(ROOT "assign default root\n");
	struct policy_grant *one = grant(policy, user_class(policy, "x"), &small);
	struct policy_grant *two = grant(policy, user_class(policy, "x"), &small);

	(void)state;
	policy_free(policy);
	policy_settle_storage(one, 1);
	policy_release_network(one);
	policy_release(one);
	policy_release(two);
	policy_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adopt),  cmocka_unit_test(test_adopt_above_the_limit),
		cmocka_unit_test(test_charge), cmocka_unit_test(test_adopt_charge),
		cmocka_unit_test(test_users),  cmocka_unit_test(test_grants_survive_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
