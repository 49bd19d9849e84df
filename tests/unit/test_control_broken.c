/* Clients that break RFC 4656 section 3, or whose octets were changed on the way. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

static struct owamp_stop_session stopped(size_t sid, uint32_t next_seq, const struct owamp_skip_range *skips,
					 uint32_t skip_count)
{
	struct owamp_stop_session session = {.next_seq = next_seq, .skips = skips, .skip_count = skip_count};

	memcpy(session.sid, machine_sids[sid], 16);
	return session;
}

/* The machines before each message: where a corruption is tried. */
enum stage {
	STAGE_REQUEST,
	STAGE_START,
	STAGE_STOP,
	STAGE_FETCH,
	STAGES,
};

static struct owamp_control_server *server_at(struct wire *wire, enum stage stage)
{
	static const struct owamp_skip_range skips[] = {{1, 2}};
	const struct owamp_stop_session theirs[] = {stopped(0, 100, skips, 1)};
	struct owamp_request request = machine_request(true, false, machine_sids[1]);
	struct owamp_control_server *server = machine_server(wire);

	if (stage == STAGE_START || stage == STAGE_STOP)
		machine_server_accept(wire, server, false, true, machine_sids[0]);
	if (stage == STAGE_STOP)
		machine_server_start(wire, server);
	if (stage == STAGE_REQUEST)
		wire_put_request(wire, &request);
	else if (stage == STAGE_START)
		wire_put_start(wire);
	else if (stage == STAGE_STOP)
		wire_put_stop(wire, 0, theirs, 1);
	else
		wire_put_fetch(wire, machine_sids[0], 0, UINT32_MAX);
	wire_seal(wire);
	return server;
}

/*
 * Any changed octet: never an event. If it is one of the HMAC's, nothing else
 * is wrong, and the answer must be that the HMAC did not match.
 */
static void corrupt_server(uint32_t mode, enum stage stage, size_t at, size_t hmac_from)
{
	struct wire *wire = wire_new(mode);
	struct owamp_control_server *server = server_at(wire, stage);
	struct owamp_control_server_event event;
	int result;

	wire->out[at] ^= (uint8_t)(1 << at % 8);
	owamp_control_server_input(server, wire->out, wire->out_size);
	result = owamp_control_server_poll(server, &event);
	assert_true(result <= 0);
	if (at >= hmac_from)
		assert_int_equal(result, OWAMP_EAUTH);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_corrupt_octets(void **state)
{
	(void)state;
	static const size_t sizes[STAGES] = {112 + 48 + 16, 32, 16 + 32 + 16, 48};

	for (size_t i = 1; i < 3; i++) {
		for (enum stage stage = 0; stage < STAGES; stage++) {
			for (size_t at = 0; at < sizes[stage]; at++)
				corrupt_server(modes[i], stage, at, sizes[stage] - 16);
		}
	}
	/* The first of the two HMACs of Request-Session. */
	for (size_t at = 96; at < 112; at++)
		corrupt_server(OWAMP_MODE_ENCRYPTED, STAGE_REQUEST, at, 96);
}

/* A message cut out, repeated or replaced by an older one does not verify. */
static void test_server_replayed_message(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_control_server_event event;
	uint8_t old[48];

	wire_put_fetch(wire, machine_sids[0], 0, 9);
	wire_seal(wire);
	memcpy(old, wire->out, sizeof(old));
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_FETCH);
	assert_int_equal(owamp_control_server_fetch_refuse(server, 1), 0);
	assert_int_equal(owamp_control_server_input(server, old, sizeof(old)), 0);
	assert_true(owamp_control_server_poll(server, &event) < 0);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_reason_of_a_bad_hmac(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
	struct owamp_control_server *server = server_at(wire, STAGE_FETCH);

	wire->out[47] ^= 1;
	machine_server_send(wire, server);
	machine_server_assert_fails(server, OWAMP_EAUTH);
	owamp_control_server_free(server);
	wire_free(wire);
}

/* HMAC fields have the semantics of MBZ in open mode. */
static void test_server_open_mode_ignores_hmacs(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);

	wire_put_fetch(wire, machine_sids[0], 0, 9);
	memset(wire->out + 1, 0xff, 7);
	memset(wire->out + 32, 0xff, 16);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_FETCH);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_unknown_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (uint16_t command = 0; command < 256; command++) {
			struct wire *wire = wire_new(modes[i]);
			struct owamp_control_server *server = machine_server(wire);

			if (command < 1 || command > 4) {
				wire_put(wire, command, 1);
				wire_put_zeros(wire, 15);
				wire_put_hmac(wire);
				machine_server_send(wire, server);
				machine_server_assert_fails(server, OWAMP_EPROTO);
			}
			owamp_control_server_free(server);
			wire_free(wire);
		}
	}
}

