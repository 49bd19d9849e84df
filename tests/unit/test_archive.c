/* The synchronous layer: what is written is what is read, and bad files are refused in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <owamp/error.h>

#include "storage/archive.h"

/* 2026-11-20T10:00:00Z */
#define NOW_NS INT64_C(1795168800000000000)

struct place {
	char folder[32];
	char path[64];
	char error[300];
	struct archive *archive;
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	*state = place;
	snprintf(place->folder, sizeof place->folder, "/tmp/test-archive-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/a", place->folder);
	return 0;
}

static int clear_place(void **state)
{
	struct place *place = *state;
	char command[80];
	int status;

	archive_close(place->archive);
	snprintf(command, sizeof command, "rm -r %s", place->folder);
	status = system(command);
	free(place);
	return status;
}

static int open_place(void **state)
{
	struct place *place;

	if (make_place(state))
		return -1;
	place = *state;
	return archive_open(&place->archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error);
}

static int64_t ask(struct archive *archive, const char *sql)
{
	sqlite3_stmt *st;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

static void assert_text(struct archive *archive, const char *sql, const char *expected)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), expected);
	sqlite3_finalize(st);
}

static struct owamp_slot slots[] = {
	{OWAMP_SLOT_EXPONENTIAL, 0x0000000019999999}, /* 0.1 s, less a bit */
	{OWAMP_SLOT_FIXED, 0},
	{OWAMP_SLOT_FIXED, ((owamp_interval)1 << 61) - 1},
};

static struct archive_session a_session(uint8_t number)
{
	struct archive_session session = {
		.request =
			{
				.ipvn = 4,
				.conf_receiver = true,
				.packets = 4000000000,
				.sender_port = 8760,
				.receiver_port = 65535,
				.sender_address = {192, 0, 2, 1},
				.receiver_address = {192, 0, 2, 2},
				.padding = 100,
				.start = 0xeba92f4c80000001,
				.timeout = 0x280000003,
				.type_p = 46 << 24,
				.slot_count = 3,
				.slots = slots,
			},
		.mode = OWAMP_MODE_ENCRYPTED,
		.received = true,
		.identity = "joe",
		.class_name = "root",
		.peer = "192.0.2.1",
		.program = "test",
		.created_ns = NOW_NS,
	};

	memset(session.request.sid, 0xa0, OWAMP_SID_SIZE);
	session.request.sid[15] = number;
	return session;
}

static int64_t insert_session(struct archive *archive, uint8_t number)
{
	struct archive_session session = a_session(number);
	int64_t session_id;

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	assert_int_equal(archive_commit(archive), 0);
	return session_id;
}

