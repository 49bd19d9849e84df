/* The tables of owstats's commands and options that getopt and the usage text are made from. */
#ifndef OWPING_STATS_OPTIONS_TABLE_H
#define OWPING_STATS_OPTIONS_TABLE_H

#include <getopt.h>

#include "owping/stats_options.h"

/* No less than the options there are, with one for the end. */
#define STATS_OPTIONS_MAX 32

/* Options without a letter. */
enum stats_option {
	STATS_OPTION_SINCE = 256,
	STATS_OPTION_UNTIL,
	STATS_OPTION_FROM,
	STATS_OPTION_TO,
	STATS_OPTION_LIMIT,
	STATS_OPTION_OUTCOME,
	STATS_OPTION_MINUTES,
	STATS_OPTION_PERCENTILES,
	STATS_OPTION_ROWS,
	STATS_OPTION_WIDTH,
	STATS_OPTION_STEP,
	STATS_OPTION_KEEP_PACKETS,
	STATS_OPTION_KEEP_SUMMARIES,
	STATS_OPTION_MAX_SIZE,
	STATS_OPTION_DRY_RUN,
	STATS_OPTION_JSON,
	STATS_OPTION_CSV,
	STATS_OPTION_UTC,
};

/* What getopt_long() needs. */
void stats_options_table(char letters[2 + 2 * STATS_OPTIONS_MAX],
			 struct option long_options[STATS_OPTIONS_MAX]);

/* "-a" or "--since". */
const char *stats_option_label(int option, char label[40]);

/* The commands that know an option, of enum stats_command. */
unsigned stats_option_commands(int option);

/* A command by its name; 0: there is none. */
enum stats_command stats_command_find(const char *name);

#endif
