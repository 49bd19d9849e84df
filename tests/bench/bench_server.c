#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* For owampd to be ready, and to end. */
#define PATIENCE_MS 20000
#define STEP_MS     20

bool bench_raise_files(unsigned wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	if (limit.rlim_cur >= wanted)
		return true;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted; /* possible with privileges only */
	limit.rlim_cur = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool free_port(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
		  getsockname(fd, (struct sockaddr *)&address, &size) == 0;

	if (fd >= 0)
		close(fd);
	*port = ntohs(address.sin_port);
	return ok;
}

static bool write_file(const struct bench_server *server, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool write_file(const struct bench_server *server, const char *name, const char *format, ...)
{
	char path[128];
	va_list arguments;
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "%s/%s", server->directory, name);
	file = fopen(path, "we");
	if (!file)
		return false;
	va_start(arguments, format);
	ok = vfprintf(file, format, arguments) >= 0;
	va_end(arguments);
	return fclose(file) == 0 && ok;
}

static bool write_files(const struct bench_server *server)
{
	const char *d = server->directory;

	return write_file(server, "keys", "%s\t%s\n", BENCH_KEY_ID, BENCH_SECRET_HEX) &&
	       write_file(server, "limits",
			  "limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, "
			  "max_timeout=0, max_duration=0, delete_on_fetch=on\n"
			  "assign default root\n") &&
	       write_file(server, "conf",
			  "listen = {\"127.0.0.1:%u\"}\ntest_ports = \"0\"\nkeys = \"%s/keys\"\n"
			  "limits = \"%s/limits\"\nconnections_max = 100000\nhandshakes_max = 100000\n"
			  "connections_per_address_max = 100000\nsessions_per_connection_max = 100000\n",
			  server->port, d, d);
}

static void remove_files(const struct bench_server *server)
{
	static const char *const names[] = {"keys", "limits", "conf", "log"};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", server->directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(server->directory);
}

/* Calls fn for each line of the log until it returns true. */
static bool each_line(const char *path, bool (*fn)(void *context, const char *line), void *context)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) >= 0)
		found = fn(context, line);
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool is_ready(void *context, const char *line)
{
	(void)context;
	return strstr(line, " ready: ") != NULL;
}

static bool print_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "  %s", line);
	return false;
}

static bool ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

static bool wait_ready(struct bench_server *server)
{
	int status;

	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		if (each_line(server->log, is_ready, NULL))
			return true;
		if (ended(server->pid, &status)) {
			server->pid = -1;
			return false;
		}
		(void)poll(NULL, 0, STEP_MS);
	}
	return false;
}

static void become_server(const struct bench_server *server, const char *program)
{
	char conf[128];
	int log = open(server->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	snprintf(conf, sizeof conf, "%s/conf", server->directory);
	/* It must not outlive the bench, however that ends. */
	if (log >= 0 && dup2(log, STDERR_FILENO) >= 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0)
		execl(program, "owampd", "--foreground", "--config", conf, (char *)NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

bool bench_server_start(struct bench_server *server, const struct bench_options *options)
{
	const char *parent = getenv("TMPDIR");

	*server = (struct bench_server){.pid = -1};
	snprintf(server->directory, sizeof server->directory, "%s/owamp-bench-XXXXXX",
		 parent && strlen(parent) < 32 ? parent : "/tmp");
	if (!mkdtemp(server->directory)) {
		fprintf(stderr, "bench_sessions: %s: %s\n", server->directory, strerror(errno));
		return false;
	}
	snprintf(server->log, sizeof server->log, "%s/log", server->directory);
	if (!free_port(&server->port) || !write_files(server) || (server->pid = fork()) < 0) {
		fprintf(stderr, "bench_sessions: preparing owampd: %s\n", strerror(errno));
		remove_files(server);
		return false;
	}
	if (server->pid == 0)
		become_server(server, options->owampd);
	if (wait_ready(server))
		return true;
	fprintf(stderr, "bench_sessions: owampd did not start:\n");
	(void)each_line(server->log, print_line, NULL);
	(void)bench_server_end(server, NULL);
	return false;
}

/* The number after key in /proc/PID/status. */
static unsigned long status_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	unsigned long value = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file)) {
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			value = strtoul(line + strlen(key) + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

static unsigned count_children(pid_t parent)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	while (directory && (entry = readdir(directory))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && status_of(pid, "PPid") == (unsigned long)parent)
			count++;
	}
	if (directory)
		closedir(directory);
	return count;
}

static double seconds(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void usage_of(pid_t pid, struct bench_usage *usage)
{
	usage->resident_kib = status_of(pid, "VmHWM");
	usage->threads = (unsigned)status_of(pid, "Threads");
}

void bench_own_usage(struct bench_usage *usage)
{
	struct rusage own;

	usage_of(getpid(), usage);
	usage->processes = 1;
	if (getrusage(RUSAGE_SELF, &own) == 0)
		usage->cpu_s = seconds(&own);
}

/* The number before a word of the log's line, as in "3 dropped at our socket". */
static double number_before(const char *line, const char *word)
{
	const char *at = strstr(line, word);

	while (at && at > line && strchr("0123456789.", at[-1]))
		at--;
	return at ? strtod(at, NULL) : 0;
}

static bool add_line(void *context, const char *line)
{
	struct bench_side *side = context;
	const char *sent = strstr(line, " ended: ");
	unsigned long long packets, all;
	double mean, most;

	side->socket_drops += (uint64_t)number_before(line, " dropped at our own socket");
	side->sessions += strstr(line, " finished: ") != NULL;
	if (!sent || sscanf(sent, " ended: %llu of %llu packets sent", &packets, &all) != 2)
		return false;
	side->sessions++;
	mean = number_before(line, " us on average");
	most = number_before(line, " us at most");
	side->sent += packets;
	side->skipped += all - packets;
	side->send_errors += (uint64_t)number_before(line, " send errors");
	side->lateness.packets += packets;
	side->lateness.sum_us += mean * (double)packets;
	if (most > side->lateness.max_us)
		side->lateness.max_us = most;
	return false;
}

static bool reap(const struct bench_server *server, struct bench_side *side)
{
	struct rusage usage;
	int status = 0;
	pid_t got = 0;

	(void)kill(server->pid, SIGTERM);
	for (int waited = 0; waited < PATIENCE_MS && got == 0; waited += STEP_MS) {
		got = wait4(server->pid, &status, WNOHANG, &usage);
		if (got == 0)
			(void)poll(NULL, 0, STEP_MS);
	}
	if (got == 0) {
		(void)kill(server->pid, SIGKILL);
		got = wait4(server->pid, &status, 0, &usage);
	}
	if (side && got == server->pid)
		side->usage.cpu_s = seconds(&usage);
	return got == server->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool bench_server_end(struct bench_server *server, struct bench_side *side)
{
	bool ok = true;

	if (side && server->pid > 0) {
		usage_of(server->pid, &side->usage);
		side->usage.processes = 1 + count_children(server->pid);
	}
	if (server->pid > 0)
		ok = reap(server, side);
	if (side)
		(void)each_line(server->log, add_line, side);
	if (!ok) {
		fprintf(stderr, "bench_sessions: owampd did not end as it should:\n");
		(void)each_line(server->log, print_line, NULL);
	}
	remove_files(server);
	return ok;
}
