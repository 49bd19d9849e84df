/* Sessions as they are agreed on and as they end. */
#include "archive.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include <owamp/error.h>

#include "archive_internal.h"

/* Runs a query for one integer. OWAMP_EDATA: no row. */
static int one_integer(struct archive *archive, sqlite3_stmt *st, int64_t *value)
{
	int step = sqlite3_step(st), result = 0;

	if (step == SQLITE_ROW)
		*value = sqlite3_column_int64(st, 0);
	else
		result = step == SQLITE_DONE ? OWAMP_EDATA : archive_failed(archive);
	(void)sqlite3_reset(st);
	return result;
}

static int put_endpoint(struct archive *archive, const char *address, const char *name, int64_t *endpoint_id)
{
	sqlite3_stmt *add = archive_statement(archive, ARCHIVE_ST_ENDPOINT_ADD,
					      "INSERT INTO endpoints (address) VALUES (?)"
					      " ON CONFLICT (address) DO NOTHING");
	sqlite3_stmt *rename = archive_statement(archive, ARCHIVE_ST_ENDPOINT_NAME,
						 "UPDATE endpoints SET name = ?2"
						 " WHERE address = ?1 AND name IS NOT ?2");
	sqlite3_stmt *find = archive_statement(archive, ARCHIVE_ST_ENDPOINT_FIND,
					       "SELECT endpoint_id FROM endpoints WHERE address = ?");
	int error;

	if (!add || !rename || !find)
		return archive_failed(archive);
	archive_bind_text(add, 1, address);
	error = archive_run(archive, add);
	if (!error && name) {
		archive_bind_text(rename, 1, address);
		archive_bind_text(rename, 2, name);
		error = archive_run(archive, rename);
	}
	archive_bind_text(find, 1, address);
	return error ? error : one_integer(archive, find, endpoint_id);
}

static int put_endpoints(struct archive *archive, const struct archive_session *session, int64_t *sender_id,
			 int64_t *receiver_id)
{
	const struct owamp_request *request = &session->request;
	int family = request->ipvn == 4 ? AF_INET : AF_INET6;
	char sender[INET6_ADDRSTRLEN], receiver[INET6_ADDRSTRLEN];
	int error;

	if (!inet_ntop(family, request->sender_address, sender, sizeof sender) ||
	    !inet_ntop(family, request->receiver_address, receiver, sizeof receiver))
		return OWAMP_EINVAL;
	error = put_endpoint(archive, sender, session->sender_name, sender_id);
	return error ? error : put_endpoint(archive, receiver, session->receiver_name, receiver_id);
}

static int put_slots(struct archive *archive, int64_t session_id, const struct owamp_request *request)
{
	int error = 0;

	for (uint32_t i = 0; i < request->slot_count && !error; i++) {
		bool fixed = request->slots[i].type == OWAMP_SLOT_FIXED;
		sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_SLOT_ADD,
						     "INSERT INTO slots (session_id, slot, distribution, "
						     "interval_ntp) VALUES (?, ?, ?, ?)");

		if (!st)
			return archive_failed(archive);
		(void)sqlite3_bind_int64(st, 1, session_id);
		(void)sqlite3_bind_int64(st, 2, i);
		archive_bind_text(st, 3, fixed ? "fixed" : "exponential");
		(void)sqlite3_bind_int64(st, 4, (int64_t)request->slots[i].interval);
		error = archive_run(archive, st);
	}
	return error;
}

static int put_session(struct archive *archive, const struct archive_session *session, int64_t sender_id,
		       int64_t receiver_id)
{
	const struct owamp_request *request = &session->request;
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_SESSION_ADD,
		"INSERT INTO sessions (sid, sender_id, receiver_id, sender_port, receiver_port, ip_version,"
		" direction, server, mode, identity, class, peer, packets, padding_octets, type_p, "
		"timeout_ntp,"
		" start_ns, start_residue, created_ns, program, version)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	int64_t start_ns, start_residue;
	char sid[33];

	if (!st)
		return archive_failed(archive);
	archive_split_time(request->start, session->created_ns, &start_ns, &start_residue);
	archive_bind_text(st, 1, owamp_sid_text(request->sid, sid));
	(void)sqlite3_bind_int64(st, 2, sender_id);
	(void)sqlite3_bind_int64(st, 3, receiver_id);
	(void)sqlite3_bind_int(st, 4, request->sender_port);
	(void)sqlite3_bind_int(st, 5, request->receiver_port);
	(void)sqlite3_bind_int(st, 6, request->ipvn);
	archive_bind_text(st, 7, session->received ? "received" : "sent");
	archive_bind_text(st, 8, request->conf_receiver ? "receiver" : "sender");
	archive_bind_text(st, 9, owamp_mode_name(session->mode));
	archive_bind_text(st, 10, session->identity);
	archive_bind_text(st, 11, session->class_name);
	archive_bind_text(st, 12, session->peer);
	(void)sqlite3_bind_int64(st, 13, request->packets);
	(void)sqlite3_bind_int64(st, 14, request->padding);
	(void)sqlite3_bind_int64(st, 15, request->type_p);
	(void)sqlite3_bind_int64(st, 16, (int64_t)request->timeout);
	(void)sqlite3_bind_int64(st, 17, start_ns);
	(void)sqlite3_bind_int64(st, 18, start_residue);
	(void)sqlite3_bind_int64(st, 19, session->created_ns);
	archive_bind_text(st, 20, session->program);
	archive_bind_text(st, 21, OWAMP_VERSION);
	return archive_run(archive, st);
}

