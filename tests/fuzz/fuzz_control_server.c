/* The server machine against a client that says anything in any order, with the right keys or none. */
#include <assert.h>
#include <stdlib.h>

#include "owamp/error.h"
#include "server_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(void *context, const uint8_t *octets, size_t size)
{
	struct world *world = context;
	size_t before = owamp_control_server_input_size(world->server);
	int result = owamp_control_server_input(world->server, octets, size);

	assert(world->dead ? result == world->dead : result == 0);
	assert(owamp_control_server_input_size(world->server) == before + (world->dead ? 0 : size));
	if (!world->over)
		poll_all(world);
}

/* While an answer is owed there may be whole messages in the queue, and they are good. */
static bool queue_empty(struct world *world)
{
	poll_all(world);
	return world->owed == OWED_NOTHING;
}

static void deliver(struct world *world)
{
	world->foreign_setup |= !world->put_setup;
	if (world->peer.tamper_next)
		world->peer.tamper_next = queue_empty(world);
	peer_deliver(&world->peer, &world->in, feed, world);
}

static void put_setup(struct world *world, uint32_t mode, const uint8_t *key_id, size_t key_id_size,
		      bool good_token)
{
	struct wire_setup setup = {.mode = mode};
	uint8_t token[WIRE_TOKEN_SIZE], octets[WIRE_SETUP_SIZE];

	memcpy(setup.key_id, key_id, key_id_size);
	memcpy(setup.client_iv, peer_client_iv, sizeof(setup.client_iv));
	memcpy(token, world->config.challenge, 16);
	memcpy(token + 16, peer_keys.aes, sizeof(peer_keys.aes));
	memcpy(token + 32, peer_keys.hmac, sizeof(peer_keys.hmac));
	if (!good_token)
		input_fill(&world->in, token, 16);
	assert(crypto_cbc_once(CRYPTO_ENCRYPT, peer_key, token, setup.token, sizeof(token)) == 0);
	wire_setup_encode(&setup, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	/* Only the first of these can be the one that arrives. */
	world->foreign_setup |= world->put_setup || world->peer.tamper_next;
	world->put_setup = true;
	world->good_token = memcmp(token, world->config.challenge, 16) == 0;
}

static void say_setup(struct world *world)
{
	uint8_t how = input_u8(&world->in);
	uint32_t mode = how & 8U ? (uint32_t)input_uint(&world->in, 4) : 1U << (how & 7U) >> 1;
	uint8_t key_id[OWAMP_KEYID_SIZE] = "key";
	size_t key_id_size = 3;

	if (how & 16U) {
		key_id_size = input_u8(&world->in) % (sizeof(key_id) + 1);
		input_fill(&world->in, key_id, key_id_size);
	}
	put_setup(world, mode, key_id, key_id_size, !(how & 32U));
	deliver(world);
}

static void say_request(struct world *world)
{
	uint8_t how = input_u8(&world->in);
	uint8_t octets[WIRE_REQUEST_SIZE];
	struct owamp_request request;
	uint32_t slot_count;

	peer_make_request(&world->in, &request);
	/* Slots beyond the limit; now and then more than the input buffer keeps room for. */
	request.slot_count = how & 64U ? 4000U + how : how & 7U;
	slot_count = request.slot_count;
	if (how & 8U)
		request.slot_count = input_count(&world->in);
	wire_request_encode(&request, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	for (uint32_t i = 0; i < slot_count; i++) {
		uint8_t slot[WIRE_SLOT_SIZE] = {i & 1U};

		if (i < 8)
			input_fill(&world->in, slot + 8, 3);
		peer_put(&world->peer, slot, sizeof(slot));
	}
	if (!(how & 16U))
		peer_put_hmac(&world->peer);
	deliver(world);
}

static void say_start(struct world *world)
{
	const uint8_t octets[WIRE_SIMPLE_SIZE] = {WIRE_START_SESSIONS};

	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	deliver(world);
}

static void put_stop_session(struct world *world, const struct session *session)
{
	struct owamp_skip_range skips[SKIPS_MAX + 1];
	uint8_t octets[WIRE_STOP_SESSION_SIZE];
	uint8_t how = input_u8(&world->in);
	uint32_t next_seq = how & 1U ? input_count(&world->in) : session->packets;
	uint32_t skip_count = peer_make_skips(&world->in, skips, SKIPS_MAX + 1, next_seq);

	memcpy(octets, session->sid, OWAMP_SID_SIZE);
	if (how & 2U)
		peer_make_sid(&world->in, octets);
	if (how & 4U && skip_count > 0) {
		uint32_t i = input_u8(&world->in) % skip_count;

		skips[i].first += (uint32_t)(int8_t)input_u8(&world->in);
		skips[i].last += (uint32_t)(int8_t)input_u8(&world->in);
	}
	put_u32(octets + 16, next_seq);
	put_u32(octets + 20, how & 8U ? input_count(&world->in) : skip_count);
	peer_put(&world->peer, octets, sizeof(octets));
	for (uint32_t i = 0; i < skip_count; i++) {
		wire_skip_encode(&skips[i], octets);
		peer_put(&world->peer, octets, WIRE_SKIP_SIZE);
	}
	peer_put_pad(&world->peer, WIRE_STOP_SESSION_SIZE + (size_t)skip_count * WIRE_SKIP_SIZE);
}

static void say_stop(struct world *world)
{
	uint8_t how = input_u8(&world->in);
	uint8_t octets[WIRE_SIMPLE_SIZE] = {WIRE_STOP_SESSIONS, how & 1U};
	uint32_t count = (uint32_t)count_sessions(world, true);

	put_u32(octets + 4, how & 2U ? input_count(&world->in) : count);
	peer_put(&world->peer, octets, sizeof(octets));
	/* Of all sessions, not only those that the peer sends. */
	for (size_t i = 0; i < world->session_count; i++)
		if (world->sessions[i].peer_sends || how & 4U)
			put_stop_session(world, &world->sessions[i]);
	peer_put_hmac(&world->peer);
	deliver(world);
}

static void say_fetch(struct world *world)
{
	uint8_t octets[WIRE_FETCH_SIZE];
	struct wire_fetch fetch = {0};

	peer_make_sid(&world->in, fetch.sid);
	fetch.begin_seq = input_count(&world->in);
	fetch.end_seq = input_count(&world->in);
	wire_fetch_encode(&fetch, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	deliver(world);
}

/* Any octets as a message, or as part of one, or past the encryption. */
static void say_anything(struct world *world)
{
	uint8_t how = input_u8(&world->in), octets[256];
	size_t size = input_u8(&world->in);

	input_fill(&world->in, octets, size);
	world->foreign_setup = true;
	if (how & 1U && queue_empty(world)) {
		world->peer.tampered |= world->peer.secured && size > 0;
		feed(world, octets, size);
		return;
	}
	peer_put(&world->peer, octets, size);
	if (how & 2U)
		peer_put_pad(&world->peer, size);
	if (how & 4U)
		peer_put_hmac(&world->peer);
	deliver(world);
}

/* The server's own Stop-Sessions, at any time, with exactly its sessions or not. */
static void stop(struct world *world)
{
	static struct owamp_skip_range skips[SESSIONS_MAX][8];
	struct owamp_stop_session sessions[SESSIONS_MAX + 1] = {0};
	struct stop_list list = {0};
	size_t count = 0;
	uint8_t how = input_u8(&world->in);
	int result;

	for (size_t i = 0; i < world->session_count; i++) {
		const struct session *session = &world->sessions[i];

		if (session->peer_sends)
			continue;
		memcpy(sessions[count].sid, session->sid, OWAMP_SID_SIZE);
		sessions[count].next_seq = session->packets;
		sessions[count].skips = skips[count];
		sessions[count].skip_count = peer_make_skips(&world->in, skips[count], 8, session->packets);
		count++;
	}
	if (how & 2U && count > 0)
		sessions[count - 1].sid[0] ^= 0x80;
	if (how & 8U && count > 1)
		memcpy(sessions[1].sid, sessions[0].sid, OWAMP_SID_SIZE);
	result = owamp_control_server_stop(world->server, how & 1U, sessions, count + (how >> 2 & 1U));
	if (!world->active || world->stop_sent || world->dead) {
		assert(result == OWAMP_ESTATE);
		return;
	}
	if (how & 4U || (how & 2U && count > 0) || (how & 8U && count > 1)) {
		assert(result == OWAMP_EINVAL);
		return;
	}
	assert(result == 0);
	for (size_t i = 0; i < count; i++)
		assert(stop_list_add(&list, sessions[i].sid, sessions[i].next_seq, false) == 0);
	assert(stop_write(&world->peer.expected, &list, how & 1U, sessions, count) == 0);
	stop_list_free(&list);
	world->stop_sent = true;
	end_round(world);
}

/* Answers that nobody asked for. */
static void answer_wrongly(struct world *world)
{
	struct owamp_control_server *server = world->server;
	const uint8_t octets[OWAMP_RECORD_SIZE] = {0};

	if (world->owed != OWED_SETUP) {
		assert(owamp_control_server_accept(server) == OWAMP_ESTATE);
		assert(owamp_control_server_authenticate(server, octets) == OWAMP_ESTATE);
	}
	assert(world->owed == OWED_SETUP || owamp_control_server_refuse(server, 1) == OWAMP_ESTATE);
	assert(owamp_control_server_refuse(server, 0) == OWAMP_ESTATE);
	if (world->owed != OWED_REQUEST)
		assert(owamp_control_server_accept_session(server, 0, 1, octets) == OWAMP_ESTATE);
	assert(world->owed == OWED_START || owamp_control_server_start_ack(server, 0) == OWAMP_ESTATE);
	if (world->owed != OWED_FETCH) {
		assert(owamp_control_server_fetch_refuse(server, 1) == OWAMP_ESTATE);
		assert(owamp_control_server_fetch_begin(server, NULL, true, 1, NULL, 0, 1) == OWAMP_ESTATE);
	}
	assert(world->owed == OWED_RECORDS ||
	       owamp_control_server_fetch_records(server, octets, 1) == OWAMP_ESTATE);
}

static void step(struct world *world)
{
	switch (input_u8(&world->in) % 12) {
	case 0:
		say_setup(world);
		break;
	case 1:
		say_request(world);
		break;
	case 2:
		say_start(world);
		break;
	case 3:
		say_stop(world);
		break;
	case 4:
		say_fetch(world);
		break;
	case 5:
		say_anything(world);
		break;
	case 6:
		answer(world);
		break;
	case 7:
		stop(world);
		break;
	case 8:
		send_some(world);
		break;
	case 9:
		answer_wrongly(world);
		break;
	case 10:
		world->peer.tamper_next = true;
		break;
	case 11:
		poll_all(world);
		break;
	}
	if (!world->over)
		check_output(world);
}

static void make_config(struct world *world, uint8_t modes)
{
	world->config = (struct owamp_control_server_config){
		.modes = modes & (OWAMP_MODE_MASK | OWAMP_MODE_IKEV2_DERIVED),
		.pbkdf2_count = OWAMP_PBKDF2_COUNT_MIN,
		.challenge = {0xc0, 14, 15},
		.salt = {0x50, 16, 17},
		.start_time = UINT64_C(0xe4a1b2c3d4e5f607),
		.slots_max = 4,
		.skips_max = input_u8(&world->in) % SKIPS_MAX,
		.sessions_max = 1U + modes / 64U,
	};
	memcpy(world->config.server_iv, peer_server_iv, sizeof(peer_server_iv));
}

static void expect_greeting(struct world *world)
{
	struct wire_greeting greeting = {.modes = world->config.modes, .count = world->config.pbkdf2_count};
	uint8_t octets[WIRE_GREETING_SIZE];

	memcpy(greeting.challenge, world->config.challenge, 16);
	memcpy(greeting.salt, world->config.salt, 16);
	wire_greeting_encode(&greeting, octets);
	peer_expect(&world->peer, octets, sizeof(octets));
}

static void play(struct world *world, const uint8_t *script, size_t size)
{
	struct input rest = world->in;

	world->in = (struct input){script, size};
	while (input_left(&world->in) > 0 && !world->over)
		step(world);
	world->in = rest;
}

/*
 * Chance alone seldom gets as far as sessions that run, so most inputs begin
 * there. Answers are taken at once or by step 6: two sixes serve both.
 */
static void open_sessions(struct world *world, uint8_t flags)
{
	static const uint8_t from_peer[] = {1, 1, 2, 200, 1, 0, 0, 0, 6, 6};
	static const uint8_t to_peer[] = {1, 1, 1, 100, 2, 0, 0, 0, 6, 6};
	static const uint8_t another[] = {1, 2, 2, 90, 3, 0, 0, 0, 0, 0, 0, 6, 6};
	static const uint8_t start[] = {2, 6, 6};

	if (flags & 16U)
		play(world, from_peer, sizeof(from_peer));
	if (flags & 32U)
		play(world, to_peer, sizeof(to_peer));
	if (flags & 64U)
		play(world, another, sizeof(another));
	if (flags & 128U)
		play(world, start, sizeof(start));
}

static void set_up(struct world *world, uint32_t mode)
{
	static const uint8_t answer_well[] = {6, 6};
	struct input rest = world->in;

	put_setup(world, mode, (const uint8_t *)"key", 3, true);
	world->in = (struct input){answer_well, sizeof(answer_well)};
	deliver(world);
	play(world, world->in.octets, world->in.left);
	world->in = rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.in = {data, size}};
	uint8_t flags = input_u8(&world.in);

	world.answer_at_once = flags & 1U;
	make_config(&world, input_u8(&world.in));
	peer_init(&world.peer, &world.in);
	assert(owamp_control_server_new(&world.server, &world.config) == 0);
	expect_greeting(&world);
	check_output(&world);
	if (flags & 2U) {
		set_up(&world, 1U << (flags >> 2 & 3U) >> 1);
		open_sessions(&world, flags);
	}
	while (input_left(&world.in) > 0 && !world.over)
		step(&world);
	owamp_control_server_free(world.server);
	peer_free(&world.peer);
	return 0;
}
