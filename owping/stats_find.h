/* The session that a SID or its first digits name. */
#ifndef OWPING_STATS_FIND_H
#define OWPING_STATS_FIND_H

#include "owping/stats_run.h"
#include "storage/query.h"

/*
 * Calls fn once, with the session of run->options->sid. If there is none or
 * more than one, run->error says so (and which). fn's result is returned.
 */
int stats_find(struct stats_run *run, int (*fn)(struct stats_run *run, const struct query_session *session));

/* Sets run->error if a measurement failed because of contradictory skip ranges; returns error. */
int stats_contradiction(struct stats_run *run, const struct query_session *session, int error);

#endif
