/* Servers that break RFC 4656 section 3, or whose octets were changed on the way. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

static struct owamp_stop_session stopped(size_t sid, uint32_t next_seq, const struct owamp_skip_range *skips,
					 uint32_t skip_count)
{
	struct owamp_stop_session session = {.next_seq = next_seq, .skips = skips, .skip_count = skip_count};

	memcpy(session.sid, machine_sids[sid], 16);
	return session;
}

static void fill_skips(struct owamp_skip_range *skips, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		skips[i] = (struct owamp_skip_range){3 * i, 3 * i + 1};
}

/* The server's messages, tried on the client in the same way. */
static struct owamp_control_client *client_at(struct wire *wire, int stage)
{
	static const struct owamp_skip_range skips[] = {{1, 2}};
	struct owamp_request request = machine_request(true, false, machine_sids[0]);
	struct owamp_control_client *client = machine_client(wire);

	if (stage == 0)
		assert_int_equal(owamp_control_client_request(client, &request), 0);
	else
		machine_client_accept(wire, client, true, false, machine_sids[0]);
	if (stage == 1)
		assert_int_equal(owamp_control_client_start(client), 0);
	else if (stage > 1)
		machine_client_start(wire, client);
	if (stage == 0)
		wire_put_accept_session(wire, 0, 7, machine_sids[0]);
	else if (stage == 1)
		wire_put_start_ack(wire, 0);
	else
		wire_put_stop(wire, 0, (struct owamp_stop_session[]){stopped(0, 9, skips, 1)}, 1);
	wire_seal(wire);
	return client;
}

static void test_client_corrupt_octets(void **state)
{
	(void)state;
	static const size_t sizes[] = {48, 32, 16 + 32 + 16};

	for (size_t i = 1; i < 3; i++) {
		for (int stage = 0; stage < 3; stage++) {
			for (size_t at = 0; at < sizes[stage]; at++) {
				struct wire *wire = wire_new(modes[i]);
				struct owamp_control_client *client = client_at(wire, stage);
				struct owamp_control_client_event event;
				int result;

				assert_int_equal(wire->out_size, sizes[stage]);
				wire->out[at] ^= (uint8_t)(0x80 >> at % 8);
				owamp_control_client_input(client, wire->out, wire->out_size);
				result = owamp_control_client_poll(client, &event);
				assert_true(result <= 0);
				if (stage < 2 || at >= sizes[stage] - 16)
					assert_int_equal(result, OWAMP_EAUTH);
				owamp_control_client_free(client);
				wire_free(wire);
			}
		}
	}
}

