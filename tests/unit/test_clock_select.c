/* Which source is used, and what the snapshot says of it. */
#include "select_fixture.h"

static void before_the_first_round_nothing_is_known(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	look(bench);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 16 * SECOND);
	assert_int_equal(bench->snapshot.drift_ppb, 500000);
	assert_string_equal(bench->snapshot.source, "none");
	assert_int_equal(used(bench), NOBODY);
	assert_string_equal(bench->status.sources[0].text, "not asked yet");
	bench_free(bench);
}

static void without_a_valid_source_the_kernels_words_are_stated(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	bench->readings[1] = (struct clock_reading){.source = OWAMP_CLOCK_GPS_SERIAL,
						    .state = OWAMP_CLOCK_DOUBTFUL,
						    .measured = true,
						    .mono_ns = BEGIN,
						    .offset_ns = 500,
						    .error_ns = 20,
						    .drift_ppb = 40,
						    .text = "no fix"};
	for (int i = 0; i < 3; i++)
		next_round(bench);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 16 * SECOND);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + 3 * SECOND);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + SECOND);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_ABSENT);
	assert_string_equal(bench->status.sources[0].text, "says nothing");
	assert_false(bench->status.sources[0].measured);
	assert_int_equal(bench->status.sources[1].state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(bench->status.sources[1].text, "no fix");
	assert_true(bench->status.sources[1].measured);
	assert_int_equal(bench->status.sources[1].offset_ns, 500);
	assert_int_equal(bench->status.sources[1].bound_ns, 520 + 120);
	assert_int_equal(bench->status.sources[1].age_ns, 3 * SECOND);
	bench_free(bench);
}

/* Through silence too: what was measured 12 s ago is 12 s old, whoever asks. */
static void the_bound_is_as_old_as_the_measurement(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, -300, 2000, 50);
	next_round(bench);
	for (int i = 0; i < 12; i++)
		next_round(bench);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 2300);
	assert_int_equal(bench->snapshot.drift_ppb, 50);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + SECOND);
	assert_int_equal(bench->status.sources[0].age_ns, 12 * SECOND);
	assert_int_equal(bench->status.sources[0].bound_ns, 2300 + 600);
	assert_int_equal(bench->status.sources[0].error_ns, 2000);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	assert_in_range(bench->status.bound_ns, 2900, 2902);
	assert_int_equal(bench->snapshot.real_less_mono_ns, 49 * BEGIN);
	assert_int_equal(bench->status.now_mono, BEGIN + 13 * SECOND);
	assert_int_equal(bench->status.now_real, 50 * BEGIN + 13 * SECOND);
	bench_free(bench);
}

static void a_valid_source_that_measured_nothing_is_none(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 2000, 50);
	bench->readings[0].measured = false;
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(used(bench), NOBODY);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	bench_free(bench);
}

static void say_two(struct bench *bench, int64_t first_ns, int64_t second_ns)
{
	says(bench, 0, 0, first_ns, 0);
	says(bench, 1, 0, second_ns, 0);
	next_round(bench);
}

static void the_smallest_bound_is_taken(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	bench->readings[1].source = OWAMP_CLOCK_CHRONY;
	say_two(bench, 5000, 4000);
	assert_int_equal(used(bench), 1);
	assert_string_equal(bench->snapshot.source, "chrony");
	assert_int_equal(bench->snapshot.bound_ns, 4000);
	bench_free(bench);
}

/* 4400 is 11/10 of 4000. */
static void of_two_about_as_good_the_first_is_taken(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 4400, 4000);
	assert_int_equal(used(bench), 0);
	bench_free(bench);
	bench = bench_of(2);
	say_two(bench, 4401, 4000);
	assert_int_equal(used(bench), 1);
	bench_free(bench);
}

static void a_better_one_takes_over_after_three_rounds(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 10000, 20000);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + SECOND);
	say_two(bench, 10000, 6999);
	say_two(bench, 10000, 6999);
	assert_int_equal(used(bench), 0);
	assert_int_equal(bench->snapshot.bound_ns, 10000);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + SECOND);
	say_two(bench, 10000, 6999);
	assert_int_equal(used(bench), 1);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + 4 * SECOND);
	/* The same token, but another source: since then. */
	assert_string_equal(bench->snapshot.source, "ptp");
	bench_free(bench);
}

static void better_must_last_and_must_be_much(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 10000, 20000);
	for (int i = 0; i < 20; i++) {
		say_two(bench, 10000, i % 3 == 2 ? 7000 : 1000);
		assert_int_equal(used(bench), 0);
	}
	for (int i = 0; i < 20; i++)
		say_two(bench, 10000, 7000);
	assert_int_equal(used(bench), 0);
	bench_free(bench);
}