static void test_pragmas(void **state)
{
	struct place *place = *state;

	assert_int_equal(ask(place->archive, "PRAGMA application_id"), 0x4f574d50);
	assert_int_equal(ask(place->archive, "PRAGMA user_version"), archive_version());
	assert_int_equal(ask(place->archive, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(ask(place->archive, "PRAGMA foreign_keys"), 1);
	assert_int_equal(ask(place->archive, "PRAGMA synchronous"), 2);
	assert_text(place->archive, "PRAGMA journal_mode", "wal");
	assert_int_equal(ask(place->archive,
			     "SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
			     " AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'"),
			 0);
}

static int keep(void *context, const struct archive_stored *stored)
{
	struct archive_stored *copy = context;

	*copy = *stored;
	copy->request.slots = NULL;
	assert_int_equal(stored->request.slot_count, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stored->request.slots[i].type, slots[i].type);
		assert_int_equal(stored->request.slots[i].interval, slots[i].interval);
	}
	assert_string_equal(stored->identity, "joe");
	assert_string_equal(stored->class_name, "root");
	assert_string_equal(stored->program, "test");
	if (stored->stop.skip_count == 2) {
		assert_int_equal(stored->stop.skips[0].first, 3);
		assert_int_equal(stored->stop.skips[0].last, 3);
		assert_int_equal(stored->stop.skips[1].first, 10);
		assert_int_equal(stored->stop.skips[1].last, 4000000000 - 6);
	}
	return 0;
}

static void test_session_comes_back(void **state)
{
	struct place *place = *state;
	struct archive_session session = a_session(1);
	struct archive_stored stored;
	int64_t session_id = insert_session(place->archive, 1), found;
	enum archive_outcome outcome;

	assert_int_equal(archive_session_load(place->archive, session.request.sid, keep, &stored), 0);
	assert_int_equal(stored.session_id, session_id);
	assert_int_equal(stored.mode, OWAMP_MODE_ENCRYPTED);
	assert_true(stored.received);
	assert_int_equal(stored.outcome, ARCHIVE_RUNNING);
	assert_true(stored.packets_kept);
	assert_false(stored.stop_known);
	assert_int_equal(stored.created_ns, NOW_NS);
	assert_int_equal(stored.end_ns, 0);
	stored.request.slots = session.request.slots;
	assert_int_equal(stored.request.ipvn, 4);
	assert_false(stored.request.conf_sender);
	assert_true(stored.request.conf_receiver);
	assert_int_equal(stored.request.packets, 4000000000);
	assert_int_equal(stored.request.sender_port, 8760);
	assert_int_equal(stored.request.receiver_port, 65535);
	assert_memory_equal(stored.request.sender_address, session.request.sender_address, 16);
	assert_memory_equal(stored.request.receiver_address, session.request.receiver_address, 16);
	assert_memory_equal(stored.request.sid, session.request.sid, OWAMP_SID_SIZE);
	assert_int_equal(stored.request.padding, 100);
	assert_int_equal(stored.request.start, 0xeba92f4c80000001);
	assert_int_equal(stored.request.timeout, 0x280000003);
	assert_int_equal(stored.request.type_p, 46 << 24);
	assert_int_equal(archive_session_find(place->archive, session.request.sid, &found, &outcome), 0);
	assert_int_equal(found, session_id);
	assert_int_equal(outcome, ARCHIVE_RUNNING);
	session.request.sid[0] = 0;
	assert_int_equal(archive_session_find(place->archive, session.request.sid, &found, &outcome),
			 OWAMP_EDATA);
	assert_int_equal(archive_session_load(place->archive, session.request.sid, keep, &stored),
			 OWAMP_EDATA);
}

/* What a person reads in it. 0x280000003 / 2^32 s = 2.5000000007 s; the start is NTP 0xeba92f4c.5. */
static void test_session_in_words(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;

	(void)insert_session(archive, 1);
	assert_text(archive, "SELECT sid FROM sessions", "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a001");
	assert_int_equal(ask(archive, "SELECT timeout_ns FROM sessions"), 2500000001);
	assert_int_equal(ask(archive, "SELECT start_ns FROM sessions"),
			 (INT64_C(0xeba92f4c) - 2208988800) * 1000000000 + 500000000);
	assert_int_equal(ask(archive, "SELECT start_residue FROM sessions"), 1);
	assert_int_equal(ask(archive, "SELECT dscp FROM sessions"), 46);
	assert_text(archive, "SELECT address FROM sessions JOIN endpoints ON endpoint_id = receiver_id",
		    "192.0.2.2");
	assert_text(archive, "SELECT server || mode || direction || peer || version FROM sessions",
		    "receiverencryptedreceived192.0.2.1" OWAMP_VERSION);
	/* 0x19999999 / 2^32 s */
	assert_int_equal(ask(archive, "SELECT interval_ns FROM slots WHERE slot = 0"), 100000000);
	assert_int_equal(ask(archive, "SELECT interval_ns FROM slots WHERE slot = 2"),
			 INT64_C(536870912000000000));
}

static void test_same_sid_twice(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	struct archive_session session = a_session(1);
	int64_t first = insert_session(archive, 1), second = 0;

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_insert(archive, &session, &second), OWAMP_EINVAL);
	assert_int_equal(second, first);
	archive_rollback(archive);
}

