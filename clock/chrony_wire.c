#include "chrony_wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

#define TYPE_REQUEST 1
#define TYPE_REPLY   2

#define COMMAND_TRACKING 33
#define REPLY_TRACKING   5

/* Of the header, and from there on of the report. */
#define HEADER_SIZE     28
#define AT_VERSION      0
#define AT_TYPE         1
#define AT_COMMAND      4
#define AT_REPLY        6
#define AT_STATUS       8
#define AT_SEQUENCE_OUT 8
#define AT_SEQUENCE_IN  16

#define AT_REF_ID     0
#define AT_ADDRESS    4
#define AT_FAMILY     20
#define AT_STRATUM    24
#define AT_LEAP       26
#define AT_REF_TIME   28
#define AT_CORRECTION 40
#define AT_FREQ       52
#define AT_RESIDUAL   56
#define AT_SKEW       60
#define AT_DELAY      64
#define AT_DISPERSION 68

#define FAMILY_INET4 1
#define FAMILY_INET6 2

/* In the upper half of the seconds: there is none, they are 32 bits. */
#define NO_HIGH_SECONDS 0x7fffffff

#define EXPONENT_BITS    7
#define COEFFICIENT_BITS 25

#define PPB_IN_PPM 1000

/* Two of them can be added; no clock is further off. */
#define ABSURD_NS  (INT64_C(2000000000) * SECOND_NS)
#define ABSURD_PPB SECOND_NS

static uint16_t get16(const uint8_t *octets)
{
	return (uint16_t)(octets[0] << 8 | octets[1]);
}

static uint32_t get32(const uint8_t *octets)
{
	return (uint32_t)get16(octets) << 16 | get16(octets + 2);
}

static void put16(uint8_t *octets, uint16_t value)
{
	octets[0] = (uint8_t)(value >> 8);
	octets[1] = (uint8_t)value;
}

/* Two's complement of so many bits. */
static int32_t sign_extend(uint32_t value, int bits)
{
	uint32_t sign = UINT32_C(1) << (bits - 1);

	return (int32_t)((value ^ sign) - sign);
}

struct chrony_float chrony_float_decode(uint32_t wire)
{
	const uint32_t mask = (UINT32_C(1) << COEFFICIENT_BITS) - 1;

	return (struct chrony_float){
		.coefficient = sign_extend(wire & mask, COEFFICIENT_BITS),
		.exponent = sign_extend(wire >> COEFFICIENT_BITS, EXPONENT_BITS) - COEFFICIENT_BITS,
	};
}

int64_t chrony_float_scale(struct chrony_float value, int64_t units)
{
	int64_t whole = value.coefficient * units, half;

	if (value.exponent >= 0) {
		if (llabs(whole) > INT64_MAX >> value.exponent)
			return whole < 0 ? INT64_MIN : INT64_MAX;
		return whole * (INT64_C(1) << value.exponent);
	}
	/* A coefficient in ns is below 2^54. */
	if (value.exponent < -62)
		return 0;
	half = INT64_C(1) << (-value.exponent - 1);
	return whole < 0 ? -((half - whole) >> -value.exponent) : (whole + half) >> -value.exponent;
}

int64_t chrony_float_slack(struct chrony_float value, int64_t units)
{
	int64_t last_place;

	if (value.coefficient == 0)
		return 1;
	last_place = chrony_float_scale((struct chrony_float){1, value.exponent}, units);
	return last_place < INT64_MAX ? last_place + 1 : INT64_MAX;
}

static struct chrony_float float_at(const uint8_t *report, size_t at)
{
	return chrony_float_decode(get32(report + at));
}

/* Its magnitude, at most; beyond limit, or below 0 where that cannot be, it is absurd. */
static int64_t most_at(const uint8_t *report, size_t at, int64_t units, int64_t limit,
		       struct chrony_tracking *tracking)
{
	struct chrony_float value = float_at(report, at);
	int64_t scaled = chrony_float_scale(value, units), slack = chrony_float_slack(value, units);

	if (scaled <= -limit || scaled >= limit || slack >= limit) {
		tracking->absurd = true;
		return 0;
	}
	return llabs(scaled) + slack;
}

static int64_t unsigned_at(const uint8_t *report, size_t at, int64_t units, int64_t limit,
			   struct chrony_tracking *tracking)
{
	if (float_at(report, at).coefficient < 0)
		tracking->absurd = true;
	return most_at(report, at, units, limit, tracking);
}

