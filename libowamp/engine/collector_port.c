/* One socket for many sessions: a table of places by the sender's address and port. */
#include <owamp/collector.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/crypto.h>
#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

#include "collector_internal.h"

#define BUCKETS_MIN 16

/* Family and port, address, scope. */
#define KEY_WORDS 6

struct place_key {
	uint32_t words[KEY_WORDS];
};

struct owamp_collector_place {
	struct owamp_collector_port *port;
	struct owamp_collector_place *next; /* in its bucket */
	struct place_key key;
	union arrival_address sender;
	struct owamp_collector_session *session; /* NULL: none now */
};

struct owamp_collector_port {
	struct inlet inlet;
	struct owamp_collector_place **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t place_count;
	/* Random, so that nobody can choose addresses that all end up in one bucket. */
	uint64_t seed[KEY_WORDS + 1];
	_Atomic uint64_t strangers;
	struct retired retired;
};

static bool is_link_local(const union arrival_address *address)
{
	return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->in6.sin6_addr);
}

/* The scope tells hosts apart only where the address alone does not. */
static struct place_key make_key(const union arrival_address *address)
{
	struct place_key key = {0};

	key.words[0] = (uint32_t)address->any.sa_family << 16 | address->in.sin_port;
	if (address->any.sa_family == AF_INET) {
		key.words[1] = address->in.sin_addr.s_addr;
		return key;
	}
	memcpy(&key.words[1], &address->in6.sin6_addr, sizeof address->in6.sin6_addr);
	if (is_link_local(address))
		key.words[5] = address->in6.sin6_scope_id;
	return key;
}

/* Multilinear hashing: two keys share a bucket with the chance of random numbers, whoever chose them. */
static uint32_t hash(const struct owamp_collector_port *port, const struct place_key *key)
{
	uint64_t sum = port->seed[KEY_WORDS];

	for (int i = 0; i < KEY_WORDS; i++)
		sum += port->seed[i] * key->words[i];
	return (uint32_t)(sum >> 32);
}

static struct owamp_collector_place **bucket(const struct owamp_collector_port *port,
					     const struct place_key *key)
{
	return &port->buckets[hash(port, key) & (port->bucket_count - 1)];
}

static struct owamp_collector_place *find(const struct owamp_collector_port *port,
					  const struct place_key *key)
{
	struct owamp_collector_place *place = *bucket(port, key);

	while (place && memcmp(&place->key, key, sizeof *key) != 0)
		place = place->next;
	return place;
}

static void insert(struct owamp_collector_port *port, struct owamp_collector_place *place)
{
	struct owamp_collector_place **head = bucket(port, &place->key);

	place->next = *head;
	*head = place;
}

struct owamp_collector_session *collector_port_session(struct owamp_collector_port *port,
						       const union arrival_address *source)
{
	struct place_key key = make_key(source);
	struct owamp_collector_place *place = find(port, &key);

	/* A place that was taken without a scope is for that address on any link. */
	if (!place && key.words[5] != 0) {
		key.words[5] = 0;
		place = find(port, &key);
	}
	if (place)
		return place->session;
	port->strangers++;
	return NULL;
}

int owamp_collector_port_open(struct owamp_collector *collector, int fd, struct owamp_collector_port **port)
{
	struct owamp_collector_port *p = calloc(1, sizeof *p);
	int error;

	*port = NULL;
	if (!p)
		return OWAMP_ENOMEM;
	p->inlet.port = p;
	p->bucket_count = BUCKETS_MIN;
	p->buckets = calloc(p->bucket_count, sizeof(struct owamp_collector_place *));
	error = p->buckets ? owamp_random(p->seed, sizeof p->seed) : OWAMP_ENOMEM;
	if (!error) {
		collector_lock(collector);
		error = inlet_open(&p->inlet, collector, fd);
		collector_unlock(collector);
	}
	if (error) {
		free(p->buckets);
		free(p);
		return error;
	}
	*port = p;
	return 0;
}

