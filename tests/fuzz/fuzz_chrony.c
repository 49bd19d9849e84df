/* chronyd's answers, one after another, and what is made of them: no number gets out of hand. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "clock/chrony_judge.h"
#include "input.h"

#define SECOND INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_float(uint32_t wire)
{
	struct chrony_float value = chrony_float_decode(wire);
	double real = ldexp(value.coefficient, value.exponent) * 1e9;
	int64_t ns = chrony_float_scale(value, SECOND);

	assert(value.exponent >= -89 && value.exponent <= 38);
	assert(fabs(real) >= 0x1p63 || fabs((double)ns - real) <= 0.5 + fabs(real) * 1e-15);
	assert(chrony_float_slack(value, SECOND) >= 1);
}

static void check_reading(const struct clock_reading *reading, const struct chrony_tracking *tracking)
{
	assert(reading->state == OWAMP_CLOCK_VALID || reading->state == OWAMP_CLOCK_DOUBTFUL);
	assert(reading->measured == (reading->state == OWAMP_CLOCK_VALID));
	assert(strlen(reading->text) > 0 && strlen(reading->text) < sizeof reading->text);
	if (!reading->measured)
		return;
	assert(!tracking->absurd && tracking->leap < CHRONY_LEAP_UNSYNCHRONISED && tracking->ref_id != 0);
	assert(reading->offset_ns == -tracking->correction_ns);
	/* They can be added, and grow for an hour. */
	assert(reading->error_ns > 0 && reading->error_ns <= INT64_MAX / 2);
	assert(llabs(reading->offset_ns) <= INT64_MAX / 4);
	assert(reading->drift_ppb >= 1000 && reading->drift_ppb <= 10 * SECOND);
	assert(reading->leap >= -1 && reading->leap <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct chrony_memory memory = {0};
	struct clock_now now = {.mono_ns = SECOND, .real_ns = 1795262400 * SECOND};

	while (input_left(&in) > 0) {
		uint8_t octets[CHRONY_REPLY_SIZE + 16], what = input_u8(&in);
		struct chrony_tracking tracking;
		struct clock_reading reading = {.drift_ppb = -1};
		size_t length = what & 1 ? sizeof octets : input_u8(&in) % sizeof octets;
		uint32_t sequence = 0;
		unsigned status;

		now.mono_ns += SECOND / 4;
		now.real_ns += SECOND / 4;
		if (what & 2) {
			now.real_ns += (int32_t)input_uint(&in, 4) * INT64_C(1000);
			chrony_judge_stepped(&memory);
		}
		input_fill(&in, octets, length);
		if (length >= 20 && what & 4)
			memset(octets + 16, 0, 4);
		if (length >= 8)
			check_float((uint32_t)input_uint(&(struct input){octets + 4, 4}, 4));
		if (chrony_reply_decode(octets, length, sequence, &tracking, &status) !=
		    CHRONY_REPLY_TRACKING) {
			assert(strlen(chrony_status_words(status)) > 0);
			continue;
		}
		assert(length >= CHRONY_REPLY_SIZE);
		chrony_judge(&memory, &tracking, &now, (int32_t)input_uint(&in, 4), &reading);
		check_reading(&reading, &tracking);
	}
	return 0;
}
