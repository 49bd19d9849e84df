/* How many control connections there are from each address. */
#ifndef OWAMPD_PEERS_H
#define OWAMPD_PEERS_H

#include <sys/socket.h>

#define PEERS_BUCKETS 1024

struct peer;

/* Zeroed: none. */
struct peers {
	struct peer *buckets[PEERS_BUCKETS];
};

/* Ports do not matter. */
unsigned peers_count(const struct peers *peers, const struct sockaddr *address);

/* One more; OWAMP_ENOMEM. */
int peers_add(struct peers *peers, const struct sockaddr *address);

/* One less of an address that was added; with the last its memory goes. */
void peers_remove(struct peers *peers, const struct sockaddr *address);

#endif