static void release_port(void *object)
{
	struct owamp_collector_port *port = object;

	free(port->buckets);
	free(port);
}

void owamp_collector_port_close(struct owamp_collector_port *port)
{
	struct owamp_collector *collector;

	if (!port)
		return;
	collector = port->inlet.collector;
	collector_lock(collector);
	assert(port->place_count == 0);
	inlet_close(&port->inlet);
	collector_retire(collector, &port->retired, port, release_port);
	collector_unlock(collector);
}

uint64_t owamp_collector_port_strangers(const struct owamp_collector_port *port)
{
	return port->strangers;
}

/* The memory comes from outside the lock: only the moving of places keeps packets waiting. */
static void grow(struct owamp_collector_port *port)
{
	uint32_t old_count = port->bucket_count;
	struct owamp_collector_place **old = port->buckets, **larger;

	if (port->place_count < old_count || old_count > UINT32_MAX / 2)
		return;
	larger = calloc(2 * (size_t)old_count, sizeof(struct owamp_collector_place *));
	/* Without it, it still works. */
	if (!larger)
		return;
	collector_lock(port->inlet.collector);
	port->buckets = larger;
	port->bucket_count = 2 * old_count;
	for (uint32_t i = 0; i < old_count; i++) {
		while (old[i]) {
			struct owamp_collector_place *place = old[i];

			old[i] = place->next;
			insert(port, place);
		}
	}
	collector_unlock(port->inlet.collector);
	free(old);
}

int owamp_collector_place_take(struct owamp_collector_port *port, const struct sockaddr *sender,
			       struct owamp_collector_place **place)
{
	struct owamp_collector_place *p;
	int error = 0;

	*place = NULL;
	if ((sender->sa_family != AF_INET && sender->sa_family != AF_INET6) ||
	    owamp_address_port(sender) == 0)
		return OWAMP_EINVAL;
	p = calloc(1, sizeof *p);
	if (!p)
		return OWAMP_ENOMEM;
	p->port = port;
	memcpy(&p->sender, sender, owamp_address_size(sender));
	p->key = make_key(&p->sender);
	grow(port);
	collector_lock(port->inlet.collector);
	if (find(port, &p->key)) {
		error = OWAMP_EINVAL;
	} else {
		insert(port, p);
		port->place_count++;
	}
	collector_unlock(port->inlet.collector);
	if (error)
		free(p);
	else
		*place = p;
	return error;
}

void owamp_collector_place_leave(struct owamp_collector_place *place)
{
	struct owamp_collector_place **link;
	struct owamp_collector *collector;

	if (!place)
		return;
	collector = place->port->inlet.collector;
	collector_lock(collector);
	assert(!place->session);
	link = bucket(place->port, &place->key);
	while (*link != place)
		link = &(*link)->next;
	*link = place->next;
	place->port->place_count--;
	collector_unlock(collector);
	free(place);
}

void collector_place_clear(struct owamp_collector_place *place)
{
	place->session = NULL;
}

int owamp_collector_start_at(struct owamp_collector_place *place, struct owamp_receiver *receiver,
			     void (*finished)(void *context), void *context,
			     struct owamp_collector_session **session)
{
	struct inlet *inlet = &place->port->inlet;
	struct owamp_collector_session *s = session_new(inlet->collector, receiver, finished, context);
	int error;

	*session = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	s->inlet = inlet;
	s->sender = place->sender;
	collector_lock(inlet->collector);
	error = place->session ? OWAMP_ESTATE : heap_set(&inlet->collector->heap, &s->due, owamp_mono_ns());
	if (!error) {
		place->session = s;
		s->place = place;
		s->drops_before = s->drops_told = inlet_drops(inlet);
	}
	collector_unlock(inlet->collector);
	if (error) {
		free(s);
		return error;
	}
	collector_wake(inlet->collector);
	*session = s;
	return 0;
}
