/* The client machine's connection set-up, RFC 4656 section 3.1. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

static void test_client_set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_client *client = machine_client(wire);

		owamp_control_client_free(client);
		wire_free(wire);
	}
	owamp_control_client_free(NULL);
}

static struct owamp_control_client *offered(struct wire *wire, uint32_t offer)
{
	struct owamp_control_client *client = machine_client_new();

	machine_client_assert_idle(client);
	machine_put_greeting(wire, offer);
	machine_client_send(wire, client);
	assert_int_equal(machine_client_event(client, OWAMP_CLIENT_GREETING).modes, offer);
	return client;
}

static void test_client_mode_not_offered(void **state)
{
	(void)state;
	static const uint32_t offers[] = {1, 2, 4, 3, 6, 0x80000000, 16, 0xfffffff8};

	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
		for (uint32_t mode = 0; mode < 33; mode++) {
			struct wire *wire = wire_new(mode);
			struct owamp_control_client *client = offered(wire, offers[i]);
			bool good = (mode == 1 || mode == 2 || mode == 4) && offers[i] & mode;
			int result = owamp_control_client_setup(client, mode, "alice", wire_key, &wire_keys,
								wire_client_iv);
			size_t size;

			assert_int_equal(result, good ? 0 : OWAMP_EMODE);
			owamp_control_client_output(client, &size);
			assert_int_equal(size, good ? 164 : 0);
			owamp_control_client_free(client);
			wire_free(wire);
		}
	}
}

static void test_client_is_turned_away(void **state)
{
	(void)state;
	struct wire *wire = wire_new(0);
	struct owamp_control_client *client = machine_client_new();

	machine_put_greeting(wire, 0);
	machine_client_send(wire, client);
	machine_client_assert_fails(client, OWAMP_EREFUSED);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_client_key_id_sizes(void **state)
{
	(void)state;
	char name[82];

	for (size_t size = 0; size <= 81; size++) {
		struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
		struct owamp_control_client *client = offered(wire, OWAMP_MODE_MASK);
		int result;

		memset(name, 'k', size);
		name[size] = '\0';
		result = owamp_control_client_setup(client, OWAMP_MODE_ENCRYPTED, name, wire_key, &wire_keys,
						    wire_client_iv);
		assert_int_equal(result, size >= 1 && size <= 80 ? 0 : OWAMP_EINVAL);
		if (result == 0) {
			machine_client_drain(wire, client);
			assert_int_equal(wire_get(wire, 4), OWAMP_MODE_ENCRYPTED);
			assert_memory_equal(wire_get_octets(wire, size), name, size);
			wire_get_zeros(wire, 80 - size);
		}
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

static void test_client_open_mode_tells_nothing(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = offered(wire, OWAMP_MODE_MASK);

	assert_int_equal(owamp_control_client_setup(client, OWAMP_MODE_OPEN, NULL, NULL, NULL, NULL), 0);
	machine_client_drain(wire, client);
	assert_int_equal(wire_get(wire, 4), 1);
	wire_get_zeros(wire, 160);
	wire_assert_end(wire);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_client_declines(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = offered(wire, OWAMP_MODE_ENCRYPTED);

	assert_int_equal(owamp_control_client_decline(client), 0);
	machine_client_drain(wire, client);
	assert_int_equal(wire_get(wire, 4), 0);
	wire_get_octets(wire, 160);
	wire_assert_end(wire);
	assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_client_is_refused(void **state)
{
	(void)state;
	static const uint8_t accepts[] = {1, 2, 3, 4, 5, 6, 200};

	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < sizeof(accepts); j++) {
			struct wire *wire = wire_new(modes[i]);
			struct owamp_control_client *client = offered(wire, OWAMP_MODE_MASK);
			struct owamp_control_client_event event;

			assert_int_equal(owamp_control_client_setup(client, modes[i], "alice", wire_key,
								    &wire_keys, wire_client_iv),
					 0);
			machine_put_server_start(wire, accepts[j]);
			machine_client_send(wire, client);
			event = machine_client_event(client, OWAMP_CLIENT_SETUP_DONE);
			assert_int_not_equal(event.accept, 0);
			assert_string_equal(owamp_accept_text(event.accept), owamp_accept_text(accepts[j]));
			assert_int_equal(event.server_start_time, 0);
			assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
			owamp_control_client_free(client);
			wire_free(wire);
		}
	}
}

/* MBZ fields are ignored: all ones in each of them. */
static void test_client_ignores_mbz(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client_new();

	machine_put_greeting(wire, OWAMP_MODE_OPEN);
	memset(wire->out, 0xff, 12);
	memset(wire->out + 52, 0xff, 12);
	machine_client_send(wire, client);
	machine_client_event(client, OWAMP_CLIENT_GREETING);
	assert_int_equal(owamp_control_client_setup(client, OWAMP_MODE_OPEN, NULL, NULL, NULL, NULL), 0);
	machine_put_server_start(wire, 0);
	memset(wire->out, 0xff, 15);
	memset(wire->out + 40, 0xff, 8);
	machine_client_send(wire, client);
	assert_int_equal(machine_client_event(client, OWAMP_CLIENT_SETUP_DONE).accept, 0);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_client_calls_before_set_up(void **state)
{
	(void)state;
	struct owamp_request request = machine_request(true, false, machine_sids[0]);
	struct owamp_control_client *client = machine_client_new();

	assert_int_equal(owamp_control_client_setup(client, 1, NULL, NULL, NULL, NULL), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_decline(client), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_request(client, &request), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_start(client), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_stop(client, 0, NULL, 0), OWAMP_ESTATE);
	assert_int_equal(owamp_control_client_fetch(client, machine_sids[0], 0, UINT32_MAX), OWAMP_ESTATE);
	assert_null(owamp_control_client_keys(client));
	owamp_control_client_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_set_up),
		cmocka_unit_test(test_client_mode_not_offered),
		cmocka_unit_test(test_client_is_turned_away),
		cmocka_unit_test(test_client_key_id_sizes),
		cmocka_unit_test(test_client_open_mode_tells_nothing),
		cmocka_unit_test(test_client_declines),
		cmocka_unit_test(test_client_is_refused),
		cmocka_unit_test(test_client_ignores_mbz),
		cmocka_unit_test(test_client_calls_before_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
