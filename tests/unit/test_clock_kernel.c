#include "reference.h"

#include <limits.h>
#include <sys/timex.h>

#include <owamp/error.h>

#include "clock/source.h"

#define MS INT64_C(1000000)

/* What the kernel says of what it knows nothing about, and where maxerror ends. */
#define LIMIT_US 16000000
#define LIMIT    (16000 * MS)

static struct clock_reading judge(int status, long maxerror_us, long esterror_us)
{
	struct timex timex = {
		.status = status, .maxerror = maxerror_us, .esterror = esterror_us, .tai = 37, .tick = 10000};
	const struct clock_now now = {.mono_ns = 4711};
	struct clock_reading reading = {.state = OWAMP_CLOCK_ABSENT};

	clock_kernel_judge(&timex, 0, &now, &reading);
	return reading;
}

static void assert_judged(int status, long maxerror_us, long esterror_us, bool valid, int64_t bound_ns)
{
	struct clock_reading reading = judge(status, maxerror_us, esterror_us);

	assert_int_equal(reading.state, valid ? OWAMP_CLOCK_VALID : OWAMP_CLOCK_DOUBTFUL);
	/* A figure that nobody stands behind is none. */
	assert_int_equal(reading.measured, valid);
	/* Whole us may have lost a fraction. */
	if (valid)
		assert_int_equal(reading.error_ns, bound_ns + 1000);
	assert_int_equal(reading.offset_ns, 0);
	assert_int_equal(reading.mono_ns, 4711);
	assert_int_equal(reading.tai_utc, 37);
	assert_string_equal(reading.source, "kernel");
	/* By how much the kernel lets maxerror grow: 500 us a second. */
	assert_int_equal(reading.drift_ppb, 500000);
}

static enum owamp_clock_steering steering(int status, long esterror_us)
{
	struct timex timex = {.status = status, .maxerror = 2000, .esterror = esterror_us, .tick = 10000};
	struct clock_kernel_facts facts;

	clock_kernel_classify(&timex, 0, &facts);
	return facts.steering;
}

/* Who keeps the kernel's account leaves marks in it. */
static void test_steering(void **state)
{
	(void)state;
	assert_int_equal(steering(0, 1200), OWAMP_CLOCK_STEERED_BY_NTP);
	assert_int_equal(steering(STA_PLL, 1), OWAMP_CLOCK_STEERED_BY_NTP);
	assert_int_equal(steering(STA_PLL, 0), OWAMP_CLOCK_STEERED_BY_SNTP);
	assert_int_equal(steering(STA_NANO, LIMIT_US), OWAMP_CLOCK_STEERED_BY_PTP);
	/* What chronyd told, and then ptp4l. Who keeps an account by the kernel's loop is another. */
	assert_int_equal(steering(STA_NANO, 2001), OWAMP_CLOCK_STEERED_BY_PTP);
	assert_int_equal(steering(STA_PLL, 2001), OWAMP_CLOCK_STEERED_BY_NTP);
	assert_int_equal(steering(STA_UNSYNC, 1200), OWAMP_CLOCK_STEERED_BY_NOBODY);
	assert_int_equal(steering(STA_UNSYNC, LIMIT_US), OWAMP_CLOCK_STEERED_BY_NOBODY);
}

/*
 * kernel/time/ntp.c, second_overflow(): the loop moves the clock by offset >> (SHIFT_PLL + constant) in the
 * next second, with SHIFT_PLL 2; adjtime() by what is left, but by MAX_TICKADJ, 500 us, at most.
 */
static void assert_frequency(struct timex timex, int64_t adjusting_us, int64_t ppb)
{
	struct clock_kernel_facts facts;

	timex.tick = 10000;
	clock_kernel_classify(&timex, adjusting_us, &facts);
	assert_int_equal(facts.freq_ppb, ppb);
}

