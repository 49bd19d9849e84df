#include "control_machine.h"

const uint8_t machine_sids[4][16] = {
	{0xd0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xd0},
	{0xd1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xd1},
	{0xd2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xd2},
	{0xd3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xd3},
};

static struct owamp_slot request_slots[] = {
	{OWAMP_SLOT_EXPONENTIAL, 0x0000000019999999},
	{OWAMP_SLOT_FIXED, 0x0102030405060708},
	{OWAMP_SLOT_FIXED, 0},
};

struct owamp_request machine_request(bool conf_sender, bool conf_receiver, const uint8_t sid[16])
{
	struct owamp_request request = {
		.ipvn = 6,
		.conf_sender = conf_sender,
		.conf_receiver = conf_receiver,
		.packets = 0x01020304,
		.sender_port = 0x1112,
		.receiver_port = 0x2122,
		.padding = 0x31323334,
		.start = 0xe4a1b2c3d4e5f607,
		.timeout = 0x0000000280000001,
		.type_p = 0x2e000000,
		.slot_count = 3,
		.slots = request_slots,
	};

	for (uint8_t i = 0; i < 16; i++) {
		request.sender_address[i] = (uint8_t)(0x40 + i);
		request.receiver_address[i] = (uint8_t)(0x80 + i);
	}
	memcpy(request.sid, sid, 16);
	return request;
}

void machine_assert_request(const struct owamp_request *got, const struct owamp_request *expected)
{
	assert_int_equal(got->ipvn, expected->ipvn);
	assert_int_equal(got->conf_sender, expected->conf_sender);
	assert_int_equal(got->conf_receiver, expected->conf_receiver);
	assert_int_equal(got->packets, expected->packets);
	assert_int_equal(got->sender_port, expected->sender_port);
	assert_int_equal(got->receiver_port, expected->receiver_port);
	assert_memory_equal(got->sender_address, expected->sender_address, 16);
	assert_memory_equal(got->receiver_address, expected->receiver_address, 16);
	assert_memory_equal(got->sid, expected->sid, 16);
	assert_int_equal(got->padding, expected->padding);
	assert_int_equal(got->start, expected->start);
	assert_int_equal(got->timeout, expected->timeout);
	assert_int_equal(got->type_p, expected->type_p);
	assert_int_equal(got->slot_count, expected->slot_count);
	for (uint32_t i = 0; i < expected->slot_count; i++) {
		assert_int_equal(got->slots[i].type, expected->slots[i].type);
		assert_int_equal(got->slots[i].interval, expected->slots[i].interval);
	}
}

struct owamp_control_server *machine_server_new(uint32_t modes)
{
	struct owamp_control_server_config config = {
		.modes = modes,
		.pbkdf2_count = WIRE_COUNT,
		.start_time = WIRE_START_TIME,
		.slots_max = LIMIT_SLOTS,
		.skips_max = LIMIT_SKIPS,
		.sessions_max = LIMIT_SESSIONS,
	};
	struct owamp_control_server *server;

	memcpy(config.challenge, wire_challenge, 16);
	memcpy(config.salt, wire_salt, 16);
	memcpy(config.server_iv, wire_server_iv, 16);
	assert_int_equal(owamp_control_server_new(&server, &config), 0);
	return server;
}

void machine_server_drain(struct wire *wire, struct owamp_control_server *server)
{
	uint8_t collected[4096];
	size_t total = 0;
	size_t size;

	for (;;) {
		const uint8_t *octets = owamp_control_server_output(server, &size);

		if (size == 0)
			break;
		if (size > 37)
			size = 37;
		assert_true(total + size <= sizeof(collected));
		memcpy(collected + total, octets, size);
		total += size;
		owamp_control_server_sent(server, size);
	}
	wire_receive(wire, collected, total);
}

