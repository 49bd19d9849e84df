/*
 * From sources to the archive, in virtual time: the clocks of two hosts drift
 * apart, which their sources bound to 0.8 ms each, while a packet takes 50 us
 * from one to the other. What is measured of it is nonsense, and the archive
 * says so: the view doubtful_sessions names that session, and not the other
 * one, between hosts with 1 us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <owamp/receiver.h>
#include <owamp/sender.h>
#include <owamp/timestamp.h>

#include "clock/select.h"
#include "storage/import.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* True time, in Unix ns: 2026-11-21T00:00:00Z. */
#define BEGIN INT64_C(1795219200000000000)

#define WARM_UP     (300 * SECOND)
#define PACKETS     500
#define INTERVAL_NS (100 * MS)
#define DELAY_NS    (50 * US)
#define STAMPING_NS 100

/* One host: its clock, the source that measures it, and what follows from that. */
struct host {
	int64_t offset_ns; /* at BEGIN */
	int64_t rate_ppb;
	int64_t wrong_ns; /* by which all readings of its source are */
	int64_t error_ns;
	int64_t interval_ns;
	const char *source;
	struct select *select;
	struct owamp_clock_snapshot snapshot;
	struct clock_reading reading;
	int64_t next_reading_ns;
	int64_t next_round_ns;
};

static int64_t offset_of(const struct host *host, int64_t true_ns)
{
	return host->offset_ns + (true_ns - BEGIN) / 1000 * host->rate_ppb / 1000000;
}

static int64_t clock_of(const struct host *host, int64_t true_ns)
{
	return true_ns + offset_of(host, true_ns);
}

static void host_open(struct host *host)
{
	struct owamp_clock_config config = {.count = 1,
					    .drift_max_ppb = OWAMP_CLOCK_DRIFT_MAX_PPB,
					    .holdover_ns = OWAMP_CLOCK_HOLDOVER_NS,
					    .holdover_time_ns = OWAMP_CLOCK_HOLDOVER_TIME_NS};

	(void)snprintf(config.sources[0].name, sizeof config.sources[0].name, "only");
	assert_int_equal(select_new(&host->select, &config), 0);
	host->reading = (struct clock_reading){.source = host->source, .filtered = true, .drift_ppb = -1};
	host->next_reading_ns = host->next_round_ns = BEGIN;
}

static void host_round(struct host *host, int64_t now_ns)
{
	/* The time that passes is the same on all clocks, to within what matters here. */
	struct select_facts facts = {.mono_ns = now_ns, .real_ns = clock_of(host, now_ns)};

	facts.real_less_mono_ns = facts.real_ns - facts.mono_ns;
	if (now_ns >= host->next_reading_ns) {
		host->reading.state = OWAMP_CLOCK_VALID;
		host->reading.measured = true;
		host->reading.mono_ns = now_ns;
		host->reading.offset_ns = offset_of(host, now_ns) + host->wrong_ns;
		host->reading.error_ns = host->error_ns;
		host->next_reading_ns += host->interval_ns;
	}
	select_round(host->select, &facts, &host->reading);
	select_snapshot(host->select, &host->snapshot);
}

static void host_go(struct host *host, int64_t until_ns)
{
	while (host->next_round_ns <= until_ns) {
		host_round(host, host->next_round_ns);
		host->next_round_ns += SECOND;
	}
}

static uint16_t host_error(const struct host *host, int64_t now_ns)
{
	int64_t bound = owamp_clock_bound(&host->snapshot, now_ns);

	assert_true(llabs(offset_of(host, now_ns)) <= bound);
	return owamp_error_estimate((uint64_t)(bound + STAMPING_NS), host->snapshot.synchronized);
}

/* A session from one to the other, and its records. */
struct session {
	struct host sender;
	struct host receiver;
	struct owamp_slot slot;
	struct owamp_request request;
	struct owamp_record records[PACKETS];
	uint32_t count;
};

static void keep(void *context, const struct owamp_record *record)
{
	struct session *session = context;

	assert_true(session->count < PACKETS);
	session->records[session->count++] = *record;
}

