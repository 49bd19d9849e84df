/* The client machine against a server that says anything in any order, with the right keys or none. */
#include <assert.h>

#include "client_world.h"
#include "owamp/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(void *context, const uint8_t *octets, size_t size)
{
	struct world *world = context;
	size_t before = owamp_control_client_input_size(world->client);
	int result = owamp_control_client_input(world->client, octets, size);

	assert(world->dead ? result == world->dead : result == 0);
	assert(owamp_control_client_input_size(world->client) == before + (world->dead ? 0 : size));
	client_poll_all(world);
}

static void deliver(struct world *world)
{
	world->foreign_greeting |= !world->said_greeting;
	peer_deliver(&world->peer, &world->in, feed, world);
}

static void say_greeting(struct world *world, uint32_t modes)
{
	struct wire_greeting greeting = {.modes = modes, .salt = {20}, .count = input_count(&world->in)};
	uint8_t octets[WIRE_GREETING_SIZE];

	world->foreign_greeting |= world->said_greeting || world->peer.tamper_next;
	world->said_greeting = true;
	memcpy(greeting.challenge, client_challenge, 16);
	wire_greeting_encode(&greeting, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	deliver(world);
}

static void say_server_start(struct world *world, uint8_t accept)
{
	uint8_t clear[WIRE_START_CLEAR_SIZE] = {0}, secret[WIRE_START_SECRET_SIZE] = {0xe4, 1, 2};

	clear[15] = accept;
	memcpy(clear + 16, peer_server_iv, 16);
	peer_put(&world->peer, clear, sizeof(clear));
	if (accept == 0 && world->waits == WAITS_SERVER_START && world->mode != OWAMP_MODE_OPEN) {
		deliver(world);
		peer_secure_to(&world->peer, peer_server_iv);
	}
	peer_put(&world->peer, secret, sizeof(secret));
	deliver(world);
}

static void say_accept_session(struct world *world)
{
	uint8_t how = input_u8(&world->in), octets[WIRE_ACCEPT_SIZE];
	struct wire_accept accept = {.accept = how >= 0xc0 ? how : 0, .port = 8760};

	peer_make_sid(&world->in, accept.sid);
	wire_accept_encode(&accept, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	deliver(world);
}

static void say_start_ack(struct world *world)
{
	const uint8_t octets[WIRE_SIMPLE_SIZE] = {input_u8(&world->in) >= 0xc0};

	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	deliver(world);
}

static void put_skips(struct world *world, const struct owamp_skip_range *skips, uint32_t count)
{
	uint8_t octets[WIRE_SKIP_SIZE];

	for (uint32_t i = 0; i < count; i++) {
		wire_skip_encode(&skips[i], octets);
		peer_put(&world->peer, octets, sizeof(octets));
	}
}

/* Makes one of them overlap another, perhaps. */
static void spoil_skips(struct world *world, struct owamp_skip_range *skips, uint32_t count)
{
	uint32_t i;

	if (count == 0)
		return;
	i = input_u8(&world->in) % count;
	skips[i].first += (uint32_t)(int8_t)input_u8(&world->in);
	skips[i].last += (uint32_t)(int8_t)input_u8(&world->in);
}

static void put_stop_session(struct world *world, const struct request *session)
{
	struct owamp_skip_range skips[SKIPS_MAX + 1];
	uint8_t octets[WIRE_STOP_SESSION_SIZE];
	uint8_t how = input_u8(&world->in);
	uint32_t next_seq = how & 1U ? input_count(&world->in) : session->packets;
	uint32_t skip_count = peer_make_skips(&world->in, skips, SKIPS_MAX + 1, next_seq);

	memcpy(octets, session->sid, OWAMP_SID_SIZE);
	if (how & 2U)
		peer_make_sid(&world->in, octets);
	if (how & 4U)
		spoil_skips(world, skips, skip_count);
	put_u32(octets + 16, next_seq);
	put_u32(octets + 20, how & 8U ? input_count(&world->in) : skip_count);
	peer_put(&world->peer, octets, sizeof(octets));
	put_skips(world, skips, skip_count);
	peer_put_pad(&world->peer, WIRE_STOP_SESSION_SIZE + (size_t)skip_count * WIRE_SKIP_SIZE);
}

static void say_stop(struct world *world)
{
	uint8_t how = input_u8(&world->in);
	uint8_t octets[WIRE_SIMPLE_SIZE] = {WIRE_STOP_SESSIONS, how & 1U};
	uint32_t count = (uint32_t)client_count_sessions(world, true);

	put_u32(octets + 4, how & 2U ? input_count(&world->in) : count);
	peer_put(&world->peer, octets, sizeof(octets));
	/* Of all sessions, not only those that the peer sends. */
	for (size_t i = 0; i < world->session_count; i++)
		if (world->sessions[i].conf_sender || how & 4U)
			put_stop_session(world, &world->sessions[i]);
	peer_put_hmac(&world->peer);
	deliver(world);
}

static void put_request(struct world *world, uint8_t how)
{
	struct owamp_request request;
	uint8_t octets[WIRE_REQUEST_SIZE];
	uint32_t slot_count;

	peer_make_request(&world->in, &request);
	slot_count = how & 7U;
	request.slot_count = how & 8U ? input_count(&world->in) : slot_count;
	wire_request_encode(&request, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	for (uint32_t i = 0; i < slot_count; i++) {
		input_fill(&world->in, octets, 4);
		memset(octets + 4, 0, WIRE_SLOT_SIZE - 4);
		peer_put(&world->peer, octets, WIRE_SLOT_SIZE);
	}
	peer_put_hmac(&world->peer);
}

static void put_records(struct world *world, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct owamp_record record = {.seq = i, .send_time = i, .receive_time = i & 1U, .ttl = 64};
		uint8_t octets[OWAMP_RECORD_SIZE];

		owamp_record_encode(&record, octets);
		if (i < 2)
			input_fill(&world->in, octets, sizeof(octets));
		peer_put(&world->peer, octets, sizeof(octets));
	}
	peer_put_pad(&world->peer, (size_t)count * OWAMP_RECORD_SIZE);
	peer_put_hmac(&world->peer);
}

/* Fetch-Ack and all that follows, with counts that fit or not. */
static void say_fetched(struct world *world)
{
	struct owamp_skip_range skips[SKIPS_MAX + 1];
	uint8_t how = input_u8(&world->in), octets[WIRE_SIMPLE_SIZE];
	struct wire_fetch_ack ack = {.accept = how >= 0xe0, .finished = how & 1U};
	uint32_t skip_count, record_count;

	ack.next_seq = input_count(&world->in);
	skip_count = peer_make_skips(&world->in, skips, SKIPS_MAX + 1, ack.next_seq);
	if (how & 2U)
		spoil_skips(world, skips, skip_count);
	record_count = how & 4U ? input_u8(&world->in) * 16U : input_u8(&world->in) & 7U;
	ack.skip_count = how & 8U ? input_count(&world->in) : skip_count;
	ack.record_count = how & 16U ? input_count(&world->in) : record_count;
	wire_fetch_ack_encode(&ack, octets);
	peer_put(&world->peer, octets, sizeof(octets));
	peer_put_hmac(&world->peer);
	deliver(world);
	if (ack.accept)
		return;
	put_request(world, input_u8(&world->in));
	deliver(world);
	put_skips(world, skips, skip_count);
	peer_put_pad(&world->peer, (size_t)skip_count * WIRE_SKIP_SIZE);
	peer_put_hmac(&world->peer);
	deliver(world);
	put_records(world, record_count);
	deliver(world);
}

/* Any octets as a message, or as part of one, or past the encryption. */
static void say_anything(struct world *world)
{
	uint8_t how = input_u8(&world->in), octets[256];
	size_t size = input_u8(&world->in);

	input_fill(&world->in, octets, size);
	if (how & 1U) {
		world->foreign_greeting |= !world->said_greeting;
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

static void send_some(struct world *world)
{
	size_t size, some = input_u8(&world->in);

	owamp_control_client_output(world->client, &size);
	if (some == 0 || some > size)
		some = size;
	owamp_control_client_sent(world->client, some);
	peer_check_off(&world->peer, some);
}

static void step(struct world *world)
{
	switch (input_u8(&world->in) % 12) {
	case 0:
		say_greeting(world, input_u8(&world->in));
		break;
	case 1:
		say_server_start(world, input_u8(&world->in));
		break;
	case 2:
		say_accept_session(world);
		break;
	case 3:
		say_start_ack(world);
		break;
	case 4:
		say_stop(world);
		break;
	case 5:
		say_fetched(world);
		break;
	case 6:
		say_anything(world);
		break;
	case 7:
		send_some(world);
		break;
	case 8:
		world->peer.tamper_next = true;
		break;
	default:
		client_command(world);
		break;
	}
	client_check_output(world);
}

static void play(struct world *world, const uint8_t *script, size_t size)
{
	struct input rest = world->in;

	world->in = (struct input){script, size};
	while (input_left(&world->in) > 0)
		step(world);
	world->in = rest;
}

/* Chance alone seldom gets as far as sessions that run, so most inputs begin there. */
static void open_sessions(struct world *world, uint8_t flags)
{
	static const uint8_t from_peer[] = {9, 5, 1, 200, 1, 1, 2, 0, 1};
	static const uint8_t to_peer[] = {9, 5, 2, 100, 2, 1, 2, 0, 2};
	static const uint8_t another[] = {9, 5, 1, 90, 3, 2, 2, 0, 3};
	static const uint8_t start[] = {9, 2, 3, 0};
	static const uint8_t fetch[] = {9, 4, 1, 0, 255};

	if (flags & 8U)
		play(world, from_peer, sizeof(from_peer));
	if (flags & 16U)
		play(world, to_peer, sizeof(to_peer));
	if (flags & 32U)
		play(world, another, sizeof(another));
	if (flags & 64U)
		play(world, start, sizeof(start));
	if (flags & 128U)
		play(world, fetch, sizeof(fetch));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.in = {data, size}};
	uint8_t flags = input_u8(&world.in);

	world.config.skips_max = input_u8(&world.in) % SKIPS_MAX;
	world.config.slots_max = SLOTS_MAX;
	peer_init(&world.peer, &world.in);
	assert(owamp_control_client_new(&world.client, &world.config) == 0);
	client_check_output(&world);
	if (flags & 1U) {
		say_greeting(&world, OWAMP_MODE_MASK);
		client_set_up(&world, 1U << (flags >> 1 & 3U) >> 1);
		say_server_start(&world, OWAMP_ACCEPT_OK);
		open_sessions(&world, flags);
	}
	while (input_left(&world.in) > 0)
		step(&world);
	owamp_control_client_free(world.client);
	peer_free(&world.peer);
	return 0;
}
