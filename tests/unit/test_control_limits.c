/* What the server machine refuses by itself, and is in step with its client afterwards. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
static const uint8_t no_sid[16];

static void finish(struct wire *wire, struct owamp_control_server *server)
{
	wire_assert_end(wire);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void get_refusal(struct wire *wire, struct owamp_control_server *server, uint8_t accept)
{
	assert_int_equal(machine_server_event(server, OWAMP_SERVER_REFUSED).accept, accept);
	assert_string_not_equal(owamp_control_server_reason(server), "");
	machine_server_assert_idle(server);
	machine_server_drain(wire, server);
	wire_get_accept_session(wire, accept, 0, no_sid);
	wire_assert_end(wire);
	assert_int_equal(owamp_control_server_input_size(server), 0);
}

static void test_too_many_slots(void **state)
{
	(void)state;
	struct owamp_slot slots[1000];

	for (size_t i = 0; i < 1000; i++)
		slots[i] = (struct owamp_slot){OWAMP_SLOT_FIXED, i};
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);
		struct owamp_request request = machine_request(true, false, machine_sids[0]);

		request.slots = slots;
		request.slot_count = LIMIT_SLOTS;
		wire_put_request(wire, &request);
		machine_server_send(wire, server);
		machine_assert_request(machine_server_event(server, OWAMP_SERVER_REQUEST).request, &request);
		assert_int_equal(owamp_control_server_accept_session(server, 3, 0, machine_sids[0]), 0);
		machine_server_drain(wire, server);
		wire_get_accept_session(wire, 3, 0, no_sid);
		for (request.slot_count = LIMIT_SLOTS + 1; request.slot_count <= 1000;
		     request.slot_count += 991) {
			wire_put_request(wire, &request);
			machine_server_send(wire, server);
			get_refusal(wire, server, OWAMP_ACCEPT_PERMANENT_RESOURCES);
		}
		/* The stream is still in step. */
		machine_server_accept(wire, server, true, false, machine_sids[0]);
		machine_server_start(wire, server);
		finish(wire, server);
	}
}

/* The slots that are not wanted are not kept while they come. */
static void test_four_billion_slots(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_request request = machine_request(true, false, machine_sids[0]);
	static const uint8_t slots[16384];

	request.slot_count = 0;
	wire_put_request(wire, &request);
	ref_put(wire->out + 4, UINT32_MAX, 4);
	wire->out_size -= 16;
	machine_server_send(wire, server);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(owamp_control_server_input(server, slots, sizeof(slots)), 0);
		machine_server_assert_idle(server);
		assert_true(owamp_control_server_input_size(server) < 16);
	}
	owamp_control_server_free(server);
	wire_free(wire);
}

/* The schedule is not the machine's business; both HMACs are there. */
static void test_no_slots(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);
		struct owamp_request request = machine_request(true, false, machine_sids[0]);

		request.slot_count = 0;
		wire_put_request(wire, &request);
		machine_server_send(wire, server);
		machine_assert_request(machine_server_event(server, OWAMP_SERVER_REQUEST).request, &request);
		assert_int_equal(owamp_control_server_accept_session(server, 3, 0, no_sid), 0);
		machine_server_drain(wire, server);
		wire_get_accept_session(wire, 3, 0, no_sid);
		machine_server_accept(wire, server, true, false, machine_sids[0]);
		finish(wire, server);
	}
}

static void test_too_many_sessions(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_stop_session ours[LIMIT_SESSIONS];
	uint8_t sid[16] = {0};

	for (uint8_t i = 0; i < LIMIT_SESSIONS; i++) {
		sid[0] = i;
		machine_server_accept(wire, server, true, false, sid);
		memcpy(ours[i].sid, sid, 16);
		ours[i].next_seq = i;
		ours[i].skip_count = 0;
	}

	struct owamp_request request = machine_request(true, false, machine_sids[0]);

	wire_put_request(wire, &request);
	machine_server_send(wire, server);
	/* Temporary: they end. */
	get_refusal(wire, server, OWAMP_ACCEPT_TEMPORARY_RESOURCES);
	machine_server_start(wire, server);
	assert_int_equal(owamp_control_server_stop(server, 0, ours, LIMIT_SESSIONS), 0);
	machine_server_drain(wire, server);
	wire_get_stop(wire, 0, ours, LIMIT_SESSIONS);
	wire_put_stop(wire, 0, NULL, 0);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_STOP);
	machine_server_accept(wire, server, true, false, machine_sids[0]);
	finish(wire, server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_many_slots),
		cmocka_unit_test(test_four_billion_slots),
		cmocka_unit_test(test_no_slots),
		cmocka_unit_test(test_too_many_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