static void test_endpoint_names(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	struct archive_session session = a_session(1);
	int64_t session_id;

	assert_int_equal(archive_begin(archive), 0);
	session.receiver_name = "old.example.net";
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	session.request.sid[15] = 2;
	session.receiver_name = "lax.example.net";
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	session.request.sid[15] = 3;
	session.receiver_name = NULL;
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_int_equal(ask(archive, "SELECT count(*) FROM endpoints"), 2);
	assert_text(archive, "SELECT name FROM endpoints WHERE address = '192.0.2.2'", "lax.example.net");
	assert_int_equal(ask(archive, "SELECT name IS NULL FROM endpoints WHERE address = '192.0.2.1'"), 1);
}

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The times of a session lie within the era that its beginning names; all else is free. */
static struct owamp_record a_record(uint32_t seq)
{
	owamp_ntp base = owamp_ntp_from_unix_ns(NOW_NS);
	struct owamp_record record = {
		.seq = seq,
		.send_time = base + (next_random() >> 4) - ((uint64_t)1 << 59),
		.send_error = (uint16_t)next_random(),
		.receive_error = (uint16_t)next_random(),
		.ttl = (uint8_t)next_random(),
		.duplicate = next_random() % 2,
	};

	switch (next_random() % 4) {
	case 0: /* anything */
		record.receive_time = record.send_time + (next_random() >> 2) - ((uint64_t)1 << 61);
		break;
	case 1: /* near, later or earlier */
		record.receive_time = record.send_time + next_random() % 8589934592 - 4294967296;
		break;
	case 2: /* a few units */
		record.receive_time = record.send_time + next_random() % 16 - 8;
		break;
	default:
		record.duplicate = false;
		record.dropped = next_random() % 2;
		break;
	}
	return record;
}

static void assert_same_record(const struct owamp_record *a, const struct owamp_record *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->send_time, b->send_time);
	assert_int_equal(a->receive_time, b->receive_time);
	assert_int_equal(a->send_error, b->send_error);
	assert_int_equal(a->receive_error, b->receive_error);
	assert_int_equal(a->ttl, b->ttl);
	assert_int_equal(a->duplicate, b->duplicate);
	assert_int_equal(a->dropped, b->dropped);
}

#define RECORDS 5000

static void test_records_to_the_last_bit(void **state)
{
	static struct owamp_record written[RECORDS], read[RECORDS];
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t session_id = insert_session(archive, 1);
	struct archive_walk walk;
	uint32_t count, total = 0, told;

	assert_int_equal(archive_begin(archive), 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		written[i] = a_record((uint32_t)next_random());
		assert_int_equal(archive_packet_insert(archive, session_id, 3 * i, &written[i], NOW_NS), 0);
	}
	assert_int_equal(archive_commit(archive), 0);
	assert_int_equal(archive_packets_seek(archive, session_id, 0, UINT32_MAX, &walk, &told), 0);
	assert_int_equal(told, RECORDS);
	do {
		assert_int_equal(archive_packets_read(archive, &walk, read + total, 777, &count), 0);
		total += count;
	} while (count > 0);
	assert_int_equal(total, RECORDS);
	for (uint32_t i = 0; i < RECORDS; i++)
		assert_same_record(&read[i], &written[i]);
}

