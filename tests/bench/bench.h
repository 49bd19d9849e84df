/*
 * bench: what the meter costs and how exact it is, beside bare loops.
 *
 *	bench.c        the command line, the parts in their order
 *	facts.c        of the machine
 *	part_*.c       one question each
 *	bare_*.c       the loops that the figures stand beside (bare.h)
 *	client.c       owping and owfetch as a user runs them (client.h)
 *	burners.c network.c server.c process.c table.c   what the parts share
 */
#ifndef BENCH_H
#define BENCH_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

#include "table.h"

struct bench {
	bool json;
	bool quick; /* does it all work: figures of no worth */
	json_t *tables;
	char directory[64]; /* for files of the parts; empty again after each */
	char output[96];    /* what a client prints */
	char errors[96];
	char owampd[PATH_MAX];
	char owping[PATH_MAX];
	char owfetch[PATH_MAX];
	char sessions[PATH_MAX];
};

/*
 * A part runs its measurements and adds its tables. False: something did not
 * work, or a count was wrong, which stderr tells.
 */
bool part_rate(struct bench *bench);
bool part_lateness(struct bench *bench);
bool part_delay(struct bench *bench);
bool part_sessions(struct bench *bench);
bool part_fetch(struct bench *bench);
bool part_handshakes(struct bench *bench);

/* Takes the table: it is printed at once, or with the others as JSON. */
void bench_add(struct bench *bench, struct table *table);

/* A line on stderr: what is being done. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what went wrong; returns false. */
bool bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct table *facts_table(void);

#endif
