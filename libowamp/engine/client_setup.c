/* From a host name to an authenticated control connection. */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <owamp/error.h>

static void try_address(struct owamp_client *client);

static void resolve(struct owamp_job *job)
{
	struct owamp_client *client = job->context;
	const struct addrinfo hints = {.ai_family = client->config.family, .ai_socktype = SOCK_STREAM};

	client->resolve_error = getaddrinfo(client->config.host, client->service, &hints, &client->addresses);
}

static void resolved(struct owamp_client *client)
{
	if (client->resolve_error) {
		client->addresses = NULL;
		client_done(client, OWAMP_ERESOLVE, "%s: %s", client->config.host,
			    gai_strerror(client->resolve_error));
		return;
	}
	client->address = client->addresses;
	try_address(client);
}

void client_resolve(struct owamp_client *client)
{
	client_submit(client, resolve, resolved);
}

/* This address did not work: the next, or the end. */
static void connect_failed(struct owamp_client *client, const char *what, int error_number)
{
	char text[OWAMP_ADDRESS_TEXT];
	const struct sockaddr *address = client->address->ai_addr;

	if (client->fd >= 0) {
		owamp_loop_unwatch(client->loop, &client->watch);
		close(client->fd);
		client->fd = -1;
	}
	client_expect_nothing(client);
	if (client->address->ai_next) {
		client->address = client->address->ai_next;
		try_address(client);
		return;
	}
	client_done(client, OWAMP_ESYSTEM, "%s to %s: %s", what, owamp_address_text(address, true, text),
		    strerror(error_number));
}

static int bind_source(struct owamp_client *client, int fd)
{
	const struct addrinfo hints = {
		.ai_family = client->address->ai_family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo *source;
	int result;

	/* A numeric address as a rule; a name is looked up in the same family. */
	if (getaddrinfo(client->config.source, NULL, &hints, &source)) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	result = bind(fd, source->ai_addr, source->ai_addrlen);
	freeaddrinfo(source);
	return result;
}

static void try_address(struct owamp_client *client)
{
	const struct addrinfo *address = client->address;
	const char *interface = client->config.interface;

	client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		connect_failed(client, "opening a socket", errno);
		return;
	}
	client->watch.fd = client->fd;
	if (owamp_loop_watch(client->loop, &client->watch, EPOLLOUT)) {
		connect_failed(client, "watching the connection", errno);
		return;
	}
	if (interface &&
	    setsockopt(client->fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface))) {
		connect_failed(client, "binding to the interface for the connection", errno);
		return;
	}
	if (client->config.source && bind_source(client, client->fd)) {
		connect_failed(client, "binding to the source address for the connection", errno);
		return;
	}
	client_expect(client, "the connection", client->config.step_timeout_ns);
	if (connect(client->fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS)
		connect_failed(client, "connecting", errno);
}

void client_connect_timed_out(struct owamp_client *client)
{
	connect_failed(client, "connecting", ETIMEDOUT);
}

void client_connect_result(struct owamp_client *client)
{
	socklen_t size = sizeof(int), local_size = sizeof client->local;
	int error = 0;

	if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	if (error) {
		connect_failed(client, "connecting", error);
		return;
	}
	if (owamp_socket_control(client->fd) ||
	    getsockname(client->fd, (struct sockaddr *)&client->local, &local_size) ||
	    owamp_loop_rewatch(client->loop, &client->watch, EPOLLIN)) {
		connect_failed(client, "setting the connection up", errno);
		return;
	}
	memcpy(&client->peer, client->address->ai_addr, client->address->ai_addrlen);
	owamp_address_unmap(&client->peer);
	owamp_address_unmap(&client->local);
	client->connected = true;
	client_state(client, OWAMP_CLIENT_AUTHENTICATING);
	client_expect(client, "the server's greeting", client->config.step_timeout_ns);
}

static void derive(struct owamp_job *job)
{
	struct owamp_client *client = job->context;

	client->job_error = owamp_derive_key(client->secret, client->config.secret_size, client->salt,
					     client->pbkdf2_count, client->key);
}

static void send_setup(struct owamp_client *client)
{
	struct owamp_keys keys;
	uint8_t client_iv[16];
	int error = client->job_error;

	if (!client->connected)
		return;
	if (!error)
		error = owamp_random(&keys, sizeof keys);
	if (!error)
		error = owamp_random(client_iv, sizeof client_iv);
	if (!error)
		error = owamp_control_client_setup(client->control, client->mode, client->config.key_id,
						   client->key, &keys, client_iv);
	owamp_wipe(&keys, sizeof keys);
	owamp_wipe(client->key, sizeof client->key);
	if (error) {
		client_done(client, error, "setting the connection up: %s", owamp_error_text(error));
		return;
	}
	client_expect(client, "the server's answer to the set-up", client->config.step_timeout_ns);
	client_flush(client);
}

/* The first of the preferred modes that is allowed here and offered there; 0 if there is none. */
static uint32_t choose_mode(const struct owamp_client *client, uint32_t offered)
{
	for (unsigned i = 0; i < sizeof client->config.preference / sizeof client->config.preference[0];
	     i++) {
		uint32_t mode = client->config.preference[i];

		if (mode == 0)
			break;
		if (mode & offered & client->config.modes & OWAMP_MODE_MASK)
			return mode;
	}
	return 0;
}

void client_greeting(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	uint32_t count = event->pbkdf2_count;
	char offered[160], allowed[80];

	client_expect_nothing(client);
	client->mode = choose_mode(client, event->modes);
	if (client->mode == 0) {
		(void)owamp_control_client_decline(client->control);
		client_flush(client);
		client_done(client, OWAMP_EMODE, "no common mode: the server offers %s, allowed here is %s",
			    owamp_modes_text(event->modes, offered, sizeof offered),
			    owamp_modes_text(client->config.modes, allowed, sizeof allowed));
		return;
	}
	client->job_error = 0;
	if (client->mode == OWAMP_MODE_OPEN) {
		send_setup(client);
		return;
	}
	if (count < OWAMP_PBKDF2_COUNT_MIN || (count & (count - 1)) ||
	    count > client->config.pbkdf2_count_max) {
		(void)owamp_control_client_decline(client->control);
		client_flush(client);
		client_done(client, OWAMP_EPROTO,
			    "the server's PBKDF2 Count is %u: expected a power of two from %d to %u (RFC "
			    "4656 section 3.1)",
			    count, OWAMP_PBKDF2_COUNT_MIN, client->config.pbkdf2_count_max);
		return;
	}
	client->pbkdf2_count = count;
	memcpy(client->salt, event->salt, sizeof client->salt);
	client_submit(client, derive, send_setup);
}