void machine_server_send(struct wire *wire, struct owamp_control_server *server)
{
	wire_seal(wire);
	assert_int_equal(owamp_control_server_input(server, wire->out, wire->out_size), 0);
	wire_clear(wire);
}

struct owamp_control_server_event machine_server_event(struct owamp_control_server *server,
						       enum owamp_control_server_event_type type)
{
	struct owamp_control_server_event event;

	memset(&event, 0, sizeof(event));
	assert_int_equal(owamp_control_server_poll(server, &event), 1);
	assert_int_equal(event.type, type);
	return event;
}

void machine_server_assert_idle(struct owamp_control_server *server)
{
	struct owamp_control_server_event event;

	assert_int_equal(owamp_control_server_poll(server, &event), 0);
}

/* And stays so; input can do no more harm. */
void machine_server_assert_fails(struct owamp_control_server *server, int error)
{
	struct owamp_control_server_event event;

	assert_int_equal(owamp_control_server_poll(server, &event), error);
	assert_string_not_equal(owamp_control_server_reason(server), "");
	assert_true(owamp_control_server_poll(server, &event) < 0);
}

static void get_greeting(struct wire *wire, uint32_t modes)
{
	wire_get_zeros(wire, 12);
	assert_int_equal(wire_get(wire, 4), modes);
	assert_memory_equal(wire_get_octets(wire, 16), wire_challenge, 16);
	assert_memory_equal(wire_get_octets(wire, 16), wire_salt, 16);
	assert_int_equal(wire_get(wire, 4), WIRE_COUNT);
	wire_get_zeros(wire, 12);
	wire_assert_end(wire);
	wire_get_uncovered(wire);
}

/* The IV ends the clear part; the cipher starts with the block after it. */
static void get_server_start(struct wire *wire)
{
	uint8_t rest[16];

	wire_get_zeros(wire, 15);
	assert_int_equal(wire_get(wire, 1), 0);
	if (wire->mode != OWAMP_MODE_OPEN) {
		assert_memory_equal(wire_get_octets(wire, 16), wire_server_iv, 16);
		memcpy(wire->read_iv, wire_server_iv, 16);
		memcpy(wire->write_iv, wire_client_iv, 16);
		memcpy(rest, wire_get_octets(wire, 16), 16);
		wire_assert_end(wire);
		wire->encrypting = true;
		wire_receive(wire, rest, 16);
	} else {
		wire_get_octets(wire, 16);
	}
	wire_get_uncovered(wire);
	assert_int_equal(wire_get(wire, 8), WIRE_START_TIME);
	wire_get_zeros(wire, 8);
	wire_assert_end(wire);
}

struct owamp_control_server *machine_server(struct wire *wire)
{
	struct owamp_control_server *server = machine_server_new(OWAMP_MODE_MASK);
	struct owamp_control_server_event event;

	machine_server_drain(wire, server);
	get_greeting(wire, OWAMP_MODE_MASK);
	machine_server_assert_idle(server);
	wire_put_setup(wire, wire->mode, "alice", 5);
	machine_server_send(wire, server);
	event = machine_server_event(server, OWAMP_SERVER_SETUP);
	assert_int_equal(event.mode, wire->mode);
	if (wire->mode == OWAMP_MODE_OPEN) {
		assert_int_equal(owamp_control_server_accept(server), 0);
		assert_null(owamp_control_server_keys(server));
	} else {
		assert_string_equal(event.key_id, "alice");
		assert_null(owamp_control_server_keys(server));
		assert_int_equal(owamp_control_server_authenticate(server, wire_key), 0);
		assert_memory_equal(owamp_control_server_keys(server), &wire_keys, sizeof(wire_keys));
	}
	machine_server_drain(wire, server);
	get_server_start(wire);
	machine_server_assert_idle(server);
	assert_string_equal(owamp_control_server_reason(server), "");
	return server;
}