int archive_session_insert(struct archive *archive, const struct archive_session *session,
			   int64_t *session_id)
{
	int64_t sender_id, receiver_id;
	int error = archive_session_find(archive, session->request.sid, session_id, NULL);

	if (error == 0)
		return OWAMP_EINVAL;
	if (error != OWAMP_EDATA)
		return error;
	error = put_endpoints(archive, session, &sender_id, &receiver_id);
	if (!error)
		error = put_session(archive, session, sender_id, receiver_id);
	if (error)
		return error;
	*session_id = sqlite3_last_insert_rowid(archive->db);
	return put_slots(archive, *session_id, &session->request);
}

static const char *const outcomes[] = {
	[ARCHIVE_RUNNING] = "running",
	[ARCHIVE_FINISHED] = "finished",
	[ARCHIVE_BROKEN] = "broken",
	[ARCHIVE_INVALID] = "invalid",
};

enum archive_outcome archive_outcome_parse(const char *text)
{
	for (int i = ARCHIVE_RUNNING; text && i < ARCHIVE_INVALID; i++) {
		if (strcmp(text, outcomes[i]) == 0)
			return (enum archive_outcome)i;
	}
	return ARCHIVE_INVALID;
}

int archive_session_find(struct archive *archive, const uint8_t sid[OWAMP_SID_SIZE], int64_t *session_id,
			 enum archive_outcome *outcome)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_SESSION_FIND,
					     "SELECT session_id, outcome FROM sessions WHERE sid = ?");
	char text[33];
	int step, result = 0;

	if (!st)
		return archive_failed(archive);
	archive_bind_text(st, 1, owamp_sid_text(sid, text));
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		*session_id = sqlite3_column_int64(st, 0);
		if (outcome)
			*outcome = archive_outcome_parse((const char *)sqlite3_column_text(st, 1));
	} else {
		result = step == SQLITE_DONE ? OWAMP_EDATA : archive_failed(archive);
	}
	(void)sqlite3_reset(st);
	return result;
}

int archive_session_cut(struct archive *archive, int64_t session_id, uint32_t cut, uint64_t *records)
{
	sqlite3_stmt *drop = archive_statement(archive, ARCHIVE_ST_SESSION_CUT,
					       "DELETE FROM packet_rows WHERE session_id = ? AND seq >= ?");
	sqlite3_stmt *count = archive_statement(archive, ARCHIVE_ST_SESSION_COUNT,
						"SELECT count(*) FROM packet_rows WHERE session_id = ?");
	int64_t rows = 0;
	int error;

	if (!drop || !count)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(drop, 1, session_id);
	(void)sqlite3_bind_int64(drop, 2, cut);
	error = archive_run(archive, drop);
	if (error || !records)
		return error;
	(void)sqlite3_bind_int64(count, 1, session_id);
	error = one_integer(archive, count, &rows);
	*records = (uint64_t)rows;
	return error;
}

static int put_skips(struct archive *archive, int64_t session_id, const struct owamp_stop_session *stop)
{
	sqlite3_stmt *drop = archive_statement(archive, ARCHIVE_ST_SKIP_DROP,
					       "DELETE FROM skip_ranges WHERE session_id = ?");
	int error;

	if (!drop)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(drop, 1, session_id);
	error = archive_run(archive, drop);
	for (uint32_t i = 0; stop && i < stop->skip_count && !error; i++) {
		sqlite3_stmt *st = archive_statement(
			archive, ARCHIVE_ST_SKIP_ADD,
			"INSERT INTO skip_ranges (session_id, first_seq, last_seq) VALUES (?, ?, ?)");

		if (!st)
			return archive_failed(archive);
		(void)sqlite3_bind_int64(st, 1, session_id);
		(void)sqlite3_bind_int64(st, 2, stop->skips[i].first);
		(void)sqlite3_bind_int64(st, 3, stop->skips[i].last);
		error = archive_run(archive, st);
	}
	return error;
}

/* Not known where nobody asked the clock. */
static void bind_clock(sqlite3_stmt *st, uint32_t steps, int64_t step_ns, int64_t bound_max_ns,
		       const char *source, bool contradiction)
{
	if (!source)
		return;
	(void)sqlite3_bind_int64(st, 26, steps);
	(void)sqlite3_bind_int64(st, 27, step_ns);
	(void)sqlite3_bind_int64(st, 28, bound_max_ns);
	archive_bind_text(st, 29, source);
	(void)sqlite3_bind_int(st, 30, contradiction);
}

