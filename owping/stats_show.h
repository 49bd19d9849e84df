/* What owstats show prints, one part in text and one for programs. */
#ifndef OWPING_STATS_SHOW_H
#define OWPING_STATS_SHOW_H

#include "owping/stats_measure.h"
#include "owping/stats_run.h"

int stats_show_text(struct stats_run *run, const struct query_session *session,
		    const struct stats_figures *figures);
int stats_show_minutes(struct stats_run *run, const struct query_session *session);

int stats_show_health(struct stats_run *run, const struct query_session *session);

/* Prints a name or a reason, which can hold anything. text may be NULL. */
void stats_show_foreign(FILE *out, const char *text);

/* Everything, as an object; NULL with *error set. */
json_t *stats_show_object(struct stats_run *run, const struct query_session *session,
			  const struct stats_figures *figures, int *error);

/* A list of the minutes; NULL with *error set. */
json_t *stats_show_minute_list(struct stats_run *run, const struct query_session *session, int *error);

#endif
