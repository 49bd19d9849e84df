/* The formats for programs other than JSON: raw records and keys with values. */
#ifndef OWPING_REPORT_RAW_H
#define OWPING_REPORT_RAW_H

#include <stdio.h>

#include "owping/options.h"
#include "owping/report.h"

/* A record's line: SEQ SENDTIME SYNC ERR RECVTIME SYNC ERR TTL. */
void owping_report_raw_line(FILE *out, const struct owamp_record *record);

/* -R: all of them. */
void owping_report_raw(FILE *out, const struct owping_report *report);

/* -M: a line a value, in seconds where it is a time. */
void owping_report_machine(FILE *out, const struct owping_report *report,
			   const struct owping_options *options);

/* -T, -F and owfetch's FILE: the raw records below lines of '#' that describe the session. */
void owping_report_save(FILE *out, const struct owping_report *report);

#endif
