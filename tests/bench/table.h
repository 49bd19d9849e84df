/* A table of figures: one account of them that is printed as text and as JSON. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <jansson.h>

struct table;

/* name: of the table in JSON. All memory ends with table_free(). Out of memory ends the program. */
struct table *table_new(const char *name, const char *title);
void table_free(struct table *table);

/*
 * key: of the column in JSON, with its unit; decimals below 0: text. Before the first cell.
 * Nothing is above the columns if the first has no heading.
 */
void table_column(struct table *table, const char *key, const char *heading, int decimals);

/* Cells from left to right, rows from above. A number that is NAN is not known. */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, double number);

/* A line below the table. */
void table_note(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

void table_print(const struct table *table);

/* {"title": ..., "rows": [{key: value}], "notes": [...]}, a new reference. */
json_t *table_json(const struct table *table);
const char *table_name(const struct table *table);

#endif
