/* Sources that cannot both be right. */
#include "select_fixture.h"

static void say_two(struct bench *bench, int64_t first_ns, int64_t second_ns)
{
	says(bench, 0, first_ns, 2100, 0);
	says(bench, 1, second_ns, 20000, 0);
	next_round(bench);
}

static struct bench *contradicting(void)
{
	struct bench *bench = bench_of(3);

	say_two(bench, 310, 0);
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	say_two(bench, 310, 3 * SECOND);
	return bench;
}

static void two_that_have_nothing_in_common_contradict_each_other(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	assert_true(bench->snapshot.disagreement);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 3 * SECOND + 20000);
	assert_int_equal(used(bench), 1);
	assert_true(bench->status.sources[0].contradicted);
	assert_true(bench->status.sources[1].contradicted);
	assert_false(bench->status.sources[2].contradicted);
	assert_string_equal(bench->status.alarm,
			    "a says +310 ns +-2.1 us, b says +3.000 s +-20 us: they contradict each other");
	assert_string_equal(bench->status.sources[0].text, "contradicts b");
	assert_string_equal(bench->status.sources[1].text, "contradicts a; used as the largest bound");
	bench_free(bench);
}

/* 2100 + 20000 apart they touch. */
static void intervals_that_touch_do_not(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 0, -22100);
	assert_false(bench->snapshot.disagreement);
	say_two(bench, 0, -22101);
	assert_true(bench->snapshot.disagreement);
	assert_int_equal(bench->snapshot.bound_ns, 42101);
	bench_free(bench);
}

/* The intervals are those of now, wider than when they were measured. */
static void age_counts(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	says(bench, 0, 0, 2000, 1000);
	next_round(bench);
	next_round(bench);
	says(bench, 1, 5001, 1000, 500);
	next_round(bench);
	assert_true(bench->snapshot.disagreement);
	/* b has the largest far end, but until the next look a may grow faster. */
	assert_int_equal(bench->snapshot.bound_ns, 6001);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench_free(bench);
	bench = bench_of(2);
	says(bench, 0, 0, 2000, 1000);
	for (int i = 0; i < 3; i++)
		next_round(bench);
	says(bench, 1, 5001, 1000, 500);
	next_round(bench);
	assert_false(bench->snapshot.disagreement);
	bench_free(bench);
}

static void it_ends_when_they_have_agreed_for_ten_rounds(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	for (int i = 0; i < 9; i++) {
		say_two(bench, 310, 0);
		assert_true(bench->snapshot.disagreement);
		assert_false(bench->snapshot.synchronized);
		assert_int_equal(bench->snapshot.bound_ns, 20000);
	}
	assert_true(bench->status.sources[0].contradicted);
	assert_string_equal(bench->status.alarm,
			    "a and b contradicted each other 9 s ago, which counts for 10 s");
	assert_string_equal(bench->status.sources[0].text, "contradicted b 9 s ago, which counts for 10 s");
	say_two(bench, 310, 0);
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 2410);
	assert_int_equal(used(bench), 0);
	assert_string_equal(bench->status.alarm, "");
	assert_false(bench->status.sources[0].contradicted);
	bench_free(bench);
}

static void one_more_contradiction_begins_anew(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	for (int i = 0; i < 9; i++)
		say_two(bench, 310, 0);
	say_two(bench, 310, -SECOND);
	for (int i = 0; i < 9; i++)
		say_two(bench, 310, 0);
	assert_true(bench->snapshot.disagreement);
	say_two(bench, 310, 0);
	assert_false(bench->snapshot.disagreement);
	bench_free(bench);
}

static void it_ends_when_one_has_not_been_valid_for_ten_rounds(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	is_absent(bench, 1, "gone");
	for (int i = 0; i < 9; i++) {
		says(bench, 0, 310, 2100, 0);
		next_round(bench);
		assert_true(bench->snapshot.disagreement);
		assert_false(bench->snapshot.synchronized);
		/* Of the valid ones. */
		assert_int_equal(bench->snapshot.bound_ns, 2410);
	}
	assert_int_equal(bench->status.sources[1].state, OWAMP_CLOCK_ABSENT);
	says(bench, 0, 310, 2100, 0);
	next_round(bench);
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	bench_free(bench);
}

