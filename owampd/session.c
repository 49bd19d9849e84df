#include "server.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/crypto.h>
#include <owamp/error.h>
#include <owamp/schedule.h>

#include "log.h"

/* Sessions that were accepted and not started hold sockets and limits. */
#define START_TIMEOUT_NS INT64_C(60000000000)

/* A schedule that began longer ago than its Timeout and this is a mistake. */
#define PAST_MAX_NS INT64_C(60000000000)

/* Rates are taken over windows of a second, less what slots lose by rounding to 2^-32 s. */
#define RATE_WINDOW (OWAMP_SECOND - 65536)

/* UDP and IP headers, for the bandwidth. */
#define HEADERS_IPV4 28
#define HEADERS_IPV6 48

/* UDP payload. */
static size_t packet_octets(const struct connection *connection, const struct owamp_request *request)
{
	size_t base = connection->mode == OWAMP_MODE_OPEN ? OWAMP_PACKET_OPEN : OWAMP_PACKET_SECURE;

	return base + request->padding;
}

/* What is wrong with the request itself; NULL if nothing. *accept says it on the wire. */
static const char *check(const struct connection *connection, const struct owamp_request *request,
			 uint8_t *accept)
{
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	owamp_interval turn;

	*accept = OWAMP_ACCEPT_UNSUPPORTED;
	if (!request->conf_sender && !request->conf_receiver)
		return "neither Conf-Sender nor Conf-Receiver is set";
	if (request->conf_sender && request->conf_receiver)
		return "both Conf-Sender and Conf-Receiver are set: sessions between third parties are not "
		       "supported";
	if (request->ipvn != (connection->peer.ss_family == AF_INET6 ? 6 : 4))
		return "IPVN is not that of the control connection";
	if (request->packets == 0)
		return "no packets";
	if (owamp_schedule_turn(request->slots, request->slot_count, &turn))
		return "no schedule slots, or one of unknown type or length";
	if (request->timeout > OWAMP_SPAN_MAX)
		return "Timeout of decades";
	if (owamp_ntp_diff(request->start, now) > (int64_t)OWAMP_SPAN_MAX ||
	    owamp_ntp_diff(now, request->start) > (int64_t)OWAMP_SPAN_MAX)
		return "Start Time is decades away";
	if (owamp_ntp_diff_ns(now, request->start) - owamp_interval_to_ns(request->timeout) > PAST_MAX_NS)
		return "Start Time is long past: do the clocks agree?";
	if (packet_octets(connection, request) > OWAMP_PACKET_MAX)
		return "packets would be larger than UDP allows";
	if (request->conf_sender && owamp_type_p_dscp(request->type_p) < 0)
		return "Type-P descriptor is not a DSCP";
	if (request->conf_sender && request->receiver_port == 0)
		return "Receiver Port is 0";
	if (request->conf_receiver && request->sender_port == 0)
		return "Sender Port is 0";
	return NULL;
}

/* RFC 4656 section 6.2: the other end must be the control client itself. */
static const char *check_peer(const struct connection *connection, const struct session *session)
{
	if (owamp_address_equal(session_address(&connection->peer), session_address(&session->peer)))
		return NULL;
	if (session->sends)
		return "Receiver Address is not the client's: no packets are sent to third parties";
	return "Sender Address is not the client's";
}

/*
 * What the session takes, by the busiest second of its schedule: a mean would
 * let through what sleeps for hours and then sends everything at once.
 */
static void weigh(const struct connection *connection, const struct owamp_request *request,
		  struct policy_demand *demand)
{
	double octets = (double)packet_octets(connection, request) +
			(request->ipvn == 4 ? HEADERS_IPV4 : HEADERS_IPV6);
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	int64_t ahead = owamp_ntp_diff(request->start, now);
	uint32_t peak = owamp_schedule_peak(request->slots, request->slot_count, RATE_WINDOW);
	owamp_interval turn = 0;
	double turn_s, length_s, mean, late_s;

	(void)owamp_schedule_turn(request->slots, request->slot_count, &turn);
	turn_s = (double)turn / (double)OWAMP_SECOND;
	length_s = turn_s * request->packets / request->slot_count;
	mean = turn == 0 ? INFINITY : request->slot_count / turn_s;
	if (peak > request->packets)
		peak = request->packets;
	/* Packets that are late already leave at once, up to a Timeout of them (section 4.1.1). */
	late_s = fmin(ahead < 0 ? -(double)ahead : 0, (double)request->timeout) / (double)OWAMP_SECOND;
	*demand = (struct policy_demand){
		.packet_rate = request->packets > 1 ? fmax(mean, peak) : fmin(mean, 1),
		.burst = (uint32_t)fmin(late_s * mean, request->packets),
		.stored_octets = request->conf_receiver ? store_octets_wanted(request->packets) +
								  store_overhead(request->slot_count, 0)
							: 0,
		.timeout_ns = owamp_interval_to_ns(request->timeout),
	};
	if (ahead > 0)
		length_s += (double)ahead / (double)OWAMP_SECOND;
	demand->duration_ns = length_s > 9e9 ? INT64_MAX : (int64_t)(length_s * 1e9);
	demand->bandwidth_bps = demand->packet_rate * octets * 8;
}

