/* The summary that people read, and single records in words (-v). */
#ifndef OWPING_REPORT_TEXT_H
#define OWPING_REPORT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "owping/options.h"
#include "owping/report.h"

/* The block of one session. Of options those of the output and of the meter matter. granted may be NULL. */
void owping_report_text(FILE *out, const struct owping_report *report, const struct owping_options *options,
			const struct owamp_engine_granted *granted, bool colors);

#endif