/* Whose word would that be? */
static void who_is_contradicted_has_no_holdover(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	is_absent(bench, 0, "gone");
	is_absent(bench, 1, "gone");
	for (int i = 0; i < 20; i++) {
		next_round(bench);
		assert_false(bench->snapshot.synchronized);
		assert_true(bench->status.bound_ns >= 3 * SECOND + 20000);
		assert_int_equal(bench->snapshot.disagreement, i < 9);
	}
	bench_free(bench);
}

/* It cannot be asked again. There is nobody to wait for, so S stays, and is the live one's. */
static void a_holdover_that_is_contradicted_ends(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	says(bench, 0, 310, 2100, 0);
	next_round(bench);
	is_absent(bench, 0, "gone");
	next_round(bench);
	assert_true(bench->status.holdover);
	says(bench, 1, 50 * MS, MS, 0);
	next_round(bench);
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 51 * MS);
	assert_int_equal(used(bench), 1);
	assert_false(bench->status.holdover);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_ABSENT);
	assert_false(bench->status.sources[0].measured);
	assert_string_equal(bench->status.sources[0].text,
			    "silent for 2 s (gone): its last word was contradicted by b");
	assert_string_equal(bench->status.alarm, "");
	/* It does not come back by b's falling silent too, nor by what b says then. */
	is_absent(bench, 1, "");
	next_round(bench);
	says(bench, 1, 0, 1000, 0);
	next_round(bench);
	assert_int_equal(used(bench), 1);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_ABSENT);
	/* When it is heard again it is as good as any. */
	says(bench, 0, 0, 500, 0);
	says(bench, 1, 0, 1000, 0);
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	is_absent(bench, 0, "away");
	next_round(bench);
	assert_string_equal(bench->status.sources[0].text, "away");
	bench_free(bench);
}

/* In its first round as well; and it need not be in use. */
static void at_once_and_used_or_not(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	says(bench, 0, 310, 2100, 0);
	next_round(bench);
	is_absent(bench, 0, "");
	says(bench, 1, 0, 1000, 0);
	next_round(bench);
	assert_int_equal(used(bench), 1);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_HOLDOVER);
	is_absent(bench, 1, "");
	says(bench, 2, -MS, 1000, 0);
	next_round(bench);
	assert_int_equal(used(bench), 2);
	assert_true(bench->snapshot.synchronized);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(bench->status.sources[i].state, OWAMP_CLOCK_ABSENT);
		assert_non_null(
			strstr(bench->status.sources[i].text, ": its last word was contradicted by c"));
	}
	bench_free(bench);
}

/* 2110 and 20000 apart they touch, and its age counts: 1 ppm for 1 s. */
static void one_that_agrees_leaves_it(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	for (int64_t more = 0; more <= 1; more++) {
		says(bench, 0, 310, 2100, 0);
		says(bench, 1, 0, 20000, 0);
		next_round(bench);
		is_absent(bench, 0, "");
		says(bench, 1, 310 + 2100 + 1000 + 20000 + more, 20000, 0);
		next_round(bench);
		assert_int_equal(used(bench), more);
		assert_int_equal(bench->status.holdover, !more);
	}
	bench_free(bench);
}

/* Nor do half a second of a smeared leap second end it, nor one that has not been confirmed since a step. */
static void who_does_not_count_leaves_it_too(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	bench->facts.smear_ns = 400 * MS;
	says(bench, 0, 0, 2100, 0);
	next_round(bench);
	is_absent(bench, 0, "");
	says(bench, 1, 400 * MS, 20000, 0);
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_HOLDOVER);
	bench_free(bench);
	bench = bench_of(2);
	says(bench, 0, 0, 2100, 0);
	next_round(bench);
	select_stepped(bench->select, bench->facts.mono_ns, SECOND);
	for (int i = 0; i < 2; i++) {
		says(bench, 0, 0, 2100, 0);
		next_round(bench);
	}
	is_absent(bench, 0, "");
	says(bench, 1, SECOND, 2100, 0);
	next_round(bench);
	assert_true(bench->status.holdover);
	says(bench, 1, SECOND, 2100, 0);
	next_round(bench);
	assert_false(bench->status.holdover);
	assert_int_equal(used(bench), 1);
	bench_free(bench);
}

