/*
 * A file for libConfuse, with errors that name the right line.
 */
#ifndef CLOCK_CONFFILE_H
#define CLOCK_CONFFILE_H

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Reads path, at most 4 MiB of it; for files without secrets. *text is
 * terminated, holds no NUL before its end and is for the caller to free. On
 * failure OWAMP_ESYSTEM, OWAMP_EINVAL or OWAMP_ENOMEM, *text NULL, and error is
 * one line, "PATH: ...".
 */
int conffile_read(const char *path, char **text, size_t *size, char *error, size_t error_size);

/*
 * Parses path into cfg, which must be new and whose error function is set.
 * section: only sections of that name, all else is passed over; NULL: all of it.
 * A section that is not CFGF_MULTI may come once.
 *
 * OWAMP_ESYSTEM, OWAMP_ENOMEM or OWAMP_EINVAL: error is one line, "FILE: ..." or
 * "FILE:LINE: ...", in which what went to cfg_error() follows the names and
 * titles of the sections it is about.
 */
int conffile_parse(cfg_t *cfg, const char *path, const char *section, char *error, size_t error_size);

/* Whether this was called for the option before: for callbacks, to refuse what is given twice. */
bool conffile_seen(cfg_opt_t *option);

#endif