void machine_server_accept(struct wire *wire, struct owamp_control_server *server, bool conf_sender,
			   bool conf_receiver, const uint8_t sid[16])
{
	struct owamp_request request = machine_request(conf_sender, conf_receiver, sid);
	struct owamp_control_server_event event;

	wire_put_request(wire, &request);
	machine_server_send(wire, server);
	event = machine_server_event(server, OWAMP_SERVER_REQUEST);
	machine_assert_request(event.request, &request);
	assert_int_equal(owamp_control_server_accept_session(server, 0, 0x5152, sid), 0);
	machine_server_drain(wire, server);
	wire_get_accept_session(wire, 0, 0x5152, sid);
	wire_assert_end(wire);
}

void machine_server_start(struct wire *wire, struct owamp_control_server *server)
{
	wire_put_start(wire);
	machine_server_send(wire, server);
	machine_server_event(server, OWAMP_SERVER_START);
	assert_false(owamp_control_server_active(server));
	assert_int_equal(owamp_control_server_start_ack(server, 0), 0);
	assert_true(owamp_control_server_active(server));
	machine_server_drain(wire, server);
	wire_get_zeros(wire, 16);
	wire_get_hmac(wire);
	wire_assert_end(wire);
}

struct owamp_control_client *machine_client_new(void)
{
	const struct owamp_control_client_config config = {.skips_max = LIMIT_SKIPS,
							   .slots_max = LIMIT_SLOTS};
	struct owamp_control_client *client;

	assert_int_equal(owamp_control_client_new(&client, &config), 0);
	return client;
}

void machine_client_drain(struct wire *wire, struct owamp_control_client *client)
{
	uint8_t collected[4096];
	size_t total = 0;
	size_t size;

	for (;;) {
		const uint8_t *octets = owamp_control_client_output(client, &size);

		if (size == 0)
			break;
		if (size > 37)
			size = 37;
		assert_true(total + size <= sizeof(collected));
		memcpy(collected + total, octets, size);
		total += size;
		owamp_control_client_sent(client, size);
	}
	wire_receive(wire, collected, total);
}

void machine_client_send(struct wire *wire, struct owamp_control_client *client)
{
	wire_seal(wire);
	assert_int_equal(owamp_control_client_input(client, wire->out, wire->out_size), 0);
	wire_clear(wire);
}

struct owamp_control_client_event machine_client_event(struct owamp_control_client *client,
						       enum owamp_control_client_event_type type)
{
	struct owamp_control_client_event event;

	memset(&event, 0, sizeof(event));
	assert_int_equal(owamp_control_client_poll(client, &event), 1);
	assert_int_equal(event.type, type);
	return event;
}

void machine_client_assert_idle(struct owamp_control_client *client)
{
	struct owamp_control_client_event event;

	assert_int_equal(owamp_control_client_poll(client, &event), 0);
}

void machine_client_assert_fails(struct owamp_control_client *client, int error)
{
	struct owamp_control_client_event event;

	assert_int_equal(owamp_control_client_poll(client, &event), error);
	assert_string_not_equal(owamp_control_client_reason(client), "");
	assert_true(owamp_control_client_poll(client, &event) < 0);
}

void machine_put_greeting(struct wire *wire, uint32_t modes)
{
	wire_put_zeros(wire, 12);
	wire_put(wire, modes, 4);
	wire_put_octets(wire, wire_challenge, 16);
	wire_put_octets(wire, wire_salt, 16);
	wire_put(wire, WIRE_COUNT, 4);
	wire_put_zeros(wire, 12);
	wire_put_uncovered(wire);
}

void machine_put_server_start(struct wire *wire, uint8_t accept)
{
	wire_put_zeros(wire, 15);
	wire_put(wire, accept, 1);
	wire_put_octets(wire, wire_server_iv, 16);
	wire_put_uncovered(wire);
	if (wire->mode != OWAMP_MODE_OPEN && accept == 0) {
		wire_seal(wire);
		memcpy(wire->write_iv, wire_server_iv, 16);
		memcpy(wire->read_iv, wire_client_iv, 16);
		wire->encrypting = true;
	}
	wire_put(wire, accept == 0 ? WIRE_START_TIME : 0, 8);
	wire_put_zeros(wire, 8);
}

