/* The last round, source by source. */
#include "select_parts.h"

#include <string.h>

size_t select_steering_source(const struct select *select, enum owamp_clock_kind kind)
{
	for (size_t i = 0; i < select->config.count; i++) {
		const struct member *member = &select->members[i];

		if (select->config.sources[i].kind == kind && member->valid && member->reading.steers)
			return i;
	}
	return SELECT_NOBODY;
}

static bool is_chrony_valid(const struct select *select)
{
	for (size_t i = 0; i < select->config.count; i++) {
		if (select->config.sources[i].kind == OWAMP_CLOCK_KIND_CHRONY && select->members[i].valid)
			return true;
	}
	return false;
}

/* Who says of himself that he steers knows better than the kernel, whose account they all keep. */
static enum owamp_clock_steering steering(const struct select *select)
{
	enum owamp_clock_steering kernel = select->facts.kernel.steering;

	if (select_steering_source(select, OWAMP_CLOCK_KIND_PTP) != SELECT_NOBODY)
		return OWAMP_CLOCK_STEERED_BY_PTP;
	if (select_steering_source(select, OWAMP_CLOCK_KIND_CHRONY) != SELECT_NOBODY)
		return OWAMP_CLOCK_STEERED_BY_CHRONY;
	if (kernel == OWAMP_CLOCK_STEERED_BY_NTP && is_chrony_valid(select))
		return OWAMP_CLOCK_STEERED_BY_CHRONY;
	return kernel;
}

static enum owamp_clock_state state_of(const struct member *member)
{
	if (member->valid)
		return OWAMP_CLOCK_VALID;
	if (member->holdover)
		return OWAMP_CLOCK_HOLDOVER;
	return member->reading.state == OWAMP_CLOCK_VALID ? OWAMP_CLOCK_DOUBTFUL : member->reading.state;
}

/* Its claim, if it has one that counts, or else what it measured without vouching for it. */
static bool claim_of(const struct select *select, size_t index, struct interval *claim)
{
	const struct member *member = &select->members[index];
	const struct clock_reading *reading = &member->reading;

	if (member->valid || member->holdover || select->stated == index) {
		*claim = member->interval;
		return true;
	}
	*claim = (struct interval){
		.mono_ns = reading->mono_ns,
		.offset_ns = reading->offset_ns,
		.error_ns = reading->error_ns,
		.drift_ppb = reading->drift_ppb >= 0 ? reading->drift_ppb : select->config.drift_max_ppb,
	};
	return reading->measured && !(select->snapshot.steps > 0 && reading->mono_ns <= select->step_mono);
}

static void tell_source(const struct select *select, size_t index, struct owamp_clock_source_status *status)
{
	const struct member *member = &select->members[index];
	struct interval claim;

	*status = (struct owamp_clock_source_status){
		.kind = select->config.sources[index].kind,
		.source = member->reading.source,
		.state = state_of(member),
		.used = select->stated == index,
		.contradicted = conflict_has(select, index),
		.steers = member->reading.steers,
		.measured = claim_of(select, index, &claim),
	};
	memcpy(status->name, select->config.sources[index].name, sizeof status->name);
	if (status->measured) {
		status->offset_ns = claim.offset_ns;
		status->error_ns = claim.error_ns;
		status->drift_ppb = claim.drift_ppb;
		status->bound_ns = interval_bound(&claim, select->now_mono);
		status->age_ns = interval_add(select->now_mono, -claim.mono_ns);
	}
	select_source_text(select, index, status->text, sizeof status->text);
}

void select_status(const struct select *select, struct owamp_clock_status *status)
{
	*status = (struct owamp_clock_status){
		.snapshot = select->snapshot,
		.steering = steering(select),
		.now_mono = select->now_mono,
		.now_real = select->now_mono + select->snapshot.real_less_mono_ns,
		.bound_ns = owamp_clock_bound(&select->snapshot, select->now_mono),
		.step_ns = select->step_ns,
		.step_mono = select->step_mono,
		.holdover = select->stated != SELECT_NOBODY && select->members[select->stated].holdover,
		.count = select->config.count,
	};
	for (size_t i = 0; i < select->config.count; i++)
		tell_source(select, i, &status->sources[i]);
	select_alarm_text(select, status->alarm, sizeof status->alarm);
}
