#include "peers.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>
#include <owamp/socket.h>

struct peer {
	struct peer *next; /* in its bucket */
	int version;
	uint8_t address[16];
	unsigned count;
};

static void make_key(const struct sockaddr *address, struct peer *key)
{
	*key = (struct peer){.count = 0};
	key->version = owamp_address_to_request(address, key->address);
}

static size_t hash(const struct peer *key)
{
	uint32_t sum = 2166136261; /* FNV-1a */

	for (size_t i = 0; i < sizeof key->address; i++)
		sum = (sum ^ key->address[i]) * 16777619;
	return sum % PEERS_BUCKETS;
}

static bool equal(const struct peer *a, const struct peer *b)
{
	return a->version == b->version && memcmp(a->address, b->address, sizeof a->address) == 0;
}

unsigned peers_count(const struct peers *peers, const struct sockaddr *address)
{
	const struct peer *peer;
	struct peer key;

	make_key(address, &key);
	peer = peers->buckets[hash(&key)];
	while (peer && !equal(peer, &key))
		peer = peer->next;
	return peer ? peer->count : 0;
}

/* Where the peer is linked, or would be. */
static struct peer **find(struct peers *peers, const struct peer *key)
{
	struct peer **link = &peers->buckets[hash(key)];

	while (*link && !equal(*link, key))
		link = &(*link)->next;
	return link;
}

int peers_add(struct peers *peers, const struct sockaddr *address)
{
	struct peer key, **link;

	make_key(address, &key);
	link = find(peers, &key);
	if (!*link) {
		*link = malloc(sizeof **link);
		if (!*link)
			return OWAMP_ENOMEM;
		**link = key;
	}
	(*link)->count++;
	return 0;
}

void peers_remove(struct peers *peers, const struct sockaddr *address)
{
	struct peer key, **link, *peer;

	make_key(address, &key);
	link = find(peers, &key);
	peer = *link;
	if (--peer->count > 0)
		return;
	*link = peer->next;
	free(peer);
}
