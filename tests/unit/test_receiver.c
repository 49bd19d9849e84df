/* Which packets a receiver takes: RFC 4656 section 4.2. */
#include "receiver_fixture.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

static void test_records_of_all_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fixture *fixture = fixture_new(modes[i], 20);

		for (uint32_t seq = 0; seq < 20; seq++) {
			const struct packet packet = {seq, due_of(seq) + seq, (uint16_t)(0x8101 + seq)};
			const struct owamp_record *record = &fixture->records[seq];
			uint8_t octets[100] = {0};

			/* Longer than asked for is taken, shorter than the padding as well. */
			assert_int_equal(owamp_receiver_packet(fixture->receiver, octets,
							       packet_seal(modes[i], &packet, octets) + seq,
							       due_of(seq) + 5 * MS + seq,
							       (uint16_t)(0x0201 + seq),
							       (uint8_t)(100 + seq)),
					 OWAMP_RECEIVE_OK);
			assert_int_equal(fixture->count, seq + 1);
			assert_int_equal(record->seq, seq);
			assert_int_equal(record->send_time, due_of(seq) + seq);
			assert_int_equal(record->receive_time, due_of(seq) + 5 * MS + seq);
			assert_int_equal(record->send_error, 0x8101 + seq);
			assert_int_equal(record->receive_error, 0x0201 + seq);
			assert_int_equal(record->ttl, 100 + seq);
		}
		assert_int_equal(counter(fixture, OWAMP_RECEIVE_OK), 20);
		fixture_free(fixture);
	}
	owamp_receiver_free(NULL);
}

static void test_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fixture *fixture = fixture_new(modes[i], 9);
		const struct packet packet = {0, due_of(0), 0x0101};

		for (size_t size = 0; size < packet_least(modes[i]); size++) {
			/* An own block, so that a read beyond it is seen. */
			uint8_t octets[48];
			uint8_t *copy = malloc(size + 1);

			assert_non_null(copy);
			packet_seal(modes[i], &packet, octets);
			memcpy(copy, octets, size);
			copy = realloc(copy, size ? size : 1);
			assert_int_equal(
				owamp_receiver_packet(fixture->receiver, copy, size, due_of(0), 1, 1),
				OWAMP_RECEIVE_SHORT);
			free(copy);
		}
		assert_int_equal(counter(fixture, OWAMP_RECEIVE_SHORT), packet_least(modes[i]));
		assert_int_equal(fixture->count, 0);
		fixture_free(fixture);
	}
}

/* Any octet the HMAC covers, and the HMAC itself; the time is in clear in authenticated mode. */
static void test_hmac(void **state)
{
	(void)state;
	for (size_t i = 1; i < 3; i++) {
		struct fixture *fixture = fixture_new(modes[i], 9);
		const struct packet packet = {3, due_of(3), 0x0101};
		size_t covered = modes[i] == OWAMP_MODE_AUTHENTICATED ? 16 : 32;
		uint64_t discarded = 0;

		for (size_t at = 0; at < 48; at++) {
			uint8_t octets[48];

			if (at >= covered && at < 32)
				continue;
			packet_seal(modes[i], &packet, octets);
			octets[at] ^= (uint8_t)(1 << at % 8);
			assert_int_equal(
				owamp_receiver_packet(fixture->receiver, octets, 48, due_of(3), 1, 1),
				OWAMP_RECEIVE_HMAC);
			discarded++;
		}
		assert_int_equal(counter(fixture, OWAMP_RECEIVE_HMAC), discarded);
		assert_int_equal(fixture->count, 0);
		arrives_well(fixture, 3);
		fixture_free(fixture);
	}
}

/* The keys are those of the session: another SID's packets do not verify. */
static void test_packet_of_another_session(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, STEP};
	struct owamp_request request = packet_request(&slot, 9, TIMEOUT);
	struct fixture *fixture;

	request.sid[0] ^= 1;
	fixture = fixture_of(OWAMP_MODE_ENCRYPTED, &request);
	assert_int_equal(arrives(fixture, 0, due_of(0), due_of(0)), OWAMP_RECEIVE_HMAC);
	fixture_free(fixture);
}

static void test_multiplier_zero(void **state)
{
	(void)state;
	static const uint16_t bad[] = {0x0000, 0x8000, 0x3f00, 0xff00};

	for (size_t i = 0; i < 3; i++) {
		struct fixture *fixture = fixture_new(modes[i], 9);

		for (size_t j = 0; j < 4; j++) {
			const struct packet packet = {0, due_of(0), bad[j]};
			uint8_t octets[48];
			size_t size = packet_seal(modes[i], &packet, octets);

			assert_int_equal(
				owamp_receiver_packet(fixture->receiver, octets, size, due_of(0), 1, 1),
				OWAMP_RECEIVE_MULTIPLIER);
		}
		assert_int_equal(counter(fixture, OWAMP_RECEIVE_MULTIPLIER), 4);
		/* The session goes on. */
		arrives_well(fixture, 0);
		fixture_free(fixture);
	}
}

static void test_sequence_number_outside(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 9);

	assert_int_equal(arrives(fixture, 9, due_of(9), due_of(9)), OWAMP_RECEIVE_SEQ);
	assert_int_equal(arrives(fixture, UINT32_MAX, due_of(0), due_of(0)), OWAMP_RECEIVE_SEQ);
	assert_int_equal(counter(fixture, OWAMP_RECEIVE_SEQ), 2);
	assert_int_equal(fixture->count, 0);
	arrives_well(fixture, 8);
	fixture_free(fixture);
}