static void bind_send_health(sqlite3_stmt *st, const struct owamp_send_health *health)
{
	(void)sqlite3_bind_int64(st, 2, (int64_t)health->sent);
	(void)sqlite3_bind_int64(st, 3, (int64_t)health->send_errors);
	if (health->send_errors)
		archive_bind_text(st, 4, strerror(health->last_errno));
	if (health->sent > 0) {
		(void)sqlite3_bind_int64(st, 5, llround(health->lateness_mean_ns));
		(void)sqlite3_bind_int64(st, 6, health->lateness_p50_ns);
		(void)sqlite3_bind_int64(st, 7, health->lateness_p99_ns);
		(void)sqlite3_bind_int64(st, 8, health->lateness_p999_ns);
		(void)sqlite3_bind_int64(st, 9, health->lateness_max_ns);
		(void)sqlite3_bind_int64(st, 10, health->stamp_gap_max_ns);
	}
	(void)sqlite3_bind_int64(st, 11, (int64_t)health->kernel_stamps);
	if (health->kernel_stamps) {
		(void)sqlite3_bind_int64(st, 12, health->kernel_gap_p50_ns);
		(void)sqlite3_bind_int64(st, 13, health->kernel_gap_p99_ns);
		(void)sqlite3_bind_int64(st, 14, health->kernel_gap_max_ns);
	}
	bind_clock(st, health->clock_steps, health->clock_step_ns, health->clock_bound_max_ns,
		   health->clock_source, health->clock_contradiction);
}

static void bind_receive_health(sqlite3_stmt *st, const struct owamp_receive_health *health)
{
	(void)sqlite3_bind_int64(st, 15, (int64_t)health->socket_drops);
	(void)sqlite3_bind_int64(st, 16, (int64_t)health->unstamped);
	(void)sqlite3_bind_int64(st, 17, (int64_t)health->hardware_stamped);
	(void)sqlite3_bind_int64(st, 18, (int64_t)health->strangers);
	for (int i = OWAMP_RECEIVE_OK + 1; i < OWAMP_RECEIVE_RESULTS; i++)
		(void)sqlite3_bind_int64(st, 18 + i, (int64_t)health->counters.results[i]);
	bind_clock(st, health->clock_steps, health->clock_step_ns, health->clock_bound_max_ns,
		   health->clock_source, health->clock_contradiction);
}

static int put_health(struct archive *archive, int64_t session_id, const struct archive_end *end)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_HEALTH_ADD,
		"INSERT OR REPLACE INTO health (session_id, sent, send_errors, send_error_text,"
		" send_lateness_mean_ns, send_lateness_p50_ns, send_lateness_p99_ns, send_lateness_p999_ns,"
		" send_lateness_max_ns, send_stamp_gap_max_ns, kernel_stamps, kernel_gap_p50_ns,"
		" kernel_gap_p99_ns, kernel_gap_max_ns, socket_drops, unstamped, hardware_stamped,"
		" strangers, discarded_short, discarded_hmac, discarded_multiplier, discarded_sequence,"
		" discarded_time, discarded_schedule, discarded_late, clock_steps, clock_step_ns,"
		" clock_bound_max_ns, clock_source, clock_contradiction) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,"
		" ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	_Static_assert(OWAMP_RECEIVE_RESULTS == 8, "a column for each reason to discard a packet");
	if (!end->send_health && !end->receive_health)
		return 0;
	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	if (end->send_health)
		bind_send_health(st, end->send_health);
	if (end->receive_health)
		bind_receive_health(st, end->receive_health);
	return archive_run(archive, st);
}

int64_t archive_session_end(int64_t created_ns, int64_t elapsed_ns, int64_t now_ns)
{
	int64_t least_ns = created_ns + elapsed_ns;

	return now_ns > least_ns ? now_ns : least_ns;
}

int archive_session_finish(struct archive *archive, int64_t session_id, const struct archive_end *end,
			   uint64_t records)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_SESSION_FINISH,
		"UPDATE sessions SET end_ns = ?, outcome = ?, reason = ?, next_seq = ?, records = ?,"
		" records_lost = ?, duplicates_left_out = ?, summaries_due = ? WHERE session_id = ?");
	int error;

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, end->end_ns);
	archive_bind_text(st, 2, outcomes[end->outcome]);
	archive_bind_text(st, 3, end->reason);
	if (end->stop)
		(void)sqlite3_bind_int64(st, 4, end->stop->next_seq);
	(void)sqlite3_bind_int64(st, 5, (int64_t)records);
	(void)sqlite3_bind_int64(st, 6, (int64_t)end->records_lost);
	(void)sqlite3_bind_int64(st, 7, (int64_t)end->duplicates_left_out);
	(void)sqlite3_bind_int(st, 8, end->summaries_due);
	(void)sqlite3_bind_int64(st, 9, session_id);
	error = archive_run(archive, st);
	if (!error)
		error = put_skips(archive, session_id, end->stop);
	return error ? error : put_health(archive, session_id, end);
}
