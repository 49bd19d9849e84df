/* Who steers the clock, and the lines that say why a source is used or is not. */
#include "select_fixture.h"

#include "clock/select_parts.h"

static struct bench *ptp_and_chrony(void)
{
	static const enum owamp_clock_kind kinds[] = {OWAMP_CLOCK_KIND_KERNEL, OWAMP_CLOCK_KIND_PTP,
						      OWAMP_CLOCK_KIND_CHRONY};

	return bench_new(3, kinds);
}

static enum owamp_clock_steering steering_after(struct bench *bench)
{
	next_round(bench);
	return bench->status.steering;
}

static void the_kernel_tells_who_steers(void **state)
{
	struct bench *bench = ptp_and_chrony();

	(void)state;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_NOBODY);
	bench->facts.kernel.steering = OWAMP_CLOCK_STEERED_BY_SNTP;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_SNTP);
	says(bench, 2, 0, 1000, 0);
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_SNTP);
	bench->facts.kernel.steering = OWAMP_CLOCK_STEERED_BY_NTP;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_CHRONY);
	is_absent(bench, 2, "");
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_NTP);
	bench_free(bench);
}

/* Its account is chronyd's, without the correction that chronyd still makes: neither used nor contradicted.
 */
static void the_kernel_is_passed_over_where_chronyd_is_asked(void **state)
{
	static const enum owamp_clock_kind kinds[] = {OWAMP_CLOCK_KIND_KERNEL, OWAMP_CLOCK_KIND_CHRONY};
	struct bench *bench = bench_new(2, kinds);

	(void)state;
	says(bench, 0, 0, 1000, 0);
	says(bench, 1, -5 * MS, MS, 0);
	bench->readings[1].steers = true;
	next_round(bench);
	assert_int_equal(used(bench), 1);
	assert_false(bench->snapshot.disagreement);
	assert_int_equal(bench->snapshot.bound_ns, 6 * MS);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(bench->status.sources[0].text,
			    "chronyd itself is asked, and keeps it without the correction it still makes; if "
			    "chronyd only "
			    "measures (-x) and another daemon keeps it, configure no source chrony");
	/* Not seen yet to steer, or doubtful for whatever reason: it may well be. */
	says(bench, 0, 0, 1000, 0);
	says(bench, 1, -5 * MS, MS, 0);
	bench->readings[1].steers = false;
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	assert_false(bench->snapshot.disagreement);
	says(bench, 0, 0, 1000, 0);
	bench->readings[1].state = OWAMP_CLOCK_DOUBTFUL;
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	/* There is none. */
	says(bench, 0, 0, 1000, 0);
	is_absent(bench, 1, "");
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	bench_free(bench);
}

/* chronyd's very first answer does not say yet that it steers: no alarm because of that. */
static void the_first_round_is_no_contradiction(void **state)
{
	static const enum owamp_clock_kind kinds[] = {OWAMP_CLOCK_KIND_KERNEL, OWAMP_CLOCK_KIND_CHRONY};
	struct bench *bench = bench_new(2, kinds);

	(void)state;
	says(bench, 0, 0, 1000, 0);
	says(bench, 1, -20 * MS, MS, 0);
	next_round(bench);
	assert_string_equal(bench->status.alarm, "");
	assert_int_equal(used(bench), 1);
	bench_free(bench);
}

static void an_expired_table_of_leap_seconds_is_an_alarm(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 1000, 0);
	bench->facts.smear_ns = 500 * MS;
	bench->facts.smear_unknown = true;
	next_round(bench);
	assert_string_equal(bench->status.alarm,
			    "leap_file has expired: the bound has what a smeared leap second may be off; "
			    "install a newer tzdata");
	assert_int_equal(bench->snapshot.bound_ns, 500 * MS + 1000);
	bench->facts.smear_unknown = false;
	next_round(bench);
	assert_string_equal(bench->status.alarm, "");
	bench_free(bench);
}

static void a_source_that_steers_knows_better(void **state)
{
	struct bench *bench = ptp_and_chrony();

	(void)state;
	bench->facts.kernel.steering = OWAMP_CLOCK_STEERED_BY_NTP;
	says(bench, 0, 0, 9000, 0);
	bench->readings[0].steers = true; /* of another kind: the kernel says that already */
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_NTP);
	says(bench, 1, 0, 1000, 0);
	bench->readings[1].steers = true;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_PTP);
	assert_true(bench->status.sources[1].steers);
	assert_string_equal(bench->status.alarm, "");
	/* Not valid: it may have ended long ago. */
	is_absent(bench, 1, "");
	bench->facts.kernel.steering = OWAMP_CLOCK_STEERED_BY_NOBODY;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_NOBODY);
	says(bench, 2, 0, 1000, 0);
	bench->readings[2].steers = true;
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_CHRONY);
	bench_free(bench);
}

static void two_that_steer_are_an_alarm_but_no_disagreement(void **state)
{
	struct bench *bench = ptp_and_chrony();

	(void)state;
	for (size_t i = 1; i < 3; i++) {
		says(bench, i, 0, 1000, 0);
		bench->readings[i].steers = true;
	}
	assert_int_equal(steering_after(bench), OWAMP_CLOCK_STEERED_BY_PTP);
	assert_string_equal(bench->status.alarm,
			    "two programs set the clock: ptp4l or phc2sys (b) and chronyd (c)");
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	says(bench, 2, -2 * SECOND, 1000, 0);
	next_round(bench);
	assert_string_equal(bench->status.alarm,
			    "b says +0 ns +-1 us, c says -2.000 s +-1 us: they contradict each other; two "
			    "programs set the clock: ptp4l or phc2sys (b) and chronyd (c)");
	bench_free(bench);
}

