#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#include "clock/report.h"
#include "clock/report_words.h"

#define LINE_SIZE 512

struct changes {
	const struct owamp_clock_status *before; /* NULL: this is the first look */
	const struct owamp_clock_status *now;
	void (*line)(void *context, int level, const char *text);
	void *context;
};

__attribute__((format(printf, 3, 4))) static void say(const struct changes *changes, int level,
						      const char *format, ...)
{
	char text[LINE_SIZE] = "clock: ";
	size_t prefix = strlen(text);
	va_list list;

	va_start(list, format);
	vsnprintf(text + prefix, sizeof(text) - prefix, format, list);
	va_end(list);
	changes->line(changes->context, level, clock_report_clean(text));
}

/* The text of an alarm tells amounts, which change all the time; who is in it is what matters. */
static bool same_contradiction(const struct owamp_clock_status *before, const struct owamp_clock_status *now)
{
	for (size_t i = 0; i < now->count; i++)
		if (i >= before->count || before->sources[i].contradicted != now->sources[i].contradicted)
			return false;
	return true;
}

static void look_at_alarm(const struct changes *changes)
{
	const struct owamp_clock_status *before = changes->before, *now = changes->now;
	bool was = before && before->alarm[0];

	if (now->alarm[0] && (!was || !same_contradiction(before, now)))
		say(changes, LOG_ERR, "ALARM: %s", now->alarm);
	else if (was && !now->alarm[0])
		say(changes, LOG_NOTICE, "the alarm is over");
}

static void look_at_steps(const struct changes *changes)
{
	uint32_t count = changes->now->snapshot.steps;
	char amount[CLOCK_WORDS_SIZE];

	count -= changes->before ? changes->before->snapshot.steps : 0;
	clock_words_offset(amount, changes->now->step_ns);
	if (count == 1)
		say(changes, LOG_WARNING, "this host's clock was set by %s", amount);
	else if (count > 1)
		say(changes, LOG_WARNING, "this host's clock was set %" PRIu32 " times, the last time by %s",
		    count, amount);
}

static void look_at_leap(const struct changes *changes)
{
	int32_t was = changes->before ? changes->before->snapshot.leap : 0;
	int32_t leap = changes->now->snapshot.leap;

	if (leap != was && leap != 0)
		say(changes, LOG_NOTICE, "a leap second %s", clock_words_leap(leap));
	else if (leap != was)
		say(changes, LOG_NOTICE, "no leap second is announced any more");
}

static bool same_source(const struct owamp_clock_source_status *a, const struct owamp_clock_source_status *b)
{
	return a == b || (a && b && strcmp(a->name, b->name) == 0 && strcmp(a->source, b->source) == 0);
}

static void say_bound(const struct changes *changes, const char *what)
{
	const struct owamp_clock_source_status *used = clock_words_used(changes->now);
	char bound[CLOCK_WORDS_SIZE];

	say(changes, LOG_NOTICE, "%s: within %s of UTC (%s), by %s%s%s", what,
	    clock_report_bound(bound, changes->now->bound_ns),
	    owamp_clock_source_words(changes->now->snapshot.source), used ? used->name : "no source",
	    used && used->text[0] ? ": " : "", used ? used->text : "");
}

static void look_at_holdover(const struct changes *changes)
{
	const struct owamp_clock_source_status *used = clock_words_used(changes->now);
	bool was = changes->before && changes->before->holdover;

	if (changes->now->holdover && !was)
		say(changes, LOG_NOTICE, "holdover: the last word of %s counts, and grows old%s%s",
		    used ? used->name : "the source", used && used->text[0] ? ": " : "",
		    used ? used->text : "");
	else if (was && !changes->now->holdover)
		say(changes, LOG_NOTICE, "no longer in holdover");
}

static void look_at_synchronization(const struct changes *changes)
{
	const struct owamp_clock_status *before = changes->before, *now = changes->now;
	bool was = before && before->snapshot.synchronized;
	bool is = now->snapshot.synchronized;
	char why[CLOCK_WHY_SIZE];

	if (is && !was)
		say_bound(changes, "synchronized");
	else if (is && !same_source(clock_words_used(before), clock_words_used(now)))
		say_bound(changes, "another source");
	else if (!is && (was || !before))
		say(changes, LOG_WARNING, "%s: %s", was ? "no longer synchronized" : "not synchronized",
		    clock_words_why(why, now));
}

static void look_at_source(const struct changes *changes, size_t index)
{
	const struct owamp_clock_source_status *now = &changes->now->sources[index];

	if (changes->before && index < changes->before->count &&
	    changes->before->sources[index].state == now->state)
		return;
	say(changes, LOG_INFO, "%s is %s%s%s", now->name, owamp_clock_state_name(now->state),
	    now->text[0] ? ": " : "", now->text);
}

void clock_report_changes(const struct owamp_clock_status *before, const struct owamp_clock_status *now,
			  void (*line)(void *context, int level, const char *text), void *context)
{
	const struct changes changes = {before, now, line, context};

	look_at_alarm(&changes);
	look_at_steps(&changes);
	look_at_leap(&changes);
	for (size_t i = 0; i < now->count; i++)
		look_at_source(&changes, i);
	look_at_synchronization(&changes);
	look_at_holdover(&changes);
}
