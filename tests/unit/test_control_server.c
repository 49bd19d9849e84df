/* The server machine's commands, RFC 4656 sections 3.5, 3.7 and 3.8. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
static const uint8_t no_sid[16];

static void finish(struct wire *wire, struct owamp_control_server *server)
{
	wire_assert_end(wire);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void put_stop_and_take(struct wire *wire, struct owamp_control_server *server,
			      const struct owamp_stop_session *sessions, size_t count)
{
	struct owamp_control_server_event event;

	wire_put_stop(wire, 0, sessions, count);
	machine_server_send(wire, server);
	event = machine_server_event(server, OWAMP_SERVER_STOP);
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

static void stop_and_check(struct wire *wire, struct owamp_control_server *server,
			   const struct owamp_stop_session *sessions, size_t count)
{
	assert_int_equal(owamp_control_server_stop(server, 0, sessions, count), 0);
	machine_server_drain(wire, server);
	wire_get_stop(wire, 0, sessions, count);
	wire_assert_end(wire);
}

static struct owamp_stop_session stopped(size_t sid, uint32_t next_seq, const struct owamp_skip_range *skips,
					 uint32_t skip_count)
{
	struct owamp_stop_session session = {.next_seq = next_seq, .skips = skips, .skip_count = skip_count};

	memcpy(session.sid, machine_sids[sid], 16);
	return session;
}

/* Both directions, each with skip ranges that need padding or do not. */
static void test_a_whole_session(void **state)
{
	(void)state;
	static const struct owamp_skip_range two[] = {{0, 9}, {11, 11}};
	static const struct owamp_skip_range three[] = {{1, 1}, {2, 5}, {0xfffffff0, 0xfffffffe}};

	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);
		const struct owamp_stop_session theirs[] = {stopped(0, 100, two, 2), stopped(2, 7, NULL, 0)};
		const struct owamp_stop_session ours[] = {stopped(1, UINT32_MAX, three, 3)};

		machine_server_accept(wire, server, false, true, machine_sids[0]);
		machine_server_accept(wire, server, true, false, machine_sids[1]);
		machine_server_accept(wire, server, false, true, machine_sids[2]);
		machine_server_start(wire, server);
		machine_server_assert_idle(server);
		put_stop_and_take(wire, server, theirs, 2);
		assert_true(owamp_control_server_active(server));
		stop_and_check(wire, server, ours, 1);
		assert_false(owamp_control_server_active(server));
		machine_server_assert_idle(server);
		finish(wire, server);
	}
}

static void test_server_stops_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);
		const struct owamp_stop_session theirs[] = {stopped(0, 3, NULL, 0)};

		machine_server_accept(wire, server, false, true, machine_sids[0]);
		machine_server_start(wire, server);
		stop_and_check(wire, server, NULL, 0);
		assert_true(owamp_control_server_active(server));
		assert_int_equal(owamp_control_server_stop(server, 0, NULL, 0), OWAMP_ESTATE);
		put_stop_and_take(wire, server, theirs, 1);
		assert_false(owamp_control_server_active(server));
		finish(wire, server);
	}
}

static void test_several_rounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);

		for (int round = 0; round < 5; round++) {
			const struct owamp_stop_session theirs[] = {stopped(0, 3, NULL, 0)};
			const struct owamp_stop_session ours[] = {stopped(1, 4, NULL, 0)};

			/* The limit is on sessions that were not stopped. */
			machine_server_accept(wire, server, false, true, machine_sids[0]);
			machine_server_accept(wire, server, true, false, machine_sids[1]);
			machine_server_start(wire, server);
			put_stop_and_take(wire, server, theirs, 1);
			stop_and_check(wire, server, ours, 1);
		}
		finish(wire, server);
	}
}

/* The server runs both ends: the client started no send session. */
static void test_both_ends_at_the_server(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);

	machine_server_accept(wire, server, true, true, machine_sids[0]);
	machine_server_start(wire, server);
	put_stop_and_take(wire, server, NULL, 0);
	stop_and_check(wire, server, (struct owamp_stop_session[]){stopped(0, 3, NULL, 0)}, 1);
	finish(wire, server);
}

static void test_stop_with_an_accept_value(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
	struct owamp_control_server *server = machine_server(wire);

	machine_server_accept(wire, server, true, false, machine_sids[0]);
	machine_server_start(wire, server);
	wire_put_stop(wire, 2, NULL, 0);
	machine_server_send(wire, server);
	assert_int_equal(machine_server_event(server, OWAMP_SERVER_STOP).accept, 2);

	const struct owamp_stop_session ours[] = {stopped(0, 0, NULL, 0)};

	assert_int_equal(owamp_control_server_stop(server, 1, ours, 1), 0);
	machine_server_drain(wire, server);
	wire_get_stop(wire, 1, ours, 1);
	finish(wire, server);
}

