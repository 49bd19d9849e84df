/* What must not be overwritten by a file of results. */
#ifndef OWPING_GUARD_H
#define OWPING_GUARD_H

/*
 * Why the file at path must not be overwritten, or NULL if it may: it is the
 * archive (NULL: there is none) by whatever name, one of the files that belong
 * to it, or any other SQLite database.
 */
const char *owping_guard(const char *path, const char *archive);

#endif
