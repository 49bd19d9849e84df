/* Processes that do nothing but use CPU, with ordinary scheduling: one for each CPU. */
#ifndef BENCH_BURNERS_H
#define BENCH_BURNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct burners {
	pid_t *pids;
	size_t count;
};

/* False if they could not be started; then none is left. */
bool burners_start(struct burners *burners);
void burners_end(struct burners *burners);

#endif