static struct session *session_new(struct connection *connection, const struct owamp_request *request)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->connection = connection;
	session->created_ns = owamp_real_ns();
	session->created_mono = owamp_mono_ns();
	session->fd = -1;
	session->sends = request->conf_sender;
	session->request = *request;
	session->request.slots = calloc((size_t)request->slot_count + 1, sizeof *request->slots);
	if (!session->request.slots) {
		free(session);
		return NULL;
	}
	memcpy(session->request.slots, request->slots, request->slot_count * sizeof *request->slots);
	if (session->sends)
		owamp_address_from_request(request->ipvn, request->receiver_address, request->receiver_port,
					   &session->peer);
	else
		owamp_address_from_request(request->ipvn, request->sender_address, request->sender_port,
					   &session->peer);
	/* Link-local addresses mean nothing without their zone. */
	if (request->ipvn == 6)
		((struct sockaddr_in6 *)&session->peer)->sin6_scope_id =
			((const struct sockaddr_in6 *)&connection->peer)->sin6_scope_id;
	return session;
}

void session_free(struct session *session)
{
	struct owamp_loop *loop = session->connection->server->loop;

	owamp_loop_cancel_timer(loop, &session->complete_timer);
	owamp_pacer_end(session->pacing);
	owamp_collector_end(session->collecting);
	owamp_collector_place_leave(session->place);
	if (session->fd >= 0)
		close(session->fd);
	policy_release(session->grant);
	if (session->stored)
		store_let_go(session->stored);
	free(session->request.slots);
	free(session->skips);
	free(session);
}

/* Our address of the request, on the link of the control connection. */
static void local_address(const struct session *session, struct sockaddr_storage *local)
{
	const struct owamp_request *request = &session->request;

	owamp_address_from_request(request->ipvn,
				   session->sends ? request->sender_address : request->receiver_address, 0,
				   local);
	if (request->ipvn == 6)
		((struct sockaddr_in6 *)local)->sin6_scope_id =
			((const struct sockaddr_in6 *)&session->connection->local)->sin6_scope_id;
}

/* What the kernel refuses costs records on a busy machine; said again only when still more is wanted. */
static void check_buffer(const struct session *session, uint32_t wanted)
{
	struct server *server = session->connection->server;
	uint32_t got = owamp_socket_receive_buffer(session->fd);
	char got_text[LOG_OCTETS], wanted_text[LOG_OCTETS];

	if (got >= wanted || wanted <= server->buffer_missed)
		return;
	server->buffer_missed = wanted;
	log_write(LOG_NOTICE,
		  "the kernel gives a receive buffer of %s where %s are wanted for %.0f packets/s: raise "
		  "net.core.rmem_max",
		  log_octets(got, got_text), log_octets(wanted, wanted_text), session->packet_rate);
}

/* For half a second of the busiest, and not for more packets than there are. */
static uint32_t receive_buffer(const struct session *session)
{
	const struct owamp_request *request = &session->request;

	return owamp_receive_buffer(fmin(session->packet_rate, 2.0 * request->packets),
				    packet_octets(session->connection, request));
}

/* Binds the test socket to our address of the request, which must be ours. */
static int open_socket(struct session *session, const struct sockaddr *local, char *reason,
		       size_t reason_size)
{
	struct connection *connection = session->connection;
	const struct config *server_config = connection->server->config;
	struct owamp_request *request = &session->request;
	struct owamp_test_socket_config config = {
		.local = local,
		.port_low = server_config->test_port_low,
		.port_high = server_config->test_port_high,
		.receive = !session->sends,
		.receive_buffer = receive_buffer(session),
		.dscp = session->sends ? (uint8_t)owamp_type_p_dscp(request->type_p) : 0,
	};
	uint16_t port;
	int error;

	error = owamp_socket_test(&session->fd, &config, &port);
	if (error == OWAMP_ELIMIT)
		snprintf(reason, reason_size, "test_ports %u-%u are all in use", config.port_low,
			 config.port_high);
	else if (error && errno == EADDRNOTAVAIL)
		snprintf(reason, reason_size, "%s Address is not one of this host",
			 session->sends ? "Sender" : "Receiver");
	else if (error)
		snprintf(reason, reason_size, "opening the test socket: %s", strerror(errno));
	/* EINVAL: a link-local address without the link, as of a client that mixes scopes. */
	if (error)
		return error != OWAMP_ELIMIT && (errno == EADDRNOTAVAIL || errno == EINVAL) ? OWAMP_EINVAL
											    : OWAMP_ELIMIT;
	if (session->sends) {
		request->sender_port = port;
	} else {
		request->receiver_port = port;
		check_buffer(session, config.receive_buffer);
	}
	if (session->sends && connect(session->fd, session_address(&session->peer),
				      owamp_address_size(session_address(&session->peer)))) {
		snprintf(reason, reason_size, "connecting the test socket: %s", strerror(errno));
		return OWAMP_EINVAL;
	}
	return 0;
}

