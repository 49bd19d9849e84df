#include "owping/timeline.h"

#include <owamp/engine.h>

/* A source that does not say how its bound grows stays at what it said. */
static void grow(struct owamp_clock_source_status *source, int64_t ns)
{
	const struct owamp_clock_snapshot then = {.bound_ns = source->bound_ns,
						  .drift_ppb = source->drift_ppb};

	if (!source->measured)
		return;
	source->age_ns += ns;
	if (source->drift_ppb > 0)
		source->bound_ns = owamp_clock_bound(&then, ns);
}

void owping_clock_read(struct owamp_clock_status *status, struct owamp_clock *clock)
{
	int64_t ns;

	owamp_clock_status(clock, status);
	ns = owamp_mono_ns() - status->now_mono;
	status->now_mono += ns;
	status->now_real += ns;
	status->bound_ns = owamp_clock_bound(&status->snapshot, status->now_mono);
	for (size_t i = 0; i < status->count; i++)
		grow(&status->sources[i], ns);
}

int64_t owping_clock_step(const struct owamp_clock_status *before, const struct owamp_clock_status *after)
{
	int64_t sum = after->stepped_ns - before->stepped_ns;

	if (after->snapshot.steps == before->snapshot.steps)
		return 0;
	/* Set and set back: it was set all the same. */
	return sum != 0 ? sum : after->step_ns;
}
