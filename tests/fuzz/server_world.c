#include "server_world.h"

#include <assert.h>
#include <stdlib.h>

#include "owamp/error.h"

void check_output(struct world *world)
{
	size_t size;
	const uint8_t *octets = owamp_control_server_output(world->server, &size);

	peer_check(&world->peer, octets, size);
}

void send_some(struct world *world)
{
	size_t size, some = input_u8(&world->in);

	owamp_control_server_output(world->server, &size);
	if (some == 0 || some > size)
		some = size;
	owamp_control_server_sent(world->server, some);
	peer_check_off(&world->peer, some);
}

void end_round(struct world *world)
{
	if (!world->stop_sent || !world->stop_received)
		return;
	world->active = world->stop_sent = world->stop_received = false;
	world->session_count = 0;
}

size_t count_sessions(const struct world *world, bool peer_sends)
{
	size_t count = 0;

	for (size_t i = 0; i < world->session_count; i++)
		count += world->sessions[i].peer_sends == peer_sends;
	return count;
}

static const struct session *find_session(const struct world *world, const uint8_t *sid)
{
	for (size_t i = 0; i < world->session_count; i++)
		if (memcmp(world->sessions[i].sid, sid, OWAMP_SID_SIZE) == 0)
			return &world->sessions[i];
	return NULL;
}

void note_result(struct world *world, int result)
{
	if (result >= 0 || world->dead)
		return;
	world->dead = result;
	world->owed = OWED_NOTHING;
}

static void expect_refusal(struct world *world, uint8_t accept)
{
	uint8_t start[WIRE_START_CLEAR_SIZE + WIRE_START_SECRET_SIZE] = {0};

	start[15] = accept;
	peer_expect(&world->peer, start, sizeof(start));
}

static void expect_accept_session(struct world *world, uint8_t accept, uint16_t port, const uint8_t *sid)
{
	uint8_t octets[WIRE_ACCEPT_SIZE] = {accept};

	if (accept == 0) {
		put_u16(octets + 2, port);
		memcpy(octets + 4, sid, OWAMP_SID_SIZE);
	}
	peer_expect(&world->peer, octets, sizeof(octets));
	peer_expect_hmac(&world->peer);
}

static void expect_simple(struct world *world, const uint8_t octets[WIRE_SIMPLE_SIZE])
{
	peer_expect(&world->peer, octets, WIRE_SIMPLE_SIZE);
	peer_expect_hmac(&world->peer);
}

static void serve(struct world *world)
{
	uint8_t clear[WIRE_START_CLEAR_SIZE] = {0}, secret[WIRE_START_SECRET_SIZE] = {0};

	memcpy(clear + 16, peer_server_iv, 16);
	put_u64(secret, world->config.start_time);
	peer_expect(&world->peer, clear, sizeof(clear));
	if (world->mode != OWAMP_MODE_OPEN) {
		peer_secure_to(&world->peer, peer_client_iv);
		peer_secure_expected(&world->peer, peer_server_iv);
	}
	peer_expect(&world->peer, secret, sizeof(secret));
	world->serving = true;
}

static void authenticate(struct world *world, bool right_key)
{
	static const uint8_t wrong_key[OWAMP_AES_KEY_SIZE] = {1};
	int result = owamp_control_server_authenticate(world->server, right_key ? peer_key : wrong_key);
	const struct owamp_keys *keys = owamp_control_server_keys(world->server);

	assert(result == 0 || result == OWAMP_EAUTH);
	if (!world->foreign_setup)
		assert((result == 0) == (right_key && world->good_token));
	if (result) {
		expect_refusal(world, OWAMP_ACCEPT_FAILURE);
		note_result(world, result);
		return;
	}
	/* Keys in a token that an attacker changed: nobody can talk to this server. */
	world->over = memcmp(keys, &peer_keys, sizeof(peer_keys)) != 0;
	assert(!world->over || world->foreign_setup);
	if (!world->over)
		serve(world);
}

static void answer_setup(struct world *world)
{
	uint8_t how = input_u8(&world->in);

	world->owed = OWED_NOTHING;
	if (how & 0x80) {
		assert(owamp_control_server_refuse(world->server, how) == 0);
		expect_refusal(world, how);
		note_result(world, OWAMP_EREFUSED);
	} else if (world->mode == OWAMP_MODE_OPEN) {
		assert(owamp_control_server_authenticate(world->server, peer_key) == OWAMP_ESTATE);
		assert(owamp_control_server_accept(world->server) == 0);
		assert(!owamp_control_server_keys(world->server));
		serve(world);
	} else {
		assert(owamp_control_server_accept(world->server) == OWAMP_ESTATE);
		assert(!owamp_control_server_keys(world->server));
		authenticate(world, !(how & 1));
	}
}

