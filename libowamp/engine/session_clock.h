/* What this host's clock did during one session. */
#ifndef ENGINE_SESSION_CLOCK_H
#define ENGINE_SESSION_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/clock.h>

struct session_clock {
	uint32_t steps; /* since it began */
	int64_t step_ns;
	int64_t bound_max_ns;
	const char *source;
	bool contradiction;
	/* Of the snapshot seen last. */
	uint32_t seen_steps;
	int64_t seen_shift_ns;
	bool ended;
};

void session_clock_begin(struct session_clock *self, const struct owamp_clock *clock);

/* If the snapshot is another than before. */
void session_clock_change(struct session_clock *self, const struct owamp_clock_snapshot *snapshot);

/* As it is now, a step included that the sampler has not noticed yet. self is not changed. */
struct session_clock session_clock_now(const struct session_clock *self, const struct owamp_clock *clock);

/* It stays as it is now. */
void session_clock_end(struct session_clock *self, const struct owamp_clock *clock);

/* A packet's stamp, with the bound of the clock then. For each packet, so that it has to be quick. */
static inline void session_clock_note(struct session_clock *self, const struct owamp_clock_snapshot *snapshot,
				      int64_t bound_ns)
{
	if (snapshot->real_less_mono_ns != self->seen_shift_ns || snapshot->steps != self->seen_steps)
		session_clock_change(self, snapshot);
	self->contradiction |= snapshot->disagreement;
	if (bound_ns > self->bound_max_ns)
		self->bound_max_ns = bound_ns;
}

#endif
