/*
 * Other programs: started, waited for, watched, and gone when this one is.
 *
 * SIGINT, SIGTERM and SIGHUP stay blocked from process_init() on; everything
 * that takes time asks process_interrupted(), so that all that was made is
 * taken away again.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void process_init(void);
bool process_interrupted(void);

/* Sleeps; false if interrupted. */
bool process_pause(int ms);

/* The soft limit of open files, here and for what is started, at least; false if that is not possible. */
bool process_raise_files(unsigned wanted);

struct process {
	pid_t pid; /* -1: not running */
	int fd;    /* readable when it has ended */
	int status;
	double cpu_s; /* of it all, once it has ended */
};

struct process_config {
	const char *const *argv; /* ended by NULL; argv[0] is the program's path */
	const char *output;      /* file for standard output; NULL: none */
	const char *errors;      /* file for standard error, added to; NULL: this one's */
	int network;             /* namespace to run in; -1: this one's */
};

/* It gets SIGTERM if this program ends first. On failure says why on stderr. */
bool process_start(struct process *process, const struct process_config *config);

/* True once it has ended. At most so long; earlier if interrupted. */
bool process_wait(struct process *process, int timeout_ms);

/* Sends the signal if it runs, waits for patience_ms, and kills it then. */
void process_end(struct process *process, int signal, int patience_ms);

/* It has ended by itself, with status 0. */
bool process_succeeded(const struct process *process);

/* CPU time in ns of a running process's threads, by what they are for. */
struct process_cpu {
	uint64_t main;
	uint64_t pacer;
	uint64_t collector;
	uint64_t writer;
	uint64_t others;
};

/* A thread that has gone keeps what it had when it was last seen. */
void process_cpu(pid_t pid, struct process_cpu *cpu);
uint64_t process_cpu_sum(const struct process_cpu *cpu);

/* The number after a key of /proc/PID/status: KiB of VmRSS and VmHWM, Threads. 0 if it is not there. */
unsigned long process_status(pid_t pid, const char *key);
unsigned process_children(pid_t parent);

#endif
