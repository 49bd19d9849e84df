#include "session_clock.h"

#include "instant.h"

void session_clock_begin(struct session_clock *self, const struct owamp_clock *clock)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	*self = (struct session_clock){
		.source = snapshot.source,
		.contradiction = snapshot.disagreement,
		.seen_steps = snapshot.steps,
		.seen_shift_ns = snapshot.real_less_mono_ns,
	};
}

/* Leap seconds and the inaccuracy of reading change the difference of the clocks as well. */
void session_clock_change(struct session_clock *self, const struct owamp_clock_snapshot *snapshot)
{
	if (snapshot->steps != self->seen_steps) {
		self->steps += snapshot->steps - self->seen_steps;
		self->step_ns += snapshot->real_less_mono_ns - self->seen_shift_ns;
	}
	self->seen_steps = snapshot->steps;
	self->seen_shift_ns = snapshot->real_less_mono_ns;
	self->source = snapshot->source;
}

struct session_clock session_clock_now(const struct session_clock *self, const struct owamp_clock *clock)
{
	struct session_clock now = *self;
	struct owamp_clock_snapshot snapshot;
	struct instant instant;
	uint32_t steps;
	int64_t deviation;

	if (now.ended)
		return now;
	owamp_clock_read(clock, &snapshot);
	steps = snapshot.steps;
	instant_read(&instant, INSTANT_TRIES_FEW);
	deviation = instant_deviation(&instant, clock);
	/* In between the sampler may have noticed. */
	owamp_clock_read(clock, &snapshot);
	session_clock_change(&now, &snapshot);
	now.contradiction |= snapshot.disagreement;
	if (deviation != 0 && snapshot.steps == steps) {
		now.steps++;
		now.step_ns += deviation;
	}
	return now;
}

void session_clock_end(struct session_clock *self, const struct owamp_clock *clock)
{
	*self = session_clock_now(self, clock);
	self->ended = true;
}
