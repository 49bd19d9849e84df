/* What of a session counts when it ends: RFC 4656 section 3.8. */
#include "receiver_fixture.h"

static uint32_t cut_of(const struct fixture *fixture, const struct owamp_stop_session *stop)
{
	uint32_t cut = 0xdeadbeef;

	assert_int_equal(owamp_receiver_end(fixture->receiver, stop, &cut), 0);
	return cut;
}

static struct owamp_stop_session stop_at(uint32_t next_seq)
{
	struct owamp_stop_session stop = {.next_seq = next_seq};

	memcpy(stop.sid, packet_sid, 16);
	return stop;
}

static void test_complete_session(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 10);
	const struct owamp_stop_session stop = stop_at(10);

	for (uint32_t seq = 0; seq < 8; seq++)
		arrives_well(fixture, seq);
	expire(fixture, due_of(9) + TIMEOUT + 1);
	assert_int_equal(cut_of(fixture, &stop), 10);
	/* Without Stop-Sessions nobody knows whether 8 and 9 were sent. */
	assert_int_equal(cut_of(fixture, NULL), 8);
	fixture_free(fixture);
}

static void test_connection_broke(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);

	assert_int_equal(cut_of(fixture, NULL), 0);
	arrives_well(fixture, 0);
	assert_int_equal(cut_of(fixture, NULL), 1);
	arrives_well(fixture, 7);
	arrives_well(fixture, 5);
	/* By number, not by arrival. */
	assert_int_equal(cut_of(fixture, NULL), 8);
	expire(fixture, due_of(60));
	assert_int_equal(cut_of(fixture, NULL), 8);
	fixture_free(fixture);
}

/*
 * Sent between now - Timeout and now: discarded, with both ends included. A
 * number below the cut has had its Timeout, whatever became of it.
 */
static void test_within_timeout_of_now(void **state)
{
	(void)state;
	const struct owamp_stop_session stop = stop_at(100);

	for (int offset = -1; offset <= 1; offset++) {
		struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);

		for (uint32_t seq = 0; seq < 50; seq++)
			arrives_well(fixture, seq);
		expire(fixture, due_of(40) + TIMEOUT + (owamp_ntp)(int64_t)offset);
		assert_int_equal(cut_of(fixture, &stop), offset > 0 ? 41 : 40);
		fixture_free(fixture);
	}
}

static void test_sender_stopped_early(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);
	struct owamp_stop_session stop;
	uint32_t cut;

	for (uint32_t seq = 0; seq < 50; seq++)
		arrives_well(fixture, seq);
	expire(fixture, due_of(80) + TIMEOUT);
	/* 50 to 59 were sent and lost; 60 to 79 never left. */
	stop = stop_at(60);
	assert_int_equal(cut_of(fixture, &stop), 60);
	stop = stop_at(50);
	assert_int_equal(cut_of(fixture, &stop), 50);
	stop = stop_at(100);
	assert_int_equal(cut_of(fixture, &stop), 80);
	/* More than the session has. */
	stop = stop_at(UINT32_MAX);
	assert_int_equal(owamp_receiver_end(fixture->receiver, &stop, &cut), 0);
	assert_int_equal(cut, 80);
	fixture_free(fixture);
}

/* It arrived, says the receiver; it was never sent, says the sender. */
static void test_received_what_was_never_sent(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);
	struct owamp_stop_session stop = stop_at(7);
	uint32_t cut;

	arrives_well(fixture, 3);
	arrives_well(fixture, 7);
	assert_int_equal(owamp_receiver_end(fixture->receiver, &stop, &cut), OWAMP_EDATA);
	expire(fixture, due_of(99) + TIMEOUT + 1);
	assert_int_equal(owamp_receiver_end(fixture->receiver, &stop, &cut), OWAMP_EDATA);
	stop = stop_at(0);
	assert_int_equal(owamp_receiver_end(fixture->receiver, &stop, &cut), OWAMP_EDATA);
	stop = stop_at(8);
	assert_int_equal(cut_of(fixture, &stop), 8);
	fixture_free(fixture);
}

/* What is contradictory is so even where it would be cut off. */
static void test_contradiction_above_the_cut(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);
	const struct owamp_stop_session stop = stop_at(50);
	uint32_t cut;

	arrives_well(fixture, 50);
	expire(fixture, due_of(51));
	assert_int_equal(owamp_receiver_end(fixture->receiver, &stop, &cut), OWAMP_EDATA);
	fixture_free(fixture);
}

static void test_nothing_happened_yet(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);
	const struct owamp_stop_session stop = stop_at(0);
	const struct owamp_stop_session all = stop_at(100);

	assert_int_equal(cut_of(fixture, &stop), 0);
	assert_int_equal(cut_of(fixture, &all), 0);
	expire(fixture, PACKET_START);
	assert_int_equal(cut_of(fixture, &all), 0);
	fixture_free(fixture);
}

/* Discarded packets were not received: they neither move the cut nor contradict. */
static void test_discarded_packets_do_not_count(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 100);
	const struct owamp_stop_session stop = stop_at(3);

	arrives_well(fixture, 2);
	assert_int_equal(arrives(fixture, 9, due_of(9), due_of(9) + TIMEOUT + 1), OWAMP_RECEIVE_TIME);
	assert_int_equal(cut_of(fixture, NULL), 3);
	expire(fixture, due_of(30) + TIMEOUT);
	assert_int_equal(arrives(fixture, 9, due_of(9) + TIMEOUT, due_of(9) + TIMEOUT + 1),
			 OWAMP_RECEIVE_LATE);
	assert_int_equal(cut_of(fixture, NULL), 3);
	assert_int_equal(cut_of(fixture, &stop), 3);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete_session),
		cmocka_unit_test(test_connection_broke),
		cmocka_unit_test(test_within_timeout_of_now),
		cmocka_unit_test(test_sender_stopped_early),
		cmocka_unit_test(test_received_what_was_never_sent),
		cmocka_unit_test(test_contradiction_above_the_cut),
		cmocka_unit_test(test_nothing_happened_yet),
		cmocka_unit_test(test_discarded_packets_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
