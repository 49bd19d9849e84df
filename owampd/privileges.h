/*
 * The user and group that the server becomes once its ports are open.
 */
#ifndef OWAMPD_PRIVILEGES_H
#define OWAMPD_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "owampd/config.h"

struct privileges {
	bool wanted; /* the configuration names a user or a group */
	uid_t uid;
	gid_t gid;
};

/* OWAMP_EINVAL, and error says so, if there is no such user or group. */
int privileges_find(struct privileges *privileges, const struct config *config, char *error,
		    size_t error_size);

/* For good. OWAMP_ESYSTEM with errno. */
int privileges_drop(const struct privileges *privileges);

/*
 * Calls fn with what the server will be able to do, and no more; with our own
 * privileges if we are not root. Returns fn's result. Changes the whole
 * process for that time: not with other threads.
 */
int privileges_try(const struct privileges *privileges, int (*fn)(void *context), void *context);

#endif