static void test_own_loops(void **state)
{
	(void)state;
	/* 1 ms by 2^9 is 1953.125 ns a second. */
	assert_frequency((struct timex){.status = STA_PLL | STA_NANO, .offset = 1000000, .constant = 7}, 0,
			 1953);
	assert_frequency((struct timex){.status = STA_PLL, .offset = 1000, .constant = 7}, 0, 1953);
	assert_frequency((struct timex){.status = STA_PLL, .offset = -1000, .constant = 7}, 0, -1953);
	/* A quarter of 512 us; 2^12 of half a second, which is the most. */
	assert_frequency((struct timex){.status = STA_PLL, .offset = 512}, 0, 128000);
	assert_frequency((struct timex){.status = STA_PLL | STA_NANO, .offset = 500000000, .constant = 10}, 0,
			 122070);
	assert_frequency((struct timex){.status = STA_PLL | STA_NANO, .offset = 900000000, .constant = 11}, 0,
			 122070);
	assert_frequency((struct timex){.offset = LONG_MIN, .constant = -3}, 0, -125000000);
	/* On top of freq: 12 ppm. */
	assert_frequency((struct timex){.status = STA_PLL, .freq = 12 * 65536, .offset = 512}, -499,
			 12000 + 128000 - 499000);
	assert_frequency((struct timex){0}, 300, 300000);
	assert_frequency((struct timex){0}, -300, -300000);
	assert_frequency((struct timex){0}, 20000, 500000);
	assert_frequency((struct timex){0}, -501, -500000);
	assert_frequency((struct timex){0}, INT64_MIN, -500000);
}

/* freq counts 2^-16 ppm; a tick of 1/100 s that is 1 us longer is 100 ppm. */
static void test_frequency(void **state)
{
	struct timex timex = {.freq = 65536 * 12, .tick = 10000};
	struct clock_kernel_facts facts;

	(void)state;
	clock_kernel_classify(&timex, 0, &facts);
	assert_int_equal(facts.freq_ppb, 12000);
	timex.freq = -65536 / 2;
	timex.tick = 10001;
	clock_kernel_classify(&timex, 0, &facts);
	assert_int_equal(facts.freq_ppb, 100000 - 500);
}

static void test_leap(void **state)
{
	struct timex timex = {.status = STA_INS, .tick = 10000, .tai = 37};
	struct clock_kernel_facts facts;

	(void)state;
	clock_kernel_classify(&timex, 0, &facts);
	assert_int_equal(facts.leap, 1);
	assert_int_equal(facts.tai_utc, 37);
	timex.status = STA_DEL | STA_UNSYNC;
	clock_kernel_classify(&timex, 0, &facts);
	assert_int_equal(facts.leap, -1);
	assert_int_equal(judge(STA_INS, 1, 1).leap, 1);
	assert_int_equal(judge(STA_PLL, 1, 1).leap, 0);
}

/* ntpd: the bound is maxerror, whatever esterror promises. */
static void test_disciplined(void **state)
{
	(void)state;
	assert_judged(STA_PLL | STA_NANO, 2000, 1200, true, 2 * MS);
	assert_judged(STA_PLL, 1, 1, true, 1000);
	assert_judged(STA_PLL | STA_INS, 2000, 1200, true, 2 * MS);
}

/* What chronyd has yet to correct is not in it, be it slewing at that moment or not. */
static void test_chronyd(void **state)
{
	(void)state;
	assert_judged(0, 2000, 1200, false, 0);
	assert_judged(STA_INS, 2000, 1200, false, 0);
	assert_string_equal(judge(0, 2000, 1200).text,
			    "chronyd keeps it, without the correction it still makes: only the source chrony "
			    "knows that");
}

/* systemd-timesyncd claims errors of 0 and lets them grow: the bound would flatter. */
static void test_timesyncd(void **state)
{
	(void)state;
	assert_judged(0, 0, 0, false, 16000 * (int64_t)MS);
	assert_judged(STA_PLL, 500, 0, false, 16000 * (int64_t)MS);
}

/* chronyd without rtcsync, systemd-timesyncd that lost its server, nobody at all. */
static void test_unsynchronized(void **state)
{
	(void)state;
	assert_judged(STA_UNSYNC, 2000, 1000, false, 2 * MS);
	assert_judged(STA_UNSYNC | STA_PLL, LIMIT_US, LIMIT_US, false, LIMIT);
}

/* The source is gone: maxerror grows up to the limit, esterror is frozen. */
static void test_holdover(void **state)
{
	(void)state;
	assert_judged(STA_PLL, 500000, 1200, true, 500 * MS);
	assert_judged(STA_PLL, LIMIT_US - 1, 1200, true, (LIMIT_US - 1) * INT64_C(1000));
}

