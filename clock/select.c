#include "select_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#define SECOND_NS INT64_C(1000000000)
#define PPB       1000000000

/* Rounds are no further apart, unless the machine stands still. */
#define ROUND_NS (2 * SECOND_NS)

/* Between two leap seconds there is more, between two looks at one there is less. */
#define LEAP_APART_NS (60 * SECOND_NS)

bool member_counts(const struct select *select, size_t index)
{
	const struct member *member = &select->members[index];

	return member->valid &&
	       (select->snapshot.steps == 0 || member->confirmations >= SELECT_CONFIRMATIONS);
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Against a time that is smeared a clock runs by so much faster or slower. */
static int64_t smear_ppb(const struct select *select)
{
	return select->config.smear_ns > 0 ? (int64_t)((__int128)SECOND_NS * PPB / select->config.smear_ns)
					   : 0;
}

static bool is_void(const struct select *select, const struct clock_reading *reading)
{
	return select->snapshot.steps > 0 && reading->mono_ns <= select->step_mono;
}

static void note_leap(struct select *select)
{
	int64_t mono_ns = select->facts.mono_ns;

	if (!select->facts.leaping)
		return;
	if (select->leap_to_mono == 0 || select->leap_to_mono < mono_ns - LEAP_APART_NS)
		select->leap_from_mono = mono_ns - ROUND_NS;
	select->leap_to_mono = mono_ns + ROUND_NS;
}

/*
 * Stamps taken around a leap second may be off by it, a source's too: what was
 * measured before is better, and nothing is lost by waiting.
 */
static bool is_of_leap(const struct select *select, const struct clock_reading *reading)
{
	return select->leap_to_mono && reading->mono_ns >= select->leap_from_mono &&
	       reading->mono_ns <= select->leap_to_mono;
}

static bool is_to_wait(const struct select *select, const struct member *member)
{
	return is_of_leap(select, &member->reading) && (member->broken || member->track.count == 0);
}

/*
 * How far the source's time was from UTC when it measured: what it is now, and
 * as fast as the user says that a leap second is smeared more.
 */
static int64_t smear_of(const struct select *select, const struct clock_reading *reading)
{
	int64_t smear_ns = larger(select->facts.smear_ns, select->smear_before_ns);

	if (smear_ns == 0)
		return 0;
	return interval_add(smear_ns,
			    interval_growth(select->now_mono - reading->mono_ns, smear_ppb(select)));
}

static void hear_measurement(struct select *select, struct member *member)
{
	int64_t freq_ppb = select->facts.kernel.freq_ppb;
	bool repeated = track_ends_with(&member->track, &member->reading);

	if (is_of_leap(select, &member->reading)) {
		track_idle(&member->track, freq_ppb);
		return;
	}
	if (member->broken && !repeated)
		track_forget(&member->track, member->interval.drift_ppb);
	if (track_add(&member->track, &member->reading, freq_ppb)) {
		/* What was changed since the last round was changed after this measurement, or before. */
		track_idle(&member->track, select->freq_before_ppb);
		member->confirmations++;
		member->smear_ns = smear_of(select, &member->reading);
	}
	if (!repeated)
		member->broken = false;
}

/* After an interruption it may measure by another path, against another clock: nothing is joined to what it
 * said before. */
static void fall_silent(struct select *select, size_t index, bool was_valid)
{
	struct member *member = &select->members[index];

	member->broken = true;
	track_idle(&member->track, select->facts.kernel.freq_ppb);
	if (was_valid && select->snapshot.synchronized && select->stated == index) {
		member->holdover = true;
		member->limit_ns =
			larger(select->config.holdover_ns, interval_add(member->bound_ns, member->bound_ns));
	}
}

/* The last moment for which its last word vouches. */
static int64_t holdover_end(const struct select *select, const struct member *member)
{
	int64_t by_bound = interval_within_until(&member->interval, member->limit_ns);
	int64_t by_time = interval_add(member->valid_mono, select->config.holdover_time_ns);

	return by_bound < by_time ? by_bound : by_time;
}

static void measure(struct select *select, struct member *member)
{
	if (member->track.count == 0)
		return;
	track_interval(&member->track, select->config.drift_max_ppb, &member->interval);
	if (member->smear_ns > 0)
		member->interval.drift_ppb = interval_add(member->interval.drift_ppb, smear_ppb(select));
	if (!member->valid)
		member->interval.drift_ppb = larger(member->interval.drift_ppb, TRACK_OSCILLATOR_PPB);
	member->bound_ns = interval_bound(&member->interval, select->now_mono);
	if (member->holdover && select->now_mono > holdover_end(select, member))
		member->holdover = false;
}

static void hear(struct select *select, size_t index, const struct clock_reading *reading)
{
	struct member *member = &select->members[index];
	bool was_valid = member->valid;

	member->reading = *reading;
	member->valid = reading->state == OWAMP_CLOCK_VALID && reading->measured &&
			!is_void(select, reading) && !is_to_wait(select, member);
	if (member->valid) {
		member->holdover = false;
		member->refuted_by = SELECT_NOBODY;
		member->valid_mono = select->now_mono;
		hear_measurement(select, member);
	} else {
		fall_silent(select, index, was_valid);
	}
	measure(select, member);
}

static size_t worst_valid(const struct select *select, int64_t *drift_ppb)
{
	size_t worst = SELECT_NOBODY;

	*drift_ppb = 0;
	for (size_t i = 0; i < select->config.count; i++) {
		if (!member_counts(select, i))
			continue;
		*drift_ppb = larger(*drift_ppb, select->members[i].interval.drift_ppb);
		if (worst == SELECT_NOBODY || select->members[i].bound_ns > select->members[worst].bound_ns)
			worst = i;
	}
	return worst;
}

/* Beside what a source or the rest claims: what the time of day makes uncertain. */
static void add_extra(struct select *select, int64_t smear_ns)
{
	select->smear_ns = larger(smear_ns, select->facts.smear_ns);
	select->extra_ns = interval_add(select->smear_ns, select->facts.leaping ? SECOND_NS : 0);
	select->snapshot.bound_ns = interval_add(select->snapshot.bound_ns, select->extra_ns);
}

static void state_claim(struct select *select, size_t whose, const struct interval *claim, int64_t smear_ns)
{
	struct owamp_clock_snapshot *snapshot = &select->snapshot;

	if (whose != select->stated || !select->heard)
		snapshot->since_mono = select->now_mono;
	select->stated = whose;
	snapshot->bound_ns = interval_add(interval_magnitude(claim->offset_ns), claim->error_ns);
	snapshot->sampled_at_mono = claim->mono_ns;
	snapshot->drift_ppb = claim->drift_ppb;
	snapshot->source = whose == SELECT_NOBODY ? OWAMP_CLOCK_NONE : select->members[whose].track.source;
	add_extra(select, smear_ns);
}

static void state_rest(struct select *select)
{
	if (!select->rest_known)
		select->rest.mono_ns = select->now_mono;
	state_claim(select, SELECT_NOBODY, &select->rest, select->rest_smear_ns);
}

static void state_member(struct select *select, size_t index, int64_t drift_ppb)
{
	struct interval claim = select->members[index].interval;

	claim.drift_ppb = larger(claim.drift_ppb, drift_ppb);
	state_claim(select, index, &claim, select->members[index].smear_ns);
}

static int64_t vouched_until(const struct select *select)
{
	const struct member *member = &select->members[select->chosen];
	int64_t until = select->now_mono - select->facts.took_ns + SELECT_VOUCHED_NS;

	if (member->holdover && holdover_end(select, member) < until)
		return holdover_end(select, member);
	return until;
}

/* What is stated while sources contradict each other is the word of the one that is furthest out, and none
 * of the others may get further until the next round. */
static void state_verdict(struct select *select)
{
	int64_t drift_ppb = 0;
	size_t whose = select->chosen;

	select->snapshot.disagreement = conflict_is(select);
	if (select->snapshot.disagreement)
		whose = worst_valid(select, &drift_ppb);
	select->snapshot.synchronized = !select->snapshot.disagreement && whose != SELECT_NOBODY;
	select->snapshot.vouched_until_mono = select->snapshot.synchronized ? vouched_until(select) : 0;
	if (whose == SELECT_NOBODY)
		whose = select->stated; /* its last word does not vouch any more, but nobody knows better */
	if (whose == SELECT_NOBODY)
		state_rest(select);
	else
		state_member(select, whose, drift_ppb);
}

/* The kernel's, else the used source's, else of any that is valid. */
static void state_leap(struct select *select)
{
	struct owamp_clock_snapshot *snapshot = &select->snapshot;
	const struct clock_reading *used =
		select->stated == SELECT_NOBODY ? NULL : &select->members[select->stated].reading;

	snapshot->leap = select->facts.kernel.leap;
	snapshot->tai_utc = select->facts.kernel.tai_utc;
	if (snapshot->leap == 0 && used)
		snapshot->leap = used->leap;
	if (snapshot->tai_utc == 0 && used)
		snapshot->tai_utc = used->tai_utc;
	for (size_t i = 0; i < select->config.count; i++) {
		const struct member *member = &select->members[i];

		if (snapshot->leap == 0 && member->valid)
			snapshot->leap = member->reading.leap;
		if (snapshot->tai_utc == 0 && member->valid)
			snapshot->tai_utc = member->reading.tai_utc;
	}
}

/*
 * The kernel's account of a clock that chronyd steers is chronyd's, without the
 * correction that is still to be made: it can be tighter than what chronyd
 * itself says, and not true. Whether it steers takes some rounds to see, and by
 * then there would have been an alarm. Who has no answer from a chronyd that
 * steers is told so by the kernel's source: see there.
 */
static void pass_over(struct clock_reading *kernel)
{
	kernel->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(
		kernel->text, sizeof kernel->text,
		"chronyd itself is asked, and keeps it without the correction it still makes; if chronyd "
		"only measures (-x) and another daemon keeps it, configure no source chrony");
}

static void hear_all(struct select *select, const struct clock_reading *readings)
{
	const struct owamp_clock_config *config = &select->config;
	bool chronyd = false;

	for (size_t i = 0; i < config->count; i++)
		chronyd = chronyd || (config->sources[i].kind == OWAMP_CLOCK_KIND_CHRONY &&
				      readings[i].state != OWAMP_CLOCK_ABSENT);
	for (size_t i = 0; i < config->count; i++) {
		struct clock_reading reading = readings[i];

		if (chronyd && config->sources[i].kind == OWAMP_CLOCK_KIND_KERNEL &&
		    reading.state == OWAMP_CLOCK_VALID)
			pass_over(&reading);
		hear(select, i, &reading);
	}
}

/* Against a time that begins or ends to be smeared all clocks turn: a line through both is none. */
static void break_at_smear(struct select *select)
{
	if ((select->facts.smear_ns > 0) == (select->smear_before_ns > 0))
		return;
	for (size_t i = 0; i < select->config.count; i++)
		select->members[i].broken = true;
}

void select_round(struct select *select, const struct select_facts *facts,
		  const struct clock_reading *readings)
{
	select->smear_before_ns = select->facts.smear_ns;
	select->freq_before_ppb = select->heard ? select->facts.kernel.freq_ppb : facts->kernel.freq_ppb;
	select->facts = *facts;
	select->now_mono = facts->mono_ns;
	note_leap(select);
	break_at_smear(select);
	hear_all(select, readings);
	conflict_look(select);
	conflict_refute(select);
	if (conflict_is(select))
		select->chosen = SELECT_NOBODY; /* and it is chosen afresh afterwards */
	else
		choice_make(select);
	state_verdict(select);
	state_leap(select);
	select->snapshot.real_less_mono_ns = facts->real_less_mono_ns;
	select->heard = true;
}

/* Whoever steers the clock has to pull it back now. */
static void forget(struct member *member, int64_t drift_max_ppb)
{
	track_forget(&member->track, drift_max_ppb);
	member->valid = member->holdover = false;
	member->refuted_by = SELECT_NOBODY;
	member->confirmations = member->better = member->equal = 0;
}

static void unknown_rest(struct select *select)
{
	select->rest_known = false;
	select->rest = (struct interval){.mono_ns = select->now_mono,
					 .error_ns = SELECT_UNKNOWN_BOUND_NS,
					 .drift_ppb = SELECT_UNKNOWN_DRIFT_PPB};
}

/* Of whatever was stated: without what it has because of the time of day, which is added again. */
static void enlarge_rest(struct select *select, int64_t mono_ns, int64_t step_ns)
{
	const struct owamp_clock_snapshot *before = &select->snapshot;

	select->rest_known = select->rest_known || select->stated != SELECT_NOBODY;
	select->rest_smear_ns = select->smear_ns;
	select->rest = (struct interval){
		.mono_ns = mono_ns,
		.error_ns = interval_add(owamp_clock_bound(before, mono_ns) - select->extra_ns,
					 interval_magnitude(step_ns)),
		.drift_ppb = larger(before->drift_ppb, select->config.drift_max_ppb),
	};
}

void select_stepped(struct select *select, int64_t mono_ns, int64_t step_ns)
{
	select->now_mono = mono_ns;
	if (step_ns == 0)
		unknown_rest(select);
	else
		enlarge_rest(select, mono_ns, step_ns);
	for (size_t i = 0; i < select->config.count; i++)
		forget(&select->members[i], select->config.drift_max_ppb);
	select->chosen = SELECT_NOBODY;
	select->snapshot.steps++;
	select->snapshot.synchronized = false;
	select->snapshot.vouched_until_mono = 0;
	select->snapshot.real_less_mono_ns += step_ns;
	select->step_ns = step_ns;
	select->step_mono = mono_ns;
	state_rest(select);
}

void select_snapshot(const struct select *select, struct owamp_clock_snapshot *snapshot)
{
	*snapshot = select->snapshot;
}

int select_new(struct select **select, const struct owamp_clock_config *config)
{
	struct select *s = calloc(1, sizeof *s);

	*select = s;
	if (!s)
		return OWAMP_ENOMEM;
	s->config = *config;
	s->chosen = s->stated = SELECT_NOBODY;
	for (size_t i = 0; i < config->count; i++) {
		s->members[i].reading.source = OWAMP_CLOCK_NONE;
		s->members[i].reading.drift_ppb = -1;
		s->members[i].refuted_by = SELECT_NOBODY;
	}
	unknown_rest(s);
	state_rest(s);
	return 0;
}

void select_free(struct select *select)
{
	free(select);
}
