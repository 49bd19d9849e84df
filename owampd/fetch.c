#include "server.h"

#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "log.h"

/*
 * Who may fetch: an authenticated session's results only its own user; those
 * of an open one only its control client's address, also in open mode. Knowing
 * the SID is never enough.
 */
static bool may_fetch(const struct connection *connection, const struct store_session *stored)
{
	const struct sockaddr *peer = store_peer(stored);

	if (store_owner(stored))
		return strcmp(store_owner(stored), connection->key_id) == 0;
	return connection->key_id[0] == '\0' && peer &&
	       owamp_address_equal(peer, (const struct sockaddr *)&connection->peer);
}

static void refuse(struct connection *connection, uint8_t accept, const uint8_t sid[OWAMP_SID_SIZE],
		   const char *reason)
{
	char text[33];

	log_write(LOG_NOTICE, "%s%s%s%s: fetch of %s refused (Accept %u): %s", connection->name,
		  connection->key_id[0] ? " (user \"" : "", connection->key_id,
		  connection->key_id[0] ? "\")" : "", owamp_sid_text(sid, text), accept, reason);
	if (owamp_control_server_fetch_refuse(connection->control, accept))
		connection_drop(connection, LOG_ERR, "internal error in refusing a fetch");
}

/* Is it one of this connection's own sessions that is about to settle? */
static bool is_settling(const struct connection *connection, const uint8_t sid[OWAMP_SID_SIZE])
{
	if (!connection->started)
		return false;
	for (const struct session *s = connection->sessions; s; s = s->next) {
		if (!s->settled && memcmp(s->request.sid, sid, OWAMP_SID_SIZE) == 0)
			return true;
	}
	return false;
}

static bool owns(const struct connection *connection, const struct store_session *stored)
{
	for (const struct session *s = connection->sessions; s; s = s->next) {
		if (s->stored == stored)
			return true;
	}
	return false;
}

static bool is_complete(const struct connection *connection)
{
	return connection->fetch_begin == 0 && connection->fetch_end == UINT32_MAX;
}

/* What the disk was waited for is there. */
static void fetch_ready(void *context)
{
	connection_kick(context);
}

/* Why it cannot be had, with what is known without the disk; NULL if it can. */
static const char *forbidden(const struct connection *connection, const struct store_session *stored,
			     uint8_t *accept)
{
	*accept = OWAMP_ACCEPT_FAILURE;
	/* The same answer for what is not there and what is not theirs. */
	if (!stored)
		return "no such session";
	if (!may_fetch(connection, stored))
		return "the session belongs to somebody else";
	if (store_outcome(stored) == ARCHIVE_INVALID)
		return "the session's results are invalid";
	*accept = OWAMP_ACCEPT_TEMPORARY_RESOURCES;
	if (!store_is_started(stored))
		return "the session has not started";
	if (is_complete(connection) && store_outcome(stored) == ARCHIVE_RUNNING)
		return "the session is still running";
	return NULL;
}

static void request(struct connection *connection)
{
	struct store_session *stored = store_find(connection->server->store, connection->fetch_sid);
	uint8_t accept;
	const char *why = forbidden(connection, stored, &accept);
	int error = 0;

	if (!why) {
		connection->fetch_begun = false;
		error = store_fetch_new(&connection->fetch, stored, connection->fetch_begin,
					connection->fetch_end, fetch_ready, connection);
	}
	if (error)
		why = owamp_error_text(error);
	if (why)
		refuse(connection, accept, connection->fetch_sid, why);
}

void fetch_request(struct connection *connection, const uint8_t sid[OWAMP_SID_SIZE], uint32_t begin_seq,
		   uint32_t end_seq)
{
	memcpy(connection->fetch_sid, sid, OWAMP_SID_SIZE);
	connection->fetch_begin = begin_seq;
	connection->fetch_end = end_seq;
	if (is_settling(connection, sid))
		connection->fetch_waiting = true;
	else
		request(connection);
}

void fetch_resume(struct connection *connection)
{
	if (!connection->fetch_waiting)
		return;
	connection->fetch_waiting = false;
	request(connection);
}

