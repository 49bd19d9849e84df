/* One source's history: scatter, slope, drift. Expected numbers are worked out by hand beside them. */
#include "select_fixture.h"

#include "clock/interval.h"
#include "clock/track.h"

#define DRIFT_MAX 100000
#define ALLOWANCE 1000

static void add(struct track *track, int64_t mono_ns, int64_t offset_ns, int64_t error_ns)
{
	const struct clock_reading reading = {
		.source = "gps-pps",
		.mono_ns = mono_ns,
		.offset_ns = offset_ns,
		.error_ns = error_ns,
		.drift_ppb = -1,
	};

	(void)track_add(track, &reading, 0);
}

static void add_filtered(struct track *track, int64_t mono_ns, int64_t offset_ns)
{
	const struct clock_reading reading = {
		.source = "chrony",
		.mono_ns = mono_ns,
		.offset_ns = offset_ns,
		.error_ns = 5000,
		.filtered = true,
		.drift_ppb = -1,
	};

	(void)track_add(track, &reading, 0);
}

static struct interval interval_of(const struct track *track)
{
	struct interval interval;

	track_interval(track, DRIFT_MAX, &interval);
	return interval;
}

static void few_readings_allow_for_the_error_again_and_for_drift_max(void **state)
{
	struct track track = {.count = 0};
	struct interval interval;

	(void)state;
	add(&track, BEGIN, -700, 300);
	interval = interval_of(&track);
	assert_int_equal(interval.mono_ns, BEGIN);
	assert_int_equal(interval.offset_ns, -700);
	assert_int_equal(interval.error_ns, 600);
	assert_int_equal(interval.drift_ppb, DRIFT_MAX);
	add(&track, BEGIN + SECOND, -650, 300);
	interval = interval_of(&track);
	assert_int_equal(interval.offset_ns, -650);
	assert_int_equal(interval.error_ns, 600);
	assert_int_equal(interval.drift_ppb, DRIFT_MAX);
}

static void few_readings_of_who_steers_allow_for_10_ppm(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = {.source = "ptp", .mono_ns = BEGIN, .drift_ppb = -1, .steers = true};
	struct interval interval;

	(void)state;
	assert_true(track_add(&track, &reading, -3000));
	assert_int_equal(interval_of(&track).drift_ppb, 10000);
	track_idle(&track, 1000);
	assert_int_equal(interval_of(&track).drift_ppb, 10000 + 4000);
	track_interval(&track, 4000, &interval);
	assert_int_equal(interval.drift_ppb, 4000);
}

static struct clock_reading steering_reading(int64_t mono_ns, int64_t offset_ns)
{
	return (struct clock_reading){
		.source = "ptp",
		.mono_ns = mono_ns,
		.offset_ns = offset_ns,
		.error_ns = 500,
		.drift_ppb = -1,
		.steers = true,
	};
}

/* It is pulling the clock back, or about to. */
static void who_steers_and_was_far_off_does_not_count_as_locked(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = steering_reading(BEGIN, -501);

	(void)state;
	(void)track_add(&track, &reading, 0);
	assert_int_equal(interval_of(&track).drift_ppb, DRIFT_MAX);
	reading = steering_reading(BEGIN + SECOND, 500);
	(void)track_add(&track, &reading, 0);
	assert_int_equal(interval_of(&track).drift_ppb, DRIFT_MAX);
	track_forget(&track, 0);
	reading = steering_reading(BEGIN + 2 * SECOND, -500);
	(void)track_add(&track, &reading, 0);
	assert_int_equal(interval_of(&track).drift_ppb, 10000);
}

/* The clock was seen to run off faster, before. */
static void a_larger_drift_of_before_remains_until_there_is_a_line(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = steering_reading(BEGIN, 0);

	(void)state;
	track_forget(&track, 30000);
	for (int64_t i = 0; i < 3; i++) {
		reading.mono_ns = BEGIN + i * SECOND;
		(void)track_add(&track, &reading, 0);
		assert_int_equal(interval_of(&track).drift_ppb, i < 2 ? 30000 : ALLOWANCE);
	}
}

/* 25 ppb, no scatter. */
static void a_straight_line_is_its_slope_and_the_oscillators_allowance(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	for (int64_t i = 0; i < 40; i++) {
		add(&track, BEGIN + i * SECOND, 7 * SECOND - 25 * i, 300);
		assert_int_equal(interval_of(&track).drift_ppb, i < 2 ? DRIFT_MAX : 25 + ALLOWANCE);
		assert_int_equal(interval_of(&track).error_ns, i < 11 ? 600 : 300);
	}
}

/*
 * Offsets 0, 30, 0, 2 s apart: the line is level at 10, the residuals are -10, 20, -10;
 * scatter 20 x 3 x 3 / 1 = 180. Standard error of the slope sqrt(600 / 1 / 8) =
 * 8.66025 ns/s, times t(1) = 6366.2: 55132.9 ppb.
 */