/* More than Timeout in the past or in the future; exactly Timeout is neither. */
static void test_send_time_against_the_clock(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);

	assert_int_equal(arrives(fixture, 50, due_of(50), due_of(50) + TIMEOUT), OWAMP_RECEIVE_OK);
	assert_int_equal(arrives(fixture, 51, due_of(51), due_of(51) + TIMEOUT + 1), OWAMP_RECEIVE_TIME);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->time_offset_ns, -99999993);
	fixture_free(fixture);
	fixture = fixture_new(OWAMP_MODE_OPEN, 99);
	assert_int_equal(arrives(fixture, 50, due_of(50), due_of(50) - TIMEOUT), OWAMP_RECEIVE_OK);
	assert_int_equal(fixture->records[0].send_time, due_of(50));
	assert_int_equal(arrives(fixture, 51, due_of(51), due_of(51) - TIMEOUT - 1), OWAMP_RECEIVE_TIME);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->time_offset_ns, 99999993);
	assert_int_equal(counter(fixture, OWAMP_RECEIVE_TIME), 1);
	assert_int_equal(fixture->count, 1);
	fixture_free(fixture);
}

static void test_send_time_against_the_schedule(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);
	const owamp_ntp early = due_of(50) - TIMEOUT;
	const owamp_ntp late = due_of(51) + TIMEOUT;

	assert_int_equal(arrives(fixture, 50, early - 1, early), OWAMP_RECEIVE_SCHEDULE);
	assert_int_equal(arrives(fixture, 50, early, early), OWAMP_RECEIVE_OK);
	/* Received by then, or it would be too late. */
	assert_int_equal(arrives(fixture, 51, late + 1, late), OWAMP_RECEIVE_SCHEDULE);
	assert_int_equal(arrives(fixture, 51, late, late), OWAMP_RECEIVE_OK);
	assert_int_equal(counter(fixture, OWAMP_RECEIVE_SCHEDULE), 2);
	fixture_free(fixture);
}

/* Stamped a Timeout after now and scheduled a Timeout after that: the farthest that counts. */
static void test_two_timeouts_ahead(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, 99);

	assert_int_equal(arrives(fixture, 50, due_of(50) - TIMEOUT, due_of(50) - 2 * TIMEOUT),
			 OWAMP_RECEIVE_OK);
	assert_int_equal(arrives(fixture, 52, due_of(52) - TIMEOUT - 1, due_of(52) - 2 * TIMEOUT),
			 OWAMP_RECEIVE_SCHEDULE);
	fixture_free(fixture);
}

/* In open mode anybody can claim a number far ahead: it costs neither time nor memory. */
static void test_numbers_far_ahead(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_OPEN, UINT32_MAX);

	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(arrives(fixture, UINT32_MAX - 1 - i, due_of(3), due_of(3)),
				 OWAMP_RECEIVE_SCHEDULE);
	assert_true(owamp_receiver_memory(fixture->receiver) < 65536);
	fixture_free(fixture);
}

static void test_duplicates(void **state)
{
	(void)state;
	struct fixture *fixture = fixture_new(OWAMP_MODE_ENCRYPTED, 9);

	arrives_well(fixture, 0);
	assert_int_equal(arrives(fixture, 0, due_of(0), due_of(0) + 2 * MS), OWAMP_RECEIVE_OK);
	arrives_well(fixture, 2);
	arrives_well(fixture, 1);
	assert_int_equal(arrives(fixture, 0, due_of(0), due_of(0) + TIMEOUT), OWAMP_RECEIVE_OK);
	assert_int_equal(fixture->count, 5);
	assert_int_equal(fixture->records[1].seq, 0);
	assert_int_equal(fixture->records[1].receive_time, due_of(0) + 2 * MS);
	assert_int_equal(fixture->records[2].seq, 2);
	assert_int_equal(fixture->records[3].seq, 1);
	assert_int_equal(fixture->records[4].seq, 0);
	assert_int_equal(counter(fixture, OWAMP_RECEIVE_OK), 5);
	assert_int_equal(owamp_receiver_counters(fixture->receiver)->duplicates, 2);
	fixture_free(fixture);
}

static void test_result_names(void **state)
{
	(void)state;
	assert_string_equal(owamp_receive_result_name(OWAMP_RECEIVE_SHORT), "short");
	assert_string_equal(owamp_receive_result_name(OWAMP_RECEIVE_HMAC), "hmac");
	for (int a = 0; a < OWAMP_RECEIVE_RESULTS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(owamp_receive_result_name((enum owamp_receive_result)a),
						owamp_receive_result_name((enum owamp_receive_result)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_of_all_modes),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_packet_of_another_session),
		cmocka_unit_test(test_multiplier_zero),
		cmocka_unit_test(test_sequence_number_outside),
		cmocka_unit_test(test_send_time_against_the_clock),
		cmocka_unit_test(test_send_time_against_the_schedule),
		cmocka_unit_test(test_two_timeouts_ahead),
		cmocka_unit_test(test_numbers_far_ahead),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_result_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
