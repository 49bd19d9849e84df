/*
 * chronyd's command protocol, version 6, as far as TRACKING goes: a request of
 * 104 octets (as long as the reply, or it is refused) and its reply. Pure.
 *
 * Reals travel as 32 bits: a signed exponent of 7 and a signed coefficient of 25.
 */
#ifndef CLOCK_CHRONY_WIRE_H
#define CLOCK_CHRONY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHRONY_REQUEST_SIZE 104
#define CHRONY_REPLY_SIZE   104
#define CHRONY_VERSION      6

/* What refers to no server: nobody at all, and chronyd itself ("local"). */
#define CHRONY_REF_NONE  UINT32_C(0)
#define CHRONY_REF_LOCAL UINT32_C(0x7f7f0101)

#define CHRONY_STRATUM_MAX 16 /* not synchronized */

enum chrony_leap {
	CHRONY_LEAP_NORMAL,
	CHRONY_LEAP_INSERT,
	CHRONY_LEAP_DELETE,
	CHRONY_LEAP_UNSYNCHRONISED,
};

/* coefficient x 2^exponent, exactly. */
struct chrony_float {
	int32_t coefficient;
	int exponent;
};
struct chrony_float chrony_float_decode(uint32_t wire);
/* In units of which there are so many in one, to the nearest; INT64_MIN or INT64_MAX if it is beyond. */
int64_t chrony_float_scale(struct chrony_float value, int64_t units);
/* By how much, at most, the number that was encoded differs from that; at least 1. */
int64_t chrony_float_slack(struct chrony_float value, int64_t units);

struct chrony_tracking {
	uint32_t ref_id;
	char address[46];    /* of the server; "": it has none, as a reference clock */
	uint16_t stratum;    /* chronyd's own */
	uint16_t leap;       /* enum chrony_leap, or what there is not */
	int64_t ref_time_ns; /* UTC by chronyd, of the last measurement it used */
	/* What chronyd adds to the system clock to have UTC: positive if the clock is behind. */
	int64_t correction_ns;
	int64_t correction_slack_ns;
	/* What the clock gains without chronyd; positive if it runs fast. */
	int64_t freq_ppb;
	/* Enlarged by what their encoding may have taken. */
	int64_t residual_ppb; /* unsigned */
	int64_t skew_ppb;
	int64_t root_delay_ns;
	int64_t root_dispersion_ns;
	bool absurd; /* a number that no such quantity has: below 0, or of a century */
};

void chrony_request_encode(uint8_t request[CHRONY_REQUEST_SIZE], uint32_t sequence);

enum chrony_reply {
	CHRONY_REPLY_OTHER,    /* not to this request */
	CHRONY_REPLY_TRACKING, /* tracking is set */
	CHRONY_REPLY_REFUSED,  /* status is set, not 0 */
	CHRONY_REPLY_VERSION,  /* status is the version it is in */
	CHRONY_REPLY_CUT,      /* too short */
	CHRONY_REPLY_STRANGE,  /* of another kind */
};
enum chrony_reply chrony_reply_decode(const uint8_t *octets, size_t size, uint32_t sequence,
				      struct chrony_tracking *tracking, unsigned *status);

/* "not authorised", ... Static text. */
const char *chrony_status_words(unsigned status);

#endif
