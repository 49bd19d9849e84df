#include "clock/values.h"

#include <stddef.h>
#include <string.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)
#define DAY_NS    (86400 * NS_PER_S)

#define PPB_PER_PPM 1000

int64_t value_number(const char **text)
{
	const char *c = *text;
	int64_t number = 0;

	for (; *c >= '0' && *c <= '9'; c++) {
		if (number > INT64_MAX / 20)
			return -1;
		number = number * 10 + (*c - '0');
	}
	if (c == *text)
		return -1;
	*text = c;
	return number;
}

/* The unit in ns; none is seconds; 0 if unknown. */
static int64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"", NS_PER_S},         {"ns", 1},       {"us", NS_PER_US},
		     {"ms", NS_PER_MS},      {"s", NS_PER_S}, {"min", 60 * NS_PER_S},
		     {"h", 3600 * NS_PER_S}, {"d", DAY_NS}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	return 0;
}

int64_t value_duration(const char *text)
{
	int64_t number = value_number(&text), unit, ns;
	const char *decimals = text + (*text == '.');
	const char *end = decimals + strspn(decimals, "0123456789");

	if (number < 0 || (*text == '.' && end == decimals))
		return -1;
	unit = unit_ns(end);
	if (unit == 0 || number > INT64_MAX / 2 / unit)
		return -1;
	for (ns = number * unit; decimals < end; decimals++) {
		unit /= 10;
		ns += (*decimals - '0') * unit;
	}
	return ns;
}

int64_t value_ppm(const char *text)
{
	int64_t ppb = value_number(&text);
	int64_t unit = PPB_PER_PPM;

	if (ppb < 0 || ppb > INT32_MAX || (*text == '.' && !text[1]))
		return -1;
	ppb *= PPB_PER_PPM;
	for (text += *text == '.'; *text >= '0' && *text <= '9'; text++) {
		unit /= 10;
		ppb += (*text - '0') * unit;
	}
	return *text ? -1 : ppb;
}
