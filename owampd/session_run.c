/* Test sessions from Start-Sessions to their final results. */
#include "server.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/crypto.h>
#include <owamp/error.h>

#include "log.h"

/* How long a receiver may go on after a Stop-Sessions, beyond its Timeout. */
#define SETTLE_NS INT64_C(2000000000)

static void sender_complete(struct owamp_timer *timer)
{
	struct session *session = timer->context;

	session->complete = true;
	session_settle(session->connection);
}

static void sender_finished(void *context)
{
	struct session *session = context;
	const struct server *server = session->connection->server;
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	int64_t wait = owamp_ntp_diff_ns(owamp_pacer_last(session->pacing) + session->request.timeout, now);

	if (wait < 0)
		wait = 0;
	session->complete_timer.expired = sender_complete;
	session->complete_timer.context = session;
	(void)owamp_loop_set_timer(server->loop, &session->complete_timer,
				   owamp_mono_ns() + wait + server->config->end_delay_ns);
}

static void receiver_finished(void *context)
{
	struct session *session = context;

	session->complete = true;
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
	error = owamp_collector_start(owamp_engine_collector(connection->server->engine), receiver,
				      session->fd, session_address(&session->peer), receiver_finished,
				      session, &session->collecting);
	if (error)
		owamp_receiver_free(receiver);
	return error;
}

/* Accepted and not yet started. */
static bool session_is_new(const struct session *session)
{
	return !session->pacing && !session->collecting && !session->stop_known && !session->settled;
}

bool session_any_new(const struct connection *connection)
{
	for (const struct session *s = connection->sessions; s; s = s->next) {
		if (session_is_new(s))
			return true;
	}
	return false;
}

void session_settle_now(struct connection *connection)
{
	if (!connection->started)
		return;
	owamp_loop_cancel_timer(connection->server->loop, &connection->settle_timer);
	session_settle(connection);
}

void session_start_all(struct connection *connection)
{
	unsigned count = 0;
	int error = 0;

	session_settle_now(connection);
	for (struct session *s = connection->sessions; s && !error; s = s->next) {
		if (!session_is_new(s))
			continue;
		count++;
		if (!s->sends)
			error = start_receiver(s);
	}
	/* The client starts when it sees the answer: out with it before our own packets. */
	if (owamp_control_server_start_ack(connection->control,
					   error ? OWAMP_ACCEPT_INTERNAL : OWAMP_ACCEPT_OK)) {
		connection_drop(connection, LOG_ERR, "internal error in Start-Ack");
		return;
	}
	if (error) {
		connection_drop(connection, LOG_ERR, "starting to receive: %s", owamp_error_text(error));
		return;
	}
	connection->started = true;
	connection->stop_sent = connection->stop_received = false;
	connection_send_now(connection);
	for (struct session *s = connection->sessions; s && !error; s = s->next) {
		if (session_is_new(s) && s->sends)
			error = start_sender(s);
	}
	if (error) {
		connection_drop(connection, LOG_ERR, "starting to send: %s", owamp_error_text(error));
		return;
	}
	log_write(LOG_INFO, "%s: %u session%s started", connection->name, count, count == 1 ? "" : "s");
	session_settle(connection);
}

/* Stops the senders and says how far they came. */
static void send_stop(struct connection *connection)
{
	struct owamp_stop_session *sessions;
	size_t count = 0;
	int error = OWAMP_ENOMEM;

	if (connection->stop_sent)
		return;
	for (const struct session *s = connection->sessions; s; s = s->next)
		count += s->pacing != NULL;
	sessions = calloc(count + 1, sizeof *sessions);
	if (sessions) {
		count = 0;
		for (struct session *s = connection->sessions; s; s = s->next) {
			if (!s->pacing)
				continue;
			owamp_pacer_stop(s->pacing);
			owamp_pacer_state(s->pacing, &sessions[count++]);
		}
		error = owamp_control_server_stop(connection->control, OWAMP_ACCEPT_OK, sessions, count);
	}
	free(sessions);
	connection->stop_sent = true;
	if (error)
		connection_drop(connection, LOG_ERR, "sending Stop-Sessions: %s", owamp_error_text(error));
	else if (!connection->stop_received)
		connection_wait(connection);
}

static struct session *find_receiver(struct connection *connection, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct session *session = connection->sessions;

	while (session && (session->sends || memcmp(session->request.sid, sid, OWAMP_SID_SIZE) != 0))
		session = session->next;
	return session;
}

static int keep_stop(struct session *session, const struct owamp_stop_session *stop)
{
	session->skips = calloc((size_t)stop->skip_count + 1, sizeof *session->skips);
	if (!session->skips)
		return OWAMP_ENOMEM;
	if (stop->skip_count > 0)
		memcpy(session->skips, stop->skips, stop->skip_count * sizeof *stop->skips);
	session->stop = *stop;
	session->stop.skips = session->skips;
	session->stop_known = true;
	return 0;
}

