/* When a receiver gives packets up, and what it keeps in mind until then: RFC 4656 section 4.2. */
#include "receiver_fixture.h"

static void test_lost_at_the_right_moment(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 4);

	arrives_well(fixture, 1);
	expire(fixture, due_of(0) + TIMEOUT);
	assert_int_equal(fixture->count, 1);
	expire(fixture, due_of(0) + TIMEOUT + 1);
	assert_int_equal(fixture->count, 2);
	assert_lost(&fixture->records[1], 0);
	expire(fixture, due_of(2) + TIMEOUT);
	assert_int_equal(fixture->count, 2);
	expire(fixture, due_of(3) + TIMEOUT + 1);
	assert_int_equal(fixture->count, 4);
	assert_lost(&fixture->records[2], 2);
	assert_lost(&fixture->records[3], 3);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->lost, 3);
	expire(fixture, due_of(99));
	assert_int_equal(fixture->count, 4);
	fixture_free(fixture);
}

/* Its time stamp is good, but it had been given up. */
static void test_after_it_was_declared_lost(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 20);
	owamp_ntp now = due_of(3) + TIMEOUT + 1;

	expire(fixture, now);
	assert_int_equal(fixture->count, 4);
	assert_int_equal(arrives(fixture, 3, due_of(3) + MS, now), OWAMP_RECEIVE_LATE);
	assert_int_equal(arrives(fixture, 4, due_of(4), now), OWAMP_RECEIVE_OK);
	assert_int_equal(counter(fixture, OWAMP_RECEIVE_LATE), 1);
	assert_int_equal(fixture->count, 5);
	fixture_free(fixture);
}

/* What becomes of a packet must not depend on how often the caller expires. */
static void test_late_without_expire_in_between(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 20);

	assert_int_equal(arrives(fixture, 3, due_of(3) + MS, due_of(3) + TIMEOUT), OWAMP_RECEIVE_OK);
	assert_int_equal(arrives(fixture, 4, due_of(4) + MS, due_of(4) + TIMEOUT + 1), OWAMP_RECEIVE_LATE);
	expire(fixture, due_of(4) + TIMEOUT + 1);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->lost, 4);
	fixture_free(fixture);
}

static void test_deadline_grows(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 50);
	owamp_ntp previous = owamp_receiver_deadline(fixture->receiver);

	assert_true(owamp_ntp_diff(previous, due_of(0)) > 0);
	for (uint32_t step = 0; step < 250; step++) {
		owamp_ntp now = PACKET_START + step * 3 * MS + 1;
		owamp_ntp deadline;

		for (uint32_t seq = 0; seq < 50; seq += 3)
			if (due_of(seq) < now && due_of(seq) + 3 * MS >= now)
				assert_int_equal(arrives(fixture, seq, due_of(seq), now), OWAMP_RECEIVE_OK);
		size_t before = fixture->count;

		deadline = owamp_receiver_deadline(fixture->receiver);
		expire(fixture, now);
		/* Nothing to do before the deadline, something right after it. */
		if (owamp_ntp_diff(now, deadline) <= 0)
			assert_int_equal(fixture->count, before);
		deadline = owamp_receiver_deadline(fixture->receiver);
		assert_true(owamp_ntp_diff(deadline, previous) >= 0);
		if (!owamp_receiver_complete(fixture->receiver))
			assert_true(owamp_ntp_diff(deadline, now) >= 0);
		previous = deadline;
	}
	assert_int_equal(previous, due_of(49) + TIMEOUT);
	assert_int_equal(fixture->count, 50);
	fixture_free(fixture);
}

static void test_complete(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 3);

		for (uint32_t seq = 0; all && seq < 3; seq++)
			arrives_well(fixture, seq);
		assert_false(owamp_receiver_complete(fixture->receiver));
		/* Duplicates may still come. */
		expire(fixture, due_of(2) + TIMEOUT);
		assert_false(owamp_receiver_complete(fixture->receiver));
		expire(fixture, due_of(2) + TIMEOUT + 1);
		assert_true(owamp_receiver_complete(fixture->receiver));
		assert_int_equal(fixture->count, 3);
		fixture_free(fixture);
	}
}

/* A million packets through a window of Timeout. */
static void test_memory_follows_the_window(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, MS};
	struct owamp_request request = packet_request(&slot, 1000000, OWAMP_SECOND);
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	size_t most = 0;

	for (uint32_t seq = 0; seq < 1000000; seq++) {
		owamp_ntp now = PACKET_START + (seq + (owamp_ntp)1) * MS;

		if (seq % 7)
			assert_int_equal(arrives(fixture, seq, now, now + MS / 2), OWAMP_RECEIVE_OK);
		if (seq % 64 == 0)
			expire(fixture, now + MS / 2);
		if (owamp_receiver_memory(fixture->receiver) > most)
			most = owamp_receiver_memory(fixture->receiver);
	}
	expire(fixture, PACKET_START + OWAMP_SECOND + 1000001 * MS);
	assert_int_equal(fixture->count, 1000000);
	assert_true(owamp_receiver_complete(fixture->receiver));
	/* 1000 packets of 8 octets may still arrive, doubled by how arrays grow, and the send times ahead. */
	assert_true(most <= 65536);
	fixture_free(fixture);
}