/* Server-Start's own block has no HMAC; the next message's covers it. */
static void test_client_corrupt_server_start(void **state)
{
	(void)state;
	for (size_t at = 32; at < 48; at++) {
		struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
		struct owamp_control_client *client = machine_client_new();
		struct owamp_request request = machine_request(true, false, machine_sids[0]);

		machine_put_greeting(wire, OWAMP_MODE_MASK);
		machine_client_send(wire, client);
		machine_client_event(client, OWAMP_CLIENT_GREETING);
		assert_int_equal(owamp_control_client_setup(client, OWAMP_MODE_ENCRYPTED, "a", wire_key,
							    &wire_keys, wire_client_iv),
				 0);
		machine_put_server_start(wire, 0);
		wire_put_accept_session(wire, 0, 7, machine_sids[0]);
		wire_seal(wire);
		/* Changed in plain text: in cipher text the next message would be garbled as well. */
		memcpy(wire->write_iv, wire_server_iv, 16);
		ref_aes_cbc_decrypt(wire_keys.aes, wire->write_iv, wire->out + 32, 64);
		wire->out[at] ^= 1;
		memcpy(wire->write_iv, wire_server_iv, 16);
		ref_aes_cbc_encrypt(wire_keys.aes, wire->write_iv, wire->out + 32, 64);
		assert_int_equal(owamp_control_client_input(client, wire->out, 48), 0);
		machine_client_event(client, OWAMP_CLIENT_SETUP_DONE);
		assert_int_equal(owamp_control_client_request(client, &request), 0);
		assert_int_equal(owamp_control_client_input(client, wire->out + 48, 48), 0);
		machine_client_assert_fails(client, OWAMP_EAUTH);
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

static int client_result_of_stop(const struct owamp_stop_session *sessions, size_t count)
{
	struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
	struct owamp_control_client *client = machine_client(wire);
	struct owamp_control_client_event event;
	int result;

	machine_client_accept(wire, client, true, false, machine_sids[0]);
	machine_client_accept(wire, client, false, true, machine_sids[1]);
	machine_client_start(wire, client);
	wire_put_stop(wire, 0, sessions, count);
	machine_client_send(wire, client);
	result = owamp_control_client_poll(client, &event);
	owamp_control_client_free(client);
	wire_free(wire);
	return result;
}

static void test_client_stop_must_account(void **state)
{
	(void)state;
	static const struct owamp_skip_range unordered[] = {{3, 4}, {1, 2}};
	const struct owamp_stop_session good = stopped(0, 5, NULL, 0);
	const struct owamp_stop_session own = stopped(1, 5, NULL, 0);

	assert_int_equal(client_result_of_stop(&good, 1), 1);
	assert_int_equal(client_result_of_stop(NULL, 0), OWAMP_EPROTO);
	assert_int_equal(client_result_of_stop(&own, 1), OWAMP_EPROTO);
	assert_int_equal(client_result_of_stop((struct owamp_stop_session[]){good, own}, 2), OWAMP_EPROTO);
	assert_int_equal(client_result_of_stop((struct owamp_stop_session[]){good, good}, 2), OWAMP_EPROTO);
	assert_int_equal(client_result_of_stop((struct owamp_stop_session[]){stopped(0, 9, unordered, 2)}, 1),
			 OWAMP_EPROTO);
}

static void test_client_too_many_skip_ranges(void **state)
{
	(void)state;
	struct owamp_skip_range many[LIMIT_SKIPS + 1] = {0};
	struct owamp_stop_session session = stopped(0, 99, many, LIMIT_SKIPS);

	fill_skips(many, LIMIT_SKIPS + 1);
	assert_int_equal(client_result_of_stop(&session, 1), 1);
	session.skip_count++;
	assert_int_equal(client_result_of_stop(&session, 1), OWAMP_ELIMIT);
}

/* Answers that nobody asked for. */
static void test_client_unasked_messages(void **state)
{
	(void)state;
	for (int message = 0; message < 3; message++) {
		struct wire *wire = wire_new(OWAMP_MODE_OPEN);
		struct owamp_control_client *client = machine_client(wire);
		struct owamp_control_client_event event;

		if (message == 0)
			wire_put_accept_session(wire, 0, 7, machine_sids[0]);
		else if (message == 1)
			wire_put_start_ack(wire, 0);
		else
			wire_put_stop(wire, 0, NULL, 0);
		wire_seal(wire);
		owamp_control_client_input(client, wire->out, wire->out_size);
		assert_true(owamp_control_client_poll(client, &event) < 0);
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

static void test_client_greeting_after_greeting(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_client *client = machine_client_new();

	machine_put_greeting(wire, OWAMP_MODE_MASK);
	machine_put_server_start(wire, 0);
	machine_client_send(wire, client);
	machine_client_event(client, OWAMP_CLIENT_GREETING);
	/* Kept until the own Set-Up-Response is out, or refused: never taken for an answer before. */
	machine_client_assert_idle(client);
	owamp_control_client_free(client);
	wire_free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_corrupt_octets),
		cmocka_unit_test(test_client_corrupt_server_start),
		cmocka_unit_test(test_client_stop_must_account),
		cmocka_unit_test(test_client_too_many_skip_ranges),
		cmocka_unit_test(test_client_unasked_messages),
		cmocka_unit_test(test_client_greeting_after_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
