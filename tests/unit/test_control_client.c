/* The client machine's commands, RFC 4656 sections 3.5, 3.7 and 3.8. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
static const uint8_t no_sid[16];

static void finish(struct wire *wire, struct owamp_control_client *client)
{
	wire_assert_end(wire);
	owamp_control_client_free(client);
	wire_free(wire);
}

static struct owamp_stop_session stopped(size_t sid, uint32_t next_seq, const struct owamp_skip_range *skips,
					 uint32_t skip_count)
{
	struct owamp_stop_session session = {.next_seq = next_seq, .skips = skips, .skip_count = skip_count};

	memcpy(session.sid, machine_sids[sid], 16);
	return session;
}

static void stop_and_check(struct wire *wire, struct owamp_control_client *client,
			   const struct owamp_stop_session *sessions, size_t count)
{
	assert_int_equal(owamp_control_client_stop(client, 0, sessions, count), 0);
	machine_client_drain(wire, client);
	wire_get_stop(wire, 0, sessions, count);
	wire_assert_end(wire);
}

static void put_stop_and_take(struct wire *wire, struct owamp_control_client *client,
			      const struct owamp_stop_session *sessions, size_t count)
{
	struct owamp_control_client_event event;

	wire_put_stop(wire, 0, sessions, count);
	machine_client_send(wire, client);
	event = machine_client_event(client, OWAMP_CLIENT_STOP);
	assert_int_equal(event.accept, 0);
	assert_int_equal(event.session_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_memory_equal(event.sessions[i].sid, sessions[i].sid, 16);
		assert_int_equal(event.sessions[i].next_seq, sessions[i].next_seq);
		assert_int_equal(event.sessions[i].skip_count, sessions[i].skip_count);
		for (uint32_t j = 0; j < sessions[i].skip_count; j++) {
			assert_int_equal(event.sessions[i].skips[j].first, sessions[i].skips[j].first);
			assert_int_equal(event.sessions[i].skips[j].last, sessions[i].skips[j].last);
		}
	}
}

static void test_several_rounds(void **state)
{
	(void)state;
	static const struct owamp_skip_range skips[] = {{0, 9}, {11, 11}, {13, 20}};

	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_client *client = machine_client(wire);

		for (uint32_t round = 0; round < 5; round++) {
			const struct owamp_stop_session ours[] = {stopped(1, 40 + round, skips, round % 4)};
			const struct owamp_stop_session theirs[] = {stopped(0, 50, skips, 3 - round % 4),
								    stopped(2, 0, NULL, 0)};

			machine_client_accept(wire, client, true, false, machine_sids[0]);
			machine_client_accept(wire, client, false, true, machine_sids[1]);
			machine_client_accept(wire, client, true, false, machine_sids[2]);
			machine_client_start(wire, client);
			if (round % 2) {
				put_stop_and_take(wire, client, theirs, 2);
				stop_and_check(wire, client, ours, 1);
			} else {
				stop_and_check(wire, client, ours, 1);
				put_stop_and_take(wire, client, theirs, 2);
			}
			machine_client_assert_idle(client);
		}
		finish(wire, client);
	}
}

/* With the server as the receiver, the SID is the one in its answer. */
static void test_sid_of_the_answer(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
	struct owamp_control_client *client = machine_client(wire);
	struct owamp_request request = machine_request(false, true, no_sid);

	assert_int_equal(owamp_control_client_request(client, &request), 0);
	machine_client_drain(wire, client);
	wire_get_request(wire, &request);
	wire_put_accept_session(wire, 0, 1, machine_sids[3]);
	machine_client_send(wire, client);
	assert_memory_equal(machine_client_event(client, OWAMP_CLIENT_ACCEPT_SESSION).sid, machine_sids[3],
			    16);
	machine_client_start(wire, client);
	stop_and_check(wire, client, (struct owamp_stop_session[]){stopped(3, 1, NULL, 0)}, 1);
	put_stop_and_take(wire, client, NULL, 0);
	finish(wire, client);
}

/* If only Conf-Sender was set, the SID of the answer is unused (section 3.5). */
static void test_sid_of_the_request(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client(wire);
	struct owamp_request request = machine_request(true, false, machine_sids[1]);

	assert_int_equal(owamp_control_client_request(client, &request), 0);
	machine_client_drain(wire, client);
	wire_get_request(wire, &request);
	wire_put_accept_session(wire, 0, 1, no_sid);
	machine_client_send(wire, client);
	machine_client_event(client, OWAMP_CLIENT_ACCEPT_SESSION);
	machine_client_start(wire, client);
	put_stop_and_take(wire, client, (struct owamp_stop_session[]){stopped(1, 1, NULL, 0)}, 1);
	stop_and_check(wire, client, NULL, 0);
	finish(wire, client);
}

