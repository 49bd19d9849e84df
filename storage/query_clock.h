/* What owstats asks about the clock's timeline; as in query.h. */
#ifndef STORAGE_QUERY_CLOCK_H
#define STORAGE_QUERY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "archive.h"

/* A source as its program last saw it. */
struct query_clock_source {
	const char *program;
	const char *name;
	const char *source;
	const char *state;
	const char *reason;
	bool used;
	bool contradicted;
	bool steers;
	bool measured; /* the following are known */
	int64_t offset_ns;
	int64_t bound_ns;
	int64_t age_ns;
	int64_t time_ns; /* when it was seen */
};

/* By program, in the order of their names. */
int query_clock_sources(struct archive *archive,
			int (*fn)(void *context, const struct query_clock_source *source), void *context);

/* A moment at which something of a program's clock changed; texts NULL where nothing is known. */
struct query_clock_event {
	int64_t time_ns;
	const char *program;
	int64_t step_ns; /* 0: it was not set */
	const char *source_before;
	const char *source;
	bool begun; /* there is nothing before it */
	bool synchronized_before;
	bool synchronized;
	int64_t bound_before_ns;
	int64_t bound_ns;
	const char *alarm_before;
	const char *alarm;
	const char *steered_by_before;
	const char *steered_by;
	int leap_before;
	int leap;
};

/* Those in [since, until), in order. */
int query_clock_events(struct archive *archive, int64_t since_ns, int64_t until_ns,
		       int (*fn)(void *context, const struct query_clock_event *event), void *context);

#endif