static void answer_request(struct world *world)
{
	uint8_t accept = input_u8(&world->in) >= 0xc0 ? input_u8(&world->in) : 0;
	struct session *session = &world->sessions[world->session_count];
	uint16_t port = (uint16_t)(8760 + world->session_count);

	if (world->request.conf_receiver)
		memset(session->sid, ++world->next_sid, OWAMP_SID_SIZE);
	else
		memcpy(session->sid, world->request.sid, OWAMP_SID_SIZE);
	session->packets = world->request.packets;
	session->peer_sends = !world->request.conf_sender;
	assert(owamp_control_server_accept_session(world->server, accept, port, session->sid) == 0);
	expect_accept_session(world, accept, port, session->sid);
	world->session_count += accept == 0;
	world->owed = OWED_NOTHING;
}

static void answer_start(struct world *world)
{
	uint8_t accept = input_u8(&world->in) >= 0xc0 ? 1 : 0;
	const uint8_t octets[WIRE_SIMPLE_SIZE] = {accept};

	assert(owamp_control_server_start_ack(world->server, accept) == 0);
	expect_simple(world, octets);
	world->active = accept == 0;
	world->owed = OWED_NOTHING;
}

/* Zeros and HMAC after the last record. */
static void expect_end_of_records(struct world *world)
{
	assert(stream_pad(&world->peer.expected, (size_t)world->records_sent * OWAMP_RECORD_SIZE) == 0);
	peer_expect_hmac(&world->peer);
	world->owed = OWED_NOTHING;
}

static void send_records(struct world *world)
{
	uint32_t count = input_count(&world->in);
	uint8_t *records;

	if (count > world->records_left) {
		assert(owamp_control_server_fetch_records(world->server, NULL, count) == OWAMP_ESTATE);
		count = world->records_left;
	}
	records = calloc(count + 1, OWAMP_RECORD_SIZE);
	assert(records);
	input_fill(&world->in, records, count < 2 ? count * OWAMP_RECORD_SIZE : 30);
	assert(owamp_control_server_fetch_records(world->server, records, count) == 0);
	peer_expect(&world->peer, records, (size_t)count * OWAMP_RECORD_SIZE);
	free(records);
	world->records_left -= count;
	world->records_sent += count;
	if (world->records_left == 0 && count > 0)
		expect_end_of_records(world);
}

static void expect_fetch_begin(struct world *world, const struct wire_fetch_ack *ack,
			       const struct owamp_request *request, const struct owamp_skip_range *skips)
{
	uint8_t octets[WIRE_SIMPLE_SIZE];

	wire_fetch_ack_encode(ack, octets);
	expect_simple(world, octets);
	assert(stream_write_request(&world->peer.expected, request) == 0);
	for (uint32_t i = 0; i < ack->skip_count; i++) {
		wire_skip_encode(&skips[i], octets);
		peer_expect(&world->peer, octets, WIRE_SKIP_SIZE);
	}
	assert(stream_pad(&world->peer.expected, (size_t)ack->skip_count * WIRE_SKIP_SIZE) == 0);
	peer_expect_hmac(&world->peer);
}

static void answer_fetch(struct world *world)
{
	uint8_t how = input_u8(&world->in);
	struct owamp_skip_range skips[SKIPS_MAX];
	struct owamp_slot slots[4] = {{OWAMP_SLOT_FIXED, OWAMP_SECOND}, {OWAMP_SLOT_EXPONENTIAL, 5}};
	struct owamp_request request;
	struct wire_fetch_ack ack = {0};

	if (how >= 0xc0) {
		assert(owamp_control_server_fetch_refuse(world->server, 0) == OWAMP_ESTATE);
		assert(owamp_control_server_fetch_refuse(world->server, how) == 0);
		expect_simple(world, (const uint8_t[WIRE_SIMPLE_SIZE]){how});
		world->owed = OWED_NOTHING;
		return;
	}
	peer_make_request(&world->in, &request);
	request.slots = slots;
	request.slot_count = how >> 1 & 3U;
	ack.finished = how & 1U;
	ack.next_seq = request.packets;
	ack.skip_count = peer_make_skips(&world->in, skips, SKIPS_MAX, ack.next_seq);
	/* Sometimes more than what the output buffer keeps room for. */
	ack.record_count = how & 8U ? input_u8(&world->in) * 16U : input_u8(&world->in) & 7U;
	world->records_left = ack.record_count;
	world->records_sent = 0;
	assert(owamp_control_server_fetch_begin(world->server, &request, ack.finished, ack.next_seq, skips,
						ack.skip_count, ack.record_count) == 0);
	if (!ack.finished)
		ack.next_seq = ack.skip_count = 0;
	expect_fetch_begin(world, &ack, &request, skips);
	world->owed = OWED_RECORDS;
	if (ack.record_count == 0)
		expect_end_of_records(world);
}