void session_settle_expired(struct owamp_timer *timer)
{
	session_settle(timer->context);
}

static void end_receiver(struct session *session, enum archive_outcome outcome, const char *reason);

void session_stop_received(struct connection *connection, const struct owamp_control_server_event *event)
{
	int64_t longest = 0;

	connection->stop_received = true;
	for (size_t i = 0; i < event->session_count; i++) {
		struct session *session = find_receiver(connection, event->sessions[i].sid);

		/* The machine has checked that the SIDs are those of our receivers. */
		if (!session || keep_stop(session, &event->sessions[i])) {
			connection_drop(connection, LOG_ERR, "out of memory");
			return;
		}
		if (owamp_interval_to_ns(session->request.timeout) > longest)
			longest = owamp_interval_to_ns(session->request.timeout);
	}
	if (event->accept != OWAMP_ACCEPT_OK) {
		char reason[80];

		snprintf(reason, sizeof reason, "stopped by the client with a failure (Accept %u)",
			 event->accept);
		log_write(LOG_NOTICE, "%s: %s: results are invalid", connection->name, reason);
		for (struct session *s = connection->sessions; s; s = s->next)
			end_receiver(s, ARCHIVE_INVALID, reason);
	}
	send_stop(connection);
	if (connection->closing || connection->closed)
		return;
	(void)owamp_loop_set_timer(connection->server->loop, &connection->settle_timer,
				   owamp_mono_ns() + longest + SETTLE_NS);
	session_settle(connection);
}

__attribute__((format(printf, 3, 4))) static void append(char *line, size_t size, const char *format, ...)
{
	size_t used = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + used, size - used, format, arguments);
	va_end(arguments);
}

/* What was never sent is not lost: packets beyond the sender's last, and those it skipped. */
static uint64_t count_lost(const struct session *session, const struct owamp_receiver_counters *counters,
			   uint32_t cut)
{
	uint64_t received = counters->results[OWAMP_RECEIVE_OK] - counters->duplicates;
	uint64_t lost = counters->lost, skipped;

	if (!session->stop_known)
		return lost;
	if (session->stop.next_seq == cut && received <= cut)
		lost = cut - received;
	skipped = owamp_skips_below(session->stop.skips, session->stop.skip_count, cut);
	return lost > skipped ? lost - skipped : 0;
}

/* What went wrong is said only where something did. */
static void log_receiver(const struct session *session, const struct owamp_receive_health *health,
			 uint32_t cut, const char *how, const char *reason)
{
	const struct owamp_receiver_counters *counters = &health->counters;
	uint64_t lost = store_lost(session->stored), left_out = store_left_out(session->stored);
	char line[512] = "", early[64] = "";

	for (int i = OWAMP_RECEIVE_OK + 1; i < OWAMP_RECEIVE_RESULTS; i++) {
		if (counters->results[i])
			append(line, sizeof line, "; %" PRIu64 " discarded: %s", counters->results[i],
			       owamp_receive_result_name((enum owamp_receive_result)i));
	}
	if (counters->results[OWAMP_RECEIVE_TIME])
		append(line, sizeof line, " (send time %+.6f s from ours)",
		       (double)counters->time_offset_ns / 1e9);
	if (health->strangers)
		append(line, sizeof line, "; %" PRIu64 " from strangers", health->strangers);
	if (health->unstamped)
		append(line, sizeof line, "; %" PRIu64 " without a kernel timestamp", health->unstamped);
	if (health->socket_drops)
		append(line, sizeof line, "; %" PRIu64 " dropped at our own socket", health->socket_drops);
	if (session->stop_known && session->stop.next_seq < session->request.packets)
		append(early, sizeof early, "; ended early, at packet %u of %u", session->stop.next_seq,
		       session->request.packets);
	if (reason)
		append(line, sizeof line, "; %s", reason);
	if (lost)
		append(line, sizeof line, "; %" PRIu64 " records could not be stored", lost);
	if (left_out)
		append(line, sizeof line, "; %" PRIu64 " duplicates left out", left_out);
	log_write(line[0] ? LOG_WARNING : LOG_INFO,
		  "%s: session %s %s: %" PRIu64 " packets received, %" PRIu64 " lost, %" PRIu64
		  " duplicates%s%s",
		  session->connection->name, session->sid_text, how,
		  counters->results[OWAMP_RECEIVE_OK] - counters->duplicates,
		  count_lost(session, counters, cut), counters->duplicates, early, line);
}

/* Stops receiving. What makes the results invalid is a reason; where they end is *cut. */
static void stop_receiver(struct session *session, struct archive_end *end, char *reason, size_t reason_size,
			  uint32_t *cut)
{
	int error = owamp_collector_stop(session->collecting, end->stop, cut);

	if (error == OWAMP_EDATA)
		snprintf(reason, reason_size,
			 "the sender said it never reached packet %u, which arrived, or one after it",
			 end->stop->next_seq);
	else if (error)
		snprintf(reason, reason_size, "receiving failed: %s", owamp_error_text(error));
	if (error) {
		end->outcome = ARCHIVE_INVALID;
		end->reason = reason;
	}
}

