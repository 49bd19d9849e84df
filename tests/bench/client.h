/* owping and owfetch, run as a user runs them, with --json. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdint.h>

#include "bench.h"
#include "process.h"
#include "server.h"

#define CLIENT_ARGUMENTS_MAX 40

struct client_config {
	const char *program;
	const struct server *server;
	const char *address;          /* of the server; NULL: 127.0.0.1 */
	int network;                  /* namespace; -1: this one */
	const char *mode;             /* "O", "A" or "E" */
	const char *const *arguments; /* further ones, ended by NULL */
	const char *const *operands;  /* after the server; NULL: none */
	int patience_ms;
};

struct client_run {
	json_t *document;
	json_t *test; /* the first session of it */
	double wall_s;
	struct process_cpu cpu; /* but what the main thread did at the very end */
	double cpu_s;           /* of the whole process */
};

/* On failure says why; the run need not be freed then. */
bool client_run(struct bench *bench, const struct client_config *config, struct client_run *run);
void client_free(struct client_run *run);

/* A number somewhere below the session's object, by its path, "summary.sent"; NAN if it is not there. */
double client_number(const struct client_run *run, const char *path);

/* All of so many packets were sent and received, once. */
bool client_lossless(const struct client_run *run, uint32_t packets);

#endif