void answer(struct world *world)
{
	switch (world->owed) {
	case OWED_NOTHING:
		break;
	case OWED_SETUP:
		answer_setup(world);
		break;
	case OWED_REQUEST:
		answer_request(world);
		break;
	case OWED_START:
		answer_start(world);
		break;
	case OWED_FETCH:
		answer_fetch(world);
		break;
	case OWED_RECORDS:
		send_records(world);
		break;
	}
}

static void check_setup(struct world *world, const struct owamp_control_server_event *event)
{
	assert(!world->set_up);
	assert(event->mode && !(event->mode & (event->mode - 1)));
	assert(event->mode & world->config.modes & OWAMP_MODE_MASK);
	if (event->mode != OWAMP_MODE_OPEN) {
		size_t size = strlen(event->key_id);

		assert(size >= 1 && size <= OWAMP_KEYID_SIZE);
		assert(wire_utf8_valid((const uint8_t *)event->key_id, size));
	}
	world->set_up = true;
	world->mode = event->mode;
	world->owed = OWED_SETUP;
}

static void check_request(struct world *world, const struct owamp_request *request)
{
	assert(!world->active && world->session_count < world->config.sessions_max);
	assert(request->slot_count <= world->config.slots_max);
	assert(request->slots);
	for (uint32_t i = 0; i < request->slot_count; i++)
		assert(request->slots[i].type <= UINT8_MAX);
	assert(request->conf_receiver || !find_session(world, request->sid));
	world->request = *request;
	world->request.slots = NULL;
	world->owed = OWED_REQUEST;
}

static void check_stop(struct world *world, const struct owamp_control_server_event *event)
{
	uint64_t skips = 0;

	assert(world->active && !world->stop_received);
	assert(event->session_count == count_sessions(world, true));
	for (size_t i = 0; i < event->session_count; i++) {
		const struct owamp_stop_session *stop = &event->sessions[i];
		const struct session *session = find_session(world, stop->sid);

		assert(session && session->peer_sends && stop->next_seq <= session->packets);
		for (size_t j = 0; j < i; j++)
			assert(memcmp(stop->sid, event->sessions[j].sid, OWAMP_SID_SIZE) != 0);
		for (uint32_t j = 0; j < stop->skip_count; j++) {
			assert(stop->skips[j].first <= stop->skips[j].last);
			assert(stop->skips[j].last < stop->next_seq);
			assert(j == 0 || stop->skips[j].first > stop->skips[j - 1].last);
		}
		skips += stop->skip_count;
	}
	assert(skips <= world->config.skips_max);
	world->stop_received = true;
	end_round(world);
}

static void take_event(struct world *world, const struct owamp_control_server_event *event)
{
	assert(!world->dead && world->owed == OWED_NOTHING);
	assert(!world->peer.tampered);
	assert(event->type == OWAMP_SERVER_SETUP || event->type == OWAMP_SERVER_DECLINED || world->serving);
	switch (event->type) {
	case OWAMP_SERVER_SETUP:
		check_setup(world, event);
		break;
	case OWAMP_SERVER_REQUEST:
		check_request(world, event->request);
		break;
	case OWAMP_SERVER_START:
		assert(!world->active);
		world->owed = OWED_START;
		break;
	case OWAMP_SERVER_STOP:
		check_stop(world, event);
		break;
	case OWAMP_SERVER_FETCH:
		assert(!world->active);
		world->owed = OWED_FETCH;
		break;
	case OWAMP_SERVER_DECLINED:
		assert(!world->set_up);
		world->set_up = true;
		note_result(world, OWAMP_ECLOSED);
		break;
	case OWAMP_SERVER_REFUSED:
		assert(!world->active && event->accept != 0);
		assert(owamp_control_server_reason(world->server)[0]);
		expect_accept_session(world, event->accept, 0, NULL);
		break;
	}
}

static void take_end(struct world *world, int result)
{
	if (!world->dead && !world->set_up) {
		assert(result == OWAMP_EMODE || result == OWAMP_EPROTO);
		expect_refusal(world,
			       result == OWAMP_EMODE ? OWAMP_ACCEPT_UNSUPPORTED : OWAMP_ACCEPT_FAILURE);
	}
	assert(!world->dead || result == world->dead);
	assert(owamp_control_server_reason(world->server)[0]);
	note_result(world, result);
}

void poll_all(struct world *world)
{
	struct owamp_control_server_event event;
	int result;

	while ((result = owamp_control_server_poll(world->server, &event)) == 1) {
		take_event(world, &event);
		check_output(world);
		while (world->answer_at_once && world->owed != OWED_NOTHING && input_left(&world->in) > 0) {
			answer(world);
			if (world->over)
				return;
			check_output(world);
		}
	}
	assert(result <= 0);
	assert(world->owed == OWED_NOTHING || result == 0);
	if (result < 0)
		take_end(world, result);
	assert(!world->dead || result < 0);
	check_output(world);
	assert(owamp_control_server_active(world->server) == world->active);
}
