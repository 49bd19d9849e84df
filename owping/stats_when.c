#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <owamp/error.h>

#include "owping/stats_when.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_SECOND)
#define NS_PER_HOUR   (60 * NS_PER_MINUTE)
#define NS_PER_DAY    (24 * NS_PER_HOUR)

/* A ns number goes until 2262. */
#define SECONDS_MAX INT64_C(9223372035)
#define YEAR_MAX    2261

#define EXPECTED                                                                                             \
	"expected a time, such as 2026-11-20, 2026-11-20T10:00, @1763632800, yesterday or now,"              \
	" or how long ago, such as 90min, 2h, 7d or 1w"

struct text {
	const char *at;
	const char *whole;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct text *text, const char *format, ...)
{
	int length = snprintf(text->error, text->error_size, "%s: ", text->whole);
	va_list list;

	if (length >= 0 && (size_t)length < text->error_size) {
		va_start(list, format);
		vsnprintf(text->error + length, text->error_size - (size_t)length, format, list);
		va_end(list);
	}
	return OWAMP_EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, at most max of them; how many. The value cannot overflow with up to 18. */
static unsigned scan_digits(const char **at, unsigned max, int64_t *value)
{
	unsigned count = 0;

	for (*value = 0; count < max && is_digit(**at); count++)
		*value = *value * 10 + (*(*at)++ - '0');
	return count;
}

/* ".5" as ns; at most nine decimals. Nothing there is 0. */
static int scan_fraction(const char **at, int64_t *ns)
{
	unsigned count;

	*ns = 0;
	if (**at != '.')
		return 0;
	(*at)++;
	count = scan_digits(at, 9, ns);
	if (count == 0 || is_digit(**at))
		return OWAMP_EINVAL;
	for (; count < 9; count++)
		*ns *= 10;
	return 0;
}

static int scan_unit(const char **at, int64_t *unit_ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"min", NS_PER_MINUTE}, {"m", NS_PER_MINUTE}, {"s", NS_PER_SECOND},
		{"h", NS_PER_HOUR},     {"d", NS_PER_DAY},    {"w", 7 * NS_PER_DAY},
	};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t length = strlen(units[i].name);

		if (strncmp(*at, units[i].name, length) == 0 && !isalpha((unsigned char)(*at)[length])) {
			*unit_ns = units[i].ns;
			*at += length;
			return 0;
		}
	}
	return OWAMP_EINVAL;
}

int stats_when_span(const char *text, int64_t *ns)
{
	int64_t sum = 0;

	do {
		int64_t number, fraction, unit_ns;

		if (scan_digits(&text, 12, &number) == 0 || is_digit(*text) ||
		    scan_fraction(&text, &fraction) < 0 || scan_unit(&text, &unit_ns) < 0)
			return OWAMP_EINVAL;
		if (number > STATS_SPAN_MAX / unit_ns)
			return OWAMP_EINVAL;
		/* Below 1 ns is cut off; fraction < 10^9 and the unit is whole seconds. */
		sum += number * unit_ns + fraction * (unit_ns / NS_PER_SECOND);
		if (sum > STATS_SPAN_MAX)
			return OWAMP_EINVAL;
	} while (*text != '\0');
	if (sum == 0)
		return OWAMP_EINVAL;
	*ns = sum;
	return 0;
}

int stats_when_size(const char *text, uint64_t *octets)
{
	static const char units[] = "kmgt";
	const char *unit;
	int64_t number;
	unsigned bits = 0;

	if (scan_digits(&text, 18, &number) == 0 || number == 0)
		return OWAMP_EINVAL;
	if (*text != '\0') {
		unit = strchr(units, tolower((unsigned char)*text));
		if (!unit || text[1] != '\0')
			return OWAMP_EINVAL;
		bits = 10 * (unsigned)(unit - units + 1);
	}
	if (number > INT64_MAX >> bits)
		return OWAMP_EINVAL;
	*octets = (uint64_t)number << bits;
	return 0;
}

/* Exactly so many digits with a value between low and high. */
static int scan_field(struct text *text, const char *name, unsigned digits, int low, int high, int *value)
{
	int64_t number;

	if (scan_digits(&text->at, digits, &number) != digits || is_digit(*text->at))
		return fail(text, "the %s: expected %u digits", name, digits);
	if (number < low || number > high)
		return fail(text, "the %s: expected %0*d to %0*d", name, (int)digits, low, (int)digits, high);
	*value = (int)number;
	return 0;
}

