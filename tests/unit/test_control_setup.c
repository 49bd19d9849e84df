/* The server machine's connection set-up, RFC 4656 section 3.1. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

/* Server-Start with a non-zero Accept is in clear, its Start-Time zero. */
static uint8_t get_refusal(struct wire *wire)
{
	uint8_t accept;

	wire_get_zeros(wire, 15);
	accept = (uint8_t)wire_get(wire, 1);
	wire_get_octets(wire, 16);
	wire_get_zeros(wire, 16);
	wire_assert_end(wire);
	assert_int_not_equal(accept, 0);
	return accept;
}

static struct owamp_control_server *greeted(struct wire *wire, uint32_t offered)
{
	struct owamp_control_server *server = machine_server_new(offered);

	machine_server_drain(wire, server);
	assert_int_equal(ref_get(wire_get_octets(wire, 64) + 12, 4), offered);
	wire_get_uncovered(wire);
	return server;
}

static void test_server_set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);

		assert_false(owamp_control_server_active(server));
		owamp_control_server_free(server);
		wire_free(wire);
	}
	owamp_control_server_free(NULL);
}

/* The peer picks what was not offered: no event, a refusal, the end. */
static void assert_mode_refused(uint32_t offered, uint32_t chosen)
{
	struct wire *wire = wire_new(chosen);
	struct owamp_control_server *server = greeted(wire, offered);
	struct owamp_control_server_event event;

	wire_put_setup(wire, chosen, "alice", 5);
	machine_server_send(wire, server);
	assert_true(owamp_control_server_poll(server, &event) < 0);
	assert_string_not_equal(owamp_control_server_reason(server), "");
	machine_server_drain(wire, server);
	get_refusal(wire);
	assert_null(owamp_control_server_keys(server));
	assert_true(owamp_control_server_accept(server) < 0);
	assert_true(owamp_control_server_authenticate(server, wire_key) < 0);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_mode_not_offered(void **state)
{
	(void)state;
	for (uint32_t offered = 1; offered < 8; offered++)
		for (size_t i = 0; i < 3; i++)
			if (!(offered & modes[i]))
				assert_mode_refused(offered, modes[i]);
}

static void test_server_several_mode_bits(void **state)
{
	(void)state;
	for (uint32_t chosen = 3; chosen < 8; chosen++)
		if (chosen != 4)
			assert_mode_refused(OWAMP_MODE_MASK, chosen);
}

/* The key would come from elsewhere: not a bit to be ignored (RFC 7717). */
static void test_server_ikev2_not_offered(void **state)
{
	(void)state;
	assert_mode_refused(OWAMP_MODE_MASK, OWAMP_MODE_IKEV2_DERIVED | OWAMP_MODE_AUTHENTICATED);
	assert_mode_refused(OWAMP_MODE_MASK, OWAMP_MODE_IKEV2_DERIVED | OWAMP_MODE_ENCRYPTED);
}

static void test_server_ignores_unknown_bits(void **state)
{
	(void)state;
	for (uint32_t bit = 0x80000000; bit > 16; bit >>= 1) {
		struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);

		wire_put_setup(wire, bit | OWAMP_MODE_ENCRYPTED, "alice", 5);
		machine_server_send(wire, server);
		assert_int_equal(machine_server_event(server, OWAMP_SERVER_SETUP).mode, OWAMP_MODE_ENCRYPTED);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

static void test_server_peer_declines(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
	struct owamp_control_server_event event;

	wire_put_setup(wire, 0, "", 0);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_DECLINED);
	wire_put_start(wire);
	wire_seal(wire);
	owamp_control_server_input(server, wire->out, wire->out_size);
	assert_true(owamp_control_server_poll(server, &event) <= 0);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_turns_all_away(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_OPEN);
	struct owamp_control_server *server = greeted(wire, 0);
	struct owamp_control_server_event event;

	wire_put_setup(wire, OWAMP_MODE_OPEN, "", 0);
	wire_seal(wire);
	owamp_control_server_input(server, wire->out, wire->out_size);
	assert_true(owamp_control_server_poll(server, &event) < 0);
	owamp_control_server_free(server);
	wire_free(wire);
}

static void test_server_wrong_passphrase(void **state)
{
	(void)state;
	for (size_t i = 1; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
		uint8_t key[16];

		memcpy(key, wire_key, 16);
		key[15] ^= 1;
		wire_put_setup(wire, modes[i], "alice", 5);
		machine_server_send(wire, server);
		machine_server_event(server, OWAMP_SERVER_SETUP);
		assert_int_equal(owamp_control_server_authenticate(server, key), OWAMP_EAUTH);
		assert_null(owamp_control_server_keys(server));
		machine_server_drain(wire, server);
		assert_int_equal(get_refusal(wire), OWAMP_ACCEPT_FAILURE);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

/* The Token of a client that saw another challenge, by one bit in any octet. */
static void test_server_another_challenge(void **state)
{
	(void)state;
	for (size_t at = 0; at < 16; at++) {
		struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
		uint8_t *token = wire->out + 84;
		uint8_t iv[16] = {0};

		wire_put_setup(wire, OWAMP_MODE_AUTHENTICATED, "alice", 5);
		ref_aes_cbc_decrypt(wire_key, iv, token, 64);
		token[at] ^= 1;
		memset(iv, 0, 16);
		ref_aes_cbc_encrypt(wire_key, iv, token, 64);
		machine_server_send(wire, server);
		machine_server_event(server, OWAMP_SERVER_SETUP);
		assert_int_equal(owamp_control_server_authenticate(server, wire_key), OWAMP_EAUTH);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

static void test_server_caller_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
		struct owamp_control_server_event event;

		wire_put_setup(wire, modes[i], "alice", 5);
		machine_server_send(wire, server);
		machine_server_event(server, OWAMP_SERVER_SETUP);
		machine_server_assert_idle(server);
		assert_int_equal(owamp_control_server_refuse(server, 5), 0);
		machine_server_drain(wire, server);
		assert_int_equal(get_refusal(wire), 5);
		wire_put_start(wire);
		wire_seal(wire);
		owamp_control_server_input(server, wire->out, wire->out_size);
		assert_true(owamp_control_server_poll(server, &event) <= 0);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

/* A client that knows its keys need not wait for Server-Start to send commands. */
static void test_server_commands_in_the_same_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
		struct owamp_request request = machine_request(true, false, machine_sids[0]);

		wire_put_setup(wire, modes[i], "alice", 5);
		wire_seal(wire);
		wire->encrypting = modes[i] != OWAMP_MODE_OPEN;
		memcpy(wire->write_iv, wire_client_iv, 16);
		wire_put_request(wire, &request);
		wire_put_fetch(wire, machine_sids[0], 1, 2);
		machine_server_send(wire, server);
		machine_server_event(server, OWAMP_SERVER_SETUP);
		machine_server_assert_idle(server);
		if (modes[i] == OWAMP_MODE_OPEN)
			assert_int_equal(owamp_control_server_accept(server), 0);
		else
			assert_int_equal(owamp_control_server_authenticate(server, wire_key), 0);
		machine_assert_request(machine_server_event(server, OWAMP_SERVER_REQUEST).request, &request);
		assert_int_equal(owamp_control_server_accept_session(server, 1, 0, machine_sids[0]), 0);
		assert_int_equal(machine_server_event(server, OWAMP_SERVER_FETCH).end_seq, 2);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

/* accept() must not open the door to one who chose to authenticate. */
static void test_server_answers_fit_the_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);

		assert_int_equal(owamp_control_server_accept(server), OWAMP_ESTATE);
		assert_int_equal(owamp_control_server_authenticate(server, wire_key), OWAMP_ESTATE);
		wire_put_setup(wire, modes[i], "alice", 5);
		machine_server_send(wire, server);
		machine_server_event(server, OWAMP_SERVER_SETUP);
		if (modes[i] == OWAMP_MODE_OPEN)
			assert_int_equal(owamp_control_server_authenticate(server, wire_key), OWAMP_ESTATE);
		else
			assert_int_equal(owamp_control_server_accept(server), OWAMP_ESTATE);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

/* What the SETUP event says, or a negative code. */
static int key_id_event(uint32_t mode, const void *key_id, size_t size, char text[81])
{
	struct wire *wire = wire_new(mode);
	struct owamp_control_server *server = greeted(wire, OWAMP_MODE_MASK);
	struct owamp_control_server_event event;
	int result;

	memset(&event, 0x55, sizeof(event));
	wire_put_setup(wire, mode, key_id, size);
	machine_server_send(wire, server);
	result = owamp_control_server_poll(server, &event);
	if (result == 1)
		memcpy(text, event.key_id, 81);
	else
		assert_string_not_equal(owamp_control_server_reason(server), "");
	owamp_control_server_free(server);
	wire_free(wire);
	return result;
}

static void test_server_good_key_ids(void **state)
{
	(void)state;
	static const char *const good[] = {
		"a",
		"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		"J\xc3\xbcrgen",
		"\xe2\x82\xac",
		"\xf0\x9f\x95\x93",
		"\xed\x9f\xbf\xee\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"two words",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[81];

		assert_int_equal(key_id_event(OWAMP_MODE_AUTHENTICATED, good[i], strlen(good[i]), text), 1);
		assert_non_null(memchr(text, '\0', sizeof(text)));
		assert_string_equal(text, good[i]);
	}
}

static void test_server_bad_key_ids(void **state)
{
	(void)state;
	static const struct {
		const char *octets;
		size_t size;
	} bad[] = {
		{"alice\0x", 7}, /* goes on after its padding began */
		{"\0alice", 6},
		{"\x80", 1}, /* continuation without a start */
		{"\xc3", 1}, /* start without continuation */
		{"\xc3(", 2},
		{"\xc0\x80", 2},     /* overlong NUL */
		{"\xc1\xbf", 2},     /* overlong */
		{"\xe0\x80\xaf", 3}, /* overlong slash */
		{"\xe2\x82", 2},
		{"\xed\xa0\x80", 3},     /* surrogate */
		{"\xf0\x80\x80\xaf", 4}, /* overlong */
		{"\xf4\x90\x80\x80", 4}, /* beyond U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 5},
		{"\xff", 1},
	};
	char text[81];
	char full[80];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(key_id_event(OWAMP_MODE_ENCRYPTED, bad[i].octets, bad[i].size, text) < 0);
		/* Nobody looks at the KeyID in open mode. */
		assert_int_equal(key_id_event(OWAMP_MODE_OPEN, bad[i].octets, bad[i].size, text), 1);
	}
	/* A sequence cut off by the end of the field, and a NUL right before it. */
	memset(full, 'a', 80);
	full[79] = (char)0xc3;
	assert_true(key_id_event(OWAMP_MODE_ENCRYPTED, full, 80, text) < 0);
	memset(full, 'a', 80);
	full[78] = '\0';
	assert_true(key_id_event(OWAMP_MODE_ENCRYPTED, full, 80, text) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_set_up),
		cmocka_unit_test(test_server_mode_not_offered),
		cmocka_unit_test(test_server_several_mode_bits),
		cmocka_unit_test(test_server_ikev2_not_offered),
		cmocka_unit_test(test_server_ignores_unknown_bits),
		cmocka_unit_test(test_server_peer_declines),
		cmocka_unit_test(test_server_turns_all_away),
		cmocka_unit_test(test_server_wrong_passphrase),
		cmocka_unit_test(test_server_another_challenge),
		cmocka_unit_test(test_server_caller_refuses),
		cmocka_unit_test(test_server_commands_in_the_same_segment),
		cmocka_unit_test(test_server_answers_fit_the_mode),
		cmocka_unit_test(test_server_good_key_ids),
		cmocka_unit_test(test_server_bad_key_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
