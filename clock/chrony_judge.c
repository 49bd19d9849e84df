#include "chrony_judge.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

/*
 * chronyd's maxclockerror, by which it enlarges its dispersion beside the skew. It
 * does not tell what it is set to; this is its default.
 */
#define CLOCK_ERROR_PPB 1000

/*
 * The kernel counts 2^-16 ppm and chronyd sends 24 binary digits: 0.02 ppb. A slope
 * over a fraction of a second is known to some ppb.
 */
#define STEERING_PPB 20

/* A slew that begins or ends between two looks is no other's doing. */
#define STEERING_ROUNDS 5

/* In between, the slope's numerator and denominator are what they say. */
#define SLOPE_LEAST_NS (SECOND_NS / 20)
#define SLOPE_MOST_NS  (10 * SECOND_NS)
#define SLOPE_MOST_PPB SECOND_NS

/* A step that chronyd's answer follows at once was its own, or one that it noticed; slewing moves less. */
#define FOLLOWED_NS (SECOND_NS / 1000)

/* chronyd corrects what it says of a measurement's time by less, as it changes the clock's frequency. */
#define REMEASURED_NS (SECOND_NS / 200)

bool chrony_judge_steers(int64_t kernel_ppb, int64_t freq_ppb, int64_t slope_ppb)
{
	return llabs(kernel_ppb) > STEERING_PPB && llabs(kernel_ppb + freq_ppb - slope_ppb) <= STEERING_PPB;
}

/* As between two answers that rest on the same measurement; true if it is known. */
static bool slope_of(const struct chrony_memory *memory, const struct chrony_tracking *tracking,
		     const struct clock_now *now, int64_t *slope_ppb)
{
	int64_t moved = -tracking->correction_ns - memory->offset_ns, passed = now->mono_ns - memory->mono_ns;

	*slope_ppb = 0;
	if (!memory->known || memory->ref_time_ns != tracking->ref_time_ns)
		return false;
	if (passed < SLOPE_LEAST_NS || passed > SLOPE_MOST_NS || llabs(moved) > passed)
		return false;
	*slope_ppb = moved * SLOPE_MOST_PPB / passed;
	return true;
}

/* Where no slope is known: chronyd steers and may be slewing, or does not steer, and the clock gains
 * freq_ppb. */
static int64_t supposed_slope(const struct chrony_tracking *tracking, int64_t kernel_ppb, bool steers)
{
	int64_t slewing = llabs(kernel_ppb + tracking->freq_ppb), gaining = llabs(tracking->freq_ppb);

	return steers || slewing > gaining ? slewing : gaining;
}

static void judge_motion(struct chrony_memory *memory, const struct chrony_tracking *tracking,
			 const struct clock_now *now, int64_t kernel_ppb, struct clock_reading *reading)
{
	int64_t slope_ppb;
	bool known = slope_of(memory, tracking, now, &slope_ppb);

	if (chrony_judge_steers(kernel_ppb, tracking->freq_ppb, slope_ppb))
		memory->steering = STEERING_ROUNDS;
	else if (memory->steering > 0)
		memory->steering--;
	reading->steers = memory->steering > 0;
	reading->drift_ppb =
		tracking->residual_ppb + tracking->skew_ppb + CLOCK_ERROR_PPB +
		(known ? llabs(slope_ppb) : supposed_slope(tracking, kernel_ppb, reading->steers));
}

static void remember(struct chrony_memory *memory, const struct chrony_tracking *tracking,
		     const struct clock_now *now)
{
	memory->known = true;
	memory->mono_ns = now->mono_ns;
	memory->real_less_mono_ns = now->real_ns - now->mono_ns;
	memory->offset_ns = -tracking->correction_ns;
	memory->ref_time_ns = tracking->ref_time_ns;
}

void chrony_judge_stepped(struct chrony_memory *memory)
{
	memory->set = true;
	memory->asked = false;
}

static bool followed(const struct chrony_memory *memory, const struct chrony_tracking *tracking,
		     const struct clock_now *now)
{
	int64_t step = now->real_ns - now->mono_ns - memory->real_less_mono_ns;
	int64_t moved = -tracking->correction_ns - memory->offset_ns;

	return memory->known && llabs(step) >= FOLLOWED_NS && llabs(moved - step) < llabs(step) / 4;
}

/*
 * chronyd does not notice that somebody else set the clock until it measures
 * again, and until then answers as if nothing had happened. False: it may be so.
 */
