#include "source.h"

#include <sys/timex.h>

#include <owamp/error.h>

/*
 * The kernel lets maxerror grow by 500 us/s without updates, and stops at
 * 16 s, when it sets STA_UNSYNC.
 */
#define DRIFT_PPB      500000
#define PHASE_LIMIT_US 16000000L

void clock_kernel_judge(const struct timex *timex, struct clock_sample *sample)
{
	long maxerror_us = timex->maxerror;

	sample->synchronized = !(timex->status & STA_UNSYNC);
	sample->drift_ppb = DRIFT_PPB;
	/*
	 * ptp4l and phc2sys clear STA_UNSYNC but leave esterror at its limit and
	 * maxerror at 0, whatever the offset is: such a kernel knows nothing.
	 */
	/* systemd-timesyncd claims errors of 0 at each of its updates: nothing is known either. */
	if (sample->synchronized && (timex->esterror >= PHASE_LIMIT_US || timex->esterror == 0)) {
		sample->synchronized = false;
		maxerror_us = PHASE_LIMIT_US;
	}
	if (maxerror_us < 0 || maxerror_us > PHASE_LIMIT_US)
		maxerror_us = PHASE_LIMIT_US;
	sample->bound_ns = (int64_t)maxerror_us * 1000;
}

static int sample_kernel(struct clock_sample *sample)
{
	struct timex timex = {.modes = 0};

	if (adjtimex(&timex) < 0)
		return OWAMP_ESYSTEM;
	clock_kernel_judge(&timex, sample);
	return 0;
}

const struct clock_source clock_source_kernel = {.name = "kernel", .sample = sample_kernel};