static void make_request(struct session *session, const char *sid, uint8_t network)
{
	int64_t start_ns = clock_of(&session->sender, BEGIN + WARM_UP);

	session->slot = (struct owamp_slot){OWAMP_SLOT_FIXED, owamp_interval_from_ns(INTERVAL_NS)};
	session->request = (struct owamp_request){
		.ipvn = 4,
		.conf_receiver = true,
		.packets = PACKETS,
		.sender_port = 9000,
		.receiver_port = 9001,
		.sender_address = {192, 0, 2, (uint8_t)(network + 1)},
		.receiver_address = {192, 0, 2, (uint8_t)(network + 2)},
		.start = owamp_ntp_from_unix_ns(start_ns),
		.timeout = 2 * OWAMP_SECOND,
		.slot_count = 1,
		.slots = &session->slot,
	};
	assert_int_equal(owamp_sid_parse(sid, session->request.sid), 0);
}

static void deliver(struct session *session, struct owamp_receiver *receiver, const uint8_t *octets,
		    size_t size, int64_t arrival_ns)
{
	const struct host *host = &session->receiver;

	host_go(&session->receiver, arrival_ns);
	assert_int_equal(owamp_receiver_packet(receiver, octets, size,
					       owamp_ntp_from_unix_ns(clock_of(host, arrival_ns)),
					       host_error(host, arrival_ns), 250),
			 OWAMP_RECEIVE_OK);
}

static void run(struct session *session)
{
	const struct owamp_sender_config sending = {.mode = OWAMP_MODE_OPEN, .request = &session->request};
	const struct owamp_receiver_config receiving = {.mode = OWAMP_MODE_OPEN,
							.request = &session->request};
	struct owamp_sender *sender;
	struct owamp_receiver *receiver;
	int64_t now_ns = BEGIN + WARM_UP;
	int action = OWAMP_SENDER_WAIT;

	assert_int_equal(owamp_sender_new(&sender, &sending), 0);
	assert_int_equal(owamp_receiver_new(&receiver, &receiving, keep, session), 0);
	for (; action != OWAMP_SENDER_DONE; now_ns += MS) {
		struct host *host = &session->sender;
		const uint8_t *octets;
		owamp_ntp now, due;
		size_t size;

		host_go(host, now_ns);
		now = owamp_ntp_from_unix_ns(clock_of(host, now_ns));
		action = owamp_sender_poll(sender, now, &due);
		if (action != OWAMP_SENDER_SEND)
			continue;
		octets = owamp_sender_stamp(sender, now, host_error(host, now_ns), &size);
		assert_non_null(octets);
		deliver(session, receiver, octets, size, now_ns + DELAY_NS);
		assert_int_equal(owamp_sender_next(sender, true), 0);
	}
	owamp_sender_free(sender);
	owamp_receiver_free(receiver);
	assert_int_equal(session->count, PACKETS);
}

static void store(struct session *session, struct archive *archive)
{
	struct owamp_stop_session stop = {.next_seq = PACKETS};
	struct import import = {
		.session = {.request = session->request,
			    .mode = OWAMP_MODE_OPEN,
			    .received = true,
			    .peer = "192.0.2.9",
			    .program = "owampd",
			    .created_ns = BEGIN},
		.end = {.outcome = ARCHIVE_FINISHED, .stop = &stop, .end_ns = BEGIN + 2 * WARM_UP},
		.records = session->records,
		.record_count = session->count,
	};
	enum import_result result;
	char reason[256] = "";

	memcpy(stop.sid, session->request.sid, sizeof stop.sid);
	if (archive_import(archive, &import, &result, reason, sizeof reason) < 0)
		fail_msg("%s", reason);
	assert_int_equal(result, IMPORT_STORED);
}

static int64_t measured_ns(const struct owamp_record *record)
{
	return owamp_ntp_diff_ns(record->receive_time, record->send_time);
}

/* Whatever the clocks do: what is measured is as far from 50 us as both estimates allow, or less. */
static void check_records(const struct session *session)
{
	for (uint32_t i = 0; i < session->count; i++) {
		const struct owamp_record *record = &session->records[i];
		int64_t error_ns = owamp_error_estimate_ns(record->send_error) +
				   owamp_error_estimate_ns(record->receive_error);

		assert_true(llabs(measured_ns(record) - DELAY_NS) <= error_ns);
		assert_true(owamp_error_estimate_synchronized(record->send_error));
		assert_true(owamp_error_estimate_synchronized(record->receive_error));
	}
}

struct rows {
	char text[1024];
};

static int add_row(void *context, int count, char **values, char **names)
{
	struct rows *rows = context;

	(void)names;
	for (int i = 0; i < count; i++) {
		size_t length = strlen(rows->text);

		(void)snprintf(rows->text + length, sizeof rows->text - length, "%s%c",
			       values[i] ? values[i] : "NULL", i + 1 < count ? '|' : '\n');
	}
	return 0;
}

