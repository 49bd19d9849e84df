/* The kernel's own account (adjtimex), kept by whichever daemon steers the clock. */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include <owamp/error.h>

/*
 * The kernel lets maxerror grow by 500 us/s without updates, and stops at
 * 16 s, when it sets STA_UNSYNC.
 */
#define DRIFT_PPB      500000
#define PHASE_LIMIT_US 16000000L

/* freq is in 2^-16 ppm. */
#define FREQ_ONE 65536

static enum owamp_clock_steering steering_of(const struct timex *timex)
{
	if (timex->status & STA_UNSYNC)
		return OWAMP_CLOCK_STEERED_BY_NOBODY;
	/* ptp4l and phc2sys clear STA_UNSYNC but leave esterror at its limit and maxerror at 0, whatever the
	 * offset is. */
	if (timex->esterror >= PHASE_LIMIT_US)
		return OWAMP_CLOCK_STEERED_BY_PTP;
	/* systemd-timesyncd claims errors of 0 at each of its updates. */
	if (timex->esterror == 0)
		return OWAMP_CLOCK_STEERED_BY_SNTP;
	return OWAMP_CLOCK_STEERED_BY_NTP;
}

/* tick is the length of a tick of USER_HZ in us, nominally 10000: 1 us more is 100 ppm. */
static int64_t frequency_of(const struct timex *timex)
{
	long hertz = sysconf(_SC_CLK_TCK);
	int64_t freq_ppb = (int64_t)timex->freq * 1000 / FREQ_ONE;

	if (hertz <= 0)
		return freq_ppb;
	return freq_ppb + (timex->tick - 1000000 / hertz) * hertz * 1000;
}

void clock_kernel_classify(const struct timex *timex, struct clock_kernel_facts *facts)
{
	*facts = (struct clock_kernel_facts){
		.steering = steering_of(timex),
		.freq_ppb = frequency_of(timex),
		.leap = timex->status & STA_INS   ? 1
			: timex->status & STA_DEL ? -1
						  : 0,
		.tai_utc = timex->tai,
	};
}

int clock_kernel_facts(struct clock_kernel_facts *facts)
{
	struct timex timex = {.modes = 0};

	*facts = (struct clock_kernel_facts){.steering = OWAMP_CLOCK_STEERED_BY_NOBODY};
	if (adjtimex(&timex) < 0)
		return OWAMP_ESYSTEM;
	clock_kernel_classify(&timex, facts);
	return 0;
}

void clock_kernel_judge(const struct timex *timex, const struct clock_now *now, struct clock_reading *reading)
{
	enum owamp_clock_steering steering = steering_of(timex);
	long maxerror_us = timex->maxerror;

	if (maxerror_us < 0 || maxerror_us > PHASE_LIMIT_US)
		maxerror_us = PHASE_LIMIT_US;
	reading->source = OWAMP_CLOCK_KERNEL;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	reading->drift_ppb = DRIFT_PPB;
	reading->filtered = true;
	reading->mono_ns = now->mono_ns;
	reading->error_ns = (int64_t)maxerror_us * 1000;
	reading->leap = timex->status & STA_INS ? 1 : timex->status & STA_DEL ? -1 : 0;
	reading->tai_utc = timex->tai;
	switch (steering) {
	case OWAMP_CLOCK_STEERED_BY_PTP:
		(void)snprintf(reading->text, sizeof reading->text,
			       "ptp4l or phc2sys steers the clock and tells the kernel no error");
		break;
	case OWAMP_CLOCK_STEERED_BY_SNTP:
		(void)snprintf(reading->text, sizeof reading->text,
			       "an SNTP client steers the clock and claims an error of 0");
		break;
	case OWAMP_CLOCK_STEERED_BY_NTP:
		reading->state = OWAMP_CLOCK_VALID;
		reading->measured = true;
		(void)snprintf(reading->text, sizeof reading->text,
			       "maxerror of whoever disciplines the clock");
		break;
	default:
		(void)snprintf(reading->text, sizeof reading->text,
			       "nobody tells the kernel that the clock is synchronized (STA_UNSYNC)");
		break;
	}
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct timex timex = {.modes = 0};

	(void)source;
	if (adjtimex(&timex) < 0) {
		(void)snprintf(reading->text, sizeof reading->text, "adjtimex: %s", strerror(errno));
		return;
	}
	clock_kernel_judge(&timex, now, reading);
}

static void nothing_to_free(void *source)
{
	(void)source;
}

int clock_kernel_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {.sample = sample, .free = nothing_to_free};

	(void)config;
	*source = (struct clock_source){.ops = &ops};
	return 0;
}
