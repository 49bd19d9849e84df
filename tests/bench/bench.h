/*
 * bench_sessions: many sessions at a time against one owampd.
 *
 *	bench_sessions.c  options, the clients, the sums
 *	bench_server.c    starting owampd; what the kernel and its log say of it
 *	bench_report.c    text and JSON
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_KEY_ID     "bench"
#define BENCH_SECRET     "bench-sessions"
#define BENCH_SECRET_HEX "62656e63682d73657373696f6e73"

struct bench_options {
	unsigned sessions;
	unsigned per_connection;
	unsigned seconds;
	double rate;
	bool to, from;
	bool encrypted;
	bool json;
	const char *owampd; /* to start; NULL if server is given */
	const char *host;   /* of a server that runs already */
	uint16_t port;
};

/* How late packets left. */
struct bench_lateness {
	uint64_t packets;
	double sum_us;
	double max_us;
};

/* What a process used. */
struct bench_usage {
	double cpu_s;
	unsigned long resident_kib; /* at most, since it started */
	unsigned processes;
	unsigned threads;
};

struct bench_side {
	unsigned sessions; /* that the server's log tells the end of */
	uint64_t sent;
	uint64_t skipped;
	uint64_t socket_drops;
	uint64_t send_errors;
	struct bench_lateness lateness;
	struct bench_usage usage;
};

struct bench_results {
	unsigned sessions;
	unsigned complete;
	char first_reason[256]; /* why the first one that is not complete is not */
	uint64_t received;
	uint64_t lost;
	uint64_t duplicates;
	bool server_known; /* false if somebody else started it */
	struct bench_side bench;
	struct bench_side server;
};

struct bench_server {
	pid_t pid;
	uint16_t port;
	char directory[64];
	char log[96];
};

/* Raises the limit of open files, here and for the server; false if that is not possible. */
bool bench_raise_files(unsigned wanted);

/* Starts owampd on a loopback port. On failure says why on stderr. */
bool bench_server_start(struct bench_server *server, const struct bench_options *options);

/* Takes the usage, ends the server, reads its log, removes its files. False if it did not end well. */
bool bench_server_end(struct bench_server *server, struct bench_side *side);

/* Of this process. */
void bench_own_usage(struct bench_usage *usage);

void bench_report(const struct bench_options *options, const struct bench_results *results);

#endif
