#include "sessions.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void usage_of(pid_t pid, struct sessions_usage *usage)
{
	usage->resident_kib = process_status(pid, "VmHWM");
	usage->threads = (unsigned)process_status(pid, "Threads");
}

void sessions_own_usage(struct sessions_usage *usage)
{
	struct rusage own;

	usage_of(getpid(), usage);
	usage->processes = 1;
	if (getrusage(RUSAGE_SELF, &own) == 0)
		usage->cpu_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
			       (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

static bool add_line(void *context, const char *line)
{
	struct sessions_side *side = context;
	const char *sent = strstr(line, " ended: ");
	unsigned long long packets, all;

	if (strstr(line, " finished: ")) {
		side->sessions++;
	} else if (sent && sscanf(sent, " ended: %llu of %llu packets sent", &packets, &all) == 2) {
		side->sessions++;
		side->sent += packets;
		side->skipped += all - packets;
		side->send_errors += server_number_before(line, " send errors");
	}
	return false;
}

bool sessions_end_server(struct server *server, struct sessions_side *side)
{
	bool ok;

	usage_of(server->process.pid, &side->usage);
	side->usage.processes = 1 + process_children(server->process.pid);
	ok = server_end(server);
	side->usage.cpu_s = server->process.cpu_s;
	(void)server_each_line(server, add_line, side);
	side->socket_drops = server_drops(server);
	return ok;
}
