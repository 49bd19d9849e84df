#include "client_world.h"

#include <assert.h>

#include "owamp/error.h"

const uint8_t client_challenge[16] = {0xcc, 18, 19};

static void put_setup(struct world *world, uint32_t mode, const char *key_id)
{
	struct wire_setup setup = {.mode = mode};
	uint8_t token[WIRE_TOKEN_SIZE], octets[WIRE_SETUP_SIZE];

	if (mode != OWAMP_MODE_OPEN) {
		memcpy(setup.key_id, key_id, strlen(key_id));
		memcpy(setup.client_iv, peer_client_iv, sizeof(setup.client_iv));
		memcpy(token, client_challenge, 16);
		memcpy(token + 16, peer_keys.aes, sizeof(peer_keys.aes));
		memcpy(token + 32, peer_keys.hmac, sizeof(peer_keys.hmac));
		assert(crypto_cbc_once(CRYPTO_ENCRYPT, peer_key, token, setup.token, sizeof(token)) == 0);
	}
	wire_setup_encode(&setup, octets);
	peer_expect(&world->peer, octets, sizeof(octets));
}

static int try_set_up(struct world *world, uint32_t mode, const char *key_id)
{
	return owamp_control_client_setup(world->client, mode, key_id, peer_key, &peer_keys, peer_client_iv);
}

void client_set_up(struct world *world, uint32_t mode)
{
	if (world->waits != WAITS_CALLER || mode == 0)
		return;
	assert(try_set_up(world, mode, "key") == 0);
	put_setup(world, mode, "key");
	world->mode = mode;
	world->waits = WAITS_SERVER_START;
}

static void set_up(struct world *world)
{
	char key_id[OWAMP_KEYID_SIZE + 2] = "key";
	uint8_t how = input_u8(&world->in);
	uint32_t mode = how & 8U ? input_count(&world->in) : 1U << (how & 3U) >> 1;
	size_t size;
	int result;

	if (how & 16U) {
		memset(key_id, 0, sizeof(key_id));
		input_fill(&world->in, key_id, input_u8(&world->in) % (OWAMP_KEYID_SIZE + 2));
	}
	/* The Token would hold an unknown challenge. */
	if (world->foreign_greeting && mode != OWAMP_MODE_OPEN)
		return;
	size = strlen(key_id);
	result = try_set_up(world, mode, key_id);
	if (world->dead || world->waits != WAITS_CALLER) {
		assert(result == OWAMP_ESTATE);
	} else if (mode == 0 || mode & (mode - 1) || !(mode & OWAMP_MODE_MASK & world->modes)) {
		assert(result == OWAMP_EMODE);
	} else if (mode != OWAMP_MODE_OPEN && (size == 0 || size > OWAMP_KEYID_SIZE ||
					       !wire_utf8_valid((const uint8_t *)key_id, size))) {
		assert(result == OWAMP_EINVAL);
	} else {
		assert(result == 0);
		put_setup(world, mode, key_id);
		world->mode = mode;
		world->waits = WAITS_SERVER_START;
	}
}

static void decline(struct world *world)
{
	const uint8_t octets[WIRE_SETUP_SIZE] = {0};
	int result = owamp_control_client_decline(world->client);

	if (world->dead || world->waits != WAITS_CALLER) {
		assert(result == OWAMP_ESTATE);
		return;
	}
	assert(result == 0);
	peer_expect(&world->peer, octets, sizeof(octets));
	client_note_result(world, OWAMP_ECLOSED);
}

static bool may_command(const struct world *world)
{
	return !world->dead && world->waits == WAITS_NOTHING && !world->active;
}

static void ask(struct world *world)
{
	struct owamp_slot slots[4] = {{OWAMP_SLOT_FIXED, 7}, {OWAMP_SLOT_EXPONENTIAL, 8}};
	struct owamp_request request;
	int result;

	if (world->open_count + world->session_count == REQUESTS_MAX)
		return;
	peer_make_request(&world->in, &request);
	request.slot_count = input_u8(&world->in) & 3U;
	request.slots = slots;
	result = owamp_control_client_request(world->client, &request);
	if (!may_command(world)) {
		assert(result == OWAMP_ESTATE);
		return;
	}
	assert(result == 0);
	assert(stream_write_request(&world->peer.expected, &request) == 0);
	world->open[world->open_count] = (struct request){
		.packets = request.packets,
		.conf_sender = request.conf_sender,
		.conf_receiver = request.conf_receiver,
	};
	memcpy(world->open[world->open_count++].sid, request.sid, OWAMP_SID_SIZE);
}

static void start(struct world *world)
{
	const uint8_t octets[WIRE_SIMPLE_SIZE] = {WIRE_START_SESSIONS};
	int result = owamp_control_client_start(world->client);

	if (!may_command(world) || world->open_count > 0) {
		assert(result == OWAMP_ESTATE);
		return;
	}
	assert(result == 0);
	peer_expect(&world->peer, octets, sizeof(octets));
	peer_expect_hmac(&world->peer);
	world->waits = WAITS_START_ACK;
}

static void fetch(struct world *world)
{
	struct wire_fetch wire;
	uint8_t octets[WIRE_FETCH_SIZE];
	int result;

	peer_make_sid(&world->in, wire.sid);
	wire.begin_seq = input_count(&world->in);
	wire.end_seq = input_count(&world->in);
	result = owamp_control_client_fetch(world->client, wire.sid, wire.begin_seq, wire.end_seq);
	if (!may_command(world) || world->open_count > 0) {
		assert(result == OWAMP_ESTATE);
		return;
	}
	assert(result == 0);
	wire_fetch_encode(&wire, octets);
	peer_expect(&world->peer, octets, sizeof(octets));
	peer_expect_hmac(&world->peer);
	world->waits = WAITS_FETCH;
	world->fetched = 0;
}

/* With exactly the client's send sessions or not. */
static void stop(struct world *world)
{
	struct owamp_skip_range skips[REQUESTS_MAX][8];
	struct owamp_stop_session sessions[REQUESTS_MAX + 1] = {0};
	struct stop_list list = {0};
	size_t count = 0;
	uint8_t how = input_u8(&world->in);
	int result;

	for (size_t i = 0; i < world->session_count; i++) {
		const struct request *session = &world->sessions[i];

		if (session->conf_sender)
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
	result = owamp_control_client_stop(world->client, how & 1U, sessions, count + (how >> 2 & 1U));
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
	client_end_round(world);
}

void client_command(struct world *world)
{
	switch (input_u8(&world->in) & 7U) {
	case 0:
		set_up(world);
		break;
	case 1:
		decline(world);
		break;
	case 2:
		start(world);
		break;
	case 3:
		stop(world);
		break;
	case 4:
		fetch(world);
		break;
	default:
		ask(world);
		break;
	}
}
