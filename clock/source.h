/*
 * What a clock source is to the sampler: one small table of operations.
 */
#ifndef CLOCK_SOURCE_H
#define CLOCK_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

struct clock_sample {
	bool synchronized; /* by an external source of UTC */
	int64_t bound_ns;  /* |CLOCK_REALTIME - UTC| at most */
	int64_t drift_ppb; /* growth of the bound until the next sample */
};

struct clock_source {
	const char *name;
	/* 0, or an error of enum owamp_error if the source says nothing. */
	int (*sample)(struct clock_sample *sample);
};

/* The kernel's own account (adjtimex), kept by whichever daemon steers it. */
extern const struct clock_source clock_source_kernel;

/* Its judgement of what the kernel says, for tests. */
struct timex;
void clock_kernel_judge(const struct timex *timex, struct clock_sample *sample);

#endif
