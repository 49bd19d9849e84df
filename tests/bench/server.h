/* An owampd of the bench's own: on loopback or in a namespace, with files in a directory of its own. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "process.h"

#define BENCH_KEY_ID     "bench"
#define BENCH_SECRET     "bench-sessions"
#define BENCH_SECRET_HEX "62656e63682d73657373696f6e73"

/* For it to be ready, and to end. */
#define SERVER_PATIENCE_MS 20000

struct server_config {
	const char *program;
	const char *address; /* NULL: 127.0.0.1 */
	int network;         /* namespace; -1: this one */
	bool archive;        /* else results are in memory */
	bool shared_port;    /* one test port for all sessions it receives */
	bool keep_fetched;   /* sessions stay after they were fetched */
	const char *more;    /* further lines of its configuration; NULL: none */
};

struct server {
	struct process process;
	uint16_t port;
	char directory[64];
	char log[96];
	char keys[96];
	char archive[96];
};

/* On failure says why on stderr. The files are there until server_remove(). */
bool server_start(struct server *server, const struct server_config *config);

/* Ends it. False, with its log on stderr, if it did not end well. */
bool server_end(struct server *server);

/* Its files. Ends it too if it still runs. */
void server_remove(struct server *server);

/* Calls fn for each line of the log until it returns true. */
bool server_each_line(const struct server *server, bool (*fn)(void *context, const char *line),
		      void *context);

/* Lines of the log that have this in them. */
unsigned server_count_lines(const struct server *server, const char *text);

/* The number before some words of a line, as in "3 dropped at our own socket"; 0: they are not there. */
uint64_t server_number_before(const char *line, const char *words);

/* Datagrams that were dropped at its sockets, by what the log says of sessions that are over. */
uint64_t server_drops(const struct server *server);

/* An integer of a query on its archive; -1 on failure, said on stderr. */
int64_t server_query(const struct server *server, const char *sql);

#endif
