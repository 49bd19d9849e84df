/* The shared test port: one socket for each address that we listen on. */
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"

/* For all the sessions there may be; used only as it fills. */
#define SHARED_BUFFER (64U << 20)

#define LOOK_NS INT64_C(1000000000)
/* Anybody can send to a port: what is said of it is limited. */
#define SAY_NS INT64_C(60000000000)

struct shared_port {
	struct sockaddr_storage local;
	char name[OWAMP_ADDRESS_TEXT];
	int fd;
	struct owamp_collector_port *port;
	uint64_t strangers;   /* of which the log knows */
	int64_t silent_until; /* mono */
	struct shared_port *next;
};

static bool is_wildcard(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* Link-local addresses are the same only on the same link. */
static bool same_place(const struct sockaddr *a, const struct sockaddr *b)
{
	return owamp_address_equal(a, b) &&
	       (a->sa_family != AF_INET6 || ((const struct sockaddr_in6 *)a)->sin6_scope_id ==
						    ((const struct sockaddr_in6 *)b)->sin6_scope_id);
}

static struct shared_port *find(const struct server *server, const struct sockaddr *address)
{
	struct shared_port *port = server->ports;

	while (port && !same_place(session_address(&port->local), address) &&
	       !(port->local.ss_family == address->sa_family && is_wildcard(session_address(&port->local))))
		port = port->next;
	return port;
}

static int bind_port(struct shared_port *shared, const struct server *server, bool may_be_missing)
{
	uint16_t number = (uint16_t)server->config->shared_test_port;
	const struct owamp_test_socket_config config = {
		.local = session_address(&shared->local),
		.port_low = number,
		.port_high = number,
		.receive = true,
		.receive_buffer = SHARED_BUFFER,
	};
	int error = owamp_socket_test(&shared->fd, &config, &number);

	if (!error)
		return 0;
	/* Of all addresses one family may be missing. */
	may_be_missing &= errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL;
	log_write(may_be_missing ? LOG_NOTICE : LOG_ERR, "shared_test_port: binding UDP %s: %s%s",
		  shared->name, strerror(errno),
		  errno == EACCES ? ": ports below 1024 take root or CAP_NET_BIND_SERVICE" : "");
	return may_be_missing ? 0 : error;
}

static void say_open(const struct shared_port *shared)
{
	uint32_t buffer = owamp_socket_receive_buffer(shared->fd);
	char got[LOG_OCTETS], wanted[LOG_OCTETS];

	log_octets(buffer, got);
	if (buffer >= SHARED_BUFFER)
		log_write(LOG_NOTICE, "shared test port UDP %s, receive buffer %s", shared->name, got);
	else
		log_write(LOG_NOTICE,
			  "shared test port UDP %s, receive buffer %s where %s are wanted: raise "
			  "net.core.rmem_max",
			  shared->name, got, log_octets(SHARED_BUFFER, wanted));
}

static int open_port(struct server *server, const struct config_address *address)
{
	struct shared_port *shared = calloc(1, sizeof *shared);
	int error;

	if (!shared) {
		log_write(LOG_ERR, "shared_test_port: out of memory");
		return OWAMP_ENOMEM;
	}
	shared->fd = -1;
	memcpy(&shared->local, &address->address, address->size);
	owamp_address_set_port((struct sockaddr *)&shared->local, (uint16_t)server->config->shared_test_port);
	owamp_address_text(session_address(&shared->local), true, shared->name);
	error = bind_port(shared, server, address->is_default);
	if (error || shared->fd < 0)
		goto cleanup;
	error = owamp_collector_port_open(owamp_engine_collector(server->engine), shared->fd, &shared->port);
	if (error) {
		log_write(LOG_ERR, "shared_test_port: receiving at UDP %s: %s", shared->name,
			  owamp_error_text(error));
		goto cleanup;
	}
	say_open(shared);
	shared->next = server->ports;
	server->ports = shared;
	return 0;
cleanup:
	if (shared->fd >= 0)
		close(shared->fd);
	free(shared);
	return error;
}

static bool say_strangers(struct shared_port *shared)
{
	uint64_t strangers = owamp_collector_port_strangers(shared->port);

	if (strangers == shared->strangers)
		return false;
	log_write(LOG_NOTICE,
		  "shared test port UDP %s: %" PRIu64
		  " datagrams dropped of senders that no session there expects, %" PRIu64 " so far",
		  shared->name, strangers - shared->strangers, strangers);
	shared->strangers = strangers;
	return true;
}

static void look_at_strangers(struct owamp_timer *timer)
{
	struct server *server = timer->context;
	int64_t now = owamp_mono_ns();

	for (struct shared_port *shared = server->ports; shared; shared = shared->next) {
		if (now >= shared->silent_until && say_strangers(shared))
			shared->silent_until = now + SAY_NS;
	}
	(void)owamp_loop_set_timer(server->loop, timer, now + LOOK_NS);
}

/* The wildcard of a family is the place of all its addresses. */
static int open_ports(struct server *server, bool wildcards)
{
	for (size_t i = 0; i < server->config->listen_count; i++) {
		const struct config_address *address = &server->config->listen[i];
		const struct sockaddr *local = session_address(&address->address);
		int error = 0;

		if (is_wildcard(local) == wildcards && !find(server, local))
			error = open_port(server, address);
		if (error)
			return error;
	}
	return 0;
}

int ports_open(struct server *server)
{
	int error;

	if (server->config->shared_test_port == 0)
		return 0;
	error = open_ports(server, true);
	if (!error)
		error = open_ports(server, false);
	if (error)
		return error;
	if (!server->ports) {
		log_write(LOG_ERR, "shared_test_port: no address to receive at");
		return OWAMP_ESYSTEM;
	}
	server->ports_timer = (struct owamp_timer){.expired = look_at_strangers, .context = server};
	return owamp_loop_set_timer(server->loop, &server->ports_timer, owamp_mono_ns() + LOOK_NS);
}

void ports_close(struct server *server)
{
	if (server->loop)
		owamp_loop_cancel_timer(server->loop, &server->ports_timer);
	while (server->ports) {
		struct shared_port *shared = server->ports;

		server->ports = shared->next;
		(void)say_strangers(shared);
		owamp_collector_port_close(shared->port);
		close(shared->fd);
		free(shared);
	}
}

/* Of this host, as the bind of a socket would find. */
static bool is_ours(const struct sockaddr *address)
{
	int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ours = fd >= 0 && bind(fd, address, owamp_address_size(address)) == 0;

	if (fd >= 0)
		close(fd);
	return ours;
}

uint16_t ports_take(struct session *session, const struct sockaddr *local)
{
	const struct connection *connection = session->connection;
	const struct server *server = connection->server;
	const struct shared_port *shared = find(server, local);
	const char *why;
	int error;

	if (!server->ports)
		return 0;
	if (!shared) {
		why = "the shared test port is not open at the Receiver Address";
	} else if (!same_place(local, session_address(&connection->local)) && !is_ours(local)) {
		why = "the Receiver Address is not one of this host";
	} else {
		error = owamp_collector_place_take(shared->port, session_address(&session->peer),
						   &session->place);
		/* Of the start: a reload changes what the configuration says. */
		if (!error)
			return owamp_address_port(session_address(&shared->local));
		why = error == OWAMP_EINVAL ? "another session receives from the same address and port at "
					      "the shared test port"
					    : owamp_error_text(error);
	}
	log_write(LOG_DEBUG, "%s: the session gets a port of its own: %s", connection->name, why);
	return 0;
}
