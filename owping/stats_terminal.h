/* What standard output can show. */
#ifndef OWPING_STATS_TERMINAL_H
#define OWPING_STATS_TERMINAL_H

#include <stdbool.h>

struct stats_terminal {
	unsigned columns; /* 80 if it is no terminal */
	unsigned rows;    /* 24 if it is no terminal */
	bool utf8;        /* as the locale says */
};

void stats_terminal_get(struct stats_terminal *terminal);

#endif