static void begin(struct connection *connection, const struct store_head *head)
{
	struct store_session *stored = store_fetch_session(connection->fetch);
	bool finished = head->outcome != ARCHIVE_RUNNING;
	int error;

	/* Of a running session nothing is said of what is not in the records. */
	error = owamp_control_server_fetch_begin(connection->control, &head->request, finished,
						 finished ? head->stop.next_seq : 0, head->stop.skips,
						 finished ? head->stop.skip_count : 0, head->count);
	connection->fetch_begun = true;
	connection->fetch_left = head->count;
	/* What an open-mode connection owns is deleted only by itself. */
	connection->fetch_delete = is_complete(connection) && policy_delete_on_fetch(connection->klass) &&
				   (store_owner(stored) || owns(connection, stored));
	if (!error && head->count > 0)
		error = store_fetch_next(connection->fetch);
	if (error)
		connection_drop(connection, LOG_ERR, "internal error in answering a fetch: %s",
				owamp_error_text(error));
}

/* The session's head is there, or is not to be had. */
static void answer(struct connection *connection)
{
	const struct store_head *head = store_fetch_head(connection->fetch);
	uint8_t accept = OWAMP_ACCEPT_FAILURE;
	const char *reason;
	char why[400] = "";
	int error = store_fetch_error(connection->fetch, &reason);

	if (error && error != OWAMP_EDATA)
		accept = OWAMP_ACCEPT_TEMPORARY_RESOURCES;
	if (error)
		snprintf(why, sizeof why, "%s", reason);
	else if (head->outcome == ARCHIVE_INVALID)
		snprintf(why, sizeof why, "the session's results are invalid: %s", head->reason);
	else if (is_complete(connection) && head->outcome == ARCHIVE_BROKEN)
		snprintf(why, sizeof why, "the session did not end normally: only parts can be had (%s)",
			 head->reason);
	if (!why[0]) {
		begin(connection, head);
		return;
	}
	refuse(connection, accept, connection->fetch_sid, why);
	fetch_abort(connection);
	if (!connection->closing)
		connection_wait(connection);
}

static void end(struct connection *connection)
{
	struct store_session *stored = store_fetch_session(connection->fetch);
	char text[33];

	log_write(LOG_INFO, "%s: session %s fetched%s", connection->name,
		  owamp_sid_text(store_sid(stored), text), connection->fetch_delete ? " and deleted" : "");
	/* Somebody else may have fetched and deleted it meanwhile. */
	if (connection->fetch_delete)
		store_remove(stored);
	fetch_abort(connection);
	connection_wait(connection);
}

static void hand_over(struct connection *connection)
{
	const uint8_t *records;
	const char *reason;
	uint32_t count;
	int error = store_fetch_error(connection->fetch, &reason);

	if (error) {
		connection_drop(connection, LOG_ERR, "a fetch is broken off: %s", reason);
		return;
	}
	records = store_fetch_records(connection->fetch, &count);
	if (count == 0) {
		connection_drop(connection, LOG_NOTICE,
				"the session ended, or went, while a part of it was fetched");
		return;
	}
	error = owamp_control_server_fetch_records(connection->control, records, count);
	connection->fetch_left -= count;
	if (!error && connection->fetch_left > 0)
		error = store_fetch_next(connection->fetch);
	if (error)
		connection_drop(connection, LOG_ERR, "internal error in answering a fetch: %s",
				owamp_error_text(error));
}

bool fetch_continue(struct connection *connection, size_t output_size)
{
	if (store_fetch_is_busy(connection->fetch))
		return false;
	if (!connection->fetch_begun)
		answer(connection);
	else if (connection->fetch_left > 0)
		hand_over(connection);
	else if (output_size == 0)
		end(connection);
	else
		/* What was not sent may be fetched again: deleting waits for the last octet. */
		return false;
	return true;
}

bool fetch_is_ours(const struct connection *connection)
{
	return store_fetch_is_busy(connection->fetch);
}

void fetch_abort(struct connection *connection)
{
	store_fetch_free(connection->fetch);
	connection->fetch = NULL;
}
