/* Values and objects that the documents of several commands have. */
#ifndef OWPING_STATS_DOCUMENT_H
#define OWPING_STATS_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "owping/stats_measure.h"
#include "owping/stats_options.h"
#include "owping/stats_range.h"
#include "storage/query.h"

json_t *stats_number(uint64_t value);
json_t *stats_number_if(bool known, int64_t value);

/* null for NULL. Text in a file may be anything; JSON is UTF-8. */
json_t *stats_string(const char *text);

/* lost of sent in percent, or null. */
json_t *stats_percent(uint64_t part, uint64_t whole);

/* What a line of the list says of a session. */
json_t *stats_session_object(const struct query_session *session, const struct stats_figures *figures);

/*
 * The percentiles of percentile_ns(): as a list of objects into
 * object["percentiles"] for JSON, as values such as "p99.9_ns" for CSV.
 */
void stats_percentiles_add(json_t *object, const struct stats_options *options,
			   int (*percentile_ns)(void *context, double percent, int64_t *delay_ns),
			   void *context);

/* The same for figures, for a pool, and where nothing is known. */
void stats_percentiles_of_figures(json_t *object, const struct stats_options *options,
				  const struct stats_figures *figures);
void stats_percentiles_of_pool(json_t *object, const struct stats_options *options, struct stats_pool *pool);
void stats_percentiles_none(json_t *object, const struct stats_options *options);

/* "packets" or "histograms". */
const char *stats_source(bool exact);

/* Adds list to the document as name, or prints it with --csv; takes the list over. */
void stats_publish(struct stats_run *run, const char *name, json_t *list);

/* The same without an entry; with --csv the header remains, of entries such as example, which it takes over.
 */
void stats_publish_nothing(struct stats_run *run, const char *name, json_t *example);

#endif