static void assert_query(struct archive *archive, const char *sql, const char *expected)
{
	struct rows rows = {.text = ""};
	char *error = NULL;

	if (sqlite3_exec(archive_sqlite(archive), sql, add_row, &rows, &error) != SQLITE_OK)
		fail_msg("%s", error);
	assert_string_equal(rows.text, expected);
}

static void run_hosts(struct session *session, const char *sid, uint8_t network, struct archive *archive)
{
	host_open(&session->sender);
	host_open(&session->receiver);
	make_request(session, sid, network);
	run(session);
	check_records(session);
	store(session, archive);
	select_free(session->sender.select);
	select_free(session->receiver.select);
}

/*
 * By NTP, every 16 s: one clock runs 10 ppm too fast, the other one too slow, so
 * that in the session's 50 s they part by 1 ms. At its start, 300 s from the
 * beginning, the receiver's is 6.2 ms behind.
 */
static void drifting(struct session *session)
{
	session->sender = (struct host){.offset_ns = 100 * US,
					.rate_ppb = 10000,
					.wrong_ns = -700 * US,
					.error_ns = 800 * US,
					.interval_ns = 16 * SECOND,
					.source = OWAMP_CLOCK_CHRONY};
	session->receiver = session->sender;
	session->receiver.offset_ns = -100 * US;
	session->receiver.rate_ppb = -10000;
	session->receiver.wrong_ns = 700 * US;
}

/* By PTP, which steers: 0.2 us off each, in opposite directions. */
static void close_by(struct session *session)
{
	session->sender = (struct host){.offset_ns = 200,
					.wrong_ns = -200,
					.error_ns = 500,
					.interval_ns = SECOND,
					.source = OWAMP_CLOCK_PTP};
	session->receiver = session->sender;
	session->receiver.offset_ns = -200;
	session->receiver.wrong_ns = 200;
}

#define DRIFTING "c0000201000000000000000000000001"
#define CLOSE_BY "c000020b000000000000000000000002"

static void a_session_between_clocks_that_drift_apart_is_doubtful(void **state)
{
	struct session *session = calloc(2, sizeof *session);
	char path[] = "/tmp/owamp-drift-XXXXXX", side[64], error[256];
	struct archive *archive;
	int fd = mkstemp(path);
	int64_t first, last;

	(void)state;
	assert_non_null(session);
	assert_true(fd >= 0);
	close(fd);
	if (archive_open(&archive, path, ARCHIVE_WRITE, error, sizeof error) < 0)
		fail_msg("%s", error);
	drifting(&session[0]);
	run_hosts(&session[0], DRIFTING, 0, archive);
	close_by(&session[1]);
	run_hosts(&session[1], CLOSE_BY, 10, archive);

	/* 50 us - 6.2 ms, and 20 ppm of 49.9 s less. */
	first = measured_ns(&session[0].records[0]);
	last = measured_ns(&session[0].records[PACKETS - 1]);
	assert_in_range(first + 10 * MS, 10 * MS - 6155 * US, 10 * MS - 6145 * US);
	assert_in_range(first - last, 993 * US, 1003 * US);
	/* 50 us - 0.4 us. */
	assert_in_range(measured_ns(&session[1].records[0]), 49599, 49601);

	assert_query(archive, "SELECT sid, synchronized, delay_min_ns < 0, received FROM doubtful_sessions",
		     DRIFTING "|1|1|500\n");
	assert_query(archive, "SELECT sid FROM sessions WHERE outcome = 'finished' ORDER BY sid",
		     DRIFTING "\n" CLOSE_BY "\n");
	/* 2 x (0.5 us + 0.1 us, and 1 ppm of a second): far below the delay, and S is set. */
	assert_query(archive,
		     "SELECT min(m.synchronized), max(m.send_error_ns) + max(m.receive_error_ns) BETWEEN "
		     "1200 AND 3400, "
		     "min(m.delay_min_ns) > 49000 FROM minutes m JOIN sessions s USING (session_id) "
		     "WHERE s.sid = '" CLOSE_BY "'",
		     "1|1|1\n");
	archive_close(archive);
	free(session);
	unlink(path);
	(void)snprintf(side, sizeof side, "%s-wal", path);
	unlink(side);
	(void)snprintf(side, sizeof side, "%s-shm", path);
	unlink(side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_between_clocks_that_drift_apart_is_doubtful),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
