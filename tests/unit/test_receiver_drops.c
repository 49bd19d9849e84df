/* Packets that our own socket dropped are told from those that the network lost. */
#include "receiver_fixture.h"

static void drops(struct fixture *fixture, uint32_t count)
{
	owamp_receiver_drops(fixture->receiver, count);
}

static void expire_all(struct fixture *fixture)
{
	expire(fixture, due_of(3000));
	assert_true(owamp_receiver_complete(fixture->receiver));
}

/*
 * One letter for each packet, by number: '.' arrived, 'd' dropped here, 'L' lost.
 * All else in a record is as it would be without the mark, and the counters agree.
 */
static void assert_fates(const struct fixture *fixture, const char *fates)
{
	const struct owamp_receiver_counters *counters = owamp_receiver_counters(fixture->receiver);
	uint32_t lost = 0, dropped = 0;
	char found[64] = "";

	memset(found, '?', strlen(fates));
	for (size_t i = 0; i < fixture->count; i++) {
		const struct owamp_record *record = &fixture->records[i];

		if (record->receive_time != 0) {
			assert_false(record->dropped);
			found[record->seq] = '.';
			continue;
		}
		assert_lost(record, record->seq);
		assert_int_equal(found[record->seq], '?');
		found[record->seq] = record->dropped ? 'd' : 'L';
		lost += !record->dropped;
		dropped += record->dropped;
	}
	assert_string_equal(found, fates);
	assert_int_equal(counters->lost, lost);
	assert_int_equal(counters->dropped, dropped);
}

static void test_a_gap_of_drops(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 6);

	arrives_well(fixture, 0);
	drops(fixture, 3);
	arrives_well(fixture, 4);
	arrives_well(fixture, 5);
	expire_all(fixture);
	assert_fates(fixture, ".ddd..");
	fixture_free(fixture);
}

static void test_none(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 4);

	drops(fixture, 0);
	arrives_well(fixture, 1);
	drops(fixture, 0);
	arrives_well(fixture, 3);
	expire_all(fixture);
	assert_fates(fixture, "L.L.");
	fixture_free(fixture);
}

static void test_before_the_first(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 4);

	drops(fixture, 2);
	arrives_well(fixture, 3);
	expire_all(fixture);
	assert_fates(fixture, "ddL.");
	fixture_free(fixture);
}

/* The network lost some as well. */
static void test_fewer_than_missing(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_ENCRYPTED, 8);

	arrives_well(fixture, 0);
	drops(fixture, 1);
	drops(fixture, 1);
	arrives_well(fixture, 5);
	expire_all(fixture);
	assert_fates(fixture, ".ddLL.LL");
	fixture_free(fixture);
}

/* What was dropped beyond the packets that are missing was something else, and excuses nothing later. */
static void test_more_than_missing(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 6);

	arrives_well(fixture, 0);
	drops(fixture, 5);
	arrives_well(fixture, 2);
	arrives_well(fixture, 4);
	expire_all(fixture);
	assert_fates(fixture, ".d.L.L");
	fixture_free(fixture);
}

/* The highest number says how far the sender is; what comes after that and is below it does not. */
static void test_next_is_not_above(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 9);

	arrives_well(fixture, 0);
	arrives_well(fixture, 4);
	drops(fixture, 2);
	arrives_well(fixture, 2);
	assert_int_equal(arrives(fixture, 2, due_of(2), due_of(2) + MS), OWAMP_RECEIVE_OK);
	assert_int_equal(arrives(fixture, 99, due_of(6), due_of(6) + MS), OWAMP_RECEIVE_SEQ);
	arrives_well(fixture, 8);
	expire_all(fixture);
	assert_fates(fixture, ".L.L.ddL.");
	fixture_free(fixture);
}

/* Then it was another one that was dropped. */
static void test_marked_arrives_after_all(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 8);

	arrives_well(fixture, 0);
	drops(fixture, 2);
	arrives_well(fixture, 6);
	/* It was 1 and 2, as it seems. */
	arrives_well(fixture, 3);
	arrives_well(fixture, 1);
	assert_int_equal(arrives(fixture, 1, due_of(1), due_of(1) + MS), OWAMP_RECEIVE_OK);
	expire_all(fixture);
	assert_fates(fixture, "..d.dL.L");
	fixture_free(fixture);
}

static void test_all_marked_arrive(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 6);

	arrives_well(fixture, 0);
	drops(fixture, 2);
	arrives_well(fixture, 3);
	arrives_well(fixture, 1);
	arrives_well(fixture, 2);
	arrives_well(fixture, 5);
	expire_all(fixture);
	assert_fates(fixture, "....L.");
	fixture_free(fixture);
}

/* What turns up of one gap says nothing about another. */
static void test_gaps_are_apart(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 10);

	arrives_well(fixture, 0);
	drops(fixture, 1);
	arrives_well(fixture, 4);
	drops(fixture, 1);
	arrives_well(fixture, 8);
	/* Of the older gap, then of the newer one. */
	arrives_well(fixture, 1);
	arrives_well(fixture, 5);
	expire_all(fixture);
	assert_fates(fixture, "..LL..dL.L");
	fixture_free(fixture);
}

/* A gap without drops in between does not close the one before it. */
static void test_gap_without_drops(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 7);

	arrives_well(fixture, 0);
	drops(fixture, 1);
	arrives_well(fixture, 3);
	arrives_well(fixture, 6);
	arrives_well(fixture, 1);
	expire_all(fixture);
	assert_fates(fixture, "..d.LL.");
	fixture_free(fixture);
}

