/* The clock was set: what was known, and the step, until somebody has measured again. */
#include "select_fixture.h"

/* A source that has been used for two rounds, filtered: 2000 + 300, 100 ppb. */
static struct bench *settled(void)
{
	struct bench *bench = bench_of(2);

	for (int i = 0; i < 2; i++) {
		says(bench, 0, -300, 2000, 100);
		next_round(bench);
	}
	assert_true(bench->snapshot.synchronized);
	return bench;
}

static void step(struct bench *bench, int64_t step_ns)
{
	bench->facts.real_less_mono_ns += step_ns;
	bench->facts.real_ns += step_ns;
	select_stepped(bench->select, bench->facts.mono_ns, step_ns);
	look(bench);
}

static void the_step_is_added_to_the_bound(void **state)
{
	struct bench *bench = settled();

	(void)state;
	bench->facts.mono_ns += SECOND / 2;
	step(bench, -5 * SECOND);
	assert_false(bench->snapshot.synchronized);
	/* 2300, half a second at 100 ppb, and what owamp_clock_bound() rounds up. */
	assert_in_range(bench->snapshot.bound_ns, 5 * SECOND + 2350, 5 * SECOND + 2351);
	assert_int_equal(bench->snapshot.sampled_at_mono, BEGIN + 5 * SECOND / 2);
	assert_int_equal(bench->snapshot.drift_ppb, 100000);
	assert_int_equal(bench->snapshot.steps, 1);
	assert_string_equal(bench->snapshot.source, "none");
	assert_int_equal(bench->snapshot.since_mono, BEGIN + 5 * SECOND / 2);
	assert_int_equal(bench->snapshot.real_less_mono_ns, 49 * BEGIN - 5 * SECOND);
	assert_int_equal(bench->status.step_ns, -5 * SECOND);
	assert_int_equal(bench->status.step_mono, BEGIN + 5 * SECOND / 2);
	assert_int_equal(bench->status.now_mono, BEGIN + 5 * SECOND / 2);
	assert_int_equal(used(bench), NOBODY);
	assert_false(bench->status.sources[0].measured);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(bench->status.sources[0].text, "has not measured since the clock was set");
	bench_free(bench);
}

static void it_grows_by_drift_max_until_two_have_been_measured(void **state)
{
	struct bench *bench = settled();
	int64_t bound;

	(void)state;
	step(bench, 7 * MS);
	bound = bench->snapshot.bound_ns;
	assert_in_range(bound, 7 * MS + 2300, 7 * MS + 2301);
	/* The measurement of before says nothing now. */
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, bound);
	assert_in_range(bench->status.bound_ns, bound + 100 * US, bound + 101 * US);
	says(bench, 0, 7 * MS, 2000, 100);
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, bound);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	assert_true(bench->status.sources[0].measured);
	assert_string_equal(bench->status.sources[0].text,
			    "valid, but to be confirmed: measured only once since the clock was set");
	/* The same one again is no second one. */
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	says(bench, 0, 7 * MS, 2000, 100);
	next_round(bench);
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 7 * MS + 2000);
	assert_int_equal(bench->snapshot.drift_ppb, 100);
	assert_int_equal(bench->snapshot.since_mono, BEGIN + 6 * SECOND);
	assert_int_equal(used(bench), 0);
	bench_free(bench);
}

/* Valid, gone, and valid by the same measurement: that makes one. */
static void a_measurement_does_not_confirm_itself(void **state)
{
	struct bench *bench = settled();

	(void)state;
	step(bench, 7 * MS);
	says(bench, 0, 7 * MS, 2000, 100);
	next_round(bench);
	bench->readings[0].state = OWAMP_CLOCK_DOUBTFUL;
	next_round(bench);
	bench->readings[0].state = OWAMP_CLOCK_VALID;
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	bench_free(bench);
}

static void a_measurement_at_the_very_step_is_of_before(void **state)
{
	struct bench *bench = settled();

	(void)state;
	step(bench, 7 * MS);
	says(bench, 0, 0, 2000, 100);
	bench->readings[0].mono_ns = bench->facts.mono_ns;
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_DOUBTFUL);
	bench->readings[0].mono_ns++;
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_VALID);
	bench_free(bench);
}

static void steps_add_up(void **state)
{
	struct bench *bench = settled();

	(void)state;
	step(bench, 5 * SECOND);
	bench->facts.mono_ns += SECOND;
	step(bench, -3 * SECOND);
	assert_in_range(bench->snapshot.bound_ns, 8 * SECOND + 2300 + 100 * US, 8 * SECOND + 2300 + 101 * US);
	assert_int_equal(bench->snapshot.steps, 2);
	assert_int_equal(bench->status.step_ns, -3 * SECOND);
	assert_int_equal(bench->snapshot.real_less_mono_ns, 49 * BEGIN + 2 * SECOND);
	next_round(bench);
	assert_int_equal(bench->snapshot.real_less_mono_ns, 49 * BEGIN + 2 * SECOND);
	bench_free(bench);
}

