/* /dev/ptpN with a kernel that answers what the test wants. */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ptp_clock.h>

#include "clock/phc.h"

#define SAMPLES PTP_MAX_SAMPLES
#define FD      77

static struct {
	int open_errno;
	char path[64];
	int closed;
	int extended_errno;
	int plain_errno;
	int extended_asked;
	int plain_asked;
	struct ptp_sys_offset_extended extended;
	struct ptp_sys_offset plain;
} kernel;

static int fake_open(const char *path, int flags)
{
	assert_int_equal(flags, O_RDONLY | O_CLOEXEC);
	snprintf(kernel.path, sizeof kernel.path, "%s", path);
	errno = kernel.open_errno;
	return errno ? -1 : FD;
}

static int fake_close(int fd)
{
	assert_int_equal(fd, FD);
	kernel.closed++;
	return 0;
}

static int answer(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int fake_ioctl(int fd, unsigned long request, void *data)
{
	struct ptp_sys_offset_extended *extended = data;
	struct ptp_sys_offset *plain = data;

	assert_int_equal(fd, FD);
	if (request == PTP_SYS_OFFSET_EXTENDED) {
		kernel.extended_asked++;
		assert_int_equal(extended->n_samples, SAMPLES);
		assert_int_equal(extended->rsv[0] | extended->rsv[1] | extended->rsv[2], 0);
		*extended = kernel.extended;
		return answer(kernel.extended_errno);
	}
	assert_int_equal(request, PTP_SYS_OFFSET);
	kernel.plain_asked++;
	assert_int_equal(plain->n_samples, SAMPLES);
	*plain = kernel.plain;
	return answer(kernel.plain_errno);
}

#define open(path, flags)        fake_open(path, flags)
#define close(fd)                fake_close(fd)
#define ioctl(fd, request, data) fake_ioctl(fd, request, data)
#include "clock/phc_device.c"
#undef open
#undef close
#undef ioctl

/* Instead of the clock that makes something of the readings. */
struct clock_phc {
	struct clock_phc_operations operations;
	void *context;
};

static struct clock_phc phc;
static const char *refusal;

int clock_phc_new(struct clock_phc **out, const struct clock_phc_operations *operations, void *context,
		  char *error, size_t error_size)
{
	if (refusal) {
		snprintf(error, error_size, "%s", refusal);
		operations->close(context);
		return OWAMP_ESYSTEM;
	}
	phc = (struct clock_phc){*operations, context};
	assert_null(phc.operations.time);
	*out = &phc;
	return 0;
}

void clock_phc_free(struct clock_phc *p)
{
	p->operations.close(p->context);
}

static struct ptp_clock_time ns(int64_t ns)
{
	return (struct ptp_clock_time){.sec = ns / 1000000000, .nsec = (uint32_t)(ns % 1000000000)};
}

/* Sample i has a window of 2000 - 10 i; sample 7 one of 30, and 40 would be the worst of those around it. */
static int64_t window_of(int i)
{
	return i == 7 ? 30 : 2000 - 10 * i;
}

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof kernel);
	refusal = NULL;
	for (int i = 0; i < SAMPLES; i++) {
		int64_t at = 1771000000000000000 + i * 10000;

		kernel.extended.ts[i][0] = ns(at);
		kernel.extended.ts[i][1] = ns(5000000000 + i);
		kernel.extended.ts[i][2] = ns(at + window_of(i));
	}
	for (int i = 0; i <= SAMPLES; i++) {
		/* Each window begins where the one before ended. */
		kernel.plain.ts[2 * i] = ns(1771000000000000000 + i * 3000 - (i > 11 ? 2500 : 0));
		if (i < SAMPLES)
			kernel.plain.ts[2 * i + 1] = ns(6000000000 + i);
	}
	return 0;
}

static struct clock_phc *opened(void)
{
	struct clock_phc *p;
	char error[100] = "";

	assert_int_equal(clock_phc_open(&p, 3, error, sizeof error), 0);
	assert_string_equal(kernel.path, "/dev/ptp3");
	return p;
}

static void assert_reads(struct clock_phc *p, int64_t before, int64_t at, int64_t after)
{
	struct clock_phc_reading reading;

	assert_int_equal(p->operations.read(p->context, &reading), 0);
	assert_int_equal(reading.before_ns, before);
	assert_int_equal(reading.phc_ns, at);
	assert_int_equal(reading.after_ns, after);
}

