/* The SQL of storage/schema/, embedded when the library is built. */
#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

#include <stddef.h>

/* schema_migrations[N] brings a file from version N to N + 1; NULL-terminated. */
extern const char *const schema_migrations[];

/* Drops the views and makes those of the newest version, after a migration. */
extern const char schema_views[];

#endif
