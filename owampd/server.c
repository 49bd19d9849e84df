#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"

#define ACCEPT_PAUSE_NS INT64_C(1000000000)

/* Why this connection is one too many; NULL if it is not. */
static const char *too_many(const struct server *server, const struct sockaddr *peer)
{
	const struct config *config = server->config;

	if (server->connection_count >= config->connections_max)
		return "connections_max is reached";
	if (server->handshake_count >= config->handshakes_max)
		return "handshakes_max connections have not authenticated yet";
	if (peers_count(&server->peers, peer) >= config->connections_per_address_max)
		return "connections_per_address_max is reached";
	return NULL;
}

static void watch_listeners(struct server *server, uint32_t events)
{
	for (struct listener *l = server->listeners; l; l = l->next)
		(void)owamp_loop_rewatch(server->loop, &l->watch, events);
}

static void accept_again(struct owamp_timer *timer)
{
	watch_listeners(timer->context, EPOLLIN);
}

static void accept_ready(struct owamp_watch *watch, uint32_t events)
{
	struct server *server = ((struct listener *)watch->context)->server;
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;
	int fd = accept4(watch->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		connection_new(server, fd, (struct sockaddr *)&peer,
			       too_many(server, (struct sockaddr *)&peer));
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	/* Nothing was taken from the queue: without a pause this would spin. */
	log_write(LOG_ERR, "accepting a connection: %s; pausing for a second", strerror(errno));
	watch_listeners(server, 0);
	(void)owamp_loop_set_timer(server->loop, &server->accept_timer, owamp_mono_ns() + ACCEPT_PAUSE_NS);
}

/* Of all addresses one family may be missing; that its port is taken is an error as ever. */
static int listen_on(struct server *server, const struct config_address *address)
{
	struct listener *listener = calloc(1, sizeof *listener);
	char text[OWAMP_ADDRESS_TEXT];
	int fd, error;

	owamp_address_text((const struct sockaddr *)&address->address, true, text);
	if (!listener)
		return OWAMP_ENOMEM;
	error = owamp_socket_listen(&fd, (const struct sockaddr *)&address->address, address->size);
	if (error) {
		bool missing = address->is_default && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);

		log_write(missing ? LOG_NOTICE : LOG_ERR, "listening on %s: %s", text, strerror(errno));
		free(listener);
		return missing ? 0 : error;
	}
	listener->server = server;
	listener->watch = (struct owamp_watch){.fd = fd, .ready = accept_ready, .context = listener};
	listener->next = server->listeners;
	server->listeners = listener;
	log_write(LOG_NOTICE, "listening on %s", text);
	return owamp_loop_watch(server->loop, &listener->watch, EPOLLIN);
}

int server_listen(struct server *server)
{
	for (size_t i = 0; i < server->config->listen_count; i++) {
		int error = listen_on(server, &server->config->listen[i]);

		if (error)
			return error;
	}
	if (!server->listeners) {
		log_write(LOG_ERR, "no address to listen on");
		return OWAMP_ESYSTEM;
	}
	server->accept_timer = (struct owamp_timer){.expired = accept_again, .context = server};
	return 0;
}

void server_stop(struct server *server)
{
	while (server->connections)
		connection_close(server->connections, "owampd was ended");
	while (server->listeners) {
		struct listener *listener = server->listeners;

		server->listeners = listener->next;
		owamp_loop_unwatch(server->loop, &listener->watch);
		close(listener->watch.fd);
		free(listener);
	}
	owamp_loop_cancel_timer(server->loop, &server->accept_timer);
}

/* The key a connection was set up with is the one its user has now. */
static bool key_still_valid(const struct connection *connection, const struct owamp_keyfile *before,
			    const struct owamp_keyfile *now)
{
	size_t before_size = 0, now_size = 0;
	const uint8_t *before_secret, *now_secret;

	if (!connection->key_id[0])
		return true;
	before_secret = before ? owamp_keyfile_find(before, connection->key_id, &before_size) : NULL;
	now_secret = now ? owamp_keyfile_find(now, connection->key_id, &now_size) : NULL;
	return before_secret && now_secret && before_size == now_size &&
	       memcmp(before_secret, now_secret, now_size) == 0;
}

void server_reloaded(struct server *server, const struct owamp_keyfile *keys_before)
{
	for (struct connection *c = server->connections; c; c = c->next) {
		c->klass =
			policy_classify(server->policy, (struct sockaddr *)&c->peer,
					c->key_id[0] ? c->key_id : NULL, c->mode ? c->mode : OWAMP_MODE_OPEN);
		if (!c->established || c->closing)
			continue;
		c->revoked |= !key_still_valid(c, keys_before, server->keys);
		if (!c->klass)
			connection_drop(c, LOG_NOTICE, "the new limits file assigns no class to this peer");
		else if (c->mode == OWAMP_MODE_OPEN && !policy_allows_open(c->klass))
			connection_drop(c, LOG_NOTICE,
					"the new limits file does not allow open mode to this peer");
	}
}