static void the_first_comes_back_if_it_is_as_good_for_ten_rounds(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 90000, 10000);
	for (int i = 0; i < 9; i++)
		say_two(bench, 11000, 10000);
	assert_int_equal(used(bench), 1);
	say_two(bench, 11001, 10000);
	for (int i = 0; i < 9; i++)
		say_two(bench, 11000, 10000);
	assert_int_equal(used(bench), 1);
	say_two(bench, 11000, 10000);
	assert_int_equal(used(bench), 0);
	/* And never the other way round. */
	for (int i = 0; i < 40; i++)
		say_two(bench, 11000, 10000);
	assert_int_equal(used(bench), 0);
	bench_free(bench);
}

/* Two that see the same noise, and each a little of its own. */
static void a_correlated_pair_does_not_flap(void **state)
{
	struct bench *bench = bench_of(2);
	int64_t since;

	(void)state;
	say_two(bench, 10000, 10000);
	since = bench->snapshot.since_mono;
	for (int i = 0; i < 1000; i++) {
		int64_t noise = 7919 * i % 3001;

		say_two(bench, 9000 + noise + 31 * i % 1009, 9000 + noise + 57 * i % 1013);
		assert_int_equal(bench->snapshot.since_mono, since);
	}
	bench_free(bench);
}

/* The used one's last word, 40 us, is 20 us wider a second later. */
static void another_takes_over_at_once_when_the_used_one_is_gone(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	says(bench, 2, 0, 60000, 0);
	says(bench, 1, 0, 50000, 0);
	says(bench, 0, 0, 40000, 20000);
	next_round(bench);
	assert_int_equal(used(bench), 0);
	is_absent(bench, 0, "gone");
	next_round(bench);
	assert_int_equal(used(bench), 1);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + 2 * SECOND);
	/* Of those that are left the smallest. */
	is_absent(bench, 1, "gone too");
	bench->facts.mono_ns += 10 * SECOND;
	says(bench, 2, 0, 49000, 0);
	next_round(bench);
	assert_int_equal(used(bench), 2);
	bench_free(bench);
}

static void leap_and_tai_are_the_kernels_or_the_used_sources_or_any_valid_ones(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	bench->readings[0].leap = 1; /* of one that is not valid */
	bench->readings[0].tai_utc = 35;
	says(bench, 1, 0, 9000, 0);
	bench->readings[1].leap = -1;
	bench->readings[1].tai_utc = 36;
	says(bench, 2, 0, 1000, 0);
	next_round(bench);
	assert_int_equal(bench->snapshot.leap, -1);
	assert_int_equal(bench->snapshot.tai_utc, 36);
	bench->readings[2].leap = 1;
	bench->readings[2].tai_utc = 37;
	next_round(bench);
	assert_int_equal(bench->snapshot.leap, 1);
	assert_int_equal(bench->snapshot.tai_utc, 37);
	bench->facts.kernel.leap = -1;
	bench->facts.kernel.tai_utc = 38;
	next_round(bench);
	assert_int_equal(bench->snapshot.leap, -1);
	assert_int_equal(bench->snapshot.tai_utc, 38);
	bench_free(bench);
}

static void smearing_is_added_while_it_lasts(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	bench->facts.smear_ns = 300 * MS;
	says(bench, 0, 0, 1000, 100);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 300 * MS + 1000);
	assert_true(bench->snapshot.synchronized);
	/* What was measured while its time was smeared remains so. */
	bench->facts.smear_ns = 0;
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 300 * MS + 1000);
	says(bench, 0, 0, 1000, 100);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 1000);
	bench->facts.smear_ns = 5;
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 1005);
	bench_free(bench);
}

/* Over 1000 s, 1 s: 1000 ppm. The measurement is 3/4 s old, when the time was off by 750 us more. */
static void a_smeared_time_turns(void **state)
{
	struct owamp_clock_config config;
	struct bench *bench = bench_of(1);

	(void)state;
	config = bench->config;
	config.smear_ns = 1000 * SECOND;
	select_free(bench->select);
	assert_int_equal(select_new(&bench->select, &config), 0);
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 0, 1000);
		next_round(bench);
	}
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench->facts.smear_ns = 100 * MS;
	says_raw(bench, 0, 0, 1000);
	bench->readings[0].mono_ns -= 3 * SECOND / 4;
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 2000 + 100 * MS + 750 * US);
	/* No line is drawn through what was measured before. */
	assert_int_equal(bench->snapshot.drift_ppb, 100000 + 1000000);
	bench->facts.smear_ns = 0;
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 100000 + 1000000);
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 0, 1000);
		next_round(bench);
	}
	assert_int_equal(bench->snapshot.bound_ns, 1000);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench_free(bench);
}

/* Between two rounds, with a measurement in between: it may have been made before that. */
static void a_correction_just_before_a_measurement_counts(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	next_round(bench);
	bench->facts.kernel.freq_ppb = -600;
	says(bench, 0, 0, 1000, 50);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 650);
	says(bench, 0, 0, 1000, 50);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 50);
	bench_free(bench);
}

