#include "clock/report_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock/report.h"

#define NS_PER_S INT64_C(1000000000)
#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

/* A step explains for so long why there is no bound again. */
#define STEP_RECENT_NS (30 * NS_PER_S)

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
#define UNITS (sizeof(units) / sizeof(units[0]))

/* The first unit in which there are no more than three digits before the point, with one decimal below 10. */
static void print_amount(char *text, size_t size, uint64_t ns, bool up)
{
	for (size_t i = 0; i < UNITS; i++) {
		uint64_t unit = units[i].ns;
		uint64_t step = ns < 10 * unit && unit > 1 ? unit / 10 : unit;
		uint64_t steps = (ns + (up ? step - 1 : step / 2)) / step;
		uint64_t whole = steps * step / unit;
		uint64_t tenths = steps * step % unit / (unit > 1 ? unit / 10 : 1);

		if (whole >= 1000 && i + 1 < UNITS)
			continue;
		if (tenths > 0)
			snprintf(text, size, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths, units[i].name);
		else
			snprintf(text, size, "%" PRIu64 " %s", whole, units[i].name);
		return;
	}
}

char *clock_report_bound(char *text, int64_t ns)
{
	print_amount(text, CLOCK_WORDS_SIZE, ns > 0 ? (uint64_t)ns : 0, true);
	return text;
}

static bool is_control(const unsigned char *c)
{
	/* The second set, in UTF-8: some terminals obey that too. */
	return c[0] < ' ' || c[0] == 0x7f || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);
}

char *clock_report_clean(char *words)
{
	unsigned char *to = (unsigned char *)words;

	for (const unsigned char *from = to; *from; from++) {
		bool control = is_control(from);

		from += control && from[0] == 0xc2;
		*to++ = control ? '?' : *from;
	}
	*to = '\0';
	return words;
}

char *clock_words_offset(char text[CLOCK_WORDS_SIZE], int64_t ns)
{
	uint64_t amount = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	size_t sign = ns != 0;

	text[0] = ns < 0 ? '-' : '+';
	print_amount(text + sign, CLOCK_WORDS_SIZE - sign, amount, false);
	return text;
}

char *clock_words_time(char text[CLOCK_WORDS_SIZE], int64_t ns)
{
	int64_t s = ns > 0 ? ns / NS_PER_S : 0;

	if (s < 10)
		snprintf(text, CLOCK_WORDS_SIZE, "%" PRId64 ".%" PRId64 " s", s,
			 ns > 0 ? ns % NS_PER_S / (NS_PER_S / 10) : 0);
	else if (s < MINUTE_S)
		snprintf(text, CLOCK_WORDS_SIZE, "%" PRId64 " s", s);
	else if (s < HOUR_S)
		snprintf(text, CLOCK_WORDS_SIZE, "%" PRId64 " min %" PRId64 " s", s / MINUTE_S, s % MINUTE_S);
	else if (s < DAY_S)
		snprintf(text, CLOCK_WORDS_SIZE, "%" PRId64 " h %" PRId64 " min", s / HOUR_S,
			 s % HOUR_S / MINUTE_S);
	else
		snprintf(text, CLOCK_WORDS_SIZE, "%" PRId64 " d %" PRId64 " h", s / DAY_S,
			 s % DAY_S / HOUR_S);
	return text;
}

const char *clock_words_leap(int32_t leap)
{
	return leap > 0 ? "is inserted at the end of the UTC day" : "is left out at the end of the UTC day";
}

const struct owamp_clock_source_status *clock_words_used(const struct owamp_clock_status *status)
{
	for (size_t i = 0; i < status->count; i++)
		if (status->sources[i].used)
			return &status->sources[i];
	return NULL;
}

static bool was_set_recently(const struct owamp_clock_status *status)
{
	return status->snapshot.steps > 0 && status->now_mono - status->step_mono < STEP_RECENT_NS;
}

char *clock_words_why(char text[CLOCK_WHY_SIZE], const struct owamp_clock_status *status)
{
	char amount[CLOCK_WORDS_SIZE], time[CLOCK_WORDS_SIZE];

	if (status->snapshot.disagreement)
		snprintf(text, CLOCK_WHY_SIZE, "the sources contradict each other");
	else if (was_set_recently(status))
		snprintf(text, CLOCK_WHY_SIZE,
			 "the clock was set by %s, %s ago, and no source has confirmed it since",
			 clock_words_offset(amount, status->step_ns),
			 clock_words_time(time, status->now_mono - status->step_mono));
	else if (strcmp(status->snapshot.source, OWAMP_CLOCK_NONE) == 0)
		snprintf(text, CLOCK_WHY_SIZE,
			 "no source says how far this host's clock is from UTC; it may be any amount");
	else
		snprintf(text, CLOCK_WHY_SIZE, "no source vouches for this host's clock");
	return text;
}