static bool knows_clock(struct chrony_memory *memory, const struct chrony_tracking *tracking,
			const struct clock_now *now)
{
	if (!memory->set)
		return true;
	if (memory->asked ? llabs(tracking->ref_time_ns - memory->ref_time_ns) >= REMEASURED_NS
			  : followed(memory, tracking, now)) {
		memory->set = false;
		memory->known = false;
		return true;
	}
	if (!memory->asked) {
		memory->asked = true;
		memory->ref_time_ns = tracking->ref_time_ns;
	}
	return false;
}

/* The address, the name of a reference clock, or octets. */
static void name_reference(const struct chrony_tracking *tracking, char *name, size_t size)
{
	char letters[5] = {0};
	size_t length = 0;

	if (tracking->address[0]) {
		(void)snprintf(name, size, "%s", tracking->address);
		return;
	}
	for (int bits = 24; bits >= 0; bits -= 8)
		letters[length++] = (char)(tracking->ref_id >> bits & 0xff);
	length = 0;
	while (isalnum((unsigned char)letters[length]))
		length++;
	if (length > 0 && memcmp(letters + length, "\0\0\0", 4 - length) == 0)
		(void)snprintf(name, size, "the reference clock %s", letters);
	else
		(void)snprintf(name, size, "reference %08X", (unsigned)tracking->ref_id);
}

static int64_t age_s(const struct chrony_tracking *tracking, const struct clock_now *now)
{
	int64_t utc = now->real_ns + tracking->correction_ns;

	return utc > tracking->ref_time_ns ? (utc - tracking->ref_time_ns) / SECOND_NS : 0;
}

/* Why nobody vouches; NULL: somebody does. */
static const char *doubt(const struct chrony_tracking *tracking)
{
	if (tracking->leap == CHRONY_LEAP_UNSYNCHRONISED)
		return "chronyd is not synchronized: none of its servers answers, or they contradict each "
		       "other";
	if (tracking->leap > CHRONY_LEAP_UNSYNCHRONISED)
		return "chronyd's leap status is none that there is";
	if (tracking->ref_id == CHRONY_REF_NONE || tracking->stratum >= CHRONY_STRATUM_MAX)
		return "chronyd has no server to be synchronized to";
	if (tracking->ref_id == CHRONY_REF_LOCAL)
		return "chronyd serves this host's own clock (local): nobody vouches for that";
	if (tracking->absurd)
		return "chronyd reports a negative or impossible delay, dispersion or correction";
	return NULL;
}

static void forget(struct chrony_memory *memory, const struct chrony_tracking *tracking)
{
	memory->known = false;
	memory->steering = 0;
	/* If it has a server again, it has measured. */
	if (tracking->ref_id == CHRONY_REF_NONE) {
		memory->asked = true;
		memory->ref_time_ns = 0;
	}
}

void chrony_judge(struct chrony_memory *memory, const struct chrony_tracking *tracking,
		  const struct clock_now *now, int64_t kernel_ppb, struct clock_reading *reading)
{
	const char *why = doubt(tracking);
	char name[64];

	reading->source = OWAMP_CLOCK_CHRONY;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	if (why) {
		(void)snprintf(reading->text, sizeof reading->text, "%s", why);
		forget(memory, tracking);
		return;
	}
	name_reference(tracking, name, sizeof name);
	if (!knows_clock(memory, tracking, now)) {
		(void)snprintf(reading->text, sizeof reading->text,
			       "the clock was set, and chronyd (of %s) has not measured since", name);
		return;
	}
	reading->state = OWAMP_CLOCK_VALID;
	reading->measured = true;
	reading->filtered = true;
	/* From before the question: chronyd looked at the clock later, so that its age is overstated. */
	reading->mono_ns = now->mono_ns;
	reading->offset_ns = -tracking->correction_ns;
	reading->error_ns = (tracking->root_delay_ns + 1) / 2 + tracking->root_dispersion_ns +
			    tracking->correction_slack_ns;
	judge_motion(memory, tracking, now, kernel_ppb, reading);
	reading->leap = tracking->leap == CHRONY_LEAP_INSERT   ? 1
			: tracking->leap == CHRONY_LEAP_DELETE ? -1
							       : 0;
	(void)snprintf(reading->text, sizeof reading->text,
		       "chronyd, of %s, stratum %u, last measured %lld s ago", name, tracking->stratum,
		       (long long)age_s(tracking, now));
	remember(memory, tracking, now);
}
