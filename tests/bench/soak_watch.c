#include "soak.h"

#include <sys/stat.h>
#include <time.h>

#define MIB (1024.0 * 1024.0)

double soak_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t cpu_ns(const struct server *server)
{
	struct process_cpu cpu = {0};

	process_cpu(server->process.pid, &cpu);
	return process_cpu_sum(&cpu);
}

void soak_watch_begin(struct soak_watch *watch, const struct server *server)
{
	double now = soak_now_s();

	*watch = (struct soak_watch){
		.server = server, .begin_s = now, .last_s = now, .last_cpu_ns = cpu_ns(server)};
}

static double file_mib(const char *path, const char *suffix)
{
	struct stat status;
	char name[128];

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return stat(name, &status) == 0 ? (double)status.st_size / MIB : 0;
}

void soak_watch_sample(struct soak_watch *watch, struct soak_sample *sample)
{
	uint64_t cpu = cpu_ns(watch->server);
	double now = soak_now_s();

	sample->minutes = (now - watch->begin_s) / 60;
	sample->resident_mib = (double)process_status(watch->server->process.pid, "VmRSS") / 1024;
	sample->cpu_percent = (double)(cpu - watch->last_cpu_ns) / 1e7 / (now - watch->last_s);
	sample->archive_mib = file_mib(watch->server->archive, "") + file_mib(watch->server->archive, "-wal");
	watch->last_s = now;
	watch->last_cpu_ns = cpu;
}
