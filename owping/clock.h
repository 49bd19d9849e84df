/* What owping has to do with this host's clock: its configuration, and --clock. */
#ifndef OWPING_CLOCK_H
#define OWPING_CLOCK_H

#include <stddef.h>

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

/* --clock: asks the sources and prints what they say. Returns the exit status. */
int owping_clock(const struct owping_options *options);

#endif
