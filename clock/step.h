/*
 * Notices that the system clock was set, and tells a step from a leap second.
 *
 * The kernel cancels a timer of this kind when CLOCK_REALTIME is set, by
 * anybody and by any amount, when a leap second is inserted or deleted, and
 * when the machine wakes up; slewing changes nothing.
 */
#ifndef CLOCK_STEP_H
#define CLOCK_STEP_H

#include <stdbool.h>
#include <stdint.h>

/* The clocks at one moment; the offsets do not change by slewing. */
struct step_reading {
	int64_t mono_ns;
	int64_t real_ns;
	int64_t real_less_mono_ns;
	int64_t tai_less_mono_ns;
	int64_t boot_less_mono_ns; /* CLOCK_BOOTTIME: grows while the machine sleeps */
	int64_t uncertainty_ns;    /* of the differences */
};

enum step_kind {
	STEP_NONE,
	STEP_SET,     /* by somebody */
	STEP_LEAP,    /* at midnight, of step_ns = -1 s (inserted) or +1 s (deleted): TAI went on */
	STEP_SUSPEND, /* the machine slept; by how much the clock is off now nobody knows */
};

/* Pure. *step_ns: by how much it was set against what it would have been. */
enum step_kind step_judge(const struct step_reading *before, const struct step_reading *now,
			  int64_t *step_ns);

/* The narrowest of a few. */
void step_read(struct step_reading *reading);

/* A timer to poll for POLLIN, or -1 with errno. */
int step_watch(void);
/* After POLLIN: rearms it. True: it was cancelled. */
bool step_noticed(int fd);

#endif