static void history_is_void(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 0, 2000);
		next_round(bench);
	}
	step(bench, 40 * MS);
	for (int i = 0; i < 16; i++) {
		says_raw(bench, 0, 40 * MS, 2000);
		next_round(bench);
		assert_int_equal(bench->snapshot.synchronized, i > 0);
	}
	assert_int_equal(bench->snapshot.bound_ns, 40 * MS + 2000);
	assert_int_equal(bench->snapshot.drift_ppb, 1000);
	bench_free(bench);
}

/* Whoever steers the clock pulls it back, however small the offset is that he sees next. */
static void after_a_step_nobody_is_taken_for_locked(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	bench->readings[0].steers = true;
	says_raw(bench, 0, 0, 2000);
	next_round(bench);
	assert_int_equal(bench->snapshot.drift_ppb, 10000);
	step(bench, 1500);
	for (int i = 0; i < 2; i++) {
		says_raw(bench, 0, 1500, 2000);
		next_round(bench);
	}
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.drift_ppb, 100000);
	bench_free(bench);
}

static void of_nothing_a_step_makes_no_bound(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	next_round(bench);
	step(bench, -2 * SECOND);
	assert_int_equal(bench->snapshot.bound_ns, 18 * SECOND);
	next_round(bench);
	assert_int_equal(bench->snapshot.bound_ns, 18 * SECOND);
	assert_int_equal(bench->snapshot.sampled_at_mono, bench->facts.mono_ns);
	assert_false(bench->snapshot.synchronized);
	bench_free(bench);
}

/* The machine slept: what was known is worth nothing. */
static void a_step_of_unknown_size_makes_all_unknown(void **state)
{
	struct bench *bench = settled();

	(void)state;
	step(bench, 0);
	assert_int_equal(bench->snapshot.bound_ns, 16 * SECOND);
	assert_false(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.steps, 1);
	for (int i = 0; i < 2; i++) {
		says(bench, 0, -300, 2000, 100);
		next_round(bench);
	}
	assert_true(bench->snapshot.synchronized);
	assert_int_equal(bench->snapshot.bound_ns, 2300);
	bench_free(bench);
}

static void an_expired_word_is_enlarged_too(void **state)
{
	struct bench *bench = settled();

	(void)state;
	is_absent(bench, 0, "gone");
	bench->facts.mono_ns += 10000 * SECOND;
	next_round(bench);
	assert_false(bench->snapshot.synchronized);
	/* 2300, and 10001 s at 1 ppm. */
	assert_in_range(bench->status.bound_ns, 10003300, 10003302);
	step(bench, -SECOND);
	assert_in_range(bench->snapshot.bound_ns, SECOND + 10003300, SECOND + 10003302);
	/* What it would have said before the step is no holdover either. */
	next_round(bench);
	assert_int_equal(bench->status.sources[0].state, OWAMP_CLOCK_ABSENT);
	bench_free(bench);
}

/* Smearing is added to what is stated, and not twice. */
static void smearing_is_added_to_the_rest_once(void **state)
{
	struct bench *bench = bench_of(1);

	(void)state;
	bench->facts.smear_ns = 300 * MS;
	says(bench, 0, 0, 2000, 100);
	next_round(bench);
	step(bench, SECOND);
	assert_in_range(bench->snapshot.bound_ns, SECOND + 300 * MS + 2000, SECOND + 300 * MS + 2001);
	bench->facts.smear_ns = 100 * MS;
	next_round(bench);
	assert_in_range(bench->snapshot.bound_ns, SECOND + 300 * MS + 2000, SECOND + 300 * MS + 2001);
	bench->facts.leaping = true;
	next_round(bench);
	assert_in_range(bench->snapshot.bound_ns, 2 * SECOND + 300 * MS + 2000, 2 * SECOND + 300 * MS + 2001);
	bench_free(bench);
}

static void one_that_is_not_confirmed_contradicts_nobody(void **state)
{
	struct bench *bench = settled();

	(void)state;
	step(bench, SECOND);
	for (int i = 0; i < 2; i++) {
		says(bench, 0, SECOND, 2000, 100);
		next_round(bench);
	}
	says(bench, 1, 0, 2000, 100);
	next_round(bench);
	assert_false(bench->snapshot.disagreement);
	assert_true(bench->snapshot.synchronized);
	says(bench, 1, 0, 2000, 100);
	next_round(bench);
	assert_true(bench->snapshot.disagreement);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_step_is_added_to_the_bound),
		cmocka_unit_test(it_grows_by_drift_max_until_two_have_been_measured),
		cmocka_unit_test(a_measurement_does_not_confirm_itself),
		cmocka_unit_test(a_measurement_at_the_very_step_is_of_before),
		cmocka_unit_test(steps_add_up),
		cmocka_unit_test(history_is_void),
		cmocka_unit_test(after_a_step_nobody_is_taken_for_locked),
		cmocka_unit_test(of_nothing_a_step_makes_no_bound),
		cmocka_unit_test(a_step_of_unknown_size_makes_all_unknown),
		cmocka_unit_test(an_expired_word_is_enlarged_too),
		cmocka_unit_test(smearing_is_added_to_the_rest_once),
		cmocka_unit_test(one_that_is_not_confirmed_contradicts_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
