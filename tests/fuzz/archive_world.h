/* A small archive with something in each table, made once, and hostile changes to a copy of it. */
#ifndef FUZZ_ARCHIVE_WORLD_H
#define FUZZ_ARCHIVE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "input.h"

/* When its sessions were agreed on: 2026-11-20. */
#define WORLD_NS INT64_C(1795168800000000000)

#define WORLD_IPV4 "192.0.2.1"
#define WORLD_NAME "north"

#define WORLD_COLUMNS_MAX 160
#define WORLD_DIR_SIZE    64

/* What can be done to a column, in SQL. ?1: a value, ?2: rows before the first, ?3: rows, ?4: copies. */
struct world_column {
	char *change;
	char *copy;
	char *drop;
};

struct world {
	char dir[WORLD_DIR_SIZE];
	char path[WORLD_DIR_SIZE + 20];
	uint8_t *image; /* of the file */
	size_t size;
	size_t page_size;
	struct world_column columns[WORLD_COLUMNS_MAX];
	size_t column_count;
};

/* Aborts on failure. There is one until the process ends. */
struct world *world_new(void);

/* Its directory, with what is in it. */
void world_remove(const struct world *world);

/* The file is there again as it was made, and nothing beside it. */
void world_reset(const struct world *world);

/* Octets of the file are others. */
void world_patch(const struct world *world, struct input *in);

/* Rows are others, whatever the schema's checks and references say; the file itself is sound. */
void world_rewrite(const struct world *world, struct input *in);

/* Puts a file there. */
void world_write(const struct world *world, const uint8_t *image, size_t size);

/* archive_stats.c: asks owstats one of many things. */
void world_ask_owstats(const struct world *world, unsigned choice);

/* archive_memory.c, before SQLite is used for the first time; and the pieces of memory that it has now. */
void world_set_memory(void);
size_t world_memory(void);

/* For what must not fail, also in a build without assertions. */
void world_require(bool holds, const char *what);

#endif
