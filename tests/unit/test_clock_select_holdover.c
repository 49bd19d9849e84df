/* What a source said last, when it says nothing more. */
#include "select_fixture.h"

#define RESULT(bench) ((bench)->status.sources[0])

static void the_last_word_of_the_used_source_counts(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, -200, 2000, 5000);
	next_round(bench);
	is_absent(bench, 0, "port LISTENING");
	for (int i = 0; i < 12; i++)
		next_round(bench);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 2200);
	assert_int_equal(bench->snapshot.drift_ppb, 5000);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + SECOND);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + SECOND);
	assert_string_equal(bench->snapshot.source, "ptp");
	assert_true(bench->status.holdover);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_HOLDOVER);
	assert_true(RESULT(bench).used);
	assert_true(RESULT(bench).measured);
	assert_int_equal(RESULT(bench).offset_ns, -200);
	assert_int_equal(RESULT(bench).error_ns, 2000);
	assert_int_equal(RESULT(bench).age_ns, 12 * SECOND);
	assert_int_equal(RESULT(bench).bound_ns, 2200 + 60000);
	assert_string_equal(
		RESULT(bench).text,
		"used, silent for 12 s (port LISTENING): its last word counts up to 1 ms or for 10 min");
	bench_free(bench);
}

/* Nobody corrects it any more: its crystal does as it likes. */
static void it_grows_by_the_oscillators_allowance_at_least(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 2000, 30);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 30);
	is_absent(bench, 0, "");
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench->facts.kernel.freq_ppb = 700;
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench->facts.kernel.freq_ppb = -600;
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 1330);
	bench_free(bench);
}

/* 1 ms: after 100 us + 90 s x 10 ppm it is reached, and passed a second later. */
static void it_vouches_up_to_the_limit(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 100 * US, 10000);
	next_round(bench);
	is_absent(bench, 0, "gone");
	for (int i = 0; i < 90; i++) {
		next_round(bench);
		assert_true(bench->snapshot.synchronized);
	}
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	/* But nobody knows better. */
	assert_int_equal(bench->snapshot.bound_ns, 100 * US);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + SECOND);
	assert_string_equal(bench->snapshot.source, "ptp");
	assert_true(bench->status.bound_ns >= 1010 * US);
	assert_false(bench->status.holdover);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_ABSENT);
	assert_true(RESULT(bench).used);
	assert_int_equal(RESULT(bench).bound_ns, 1010 * US);
	assert_string_equal(
		RESULT(bench).text,
		"used, silent for 91 s (gone): its last word vouches no more, but nobody knows better");
	for (int i = 0; i < 1000; i++)
		next_round(bench);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(RESULT(bench).bound_ns, 11010 * US);
	bench_free(bench);
}

/* Twice 800 us is more than 1 ms. Its age counted in it already: 600 us and 20 s x 10 ppm. */
static void a_large_bound_vouches_until_it_has_doubled(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, -100 * US, 500 * US, 10000);
	for (int i = 0; i < 21; i++)
		next_round(bench);
	is_absent(bench, 0, "");
	for (int i = 0; i < 80; i++) {
		next_round(bench);
		assert_true(bench->snapshot.synchronized);
	}
	assert_int_equal(RESULT(bench).bound_ns, 1600 * US);
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	bench_free(bench);
}

/* 16 ms would be reached after more than two hours. Since it was last valid, not since it last measured. */
static void it_vouches_for_so_long(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 8 * MS, 1000);
	for (int i = 0; i < 21; i++)
		next_round(bench);
	is_absent(bench, 0, "");
	for (int i = 0; i < 600; i++) {
		next_round(bench);
		assert_true(bench->snapshot.synchronized);
		assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_HOLDOVER);
	}
	assert_string_equal(RESULT(bench).text,
			    "used, silent for 10 min: its last word counts up to 16.1 ms or for 10 min");
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	assert_false(bench->status.holdover);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_ABSENT);
	assert_string_equal(
		RESULT(bench).text,
		"used, silent for 10 min: its last word vouches no more, but nobody knows better");
	assert_true(bench->snapshot.bound_ns == 8 * MS && bench->status.bound_ns > 8 * MS);
	/* And it has its time again when it has been heard again. */
	says(bench, 0, 0, 8 * MS, 1000);
	next_round(bench);
	is_absent(bench, 0, "");
	for (int i = 0; i < 600; i++)
		next_round(bench);
	assert_true(bench->snapshot.synchronized);
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	bench_free(bench);
}

