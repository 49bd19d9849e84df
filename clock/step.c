#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS    (86400 * SECOND_NS)

/* A smaller difference is the reading's. */
#define LEAST_NS 1000

/* Of a leap second nothing but a whole second is one. */
#define LEAP_SLACK_NS 1000000

/* And only at the end of a day, with time to notice it. */
#define LEAP_LATE_NS (2 * SECOND_NS)

/* The narrowest of a few; of more while none is narrow, as a step that hides in a reading's width is never
 * found. */
#define TRIES     5
#define TRIES_MAX 50
#define NARROW_NS 10000

/* Any time that will not come; a timer that expired would be no use. */
#define FAR_AWAY_S (INT64_C(200) * 365 * 86400)

static bool near(int64_t a, int64_t b, int64_t slack)
{
	return llabs(a - b) <= slack;
}

static bool is_midnight(int64_t real_ns)
{
	int64_t since = real_ns % DAY_NS;

	return since < LEAP_LATE_NS || since > DAY_NS - LEAP_LATE_NS;
}

enum step_kind step_judge(const struct step_reading *before, const struct step_reading *now, int64_t *step_ns)
{
	int64_t slack = before->uncertainty_ns + now->uncertainty_ns + LEAST_NS;
	int64_t slept = now->boot_less_mono_ns - before->boot_less_mono_ns;
	int64_t moved = now->real_less_mono_ns - before->real_less_mono_ns;
	int64_t tai_moved = now->tai_less_mono_ns - before->tai_less_mono_ns;

	*step_ns = moved - slept;
	if (!near(slept, 0, slack)) {
		if (near(*step_ns, 0, slack))
			*step_ns = 0;
		return STEP_SUSPEND;
	}
	if (near(moved, 0, slack)) {
		*step_ns = 0;
		return STEP_NONE;
	}
	if (near(llabs(moved), SECOND_NS, LEAP_SLACK_NS) && near(tai_moved, 0, slack) &&
	    is_midnight(now->real_ns))
		return STEP_LEAP;
	return STEP_SET;
}

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void step_read(struct step_reading *reading)
{
	int64_t width = INT64_MAX;

	for (int i = 0; i < TRIES || (width > NARROW_NS && i < TRIES_MAX); i++) {
		int64_t before = read_clock(CLOCK_MONOTONIC);
		int64_t real = read_clock(CLOCK_REALTIME);
		int64_t tai = read_clock(CLOCK_TAI);
		int64_t boot = read_clock(CLOCK_BOOTTIME);
		int64_t after = read_clock(CLOCK_MONOTONIC), middle = before + (after - before) / 2;

		if (after - before >= width)
			continue;
		width = after - before;
		*reading = (struct step_reading){
			.mono_ns = middle,
			.real_ns = real,
			.real_less_mono_ns = real - middle,
			.tai_less_mono_ns = tai - middle,
			.boot_less_mono_ns = boot - middle,
			.uncertainty_ns = width / 2 + 1,
		};
	}
}

/*
 * To a time that stays ahead whatever the clock is set to, within reason. ECANCELED:
 * the clock was set since it was looked at last; it is armed all the same.
 */
static int arm(int fd)
{
	const struct itimerspec far_away = {.it_value = {.tv_sec = FAR_AWAY_S}};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far_away, NULL);
}

int step_watch(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	int saved_errno;

	if (fd < 0 || arm(fd) == 0 || errno == ECANCELED)
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

bool step_noticed(int fd)
{
	uint64_t expirations;
	bool cancelled = read(fd, &expirations, sizeof expirations) < 0 && errno == ECANCELED;

	return (arm(fd) < 0 && errno == ECANCELED) || cancelled;
}
