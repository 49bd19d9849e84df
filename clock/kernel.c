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

/*
 * The kernel moves the clock without changing freq and tick: at the end of each
 * second by 2^-(SHIFT_PLL + constant) of what is left of the offset that its
 * loop was given, and by at most 500 us of what adjtime() has left.
 */
#define SHIFT_PLL      2
#define CONSTANT_MAX   10
#define OFFSET_MAX_NS  INT64_C(500000000)
#define ADJUST_MAX_PPB INT64_C(500000)

/* From one look to the next. */
struct kernel {
	int64_t maxerror_us; /* of the last look; -1: there was none */
	bool zeroed;         /* it was seen to be 0, and nobody has told the kernel anything since */
	bool set;            /* the clock was, and nobody has told the kernel anything since */
};

static enum owamp_clock_steering steering_of(const struct timex *timex)
{
	if (timex->status & STA_UNSYNC)
		return OWAMP_CLOCK_STEERED_BY_NOBODY;
	/* ptp4l and phc2sys clear STA_UNSYNC but leave esterror at its limit, or at what the daemon before
	 * them told, and maxerror at 0, whatever the offset is. */
	if (timex->esterror >= PHASE_LIMIT_US)
		return OWAMP_CLOCK_STEERED_BY_PTP;
	if (!(timex->status & STA_PLL) && timex->maxerror < timex->esterror)
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

static int64_t within(int64_t value, int64_t limit)
{
	if (value > limit)
		return limit;
	return value < -limit ? -limit : value;
}

/* In ns a second: second_overflow() of kernel/time/ntp.c, which halves towards 0. */
static int64_t loop_ppb(const struct timex *timex)
{
	const int64_t unit_ns = timex->status & STA_NANO ? 1 : 1000;
	int64_t constant = timex->constant < 0 ? 0 : within(timex->constant, CONSTANT_MAX);

	return within(timex->offset, OFFSET_MAX_NS / unit_ns) * unit_ns / (1 << (SHIFT_PLL + constant));
}

/* What is left is that of the next second: in this one it may be 500 us that are left out here. */
static int64_t adjust_ppb(int64_t adjusting_us)
{
	return within(within(adjusting_us, PHASE_LIMIT_US) * 1000, ADJUST_MAX_PPB);
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
static int ask(struct timex *timex, int64_t *adjusting_us)
{
	struct timex adjusting = {.modes = ADJ_OFFSET_SS_READ};
	int state = adjtimex(timex);

	if (state == TIME_WAIT)
		timex->status &= ~(STA_INS | STA_DEL);
	*adjusting_us = 0;
	if (state >= 0 && adjtimex(&adjusting) >= 0)
		*adjusting_us = adjusting.offset;
	return state;
}

void clock_kernel_classify(const struct timex *timex, int64_t adjusting_us, struct clock_kernel_facts *facts)
{
	*facts = (struct clock_kernel_facts){
		.steering = steering_of(timex),
		.freq_ppb = frequency_of(timex) + loop_ppb(timex) + adjust_ppb(adjusting_us),
		.leap = leap_of(timex),
		.tai_utc = timex->tai,
	};
}

int clock_kernel_facts(struct clock_kernel_facts *facts)
{
	struct timex timex = {.modes = 0};
	int64_t adjusting_us;

	*facts = (struct clock_kernel_facts){.steering = OWAMP_CLOCK_STEERED_BY_NOBODY};
	if (ask(&timex, &adjusting_us) < 0)
		return OWAMP_ESYSTEM;
	clock_kernel_classify(&timex, adjusting_us, facts);
	return 0;
}

/* maxerror, and what the kernel itself has yet to slew away of what it was given last. */
static int64_t error_of(const struct timex *timex, int64_t adjusting_us)
{
	const int64_t unit_ns = timex->status & STA_NANO ? 1 : 1000;

	if (timex->maxerror < 0 || timex->maxerror >= PHASE_LIMIT_US ||
	    timex->offset <= -PHASE_LIMIT_US * 1000 || timex->offset >= PHASE_LIMIT_US * 1000 ||
	    adjusting_us <= -PHASE_LIMIT_US || adjusting_us >= PHASE_LIMIT_US)
		return PHASE_LIMIT_US * INT64_C(1000);
	return timex->maxerror * INT64_C(1000) + TRUNCATED_NS + llabs(timex->offset) * unit_ns +
	       llabs(adjusting_us) * INT64_C(1000);
}

/*
 * Who corrects the clock without the kernel's loop, which is chronyd, changes
 * its frequency for a while, and what it has still to correct is in nobody's
 * account. Nor can it be told from the frequency: chronyd takes minutes to hours
 * for it, so that a slew may be below 1 ppm and still be one of milliseconds,
 * or have begun before anybody looked. So that account is no bound.
 */
static const char *doubt(const struct timex *timex)
{
	if (timex->status & STA_UNSYNC)
		return "nobody tells the kernel that the clock is synchronized (STA_UNSYNC)";
	if (timex->esterror >= PHASE_LIMIT_US)
		return "somebody who tells the kernel no error steers the clock, such as ptp4l or phc2sys";
	if (timex->esterror == 0)
		return "who steers the clock claims an error of 0, as SNTP clients do (systemd-timesyncd)";
	if (timex->maxerror < timex->esterror)
		return "maxerror is below esterror: somebody set it to 0 without an account, as ptp4l or "
		       "phc2sys";
	if (!(timex->status & STA_PLL))
		return "chronyd keeps it, without the correction it still makes: only the source chrony "
		       "knows "
		       "that";
	return NULL;
}

void clock_kernel_judge(const struct timex *timex, int64_t adjusting_us, const struct clock_now *now,
			struct clock_reading *reading)
{
	const char *why = doubt(timex);
	int64_t freq_ppb = frequency_of(timex);

	reading->source = OWAMP_CLOCK_KERNEL;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	reading->drift_ppb = DRIFT_PPB;
	reading->filtered = true;
	reading->mono_ns = now->mono_ns;
	reading->error_ns = error_of(timex, adjusting_us);
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
			       "maxerror of the daemon that disciplines the clock (by the kernel's loop, as "
			       "ntpd), with no server named");
	}
}