static int64_t time_at(const uint8_t *report, size_t at, struct chrony_tracking *tracking)
{
	uint32_t high = get32(report + at), low = get32(report + at + 4), ns = get32(report + at + 8);
	int64_t seconds = (int64_t)((high == NO_HIGH_SECONDS ? 0 : (uint64_t)high << 32) | low);

	if (seconds < 0 || seconds >= INT64_MAX / SECOND_NS || ns >= SECOND_NS) {
		tracking->absurd = true;
		return 0;
	}
	return seconds * SECOND_NS + ns;
}

static void take_address(const uint8_t *report, struct chrony_tracking *tracking)
{
	uint16_t family = get16(report + AT_ADDRESS + 16);

	tracking->address[0] = '\0';
	if (family == FAMILY_INET4)
		(void)inet_ntop(AF_INET, report + AT_ADDRESS, tracking->address, sizeof tracking->address);
	else if (family == FAMILY_INET6)
		(void)inet_ntop(AF_INET6, report + AT_ADDRESS, tracking->address, sizeof tracking->address);
}

static void take_report(const uint8_t *report, struct chrony_tracking *tracking)
{
	struct chrony_float correction = float_at(report, AT_CORRECTION);

	*tracking = (struct chrony_tracking){
		.ref_id = get32(report + AT_REF_ID),
		.stratum = get16(report + AT_STRATUM),
		.leap = get16(report + AT_LEAP),
	};
	take_address(report, tracking);
	tracking->ref_time_ns = time_at(report, AT_REF_TIME, tracking);
	if (most_at(report, AT_CORRECTION, SECOND_NS, ABSURD_NS, tracking) > 0) {
		tracking->correction_ns = chrony_float_scale(correction, SECOND_NS);
		tracking->correction_slack_ns = chrony_float_slack(correction, SECOND_NS);
	}
	if (most_at(report, AT_FREQ, PPB_IN_PPM, ABSURD_PPB, tracking) > 0)
		tracking->freq_ppb = chrony_float_scale(float_at(report, AT_FREQ), PPB_IN_PPM);
	tracking->residual_ppb = most_at(report, AT_RESIDUAL, PPB_IN_PPM, ABSURD_PPB, tracking);
	tracking->skew_ppb = unsigned_at(report, AT_SKEW, PPB_IN_PPM, 2 * ABSURD_PPB, tracking);
	tracking->root_delay_ns = unsigned_at(report, AT_DELAY, SECOND_NS, ABSURD_NS, tracking);
	tracking->root_dispersion_ns = unsigned_at(report, AT_DISPERSION, SECOND_NS, ABSURD_NS, tracking);
}

void chrony_request_encode(uint8_t request[CHRONY_REQUEST_SIZE], uint32_t sequence)
{
	memset(request, 0, CHRONY_REQUEST_SIZE);
	request[AT_VERSION] = CHRONY_VERSION;
	request[AT_TYPE] = TYPE_REQUEST;
	put16(request + AT_COMMAND, COMMAND_TRACKING);
	put16(request + AT_SEQUENCE_OUT, (uint16_t)(sequence >> 16));
	put16(request + AT_SEQUENCE_OUT + 2, (uint16_t)sequence);
}

enum chrony_reply chrony_reply_decode(const uint8_t *octets, size_t size, uint32_t sequence,
				      struct chrony_tracking *tracking, unsigned *status)
{
	*status = 0;
	if (size < AT_SEQUENCE_IN + 4 || octets[AT_TYPE] != TYPE_REPLY ||
	    get32(octets + AT_SEQUENCE_IN) != sequence)
		return CHRONY_REPLY_OTHER;
	if (octets[AT_VERSION] != CHRONY_VERSION) {
		*status = octets[AT_VERSION];
		return CHRONY_REPLY_VERSION;
	}
	if (size < HEADER_SIZE)
		return CHRONY_REPLY_CUT;
	*status = get16(octets + AT_STATUS);
	if (*status != 0)
		return CHRONY_REPLY_REFUSED;
	if (get16(octets + AT_COMMAND) != COMMAND_TRACKING || get16(octets + AT_REPLY) != REPLY_TRACKING)
		return CHRONY_REPLY_STRANGE;
	if (size < CHRONY_REPLY_SIZE)
		return CHRONY_REPLY_CUT;
	take_report(octets + HEADER_SIZE, tracking);
	return CHRONY_REPLY_TRACKING;
}

const char *chrony_status_words(unsigned status)
{
	static const char *const words[] = {
		[0] = "success",
		[1] = "failed",
		[2] = "not authorised",
		[3] = "it does not know the request",
		[6] = "not enabled",
		[9] = "access denied",
		[10] = "this host has no access",
		[15] = "not active",
		[18] = "it speaks another version of the protocol",
		[19] = "wrong length of the request",
	};

	return status < sizeof words / sizeof words[0] && words[status] ? words[status] : "an unknown status";
}
