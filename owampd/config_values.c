#include "owampd/config_values.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "clock/values.h"

/* More than any kernel is built for. */
#define CPUS_MAX 8192

/* How often the suffix multiplies by 1024, or -1. */
static int octets_power(const char *suffix)
{
	static const char suffixes[] = "kKmMgGtT";
	const char *at;

	if (!*suffix)
		return 0;
	at = strchr(suffixes, *suffix);
	return at && !suffix[1] ? (int)(at - suffixes) / 2 + 1 : -1;
}

int64_t value_octets(const char *text, int64_t most)
{
	int64_t number = value_number(&text);
	int power = number < 0 ? -1 : octets_power(text);

	for (; power > 0 && number <= most / 1024; power--)
		number *= 1024;
	return power == 0 && number <= most ? number : -1;
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