static void test_at_the_end(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 6);

	arrives_well(fixture, 0);
	arrives_well(fixture, 2);
	drops(fixture, 2);
	expire_all(fixture);
	/* 1 was missing before. */
	assert_fates(fixture, ".L.ddL");
	fixture_free(fixture);
}

static void test_nothing_arrives(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 4);

	drops(fixture, 3);
	expire_all(fixture);
	assert_fates(fixture, "dddL");
	fixture_free(fixture);
}

/* Each drop excuses one packet, whether that is declared before the next arrives or after. */
static void test_declared_before_the_next(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 20);

	arrives_well(fixture, 0);
	drops(fixture, 5);
	expire(fixture, due_of(3) + TIMEOUT + 1);
	assert_int_equal(fixture->count, 4);
	arrives_well(fixture, 8);
	expire_all(fixture);
	assert_fates(fixture, ".dddddLL.LLLLLLLLLLL");
	fixture_free(fixture);
}

/* More than there is a number for. */
static void test_very_many(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 4);

	drops(fixture, UINT32_MAX);
	drops(fixture, 2);
	arrives_well(fixture, 2);
	expire_all(fixture);
	assert_fates(fixture, "dd.L");
	fixture_free(fixture);
}

/* At the end of the session's numbers nothing wraps around. */
static void test_last_packet(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 3);

	arrives_well(fixture, 2);
	drops(fixture, 7);
	expire_all(fixture);
	assert_fates(fixture, "LL.");
	fixture_free(fixture);
}

/* The mark leaves the send time alone, up to the latest that there is. */
static void test_longest_span(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SPAN_MAX};
	struct owamp_request request = packet_request(&slot, 2, OWAMP_SECOND);
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	const owamp_ntp due = PACKET_START + OWAMP_SPAN_MAX;

	drops(fixture, 1);
	assert_int_equal(arrives(fixture, 1, due, due + MS), OWAMP_RECEIVE_OK);
	assert_true(owamp_receiver_deadline(fixture->receiver) == due + OWAMP_SECOND);
	expire(fixture, due + OWAMP_SECOND);
	assert_int_equal(fixture->count, 1);
	expire(fixture, due + OWAMP_SECOND + 1);
	assert_int_equal(fixture->count, 2);
	assert_int_equal(fixture->records[1].seq, 0);
	assert_true(fixture->records[1].send_time == due);
	assert_true(fixture->records[1].dropped);
	fixture_free(fixture);
}

/* Marks survive the window's growing. */
static void test_growing_window(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, MS};
	struct owamp_request request = packet_request(&slot, 2000, TIMEOUT * 100);
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	uint32_t dropped = 0;

	for (uint32_t seq = 0; seq < 2000; seq++) {
		owamp_ntp sent = PACKET_START + (seq + (owamp_ntp)1) * MS;

		if (seq % 10 >= 7)
			drops(fixture, 1);
		else
			assert_int_equal(arrives(fixture, seq, sent, sent + MS), OWAMP_RECEIVE_OK);
	}
	expire(fixture, PACKET_START + 3000 * MS + TIMEOUT * 100);
	assert_int_equal(fixture->count, 2000);
	for (size_t i = 0; i < 2000; i++)
		dropped += fixture->records[i].dropped;
	assert_int_equal(dropped, 600);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->dropped, 600);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->lost, 0);
	fixture_free(fixture);
}

/* On the wire it is a lost one: the peer could not make anything else of it. */
static void test_on_the_wire(void **state)
{
	(void)state;
	const struct owamp_record dropped = {
		.seq = 7,
		.send_time = due_of(7),
		.send_error = 0x0001,
		.receive_error = 0x0507,
		.ttl = 255,
		.dropped = true,
	};
	uint8_t octets[OWAMP_RECORD_SIZE], expected[OWAMP_RECORD_SIZE] = {0};
	struct owamp_record decoded;

	memset(&decoded, 0xff, sizeof(decoded));
	owamp_record_encode(&dropped, octets);
	ref_put(expected, 7, 4);
	expected[5] = 0x01;
	expected[6] = 0x05;
	expected[7] = 0x07;
	ref_put(expected + 8, due_of(7), 8);
	expected[24] = 255;
	assert_memory_equal(octets, expected, sizeof(octets));
	owamp_record_decode(octets, &decoded);
	assert_false(decoded.dropped);
	assert_true(owamp_record_lost(&decoded));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gap_of_drops),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_before_the_first),
		cmocka_unit_test(test_fewer_than_missing),
		cmocka_unit_test(test_more_than_missing),
		cmocka_unit_test(test_next_is_not_above),
		cmocka_unit_test(test_marked_arrives_after_all),
		cmocka_unit_test(test_all_marked_arrive),
		cmocka_unit_test(test_gaps_are_apart),
		cmocka_unit_test(test_gap_without_drops),
		cmocka_unit_test(test_at_the_end),
		cmocka_unit_test(test_nothing_arrives),
		cmocka_unit_test(test_declared_before_the_next),
		cmocka_unit_test(test_very_many),
		cmocka_unit_test(test_last_packet),
		cmocka_unit_test(test_longest_span),
		cmocka_unit_test(test_growing_window),
		cmocka_unit_test(test_on_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
