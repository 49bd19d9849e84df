/* After a run: reports of all results, on stdout, in files, and as exit status. */
#ifndef OWPING_OUTPUT_H
#define OWPING_OUTPUT_H

#include <stdio.h>

#include "owping/report.h"
#include "owping/run.h"

/* A file for one result's records. Its content is left alone until there is a new one. */
struct owping_save {
	const char *path; /* NULL: the records are not saved */
	FILE *file;
};

/*
 * Opens what the results go to before anything is measured: saves, the archive;
 * and looks whether -p can write. A failure is in run->error and run->reason.
 */
int owping_output_prepare(struct owping_run *run, struct owping_save *saves, unsigned save_count);

/*
 * Prints, saves and archives what the options ask for; saves has one entry for
 * each result and its files are closed. Returns the exit status.
 */
int owping_output(struct owping_run *run, struct owping_save *saves, unsigned save_count);

/* The exit status that outcomes amount to. */
int owping_exit_status(int run_error, bool interrupted, const enum owping_outcome *outcomes, unsigned count);

#endif