static void test_request_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);
		struct owamp_request request = machine_request(true, false, machine_sids[0]);

		for (uint8_t accept = 1; accept < 7; accept++) {
			wire_put_request(wire, &request);
			machine_server_send(wire, server);
			machine_server_event(server, OWAMP_SERVER_REQUEST);
			assert_int_equal(
				owamp_control_server_accept_session(server, accept, 99, machine_sids[1]), 0);
			machine_server_drain(wire, server);
			wire_get_accept_session(wire, accept, 0, no_sid);
		}
		/* Nothing was accepted, so nothing has to be accounted for. */
		machine_server_accept(wire, server, false, true, machine_sids[1]);
		machine_server_start(wire, server);
		stop_and_check(wire, server, NULL, 0);
		put_stop_and_take(wire, server, (struct owamp_stop_session[]){stopped(1, 5, NULL, 0)}, 1);
		finish(wire, server);
	}
}

static void test_start_refused(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
	struct owamp_control_server *server = machine_server(wire);

	machine_server_accept(wire, server, true, false, machine_sids[0]);
	wire_put_start(wire);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_START);
	assert_int_equal(owamp_control_server_start_ack(server, 5), 0);
	assert_false(owamp_control_server_active(server));
	machine_server_drain(wire, server);
	assert_int_equal(wire_get(wire, 1), 5);
	wire_get_zeros(wire, 15);
	wire_get_hmac(wire);
	finish(wire, server);
}

/* Any non-zero octet of Conf-Sender and Conf-Receiver is 1; MBZ is ignored. */
static void test_request_read_leniently(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_request request = machine_request(true, true, machine_sids[0]);

	wire_put_request(wire, &request);
	wire->out[1] |= 0xf0;
	wire->out[2] = 0x80;
	wire->out[3] = 7;
	memset(wire->out + 88, 0xff, 8);
	memset(wire->out + 96, 0xff, 16);
	memset(wire->out + 113, 0xff, 7);
	machine_server_send(wire, server);
	machine_assert_request(machine_server_event(server, OWAMP_SERVER_REQUEST).request, &request);
	finish(wire, server);
}

static void test_several_requests_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);

		for (size_t j = 0; j < 4; j++) {
			struct owamp_request request = machine_request(true, false, machine_sids[j]);

			request.packets = (uint32_t)j + 1;
			wire_put_request(wire, &request);
		}
		machine_server_send(wire, server);
		for (size_t j = 0; j < 4; j++) {
			struct owamp_control_server_event event =
				machine_server_event(server, OWAMP_SERVER_REQUEST);

			assert_int_equal(event.request->packets, j + 1);
			machine_server_assert_idle(server);
			assert_int_equal(
				owamp_control_server_accept_session(server, 0, (uint16_t)j, machine_sids[j]),
				0);
		}
		machine_server_drain(wire, server);
		for (size_t j = 0; j < 4; j++)
			wire_get_accept_session(wire, 0, (uint16_t)j, machine_sids[j]);
		finish(wire, server);
	}
}

static void answer(struct owamp_control_server *server, const struct owamp_control_server_event *event)
{
	struct owamp_request request = machine_request(false, true, machine_sids[0]);
	int result = -1;

	if (event->type == OWAMP_SERVER_REQUEST) {
		machine_assert_request(event->request, &request);
		result = owamp_control_server_accept_session(server, 0, 7, machine_sids[0]);
	} else if (event->type == OWAMP_SERVER_START) {
		result = owamp_control_server_start_ack(server, 0);
	} else if (event->type == OWAMP_SERVER_STOP) {
		assert_int_equal(event->session_count, 1);
		assert_int_equal(event->sessions[0].skips[1].last, 6);
		result = owamp_control_server_stop(server, 0, NULL, 0);
	} else if (event->type == OWAMP_SERVER_FETCH) {
		assert_int_equal(event->begin_seq, 1);
		assert_int_equal(event->end_seq, 2);
		assert_memory_equal(event->sid, machine_sids[3], 16);
		result = owamp_control_server_fetch_refuse(server, 1);
	}
	assert_int_equal(result, 0);
}

