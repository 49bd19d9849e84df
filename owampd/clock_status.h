/*
 * owampd --clock-status: asks the server that runs, or looks for itself.
 */
#ifndef OWAMPD_CLOCK_STATUS_H
#define OWAMPD_CLOCK_STATUS_H

#include "owampd/config.h"

/* Writes what was found to standard output. Returns the exit status: 0 if something was. */
int clock_status_show(const struct config *config);

#endif
