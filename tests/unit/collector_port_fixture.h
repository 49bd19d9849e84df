/* A port with several senders, all on one engine. */
#ifndef COLLECTOR_PORT_FIXTURE_H
#define COLLECTOR_PORT_FIXTURE_H

#include "engine_fixture.h"

#include "engine/collector_internal.h"

/* A sender, and what is received of it. Its link shares the engine of the first one. */
struct peer {
	struct link link; /* first member */
	struct owamp_collector_place *place;
};

struct site {
	struct link *link; /* its receiver's socket is the port's */
	struct owamp_collector_port *port;
};

static inline struct site open_site(struct link *link)
{
	struct site site = {.link = link};

	assert_int_equal(owamp_collector_port_open(owamp_engine_collector(link->engine), link->receiver_fd,
						   &site.port),
			 0);
	return site;
}

static inline struct peer *new_peer(const struct site *site)
{
	struct peer *peer = calloc(1, sizeof *peer);
	struct link *link;

	assert_non_null(peer);
	link = &peer->link;
	link->engine = site->link->engine;
	link->loop = site->link->loop;
	link->mode = OWAMP_MODE_OPEN;
	link->sender_fd = link_socket(link, false, &link->sender_address);
	link->receiver_fd = -1;
	link->receiver_address = site->link->receiver_address;
	return peer;
}

static inline void take(const struct site *site, struct peer *peer)
{
	assert_int_equal(owamp_collector_place_take(site->port, (struct sockaddr *)&peer->link.sender_address,
						    &peer->place),
			 0);
}

static inline int start_at(struct peer *peer)
{
	struct owamp_receiver *receiver = link_receiver(&peer->link);
	int error = owamp_collector_start_at(peer->place, receiver, link_receiver_finished, &peer->link,
					     &peer->link.collecting);

	if (error)
		owamp_receiver_free(receiver);
	return error;
}

static inline struct peer *start_burst(const struct site *site, uint32_t packets, int64_t distance_ns,
				       int64_t timeout_ns)
{
	struct peer *peer = new_peer(site);

	link_plan(&peer->link, packets, distance_ns, timeout_ns, 0);
	take(site, peer);
	assert_int_equal(start_at(peer), 0);
	return peer;
}

static inline struct peer *start_peer(const struct site *site, uint32_t packets, int64_t timeout_ns)
{
	return start_burst(site, packets, 1 * MS, timeout_ns);
}

static inline void leave(struct peer *peer)
{
	owamp_collector_end(peer->link.collecting);
	owamp_collector_place_leave(peer->place);
	close(peer->link.sender_fd);
	free(peer);
}

static inline void send_one(const struct peer *peer, uint32_t seq)
{
	link_send_packet(&peer->link, peer->link.sender_fd, seq);
}

#endif
