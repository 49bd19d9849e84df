/*
 * Start-Sessions. Thousands of sessions are started in many turns of the loop,
 * so that others get theirs; in this order: receivers, the answer, senders.
 */
#include "server.h"

#include <owamp/crypto.h>
#include <owamp/error.h>

#include "log.h"

/* Of one turn. */
#define SLICE_NS INT64_C(1000000)

static void sender_complete(struct owamp_timer *timer)
{
	struct session *session = timer->context;

	session_not_running(session);
	session_settle(session->connection);
}

static void sender_finished(void *context)
{
	struct session *session = context;
	const struct server *server = session->connection->server;
	int64_t over =
		owamp_pacer_last_mono_ns(session->pacing) + owamp_interval_to_ns(session->request.timeout);
	int64_t now = owamp_mono_ns();

	session->complete_timer.expired = sender_complete;
	session->complete_timer.context = session;
	(void)owamp_loop_set_timer(server->loop, &session->complete_timer,
				   (over > now ? over : now) + server->config->end_delay_ns);
}

static void receiver_finished(void *context)
{
	struct session *session = context;

	session_not_running(session);
	session_settle(session->connection);
}

static void record_sink(void *context, const struct owamp_record *record)
{
	store_append(context, record);
}

static int start_sender(struct session *session)
{
	struct connection *connection = session->connection;
	struct owamp_sender_config config = {
		.mode = connection->mode,
		.request = &session->request,
		.control_keys = owamp_control_server_keys(connection->control),
	};
	struct owamp_sender *sender;
	int error = owamp_random(config.padding_seed, sizeof config.padding_seed);

	if (!error)
		error = owamp_sender_new(&sender, &config);
	if (error)
		return error;
	error = owamp_pacer_start(owamp_engine_pacer(connection->server->engine), sender, session->fd,
				  sender_finished, session, &session->pacing);
	if (error)
		owamp_sender_free(sender);
	return error;
}

/* From now on the archive has the session. */
static int start_storing(struct session *session)
{
	const struct connection *connection = session->connection;
	char peer[OWAMP_ADDRESS_TEXT];
	const struct archive_session description = {
		.request = session->request,
		.mode = connection->mode,
		.received = true,
		.identity = connection->key_id[0] ? connection->key_id : NULL,
		.class_name = policy_class_name(connection->klass),
		.peer = owamp_address_text(session_address(&connection->peer), false, peer),
		.program = "owampd",
		.created_ns = session->created_ns,
	};

	return store_start(session->stored, &description);
}

static int start_receiver(struct session *session)
{
	struct connection *connection = session->connection;
	const struct owamp_receiver_config config = {
		.mode = connection->mode,
		.request = &session->request,
		.control_keys = owamp_control_server_keys(connection->control),
	};
	struct owamp_receiver *receiver;
	int error = start_storing(session);

	if (!error)
		error = owamp_receiver_new(&receiver, &config, record_sink, session->stored);
	if (error)
		return error;
	if (session->place)
		error = owamp_collector_start_at(session->place, receiver, receiver_finished, session,
						 &session->collecting);
	else
		error = owamp_collector_start(owamp_engine_collector(connection->server->engine), receiver,
					      session->fd, session_address(&session->peer), receiver_finished,
					      session, &session->collecting);
	if (error)
		owamp_receiver_free(receiver);
	return error;
}

/* Accepted and not yet started. */
static bool is_new(const struct session *session)
{
	return !session->pacing && !session->collecting && !session->stop_known && !session->settled;
}

bool session_any_new(const struct connection *connection)
{
	return connection->new_count > 0;
}

static int answer(struct connection *connection, uint8_t accept)
{
	int error = owamp_control_server_start_ack(connection->control, accept);

	if (error)
		connection_drop(connection, LOG_ERR, "internal error in Start-Ack");
	return error;
}

static void receivers_started(struct connection *connection)
{
	if (answer(connection, OWAMP_ACCEPT_OK))
		return;
	connection->started = true;
	connection->stop_sent = connection->stop_received = false;
	/* The client starts when it sees the answer: out with it before our own packets. */
	connection_send_now(connection);
	connection->starting = START_SENDERS;
	connection->start_next = connection->sessions;
}

static void senders_started(struct connection *connection)
{
	unsigned count = connection->start_count;

	connection->starting = START_NONE;
	log_write(LOG_INFO, "%s: %u session%s started", connection->name, count, count == 1 ? "" : "s");
	session_settle(connection);
	if (!connection->closing && !connection->closed)
		connection_wait(connection);
}

static int start_next(struct connection *connection)
{
	struct session *session = connection->start_next;
	int error;

	connection->start_next = session->next;
	if (!is_new(session) || session->sends != (connection->starting == START_SENDERS))
		return 0;
	error = session->sends ? start_sender(session) : start_receiver(session);
	if (!error) {
		session->running = true;
		connection->running_count++;
	}
	return error;
}

static void step(struct connection *connection)
{
	int error;

	if (!connection->start_next && connection->starting == START_RECEIVERS) {
		receivers_started(connection);
		return;
	}
	if (!connection->start_next) {
		senders_started(connection);
		return;
	}
	error = start_next(connection);
	if (error && connection->starting == START_SENDERS)
		connection_drop(connection, LOG_ERR, "starting to send: %s", owamp_error_text(error));
	else if (error && !answer(connection, OWAMP_ACCEPT_INTERNAL))
		connection_drop(connection, LOG_ERR, "starting to receive: %s", owamp_error_text(error));
}

static void start_some(struct owamp_timer *timer)
{
	struct connection *connection = timer->context;
	int64_t now = owamp_mono_ns(), end = now + SLICE_NS;

	/* Giving the connection up ends it too. */
	for (; connection->starting && now < end; now = owamp_mono_ns())
		step(connection);
	/* Due at once, and yet after all that is ready by then. */
	if (connection->starting)
		(void)owamp_loop_set_timer(connection->server->loop, timer, now);
}

void session_start_all(struct connection *connection)
{
	session_settle_now(connection);
	if (connection->closing)
		return;
	connection->start_count = connection->new_count;
	connection->new_count = 0;
	connection->starting = START_RECEIVERS;
	connection->start_next = connection->sessions;
	connection->start_timer.expired = start_some;
	connection->start_timer.context = connection;
	start_some(&connection->start_timer);
}

void session_start_abort(struct connection *connection)
{
	connection->starting = START_NONE;
	connection->start_next = NULL;
	owamp_loop_cancel_timer(connection->server->loop, &connection->start_timer);
}