/* Two of three could be wrong together. */
static void a_third_one_decides_nothing(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	says(bench, 2, 500, 30000, 0);
	say_two(bench, 310, 3 * SECOND);
	assert_true(bench->snapshot.disagreement);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 3 * SECOND + 20000);
	assert_true(bench->status.sources[2].contradicted);
	assert_string_equal(bench->status.alarm,
			    "a says +310 ns +-2.1 us, b says +3.000 s +-20 us: they contradict "
			    "each other (and 1 more pair)");
	bench_free(bench);
}

/* It agrees with both; S stays off, and it may be the one that is furthest out. */
static void one_that_agrees_with_both_is_not_used_either(void **state)
{
	struct bench *bench = bench_of(3);

	(void)state;
	says(bench, 2, 0, 90000, 0);
	says(bench, 0, -5000, 2000, 0);
	says(bench, 1, 5000, 2000, 0);
	next_round(bench);
	assert_true(bench->snapshot.disagreement);
	assert_int_equal(bench->snapshot.bound_ns, 90000);
	assert_int_equal(used(bench), 2);
	assert_false(bench->status.sources[2].contradicted);
	assert_string_equal(bench->status.sources[2].text,
			    "used as the largest bound while others contradict each other");
	says(bench, 2, 0, 4000, 0);
	next_round(bench);
	assert_string_equal(bench->status.sources[2].text,
			    "valid, not used while others contradict each other");
	bench_free(bench);
}

/* One source smears, the other does not: half a second apart at most is what was announced. */
static void a_smeared_leap_second_is_no_contradiction(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	bench->facts.smear_ns = 400 * MS;
	say_two(bench, 0, 400 * MS);
	assert_false(bench->snapshot.disagreement);
	say_two(bench, 0, 400 * MS + 22101);
	assert_true(bench->snapshot.disagreement);
	bench_free(bench);
}

/* What was measured while the time was smeared may be off by that later on, too. */
static void nor_is_it_later(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bench->facts.smear_ns = 400 * MS;
		says(bench, 1 - i, 400 * MS, 20000, 0);
		next_round(bench);
		bench->facts.smear_ns = 0;
		for (int j = 0; j < 2; j++) {
			says(bench, i, 0, 2100, 0);
			next_round(bench);
			assert_false(bench->snapshot.disagreement);
		}
	}
	bench_free(bench);
}

/* Nor if it has just begun to be smeared. */
static void nor_is_it_at_once(void **state)
{
	struct bench *bench = bench_of(2);

	(void)state;
	say_two(bench, 0, 0);
	bench->facts.smear_ns = MS;
	bench->readings[1].offset_ns = MS;
	next_round(bench);
	assert_false(bench->snapshot.disagreement);
	bench_free(bench);
}

/* b was the better one by a fifth, which would not have been enough to replace a. */
static void afterwards_the_best_is_chosen_afresh(void **state)
{
	struct bench *bench = contradicting();

	(void)state;
	for (int i = 0; i < 10; i++) {
		says(bench, 0, 0, 2000, 0);
		says(bench, 1, 0, 1600, 0);
		next_round(bench);
	}
	assert_false(bench->snapshot.disagreement);
	assert_int_equal(used(bench), 1);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_that_have_nothing_in_common_contradict_each_other),
		cmocka_unit_test(intervals_that_touch_do_not),
		cmocka_unit_test(age_counts),
		cmocka_unit_test(it_ends_when_they_have_agreed_for_ten_rounds),
		cmocka_unit_test(one_more_contradiction_begins_anew),
		cmocka_unit_test(it_ends_when_one_has_not_been_valid_for_ten_rounds),
		cmocka_unit_test(who_is_contradicted_has_no_holdover),
		cmocka_unit_test(a_holdover_that_is_contradicted_ends),
		cmocka_unit_test(at_once_and_used_or_not),
		cmocka_unit_test(one_that_agrees_leaves_it),
		cmocka_unit_test(who_does_not_count_leaves_it_too),
		cmocka_unit_test(a_third_one_decides_nothing),
		cmocka_unit_test(one_that_agrees_with_both_is_not_used_either),
		cmocka_unit_test(a_smeared_leap_second_is_no_contradiction),
		cmocka_unit_test(nor_is_it_later),
		cmocka_unit_test(nor_is_it_at_once),
		cmocka_unit_test(afterwards_the_best_is_chosen_afresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