static void test_extended(void **state)
{
	struct clock_phc *p = opened();

	(void)state;
	assert_reads(p, 1771000000000070000, 5000000007, 1771000000000070030);
	assert_int_equal(kernel.plain_asked, 0);
	/* A window that runs backwards is not the smallest. */
	kernel.extended.ts[9][2] = ns(1771000000000089999);
	assert_reads(p, 1771000000000070000, 5000000007, 1771000000000070030);
	/* Nor are times that are none. */
	kernel.extended.ts[7][1].sec = INT64_MAX / 1000000000 + 1;
	assert_reads(p, 1771000000000240000, 5000000024, 1771000000000241760);
	clock_phc_free(p);
	assert_int_equal(kernel.closed, 1);
}

/* Before 1970 the seconds are negative, the nanoseconds are not. */
static void test_negative(void **state)
{
	struct clock_phc *p = opened();

	(void)state;
	kernel.extended.ts[7][1] = (struct ptp_clock_time){.sec = -2, .nsec = 999999999};
	assert_reads(p, 1771000000000070000, -1000000001, 1771000000000070030);
	clock_phc_free(p);
}

static void test_plain(void **state)
{
	static const int errors[] = {EOPNOTSUPP, ENOTTY, EINVAL};

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct clock_phc *p = opened();

		kernel.extended_errno = errors[i];
		kernel.extended_asked = kernel.plain_asked = 0;
		/* The twelfth window is 500 wide. */
		assert_reads(p, 1771000000000033000, 6000000011, 1771000000000033500);
		assert_reads(p, 1771000000000033000, 6000000011, 1771000000000033500);
		assert_int_equal(kernel.extended_asked, 1);
		assert_int_equal(kernel.plain_asked, 2);
		clock_phc_free(p);
	}
}

static void assert_fails(struct clock_phc *p, int error)
{
	struct clock_phc_reading reading;

	errno = 0;
	assert_int_equal(p->operations.read(p->context, &reading), OWAMP_ESYSTEM);
	assert_int_equal(errno, error);
}

static void test_read_fails(void **state)
{
	struct clock_phc *p = opened();

	(void)state;
	kernel.extended_errno = EIO;
	assert_fails(p, EIO);
	assert_int_equal(kernel.plain_asked, 0);
	kernel.extended_errno = ENOTTY;
	kernel.plain_errno = ENODEV;
	assert_fails(p, ENODEV);
	clock_phc_free(p);
	p = opened();
	kernel.extended_errno = 0;
	for (int i = 0; i < SAMPLES; i++)
		kernel.extended.ts[i][0].sec = INT64_MAX;
	assert_fails(p, ERANGE);
	clock_phc_free(p);
}

static void assert_open_fails(unsigned index, const char *line)
{
	struct clock_phc *p = &phc;
	char error[100] = "";

	assert_int_equal(clock_phc_open(&p, index, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(p);
	assert_string_equal(error, line);
}

static void test_open_fails(void **state)
{
	(void)state;
	kernel.open_errno = EACCES;
	assert_open_fails(0, "/dev/ptp0: Permission denied");
	kernel.open_errno = ENOENT;
	assert_open_fails(4294967295, "/dev/ptp4294967295: No such file or directory");
	assert_int_equal(kernel.closed, 0);
	kernel.open_errno = 0;
	refusal = "does not advance";
	assert_open_fails(12, "/dev/ptp12: does not advance");
	assert_int_equal(kernel.closed, 1);
}

/* One that somebody else has opened. */
static void test_adopt(void **state)
{
	struct clock_phc *p;
	char error[100] = "";

	(void)state;
	assert_int_equal(clock_phc_adopt(&p, FD, error, sizeof error), 0);
	assert_string_equal(kernel.path, "");
	assert_reads(p, 1771000000000070000, 5000000007, 1771000000000070030);
	assert_int_equal(kernel.closed, 0);
	clock_phc_free(p);
	assert_int_equal(kernel.closed, 1);
	refusal = "does not advance";
	assert_int_equal(clock_phc_adopt(&p, FD, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(p);
	assert_string_equal(error, "does not advance");
	assert_int_equal(kernel.closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_extended, set_up),
		cmocka_unit_test_setup(test_negative, set_up),
		cmocka_unit_test_setup(test_plain, set_up),
		cmocka_unit_test_setup(test_read_fails, set_up),
		cmocka_unit_test_setup(test_open_fails, set_up),
		cmocka_unit_test_setup(test_adopt, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
