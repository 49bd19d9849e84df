/*
 * How far the system clock may be from UTC.
 *
 * One thread samples the sources once a second and publishes a snapshot;
 * reading it takes no lock and no system call, so it can be done for every
 * packet. The bound is a bound, not an estimate: see RFC 4656 section 4.1.2
 * for what goes on the wire.
 */
#ifndef OWAMP_CLOCK_H
#define OWAMP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"

struct owamp_clock;

struct owamp_clock_snapshot {
	bool synchronized;       /* an external source of UTC vouches for the bound */
	int64_t bound_ns;        /* |system clock - UTC| at sampled_at, at most */
	int64_t sampled_at_mono; /* CLOCK_MONOTONIC, ns */
	int64_t drift_ppb;       /* by which the bound grows with age */
	const char *source;      /* "kernel", or "none"; static text */
};

/* Takes a first sample and starts the sampler thread. */
OWAMP_API int owamp_clock_new(struct owamp_clock **clock);
OWAMP_API void owamp_clock_free(struct owamp_clock *clock);

/* The latest snapshot; any thread. */
OWAMP_API void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot);

/*
 * The Error Estimate for a stamp taken at now_mono with a further uncertainty
 * of extra_ns (of the act of stamping). Any thread.
 */
OWAMP_API uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now_mono, int64_t extra_ns);

#endif
