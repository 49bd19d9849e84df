/*
 * bench_sessions: many sessions at a time against one owampd.
 *
 *	sessions.c          the clients, the sums
 *	sessions_options.c  the command line
 *	sessions_lateness.c how late packets left, from their records
 *	sessions_log.c      what owampd and the kernel say of owampd
 *	sessions_report.c   text and JSON
 */
#ifndef BENCH_SESSIONS_H
#define BENCH_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/client.h>

#include "server.h"

struct sessions_options {
	unsigned sessions;
	unsigned per_connection;
	unsigned seconds;
	double rate;
	double start_delay; /* s */
	double timeout;     /* s */
	bool to, from;
	bool encrypted;
	bool shared_port;
	bool ordinary; /* no real-time scheduling is asked for, by either side */
	bool archive;
	bool json;
	const char *owampd; /* to start; NULL if server is given */
	const char *host;   /* of a server that runs already */
	uint16_t port;
};

/* Departures after the scheduled time, in ns: one for each packet that has a record. */
struct sessions_lateness {
	int64_t *values;
	size_t count;
	size_t capacity;
	bool sorted;
};

/* What a process used. */
struct sessions_usage {
	double cpu_s;
	unsigned long resident_kib; /* at most, since it started */
	unsigned processes;
	unsigned threads;
};

struct sessions_side {
	unsigned sessions; /* that the server's log tells the end of */
	uint64_t sent;
	uint64_t skipped;
	uint64_t socket_drops;
	uint64_t send_errors;
	struct sessions_lateness lateness;
	struct sessions_usage usage;
};

struct sessions_results {
	unsigned sessions;
	unsigned complete;
	char first_reason[256]; /* why the first one that is not complete is not */
	uint64_t received;
	uint64_t lost;
	uint64_t duplicates;
	double set_up_s;   /* from the first connection to the last session's Start-Ack */
	bool realtime;     /* granted to the clients */
	bool server_known; /* false if somebody else started it */
	struct sessions_side bench;
	struct sessions_side server;
};

/* False if the command line is wrong, or asks for help. */
bool sessions_parse(struct sessions_options *options, int argc, char **argv);
void sessions_print_usage(void);

/* Adds a session's packets, of which the records are there. False: out of memory. */
bool sessions_lateness_add(struct sessions_lateness *lateness, const struct owamp_result *result);
/* NAN if nothing was added. */
double sessions_lateness_percentile_us(struct sessions_lateness *lateness, double percent);
double sessions_lateness_mean_us(const struct sessions_lateness *lateness);

/* Of this process. */
void sessions_own_usage(struct sessions_usage *usage);

/* Takes the usage, ends the server, reads its log. False if it did not end well. */
bool sessions_end_server(struct server *server, struct sessions_side *side);

void sessions_report(const struct sessions_options *options, struct sessions_results *results);

#endif
