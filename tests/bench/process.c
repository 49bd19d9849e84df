#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 20

static void interrupts(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void process_init(void)
{
	sigset_t set;

	interrupts(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool process_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

bool process_pause(int ms)
{
	int64_t end = now_ms() + ms;

	for (int64_t left = ms; left > 0 && !process_interrupted(); left = end - now_ms())
		(void)poll(NULL, 0, left < STEP_MS ? (int)left : STEP_MS);
	return !process_interrupted();
}

static bool redirect(const char *path, int flags, int target)
{
	int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && dup2(fd, target) == target;
}

static void become(const struct process_config *config, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	if ((config->network < 0 || setns(config->network, CLONE_NEWNET) == 0) &&
	    redirect("/dev/null", O_RDONLY, STDIN_FILENO) &&
	    redirect(config->output ? config->output : "/dev/null", O_WRONLY | O_TRUNC, STDOUT_FILENO) &&
	    (!config->errors || redirect(config->errors, O_WRONLY | O_APPEND, STDERR_FILENO)) &&
	    prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
	    signal(SIGPIPE, SIG_DFL) != SIG_ERR && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		execv(config->argv[0], (char *const *)(uintptr_t)config->argv);
	fprintf(stderr, "%s: %s\n", config->argv[0], strerror(errno));
	_exit(127);
}

bool process_raise_files(unsigned wanted)
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

bool process_start(struct process *process, const struct process_config *config)
{
	pid_t parent = getpid();

	*process = (struct process){.fd = -1};
	(void)fflush(stdout);
	process->pid = fork();
	if (process->pid == 0)
		become(config, parent);
	if (process->pid > 0)
		process->fd = pidfd_open(process->pid, 0);
	if (process->fd >= 0)
		return true;
	fprintf(stderr, "bench: starting %s: %s\n", config->argv[0], strerror(errno));
	process_end(process, SIGKILL, 1000);
	return false;
}

static void reap(struct process *process)
{
	struct rusage usage;

	if (wait4(process->pid, &process->status, 0, &usage) == process->pid)
		process->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	process->pid = -1;
	if (process->fd >= 0)
		close(process->fd);
	process->fd = -1;
}

static bool wait_quietly(struct process *process, int timeout_ms, bool to_the_end)
{
	int64_t end = now_ms() + timeout_ms;

	while (process->pid > 0 && (to_the_end || !process_interrupted())) {
		struct pollfd watched = {.fd = process->fd, .events = POLLIN};
		int64_t left = end - now_ms();
		int step = left < STEP_MS ? (int)left : STEP_MS;

		if (poll(&watched, 1, step > 0 ? step : 0) > 0)
			reap(process);
		else if (left <= 0)
			break;
	}
	return process->pid <= 0;
}

bool process_wait(struct process *process, int timeout_ms)
{
	return wait_quietly(process, timeout_ms, false);
}

void process_end(struct process *process, int signal, int patience_ms)
{
	if (process->pid <= 0)
		return;
	(void)kill(process->pid, signal);
	if (process->fd >= 0 && wait_quietly(process, patience_ms, true))
		return;
	(void)kill(process->pid, SIGKILL);
	reap(process);
}

bool process_succeeded(const struct process *process)
{
	return process->pid <= 0 && WIFEXITED(process->status) && WEXITSTATUS(process->status) == 0;
}

static bool read_line(pid_t pid, const char *thread, const char *name, char *line, size_t size)
{
	char path[320];
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "/proc/%d/task/%s/%s", pid, thread, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fgets(line, (int)size, file) != NULL;
	fclose(file);
	line[ok ? strcspn(line, "\n") : 0] = '\0';
	return ok;
}

static uint64_t *role(struct process_cpu *cpu, pid_t pid, const char *thread, const char *name)
{
	if (strtol(thread, NULL, 10) == pid)
		return &cpu->main;
	if (strcmp(name, "owamp-pacer") == 0)
		return &cpu->pacer;
	if (strcmp(name, "owamp-collector") == 0)
		return &cpu->collector;
	return strcmp(name, "owamp-writer") == 0 ? &cpu->writer : &cpu->others;
}

static void keep_larger(uint64_t *kept, uint64_t seen)
{
	if (seen > *kept)
		*kept = seen;
}

void process_cpu(pid_t pid, struct process_cpu *cpu)
{
	struct process_cpu seen = {0};
	const struct dirent *entry;
	char path[64], name[32], times[96];
	DIR *directory;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && read_line(pid, entry->d_name, "comm", name, sizeof name) &&
		    read_line(pid, entry->d_name, "schedstat", times, sizeof times))
			*role(&seen, pid, entry->d_name, name) += strtoull(times, NULL, 10);
	}
	if (directory)
		closedir(directory);
	keep_larger(&cpu->main, seen.main);
	keep_larger(&cpu->pacer, seen.pacer);
	keep_larger(&cpu->collector, seen.collector);
	keep_larger(&cpu->writer, seen.writer);
	keep_larger(&cpu->others, seen.others);
}

uint64_t process_cpu_sum(const struct process_cpu *cpu)
{
	return cpu->main + cpu->pacer + cpu->collector + cpu->writer + cpu->others;
}

unsigned long process_status(pid_t pid, const char *key)
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

unsigned process_children(pid_t parent)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	while (directory && (entry = readdir(directory))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && process_status(pid, "PPid") == (unsigned long)parent)
			count++;
	}
	if (directory)
		closedir(directory);
	return count;
}
