#include "owner.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include <owamp/error.h>

#define ENTRY_SIZE 4096

#define PASSWD "/etc/passwd"

int clock_owner_find(struct clock_owner *owner, const char *user)
{
	char buffer[ENTRY_SIZE];
	struct passwd entry, *found = NULL;

	*owner = (struct clock_owner){0};
	if (user[0] == '\0')
		return 0;
	if (getpwnam_r(user, &entry, buffer, sizeof buffer, &found) || !found)
		return OWAMP_EINVAL;
	*owner = (struct clock_owner){.uid = entry.pw_uid};
	return 0;
}

bool clock_owner_believes(const struct clock_owner *owner, uid_t uid)
{
	return uid == 0 || uid == geteuid() || uid == owner->uid;
}

static void name_user(uid_t uid, char *name, size_t size)
{
	char buffer[ENTRY_SIZE];
	struct passwd entry, *found;
	FILE *file = fopen(PASSWD, "re");

	(void)snprintf(name, size, "%lu", (unsigned long)uid);
	if (!file)
		return;
	while (fgetpwent_r(file, &entry, buffer, sizeof buffer, &found) == 0) {
		if (entry.pw_uid == uid) {
			(void)snprintf(name, size, "%s", entry.pw_name);
			break;
		}
	}
	(void)fclose(file);
}

void clock_owner_refuse(const char *what, uid_t uid, char *text, size_t size)
{
	char name[40];

	name_user(uid, name, sizeof name);
	(void)snprintf(text, size,
		       "%s is kept by user %s, neither root nor ours: user = NAME states that this is right",
		       what, name);
}
