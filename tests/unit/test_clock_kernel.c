#include "reference.h"

#include <sys/timex.h>

#include "clock/source.h"

#define MS INT64_C(1000000)

/* What the kernel says of what it knows nothing about, and where maxerror ends. */
#define LIMIT_US 16000000
#define LIMIT    (16000 * MS)

static struct clock_sample judge(int status, long maxerror_us, long esterror_us)
{
	struct timex timex = {.status = status, .maxerror = maxerror_us, .esterror = esterror_us};
	struct clock_sample sample = {.synchronized = false};

	clock_kernel_judge(&timex, &sample);
	return sample;
}

static void assert_judged(int status, long maxerror_us, long esterror_us, bool synchronized, int64_t bound_ns)
{
	struct clock_sample sample = judge(status, maxerror_us, esterror_us);

	assert_int_equal(sample.synchronized, synchronized);
	assert_int_equal(sample.bound_ns, bound_ns);
	/* By how much the kernel lets maxerror grow: 500 us a second. */
	assert_int_equal(sample.drift_ppb, 500000);
}

/* chronyd with rtcsync, ntpd: the bound is maxerror, whatever esterror promises. */
static void test_disciplined(void **state)
{
	(void)state;
	assert_judged(0, 2000, 1200, true, 2 * MS);
	assert_judged(STA_PLL | STA_NANO, 2000, 1200, true, 2 * MS);
	assert_judged(STA_PLL, 1, 1, true, 1000);
	assert_judged(STA_PLL | STA_INS, 2000, 1200, true, 2 * MS);
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
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_int_equal(judge(STA_PLL, -1, 0).bound_ns, LIMIT);
	assert_int_equal(judge(STA_PLL, LIMIT_US + 1, 0).bound_ns, LIMIT);
	assert_int_equal(judge(STA_UNSYNC, INT64_MAX, 0).bound_ns, LIMIT);
}

/* Here the kernel is asked for real: what it says has to make sense. */
static void test_sample(void **state)
{
	struct clock_sample sample = {.bound_ns = -1};

	(void)state;
	assert_string_equal(clock_source_kernel.name, "kernel");
	assert_int_equal(clock_source_kernel.sample(&sample), 0);
	assert_in_range(sample.bound_ns, 0, LIMIT);
	assert_int_equal(sample.drift_ppb, 500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disciplined),    cmocka_unit_test(test_timesyncd),
		cmocka_unit_test(test_unsynchronized), cmocka_unit_test(test_holdover),
		cmocka_unit_test(test_marks_of_ptp4l), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
