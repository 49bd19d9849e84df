/* What owping has to do with this host's clock: its configuration, and --clock. */
#ifndef OWPING_CLOCK_H
#define OWPING_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <owamp/clock.h>

#include "owping/options.h"

/*
 * The clock section of the file that the options name, else of the usual one if
 * there is one, else the defaults. OWAMP_EINVAL, OWAMP_ENOMEM or OWAMP_ESYSTEM:
 * error is a line for the user.
 */
int owping_clock_configure(struct owamp_clock_config *config, const struct owping_options *options,
			   char *error, size_t error_size);

/* As if there were no source. */
void owping_clock_unknown(struct owamp_clock_status *status);

/*
 * --clock=SECONDS: whether a line is due after the round at round_mono if the
 * line before it is of the round at line_mono: after each round but those that
 * follow the one before in haste.
 */
bool owping_clock_is_line_due(int64_t line_mono, int64_t round_mono);

/* --clock --json, when it cannot be done: one line. -1: not printed. */
int owping_clock_report_error(FILE *out, const char *reason);

/* --clock: asks the sources and prints what they say. Returns the exit status. */
int owping_clock(const struct owping_options *options);

#endif
