/* The receiver's clock is set in the middle of a session: what is decided without it, and what is recorded.
 */
#include "receiver_fixture.h"

#define SECOND_NS INT64_C(1000000000)
#define SECOND    ((owamp_ntp)1 << 32)

static const int64_t steps_s[] = {5, -5, 3600, -3600, 1, -1, 40 * INT64_C(366) * 86400};

/* Seconds, forward or back. */
static owamp_ntp by(owamp_ntp time, int64_t seconds)
{
	return time + (owamp_ntp)seconds * SECOND;
}

/* Nothing is lost, and what is recorded is what the clock showed. */
static void test_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof steps_s / sizeof steps_s[0]; i++) {
		struct fixture *fixture = fixture_new(OWAMP_MODE_AUTHENTICATED, 200);

		for (uint32_t seq = 0; seq < 100; seq++)
			arrives_well(fixture, seq);
		owamp_receiver_clock_shift(fixture->receiver, steps_s[i] * SECOND_NS);
		for (uint32_t seq = 100; seq < 200; seq++) {
			owamp_ntp received = by(due_of(seq) + MS, steps_s[i]);

			assert_int_equal(arrives(fixture, seq, due_of(seq), received), OWAMP_RECEIVE_OK);
			assert_int_equal(fixture->records[seq].receive_time, received);
			assert_int_equal(fixture->records[seq].send_time, due_of(seq));
			expire(fixture, due_of(seq) + MS);
		}
		expire(fixture, due_of(199) + TIMEOUT);
		assert_false(owamp_receiver_complete(fixture->receiver));
		expire(fixture, due_of(199) + TIMEOUT + 1);
		assert_true(owamp_receiver_complete(fixture->receiver));
		assert_int_equal(fixture->count, 200);
		fixture_free(fixture);
	}
}

/* In time or late: by the time without the step, to the last unit. */
static void test_late(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof steps_s / sizeof steps_s[0]; i++) {
		struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);
		owamp_ntp end = due_of(50) + TIMEOUT, sent = due_of(50) + 50 * MS;

		owamp_receiver_clock_shift(fixture->receiver, steps_s[i] * SECOND_NS);
		assert_int_equal(arrives(fixture, 50, sent, by(end + 1, steps_s[i])), OWAMP_RECEIVE_LATE);
		assert_int_equal(arrives(fixture, 50, sent, by(end, steps_s[i])), OWAMP_RECEIVE_OK);
		/* As if it had not been set. */
		assert_int_equal(arrives(fixture, 60, due_of(60), by(due_of(60) + TIMEOUT + 1, steps_s[i])),
				 OWAMP_RECEIVE_TIME);
		assert_int_equal(owamp_receiver_counters(fixture->receiver)->time_offset_ns,
				 -99999993 - steps_s[i] * SECOND_NS);
		fixture_free(fixture);
	}
}

/* A leap second, or a hand at both clocks: the stamps are off the schedule by the same. */
static void test_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof steps_s / sizeof steps_s[0]; i++) {
		struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);
		owamp_ntp sent = by(due_of(50), steps_s[i]);

		assert_int_equal(arrives(fixture, 50, sent, sent + MS), OWAMP_RECEIVE_SCHEDULE);
		owamp_receiver_clock_shift(fixture->receiver, steps_s[i] * SECOND_NS);
		assert_int_equal(arrives(fixture, 50, sent + TIMEOUT + 1, sent + TIMEOUT),
				 OWAMP_RECEIVE_SCHEDULE);
		assert_int_equal(arrives(fixture, 50, sent, sent + MS), OWAMP_RECEIVE_OK);
		assert_int_equal(fixture->records[0].send_time, sent);
		assert_int_equal(fixture->records[0].receive_time, sent + MS);
		fixture_free(fixture);
	}
}

/* The sender's alone, whatever happened to ours: section 4.2. */
static void test_sender(void **state)
{
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);

	(void)state;
	assert_int_equal(arrives(fixture, 50, by(due_of(50), 5), due_of(50) + MS), OWAMP_RECEIVE_TIME);
	owamp_receiver_clock_shift(fixture->receiver, -5 * SECOND_NS);
	assert_int_equal(arrives(fixture, 50, by(due_of(50), 5), by(due_of(50) + MS, -5)),
			 OWAMP_RECEIVE_TIME);
	owamp_receiver_clock_shift(fixture->receiver, 2 * SECOND_NS);
	assert_int_equal(arrives(fixture, 50, by(due_of(50), 5), by(due_of(50) + MS, 2)), OWAMP_RECEIVE_TIME);
	assert_int_equal(fixture->count, 0);
	fixture_free(fixture);
}

/* A stamp from before the step comes last. */
static void test_from_before(void **state)
{
	struct fixture *fixture = fixture_new(OWAMP_MODE_ENCRYPTED, 99);

	(void)state;
	owamp_receiver_clock_shift(fixture->receiver, 5 * SECOND_NS);
	assert_int_equal(arrives(fixture, 51, due_of(51), by(due_of(51) + MS, 5)), OWAMP_RECEIVE_OK);
	owamp_receiver_clock_shift(fixture->receiver, 0);
	arrives_well(fixture, 50);
	owamp_receiver_clock_shift(fixture->receiver, 5 * SECOND_NS);
	assert_int_equal(arrives(fixture, 52, due_of(52), by(due_of(52) + MS, 5)), OWAMP_RECEIVE_OK);
	fixture_free(fixture);
}

/* A clock that was set gets nobody memory: two Timeouts ahead of the time without it are the farthest. */
static void test_far_ahead(void **state)
{
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, UINT32_MAX);
	owamp_ntp received = by(due_of(0), 3600);

	(void)state;
	owamp_receiver_clock_shift(fixture->receiver, 3600 * SECOND_NS);
	/* The number of a packet of an hour later. */
	assert_int_equal(arrives(fixture, 360000, received, received), OWAMP_RECEIVE_SCHEDULE);
	assert_int_equal(arrives(fixture, UINT32_MAX - 1, received, received), OWAMP_RECEIVE_SCHEDULE);
	assert_true(owamp_receiver_memory(fixture->receiver) < 65536);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),    cmocka_unit_test(test_late),
		cmocka_unit_test(test_both),        cmocka_unit_test(test_sender),
		cmocka_unit_test(test_from_before), cmocka_unit_test(test_far_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
