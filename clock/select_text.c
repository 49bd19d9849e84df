/* Why a source is used or is not, and who contradicts whom: lines for somebody who was woken by an alarm. */
#include "select_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cut off where there is no more room. */
static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text + length, size - length, format, list);
	va_end(list);
}

static const char *name_of(const struct select *select, size_t index)
{
	return select->config.sources[index].name;
}

/* The other one, and the rounds, one a second, that have passed without a contradiction. */
static size_t opponent(const struct select *select, size_t index, unsigned *calm)
{
	size_t other = 0;

	while (other == index || !conflict_between(select, index, other))
		other++;
	*calm = conflict_calm(select, index, other);
	return other;
}

static void contradicted_text(const struct select *select, size_t index, char *text, size_t size)
{
	unsigned calm;
	const char *other = name_of(select, opponent(select, index, &calm));

	if (calm == 0)
		append(text, size, "contradicts %s", other);
	else
		append(text, size, "contradicted %s %u s ago, which counts for %d s", other, calm,
		       CONFLICT_ROUNDS);
	if (select->stated == index)
		append(text, size, "; used as the largest bound");
}

/* The smallest bound of the others that could be used. */
static size_t best_other(const struct select *select, size_t index)
{
	size_t best = SELECT_NOBODY;

	for (size_t i = 0; i < select->config.count; i++) {
		if (i == index || !choice_is_open_to(select, i))
			continue;
		if (best == SELECT_NOBODY || select->members[i].bound_ns < select->members[best].bound_ns)
			best = i;
	}
	return best;
}

static void used_text(const struct select *select, size_t index, char *text, size_t size)
{
	size_t other = best_other(select, index);

	if (other == SELECT_NOBODY)
		append(text, size, "used: the only one that vouches");
	else if (select->members[index].bound_ns <= select->members[other].bound_ns)
		append(text, size, "used: smallest bound");
	else
		append(text, size, "used: %s is not enough better, or not for long enough",
		       name_of(select, other));
}

static void unused_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct member *member = &select->members[index];
	char bound[WORDS_SIZE];

	append(text, size, "valid, bound %s ", words_bound(bound, member->bound_ns));
	if (select->stated == SELECT_NOBODY)
		append(text, size, "is not taken");
	else if (member->bound_ns > select->members[select->stated].bound_ns)
		append(text, size, "is larger than that of %s", name_of(select, select->stated));
	else
		append(text, size, "is no larger than that of %s: taken if that lasts",
		       name_of(select, select->stated));
}

static void valid_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct member *member = &select->members[index];

	if (!member_counts(select, index))
		append(text, size, "valid, but to be confirmed: measured only once since the clock was set");
	else if (conflict_has(select, index))
		contradicted_text(select, index, text, size);
	else if (select->stated == index && select->snapshot.disagreement)
		append(text, size, "used as the largest bound while others contradict each other");
	else if (select->snapshot.disagreement)
		append(text, size, "valid, not used while others contradict each other");
	else if (select->stated == index)
		used_text(select, index, text, size);
	else
		unused_text(select, index, text, size);
	if (track_is_widened(&member->track))
		append(text, size, "; %zu %s so far: the bound is larger until there are %d",
		       member->track.count, member->track.count == 1 ? "reading" : "readings", TRACK_MANY);
	if (member->reading.text[0])
		append(text, size, "; %s", member->reading.text);
}

/* It is not valid, but its last word counts for something. */
static void silent_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct member *member = &select->members[index];
	char age[WORDS_SIZE], limit[WORDS_SIZE], time[WORDS_SIZE];

	if (select->stated == index)
		append(text, size, "used, ");
	append(text, size, "silent for %s", words_age(age, select->now_mono - member->interval.mono_ns));
	if (member->reading.text[0])
		append(text, size, " (%.120s)", member->reading.text);
	if (member->holdover)
		append(text, size, ": its last word counts up to %s or for %s",
		       words_bound(limit, member->limit_ns),
		       words_time(time, select->config.holdover_time_ns));
	else if (member->refuted_by != SELECT_NOBODY)
		append(text, size, ": its last word was contradicted by %s",
		       name_of(select, member->refuted_by));
	else
		append(text, size, ": its last word vouches no more, but nobody knows better");
}

/* It would be valid by its own account. */
static void waiting_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct clock_reading *reading = &select->members[index].reading;

	if (!reading->measured)
		append(text, size, "has measured nothing");
	else if (select->snapshot.steps > 0 && reading->mono_ns <= select->step_mono)
		append(text, size, "has not measured since the clock was set");
	else
		append(text, size, "has said nothing before this leap second: waiting until it is over");
	if (reading->text[0])
		append(text, size, "; %s", reading->text);
}

void select_source_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct member *member = &select->members[index];

	text[0] = '\0';
	if (member->valid)
		valid_text(select, index, text, size);
	else if (member->holdover || member->refuted_by != SELECT_NOBODY || select->stated == index)
		silent_text(select, index, text, size);
	else if (member->reading.state == OWAMP_CLOCK_VALID)
		waiting_text(select, index, text, size);
	else if (member->reading.text[0])
		append(text, size, "%s", member->reading.text);
	else
		append(text, size, "%s", select->heard ? "says nothing" : "not asked yet");
}

static void claim_text(const struct select *select, size_t index, char *text, size_t size)
{
	const struct interval *interval = &select->members[index].interval;
	char offset[WORDS_SIZE], error[WORDS_SIZE];

	append(text, size, "%s says %s +-%s", name_of(select, index),
	       words_offset(offset, interval->offset_ns),
	       words_bound(error, interval_error(interval, select->now_mono)));
}

static void conflict_text(const struct select *select, char *text, size_t size)
{
	unsigned pairs, calm;
	size_t a, b;

	if (!conflict_first(select, &a, &b, &pairs))
		return;
	calm = conflict_calm(select, a, b);
	if (calm == 0) {
		claim_text(select, a, text, size);
		append(text, size, ", ");
		claim_text(select, b, text, size);
		append(text, size, ": they contradict each other");
	} else {
		append(text, size, "%s and %s contradicted each other %u s ago, which counts for %d s",
		       name_of(select, a), name_of(select, b), calm, CONFLICT_ROUNDS);
	}
	if (pairs > 1)
		append(text, size, " (and %u more %s)", pairs - 1, pairs == 2 ? "pair" : "pairs");
}

void select_alarm_text(const struct select *select, char *text, size_t size)
{
	size_t ptp = select_steering_source(select, OWAMP_CLOCK_KIND_PTP);
	size_t chrony = select_steering_source(select, OWAMP_CLOCK_KIND_CHRONY);

	text[0] = '\0';
	conflict_text(select, text, size);
	if (select->facts.smear_unknown)
		append(text, size,
		       "%sleap_file has expired: the bound has what a smeared leap second may be off; "
		       "install a newer tzdata",
		       text[0] ? "; " : "");
	if (ptp != SELECT_NOBODY && chrony != SELECT_NOBODY)
		append(text, size, "%stwo programs set the clock: ptp4l or phc2sys (%s) and chronyd (%s)",
		       text[0] ? "; " : "", name_of(select, ptp), name_of(select, chrony));
}