static void without_time_there_is_none(void **state)
{
	static const int64_t times[] = {0, 1500 * MS, 500 * MS};
	static const int rounds[] = {0, 1, 0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct bench *bench = bench_of(1);

		select_free(bench->select);
		bench->config.holdover_time_ns = times[i];
		assert_int_equal(select_new(&bench->select, &bench->config), 0);
		says(bench, 0, 0, 2000, 1000);
		next_round(bench);
		assert_true(bench->snapshot.synchronized);
		is_absent(bench, 0, "");
		next_round(bench);
		assert_int_equal(bench->snapshot.synchronized, rounds[i] > 0);
		if (rounds[i] > 0)
			assert_string_equal(
				RESULT(bench).text,
				"used, silent for 1 s: its last word counts up to 1 ms or for 1.5 s");
		next_round(bench);
		assert_false(bench->snapshot.synchronized);
		bench_free(bench);
	}
}

/* Should there be no more rounds. */
static void who_vouches_does_for_some_seconds(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	assert_int_equal(bench->snapshot.vouched_until_mono, 0);
	says(bench, 0, 0, 100 * US, 10000);
	next_round(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, BEGIN + 6 * SECOND);
	/* What was answered first in it is as old as the round took. */
	bench->facts.took_ns = 900 * MS;
	next_round(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, BEGIN + 7 * SECOND - 900 * MS);
	bench->facts.took_ns = 60 * SECOND;
	next_round(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, BEGIN + 8 * SECOND - 60 * SECOND);
	bench->facts.took_ns = 0;
	is_absent(bench, 0, "");
	next_round(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, BEGIN + 9 * SECOND);
	select_stepped(bench->select, bench->facts.mono_ns + 1, SECOND);
	look(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, 0);
	bench_free(bench);
}

/* 900 us at 10 ppm are 90 s; at 7 ppm 128.571428571 s. */
static void its_last_word_vouches_up_to_the_moment(void **state)
{
	static const int64_t drifts[] = {10000, 7000};
	static const int64_t ends[] = {BEGIN + 91 * SECOND, BEGIN + SECOND + INT64_C(128571428571)};
	static const int rounds[] = {90, 128};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bench *bench = bench_of(1);

		says(bench, 0, 0, 100 * US, drifts[i]);
		next_round(bench);
		is_absent(bench, 0, "");
		for (int j = 0; j < rounds[i]; j++) {
			int64_t until;

			next_round(bench);
			until = bench->facts.mono_ns + 5 * SECOND;
			assert_int_equal(bench->snapshot.vouched_until_mono,
					 until < ends[i] ? until : ends[i]);
		}
		next_round(bench);
		assert_int_equal(bench->snapshot.vouched_until_mono, 0);
		bench_free(bench);
	}
}

static void and_no_longer_than_its_time(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 100 * US, 1000);
	next_round(bench);
	is_absent(bench, 0, "");
	for (int i = 0; i < 597; i++)
		next_round(bench);
	assert_int_equal(bench->snapshot.vouched_until_mono, BEGIN + 601 * SECOND);
	bench_free(bench);
}

static void it_is_valid_at_once_when_it_comes_back(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 100 * US, 10000);
	next_round(bench);
	is_absent(bench, 0, "gone");
	next_round(bench);
	says(bench, 0, 300, 2000, 10000);
	next_round(bench);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_VALID);
	assert_int_equal(bench->snapshot.bound_ns, 2300);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + SECOND);
	is_absent(bench, 0, "gone");
	for (int i = 0; i < 200; i++)
		next_round(bench);
	assert_false(bench->snapshot.synchronized);
	says(bench, 0, 300, 2000, 10000);
	next_round(bench);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_VALID);
	assert_false(bench->status.holdover);
	bench_free(bench);
}

/* Its readings of before and after the silence may differ by all of their error, which is no drift. */
static void what_it_says_then_is_not_joined_to_what_it_said(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 0, 2000);
		next_round(bench);
	}
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	is_absent(bench, 0, "");
	next_round(bench);
	says_raw(bench, 0, -3000, 2000);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 100000);
	assert_int_equal(bench->snapshot.bound_ns, 3000 + 2 * 2000);
	bench_free(bench);
}