/* While measuring, Stop-Sessions is the only command (section 3.4). */
static void test_server_commands_while_measuring(void **state)
{
	(void)state;
	struct owamp_request request = machine_request(true, false, machine_sids[1]);

	for (size_t i = 0; i < 3; i++) {
		for (int command = 0; command < 3; command++) {
			for (int stopping = 0; stopping < 2; stopping++) {
				struct wire *wire = wire_new(modes[i]);
				struct owamp_control_server *server = machine_server(wire);

				machine_server_accept(wire, server, false, true, machine_sids[0]);
				machine_server_start(wire, server);
				if (stopping)
					assert_int_equal(owamp_control_server_stop(server, 0, NULL, 0), 0);
				if (command == 0)
					wire_put_request(wire, &request);
				else if (command == 1)
					wire_put_start(wire);
				else
					wire_put_fetch(wire, machine_sids[0], 0, 1);
				machine_server_send(wire, server);
				machine_server_assert_fails(server, OWAMP_EPROTO);
				owamp_control_server_free(server);
				wire_free(wire);
			}
		}
	}
}

static void test_server_stop_when_not_measuring(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);

	machine_server_accept(wire, server, true, false, machine_sids[0]);
	wire_put_stop(wire, 0, NULL, 0);
	machine_server_send(wire, server);
	machine_server_assert_fails(server, OWAMP_EPROTO);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_peer_stops_twice(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);

	machine_server_accept(wire, server, true, false, machine_sids[0]);
	machine_server_start(wire, server);
	wire_put_stop(wire, 0, NULL, 0);
	wire_put_stop(wire, 0, NULL, 0);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_STOP);
	machine_server_assert_fails(server, OWAMP_EPROTO);
	owamp_control_server_free(server);
	wire_free(wire);
}

static int result_of_stop(uint32_t mode, const struct owamp_stop_session *sessions, size_t count)
{
	struct wire *wire = wire_new(mode);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_control_server_event event;
	int result;

	machine_server_accept(wire, server, false, true, machine_sids[0]);
	machine_server_accept(wire, server, true, false, machine_sids[1]);
	machine_server_accept(wire, server, false, true, machine_sids[2]);
	machine_server_start(wire, server);
	wire_put_stop(wire, 0, sessions, count);
	machine_server_send(wire, server);
	result = owamp_control_server_poll(server, &event);
	if (result < 0)
		assert_string_not_equal(owamp_control_server_reason(server), "");
	owamp_control_server_free(server);
	wire_free(wire);
	return result;
}

static void test_server_stop_must_account(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct owamp_stop_session a = stopped(0, 5, NULL, 0);
		const struct owamp_stop_session server_side = stopped(1, 5, NULL, 0);
		const struct owamp_stop_session b = stopped(2, 5, NULL, 0);
		const struct owamp_stop_session stranger = stopped(3, 5, NULL, 0);

		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, b}, 2), 1);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){b, a}, 2), 1);
		assert_int_equal(result_of_stop(modes[i], NULL, 0), OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], &a, 1), OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, a}, 2),
				 OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, server_side}, 2),
				 OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, stranger}, 2),
				 OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, b, stranger}, 3),
				 OWAMP_EPROTO);
		assert_int_equal(result_of_stop(modes[i], (struct owamp_stop_session[]){a, b, a}, 3),
				 OWAMP_EPROTO);
	}
}

