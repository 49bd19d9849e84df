/* The table of options that getopt and the usage text are made from. */
#ifndef OWPING_OPTIONS_TABLE_H
#define OWPING_OPTIONS_TABLE_H

#include <getopt.h>

#include "owping/options.h"

/* No less than the options there are, with one for the end. */
#define OWPING_OPTIONS_MAX 48

/* Options without a letter. */
enum owping_option {
	OWPING_OPTION_ZERO_PADDING = 256,
	OWPING_OPTION_PBKDF2_MAX,
	OWPING_OPTION_CONNECT_TIMEOUT,
	OWPING_OPTION_STEP_TIMEOUT,
	OWPING_OPTION_BEGIN,
	OWPING_OPTION_END,
	OWPING_OPTION_JSON,
	OWPING_OPTION_RECORDS,
	OWPING_OPTION_ARCHIVE,
	OWPING_OPTION_REALTIME,
	OWPING_OPTION_SPIN,
	OWPING_OPTION_PACER_CPU,
	OWPING_OPTION_COLLECTOR_CPU,
	OWPING_OPTION_HARDWARE_TIMESTAMPS,
	OWPING_OPTION_CLOCK,
	OWPING_OPTION_CLOCK_CONFIG,
};

/* What getopt_long() needs for a program. */
void owping_options_table(enum owping_program program, char letters[2 + 3 * OWPING_OPTIONS_MAX],
			  struct option long_options[OWPING_OPTIONS_MAX]);

/* "-c" or "--json"; written to label. */
const char *owping_option_label(int option, char label[40]);

#endif
