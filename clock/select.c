#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

struct select {
	struct owamp_clock_config config;
	struct owamp_clock_status status;
};

int select_new(struct select **select, const struct owamp_clock_config *config)
{
	*select = calloc(1, sizeof **select);
	if (!*select)
		return OWAMP_ENOMEM;
	(*select)->config = *config;
	(*select)->status.snapshot = (struct owamp_clock_snapshot){.bound_ns = SELECT_UNKNOWN_BOUND_NS,
								   .drift_ppb = SELECT_UNKNOWN_DRIFT_PPB,
								   .source = OWAMP_CLOCK_NONE};
	return 0;
}

void select_free(struct select *select)
{
	free(select);
}

void select_round(struct select *select, const struct select_facts *facts,
		  const struct clock_reading *readings)
{
	struct owamp_clock_snapshot *s = &select->status.snapshot;
	uint32_t steps = s->steps;

	*s = (struct owamp_clock_snapshot){.bound_ns = SELECT_UNKNOWN_BOUND_NS,
					   .drift_ppb = SELECT_UNKNOWN_DRIFT_PPB,
					   .source = OWAMP_CLOCK_NONE,
					   .steps = steps,
					   .sampled_at_mono = facts->mono_ns,
					   .real_less_mono_ns = facts->real_less_mono_ns};
	select->status.now_mono = facts->mono_ns;
	select->status.now_real = facts->real_ns;
	select->status.count = select->config.count;
	select->status.steering = facts->kernel.steering;
	for (size_t i = 0; i < select->config.count; i++) {
		struct owamp_clock_source_status *source = &select->status.sources[i];

		*source = (struct owamp_clock_source_status){.kind = select->config.sources[i].kind,
							     .source = readings[i].source,
							     .state = readings[i].state,
							     .measured = readings[i].measured,
							     .offset_ns = readings[i].offset_ns,
							     .error_ns = readings[i].error_ns,
							     .drift_ppb = readings[i].drift_ppb};
		memcpy(source->name, select->config.sources[i].name, sizeof source->name);
		memcpy(source->text, readings[i].text, sizeof source->text);
		source->bound_ns = llabs(source->offset_ns) + source->error_ns;
		source->age_ns = facts->mono_ns - readings[i].mono_ns;
		if (source->state != OWAMP_CLOCK_VALID || source->bound_ns >= s->bound_ns)
			continue;
		s->synchronized = true;
		s->bound_ns = source->bound_ns;
		s->sampled_at_mono = readings[i].mono_ns;
		s->source = source->source;
		s->drift_ppb = source->drift_ppb >= 0 ? source->drift_ppb : select->config.drift_max_ppb;
	}
	select->status.bound_ns = owamp_clock_bound(s, facts->mono_ns);
}

void select_stepped(struct select *select, int64_t mono_ns, int64_t step_ns)
{
	select->status.snapshot.synchronized = false;
	select->status.snapshot.bound_ns += llabs(step_ns);
	select->status.snapshot.steps++;
	select->status.step_ns = step_ns;
	select->status.step_mono = mono_ns;
}

void select_snapshot(const struct select *select, struct owamp_clock_snapshot *snapshot)
{
	*snapshot = select->status.snapshot;
}

void select_status(const struct select *select, struct owamp_clock_status *status)
{
	*status = select->status;
}