/* The server runs both ends: only it accounts for the session. */
static void test_both_ends_at_the_server(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client(wire);

	machine_client_accept(wire, client, true, true, machine_sids[0]);
	machine_client_start(wire, client);
	stop_and_check(wire, client, NULL, 0);
	put_stop_and_take(wire, client, (struct owamp_stop_session[]){stopped(0, 1, NULL, 0)}, 1);
	finish(wire, client);
}

static void test_several_requests_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_client *client = machine_client(wire);
		struct owamp_request requests[4];

		for (size_t j = 0; j < 4; j++) {
			requests[j] = machine_request(j % 2, !(j % 2), machine_sids[j]);
			requests[j].packets = (uint32_t)j + 1;
			assert_int_equal(owamp_control_client_request(client, &requests[j]), 0);
		}
		/* Not before all have been answered. */
		assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
		machine_client_drain(wire, client);
		for (size_t j = 0; j < 4; j++)
			wire_get_request(wire, &requests[j]);
		for (size_t j = 0; j < 4; j++)
			wire_put_accept_session(wire, j == 1 ? 4 : 0, (uint16_t)j,
						j == 1 ? no_sid : machine_sids[j]);
		machine_client_send(wire, client);
		for (size_t j = 0; j < 4; j++) {
			struct owamp_control_client_event event =
				machine_client_event(client, OWAMP_CLIENT_ACCEPT_SESSION);

			assert_int_equal(event.accept, j == 1 ? 4 : 0);
			if (j != 1) {
				assert_int_equal(event.port, j);
				assert_memory_equal(event.sid, machine_sids[j], 16);
			}
		}
		machine_client_start(wire, client);
		stop_and_check(wire, client,
			       (struct owamp_stop_session[]){stopped(0, 1, NULL, 0), stopped(2, 3, NULL, 0)},
			       2);
		put_stop_and_take(wire, client, (struct owamp_stop_session[]){stopped(3, 4, NULL, 0)}, 1);
		finish(wire, client);
	}
}