static void three_points_scatter(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	add(&track, BEGIN, 0, 50);
	add(&track, BEGIN + 2 * SECOND, 30, 50);
	add(&track, BEGIN + 4 * SECOND, 0, 50);
	assert_int_equal(interval_of(&track).error_ns, 50 + 180);
	assert_int_equal(interval_of(&track).drift_ppb, 55133 + ALLOWANCE);
}

/*
 * Eight points, +-80 in turn, at 0 ... 14 s, 2 s apart. Mean 0; with z = -7,
 * -5, ... 7 s from the middle: sum of z^2 = 168, of z y = 80 (7 - 5 + 3 - 1 - 1
 * + 3 - 5 + 7) (-1) = -640 for +80 first: slope -3.8095 ns/s. The largest
 * residual is at z = +-5: |y| = 80, on the line -+19.05 of the other sign:
 * 99.05. Scatter 3 x 8 / 6 x 99.0476 = 396.19 ns. Squares: 8 x 6400 - 640^2 / 168 =
 * 48761.9; slope's error sqrt(48761.9 / 6 / 168) = 6.9552 ns/s, times t(6) =
 * 9.082: 63.167. Slope 3.8095 + 63.167 = 66.98 ppb.
 */
static void eight_points_scatter(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	for (int64_t i = 0; i < 8; i++)
		add(&track, BEGIN + 2 * i * SECOND, 1000000 + (i % 2 ? -80 : 80), 200);
	assert_int_equal(interval_of(&track).error_ns, 200 + 397);
	assert_int_equal(interval_of(&track).drift_ppb, 67 + ALLOWANCE);
}

/* The line is through the last 16: what was before them is forgotten. */
static void sixteen_are_kept(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	add(&track, BEGIN - SECOND, 50000, 300);
	for (int64_t i = 0; i < 15; i++)
		add(&track, BEGIN + i * SECOND, 0, 300);
	assert_true(interval_of(&track).error_ns > 300);
	add(&track, BEGIN + 15 * SECOND, 0, 300);
	assert_int_equal(interval_of(&track).error_ns, 300);
	assert_int_equal(interval_of(&track).drift_ppb, ALLOWANCE);
}

static void a_filtered_source_has_no_scatter_but_an_uncertain_slope(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	add_filtered(&track, BEGIN, 0);
	assert_int_equal(interval_of(&track).error_ns, 5000);
	for (int64_t i = 1; i < 8; i++)
		add_filtered(&track, BEGIN + 2 * i * SECOND, i % 2 ? -160 : 0);
	assert_int_equal(interval_of(&track).error_ns, 5000);
	assert_int_equal(interval_of(&track).drift_ppb, 67 + ALLOWANCE);
}

/* Noise of 50 ms in a second looks like 5 %, which no clock runs off by. */
static void a_scatter_does_not_make_a_drift_beyond_drift_max(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	for (int64_t i = 0; i < 16; i++)
		add(&track, BEGIN + i * SECOND, i % 3 * 50 * MS, 500 * MS);
	assert_int_equal(interval_of(&track).drift_ppb, DRIFT_MAX);
}

/* Being slewed by 500 ppm is no scatter. */
static void a_slope_beyond_drift_max_is_believed(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	for (int64_t i = 0; i < 16; i++)
		add(&track, BEGIN + i * SECOND, i * 500 * US, 300);
	assert_int_equal(interval_of(&track).drift_ppb, 500000 + ALLOWANCE);
}

static void a_drift_has_a_limit(void **state)
{
	struct track track = {.count = 0};

	(void)state;
	for (int64_t i = 0; i < 16; i++)
		add(&track, BEGIN + i * SECOND, i * 3600 * SECOND, 300);
	assert_int_equal(interval_of(&track).drift_ppb, TRACK_DRIFT_LIMIT_PPB);
}

/* The correction moved from -200 to 300 and to 100: 500 in all, added to a slope that is of all of them. */
static void the_kernels_corrections_are_added(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = {.source = "ptp", .drift_ppb = -1};
	const int64_t freq[16] = {100, 100, -200, 100, 300};

	(void)state;
	for (int64_t i = 0; i < 16; i++) {
		reading.mono_ns = BEGIN + i * SECOND;
		assert_true(track_add(&track, &reading, freq[i]));
	}
	assert_int_equal(interval_of(&track).drift_ppb, 500 + ALLOWANCE);
	track_idle(&track, -1000);
	assert_int_equal(interval_of(&track).drift_ppb, 1300 + ALLOWANCE);
}

/* It does not know what was done to the clock since it measured. */
static void to_a_stated_drift_what_happened_since_is_added(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = {.source = "chrony", .mono_ns = BEGIN, .drift_ppb = 70};

	(void)state;
	(void)track_add(&track, &reading, 5000);
	reading.mono_ns += SECOND;
	(void)track_add(&track, &reading, 8000);
	assert_int_equal(interval_of(&track).drift_ppb, 70);
	track_idle(&track, 8020);
	assert_int_equal(interval_of(&track).drift_ppb, 90);
}