static void feed_in_pieces(struct wire *wire, size_t piece)
{
	static const struct owamp_skip_range skips[] = {{3, 4}, {6, 6}};
	static const int types[] = {OWAMP_SERVER_REQUEST, OWAMP_SERVER_START, OWAMP_SERVER_STOP,
				    OWAMP_SERVER_FETCH};
	const struct owamp_stop_session theirs[] = {stopped(0, 100, skips, 2)};
	struct owamp_request request = machine_request(false, true, machine_sids[0]);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_control_server_event event;
	size_t events = 0;

	wire_put_request(wire, &request);
	wire_put_start(wire);
	wire_put_stop(wire, 0, theirs, 1);
	wire_put_fetch(wire, machine_sids[3], 1, 2);
	wire_seal(wire);
	for (size_t at = 0; at < wire->out_size; at += piece) {
		size_t size = wire->out_size - at < piece ? wire->out_size - at : piece;

		assert_int_equal(owamp_control_server_input(server, wire->out + at, size), 0);
		while (owamp_control_server_poll(server, &event) == 1) {
			assert_true(events < 4);
			assert_int_equal(event.type, types[events++]);
			answer(server, &event);
		}
	}
	assert_int_equal(events, 4);
	machine_server_drain(wire, server);
	wire_get_accept_session(wire, 0, 7, machine_sids[0]);
	wire_get_zeros(wire, 16);
	wire_get_hmac(wire);
	wire_get_stop(wire, 0, NULL, 0);
	assert_int_equal(wire_get(wire, 1), 1);
	wire_get_zeros(wire, 15);
	wire_get_hmac(wire);
	finish(wire, server);
}

/* The same octets in any cut give the same events and the same answers. */
static void test_octet_by_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t piece = 1; piece < 40; piece += 6)
			feed_in_pieces(wire_new(modes[i]), piece);
		feed_in_pieces(wire_new(modes[i]), 10000);
	}
}

static void test_answers_without_a_question(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_request request = machine_request(true, false, machine_sids[0]);
	const uint8_t record[OWAMP_RECORD_SIZE] = {0};
	size_t size;

	assert_int_equal(owamp_control_server_accept(server), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_refuse(server, 1), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_accept_session(server, 0, 1, machine_sids[0]), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_start_ack(server, 0), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_stop(server, 0, NULL, 0), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_fetch_refuse(server, 1), OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_fetch_begin(server, &request, true, 1, NULL, 0, 0),
			 OWAMP_ESTATE);
	assert_int_equal(owamp_control_server_fetch_records(server, record, 1), OWAMP_ESTATE);
	owamp_control_server_output(server, &size);
	assert_int_equal(size, 0);
	machine_server_accept(wire, server, true, false, machine_sids[0]);
	finish(wire, server);
}

/* Our own Stop-Sessions is held to the same rule. */
static void test_own_stop_must_account(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);
	const struct owamp_stop_session good[] = {stopped(1, 3, NULL, 0), stopped(0, 3, NULL, 0)};
	const struct owamp_stop_session twice[] = {stopped(0, 3, NULL, 0), stopped(0, 3, NULL, 0)};
	const struct owamp_stop_session other[] = {stopped(0, 3, NULL, 0), stopped(2, 3, NULL, 0)};
	size_t size;

	machine_server_accept(wire, server, true, false, machine_sids[0]);
	machine_server_accept(wire, server, true, false, machine_sids[1]);
	machine_server_accept(wire, server, false, true, machine_sids[2]);
	machine_server_start(wire, server);
	assert_int_equal(owamp_control_server_stop(server, 0, good, 1), OWAMP_EINVAL);
	assert_int_equal(owamp_control_server_stop(server, 0, twice, 2), OWAMP_EINVAL);
	assert_int_equal(owamp_control_server_stop(server, 0, other, 2), OWAMP_EINVAL);
	owamp_control_server_output(server, &size);
	assert_int_equal(size, 0);
	stop_and_check(wire, server, good, 2);
	finish(wire, server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_session),
		cmocka_unit_test(test_server_stops_first),
		cmocka_unit_test(test_several_rounds),
		cmocka_unit_test(test_both_ends_at_the_server),
		cmocka_unit_test(test_stop_with_an_accept_value),
		cmocka_unit_test(test_request_refused),
		cmocka_unit_test(test_start_refused),
		cmocka_unit_test(test_request_read_leniently),
		cmocka_unit_test(test_several_requests_at_once),
		cmocka_unit_test(test_octet_by_octet),
		cmocka_unit_test(test_answers_without_a_question),
		cmocka_unit_test(test_own_stop_must_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