static void a_line_says_why(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	(void)snprintf(bench->readings[0].text, sizeof bench->readings[0].text, "class 6");
	says(bench, 0, 0, 3000, 0);
	next_round(bench);
	assert_string_equal(bench->status.sources[0].text, "used: the only one that vouches; class 6");
	says(bench, 1, 0, 2099 * US, 0);
	next_round(bench);
	assert_string_equal(bench->status.sources[0].text, "used: smallest bound; class 6");
	assert_string_equal(bench->status.sources[1].text, "valid, bound 2.1 ms is larger than that of a");
	says(bench, 1, 0, 1000, 0);
	next_round(bench);
	assert_string_equal(bench->status.sources[0].text,
			    "used: b is not enough better, or not for long enough; class 6");
	assert_string_equal(bench->status.sources[1].text,
			    "valid, bound 1 us is no larger than that of a: taken if that lasts");
	bench_free(bench);
}

static void a_long_line_is_cut_off(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	memset(bench->readings[0].text, 'x', sizeof bench->readings[0].text - 1);
	says(bench, 0, 0, 3000, 0);
	next_round(bench);
	assert_int_equal(strlen(bench->status.sources[0].text), OWAMP_CLOCK_TEXT_SIZE - 1);
	assert_memory_equal(bench->status.sources[0].text, "used: the only one that vouches; xx", 35);
	bench_free(bench);
}

static void bounds_are_rounded_up(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1 us"},
		{1001, "1.1 us"},
		{2000, "2 us"},
		{9901, "10 us"},
		{20001, "20.1 us"},
		{99901, "100 us"},
		{100001, "101 us"},
		{999001, "1000 us"},
		{MS, "1 ms"},
		{2099999, "2.1 ms"},
		{SECOND, "1 s"},
		{16 * SECOND + 1, "16.1 s"},
		{3600 * SECOND, "3600 s"},
	};
	char text[WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(words_bound(text, cases[i].ns), cases[i].text);
}

static void offsets_have_a_sign(void **state)
{
	char text[WORDS_SIZE];

	(void)state;
	assert_string_equal(words_offset(text, 0), "+0 ns");
	assert_string_equal(words_offset(text, -310), "-310 ns");
	assert_string_equal(words_offset(text, 2140), "+2.1 us");
	assert_string_equal(words_offset(text, -33 * MS), "-33.0 ms");
	assert_string_equal(words_offset(text, 3 * SECOND + 4 * MS), "+3.004 s");
}

static void ages_are_in_one_unit(void **state)
{
	char text[WORDS_SIZE];

	(void)state;
	assert_string_equal(words_age(text, 119 * SECOND), "119 s");
	assert_string_equal(words_age(text, 120 * SECOND), "2 min");
	assert_string_equal(words_age(text, 7199 * SECOND), "119 min");
	assert_string_equal(words_age(text, 7200 * SECOND), "2 h");
}

/* Until there are twelve, the stated error counts twice. */
static void a_bound_of_few_readings_says_so(void **state)
{
	static const char *const few[] = {
		"used: the only one that vouches; 1 reading so far: the bound is larger until there are 12",
		"used: the only one that vouches; 2 readings so far: the bound is larger until there are 12",
	};
	struct bench *bench = bench_of(1);

	(void)state;
	for (int i = 1; i < 14; i++) {
		says_raw(bench, 0, 0, 1000);
		next_round(bench);
		assert_int_equal(bench->status.sources[0].error_ns, i < 12 ? 2000 : 1000);
		if (i <= 2)
			assert_string_equal(bench->status.sources[0].text, few[i - 1]);
		else
			assert_int_equal(strstr(bench->status.sources[0].text, "so far") != NULL, i < 12);
	}
	/* What scatters more than that is not made smaller by more of it; nor is what is filtered. */
	for (int i = 0; i < 2; i++) {
		bench_free(bench);
		bench = bench_of(1);
		for (int j = 0; j < 6; j++) {
			says_raw(bench, 0, i == 0 && j % 2 ? 5000 : 0, 1000);
			bench->readings[0].filtered = i == 1;
			next_round(bench);
		}
		assert_null(strstr(bench->status.sources[0].text, "so far"));
	}
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_tells_who_steers),
		cmocka_unit_test(the_kernel_is_passed_over_where_chronyd_is_asked),
		cmocka_unit_test(the_first_round_is_no_contradiction),
		cmocka_unit_test(an_expired_table_of_leap_seconds_is_an_alarm),
		cmocka_unit_test(a_source_that_steers_knows_better),
		cmocka_unit_test(two_that_steer_are_an_alarm_but_no_disagreement),
		cmocka_unit_test(a_line_says_why),
		cmocka_unit_test(a_long_line_is_cut_off),
		cmocka_unit_test(bounds_are_rounded_up),
		cmocka_unit_test(offsets_have_a_sign),
		cmocka_unit_test(a_bound_of_few_readings_says_so),
		cmocka_unit_test(ages_are_in_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