static void test_unknown_accept_values(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client(wire);
	struct owamp_request request = machine_request(true, false, machine_sids[0]);

	for (unsigned int accept = 1; accept < 256; accept++) {
		struct owamp_control_client_event event;

		assert_int_equal(owamp_control_client_request(client, &request), 0);
		wire_put_accept_session(wire, (uint8_t)accept, 0, no_sid);
		machine_client_send(wire, client);
		event = machine_client_event(client, OWAMP_CLIENT_ACCEPT_SESSION);
		assert_int_not_equal(event.accept, 0);
		assert_string_equal(owamp_accept_text(event.accept), owamp_accept_text((uint8_t)accept));
	}
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_start_refused(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
	struct owamp_control_client *client = machine_client(wire);

	machine_client_accept(wire, client, true, false, machine_sids[0]);
	assert_int_equal(owamp_control_client_start(client), 0);
	wire_put_start_ack(wire, 5);
	machine_client_send(wire, client);
	assert_int_equal(machine_client_event(client, OWAMP_CLIENT_START_ACK).accept, 5);
	assert_int_equal(owamp_control_client_stop(client, 0, NULL, 0), OWAMP_ESTATE);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_stop_with_an_accept_value(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
	struct owamp_control_client *client = machine_client(wire);
	const struct owamp_stop_session theirs[] = {stopped(0, 1, NULL, 0)};

	machine_client_accept(wire, client, true, false, machine_sids[0]);
	machine_client_start(wire, client);
	assert_int_equal(owamp_control_client_stop(client, 1, NULL, 0), 0);
	machine_client_drain(wire, client);
	wire_get_stop(wire, 1, NULL, 0);
	wire_put_stop(wire, 2, theirs, 1);
	machine_client_send(wire, client);
	assert_int_equal(machine_client_event(client, OWAMP_CLIENT_STOP).accept, 2);
	finish(wire, client);
}

/* Section 3.4: what may be sent when. */
static void test_commands_in_the_wrong_state(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client(wire);
	struct owamp_request request = machine_request(false, true, machine_sids[0]);
	const struct owamp_stop_session ours[] = {stopped(0, 1, NULL, 0)};
	size_t size;

	assert_int_equal(owamp_control_client_stop(client, 0, NULL, 0), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_setup(client, 1, NULL, NULL, NULL, NULL), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_decline(client), OWAMP_ESTATE);
	machine_client_accept(wire, client, false, true, machine_sids[0]);
	assert_int_equal(owamp_control_client_start(client), 0);
	/* From the command on, not from its answer on. */
	assert_int_equal(owamp_control_client_request(client, &request), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_fetch(client, machine_sids[0], 0, 1), OWAMP_ESTATE);
	machine_client_drain(wire, client);
	wire_get_octets(wire, 16);
	wire_get_hmac(wire);
	wire_put_start_ack(wire, 0);
	machine_client_send(wire, client);
	machine_client_event(client, OWAMP_CLIENT_START_ACK);
	assert_int_equal(owamp_control_client_request(client, &request), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_fetch(client, machine_sids[0], 0, 1), OWAMP_ESTATE);
	stop_and_check(wire, client, ours, 1);
	assert_int_equal(owamp_control_client_stop(client, 0, ours, 1), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_request(client, &request), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_fetch(client, machine_sids[0], 0, 1), OWAMP_ESTATE);
	owamp_control_client_output(client, &size);
	assert_int_equal(size, 0);
	put_stop_and_take(wire, client, NULL, 0);
	assert_int_equal(owamp_control_client_fetch(client, machine_sids[0], 0, 1), 0);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_own_stop_must_account(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client(wire);
	const struct owamp_stop_session good[] = {stopped(1, 3, NULL, 0), stopped(0, 3, NULL, 0)};
	const struct owamp_stop_session other[] = {stopped(0, 3, NULL, 0), stopped(2, 3, NULL, 0)};
	size_t size;

	machine_client_accept(wire, client, false, true, machine_sids[0]);
	machine_client_accept(wire, client, false, true, machine_sids[1]);
	machine_client_accept(wire, client, true, false, machine_sids[2]);
	machine_client_start(wire, client);
	assert_int_equal(owamp_control_client_stop(client, 0, NULL, 0), OWAMP_EINVAL);
	assert_int_equal(owamp_control_client_stop(client, 0, good, 1), OWAMP_EINVAL);
	assert_int_equal(owamp_control_client_stop(client, 0, other, 2), OWAMP_EINVAL);
	owamp_control_client_output(client, &size);
	assert_int_equal(size, 0);
	stop_and_check(wire, client, good, 2);
	finish(wire, client);
}

/* The same octets in any cut. */
static void test_octet_by_octet(void **state)
{
	(void)state;
	static const struct owamp_skip_range skips[] = {{3, 4}, {6, 6}};

	for (size_t i = 0; i < 3; i++) {
		for (size_t piece = 1; piece < 40; piece += 6) {
			struct wire *wire = wire_new(modes[i]);
			struct owamp_control_client *client = machine_client(wire);
			struct owamp_request request = machine_request(true, false, machine_sids[0]);
			struct owamp_control_client_event event;
			enum owamp_control_client_event_type types[8];
			size_t events = 0;

			assert_int_equal(owamp_control_client_request(client, &request), 0);
			wire_put_accept_session(wire, 0, 7, machine_sids[0]);
			wire_put_start_ack(wire, 0);
			wire_put_stop(wire, 0, (struct owamp_stop_session[]){stopped(0, 100, skips, 2)}, 1);
			wire_seal(wire);
			for (size_t at = 0; at < wire->out_size; at += piece) {
				size_t size = wire->out_size - at < piece ? wire->out_size - at : piece;

				assert_int_equal(owamp_control_client_input(client, wire->out + at, size), 0);
				while (owamp_control_client_poll(client, &event) == 1) {
					assert_true(events < 8);
					types[events++] = event.type;
					if (event.type == OWAMP_CLIENT_ACCEPT_SESSION)
						assert_int_equal(owamp_control_client_start(client), 0);
				}
			}
			assert_int_equal(events, 3);
			assert_int_equal(types[0], OWAMP_CLIENT_ACCEPT_SESSION);
			assert_int_equal(types[1], OWAMP_CLIENT_START_ACK);
			assert_int_equal(types[2], OWAMP_CLIENT_STOP);
			owamp_control_client_free(client);
			wire_free(wire);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_rounds),
		cmocka_unit_test(test_sid_of_the_answer),
		cmocka_unit_test(test_sid_of_the_request),
		cmocka_unit_test(test_both_ends_at_the_server),
		cmocka_unit_test(test_several_requests_at_once),
		cmocka_unit_test(test_unknown_accept_values),
		cmocka_unit_test(test_start_refused),
		cmocka_unit_test(test_stop_with_an_accept_value),
		cmocka_unit_test(test_commands_in_the_wrong_state),
		cmocka_unit_test(test_own_stop_must_account),
		cmocka_unit_test(test_octet_by_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
