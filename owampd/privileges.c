#include "owampd/privileges.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "owamp/error.h"

int privileges_find(struct privileges *privileges, const struct config *config, char *error,
		    size_t error_size)
{
	const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
	const struct group *group = config->group ? getgrnam(config->group) : NULL;

	*privileges = (struct privileges){.uid = geteuid(), .gid = getegid()};
	if (config->user && !user) {
		snprintf(error, error_size, "user \"%s\" does not exist", config->user);
		return OWAMP_EINVAL;
	}
	if (config->group && !group) {
		snprintf(error, error_size, "group \"%s\" does not exist", config->group);
		return OWAMP_EINVAL;
	}
	privileges->wanted = user || group;
	if (user) {
		privileges->uid = user->pw_uid;
		privileges->gid = user->pw_gid;
	}
	if (group)
		privileges->gid = group->gr_gid;
	return 0;
}

int privileges_drop(const struct privileges *privileges)
{
	if (!privileges->wanted)
		return 0;
	if (setgroups(0, NULL) || setresgid(privileges->gid, privileges->gid, privileges->gid) ||
	    setresuid(privileges->uid, privileges->uid, privileges->uid))
		return OWAMP_ESYSTEM;
	return 0;
}

int privileges_try(const struct privileges *privileges, int (*fn)(void *context), void *context)
{
	gid_t groups[NGROUPS_MAX], gid = getegid();
	int count, result;

	if (!privileges->wanted || geteuid() != 0)
		return fn(context);
	count = getgroups(NGROUPS_MAX, groups);
	if (count < 0 || setgroups(0, NULL) || setegid(privileges->gid) || seteuid(privileges->uid))
		return OWAMP_ESYSTEM;
	result = fn(context);
	/* With half of the privileges back, nothing after this would be what it seems. */
	if (seteuid(0) || setegid(gid) || setgroups((size_t)count, groups))
		abort();
	return result;
}
