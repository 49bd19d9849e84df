/* What the parts of query.h share: running a statement over its rows. */
#ifndef STORAGE_QUERY_INTERNAL_H
#define STORAGE_QUERY_INTERNAL_H

#include <sqlite3.h>

#include "archive.h"

/* A result that is not 0 ends the walk. */
typedef int query_row_fn(void *context, sqlite3_stmt *st);

int query_prepare(struct archive *archive, const char *sql, sqlite3_stmt **st);

/* Calls row for each row and finalizes the statement. */
int query_walk(struct archive *archive, sqlite3_stmt *st, query_row_fn *row, void *context);

/* Both, for a statement whose one parameter is the session. */
int query_of_session(struct archive *archive, const char *sql, int64_t session_id, query_row_fn *row,
		     void *context);

/* NULL for NULL. */
const char *query_text(sqlite3_stmt *st, int column);

/*
 * A file can be damaged or forged: times from 1933 to 2116 and delays of which each
 * difference fits, and bounds that are not negative; others become the nearest such.
 */
int64_t query_time(sqlite3_stmt *st, int column);
int64_t query_delay(sqlite3_stmt *st, int column);
int64_t query_bound(sqlite3_stmt *st, int column);

#endif
