/*
 * Whose word counts: what any user of this host could say is no outside source.
 */
#ifndef CLOCK_OWNER_H
#define CLOCK_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Who is believed beside root and who runs this. */
struct clock_owner {
	uid_t uid; /* root: nobody else */
};

/* user "": nobody else. OWAMP_EINVAL: there is no such user. It may ask name services. */
int clock_owner_find(struct clock_owner *owner, const char *user);

bool clock_owner_believes(const struct clock_owner *owner, uid_t uid);

/* "WHAT is kept by user NAME, ...", as /etc/passwd has the name: nobody waits for a name service. */
void clock_owner_refuse(const char *what, uid_t uid, char *text, size_t size);

#endif