static int result_of_skips(const struct owamp_skip_range *skips, uint32_t count)
{
	return result_of_stop(
		OWAMP_MODE_ENCRYPTED,
		(struct owamp_stop_session[]){stopped(0, 0x01020304, skips, count), stopped(2, 0, NULL, 0)},
		2);
}

static void test_server_skip_ranges(void **state)
{
	(void)state;
	static const struct owamp_skip_range touching[] = {{0, 0}, {1, 5}, {6, 6}};
	static const struct owamp_skip_range unordered[] = {{7, 8}, {1, 2}};
	static const struct owamp_skip_range overlapping[] = {{1, 5}, {5, 6}};
	static const struct owamp_skip_range inside[] = {{1, 9}, {3, 4}};
	static const struct owamp_skip_range same[] = {{1, 2}, {1, 2}};
	static const struct owamp_skip_range backwards[] = {{3, 2}};

	assert_int_equal(result_of_skips(touching, 3), 1);
	assert_int_equal(result_of_skips(unordered, 2), OWAMP_EPROTO);
	assert_int_equal(result_of_skips(overlapping, 2), OWAMP_EPROTO);
	assert_int_equal(result_of_skips(inside, 2), OWAMP_EPROTO);
	assert_int_equal(result_of_skips(same, 2), OWAMP_EPROTO);
	assert_int_equal(result_of_skips(backwards, 1), OWAMP_EPROTO);
}

/* No such packet was ever to be sent, or the sender says that it did not get there. */
static void test_server_numbers_beyond(void **state)
{
	(void)state;
	static const struct owamp_skip_range last[] = {{9, 9}};
	struct owamp_stop_session sessions[] = {stopped(0, 10, last, 1), stopped(2, 0x01020304, NULL, 0)};

	assert_int_equal(result_of_stop(OWAMP_MODE_OPEN, sessions, 2), 1);
	sessions[0].next_seq = 9;
	assert_int_equal(result_of_stop(OWAMP_MODE_OPEN, sessions, 2), OWAMP_EPROTO);
	sessions[0].next_seq = 10;
	sessions[1].next_seq++;
	assert_int_equal(result_of_stop(OWAMP_MODE_OPEN, sessions, 2), OWAMP_EPROTO);
}

static void fill_skips(struct owamp_skip_range *skips, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		skips[i] = (struct owamp_skip_range){3 * i, 3 * i + 1};
}

static void test_server_too_many_skip_ranges(void **state)
{
	(void)state;
	struct owamp_skip_range many[LIMIT_SKIPS + 1];

	fill_skips(many, LIMIT_SKIPS + 1);
	assert_int_equal(result_of_skips(many, LIMIT_SKIPS), 1);
	assert_int_equal(result_of_skips(many, LIMIT_SKIPS + 1), OWAMP_ELIMIT);
}

/* Counts that lie: the message never comes, and nothing is allocated for it. */
static void test_server_huge_counts(void **state)
{
	(void)state;
	for (size_t at = 4; at <= 36; at += 32) {
		struct wire *wire = wire_new(OWAMP_MODE_OPEN);
		struct owamp_control_server *server = server_at(wire, STAGE_STOP);
		struct owamp_control_server_event event;

		ref_put(wire->out + at, UINT32_MAX, 4);
		machine_server_send(wire, server);
		assert_true(owamp_control_server_poll(server, &event) < 0);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_corrupt_octets),
		cmocka_unit_test(test_server_replayed_message),
		cmocka_unit_test(test_server_reason_of_a_bad_hmac),
		cmocka_unit_test(test_server_open_mode_ignores_hmacs),
		cmocka_unit_test(test_server_unknown_command),
		cmocka_unit_test(test_server_commands_while_measuring),
		cmocka_unit_test(test_server_stop_when_not_measuring),
		cmocka_unit_test(test_server_peer_stops_twice),
		cmocka_unit_test(test_server_stop_must_account),
		cmocka_unit_test(test_server_skip_ranges),
		cmocka_unit_test(test_server_numbers_beyond),
		cmocka_unit_test(test_server_too_many_skip_ranges),
		cmocka_unit_test(test_server_huge_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
