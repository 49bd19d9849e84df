/* Hardware clocks that the kernel has: /dev/ptpN. */
#include "phc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ptp_clock.h>

#include <owamp/error.h>

struct device {
	int fd;
	bool plain; /* the driver does not know PTP_SYS_OFFSET_EXTENDED */
};

static bool to_ns(const struct ptp_clock_time *time, int64_t *ns)
{
	return !__builtin_mul_overflow((int64_t)time->sec, INT64_C(1000000000), ns) &&
	       !__builtin_add_overflow(*ns, (int64_t)time->nsec, ns);
}

/* Keeps the tighter one. A window that is negative was one of a clock that was set. */
static void compare(const struct ptp_clock_time *before, const struct ptp_clock_time *phc,
		    const struct ptp_clock_time *after, struct clock_phc_reading *best, bool *found)
{
	struct clock_phc_reading next;

	if (!to_ns(before, &next.before_ns) || !to_ns(phc, &next.phc_ns) || !to_ns(after, &next.after_ns) ||
	    next.after_ns < next.before_ns)
		return;
	if (!*found || next.after_ns - next.before_ns < best->after_ns - best->before_ns)
		*best = next;
	*found = true;
}

static int read_extended(int fd, struct clock_phc_reading *best, bool *found)
{
	struct ptp_sys_offset_extended offset = {.n_samples = PTP_MAX_SAMPLES};

	if (ioctl(fd, PTP_SYS_OFFSET_EXTENDED, &offset))
		return OWAMP_ESYSTEM;
	for (unsigned i = 0; i < PTP_MAX_SAMPLES; i++)
		compare(&offset.ts[i][0], &offset.ts[i][1], &offset.ts[i][2], best, found);
	return 0;
}

static int read_plain(int fd, struct clock_phc_reading *best, bool *found)
{
	struct ptp_sys_offset offset = {.n_samples = PTP_MAX_SAMPLES};

	if (ioctl(fd, PTP_SYS_OFFSET, &offset))
		return OWAMP_ESYSTEM;
	for (size_t i = 0; i < 2 * PTP_MAX_SAMPLES; i += 2)
		compare(&offset.ts[i], &offset.ts[i + 1], &offset.ts[i + 2], best, found);
	return 0;
}

static int read_device(void *context, struct clock_phc_reading *reading)
{
	struct device *device = context;
	bool found = false;
	int error = OWAMP_ESYSTEM;

	if (!device->plain) {
		error = read_extended(device->fd, reading, &found);
		/* Kernels before 5.0 know no such request, and drivers need not. */
		device->plain = error && (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL);
	}
	if (device->plain)
		error = read_plain(device->fd, reading, &found);
	if (!error && !found) {
		errno = ERANGE;
		error = OWAMP_ESYSTEM;
	}
	return error;
}

static void close_device(void *context)
{
	struct device *device = context;

	close(device->fd);
	free(device);
}

int clock_phc_adopt(struct clock_phc **phc, int fd, char *error, size_t error_size)
{
	static const struct clock_phc_operations operations = {.read = read_device, .close = close_device};
	struct device *device = calloc(1, sizeof *device);

	*phc = NULL;
	if (!device) {
		snprintf(error, error_size, "%s", owamp_error_text(OWAMP_ENOMEM));
		close(fd);
		return OWAMP_ENOMEM;
	}
	device->fd = fd;
	return clock_phc_new(phc, &operations, device, error, error_size);
}

int clock_phc_open(struct clock_phc **phc, unsigned index, char *error, size_t error_size)
{
	char path[32], reason[128];
	int fd, result;

	*phc = NULL;
	snprintf(path, sizeof path, "/dev/ptp%u", index);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return OWAMP_ESYSTEM;
	}
	result = clock_phc_adopt(phc, fd, reason, sizeof reason);
	if (result)
		snprintf(error, error_size, "%s: %s", path, reason);
	return result;
}