/* Many at a time come to the same as one by one, however many. */
static void test_records_together(void **state)
{
	static const uint32_t parts[] = {0, 1, 15, 16, 17, 31, 32, 33, 500, 64};
	static struct owamp_record written[RECORDS], read[RECORDS];
	static const struct owamp_record *pointers[RECORDS];
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t session_id = insert_session(archive, 1);
	struct archive_walk walk;
	uint32_t total = 0, count;

	assert_int_equal(archive_begin(archive), 0);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		for (uint32_t k = total; k < total + parts[i]; k++) {
			written[k] = a_record((uint32_t)next_random());
			/* From the last to the first: they need not be one after the other in memory. */
			pointers[total + parts[i] - 1 - (k - total)] = &written[k];
		}
		assert_int_equal(archive_packets_insert(archive, session_id, 10 + total, pointers + total,
							parts[i], NOW_NS),
				 0);
		total += parts[i];
	}
	/* The last of them is there already. */
	assert_int_equal(archive_packets_insert(archive, session_id, 9, pointers, 2, NOW_NS), OWAMP_ESYSTEM);
	assert_int_equal(archive_packets_insert(archive, session_id, 10 + total - 1, pointers, 16, NOW_NS),
			 OWAMP_ESYSTEM);
	assert_int_equal(ask(archive, "SELECT count(*) FROM packets WHERE arrival >= 10"), total);
	assert_int_equal(ask(archive, "SELECT max(arrival) FROM packets"), 10 + total - 1);
	assert_int_equal(archive_packets_seek(archive, session_id, 0, UINT32_MAX, &walk, &count), 0);
	walk.next_arrival = 10;
	assert_int_equal(archive_packets_read(archive, &walk, read, RECORDS, &count), 0);
	assert_int_equal(count, total);
	for (uint32_t i = 0; i < total; i++)
		assert_same_record(&read[i], pointers[i]);
	archive_rollback(archive);
}

