/*
 * A maximum that fades: what was seen in the last second in which anything was
 * seen counts in full, and what was seen before it is halved each second. So
 * one preemption does not stay for long, however few packets there are, and
 * silence forgets nothing.
 */
#ifndef ENGINE_FADING_H
#define ENGINE_FADING_H

#include <stdint.h>

#define FADING_INTERVAL_NS INT64_C(1000000000)

struct fading {
	int64_t before_ns; /* of the intervals that are over */
	int64_t recent_ns; /* of this one */
	int64_t since_ns;  /* its start */
};

static inline int64_t fading_max(const struct fading *fading)
{
	return fading->recent_ns > fading->before_ns ? fading->recent_ns : fading->before_ns;
}

static inline void fading_note(struct fading *fading, int64_t now_ns, int64_t value_ns)
{
	if (now_ns - fading->since_ns >= FADING_INTERVAL_NS) {
		fading->before_ns /= 2;
		fading->before_ns = fading_max(fading);
		fading->recent_ns = 0;
		fading->since_ns = now_ns;
	}
	if (value_ns > fading->recent_ns)
		fading->recent_ns = value_ns;
}

#endif
