#include "server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"

#define READ_SIZE 16384

/* A fetch goes on when less than this waits to be sent. */
#define OUTPUT_LOW 65536

/* Events, or fillings of the output, in one turn. */
#define STEPS_AT_ONCE 16

/* For a fetching client to take any more of the data. */
#define FETCH_TIMEOUT_NS INT64_C(60000000000)

/* For a peer to take the last of the output. */
#define CLOSE_TIMEOUT_NS INT64_C(5000000000)

/* Skip ranges in one Stop-Sessions. */
#define SKIPS_MAX (1 << 16)

static void log_peer(const struct connection *connection, int priority, const char *text)
{
	if (connection->key_id[0])
		log_write(priority, "%s (user \"%s\"): %s", connection->name, connection->key_id, text);
	else
		log_write(priority, "%s: %s", connection->name, text);
}

static void destroy(struct connection *connection)
{
	owamp_control_server_free(connection->control);
	if (connection->secret)
		owamp_wipe(connection->secret, connection->secret_size);
	free(connection->secret);
	owamp_wipe(connection->key, sizeof connection->key);
	free(connection);
}

static void reap(struct owamp_post *post)
{
	struct server *server = post->context;
	struct connection **link = &server->dead;

	while (*link) {
		struct connection *connection = *link;

		if (connection->job_running) {
			link = &connection->next;
			continue;
		}
		*link = connection->next;
		destroy(connection);
	}
}

/* The memory goes later: callers up the stack still look at it, or a job does. */
static void bury(struct connection *connection)
{
	struct server *server = connection->server;

	connection->next = server->dead;
	server->dead = connection;
	server->reap.call = reap;
	server->reap.context = server;
	owamp_loop_post(server->loop, &server->reap);
}

void connection_close(struct connection *connection, const char *reason)
{
	struct server *server = connection->server;

	if (connection->closed)
		return;
	connection->closed = true;
	session_abort_all(connection, reason);
	fetch_abort(connection);
	owamp_loop_cancel_timer(server->loop, &connection->timer);
	owamp_loop_cancel_timer(server->loop, &connection->settle_timer);
	owamp_loop_unpost(server->loop, &connection->turn);
	owamp_loop_unwatch(server->loop, &connection->watch);
	close(connection->fd);
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	server->connection_count--;
	peers_remove(&server->peers, (const struct sockaddr *)&connection->peer);
	if (!connection->established)
		server->handshake_count--;
	bury(connection);
}

