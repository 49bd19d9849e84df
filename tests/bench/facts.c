#include "bench.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILD "with sanitizers: no figure is worth anything"
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BUILD "with sanitizers: no figure is worth anything"
#endif
#endif
#ifndef BUILD
#ifdef __OPTIMIZE__
#define BUILD "optimized"
#else
#define BUILD "not optimized: no figure is worth anything"
#endif
#endif

static void add(struct table *table, const char *fact, const char *value)
{
	table_text(table, fact);
	table_text(table, value);
}

/* What follows the colon in the first line of a file that begins with key; without key the first line. */
static void file_value(const char *path, const char *key, char *value, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[256];

	snprintf(value, size, "unknown");
	while (file && fgets(line, sizeof line, file)) {
		const char *begin = line;

		line[strcspn(line, "\n")] = '\0';
		if (key && strncmp(line, key, strlen(key)) != 0)
			continue;
		if (key && strchr(line, ':'))
			begin = strchr(line, ':') + 1;
		snprintf(value, size, "%s", begin + strspn(begin, " \t"));
		break;
	}
	if (file)
		fclose(file);
}

static void add_cpus(struct table *table)
{
	char model[200], text[256];

	file_value("/proc/cpuinfo", "model name", model, sizeof model);
	snprintf(text, sizeof text, "%ld, %s", sysconf(_SC_NPROCESSORS_ONLN), model);
	add(table, "CPUs", text);
}

static void add_system(struct table *table)
{
	struct utsname name;
	char text[256], load[128];

	if (uname(&name) == 0) {
		snprintf(text, sizeof text, "%s %s %s", name.sysname, name.release, name.machine);
		add(table, "kernel", text);
	}
	file_value("/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL, text,
		   sizeof text);
	add(table, "clock source", text);
	file_value("/proc/sys/net/core/rmem_max", NULL, text, sizeof text);
	add(table, "net.core.rmem_max", text);
	file_value("/proc/loadavg", NULL, load, sizeof load);
	add(table, "load at the start", load);
}

static void add_realtime(struct table *table)
{
	const struct sched_param wanted = {.sched_priority = 10}, ordinary = {.sched_priority = 0};
	bool granted = sched_setscheduler(0, SCHED_FIFO, &wanted) == 0;
	char text[128];

	snprintf(text, sizeof text, "%s", granted ? "granted" : strerror(errno));
	if (granted)
		(void)sched_setscheduler(0, SCHED_OTHER, &ordinary);
	add(table, "real-time scheduling", text);
	add(table, "user", geteuid() == 0 ? "root" : "not root");
}

static void add_files(struct table *table)
{
	struct rlimit limit = {.rlim_max = 0};
	char text[64];

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	snprintf(text, sizeof text, "%llu", (unsigned long long)limit.rlim_max);
	add(table, "open files at most", text);
}

struct table *facts_table(void)
{
	struct table *table = table_new("machine", "Machine");

	table_column(table, "fact", "", -1);
	table_column(table, "value", "", -1);
	add_cpus(table);
	add_system(table);
	add_realtime(table);
	add_files(table);
	add(table, "programs", OWAMP_VERSION ", " BUILD);
	return table;
}
