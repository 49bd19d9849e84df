/*
 * The file that holds the process id while the server runs. It is locked for
 * that time, so that what a server that was killed left is told from the file
 * of one that runs.
 */
#ifndef OWAMPD_PIDFILE_H
#define OWAMPD_PIDFILE_H

#include <stddef.h>

struct pidfile;

/*
 * OWAMP_ELIMIT: another process holds it, error says which. OWAMP_EINVAL: it is a
 * symbolic link, or holds something else. error is one line without the path.
 */
int pidfile_take(struct pidfile **pidfile, const char *path, char *error, size_t error_size);

/* Removes the file, or empties it if the folder is not ours any more. NULL, or errno's text. */
const char *pidfile_release(struct pidfile *pidfile);

#endif