/* ptp4l and phc2sys clear STA_UNSYNC, leave esterror at its limit and maxerror at what it happens to be. */
static void test_marks_of_ptp4l(void **state)
{
	(void)state;
	assert_judged(STA_NANO, 0, LIMIT_US, false, LIMIT);
	assert_judged(0x2000, 0, LIMIT_US + 1, false, LIMIT);
	assert_judged(STA_NANO, 2000, LIMIT_US, false, LIMIT);
	assert_string_equal(
		judge(STA_NANO, 0, LIMIT_US).text,
		"somebody who tells the kernel no error steers the clock, such as ptp4l or phc2sys");
	/* After a daemon that told its error. */
	assert_judged(STA_PLL, 0, 1000, false, LIMIT);
	assert_judged(STA_PLL, 999, 1000, false, LIMIT);
	assert_judged(STA_PLL, 1000, 1000, true, MS);
	assert_non_null(strstr(judge(0, 999, 1000).text, "maxerror is below esterror: somebody set it to 0"));
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_int_equal(judge(STA_PLL, -1, 1).error_ns, LIMIT);
	assert_int_equal(judge(STA_PLL, LIMIT_US + 1, 1).error_ns, LIMIT);
	assert_int_equal(judge(STA_PLL, INT64_MAX, 1).error_ns, LIMIT);
}

/* What the kernel was told to slew away, and has not: us, or ns with STA_NANO. */
static void test_pending(void **state)
{
	struct timex timex = {
		.status = STA_PLL, .maxerror = 2000, .esterror = 3, .offset = -400, .tick = 10000};
	const struct clock_now now = {.mono_ns = 4711};
	struct clock_reading reading = {0};

	(void)state;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.error_ns, 2401000);
	timex.status |= STA_NANO;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.error_ns, 2001400);
	clock_kernel_judge(&timex, -300, &now, &reading);
	assert_int_equal(reading.error_ns, 2301400);
	clock_kernel_judge(&timex, INT64_MIN, &now, &reading);
	assert_int_equal(reading.error_ns, LIMIT);
	timex.offset = INT64_MAX;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.error_ns, LIMIT);
}

/* Whoever slews so fast has not told the kernel how much is left: tick and freq show it. */
static void test_slewing(void **state)
{
	struct timex timex = {.status = STA_PLL, .maxerror = 2000, .esterror = 3, .tick = 9167};
	const struct clock_now now = {.mono_ns = 4711};
	struct clock_reading reading = {0};

	(void)state;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.state, OWAMP_CLOCK_DOUBTFUL);
	assert_false(reading.measured);
	assert_non_null(strstr(reading.text, "slewed (-83300 ppm)"));
	timex.tick = 10005;
	timex.freq = 0;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.state, OWAMP_CLOCK_VALID);
	timex.freq = 65536;
	clock_kernel_judge(&timex, 0, &now, &reading);
	assert_int_equal(reading.state, OWAMP_CLOCK_DOUBTFUL);
}

/* In place of the kernel, while timex says something. */
static struct {
	bool instead;
	struct timex timex;
	long adjusting_us;
	int state;
} fake;

int __real_adjtimex(struct timex *timex);
int __wrap_adjtimex(struct timex *timex);
int __wrap_adjtimex(struct timex *timex)
{
	if (!fake.instead)
		return __real_adjtimex(timex);
	if (timex->modes != 0)
		assert_int_equal(timex->modes, ADJ_OFFSET_SS_READ);
	*timex = timex->modes == 0 ? fake.timex : (struct timex){.offset = fake.adjusting_us};
	return fake.state;
}

/* After the leap second its flag stays until somebody clears it. */
static void test_leap_over(void **state)
{
	struct clock_kernel_facts facts;

	(void)state;
	fake.instead = true;
	fake.timex = (struct timex){.status = STA_INS, .tick = 10000, .tai = 38};
	for (fake.state = TIME_OK; fake.state <= TIME_ERROR; fake.state++) {
		assert_int_equal(clock_kernel_facts(&facts), 0);
		assert_int_equal(facts.leap, fake.state == TIME_WAIT ? 0 : 1);
		assert_int_equal(facts.tai_utc, 38);
	}
	fake.adjusting_us = 300;
	fake.state = TIME_OK;
	assert_int_equal(clock_kernel_facts(&facts), 0);
	assert_int_equal(facts.freq_ppb, 300000);
	fake.state = -1;
	assert_int_equal(clock_kernel_facts(&facts), OWAMP_ESYSTEM);
	assert_int_equal(facts.steering, OWAMP_CLOCK_STEERED_BY_NOBODY);
	fake.instead = false;
}

static struct clock_source fake_source(void)
{
	struct owamp_clock_source_config config;
	struct clock_source source;

	owamp_clock_source_default(&config, OWAMP_CLOCK_KIND_KERNEL);
	assert_int_equal(clock_kernel_new(&source, &config), 0);
	fake.instead = true;
	fake.state = TIME_OK;
	fake.adjusting_us = 0;
	fake.timex = (struct timex){.status = STA_PLL, .tick = 10000};
	return source;
}

