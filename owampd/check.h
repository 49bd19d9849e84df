/*
 * What the configuration refers to: the files, the user and the group.
 */
#ifndef OWAMPD_CHECK_H
#define OWAMPD_CHECK_H

#include <owamp/keyfile.h>

#include "owampd/config.h"
#include "owampd/policy.h"

/*
 * For --check-config: looks at everything, not only up to the first mistake,
 * and creates nothing. A line "FILE: ok" on standard output for each file that
 * is right; log() gets a line for each that is not, and for each warning.
 * Returns how many are wrong.
 */
unsigned check_config(const struct config *config, void (*log)(void *context, const char *line),
		      void *context);

/*
 * Users to whom the limits assign a class and who have no key: each a line to
 * log(). One line if nobody at all is assigned a class.
 */
void check_users(const struct config *config, const struct policy *policy, const struct owamp_keyfile *keys,
		 void (*log)(void *context, const char *line), void *context);

#endif
