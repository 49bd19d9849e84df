#include "owampd/config_values.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)
#define DAY_NS    (86400 * NS_PER_S)

/* More than any kernel is built for. */
#define CPUS_MAX 8192

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
	} units[] = {{"", NS_PER_S},         {"us", NS_PER_US},      {"ms", NS_PER_MS}, {"s", NS_PER_S},
		     {"min", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", DAY_NS}};

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

static void add_range(char *list, size_t size, size_t first, size_t last)
{
	size_t used = strlen(list);
	const char *comma = used > 0 ? "," : "";

	if (first == last)
		snprintf(list + used, size - used, "%s%zu", comma, first);
	else
		snprintf(list + used, size - used, "%s%zu-%zu", comma, first, last);
}

static void describe(const cpu_set_t *set, size_t set_size, char *list, size_t size)
{
	list[0] = '\0';
	for (size_t cpu = 0; cpu < CPUS_MAX; cpu++) {
		size_t first = cpu;

		if (!CPU_ISSET_S(cpu, set_size, set))
			continue;
		while (cpu + 1 < CPUS_MAX && CPU_ISSET_S(cpu + 1, set_size, set))
			cpu++;
		add_range(list, size, first, cpu);
	}
}

bool value_cpu(const char *text, int *cpu, char *list, size_t list_size)
{
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	size_t set_size = CPU_ALLOC_SIZE(CPUS_MAX);
	int64_t number = value_number(&text);
	bool ok = false;

	snprintf(list, list_size, "unknown");
	if (set && sched_getaffinity(0, set_size, set) == 0) {
		describe(set, set_size, list, list_size);
		ok = number >= 0 && number < CPUS_MAX && !*text && CPU_ISSET_S((size_t)number, set_size, set);
	}
	CPU_FREE(set);
	*cpu = ok ? (int)number : -1;
	return ok;
}
