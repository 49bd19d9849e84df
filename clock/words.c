/* Times in the units that people read. */
#include "select_parts.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	int64_t ns;
	const char *name;
} units[] = {{1, "ns"}, {1000, "us"}, {1000000, "ms"}, {1000000000, "s"}};

#define UNITS (sizeof units / sizeof units[0])

/* The largest unit of which it is at least one. */
static size_t unit_of(int64_t ns)
{
	size_t unit = 0;

	while (unit + 1 < UNITS && ns >= units[unit + 1].ns)
		unit++;
	return unit;
}

/* Two digits at least, and rounded up: it is a bound. */
const char *words_bound(char *text, int64_t ns)
{
	size_t unit = unit_of(ns);
	int64_t tenth = units[unit].ns / 10, tenths;

	if (unit == 0) {
		(void)snprintf(text, WORDS_SIZE, "%lld ns", (long long)ns);
		return text;
	}
	tenths = (ns + tenth - 1) / tenth;
	if (tenths % 10 == 0 || tenths >= 1000)
		(void)snprintf(text, WORDS_SIZE, "%lld %s", (long long)((tenths + 9) / 10), units[unit].name);
	else
		(void)snprintf(text, WORDS_SIZE, "%lld.%lld %s", (long long)(tenths / 10),
			       (long long)(tenths % 10), units[unit].name);
	return text;
}

const char *words_offset(char *text, int64_t ns)
{
	size_t unit = unit_of(interval_magnitude(ns));
	double value = (double)ns / (double)units[unit].ns;

	(void)snprintf(text, WORDS_SIZE, "%+.*f %s",
		       unit == 0           ? 0
		       : unit + 1 == UNITS ? 3
					   : 1,
		       value, units[unit].name);
	return text;
}

#define MINUTE_S 60
#define HOUR_S   3600

const char *words_age(char *text, int64_t ns)
{
	long long s = (long long)(ns / units[UNITS - 1].ns);

	if (s < 2 * MINUTE_S)
		(void)snprintf(text, WORDS_SIZE, "%lld s", s);
	else if (s < 2 * HOUR_S)
		(void)snprintf(text, WORDS_SIZE, "%lld min", s / MINUTE_S);
	else
		(void)snprintf(text, WORDS_SIZE, "%lld h", s / HOUR_S);
	return text;
}

const char *words_time(char *text, int64_t ns)
{
	return ns < 2 * MINUTE_S * units[UNITS - 1].ns ? words_bound(text, ns) : words_age(text, ns);
}