/* A pause of 1000 s: as many calls as it takes, none of them long, and no memory for it. */
static void test_after_a_pause(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, MS};
	struct owamp_request request = packet_request(&slot, 1000000, OWAMP_SECOND);
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	const owamp_ntp now = PACKET_START + OWAMP_SECOND + 999999 * MS + 1;
	uint32_t calls = 0;

	while (owamp_ntp_diff(now, owamp_receiver_deadline(fixture->receiver)) > 0) {
		size_t before = fixture->count;

		assert_true(calls++ < 200);
		expire(fixture, now);
		assert_true(fixture->count - before <= 10000);
	}
	assert_int_equal(fixture->count, 999999);
	assert_false(owamp_receiver_complete(fixture->receiver));
	expire(fixture, now + MS);
	assert_int_equal(fixture->count, 1000000);
	assert_true(owamp_receiver_complete(fixture->receiver));
	assert_true(owamp_receiver_memory(fixture->receiver) <= 65536);
	fixture_free(fixture);
}

/* Late is what comes too late, however far expire() has come. */
static void test_late_in_the_middle_of_expiring(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, MS};
	struct owamp_request request = packet_request(&slot, 100000, OWAMP_SECOND);
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	const owamp_ntp now = PACKET_START + OWAMP_SECOND + 50000 * MS + 1;

	expire(fixture, now);
	assert_true(fixture->count < 49999);
	/* 49999 is due a Timeout and an instant ago, 50000 a Timeout less 1 ms. */
	assert_int_equal(arrives(fixture, 49999, now - MS, now), OWAMP_RECEIVE_LATE);
	assert_int_equal(arrives(fixture, 50000, now - MS, now), OWAMP_RECEIVE_OK);
	for (int i = 0; i < 20; i++)
		expire(fixture, now);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->lost, 50000);
	assert_int_equal(fixture->count, 50001);
	fixture_free(fixture);
}

/* The longest Timeout and schedule that are: nothing wraps. */
static void test_longest_spans(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SPAN_MAX};
	struct owamp_request request = packet_request(&slot, 2, OWAMP_SPAN_MAX);
	struct owamp_receiver_config config = {.mode = OWAMP_MODE_OPEN, .request = &request};
	struct fixture *fixture = fixture_of(OWAMP_MODE_OPEN, &request);
	struct owamp_receiver *receiver;

	expire(fixture, PACKET_START + 2 * OWAMP_SPAN_MAX);
	assert_int_equal(fixture->count, 0);
	assert_true(owamp_receiver_deadline(fixture->receiver) == PACKET_START + 2 * OWAMP_SPAN_MAX);
	expire(fixture, PACKET_START + 2 * OWAMP_SPAN_MAX + 1);
	assert_int_equal(fixture->count, 2);
	fixture_free(fixture);

	request.timeout++;
	assert_int_equal(owamp_receiver_new(&receiver, &config, fixture_sink, NULL), OWAMP_EINVAL);
	assert_null(receiver);
	request.timeout = OWAMP_SECOND;
	slot.interval++;
	assert_int_equal(owamp_receiver_new(&receiver, &config, fixture_sink, NULL), OWAMP_EINVAL);
	assert_null(receiver);
}

static void test_over_the_era_boundary(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND};
	struct owamp_request request = packet_request(&slot, 6, 2 * OWAMP_SECOND);
	struct fixture *fixture;

	request.start = (owamp_ntp)0 - 3 * OWAMP_SECOND - 5;
	fixture = fixture_of(OWAMP_MODE_ENCRYPTED, &request);
	for (uint32_t seq = 0; seq < 6; seq++) {
		owamp_ntp sent = request.start + (seq + 1) * OWAMP_SECOND;

		if (seq != 2)
			assert_int_equal(arrives(fixture, seq, sent, sent + MS), OWAMP_RECEIVE_OK);
		expire(fixture, sent + MS);
	}
	expire(fixture, request.start + 8 * OWAMP_SECOND + 1);
	assert_true(owamp_receiver_complete(fixture->receiver));
	assert_int_equal(fixture->count, 6);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->lost, 1);
	fixture_free(fixture);
}

/* Offsets that saturate must not wrap around into the past: nothing was due yet. */
static void test_schedule_of_centuries(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_EXPONENTIAL, OWAMP_SPAN_MAX};
	struct owamp_request request = packet_request(&slot, 1000, OWAMP_SECOND);

	for (uint8_t i = 0; i < 20; i++) {
		struct fixture *fixture;

		request.sid[15] = i;
		fixture = fixture_of(OWAMP_MODE_OPEN, &request);
		expire(fixture, PACKET_START - OWAMP_SECOND);
		expire(fixture, PACKET_START + OWAMP_SECOND);
		assert_int_equal(fixture->count, 0);
		fixture_free(fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_at_the_right_moment),
		cmocka_unit_test(test_after_it_was_declared_lost),
		cmocka_unit_test(test_late_without_expire_in_between),
		cmocka_unit_test(test_deadline_grows),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_memory_follows_the_window),
		cmocka_unit_test(test_after_a_pause),
		cmocka_unit_test(test_late_in_the_middle_of_expiring),
		cmocka_unit_test(test_longest_spans),
		cmocka_unit_test(test_over_the_era_boundary),
		cmocka_unit_test(test_schedule_of_centuries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
