/* Sessions read back as they were agreed on. */
#include "archive.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "archive_internal.h"

static const char *text_of(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

static bool is_text(sqlite3_stmt *st, int column, const char *expected)
{
	const char *text = text_of(st, column);

	return text && strcmp(text, expected) == 0;
}

static uint32_t mode_of(const char *name)
{
	static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

	for (size_t i = 0; name && i < sizeof modes / sizeof modes[0]; i++) {
		if (strcmp(name, owamp_mode_name(modes[i])) == 0)
			return modes[i];
	}
	return 0;
}

/* A file can hold anything. */
static bool read_address(sqlite3_stmt *st, int column, uint8_t ipvn, uint8_t address[16])
{
	const char *text = text_of(st, column);

	memset(address, 0, 16);
	return text && inet_pton(ipvn == 4 ? AF_INET : AF_INET6, text, address) == 1;
}

enum column {
	C_SESSION_ID,
	C_SID,
	C_SENDER,
	C_RECEIVER,
	C_SENDER_PORT,
	C_RECEIVER_PORT,
	C_IP_VERSION,
	C_DIRECTION,
	C_SERVER,
	C_MODE,
	C_IDENTITY,
	C_CLASS,
	C_PACKETS,
	C_PADDING,
	C_TYPE_P,
	C_TIMEOUT,
	C_START,
	C_START_RESIDUE,
	C_CREATED,
	C_END,
	C_OUTCOME,
	C_NEXT_SEQ,
	C_RECORDS,
	C_PACKETS_KEPT,
	C_PROGRAM,
};

#define STORED                                                                                               \
	"session_id, sid, s.address, r.address, sender_port, receiver_port, ip_version, direction, server,"  \
	" mode, identity, class, packets, padding_octets, type_p, timeout_ntp, start_ns, start_residue,"     \
	" created_ns, end_ns, outcome, next_seq,"                                                            \
	" CASE outcome WHEN 'running' THEN (SELECT count(*) FROM packet_rows p"                              \
	" WHERE p.session_id = sessions.session_id) ELSE records END, packets_kept, program FROM sessions"   \
	" JOIN endpoints s ON s.endpoint_id = sender_id JOIN endpoints r ON r.endpoint_id = receiver_id"

static const char load_one_sql[] = "SELECT " STORED " WHERE sid = ? AND NOT removal_due";
static const char load_all_sql[] = "SELECT " STORED " WHERE NOT removal_due ORDER BY session_id";

static int read_request(struct archive *archive, sqlite3_stmt *st, struct owamp_request *request)
{
	const char *sid = text_of(st, C_SID);

	*request = (struct owamp_request){
		.ipvn = (uint8_t)sqlite3_column_int(st, C_IP_VERSION),
		.conf_sender = is_text(st, C_SERVER, "sender"),
		.conf_receiver = is_text(st, C_SERVER, "receiver"),
		.packets = (uint32_t)sqlite3_column_int64(st, C_PACKETS),
		.sender_port = (uint16_t)sqlite3_column_int(st, C_SENDER_PORT),
		.receiver_port = (uint16_t)sqlite3_column_int(st, C_RECEIVER_PORT),
		.padding = (uint32_t)sqlite3_column_int64(st, C_PADDING),
		.start = archive_join_time(sqlite3_column_int64(st, C_START),
					   sqlite3_column_int64(st, C_START_RESIDUE)),
		.timeout = (owamp_interval)sqlite3_column_int64(st, C_TIMEOUT),
		.type_p = (uint32_t)sqlite3_column_int64(st, C_TYPE_P),
	};
	if (sid && owamp_sid_parse(sid, request->sid) == 0 &&
	    read_address(st, C_SENDER, request->ipvn, request->sender_address) &&
	    read_address(st, C_RECEIVER, request->ipvn, request->receiver_address) && text_of(st, C_PROGRAM))
		return 0;
	archive->code = SQLITE_CORRUPT;
	sqlite3_snprintf(sizeof archive->reason, archive->reason,
			 "session %lld: its SID, an address or its program cannot be read",
			 sqlite3_column_int64(st, C_SESSION_ID));
	return OWAMP_ESYSTEM;
}

/* Room for one more in an array whose capacity is the next power of two. NULL: no memory. */
static void *grow(void *array, uint32_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return array;
	return reallocarray(array, count > 0 ? 2 * (size_t)count : 1, size);
}

static int read_slots(struct archive *archive, int64_t session_id, struct owamp_request *request)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_SLOT_LOAD,
					     "SELECT distribution, interval_ntp FROM slots"
					     " WHERE session_id = ? ORDER BY slot");
	int step = SQLITE_DONE, error = 0;

	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	while (!error && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct owamp_slot *slots = grow(request->slots, request->slot_count, sizeof *slots);

		if (!slots) {
			error = OWAMP_ENOMEM;
			break;
		}
		request->slots = slots;
		slots[request->slot_count++] = (struct owamp_slot){
			.type = is_text(st, 0, "fixed") ? OWAMP_SLOT_FIXED : OWAMP_SLOT_EXPONENTIAL,
			.interval = (owamp_interval)sqlite3_column_int64(st, 1),
		};
	}
	if (!error && step != SQLITE_DONE)
		error = archive_failed(archive);
	(void)sqlite3_reset(st);
	return error;
}

