/*
 * A whole text file in memory. For files without secrets.
 */
#ifndef OWAMPD_TEXTFILE_H
#define OWAMPD_TEXTFILE_H

#include <stddef.h>

/*
 * Reads path, at most 4 MiB of it. *text is terminated, holds no NUL before
 * its end and is for the caller to free. On failure OWAMP_ESYSTEM, OWAMP_EINVAL
 * or OWAMP_ENOMEM, *text NULL, and error is one line, "PATH: ...".
 */
int textfile_read(const char *path, char **text, size_t *size, char *error, size_t error_size);

#endif
