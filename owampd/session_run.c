/* Test sessions from their stop to their final results. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"
#include "step_text.h"

/* How long a receiver may go on after a Stop-Sessions, beyond its Timeout. */
#define SETTLE_NS INT64_C(2000000000)

void session_not_running(struct session *session)
{
	session->connection->running_count -= session->running;
	session->connection->awaited_count -= session->awaited;
	session->running = session->awaited = false;
}

void session_settle_now(struct connection *connection)
{
	if (!connection->started)
		return;
	owamp_loop_cancel_timer(connection->server->loop, &connection->settle_timer);
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

/* Our receivers, by SID. */
struct receivers {
	struct session **sessions;
	size_t count;
};

static int compare_sids(const void *a, const void *b)
{
	const struct session *const *one = a, *const *other = b;

	return memcmp((*one)->request.sid, (*other)->request.sid, OWAMP_SID_SIZE);
}

static int compare_sid(const void *sid, const void *element)
{
	const struct session *const *session = element;

	return memcmp(sid, (*session)->request.sid, OWAMP_SID_SIZE);
}

static int list_receivers(const struct connection *connection, struct receivers *receivers)
{
	receivers->count = 0;
	receivers->sessions = calloc(connection->session_count + 1, sizeof(struct session *));
	if (!receivers->sessions)
		return OWAMP_ENOMEM;
	for (struct session *s = connection->sessions; s; s = s->next) {
		if (!s->sends)
			receivers->sessions[receivers->count++] = s;
	}
	qsort(receivers->sessions, receivers->count, sizeof(struct session *), compare_sids);
	return 0;
}

static struct session *find_receiver(const struct receivers *receivers, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct session **found =
		bsearch(sid, receivers->sessions, receivers->count, sizeof(struct session *), compare_sid);

	return found ? *found : NULL;
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
	/* As the client does: a clock that is behind must cost no records. */
	if (session->running && stop->next_seq == session->request.packets) {
		session->awaited = true;
		session->connection->awaited_count++;
	}
	return 0;
}

/* The longest Timeout of those that were stopped, or a negative error. */
static int64_t keep_stops(struct connection *connection, const struct owamp_control_server_event *event)
{
	struct receivers receivers;
	int64_t longest = 0;
	int error = list_receivers(connection, &receivers);

	for (size_t i = 0; i < event->session_count && !error; i++) {
		struct session *session = find_receiver(&receivers, event->sessions[i].sid);

		/* The machine has checked that the SIDs are those of our receivers. */
		error = session ? keep_stop(session, &event->sessions[i]) : OWAMP_ESTATE;
		if (!error && owamp_interval_to_ns(session->request.timeout) > longest)
			longest = owamp_interval_to_ns(session->request.timeout);
	}
	free(receivers.sessions);
	return error ? error : longest;
}

void session_settle_expired(struct owamp_timer *timer)
{
	session_settle(timer->context);
}

static void end_receiver(struct session *session, enum archive_outcome outcome, const char *reason);

void session_stop_received(struct connection *connection, const struct owamp_control_server_event *event)
{
	int64_t longest = keep_stops(connection, event);

	connection->stop_received = true;
	if (longest < 0) {
		connection_drop(connection, LOG_ERR, "Stop-Sessions: %s", owamp_error_text((int)longest));
		return;
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
	char invalid[160], all[256];
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
		session_not_running(session);
		end.receive_health = &health;
		if (step_text(all, sizeof all, end.reason, health.clock_steps, health.clock_step_ns))
			end.reason = all;
	}
	/* The rest of the grant is the store's now. */
	policy_release_network(session->grant);
	session->grant = NULL;
	end.end_ns = archive_session_end(session->created_ns, owamp_mono_ns() - session->created_mono,
					 owamp_real_ns());
	outcome = store_finish(session->stored, &end, cut);
	if (started)
		session_log_receiver(session, &health, cut, how[outcome], end.reason);
	/* The store has its own account of the sender now. */
	free(session->skips);
	session->skips = NULL;
	session->stop.skips = NULL;
}

/* In open mode a session stays, for its results; what it received with does not. */
static void let_socket_go(struct session *session)
{
	owamp_collector_place_leave(session->place);
	session->place = NULL;
	if (session->fd >= 0)
		close(session->fd);
	session->fd = -1;
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
			session_log_sender(session);
		if (session->stored && store_is_there(session->stored) && !connection->key_id[0]) {
			let_socket_go(session);
			link = &session->next;
			continue;
		}
		*link = session->next;
		connection->session_count--;
		session_not_running(session);
		session_free(session);
	}
}

void session_settle(struct connection *connection)
{
	if (connection->closed || connection->closing || !connection->started || connection->starting)
		return;
	if (!connection->stop_sent && connection->running_count == 0)
		send_stop(connection);
	if (connection->closing || connection->closed)
		return;
	if (connection->stop_sent && connection->stop_received) {
		if (connection->awaited_count > 0 && connection->settle_timer.due.place != 0) {
			connection_kick(connection);
			return;
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
	session_start_abort(connection);
	while (connection->sessions) {
		struct session *session = connection->sessions;

		connection->sessions = session->next;
		connection->session_count--;
		if (session->pacing) {
			owamp_pacer_stop(session->pacing);
			session_log_sender(session);
		}
		end_receiver(session, ARCHIVE_BROKEN, reason);
		/* Results of open mode can be had as long as the control connection lives (section 6.5). */
		if (session->stored && !connection->key_id[0])
			store_disown(session->stored);
		session_not_running(session);
		session_free(session);
	}
	connection->new_count = 0;
	connection->started = false;
}
