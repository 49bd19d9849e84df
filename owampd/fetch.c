#include "server.h"

#include <string.h>

#include <owamp/error.h>

#include "log.h"

#define RECORDS_AT_ONCE 512

/*
 * Who may fetch: an authenticated session's results only its own user; those
 * of an open one only its control client's address, also in open mode. Knowing
 * the SID is never enough.
 */
static bool may_fetch(const struct connection *connection, const struct store_info *info)
{
	if (info->key_id)
		return strcmp(info->key_id, connection->key_id) == 0;
	return connection->key_id[0] == '\0' &&
	       owamp_address_equal((const struct sockaddr *)&info->peer,
				   (const struct sockaddr *)&connection->peer);
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

static void begin(struct connection *connection, struct store_session *stored, bool complete,
		  uint32_t begin_seq, uint32_t end_seq)
{
	const struct store_info *info = store_info(stored);
	struct owamp_stop_session stop = {.next_seq = 0};
	bool finished = store_outcome(stored) != STORE_RUNNING;
	uint32_t count = store_seek(stored, begin_seq, end_seq, &connection->fetch_cursor);

	/* Without the sender's account nothing is said of what is not in the records. */
	if (finished)
		store_stop(stored, &stop);
	if (owamp_control_server_fetch_begin(connection->control, &info->request, finished, stop.next_seq,
					     stop.skips, stop.skip_count, count)) {
		connection_drop(connection, LOG_ERR, "internal error in answering a fetch");
		return;
	}
	store_hold(stored);
	connection->fetching = stored;
	connection->fetch_left = count;
	/* What an open-mode connection owns is deleted only by itself: it still refers to it. */
	connection->fetch_delete = complete && policy_delete_on_fetch(connection->klass) &&
				   (info->key_id || owns(connection, stored));
	connection_wait(connection);
}

void fetch_request(struct connection *connection, const uint8_t sid[OWAMP_SID_SIZE], uint32_t begin_seq,
		   uint32_t end_seq)
{
	struct store_session *stored = store_find(connection->server->store, sid);
	bool complete = begin_seq == 0 && end_seq == UINT32_MAX;

	if (is_settling(connection, sid)) {
		memcpy(connection->fetch_sid, sid, OWAMP_SID_SIZE);
		connection->fetch_begin = begin_seq;
		connection->fetch_end = end_seq;
		connection->fetch_waiting = true;
		return;
	}
	/* The same answer for what is not there and what is not theirs. */
	if (!stored)
		refuse(connection, OWAMP_ACCEPT_FAILURE, sid, "no such session");
	else if (!may_fetch(connection, store_info(stored)))
		refuse(connection, OWAMP_ACCEPT_FAILURE, sid, "the session belongs to somebody else");
	else if (store_outcome(stored) == STORE_INVALID)
		refuse(connection, OWAMP_ACCEPT_FAILURE, sid, "the session's results are invalid");
	else if (complete && store_outcome(stored) == STORE_RUNNING)
		refuse(connection, OWAMP_ACCEPT_TEMPORARY_RESOURCES, sid, "the session is still running");
	else if (complete && store_outcome(stored) == STORE_BROKEN)
		refuse(connection, OWAMP_ACCEPT_FAILURE, sid,
		       "the session did not end normally: only parts can be had");
	else
		begin(connection, stored, complete, begin_seq, end_seq);
}

void fetch_resume(struct connection *connection)
{
	if (!connection->fetch_waiting)
		return;
	connection->fetch_waiting = false;
	fetch_request(connection, connection->fetch_sid, connection->fetch_begin, connection->fetch_end);
}

/* An open-mode session on this connection still refers to its results. */
static void forget(struct connection *connection, struct store_session *stored)
{
	for (struct session *s = connection->sessions; s; s = s->next) {
		if (s->stored == stored) {
			s->stored = NULL;
			s->grant = NULL;
		}
	}
}

static void end(struct connection *connection)
{
	struct store_session *stored = connection->fetching;
	char text[33];

	connection->fetching = NULL;
	log_write(LOG_INFO, "%s: session %s fetched%s", connection->name,
		  owamp_sid_text(store_info(stored)->request.sid, text),
		  connection->fetch_delete ? " and deleted" : "");
	/* Somebody else may have fetched and deleted it meanwhile. */
	if (connection->fetch_delete &&
	    store_find(connection->server->store, store_info(stored)->request.sid) == stored) {
		void *grant = store_info(stored)->grant;

		forget(connection, stored);
		store_remove(connection->server->store, stored);
		policy_release(grant);
	}
	store_let_go(stored);
	connection_wait(connection);
}

void fetch_continue(struct connection *connection, size_t output_size)
{
	uint8_t records[RECORDS_AT_ONCE * OWAMP_RECORD_SIZE];
	uint32_t count = connection->fetch_left < RECORDS_AT_ONCE ? connection->fetch_left : RECORDS_AT_ONCE;

	if (count == 0) {
		/* What was not sent may be fetched again: deleting waits for the last octet. */
		if (output_size == 0)
			end(connection);
		return;
	}
	count = store_read(connection->fetching, &connection->fetch_cursor, records, count);
	if (count == 0) {
		connection_drop(connection, LOG_NOTICE, "the session ended while a part of it was fetched");
		return;
	}
	if (owamp_control_server_fetch_records(connection->control, records, count)) {
		connection_drop(connection, LOG_ERR, "internal error in answering a fetch");
		return;
	}
	connection->fetch_left -= count;
}

void fetch_abort(struct connection *connection)
{
	if (connection->fetching)
		store_let_go(connection->fetching);
	connection->fetching = NULL;
}