/* Where its packets leave or arrive. */
static int open_port(struct session *session, char *reason, size_t reason_size)
{
	struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
	uint16_t shared;

	local_address(session, &local);
	shared = session->sends ? 0 : ports_take(session, session_address(&local));
	if (shared == 0)
		return open_socket(session, session_address(&local), reason, reason_size);
	session->request.receiver_port = shared;
	return 0;
}

static int open_store(struct session *session)
{
	struct connection *connection = session->connection;
	struct store_info info = {
		.slot_count = session->request.slot_count,
		.owner = connection->key_id[0] ? connection->key_id : NULL,
		.peer = connection->peer,
		.grant = session->grant,
	};

	memcpy(info.sid, session->request.sid, OWAMP_SID_SIZE);
	return store_open(connection->server->store, &info, &session->stored);
}

/* Everything a session needs, or a reason and the Accept value for it. */
static int admit(struct session *session, uint8_t *accept, char *reason, size_t reason_size)
{
	struct connection *connection = session->connection;
	const char *wrong = check_peer(connection, session);
	struct policy_demand demand;
	int error;

	if (wrong) {
		snprintf(reason, reason_size, "%s", wrong);
		*accept = OWAMP_ACCEPT_UNSUPPORTED;
		return OWAMP_EINVAL;
	}
	weigh(connection, &session->request, &demand);
	error = policy_reserve(connection->server->policy, connection->klass, &demand, &session->grant,
			       accept, reason, reason_size);
	if (error)
		return error;
	session->packet_rate = demand.packet_rate;
	error = open_port(session, reason, reason_size);
	if (error) {
		*accept = error == OWAMP_EINVAL ? OWAMP_ACCEPT_UNSUPPORTED : OWAMP_ACCEPT_TEMPORARY_RESOURCES;
		return error;
	}
	if (session->sends)
		return 0;
	error = owamp_make_sid(session_address(&connection->local), session->request.sid);
	if (!error)
		error = open_store(session);
	if (error) {
		snprintf(reason, reason_size, "%s", owamp_error_text(error));
		*accept = OWAMP_ACCEPT_INTERNAL;
	}
	return error;
}

static void refuse(struct connection *connection, uint8_t accept, const char *reason)
{
	log_write(LOG_NOTICE, "%s%s%s%s: session refused (Accept %u): %s", connection->name,
		  connection->key_id[0] ? " (user \"" : "", connection->key_id,
		  connection->key_id[0] ? "\")" : "", accept, reason);
	if (owamp_control_server_accept_session(connection->control, accept, 0, NULL))
		connection_drop(connection, LOG_ERR, "internal error in refusing a session");
}

void session_request(struct connection *connection, const struct owamp_request *request)
{
	struct session *session;
	uint8_t accept;
	char reason[256];
	const char *wrong = check(connection, request, &accept);

	session_settle_now(connection);
	if (connection->closing)
		return;
	if (connection->revoked) {
		refuse(connection, OWAMP_ACCEPT_FAILURE, "the user's key was changed or removed");
		return;
	}
	if (!wrong && connection->session_count >= connection->server->config->sessions_per_connection_max) {
		/* Results of open-mode sessions stay with the connection. */
		refuse(connection, OWAMP_ACCEPT_TEMPORARY_RESOURCES,
		       "sessions_per_connection_max is reached");
		return;
	}
	if (wrong) {
		refuse(connection, accept, wrong);
		return;
	}
	session = session_new(connection, request);
	if (!session) {
		refuse(connection, OWAMP_ACCEPT_TEMPORARY_RESOURCES, "out of memory");
		return;
	}
	if (admit(session, &accept, reason, sizeof reason)) {
		session_free(session);
		refuse(connection, accept, reason);
		return;
	}
	owamp_sid_text(session->request.sid, session->sid_text);
	if (!session_any_new(connection))
		connection->start_by = owamp_mono_ns() + START_TIMEOUT_NS;
	session->next = connection->sessions;
	connection->sessions = session;
	connection->session_count++;
	connection->new_count++;
	if (owamp_control_server_accept_session(connection->control, OWAMP_ACCEPT_OK,
						session->sends ? session->request.sender_port
							       : session->request.receiver_port,
						session->request.sid))
		connection_drop(connection, LOG_ERR, "internal error in accepting a session");
}
