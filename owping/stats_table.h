/* Tables: columns as wide as what is in them, for people; and comma separated values, for programs. */
#ifndef OWPING_STATS_TABLE_H
#define OWPING_STATS_TABLE_H

/* Below a table in which something is dropped. */
#define STATS_DROP_LEGEND "drop: at the receiver's own socket, not counted as lost\n"

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

struct stats_table;

/* Headers that begin with '<' are columns whose text is on the left side; the '<' is not printed. */
int stats_table_new(struct stats_table **table, const char *const *headers, size_t columns);
void stats_table_free(struct stats_table *table);

/* The next cell. What a terminal would obey is taken out. No memory is noticed by stats_table_print(). */
__attribute__((format(printf, 2, 3))) void stats_table_add(struct stats_table *table, const char *format,
							   ...);

/* Ends the row; color NULL: none. */
void stats_table_row(struct stats_table *table, const char *color);

/* Returns 0 or OWAMP_ENOMEM. */
int stats_table_print(const struct stats_table *table, FILE *out, bool colors);

/* How many columns of a terminal a text takes. */
size_t stats_columns(const char *text);

/*
 * The objects of a list as comma separated values (RFC 4180): the first object's
 * keys as header; what is no number, text, truth value or null is left out. A
 * point in time, such as start_ns, is there as start_time too.
 */
void stats_csv_print(FILE *out, json_t *list);

/* Only the header, of a list of objects such as this one. */
void stats_csv_header(FILE *out, json_t *object);

/* A field, in quotes where that is due. */
void stats_csv_text(FILE *out, const char *text);

/* A time as a field, UTC with nine decimals; empty if it is not known. */
void stats_csv_time(FILE *out, bool known, int64_t ns);

#endif
