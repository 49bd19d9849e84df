/* What the two ways of owstats prune share: doing it, and saying what would be done. */
#ifndef OWPING_STATS_PRUNE_H
#define OWPING_STATS_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "owping/stats_run.h"

/* "packets" or "session", what of it goes, by SID. */
struct stats_pruned {
	uint64_t packets; /* sessions whose packets go */
	uint64_t whole;   /* sessions of which nothing is left */
	json_t *sessions;
};

/* Also for a session whose packets went before. */
void stats_pruned_add(struct stats_pruned *pruned, const char *sid, bool whole);

/* What would go; *after: octets then in use, an estimate. used: now. */
int stats_prune_preview(struct stats_run *run, struct stats_pruned *pruned, uint64_t used, uint64_t *after);

#endif