int archive_skips_load(struct archive *archive, int64_t session_id, struct owamp_skip_range **skips,
		       uint32_t *count)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_SKIP_LOAD,
		"SELECT first_seq, min(last_seq, 4294967295) FROM skip_ranges"
		" WHERE session_id = ? AND first_seq BETWEEN 0 AND 4294967295 ORDER BY first_seq");
	struct owamp_skip_range *list = NULL;
	int step = SQLITE_DONE, error = 0;

	*skips = NULL;
	*count = 0;
	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		list = grow(*skips, *count, sizeof *list);
		if (!list) {
			error = OWAMP_ENOMEM;
			break;
		}
		*skips = list;
		list[(*count)++] = (struct owamp_skip_range){.first = (uint32_t)sqlite3_column_int64(st, 0),
							     .last = (uint32_t)sqlite3_column_int64(st, 1)};
	}
	if (!error && step != SQLITE_DONE)
		error = archive_failed(archive);
	(void)sqlite3_reset(st);
	if (error) {
		free(*skips);
		*skips = NULL;
		*count = 0;
	}
	return error;
}

static int load_one(struct archive *archive, sqlite3_stmt *st,
		    int (*fn)(void *context, const struct archive_stored *stored), void *context)
{
	struct archive_stored stored = {
		.session_id = sqlite3_column_int64(st, C_SESSION_ID),
		.mode = mode_of(text_of(st, C_MODE)),
		.received = is_text(st, C_DIRECTION, "received"),
		.identity = text_of(st, C_IDENTITY),
		.class_name = text_of(st, C_CLASS),
		.program = text_of(st, C_PROGRAM),
		.outcome = archive_outcome_parse(text_of(st, C_OUTCOME)),
		.packets_kept = sqlite3_column_int(st, C_PACKETS_KEPT) != 0,
		.stop_known = sqlite3_column_type(st, C_NEXT_SEQ) != SQLITE_NULL,
		.records = (uint64_t)sqlite3_column_int64(st, C_RECORDS),
		.created_ns = sqlite3_column_int64(st, C_CREATED),
		.end_ns = sqlite3_column_int64(st, C_END),
	};
	struct owamp_skip_range *skips = NULL;
	int result = read_request(archive, st, &stored.request);

	if (!result)
		result = read_slots(archive, stored.session_id, &stored.request);
	if (!result)
		result = archive_skips_load(archive, stored.session_id, &skips, &stored.stop.skip_count);
	if (!result) {
		memcpy(stored.stop.sid, stored.request.sid, OWAMP_SID_SIZE);
		stored.stop.next_seq = (uint32_t)sqlite3_column_int64(st, C_NEXT_SEQ);
		stored.stop.skips = skips;
		result = fn(context, &stored);
	}
	free(stored.request.slots);
	free(skips);
	return result;
}

int archive_session_load(struct archive *archive, const uint8_t *sid,
			 int (*fn)(void *context, const struct archive_stored *stored), void *context)
{
	sqlite3_stmt *st = sid ? archive_statement(archive, ARCHIVE_ST_SESSION_LOAD, load_one_sql)
			       : archive_statement(archive, ARCHIVE_ST_SESSION_LOAD_ALL, load_all_sql);
	int step = SQLITE_DONE, result = 0;
	bool any = false;
	char text[33];

	if (!st)
		return archive_failed(archive);
	if (sid)
		(void)sqlite3_bind_text(st, 1, owamp_sid_text(sid, text), -1, SQLITE_TRANSIENT);
	while (!result && (step = sqlite3_step(st)) == SQLITE_ROW) {
		any = true;
		result = load_one(archive, st, fn, context);
	}
	if (!result && step != SQLITE_DONE)
		result = archive_failed(archive);
	(void)sqlite3_reset(st);
	return result == 0 && sid && !any ? OWAMP_EDATA : result;
}
