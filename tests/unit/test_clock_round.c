/* What the time of day makes of a round: leap seconds that are announced, and smears that are not known of.
 */
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock/round.c"
#include "perfect_clock.h"

/* 2027-01-01 00:00:00. */
#define MIDNIGHT_S INT64_C(1798761600)
#define MIDNIGHT   (MIDNIGHT_S * SECOND_NS)
#define MONO       (1000000 * SECOND_NS)
#define SMEAR      (DAY_S * SECOND_NS)

static struct owamp_clock *new_clock(void)
{
	struct owamp_clock *clock = calloc(1, sizeof *clock);

	assert_non_null(clock);
	clock->config = *perfect_config();
	assert_int_equal(select_new(&clock->select, &clock->config), 0);
	return clock;
}

static void free_clock(struct owamp_clock *clock)
{
	select_free(clock->select);
	free(clock);
}

/* So long after midnight, which comes at MONO. */
static struct select_facts facts_at(struct owamp_clock *clock, int64_t after_ns)
{
	const struct step_reading now = {.mono_ns = MONO + after_ns, .real_ns = MIDNIGHT + after_ns};
	struct select_facts facts;

	ask_kernel(clock, &now, &facts);
	return facts;
}

static void announce(struct owamp_clock *clock, int32_t leap)
{
	const struct clock_reading reading = {
		.state = OWAMP_CLOCK_VALID, .source = OWAMP_CLOCK_CHRONY, .measured = true, .leap = leap};
	struct select_facts facts = facts_at(clock, -3600 * SECOND_NS);

	select_round(clock->select, &facts, &reading);
}

/* chronyd's leapsecmode slew or ignore, ptp4l's kernel_leap 0: the kernel knows nothing, and does nothing. */
static void test_announced_by_a_source(void **state)
{
	for (int32_t leap = -1; leap <= 1; leap++) {
		struct owamp_clock *clock = new_clock();

		(void)state;
		announce(clock, leap);
		assert_false(facts_at(clock, -12 * 3600 * SECOND_NS).leaping);
		assert_false(facts_at(clock, -2 * SECOND_NS).leaping);
		assert_int_equal(facts_at(clock, -2 * SECOND_NS + 1).leaping, leap != 0);
		announce(clock, 0);
		assert_int_equal(facts_at(clock, -SECOND_NS / 2).leaping, leap != 0);
		assert_int_equal(facts_at(clock, SECOND_NS / 2).leaping, leap != 0);
		assert_int_equal(facts_at(clock, 2 * SECOND_NS - 1).leaping, leap != 0);
		assert_false(facts_at(clock, 2 * SECOND_NS).leaping);
		free_clock(clock);
	}
}

static void write_list(const char *path, int64_t expires_s)
{
	/* Seconds since 1900. */
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fprintf(file, "#@\t%lld\n2272060800\t10\n", (long long)(expires_s + 2208988800)) > 0);
	assert_int_equal(fclose(file), 0);
}

/* A list that expires is one until tzdata has been renewed, which is seen a minute later. */
static void test_expired_smear(void **state)
{
	char path[] = "/tmp/owamp-round-XXXXXX", error[200];
	struct owamp_clock *clock = new_clock();
	struct select_facts facts;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_list(path, MIDNIGHT_S);
	clock->config.smear_ns = SMEAR;
	(void)snprintf(clock->config.leap_file, sizeof clock->config.leap_file, "%s", path);
	assert_int_equal(leap_load(&clock->leap, path, error, sizeof error), 0);
	facts = facts_at(clock, -SMEAR);
	assert_false(facts.smear_unknown);
	assert_int_equal(facts.smear_ns, 0);
	facts = facts_at(clock, -SMEAR / 2);
	assert_true(facts.smear_unknown);
	assert_true(facts.smear_ns >= SECOND_NS / 2);
	write_list(path, INT64_C(10) * MIDNIGHT_S / 9);
	assert_true(facts_at(clock, -SMEAR / 2 + 1).smear_unknown);
	assert_true(facts_at(clock, -SMEAR / 2 + 59 * SECOND_NS).smear_unknown);
	facts = facts_at(clock, -SMEAR / 2 + 60 * SECOND_NS);
	assert_false(facts.smear_unknown);
	assert_int_equal(facts.smear_ns, 0);
	/* Nothing is smeared: it does not matter. */
	clock->leap.expires_s = 0;
	clock->config.smear_ns = 0;
	assert_false(facts_at(clock, 0).smear_unknown);
	assert_int_equal(unlink(path), 0);
	free_clock(clock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced_by_a_source),
		cmocka_unit_test(test_expired_smear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
