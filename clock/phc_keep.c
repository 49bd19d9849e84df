#include "phc_keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Opening takes some 50 ms if the clock is to be refused. */
#define RETRY_NS INT64_C(3000000000)

/* After a step of either clock two readings have to agree; what does not work then is opened again, to be
 * told why. */
#define FAILURES_MOST 4

void phc_keep_init(struct phc_keep *keep, const struct clock_opener *opener)
{
	*keep = (struct phc_keep){.opener = opener, .adopt = clock_phc_adopt};
}

void phc_keep_close(struct phc_keep *keep)
{
	clock_phc_free(keep->phc);
	keep->phc = NULL;
	keep->failures = 0;
}

static void say_errno(struct phc_keep *keep)
{
	const char *hint = errno == EACCES || errno == EPERM ? " (owamp-clock.conf(5), PRIVILEGES)" : "";

	if (errno == EPIPE)
		hint = " (the process that opens it as root is gone)";
	else if (errno == ETIMEDOUT)
		hint = " (the process that opens it as root does not answer)";
	else if (errno == ENODEV)
		hint = " (no character device, or its clock is gone)";
	(void)snprintf(keep->why, sizeof keep->why, "%.100s: %s%s", keep->path, strerror(errno), hint);
}

static void open_device(struct phc_keep *keep)
{
	char reason[128];
	int fd = clock_open(keep->opener, OWAMP_CLOCK_OBJECT_DEVICE, keep->path);

	if (fd < 0)
		say_errno(keep);
	else if (keep->adopt(&keep->phc, fd, reason, sizeof reason))
		(void)snprintf(keep->why, sizeof keep->why, "%.60s: the clock %.80s", keep->path, reason);
}

bool phc_keep_sample(struct phc_keep *keep, const char *path, int64_t mono_ns)
{
	if (strcmp(path, keep->path) != 0) {
		phc_keep_close(keep);
		(void)snprintf(keep->path, sizeof keep->path, "%s", path);
		keep->retry_mono = INT64_MIN;
	}
	if (keep->phc) {
		clock_phc_sample(keep->phc);
		return true;
	}
	if (mono_ns >= keep->retry_mono) {
		keep->retry_mono = mono_ns + RETRY_NS;
		open_device(keep);
	}
	return keep->phc != NULL;
}

void phc_keep_note(struct phc_keep *keep, bool of_use)
{
	keep->failures = of_use ? 0 : keep->failures + 1;
	if (of_use)
		return;
	(void)snprintf(keep->why, sizeof keep->why, "%.80s: no two readings agree (was a clock set?)",
		       keep->path);
	if (keep->failures < FAILURES_MOST)
		return;
	phc_keep_close(keep);
	keep->retry_mono = INT64_MIN;
}
