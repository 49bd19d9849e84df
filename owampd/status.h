/*
 * The status socket: whoever connects to it gets one JSON document,
 * {"clock": {...}}, and the end of the stream.
 */
#ifndef OWAMPD_STATUS_H
#define OWAMPD_STATUS_H

#include <stddef.h>

#include <owamp/clock.h>
#include <owamp/loop.h>

#include "owampd/privileges.h"

struct status;

/*
 * Makes the socket, mode 0660, as the server's user, or where he may not, for
 * him, if the folder is root's alone: so before privileges are dropped, and
 * before there are threads. What an earlier process left is removed; one that is
 * answered is not. OWAMP_ESYSTEM or OWAMP_EINVAL: error says why.
 */
int status_bind(struct status **status, const char *path, const struct privileges *privileges, char *error,
		size_t error_size);

/* Whether that would work, as far as looking tells. OWAMP_EINVAL: error says why not. */
int status_check(const char *path, const struct privileges *privileges, char *error, size_t error_size);

/* From now on connections are answered, on the loop's thread. */
int status_serve(struct status *status, struct owamp_loop *loop, struct owamp_clock *clock);

/* Removes the socket, if it is still ours and that is allowed. status may be NULL. */
void status_close(struct status *status);

#endif
