/* After a run: reports of all results, on stdout, in files, and as exit status. */
#ifndef OWPING_OUTPUT_H
#define OWPING_OUTPUT_H

#include <stdio.h>

#include "owping/report.h"
#include "owping/run.h"

/* A file for one result's records, opened before the run so that a typo costs nothing. */
struct owping_save {
	const char *path; /* NULL: the records are not saved */
	FILE *file;
};

/* Opens save->path for writing and leaves its content alone until there is a new one. */
int owping_save_open(struct owping_save *save, enum owping_program program);

/*
 * Prints and saves what the options ask for; saves has one entry for each
 * result and its files are closed. Returns the exit status.
 */
int owping_output(const struct owping_run *run, struct owping_save *saves, unsigned save_count);

/* The exit status that outcomes amount to. */
int owping_exit_status(int run_error, bool interrupted, const enum owping_outcome *outcomes, unsigned count);

#endif
