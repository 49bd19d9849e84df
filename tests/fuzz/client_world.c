#include "client_world.h"

#include <assert.h>

#include "owamp/error.h"

void client_note_result(struct world *world, int result)
{
	if (result < 0 && !world->dead)
		world->dead = result;
}

void client_end_round(struct world *world)
{
	if (!world->stop_sent || !world->stop_received)
		return;
	world->active = world->stop_sent = world->stop_received = false;
	world->session_count = 0;
}

void client_check_output(struct world *world)
{
	size_t size;
	const uint8_t *octets = owamp_control_client_output(world->client, &size);

	peer_check(&world->peer, octets, size);
}

size_t client_count_sessions(const struct world *world, bool peer_sends)
{
	size_t count = 0;

	for (size_t i = 0; i < world->session_count; i++)
		count += world->sessions[i].conf_sender == peer_sends;
	return count;
}

const struct request *client_find_session(const struct world *world, const uint8_t *sid)
{
	for (size_t i = 0; i < world->session_count; i++)
		if (memcmp(world->sessions[i].sid, sid, OWAMP_SID_SIZE) == 0)
			return &world->sessions[i];
	return NULL;
}

static void check_greeting(struct world *world, const struct owamp_control_client_event *event)
{
	assert(world->waits == WAITS_GREETING && event->modes != 0);
	world->modes = event->modes;
	world->waits = WAITS_CALLER;
}

static void check_accept(struct world *world, const struct owamp_control_client_event *event)
{
	struct request *open = world->open;

	assert(world->waits == WAITS_NOTHING && world->open_count > 0);
	if (!open->conf_receiver)
		assert(memcmp(event->sid, open->sid, OWAMP_SID_SIZE) == 0);
	if (event->accept == 0) {
		assert(!client_find_session(world, event->sid));
		memcpy(open->sid, event->sid, OWAMP_SID_SIZE);
		world->sessions[world->session_count++] = *open;
	}
	memmove(open, open + 1, --world->open_count * sizeof(*open));
}

static void check_skips(const struct owamp_skip_range *skips, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert(skips[i].first <= skips[i].last);
		assert(i == 0 || skips[i].first > skips[i - 1].last);
	}
}

static void check_stop(struct world *world, const struct owamp_control_client_event *event)
{
	uint64_t skips = 0;

	assert(world->active && !world->stop_received);
	assert(event->session_count == client_count_sessions(world, true));
	for (size_t i = 0; i < event->session_count; i++) {
		const struct owamp_stop_session *stop = &event->sessions[i];
		const struct request *session = client_find_session(world, stop->sid);

		assert(session && session->conf_sender && stop->next_seq <= session->packets);
		for (size_t j = 0; j < i; j++)
			assert(memcmp(stop->sid, event->sessions[j].sid, OWAMP_SID_SIZE) != 0);
		check_skips(stop->skips, stop->skip_count);
		assert(stop->skip_count == 0 || stop->skips[stop->skip_count - 1].last < stop->next_seq);
		skips += stop->skip_count;
	}
	assert(skips <= world->config.skips_max);
	world->stop_received = true;
	client_end_round(world);
}

static void check_fetch_ack(struct world *world, const struct owamp_control_client_event *event)
{
	assert(world->waits == WAITS_FETCH && world->fetched == 0);
	assert(event->skip_total <= world->config.skips_max);
	world->skip_total = event->skip_total;
	world->records_left = event->record_total;
	world->fetched = OWAMP_CLIENT_FETCH_ACK;
	if (event->accept != 0) {
		assert(!event->finished && event->next_seq == 0);
		assert(event->skip_total == 0 && event->record_total == 0);
		world->waits = WAITS_NOTHING;
	}
}

static void check_fetched(struct world *world, const struct owamp_control_client_event *event)
{
	assert(world->waits == WAITS_FETCH);
	switch (event->type) {
	case OWAMP_CLIENT_FETCH_REQUEST:
		assert(world->fetched == OWAMP_CLIENT_FETCH_ACK);
		assert(event->request->slot_count <= world->config.slots_max && event->request->slots);
		for (uint32_t i = 0; i < event->request->slot_count; i++)
			assert(event->request->slots[i].type <= UINT8_MAX);
		break;
	case OWAMP_CLIENT_FETCH_SKIPS:
		assert(world->fetched == OWAMP_CLIENT_FETCH_REQUEST);
		assert(event->skip_count == world->skip_total);
		check_skips(event->skips, event->skip_count);
		break;
	case OWAMP_CLIENT_FETCH_RECORDS:
		assert(world->fetched == OWAMP_CLIENT_FETCH_SKIPS ||
		       world->fetched == OWAMP_CLIENT_FETCH_RECORDS);
		assert(event->record_count > 0 && event->record_count <= world->records_left);
		for (size_t i = 0; i < event->record_count; i++)
			assert(owamp_record_lost(&event->records[i]) == !event->records[i].receive_time);
		world->records_left -= (uint32_t)event->record_count;
		break;
	default:
		assert(world->records_left == 0 && world->fetched >= OWAMP_CLIENT_FETCH_SKIPS);
		world->waits = WAITS_NOTHING;
		break;
	}
	world->fetched = event->type;
}

static void take_event(struct world *world, const struct owamp_control_client_event *event)
{
	assert(!world->dead && world->waits != WAITS_CALLER);
	assert(!world->peer.tampered || event->type == OWAMP_CLIENT_FETCH_RECORDS);
	switch (event->type) {
	case OWAMP_CLIENT_GREETING:
		check_greeting(world, event);
		break;
	case OWAMP_CLIENT_SETUP_DONE:
		assert(world->waits == WAITS_SERVER_START);
		world->waits = WAITS_NOTHING;
		if (!event->accept && world->mode != OWAMP_MODE_OPEN)
			peer_secure_expected(&world->peer, peer_client_iv);
		client_note_result(world, event->accept ? OWAMP_EREFUSED : 0);
		break;
	case OWAMP_CLIENT_ACCEPT_SESSION:
		check_accept(world, event);
		break;
	case OWAMP_CLIENT_START_ACK:
		assert(world->waits == WAITS_START_ACK);
		world->waits = WAITS_NOTHING;
		world->active = event->accept == 0;
		break;
	case OWAMP_CLIENT_STOP:
		assert(world->waits == WAITS_NOTHING && world->open_count == 0);
		check_stop(world, event);
		break;
	case OWAMP_CLIENT_FETCH_ACK:
		check_fetch_ack(world, event);
		break;
	case OWAMP_CLIENT_FETCH_REQUEST:
	case OWAMP_CLIENT_FETCH_SKIPS:
	case OWAMP_CLIENT_FETCH_RECORDS:
	case OWAMP_CLIENT_FETCH_DONE:
		check_fetched(world, event);
		break;
	}
}

void client_poll_all(struct world *world)
{
	struct owamp_control_client_event event;
	int result;

	while ((result = owamp_control_client_poll(world->client, &event)) == 1) {
		take_event(world, &event);
		client_check_output(world);
	}
	assert(result <= 0 && (!world->dead || result == world->dead));
	client_note_result(world, result);
	client_check_output(world);
	assert(!owamp_control_client_keys(world->client) == (world->mode <= OWAMP_MODE_OPEN));
	if (result < 0 && result != OWAMP_EREFUSED && result != OWAMP_ECLOSED)
		assert(owamp_control_client_reason(world->client)[0]);
}