/* Sends what there is. False: the connection is broken. */
static bool send_output(struct connection *connection)
{
	const uint8_t *octets;
	size_t size;

	for (;;) {
		ssize_t sent;

		octets = owamp_control_server_output(connection->control, &size);
		if (size == 0)
			return true;
		sent = send(connection->fd, octets, size, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		owamp_control_server_sent(connection->control, (size_t)sent);
		/* A fetching client that takes data gets more time; one that is being dropped does not. */
		if (connection->fetch && !connection->closing)
			connection_wait(connection);
	}
}

/* Is an answer of ours outstanding, so that the next command has to wait? */
static bool is_busy(const struct connection *connection)
{
	return connection->closing || connection->job_running || connection->starting || connection->fetch ||
	       connection->fetch_waiting;
}

/* Reading pauses while an answer is owed or not taken, so that a peer cannot make us buffer its commands. */
static void update_watch(struct connection *connection)
{
	uint32_t events = 0;
	size_t size;

	owamp_control_server_output(connection->control, &size);
	if (size > 0)
		events |= EPOLLOUT;
	if (!connection->closing && ((!is_busy(connection) && size < OUTPUT_LOW) ||
				     owamp_control_server_input_size(connection->control) < READ_SIZE))
		events |= EPOLLIN;
	(void)owamp_loop_rewatch(connection->server->loop, &connection->watch, events);
}

void connection_send_now(struct connection *connection)
{
	/* A broken connection is noticed by the next turn. */
	(void)send_output(connection);
}

void connection_kick(struct connection *connection)
{
	if (!connection->closed)
		owamp_loop_post(connection->server->loop, &connection->turn);
}

/* Only changes the state: what is left of the output goes out in the next turn, and then it closes. */
void connection_drop(struct connection *connection, int priority, const char *format, ...)
{
	char text[512], reason[560];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	log_peer(connection, priority, text);
	connection->closing = true;
	snprintf(reason, sizeof reason, "the control connection was given up: %s", text);
	session_abort_all(connection, reason);
	fetch_abort(connection);
	(void)owamp_loop_set_timer(connection->server->loop, &connection->timer,
				   owamp_mono_ns() + CLOSE_TIMEOUT_NS);
	connection_kick(connection);
}

static void timer_expired(struct owamp_timer *timer)
{
	struct connection *connection = timer->context;

	if (connection->closing)
		connection_close(connection, "the control connection was given up");
	else if (connection->job_running || connection->starting ||
		 (connection->fetch && fetch_is_ours(connection)))
		connection_wait(connection); /* it waits for us */
	else if (!connection->established)
		connection_drop(connection, LOG_NOTICE,
				"no complete Set-Up-Response within handshake_timeout");
	else if (connection->stop_sent && !connection->stop_received)
		connection_drop(connection, LOG_NOTICE, "no Stop-Sessions in answer to ours");
	else if (connection->fetch)
		connection_drop(connection, LOG_NOTICE, "the client does not take the data it fetches");
	else if (owamp_control_server_mid_message(connection->control))
		connection_drop(connection, LOG_NOTICE, "an incomplete message, and no more of it in time");
	else if (session_any_new(connection))
		connection_drop(connection, LOG_NOTICE, "sessions were requested and not started in time");
	else
		connection_drop(connection, LOG_INFO, "idle for control_timeout");
}

void connection_wait(struct connection *connection)
{
	const struct config *config = connection->server->config;
	int64_t wait;

	/* A message that has begun gets one time limit, however its octets trickle in. */
	if (connection->fetch)
		wait = FETCH_TIMEOUT_NS;
	else if (connection->fetch_waiting)
		wait = 0; /* for us: the settle timer runs */
	else if (!connection->established || (connection->stop_sent && !connection->stop_received) ||
		 owamp_control_server_mid_message(connection->control))
		wait = config->handshake_timeout_ns;
	else if (owamp_control_server_active(connection->control))
		wait = 0;
	else
		wait = config->control_timeout_ns;
	/* However many other commands come in between. */
	if (session_any_new(connection) && wait > connection->start_by - owamp_mono_ns())
		wait = connection->start_by - owamp_mono_ns();
	if (wait == 0 && !session_any_new(connection))
		owamp_loop_cancel_timer(connection->server->loop, &connection->timer);
	else
		(void)owamp_loop_set_timer(connection->server->loop, &connection->timer,
					   owamp_mono_ns() + wait);
}

static void established(struct connection *connection)
{
	connection->established = true;
	connection->server->handshake_count--;
	log_write(LOG_INFO, "%s: %s mode%s%s%s, class %s", connection->name,
		  owamp_mode_name(connection->mode), connection->key_id[0] ? ", user \"" : "",
		  connection->key_id, connection->key_id[0] ? "\"" : "",
		  policy_class_name(connection->klass));
}

static void derive_key(struct owamp_job *job)
{
	struct connection *connection = job->context;

	connection->key_error = owamp_derive_key(connection->secret, connection->secret_size,
						 connection->salt, connection->pbkdf2_count, connection->key);
}

static void key_derived(struct owamp_job *job)
{
	struct connection *connection = job->context;
	int error;

	connection->job_running = false;
	owamp_wipe(connection->secret, connection->secret_size);
	free(connection->secret);
	connection->secret = NULL;
	if (connection->closed) {
		owamp_loop_post(connection->server->loop, &connection->server->reap);
		return;
	}
	connection_kick(connection);
	if (connection->closing)
		return;
	if (!connection->klass) {
		(void)owamp_control_server_refuse(connection->control, OWAMP_ACCEPT_FAILURE);
		connection_drop(connection, LOG_WARNING,
				"refused: the limits file assigns no class to this peer");
		return;
	}
	if (connection->key_error) {
		(void)owamp_control_server_refuse(connection->control, OWAMP_ACCEPT_INTERNAL);
		connection_drop(connection, LOG_ERR, "deriving the key: %s",
				owamp_error_text(connection->key_error));
		return;
	}
	error = owamp_control_server_authenticate(connection->control, connection->key);
	owamp_wipe(connection->key, sizeof connection->key);
	if (error) {
		connection_drop(connection, LOG_WARNING, "refused: %s",
				owamp_control_server_reason(connection->control));
		return;
	}
	established(connection);
	connection_wait(connection);
	connection_kick(connection);
}

/* An unknown user costs the same time as a known one and looks the same. */
static int find_secret(struct connection *connection)
{
	size_t size = 32;
	const uint8_t *secret = NULL;

	if (connection->server->keys)
		secret = owamp_keyfile_find(connection->server->keys, connection->key_id, &size);
	connection->secret_size = secret ? size : 32;
	connection->secret = malloc(connection->secret_size);
	if (!connection->secret)
		return OWAMP_ENOMEM;
	if (!secret)
		return owamp_random(connection->secret, connection->secret_size);
	memcpy(connection->secret, secret, size);
	return 0;
}

static void set_up(struct connection *connection, const struct owamp_control_server_event *event)
{
	struct server *server = connection->server;
	int error;

	connection->mode = event->mode;
	memcpy(connection->key_id, event->key_id, sizeof connection->key_id);
	connection->klass =
		policy_classify(server->policy, (const struct sockaddr *)&connection->peer,
				event->mode == OWAMP_MODE_OPEN ? NULL : connection->key_id, event->mode);
	if (event->mode == OWAMP_MODE_OPEN) {
		/* Offered in the greeting, but the limits may have been reloaded since. */
		if (!connection->klass || !policy_allows_open(connection->klass)) {
			(void)owamp_control_server_refuse(connection->control, OWAMP_ACCEPT_FAILURE);
			connection_drop(connection, LOG_NOTICE,
					"refused: open mode is not allowed for this peer");
			return;
		}
		if (owamp_control_server_accept(connection->control)) {
			connection_drop(connection, LOG_ERR, "internal error in the set-up");
			return;
		}
		established(connection);
		connection_wait(connection);
		return;
	}
	connection->job = (struct owamp_job){.work = derive_key, .done = key_derived, .context = connection};
	error = find_secret(connection);
	if (!error)
		error = owamp_worker_submit(owamp_engine_worker(server->engine), &connection->job);
	if (error) {
		(void)owamp_control_server_refuse(connection->control, OWAMP_ACCEPT_TEMPORARY_RESOURCES);
		connection_drop(connection, LOG_WARNING, "refused: %s", owamp_error_text(error));
		return;
	}
	connection->job_running = true;
}

static void handle_event(struct connection *connection, const struct owamp_control_server_event *event)
{
	switch (event->type) {
	case OWAMP_SERVER_SETUP:
		set_up(connection, event);
		break;
	case OWAMP_SERVER_REQUEST:
		session_request(connection, event->request);
		break;
	case OWAMP_SERVER_START:
		session_start_all(connection);
		break;
	case OWAMP_SERVER_STOP:
		session_stop_received(connection, event);
		break;
	case OWAMP_SERVER_FETCH:
		fetch_request(connection, event->sid, event->begin_seq, event->end_seq);
		break;
	case OWAMP_SERVER_REFUSED:
		log_write(LOG_NOTICE, "%s: session refused (Accept %u): %s", connection->name, event->accept,
			  owamp_control_server_reason(connection->control));
		break;
	case OWAMP_SERVER_DECLINED:
		connection_drop(connection, LOG_INFO, "%s", owamp_control_server_reason(connection->control));
		break;
	}
}

/* Handles one event. False: there is none. */
static bool handle_next(struct connection *connection)
{
	struct owamp_control_server_event event;
	int result;

	if (is_busy(connection))
		return false;
	result = owamp_control_server_poll(connection->control, &event);
	if (result < 0) {
		connection_drop(connection, LOG_WARNING, "%s",
				owamp_control_server_reason(connection->control));
		return false;
	}
	if (result == 0)
		return false;
	handle_event(connection, &event);
	if (!connection->closing && connection->established)
		connection_wait(connection);
	return true;
}

/*
 * Understands what has come in, answers, and sends. This is the one place
 * where a connection's handlers meet, and where it is closed: all others only
 * change its state and ask for a turn. A turn is bounded, others want theirs.
 */
static void take_turn(struct connection *connection)
{
	bool more = true;
	size_t size = 0;

	for (int i = 0; i < STEPS_AT_ONCE && more; i++) {
		owamp_control_server_output(connection->control, &size);
		more = size < OUTPUT_LOW && handle_next(connection);
		if (!send_output(connection)) {
			log_peer(connection, LOG_INFO, strerror(errno));
			connection_close(connection, "the control connection broke");
			return;
		}
		owamp_control_server_output(connection->control, &size);
		if (connection->fetch && !connection->closing && size < OUTPUT_LOW)
			more |= fetch_continue(connection, size);
	}
	owamp_control_server_output(connection->control, &size);
	if (connection->closing && size == 0) {
		connection_close(connection, "the control connection was given up");
		return;
	}
	update_watch(connection);
	/* With output waiting, the socket's readiness brings the next turn. */
	if (more && size < OUTPUT_LOW)
		connection_kick(connection);
}

static void turn_due(struct owamp_post *post)
{
	take_turn(post->context);
}

static void connection_ready(struct owamp_watch *watch, uint32_t events)
{
	struct connection *connection = watch->context;
	uint8_t buffer[READ_SIZE];
	bool fresh;
	ssize_t size;

	connection_kick(connection);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	size = recv(connection->fd, buffer, sizeof buffer, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		log_peer(connection, LOG_INFO, size == 0 ? "closed by the peer" : strerror(errno));
		connection_close(connection, size == 0 ? "the control connection was closed"
						       : "the control connection broke");
		return;
	}
	if (connection->closing)
		return;
	fresh = !owamp_control_server_mid_message(connection->control);
	if (owamp_control_server_input(connection->control, buffer, (size_t)size)) {
		connection_drop(connection, LOG_ERR, "out of memory");
		return;
	}
	if (fresh && connection->established)
		connection_wait(connection);
}

/* What is offered to this peer: its network's class decides on open mode. */
static uint32_t modes_for(const struct connection *connection)
{
	const struct server *server = connection->server;
	const struct policy_class *open = policy_classify(
		server->policy, (const struct sockaddr *)&connection->peer, NULL, OWAMP_MODE_OPEN);
	uint32_t modes = server->config->modes;

	if (!server->keys)
		modes &= (uint32_t)OWAMP_MODE_OPEN;
	if (!open || !policy_allows_open(open))
		modes &= ~(uint32_t)OWAMP_MODE_OPEN;
	return modes;
}

static int make_control(struct connection *connection, bool turn_away)
{
	const struct server *server = connection->server;
	struct owamp_control_server_config config = {
		.modes = turn_away ? 0 : modes_for(connection),
		.pbkdf2_count = server->config->pbkdf2_count,
		.start_time = server->start_time,
		.slots_max = server->config->slots_max,
		.skips_max = SKIPS_MAX,
		.sessions_max = server->config->sessions_per_connection_max,
	};
	int error = owamp_random(config.challenge, sizeof config.challenge);

	if (!error)
		error = owamp_random(config.salt, sizeof config.salt);
	if (!error)
		error = owamp_random(config.server_iv, sizeof config.server_iv);
	if (!error)
		error = owamp_control_server_new(&connection->control, &config);
	memcpy(connection->salt, config.salt, sizeof connection->salt);
	connection->pbkdf2_count = config.pbkdf2_count;
	return error ? error : (int)(config.modes == 0);
}

void connection_new(struct server *server, int fd, const struct sockaddr *peer, const char *turn_away)
{
	struct connection *connection = calloc(1, sizeof *connection);
	socklen_t size = sizeof connection->local;
	int result;

	if (!connection) {
		log_write(LOG_ERR, "out of memory for a connection");
		close(fd);
		return;
	}
	connection->server = server;
	connection->fd = fd;
	memcpy(&connection->peer, peer, owamp_address_size(peer));
	owamp_address_text(peer, true, connection->name);
	connection->timer = (struct owamp_timer){.expired = timer_expired, .context = connection};
	connection->settle_timer =
		(struct owamp_timer){.expired = session_settle_expired, .context = connection};
	connection->turn = (struct owamp_post){.call = turn_due, .context = connection};
	connection->watch = (struct owamp_watch){.fd = fd, .ready = connection_ready, .context = connection};
	result = make_control(connection, turn_away != NULL);
	if (result < 0 || getsockname(fd, (struct sockaddr *)&connection->local, &size) ||
	    owamp_socket_control(fd) || owamp_loop_watch(server->loop, &connection->watch, EPOLLIN) ||
	    peers_add(&server->peers, peer)) {
		log_write(LOG_ERR, "%s: setting the connection up failed", connection->name);
		close(fd);
		destroy(connection);
		return;
	}
	connection->next = server->connections;
	if (server->connections)
		server->connections->previous = connection;
	server->connections = connection;
	server->connection_count++;
	server->handshake_count++;
	log_write(LOG_DEBUG, "%s: connected", connection->name);
	if (turn_away) {
		connection_drop(connection, LOG_WARNING, "turned away: %s", turn_away);
		return;
	}
	if (result == 1) {
		connection_drop(connection, LOG_NOTICE, "turned away: no mode is allowed for this peer");
		return;
	}
	connection_wait(connection);
	connection_kick(connection);
}
