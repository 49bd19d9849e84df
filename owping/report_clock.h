/* What a measurement's clocks are worth, in words. Parts of the text report. */
#ifndef OWPING_REPORT_CLOCK_H
#define OWPING_REPORT_CLOCK_H

#include <stdio.h>

#include <owamp/clock.h>

#include "owping/report.h"

/*
 * "clocks: ...": how far each is from UTC, what that makes of the delay, and why a
 * clock is not synchronized as far as this host knows: of the other one it has
 * only the error estimates.
 */
void owping_report_clocks(FILE *out, const struct owping_report *report);

/* A line for each source of this host's clock. */
void owping_report_sources(FILE *out, const struct owamp_clock_status *clock);

#endif