/* Ends receiving and gives the results their final form (section 3.8). */
static void end_receiver(struct session *session, enum archive_outcome outcome, const char *reason)
{
	static const char *const how[] = {"running", "finished", "broken off", "invalid"};
	struct owamp_receive_health health = {.failed = false};
	struct archive_end end = {.outcome = outcome, .reason = reason, .summaries_due = true};
	bool started = session->collecting != NULL;
	char invalid[160];
	uint32_t cut = 0;

	if (session->sends || session->settled)
		return;
	session->settled = true;
	if (session->stop_known && outcome != ARCHIVE_INVALID)
		end.stop = &session->stop;
	if (started) {
		stop_receiver(session, &end, invalid, sizeof invalid, &cut);
		owamp_collector_health(session->collecting, &health);
		owamp_collector_end(session->collecting);
		session->collecting = NULL;
		end.receive_health = &health;
	}
	/* The rest of the grant is the store's now. */
	policy_release_network(session->grant);
	session->grant = NULL;
	end.end_ns = owamp_real_ns();
	outcome = store_finish(session->stored, &end, cut);
	if (started)
		log_receiver(session, &health, cut, how[outcome], end.reason);
	/* The store has its own account of the sender now. */
	free(session->skips);
	session->skips = NULL;
	session->stop.skips = NULL;
}

static void log_sender(const struct session *session)
{
	struct owamp_send_health health;
	struct owamp_stop_session state;
	char line[160] = "";

	owamp_pacer_state(session->pacing, &state);
	owamp_pacer_health(session->pacing, &health);
	if (state.skip_count)
		append(line, sizeof line, "; %u skip ranges", state.skip_count);
	if (health.send_errors)
		append(line, sizeof line, "; %" PRIu64 " send errors, last: %s", health.send_errors,
		       strerror(health.last_errno));
	log_write(line[0] ? LOG_WARNING : LOG_INFO,
		  "%s: session %s ended: %" PRIu64
		  " of %u packets sent, late by %.1f us on average, %.1f us at most%s",
		  session->connection->name, session->sid_text, health.sent, session->request.packets,
		  health.lateness_mean_ns / 1e3, (double)health.lateness_max_ns / 1e3, line);
}

static bool all_complete(const struct connection *connection)
{
	for (const struct session *s = connection->sessions; s; s = s->next) {
		if ((s->pacing || s->collecting) && !s->complete)
			return false;
	}
	return true;
}

/* As the client does: a clock that is behind must cost no records. */
static bool may_still_arrive(const struct session *session)
{
	return session->collecting && !session->complete && session->stop_known &&
	       session->stop.next_seq == session->request.packets &&
	       session->connection->settle_timer.due.place != 0;
}

static void remove_settled(struct connection *connection)
{
	struct session **link = &connection->sessions;

	while (*link) {
		struct session *session = *link;

		if (!session->settled && !(session->sends && session->pacing)) {
			link = &session->next;
			continue;
		}
		if (session->sends)
			log_sender(session);
		/* In open mode the session stays, for its results; its socket does not. */
		if (session->stored && store_is_there(session->stored) && !connection->key_id[0]) {
			if (session->fd >= 0)
				close(session->fd);
			session->fd = -1;
			link = &session->next;
			continue;
		}
		*link = session->next;
		session_free(session);
	}
}

void session_settle(struct connection *connection)
{
	if (connection->closed || connection->closing || !connection->started)
		return;
	if (!connection->stop_sent && all_complete(connection))
		send_stop(connection);
	if (connection->closing || connection->closed)
		return;
	if (connection->stop_sent && connection->stop_received) {
		for (const struct session *s = connection->sessions; s; s = s->next) {
			if (may_still_arrive(s)) {
				connection_kick(connection);
				return;
			}
		}
		owamp_loop_cancel_timer(connection->server->loop, &connection->settle_timer);
		for (struct session *s = connection->sessions; s; s = s->next)
			end_receiver(s, ARCHIVE_FINISHED, NULL);
		remove_settled(connection);
		connection->started = connection->stop_sent = connection->stop_received = false;
		connection_wait(connection);
		fetch_resume(connection);
	}
	connection_kick(connection);
}

void session_abort_all(struct connection *connection, const char *reason)
{
	while (connection->sessions) {
		struct session *session = connection->sessions;

		connection->sessions = session->next;
		if (session->pacing) {
			owamp_pacer_stop(session->pacing);
			log_sender(session);
		}
		end_receiver(session, ARCHIVE_BROKEN, reason);
		/* Results of open mode can be had as long as the control connection lives (section 6.5). */
		if (session->stored && !connection->key_id[0])
			store_disown(session->stored);
		session_free(session);
	}
	connection->started = false;
}
