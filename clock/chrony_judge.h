/*
 * What chronyd's report is worth. Pure.
 *
 * By chronyd's own account (chronyc(1), "tracking") the clock is off by at most
 * |correction| + root delay / 2 + root dispersion, which it works out when asked:
 * the clock at the end of the path is right within the dispersion, and the path
 * was at worst entirely asymmetric. From there the bound grows as chronyd lets
 * its dispersion grow, by |residual frequency| + skew + maxclockerror, and by
 * what the correction is seen to change: chronyd slews, or is not allowed to (-x).
 */
#ifndef CLOCK_CHRONY_JUDGE_H
#define CLOCK_CHRONY_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "chrony_wire.h"
#include "source.h"

/* Of the answers before. */
struct chrony_memory {
	/* The last one that vouched. */
	bool known;
	int64_t mono_ns;
	int64_t real_less_mono_ns;
	int64_t offset_ns;
	int64_t ref_time_ns;

	unsigned steering; /* rounds for which chronyd still counts as who steers the clock */

	/* The clock was set: until chronyd shows that it knows, what it says is of the clock before. */
	bool set;
	bool asked; /* since then; ref_time_ns is of its first answer, 0: it had no server */
};

/* kernel_ppb: the frequency correction in force, as struct clock_kernel_facts has it. */
void chrony_judge(struct chrony_memory *memory, const struct chrony_tracking *tracking,
		  const struct clock_now *now, int64_t kernel_ppb, struct clock_reading *reading);

void chrony_judge_stepped(struct chrony_memory *memory);

/*
 * Whether the kernel's correction is chronyd's: it takes back what the clock gains
 * (freq_ppb), but for what chronyd slews, by which the offset is seen to move
 * (slope_ppb; 0 if that is not known). With no correction in force nobody can tell.
 */
bool chrony_judge_steers(int64_t kernel_ppb, int64_t freq_ppb, int64_t slope_ppb);

#endif