static void free_fake(struct clock_source *source)
{
	source->ops->free(source->self);
	fake.instead = false;
}

static struct clock_reading reading_of(struct clock_source *source, long maxerror_us, long esterror_us)
{
	const struct clock_now now = {.mono_ns = 5};
	struct clock_reading reading = {0};

	fake.timex.maxerror = maxerror_us;
	fake.timex.esterror = esterror_us;
	source->ops->sample(source->self, &now, &reading);
	assert_int_equal(reading.measured, reading.state == OWAMP_CLOCK_VALID);
	return reading;
}

static void assert_reading(struct clock_source *source, long maxerror_us, long esterror_us, bool valid)
{
	assert_int_equal(reading_of(source, maxerror_us, esterror_us).state,
			 valid ? OWAMP_CLOCK_VALID : OWAMP_CLOCK_DOUBTFUL);
}

/* The account is the one before the step until it has become less: by itself it only grows. */
static void test_stepped(void **state)
{
	struct clock_source source = fake_source();

	(void)state;
	assert_reading(&source, 3000, 100, true);
	/* An update before the step, not seen by a sample. */
	fake.timex.maxerror = 2000;
	source.ops->stepped(source.self);
	assert_reading(&source, 2000, 100, false);
	assert_string_equal(reading_of(&source, 2500, 100).text,
			    "the clock was set, and nobody has told the kernel since");
	assert_reading(&source, 3000, 100, false);
	assert_reading(&source, 2999, 100, true);
	assert_reading(&source, 3499, 100, true);
	/* Doubtful for another reason meanwhile, and told then. */
	source.ops->stepped(source.self);
	fake.timex.status = STA_PLL | STA_UNSYNC;
	assert_reading(&source, LIMIT_US, 100, false);
	assert_reading(&source, 3000, 100, false);
	fake.timex.status = STA_PLL;
	assert_reading(&source, 3500, 100, true);
	free_fake(&source);
}

/* From 0 on it grows beyond esterror, and is no better for that. */
static void test_zeroed(void **state)
{
	struct clock_source source = fake_source();

	(void)state;
	assert_reading(&source, 2000, 700, true);
	assert_reading(&source, 0, 700, false);
	assert_reading(&source, 500, 700, false);
	assert_reading(&source, 1000, 700, false);
	assert_string_equal(reading_of(&source, 1500, 700).text,
			    "somebody set maxerror to 0 without an account, as ptp4l or phc2sys");
	assert_reading(&source, 0, 700, false);
	assert_reading(&source, 1000, 700, false);
	assert_reading(&source, 900, 700, true);
	/* A step is not made up for by that. */
	source.ops->stepped(source.self);
	assert_reading(&source, 0, 700, false);
	assert_reading(&source, 1000, 700, false);
	free_fake(&source);
}

/* What adjtime() has left counts. */
static void test_adjusting(void **state)
{
	struct clock_source source = fake_source();

	(void)state;
	fake.adjusting_us = -20000;
	assert_int_equal(reading_of(&source, 2000, 700).error_ns, 22 * MS + 1000);
	free_fake(&source);
}

/* Here the kernel is asked for real: what it says has to make sense. */
static void test_sample(void **state)
{
	struct owamp_clock_source_config config;
	const struct clock_now now = {.mono_ns = 5};
	struct clock_reading reading = {.error_ns = -1};
	struct clock_source source;

	(void)state;
	owamp_clock_source_default(&config, OWAMP_CLOCK_KIND_KERNEL);
	assert_int_equal(clock_kernel_new(&source, &config), 0);
	source.ops->sample(source.self, &now, &reading);
	assert_in_range(reading.error_ns, 0, LIMIT);
	assert_int_equal(reading.drift_ppb, 500000);
	assert_int_not_equal(reading.state, OWAMP_CLOCK_ABSENT);
	source.ops->free(source.self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disciplined),    cmocka_unit_test(test_timesyncd),
		cmocka_unit_test(test_unsynchronized), cmocka_unit_test(test_holdover),
		cmocka_unit_test(test_marks_of_ptp4l), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_sample),         cmocka_unit_test(test_steering),
		cmocka_unit_test(test_frequency),      cmocka_unit_test(test_leap),
		cmocka_unit_test(test_pending),        cmocka_unit_test(test_slewing),
		cmocka_unit_test(test_leap_over),      cmocka_unit_test(test_own_loops),
		cmocka_unit_test(test_chronyd),        cmocka_unit_test(test_stepped),
		cmocka_unit_test(test_zeroed),         cmocka_unit_test(test_adjusting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
