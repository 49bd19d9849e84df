/* The kernel's own account (adjtimex), kept by whichever daemon steers the clock. */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

/* A daemon's figure in whole us may be cut off. */
#define TRUNCATED_NS 1000

/*
 * No clock is so far from its rate (ntpd and the kernel's own loop stop there): the
 * daemon is slewing away an offset. chronyd tells the kernel its error apart from
 * that offset.
 */
#define SLEWING_PPB 500000

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

static int32_t leap_of(const struct timex *timex)
{
	if (timex->status & STA_INS)
		return 1;
	return timex->status & STA_DEL ? -1 : 0;
}

/*
 * After the leap second STA_INS and STA_DEL stay until the daemon clears them,
 * which may take it hours: they do not announce another.
 */
static int ask(struct timex *timex)
{
	int state = adjtimex(timex);

	if (state == TIME_WAIT)
		timex->status &= ~(STA_INS | STA_DEL);
	return state;
}

void clock_kernel_classify(const struct timex *timex, struct clock_kernel_facts *facts)
{
	*facts = (struct clock_kernel_facts){
		.steering = steering_of(timex),
		.freq_ppb = frequency_of(timex),
		.leap = leap_of(timex),
		.tai_utc = timex->tai,
	};
}

int clock_kernel_facts(struct clock_kernel_facts *facts)
{
	struct timex timex = {.modes = 0};

	*facts = (struct clock_kernel_facts){.steering = OWAMP_CLOCK_STEERED_BY_NOBODY};
	if (ask(&timex) < 0)
		return OWAMP_ESYSTEM;
	clock_kernel_classify(&timex, facts);
	return 0;
}

/* maxerror, and what the kernel itself has yet to slew away of the offset it was given last. */
static int64_t error_of(const struct timex *timex)
{
	const int64_t unit_ns = timex->status & STA_NANO ? 1 : 1000;

	if (timex->maxerror < 0 || timex->maxerror >= PHASE_LIMIT_US ||
	    timex->offset <= -PHASE_LIMIT_US * 1000 || timex->offset >= PHASE_LIMIT_US * 1000)
		return PHASE_LIMIT_US * INT64_C(1000);
	return timex->maxerror * INT64_C(1000) + TRUNCATED_NS + llabs(timex->offset) * unit_ns;
}

static const char *doubt(const struct timex *timex)
{
	switch (steering_of(timex)) {
	case OWAMP_CLOCK_STEERED_BY_PTP:
		return "ptp4l or phc2sys steers the clock and tells the kernel no error";
	case OWAMP_CLOCK_STEERED_BY_SNTP:
		return "who steers the clock claims an error of 0, as SNTP clients do (systemd-timesyncd)";
	case OWAMP_CLOCK_STEERED_BY_NTP:
		return NULL;
	default:
		return "nobody tells the kernel that the clock is synchronized (STA_UNSYNC)";
	}
}

void clock_kernel_judge(const struct timex *timex, const struct clock_now *now, struct clock_reading *reading)
{
	const char *why = doubt(timex);
	int64_t freq_ppb = frequency_of(timex);

	reading->source = OWAMP_CLOCK_KERNEL;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	reading->drift_ppb = DRIFT_PPB;
	reading->filtered = true;
	reading->mono_ns = now->mono_ns;
	reading->error_ns = error_of(timex);
	reading->leap = leap_of(timex);
	reading->tai_utc = timex->tai;
	if (why) {
		(void)snprintf(reading->text, sizeof reading->text, "%s", why);
	} else if (llabs(freq_ppb) > SLEWING_PPB) {
		(void)snprintf(reading->text, sizeof reading->text,
			       "the clock is being slewed (%+lld ppm): maxerror leaves out what is still to "
			       "be corrected",
			       (long long)freq_ppb / 1000);
	} else {
		reading->state = OWAMP_CLOCK_VALID;
		reading->measured = true;
		(void)snprintf(reading->text, sizeof reading->text,
			       "maxerror of the daemon that disciplines the clock (%s), with no server named",
			       timex->status & STA_PLL ? "by the kernel's loop, as ntpd"
						       : "as chronyd with rtcsync");
	}
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct timex timex = {.modes = 0};

	(void)source;
	if (ask(&timex) < 0) {
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