static int scan_separator(struct text *text, char separator, const char *after)
{
	if (*text->at != separator)
		return fail(text, "expected '%c' after the %s", separator, after);
	text->at++;
	return 0;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static int scan_date(struct text *text, struct tm *tm)
{
	int year, month;

	if (scan_field(text, "year", 4, 1970, YEAR_MAX, &year) < 0 || scan_separator(text, '-', "year") < 0 ||
	    scan_field(text, "month", 2, 1, 12, &month) < 0 || scan_separator(text, '-', "month") < 0 ||
	    scan_field(text, "day", 2, 1, days_of(year, month), &tm->tm_mday) < 0)
		return OWAMP_EINVAL;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return 0;
}

static int scan_time(struct text *text, struct tm *tm, int64_t *fraction_ns)
{
	if (scan_field(text, "hour", 2, 0, 23, &tm->tm_hour) < 0 || scan_separator(text, ':', "hour") < 0 ||
	    scan_field(text, "minute", 2, 0, 59, &tm->tm_min) < 0)
		return OWAMP_EINVAL;
	if (*text->at != ':')
		return 0;
	text->at++;
	if (scan_field(text, "second", 2, 0, 59, &tm->tm_sec) < 0)
		return OWAMP_EINVAL;
	if (scan_fraction(&text->at, fraction_ns) < 0)
		return fail(text, "the second: expected one to nine decimals");
	return 0;
}

/* "Z", "+02:00", "+0200", "+02" or nothing. */
static int scan_zone(struct text *text, int64_t *ahead_ns)
{
	int sign = *text->at == '-' ? -1 : 1;
	int hours, minutes = 0;

	*ahead_ns = 0;
	if (*text->at == 'Z' || *text->at == 'z') {
		text->at++;
		return 0;
	}
	if (*text->at != '+' && *text->at != '-')
		return 0;
	text->at++;
	if (strspn(text->at, "0123456789") == 4) {
		int both;

		if (scan_field(text, "zone", 4, 0, 2359, &both) < 0)
			return OWAMP_EINVAL;
		hours = both / 100;
		minutes = both % 100;
	} else if (scan_field(text, "zone", 2, 0, 23, &hours) < 0) {
		return OWAMP_EINVAL;
	} else if (*text->at == ':') {
		text->at++;
		if (scan_field(text, "zone's minutes", 2, 0, 59, &minutes) < 0)
			return OWAMP_EINVAL;
	}
	if (minutes > 59)
		return fail(text, "the zone's minutes: expected 00 to 59");
	*ahead_ns = sign * (hours * NS_PER_HOUR + minutes * NS_PER_MINUTE);
	return 0;
}

static int parse_date(struct text *text, int64_t *ns)
{
	int64_t fraction_ns = 0, ahead_ns = 0;
	struct tm tm = {0};

	if (scan_date(text, &tm) < 0)
		return OWAMP_EINVAL;
	if (*text->at == 'T' || *text->at == 't' || *text->at == ' ') {
		text->at++;
		if (scan_time(text, &tm, &fraction_ns) < 0 || scan_zone(text, &ahead_ns) < 0)
			return OWAMP_EINVAL;
	}
	if (*text->at != '\0')
		return fail(text, "nothing is expected at '%s'", text->at);
	*ns = (int64_t)timegm(&tm) * NS_PER_SECOND + fraction_ns - ahead_ns;
	return 0;
}

static int parse_seconds(struct text *text, int64_t *ns)
{
	int64_t seconds, fraction_ns;

	if (scan_digits(&text->at, 11, &seconds) == 0 || is_digit(*text->at) ||
	    scan_fraction(&text->at, &fraction_ns) < 0 || *text->at != '\0' || seconds > SECONDS_MAX)
		return fail(text, "expected seconds since 1970, such as @1763632800");
	*ns = seconds * NS_PER_SECOND + fraction_ns;
	return 0;
}

static int64_t day_of(int64_t ns)
{
	return ns - (ns % NS_PER_DAY + NS_PER_DAY) % NS_PER_DAY;
}

int stats_when_parse(const char *whole, int64_t now_ns, int64_t *ns, char *error, size_t error_size)
{
	struct text text = {whole, whole, error, error_size};
	size_t digits = strspn(whole, "0123456789");
	int64_t span_ns;

	if (digits > 0 && whole[digits] == '-')
		return parse_date(&text, ns);
	if (whole[0] == '@') {
		text.at++;
		return parse_seconds(&text, ns);
	}
	if (strcasecmp(whole, "now") == 0)
		*ns = now_ns;
	else if (strcasecmp(whole, "today") == 0)
		*ns = day_of(now_ns);
	else if (strcasecmp(whole, "yesterday") == 0)
		*ns = day_of(now_ns) - NS_PER_DAY;
	else if (stats_when_span(whole, &span_ns) == 0)
		*ns = now_ns - span_ns;
	else
		return fail(&text, EXPECTED);
	return 0;
}