/* Set-Up-Response, with the Token opened by hand. */
static void get_setup(struct wire *wire)
{
	uint8_t token[64];
	uint8_t iv[16] = {0};

	assert_int_equal(wire_get(wire, 4), wire->mode);
	if (wire->mode == OWAMP_MODE_OPEN) {
		wire_get_octets(wire, 160);
	} else {
		assert_memory_equal(wire_get_octets(wire, 5), "alice", 5);
		wire_get_zeros(wire, 75);
		memcpy(token, wire_get_octets(wire, 64), 64);
		ref_aes_cbc_decrypt(wire_key, iv, token, 64);
		assert_memory_equal(token, wire_challenge, 16);
		assert_memory_equal(token + 16, wire_keys.aes, 16);
		assert_memory_equal(token + 32, wire_keys.hmac, 32);
		assert_memory_equal(wire_get_octets(wire, 16), wire_client_iv, 16);
	}
	wire_assert_end(wire);
	wire_get_uncovered(wire);
}

struct owamp_control_client *machine_client(struct wire *wire)
{
	struct owamp_control_client *client = machine_client_new();
	struct owamp_control_client_event event;

	machine_put_greeting(wire, OWAMP_MODE_MASK);
	machine_client_send(wire, client);
	event = machine_client_event(client, OWAMP_CLIENT_GREETING);
	assert_int_equal(event.modes, OWAMP_MODE_MASK);
	assert_int_equal(event.pbkdf2_count, WIRE_COUNT);
	assert_memory_equal(event.salt, wire_salt, 16);
	assert_int_equal(
		owamp_control_client_setup(client, wire->mode, "alice", wire_key, &wire_keys, wire_client_iv),
		0);
	machine_client_drain(wire, client);
	get_setup(wire);
	machine_client_assert_idle(client);
	machine_put_server_start(wire, 0);
	machine_client_send(wire, client);
	event = machine_client_event(client, OWAMP_CLIENT_SETUP_DONE);
	assert_int_equal(event.accept, 0);
	assert_int_equal(event.server_start_time, WIRE_START_TIME);
	if (wire->mode == OWAMP_MODE_OPEN)
		assert_null(owamp_control_client_keys(client));
	else
		assert_memory_equal(owamp_control_client_keys(client), &wire_keys, sizeof(wire_keys));
	return client;
}

void machine_client_accept(struct wire *wire, struct owamp_control_client *client, bool conf_sender,
			   bool conf_receiver, const uint8_t sid[16])
{
	struct owamp_request request = machine_request(conf_sender, conf_receiver, sid);
	struct owamp_control_client_event event;

	assert_int_equal(owamp_control_client_request(client, &request), 0);
	machine_client_drain(wire, client);
	wire_get_request(wire, &request);
	wire_assert_end(wire);
	wire_put_accept_session(wire, 0, 0x5152, sid);
	machine_client_send(wire, client);
	event = machine_client_event(client, OWAMP_CLIENT_ACCEPT_SESSION);
	assert_int_equal(event.accept, 0);
	assert_int_equal(event.port, 0x5152);
	assert_memory_equal(event.sid, sid, 16);
}

void machine_client_start(struct wire *wire, struct owamp_control_client *client)
{
	assert_int_equal(owamp_control_client_start(client), 0);
	machine_client_drain(wire, client);
	assert_int_equal(wire_get(wire, 1), 2);
	wire_get_zeros(wire, 15);
	wire_get_hmac(wire);
	wire_assert_end(wire);
	wire_put_start_ack(wire, 0);
	machine_client_send(wire, client);
	assert_int_equal(machine_client_event(client, OWAMP_CLIENT_START_ACK).accept, 0);
}