static void a_leap_second_adds_a_second_and_measurements_of_it_are_not_taken(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 50, 1000);
		next_round(bench);
	}
	assert_int_equal(bench->snapshot.bound_ns, 1050);
	bench->facts.leaping = true;
	says_raw(bench, 0, SECOND + 50, 1000);
	says_raw(bench, 1, SECOND, 5000);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, SECOND + 1050);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + 16 * SECOND);
	assert_true(bench->snapshot.synchronized);
	assert_false(bench->snapshot.disagreement);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	/* The other one has nothing older. */
	assert_int_equal(bench->status.sources[1].state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(bench->status.sources[1].text,
			    "has said nothing before this leap second: waiting until it is over");
	bench_free(bench);
}

/* What was measured in the two seconds after the last look at it may be wrong yet. */
static void after_a_leap_second_all_is_as_before(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 50, 1000);
		next_round(bench);
	}
	bench->facts.leaping = true;
	says_raw(bench, 0, SECOND + 50, 1000);
	next_round(bench);
	bench->facts.leaping = false;
	for (int i = 0; i < 2; i++) {
		says_raw(bench, 0, SECOND + 50, 1000);
		next_round(bench);
		assert_int_equal(bench->snapshot.bound_ns, 1050);
		assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + 16 * SECOND);
	}
	says_raw(bench, 0, 50, 1000);
	next_round(bench);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + 20 * SECOND);
	assert_int_equal(bench->snapshot.bound_ns, 1050);
	bench_free(bench);
}

/* Measured within it, heard of after it. */
static void what_was_measured_in_a_leap_second_is_not_taken_later(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 50, 1000, 100);
	next_round(bench);
	bench->facts.leaping = true;
	next_round(bench);
	bench->facts.leaping = false;
	says(bench, 0, SECOND, 1000, 100);
	bench->readings[0].mono_ns -= SECOND;
	for (int i = 0; i < 20; i++)
		next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 1050);
	says(bench, 0, 70, 1000, 100);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 1070);
	bench_free(bench);
}

/* What it says in the leap second does not join what it said before it fell silent. */
static void a_source_comes_back_after_the_leap_second(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 50, 1000, 100);
	next_round(bench);
	is_absent(bench, 0, "");
	next_round(bench);
	bench->facts.leaping = true;
	says(bench, 0, SECOND, 1000, 100);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, SECOND + 1050);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_HOLDOVER);
	assert_true(bench->snapshot.synchronized);
	bench->facts.leaping = false;
	bench->facts.mono_ns += 2 * SECOND;
	says(bench, 0, 60, 1000, 100);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 1060);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	bench_free(bench);
}

static void offsets_of_hours_and_ages_of_weeks_fit(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	says(bench, 0, -10 * 3600 * SECOND, 3600 * SECOND, 100000000);
	next_round(bench);
	bench->facts.mono_ns += 8 * 7 * 86400 * SECOND;
	next_round(bench);
	/* 11 h, and a tenth of 56 days and a second. */
	assert_int_equal(bench->status.sources[0].bound_ns, 39600 * SECOND + 483840 * SECOND + SECOND / 10);
	assert_true(bench->status.bound_ns >= bench->status.sources[0].bound_ns);
	says(bench, 0, INT64_MIN, INT64_MAX, INT64_MAX);
	says(bench, 1, INT64_MAX, INT64_MAX, INT64_MAX);
	bench->readings[1].filtered = false;
	for (int i = 0; i < 20; i++) {
		bench->readings[1].mono_ns += i;
		next_round(bench);
	}
	assert_true(bench->snapshot.bound_ns > 0);
	assert_true(bench->status.bound_ns > 0);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_round_nothing_is_known),
		cmocka_unit_test(without_a_valid_source_the_kernels_words_are_stated),
		cmocka_unit_test(the_bound_is_as_old_as_the_measurement),
		cmocka_unit_test(a_valid_source_that_measured_nothing_is_none),
		cmocka_unit_test(the_smallest_bound_is_taken),
		cmocka_unit_test(of_two_about_as_good_the_first_is_taken),
		cmocka_unit_test(a_better_one_takes_over_after_three_rounds),
		cmocka_unit_test(better_must_last_and_must_be_much),
		cmocka_unit_test(the_first_comes_back_if_it_is_as_good_for_ten_rounds),
		cmocka_unit_test(a_correlated_pair_does_not_flap),
		cmocka_unit_test(another_takes_over_at_once_when_the_used_one_is_gone),
		cmocka_unit_test(leap_and_tai_are_the_kernels_or_the_used_sources_or_any_valid_ones),
		cmocka_unit_test(smearing_is_added_while_it_lasts),
		cmocka_unit_test(a_smeared_time_turns),
		cmocka_unit_test(a_correction_just_before_a_measurement_counts),
		cmocka_unit_test(a_leap_second_adds_a_second_and_measurements_of_it_are_not_taken),
		cmocka_unit_test(after_a_leap_second_all_is_as_before),
		cmocka_unit_test(what_was_measured_in_a_leap_second_is_not_taken_later),
		cmocka_unit_test(a_source_comes_back_after_the_leap_second),
		cmocka_unit_test(offsets_of_hours_and_ages_of_weeks_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
