/*
 * Time as RFC 4656 has it (section 4.1.2) and as the rest of the world has it.
 *
 * On the wire a timestamp is 32 bits of seconds since 1900-01-01 and 32 bits
 * of fraction; it wraps in 2036 and every 136 years. All protocol code works
 * with these wrapping numbers and their signed differences, so an era
 * boundary needs no special case; only the conversion to Unix time has to be
 * told roughly what time it is.
 *
 * All functions are pure and safe to call from any thread.
 */
#ifndef OWAMP_TIMESTAMP_H
#define OWAMP_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"

/* A point in time: 32.32 fixed point seconds since 1900, modulo 2^32 s. */
typedef uint64_t owamp_ntp;

/* A span of time: 32.32 fixed point seconds, unsigned. */
typedef uint64_t owamp_interval;

#define OWAMP_INTERVAL_MAX ((owamp_interval)INT64_MAX)
#define OWAMP_SECOND       ((owamp_interval)1 << 32)

/* Unix time in ns (since 1970, UTC) to a timestamp, rounded to nearest. */
OWAMP_API owamp_ntp owamp_ntp_from_unix_ns(int64_t unix_ns);

/*
 * A timestamp to Unix time in ns, rounded to nearest. The NTP era is chosen so
 * that the result lies within 68 years of near_unix_ns, or the nearest that fits
 * if that does not.
 */
OWAMP_API int64_t owamp_ntp_to_unix_ns(owamp_ntp time, int64_t near_unix_ns);

/* later - earlier, in units of 2^-32 s; negative if later is before earlier. */
OWAMP_API int64_t owamp_ntp_diff(owamp_ntp later, owamp_ntp earlier);

/* later - earlier, in ns, rounded to nearest. */
OWAMP_API int64_t owamp_ntp_diff_ns(owamp_ntp later, owamp_ntp earlier);

/* ns to an interval, rounded to nearest; saturates at OWAMP_INTERVAL_MAX. */
OWAMP_API owamp_interval owamp_interval_from_ns(uint64_t ns);

/* An interval to ns, rounded to nearest; saturates at INT64_MAX. */
OWAMP_API int64_t owamp_interval_to_ns(owamp_interval interval);

/* The Error Estimate field, RFC 4656 section 4.1.2: S, Z, Scale, Multiplier. */
#define OWAMP_ERROR_S 0x8000

/*
 * What a lost-packet record has as its send error estimate (section 3.9).
 * The text asks for Scale=64, which does not fit six bits; 0 is what is used.
 */
#define OWAMP_ERROR_LOST 0x0001

/*
 * The smallest Error Estimate that is not below bound_ns: the bound is always
 * rounded up and Multiplier is never 0. S is set if synchronized.
 */
OWAMP_API uint16_t owamp_error_estimate(uint64_t bound_ns, bool synchronized);

/* The bound an Error Estimate states, in ns, rounded up; saturates at INT64_MAX. */
OWAMP_API int64_t owamp_error_estimate_ns(uint16_t estimate);

OWAMP_API bool owamp_error_estimate_synchronized(uint16_t estimate);

/* Multiplier 0 marks a corrupt packet (section 4.1.2). */
OWAMP_API bool owamp_error_estimate_valid(uint16_t estimate);

#endif