static void the_same_measurement_counts_once(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = {.source = "ptp", .mono_ns = BEGIN, .offset_ns = 5, .drift_ppb = -1};

	(void)state;
	assert_true(track_add(&track, &reading, 0));
	reading.offset_ns = 6;
	reading.error_ns = 9;
	assert_false(track_add(&track, &reading, 0));
	assert_int_equal(track.count, 1);
	assert_int_equal(interval_of(&track).offset_ns, 6);
	assert_int_equal(interval_of(&track).error_ns, 9 + 9);
}

static void another_kind_of_reading_begins_anew(void **state)
{
	struct track track = {.count = 0};
	struct clock_reading reading = {.source = "gps-serial", .drift_ppb = -1};

	(void)state;
	for (int64_t i = 0; i < 5; i++)
		add(&track, BEGIN + i * SECOND, i, 300);
	reading.mono_ns = BEGIN + 5 * SECOND;
	(void)track_add(&track, &reading, 0);
	assert_int_equal(track.count, 1);
	reading.mono_ns = BEGIN;
	(void)track_add(&track, &reading, 0);
	assert_int_equal(track.count, 1);
	assert_int_equal(interval_of(&track).mono_ns, BEGIN);
}

static void an_interval_ages(void **state)
{
	const struct interval interval = {BEGIN, -500, 200, 1001};

	(void)state;
	assert_int_equal(interval_bound(&interval, BEGIN - SECOND), 700);
	assert_int_equal(interval_bound(&interval, BEGIN), 700);
	assert_int_equal(interval_bound(&interval, BEGIN + 1), 701);
	assert_int_equal(interval_bound(&interval, BEGIN + SECOND), 700 + 1001);
	assert_int_equal(interval_error(&interval, BEGIN + 2 * SECOND), 200 + 2002);
	/* Four weeks at 10 %. */
	assert_int_equal(interval_growth(28 * 86400 * SECOND, TRACK_DRIFT_LIMIT_PPB), 241920 * SECOND);
}

static void intervals_miss_each_other_by_their_gap(void **state)
{
	const struct interval a = {BEGIN, 300, 200, 1000}, b = {BEGIN, -400, 100, 0};

	(void)state;
	assert_int_equal(interval_gap(&a, &b, BEGIN), 400);
	assert_int_equal(interval_gap(&b, &a, BEGIN), 400);
	assert_int_equal(interval_gap(&b, &a, BEGIN + SECOND), -600);
}

static void sums_stop_at_the_limit(void **state)
{
	const struct interval far = {0, INT64_MIN, INT64_MAX, TRACK_DRIFT_LIMIT_PPB};
	const struct interval behind = {INT64_MIN, INT64_MAX, 0, 0};

	(void)state;
	assert_int_equal(interval_bound(&far, INT64_MAX), INTERVAL_LIMIT_NS);
	assert_int_equal(interval_gap(&far, &behind, 0), INTERVAL_LIMIT_NS);
	assert_int_equal(interval_add(INT64_MIN, INT64_MIN), -INTERVAL_LIMIT_NS);
	assert_int_equal(interval_magnitude(INT64_MIN), INTERVAL_LIMIT_NS);
	assert_int_equal(interval_magnitude(-8), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_readings_allow_for_the_error_again_and_for_drift_max),
		cmocka_unit_test(few_readings_of_who_steers_allow_for_10_ppm),
		cmocka_unit_test(who_steers_and_was_far_off_does_not_count_as_locked),
		cmocka_unit_test(a_larger_drift_of_before_remains_until_there_is_a_line),
		cmocka_unit_test(a_straight_line_is_its_slope_and_the_oscillators_allowance),
		cmocka_unit_test(three_points_scatter),
		cmocka_unit_test(eight_points_scatter),
		cmocka_unit_test(sixteen_are_kept),
		cmocka_unit_test(a_filtered_source_has_no_scatter_but_an_uncertain_slope),
		cmocka_unit_test(a_scatter_does_not_make_a_drift_beyond_drift_max),
		cmocka_unit_test(a_slope_beyond_drift_max_is_believed),
		cmocka_unit_test(a_drift_has_a_limit),
		cmocka_unit_test(the_kernels_corrections_are_added),
		cmocka_unit_test(to_a_stated_drift_what_happened_since_is_added),
		cmocka_unit_test(the_same_measurement_counts_once),
		cmocka_unit_test(another_kind_of_reading_begins_anew),
		cmocka_unit_test(an_interval_ages),
		cmocka_unit_test(intervals_miss_each_other_by_their_gap),
		cmocka_unit_test(sums_stop_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