/* Unless it is only its last measurement again. */
static void a_repeated_measurement_is_joined(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 0, 2000);
		next_round(bench);
	}
	is_absent(bench, 0, "");
	next_round(bench);
	bench->readings[0].state = OWAMP_CLOCK_VALID;
	bench->readings[0].measured = true;
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	says_raw(bench, 0, -3000, 2000);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 100000);
	bench_free(bench);
}

/* PTP silent at some us is still better than NTP at 2 ms, but not for ever. */
static void it_may_win_against_a_valid_source(void **state)
{
	struct bench *bench = bench_of(2);
	int rounds = 0;

	(void)state;
	says(bench, 0, 0, 5000, 10000);
	says(bench, 1, 0, 800 * US, 0);
	next_round(bench);
	is_absent(bench, 0, "");
	do {
		says(bench, 1, 0, 800 * US, 0);
		next_round(bench);
		assert_true(bench->snapshot.synchronized);
		rounds++;
	} while (used(bench) == 0);
	/* 5 us + 79 s x 10 ppm = 795 us, and after 80 s 805 us. */
	assert_int_equal(rounds, 80);
	assert_int_equal(used(bench), 1);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_HOLDOVER);
	assert_string_equal(RESULT(bench).text,
			    "silent for 80 s: its last word counts up to 1 ms or for 10 min");
	assert_false(bench->status.holdover);
	bench_free(bench);
}

/* That it comes first in order is no reason to go back to one that is silent. */
static void it_does_not_win_by_order(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	says(bench, 0, 0, 900 * US, 0);
	says(bench, 1, 0, 900 * US + 500, 0);
	next_round(bench);
	assert_int_equal(used(bench), 0);
	is_absent(bench, 0, "");
	for (int i = 0; i < 40; i++) {
		next_round(bench);
		assert_int_equal(used(bench), 1);
	}
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_HOLDOVER);
	bench_free(bench);
}

static void one_that_was_not_used_has_no_holdover(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	says(bench, 0, 0, 5000, 0);
	says(bench, 1, 0, 8000, 0);
	next_round(bench);
	is_absent(bench, 1, "gone");
	says(bench, 0, 0, 5000, 0);
	next_round(bench);
	assert_int_equal(bench->status.sources[1].state, OWAMP_CLOCK_ABSENT);
	assert_false(bench->status.sources[1].measured);
	assert_string_equal(bench->status.sources[1].text, "gone");
	bench_free(bench);
}

/* An answer for which nobody vouches is no better than none. */
static void a_doubtful_one_is_in_holdover_too(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	says(bench, 0, 0, 5000, 2000);
	next_round(bench);
	says(bench, 0, 900 * US, 0, 0);
	bench->readings[0].state = OWAMP_CLOCK_DOUBTFUL;
	next_round(bench);
	assert_int_equal(RESULT(bench).state, OWAMP_CLOCK_HOLDOVER);
	assert_int_equal(bench->snapshot.bound_ns, 5000);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + SECOND);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_of_the_used_source_counts),
		cmocka_unit_test(it_grows_by_the_oscillators_allowance_at_least),
		cmocka_unit_test(it_vouches_up_to_the_limit),
		cmocka_unit_test(a_large_bound_vouches_until_it_has_doubled),
		cmocka_unit_test(it_vouches_for_so_long),
		cmocka_unit_test(without_time_there_is_none),
		cmocka_unit_test(who_vouches_does_for_some_seconds),
		cmocka_unit_test(its_last_word_vouches_up_to_the_moment),
		cmocka_unit_test(and_no_longer_than_its_time),
		cmocka_unit_test(it_is_valid_at_once_when_it_comes_back),
		cmocka_unit_test(what_it_says_then_is_not_joined_to_what_it_said),
		cmocka_unit_test(a_repeated_measurement_is_joined),
		cmocka_unit_test(it_may_win_against_a_valid_source),
		cmocka_unit_test(it_does_not_win_by_order),
		cmocka_unit_test(one_that_was_not_used_has_no_holdover),
		cmocka_unit_test(a_doubtful_one_is_in_holdover_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