/* A walk keeps to its range, and to what there was when it began. */
static void test_part_of_a_session(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	const uint32_t seqs[] = {5, 0, 7, 5, 6, 4294967295, 4};
	const uint32_t expected[] = {5, 5, 6, 4};
	int64_t session_id = insert_session(archive, 1);
	struct owamp_record records[8], late = {.seq = 6, .send_time = 1};
	struct archive_walk walk;
	uint32_t count;

	(void)insert_session(archive, 2);
	assert_int_equal(archive_begin(archive), 0);
	for (uint32_t i = 0; i < 7; i++) {
		struct owamp_record record = a_record(seqs[i]);

		assert_int_equal(archive_packet_insert(archive, session_id, i, &record, NOW_NS), 0);
		assert_int_equal(archive_packet_insert(archive, session_id + 1, i, &record, NOW_NS), 0);
	}
	assert_int_equal(archive_packets_seek(archive, session_id, 4, 6, &walk, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(archive_packet_insert(archive, session_id, 7, &late, NOW_NS), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_int_equal(archive_packets_read(archive, &walk, records, 3, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(archive_packets_read(archive, &walk, records + 3, 3, &count), 0);
	assert_int_equal(count, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(records[i].seq, expected[i]);
	assert_int_equal(archive_packets_read(archive, &walk, records, 3, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(archive_packets_seek(archive, session_id, 100, 200, &walk, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(archive_packets_read(archive, &walk, records, 3, &count), 0);
	assert_int_equal(count, 0);
}

/* The columns that SQLite computes say what libowamp says. */
static void test_virtual_columns(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t session_id = insert_session(archive, 1);
	char sql[120];

	assert_int_equal(archive_begin(archive), 0);
	for (uint32_t estimate = 0; estimate < 65536; estimate += 7) {
		struct owamp_record record = {.seq = estimate,
					      .send_time = owamp_ntp_from_unix_ns(NOW_NS),
					      .receive_time = owamp_ntp_from_unix_ns(NOW_NS + 1500),
					      .send_error = (uint16_t)estimate,
					      .receive_error = (uint16_t)(65535 - estimate)};
		int64_t bound = owamp_error_estimate_ns((uint16_t)estimate);

		assert_int_equal(archive_packet_insert(archive, session_id, estimate, &record, NOW_NS), 0);
		/* Beyond a scale of 46, that is 16 ms times 2^16 or more, it only has to be large. */
		if ((estimate >> 8 & 63) > 46)
			bound = INT64_MAX;
		snprintf(sql, sizeof sql, "SELECT send_error_ns FROM packets WHERE arrival = %u", estimate);
		assert_int_equal(ask(archive, sql), bound);
		snprintf(sql, sizeof sql, "SELECT send_synchronized FROM packets WHERE arrival = %u",
			 estimate);
		assert_int_equal(ask(archive, sql), estimate >> 15);
		snprintf(sql, sizeof sql, "SELECT receive_error_ns FROM packets WHERE arrival = %u",
			 estimate);
		if ((65535 - estimate) >> 8 % 64 <= 46)
			assert_int_equal(ask(archive, sql),
					 owamp_error_estimate_ns((uint16_t)(65535 - estimate)));
		snprintf(sql, sizeof sql, "SELECT receive_time_ns FROM packets WHERE arrival = %u", estimate);
		assert_int_equal(ask(archive, sql), NOW_NS + 1500);
	}
	archive_rollback(archive);
}

static void test_finish(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	const struct owamp_skip_range skips[] = {{3, 3}, {10, 4000000000 - 6}};
	const struct owamp_stop_session stop = {.next_seq = 4000000000 - 1, .skip_count = 2, .skips = skips};
	const struct owamp_send_health send = {.sent = 9,
					       .send_errors = 2,
					       .last_errno = ENETUNREACH,
					       .lateness_p50_ns = 4,
					       .lateness_p99_ns = 71,
					       .lateness_p999_ns = 75,
					       .lateness_max_ns = 77,
					       .lateness_mean_ns = 5.9,
					       .stamp_gap_max_ns = 33,
					       .kernel_stamps = 3,
					       .kernel_gap_p50_ns = 21,
					       .kernel_gap_p99_ns = 22,
					       .kernel_gap_max_ns = 23};
	const struct owamp_receive_health receive = {.counters.results = {100, 1, 2, 3, 4, 5, 6, 7},
						     .socket_drops = 8,
						     .strangers = 10,
						     .unstamped = 9,
						     .hardware_stamped = 14};
	struct archive_end end = {.outcome = ARCHIVE_BROKEN,
				  .reason = "a reason",
				  .stop = &stop,
				  .end_ns = NOW_NS + 5,
				  .records_lost = 11,
				  .duplicates_left_out = 12,
				  .send_health = &send,
				  .receive_health = &receive};
	struct archive_session session = a_session(1);
	struct archive_stored stored;
	int64_t session_id = insert_session(archive, 1);

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_finish(archive, session_id, &end, 1234), 0);
	/* Once more, as after a rebuild: the same. */
	assert_int_equal(archive_session_finish(archive, session_id, &end, 1234), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_int_equal(archive_session_load(archive, session.request.sid, keep, &stored), 0);
	assert_int_equal(stored.outcome, ARCHIVE_BROKEN);
	assert_true(stored.stop_known);
	assert_int_equal(stored.stop.next_seq, 4000000000 - 1);
	assert_int_equal(stored.stop.skip_count, 2);
	assert_int_equal(stored.records, 1234);
	assert_int_equal(stored.end_ns, NOW_NS + 5);
	assert_text(archive, "SELECT reason FROM sessions", "a reason");
	assert_int_equal(ask(archive, "SELECT records_lost * 100 + duplicates_left_out FROM sessions"), 1112);
	assert_int_equal(ask(archive, "SELECT summaries_due FROM sessions"), 0);
	assert_text(archive,
		    "SELECT sent || ' ' || send_errors || ' ' || send_lateness_mean_ns || ' ' ||"
		    " send_lateness_max_ns || ' ' || send_stamp_gap_max_ns || ' ' || socket_drops || ' ' ||"
		    " unstamped || ' ' || strangers FROM health",
		    "9 2 6 77 33 8 9 10");
	assert_text(archive,
		    "SELECT send_lateness_p50_ns || ' ' || send_lateness_p99_ns || ' ' ||"
		    " send_lateness_p999_ns || ' ' || kernel_stamps || ' ' || kernel_gap_p50_ns || ' ' ||"
		    " kernel_gap_p99_ns || ' ' || kernel_gap_max_ns || ' ' || hardware_stamped FROM health",
		    "4 71 75 3 21 22 23 14");
	assert_text(
		archive,
		"SELECT discarded_short || discarded_hmac || discarded_multiplier || discarded_sequence ||"
		" discarded_time || discarded_schedule || discarded_late FROM health",
		"1234567");
	assert_text(archive, "SELECT send_error_text FROM health", "Network is unreachable");
}

/* What there is none of is not 0. */
static void test_health_of_nothing(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	const struct owamp_send_health send = {0};
	const struct owamp_receive_health receive = {0};
	struct archive_end end = {.outcome = ARCHIVE_FINISHED, .end_ns = NOW_NS, .send_health = &send};

	int64_t session_id = insert_session(archive, 1);

	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_finish(archive, session_id, &end, 0), 0);
	assert_int_equal(ask(archive, "SELECT sent + send_errors + kernel_stamps FROM health"), 0);
	assert_int_equal(ask(archive, "SELECT count(*) FROM health WHERE coalesce(send_lateness_mean_ns,"
				      " send_lateness_p50_ns, send_lateness_p99_ns, send_lateness_p999_ns,"
				      " send_lateness_max_ns, send_stamp_gap_max_ns, kernel_gap_p50_ns,"
				      " kernel_gap_p99_ns, kernel_gap_max_ns, socket_drops, unstamped,"
				      " hardware_stamped, strangers, discarded_late) IS NULL"),
			 1);
	end.send_health = NULL;
	end.receive_health = &receive;
	assert_int_equal(archive_session_finish(archive, session_id, &end, 0), 0);
	assert_int_equal(ask(archive, "SELECT socket_drops + unstamped + hardware_stamped FROM health"), 0);
	assert_int_equal(ask(archive, "SELECT count(*) FROM health WHERE coalesce(sent, kernel_stamps,"
				      " send_lateness_p50_ns) IS NULL"),
			 1);
	assert_int_equal(archive_commit(archive), 0);
}

static void fill(struct archive *archive, int64_t session_id, uint32_t count)
{
	assert_int_equal(archive_begin(archive), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct owamp_record record = a_record(i);

		assert_int_equal(archive_packet_insert(archive, session_id, i, &record, NOW_NS), 0);
	}
	assert_int_equal(archive_commit(archive), 0);
}

static void test_cut(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t one = insert_session(archive, 1), other = insert_session(archive, 2);
	uint64_t records = 0;

	fill(archive, one, 100);
	fill(archive, other, 100);
	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_cut(archive, one, 60, &records), 0);
	assert_int_equal(archive_commit(archive), 0);
	assert_int_equal(records, 60);
	assert_int_equal(ask(archive, "SELECT max(seq) FROM packets WHERE session_id = 1"), 59);
	assert_int_equal(ask(archive, "SELECT count(*) FROM packets WHERE session_id = 2"), 100);
}

static int count_loaded(void *context, const struct archive_stored *stored)
{
	(void)stored;
	++*(int *)context;
	return 0;
}

/* Removes in steps; between two of them the session is not offered any more. Returns the steps. */
static int remove_in_steps(struct archive *archive, int64_t session_id, bool whole, int offered)
{
	bool more = true;
	int steps = 0;

	while (more) {
		int count = 0;

		assert_int_equal(archive_begin(archive), 0);
		assert_int_equal(archive_session_remove(archive, session_id, whole, 30, &more), 0);
		assert_int_equal(archive_commit(archive), 0);
		assert_int_equal(archive_session_load(archive, NULL, count_loaded, &count), 0);
		assert_int_equal(count, offered);
		steps++;
	}
	return steps;
}

static void test_remove_packets(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t one = insert_session(archive, 1), other = insert_session(archive, 2);

	fill(archive, one, 100);
	fill(archive, other, 100);
	assert_int_equal(sqlite3_exec(archive_sqlite(archive), "INSERT INTO histograms VALUES (1, 0, 5, 5)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(remove_in_steps(archive, one, false, 2), 4);
	assert_int_equal(ask(archive, "SELECT count(*) FROM histograms"), 1);
	assert_int_equal(ask(archive, "SELECT count(*) FROM slots"), 6);
	assert_int_equal(ask(archive, "SELECT count(*) FROM packets"), 100);
	assert_int_equal(ask(archive, "SELECT count(*) FROM sessions"), 2);
	assert_int_equal(ask(archive, "SELECT packets_kept FROM sessions WHERE session_id = 1"), 0);
	assert_int_equal(ask(archive, "SELECT packets_kept FROM sessions WHERE session_id = 2"), 1);
}

static void test_remove_whole(void **state)
{
	struct archive *archive = ((struct place *)*state)->archive;
	int64_t one = insert_session(archive, 1);

	(void)insert_session(archive, 2);
	fill(archive, one, 100);
	assert_int_equal(sqlite3_exec(archive_sqlite(archive),
				      "INSERT INTO histograms VALUES (1, 0, 5, 5);"
				      "INSERT INTO losses VALUES (1, 0, 5, 5, 6);"
				      "INSERT INTO skip_ranges VALUES (1, 0, 5);"
				      "INSERT INTO health (session_id) VALUES (1);"
				      "INSERT INTO minutes (session_id, minute_ns, sent, received, lost,"
				      " dropped, duplicates, reordered) VALUES (1, 0, 0, 0, 0, 0, 0, 0)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(remove_in_steps(archive, one, true, 1), 4);
	assert_int_equal(ask(archive, "SELECT session_id FROM sessions"), 2);
	assert_int_equal(ask(archive, "SELECT count(*) FROM slots"), 3);
	assert_int_equal(ask(archive,
			     "SELECT (SELECT count(*) FROM packets) + (SELECT count(*) FROM histograms)"
			     " + (SELECT count(*) FROM losses) + (SELECT count(*) FROM skip_ranges)"
			     " + (SELECT count(*) FROM health) + (SELECT count(*) FROM minutes)"),
			 0);
}

static void refused(struct place *place, enum archive_mode mode, const char *why)
{
	struct archive *archive;
	char expected[400];

	assert_int_not_equal(archive_open(&archive, place->path, mode, place->error, sizeof place->error), 0);
	assert_null(archive);
	snprintf(expected, sizeof expected, "%s: %s", place->path, why);
	assert_string_equal(place->error, expected);
}

static void put_file(const struct place *place, const char *content, size_t size)
{
	FILE *file = fopen(place->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_refused_files(void **state)
{
	struct place *place = *state;
	char junk[5000];
	struct stat status;

	refused(place, ARCHIVE_READ, "No such file or directory");
	assert_int_equal(stat(place->path, &status), -1); /* and none was made */

	memset(junk, 'x', sizeof junk);
	put_file(place, junk, sizeof junk);
	refused(place, ARCHIVE_READ, "file is not a database");
	refused(place, ARCHIVE_WRITE, "file is not a database");

	put_file(place, "", 0);
	refused(place, ARCHIVE_READ, "is empty, no results were stored yet");

	snprintf(place->path, sizeof place->path, "%s", place->folder);
	refused(place, ARCHIVE_WRITE, "is not a regular file");
	snprintf(place->path, sizeof place->path, "%s/no/a", place->folder);
	snprintf(junk, sizeof junk, "cannot be created: %s/no: No such file or directory", place->folder);
	refused(place, ARCHIVE_WRITE, junk);
}

static void test_other_database(void **state)
{
	struct place *place = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "CREATE TABLE sessions (a); PRAGMA user_version = 1", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	refused(place, ARCHIVE_READ, "is an SQLite database of something else (application_id 0)");
	refused(place, ARCHIVE_WRITE, "is an SQLite database of something else (application_id 0)");
}

/* A zero-length file, as touch(1) or mktemp(1) make it, becomes an archive. */
static void test_empty_file(void **state)
{
	struct place *place = *state;

	put_file(place, "", 0);
	assert_int_equal(
		archive_open(&place->archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error),
		0);
	assert_int_equal(ask(place->archive, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(ask(place->archive, "SELECT count(*) FROM sessions"), 0);
}

static void test_gone(void **state)
{
	struct place *place = *state;
	char other[80];

	assert_false(archive_is_gone(place->archive));
	snprintf(other, sizeof other, "%s/b", place->folder);
	assert_int_equal(rename(place->path, other), 0);
	assert_true(archive_is_gone(place->archive));
	put_file(place, "", 0);
	assert_true(archive_is_gone(place->archive));
	assert_int_equal(rename(other, place->path), 0);
	assert_false(archive_is_gone(place->archive));
}

/* Two connections, one of which reads while the other writes. */
static void test_reader_beside_writer(void **state)
{
	struct place *place = *state;
	struct archive *reader;

	assert_int_equal(archive_open(&reader, place->path, ARCHIVE_READ, place->error, sizeof place->error),
			 0);
	assert_int_equal(archive_begin(place->archive), 0);
	assert_int_equal(ask(reader, "SELECT count(*) FROM sessions"), 0);
	archive_rollback(place->archive);
	(void)insert_session(place->archive, 1);
	assert_int_equal(ask(reader, "SELECT count(*) FROM sessions"), 1);
	assert_int_equal(sqlite3_exec(archive_sqlite(reader), "DELETE FROM sessions", NULL, NULL, NULL),
			 SQLITE_READONLY);
	archive_close(reader);
}

static void test_memory(void **state)
{
	struct place *place = *state;
	struct archive *writer, *reader;
	uint32_t count;
	struct archive_walk walk;

	assert_int_equal(
		archive_open(&writer, ARCHIVE_MEMORY, ARCHIVE_WRITE, place->error, sizeof place->error), 0);
	assert_int_equal(
		archive_open(&reader, ARCHIVE_MEMORY, ARCHIVE_READ, place->error, sizeof place->error), 0);
	fill(writer, insert_session(writer, 1), 50);
	assert_int_equal(archive_packets_seek(reader, 1, 0, UINT32_MAX, &walk, &count), 0);
	assert_int_equal(count, 50);
	assert_false(archive_is_gone(writer));
	archive_close(reader);
	archive_close(writer);
	/* It went with its last connection. */
	assert_int_not_equal(
		archive_open(&reader, ARCHIVE_MEMORY, ARCHIVE_READ, place->error, sizeof place->error), 0);
}

/* Created at 1000, 100 ago: the clock went on, was set back by 30 or 500, or on by 500. */
static void test_end(void **state)
{
	(void)state;
	assert_int_equal(archive_session_end(1000, 100, 1100), 1100);
	assert_int_equal(archive_session_end(1000, 100, 1070), 1100);
	assert_int_equal(archive_session_end(1000, 100, 600), 1100);
	assert_int_equal(archive_session_end(1000, 100, 1600), 1600);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, open_place, clear_place)
#define PLACE(name) cmocka_unit_test_setup_teardown(name, make_place, clear_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pragmas),
		TEST(test_session_comes_back),
		TEST(test_session_in_words),
		TEST(test_same_sid_twice),
		TEST(test_endpoint_names),
		TEST(test_records_to_the_last_bit),
		TEST(test_records_together),
		TEST(test_part_of_a_session),
		TEST(test_virtual_columns),
		TEST(test_finish),
		cmocka_unit_test(test_end),
		TEST(test_health_of_nothing),
		TEST(test_cut),
		TEST(test_remove_packets),
		TEST(test_remove_whole),
		PLACE(test_refused_files),
		PLACE(test_other_database),
		PLACE(test_empty_file),
		TEST(test_gone),
		TEST(test_reader_beside_writer),
		PLACE(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
