/* A run of owstats: what its commands share. */
#ifndef OWPING_STATS_RUN_H
#define OWPING_STATS_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "owping/stats_options.h"
#include "storage/archive.h"

#define STATS_COLOR_ERROR   "\033[31m"
#define STATS_COLOR_WARNING "\033[33m"
#define STATS_COLOR_BAR     "\033[36m"
#define STATS_COLOR_END     "\033[0m"

struct stats_run {
	const struct stats_options *options;
	struct archive *archive;
	FILE *out;
	const char *out_name; /* for messages */
	bool colors;
	int64_t now_ns;
	json_t *document;   /* what --json prints; commands add to it, or print it and set it to NULL */
	bool found_nothing; /* no such SID */
	json_t *notes;      /* texts: what to know about the answer */
	char error[512];
};

/* A command: 0, or a code with run->error set. */
typedef int stats_command_fn(struct stats_run *run);

stats_command_fn stats_list;
stats_command_fn stats_show;
stats_command_fn stats_summary;
stats_command_fn stats_histogram;
stats_command_fn stats_timeline;
stats_command_fn stats_export;
stats_command_fn stats_clock;
stats_command_fn stats_prune;

/* Sets run->error; returns OWAMP_EDATA. */
__attribute__((format(printf, 2, 3))) int stats_fail(struct stats_run *run, const char *format, ...);

/* Sets run->error, if it is not set yet, to what a failed call on the archive or for memory means. */
int stats_failed(struct stats_run *run, int error);

/* A note: below the text, in the document, or on standard error with --csv. */
__attribute__((format(printf, 2, 3))) void stats_note(struct stats_run *run, const char *format, ...);

/* What is to be known of packets that are neither received nor lost; nothing if there are none. */
void stats_note_drops(struct stats_run *run, uint64_t dropped);

/* The end of the document, once "notes": what is known at the very end. */
void stats_run_outcome(struct stats_run *run, json_t *object, int error);

/* Writes notes and document, and ends run->out. */
int stats_run_finish(struct stats_run *run, int error);

/* Times as the options want them, "2026-11-21T00:50:55.794Z"; delays in the unit. Both return buffer. */
#define STATS_TEXT_SIZE 80
char *stats_time(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns, unsigned decimals);
char *stats_delay(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns);

/* The same on a line of its own or in a cell, "0.8 ms". */
char *stats_delay_unit(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns);

/* Text that comes from elsewhere, without what a terminal would obey. Changes and returns text. */
char *stats_clean(char *text);

#endif
