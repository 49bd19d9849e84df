/* One moment on CLOCK_REALTIME and CLOCK_MONOTONIC. */
#ifndef ENGINE_INSTANT_H
#define ENGINE_INSTANT_H

#include <stdint.h>

#include <owamp/clock.h>
#include <owamp/engine.h>

/* Readings so close to each other are close enough. */
#define INSTANT_WIDTH_NS 500

/* Where nothing waits for it, and where a packet does: one that lost its CPU at the wrong moment. */
#define INSTANT_TRIES_MANY 10
#define INSTANT_TRIES_FEW  3

/* CLOCK_REALTIME between two readings of CLOCK_MONOTONIC. */
struct instant {
	int64_t before_mono;
	int64_t real_ns;
	int64_t after_mono;
};

/* Of so many tries at most, the closest. */
static inline void instant_read(struct instant *instant, int tries)
{
	int64_t width = INT64_MAX;

	for (; tries > 0 && width > INSTANT_WIDTH_NS; tries--) {
		struct instant now;

		now.before_mono = owamp_mono_ns();
		now.real_ns = owamp_real_ns();
		now.after_mono = owamp_mono_ns();
		if (now.after_mono - now.before_mono >= width)
			continue;
		width = now.after_mono - now.before_mono;
		*instant = now;
	}
}

static inline int64_t instant_mono(const struct instant *instant)
{
	return instant->before_mono + (instant->after_mono - instant->before_mono) / 2;
}

/* By how much the clock was set without the sampler having noticed; 0: not. */
static inline int64_t instant_deviation(const struct instant *instant, const struct owamp_clock *clock)
{
	return owamp_clock_deviation(clock, instant->before_mono, instant->real_ns, instant->after_mono);
}

#endif
