/* The command line of owstats. */
#ifndef OWPING_STATS_OPTIONS_H
#define OWPING_STATS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STATS_PERCENTILES_MAX 64
#define STATS_ARCHIVE_DEFAULT "/var/lib/owampd/archive.sqlite"

enum stats_command {
	STATS_LIST = 1,
	STATS_SHOW = 2,
	STATS_SUMMARY = 4,
	STATS_HISTOGRAM = 8,
	STATS_TIMELINE = 16,
	STATS_EXPORT = 32,
	STATS_PRUNE = 64,
	STATS_CLOCK = 128,
};

enum stats_format {
	STATS_TEXT,
	STATS_JSON,
	STATS_CSV,
};

/* Strings point into argv and the environment. */
struct stats_options {
	enum stats_command command;
	bool help;
	bool version;
	const char *archive;
	enum stats_format format;
	char unit; /* n, u, m or s */
	bool unix_time;

	/* What it is about. */
	const char *sid;  /* or the first digits of one, lower or upper case; NULL: */
	const char *from; /* these two, NULL: any */
	const char *to;
	int64_t since_ns; /* INT64_MIN: from the first on */
	int64_t until_ns; /* exclusive; INT64_MAX: to the last */
	const char *outcome;
	bool limit_given;
	uint32_t limit; /* 0: none */

	/* How it is shown. */
	bool minutes;
	double percentiles[STATS_PERCENTILES_MAX];
	size_t percentile_count;
	uint32_t rows;  /* 0: as the terminal has */
	uint32_t width; /* 0: as the terminal has */
	int64_t step_ns;
	const char *output; /* NULL: standard output */

	/* What is to be kept; 0: no such limit. */
	int64_t keep_packets_ns;
	int64_t keep_summaries_ns;
	uint64_t max_octets;
	bool dry_run;
};

/*
 * Reads a command line and completes it with the defaults. archive: what the
 * environment names, or NULL. OWAMP_EINVAL with one line in error if it is
 * wrong. Help and version stop the reading.
 */
int stats_options_parse(struct stats_options *options, int argc, char **argv, const char *archive,
			int64_t now_ns, char *error, size_t error_size);

const char *stats_command_name(enum stats_command command);

/* All commands and options. */
void stats_usage(FILE *out);

#endif