/* The kernel lets maxerror grow and nothing else: where it has become less somebody has told it. */
static void remember(struct kernel *kernel, int64_t maxerror_us)
{
	if (maxerror_us < kernel->maxerror_us)
		kernel->zeroed = kernel->set = false;
	/* Who keeps an account never says so; from 0 on it grows like any other. */
	if (maxerror_us == 0)
		kernel->zeroed = true;
	kernel->maxerror_us = maxerror_us;
}

static void withdraw(struct clock_reading *reading, const char *why)
{
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	reading->measured = false;
	(void)snprintf(reading->text, sizeof reading->text, "%s", why);
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct timex timex = {.modes = 0};
	struct kernel *kernel = source;
	int64_t adjusting_us;

	if (ask(&timex, &adjusting_us) < 0) {
		(void)snprintf(reading->text, sizeof reading->text, "adjtimex: %s", strerror(errno));
		return;
	}
	clock_kernel_judge(&timex, adjusting_us, now, reading);
	remember(kernel, timex.maxerror);
	if (reading->state != OWAMP_CLOCK_VALID)
		return;
	if (kernel->set)
		withdraw(reading, "the clock was set, and nobody has told the kernel since");
	else if (kernel->zeroed)
		withdraw(reading, "somebody set maxerror to 0 without an account, as ptp4l or phc2sys");
}

/* Neither waking up nor setting the clock by an offset makes the kernel forget its account. */
static void stepped(void *source)
{
	struct timex timex = {.modes = 0};
	struct kernel *kernel = source;

	kernel->set = true;
	/* What was told before the step is not told since. */
	if (adjtimex(&timex) >= 0)
		kernel->maxerror_us = timex.maxerror;
}

int clock_kernel_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {.sample = sample, .stepped = stepped, .free = free};
	struct kernel *kernel = calloc(1, sizeof *kernel);

	(void)config;
	*source = (struct clock_source){.ops = &ops, .self = kernel};
	if (!kernel)
		return OWAMP_ENOMEM;
	kernel->maxerror_us = -1;
	return 0;
}
