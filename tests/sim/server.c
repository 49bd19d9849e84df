/* The control server's program. */
#include "world.h"

#define SECRET "four words all lower"

static void set_up(struct sim_world *world, const struct owamp_control_server_event *event)
{
	struct owamp_control_server *machine = world->server.machine;
	uint8_t key[OWAMP_AES_KEY_SIZE] = {0};

	SIM_CHECK(world, event->mode == world->script->mode, "mode %u is chosen", event->mode);
	if (event->mode == OWAMP_MODE_OPEN) {
		SIM_CHECK(world, owamp_control_server_accept(machine) == 0, "no Server-Start");
		return;
	}
	SIM_CHECK(world, strcmp(event->key_id, "simulated") == 0, "KeyID \"%s\"", event->key_id);
	SIM_CHECK(world,
		  owamp_derive_key((const uint8_t *)SECRET, strlen(SECRET), world->server.config.salt,
				   world->server.config.pbkdf2_count, key) == 0,
		  "no key");
	SIM_CHECK(world, owamp_control_server_authenticate(machine, key) == 0, "not authenticated");
	SIM_CHECK(world, memcmp(owamp_control_server_keys(machine), &world->keys, sizeof(world->keys)) == 0,
		  "other session keys");
}

static bool same_request(const struct owamp_request *a, const struct owamp_request *b)
{
	if (a->ipvn != b->ipvn || a->conf_sender != b->conf_sender || a->conf_receiver != b->conf_receiver ||
	    a->packets != b->packets || a->sender_port != b->sender_port ||
	    a->receiver_port != b->receiver_port || a->padding != b->padding || a->start != b->start ||
	    a->timeout != b->timeout || a->type_p != b->type_p || a->slot_count != b->slot_count ||
	    memcmp(a->sender_address, b->sender_address, 16) != 0 ||
	    memcmp(a->receiver_address, b->receiver_address, 16) != 0 || memcmp(a->sid, b->sid, 16) != 0)
		return false;
	for (uint32_t i = 0; i < a->slot_count; i++) {
		if (a->slots[i].type != b->slots[i].type || a->slots[i].interval != b->slots[i].interval)
			return false;
	}
	return true;
}

void server_check_request(const struct sim_session *session, const struct owamp_request *request)
{
	SIM_CHECK(session->world, same_request(request, &session->request),
		  "the request of session %u.%u is another", session->round, session->index);
}

static void request(struct sim_world *world, const struct owamp_control_server_event *event)
{
	struct sim_server *server = &world->server;
	struct sim_session *session;
	uint16_t port = (uint16_t)ref_random(&world->random);
	int error;

	/* A new round begins before the receivers of the last have had their time. */
	side_settle(world, SIM_SERVER);
	session = &world->sessions[world->sides[SIM_SERVER].round][server->requested++];
	server_check_request(session, event->request);
	if (session->script->refuse) {
		error = owamp_control_server_accept_session(server->machine, session->script->refuse, 0,
							    NULL);
		SIM_CHECK(world, error == 0, "no refusal");
		return;
	}
	session->accepted = true;
	session->server_port = port;
	if (session->script->to_server) {
		ref_fill(&world->random, session->request.sid, 16);
		session->request.receiver_port = port;
	} else {
		session->request.sender_port = port;
	}
	account_init(&session->account, &session->request, session->start);
	error = owamp_control_server_accept_session(server->machine, 0, port, session->request.sid);
	SIM_CHECK(world, error == 0, "no Accept-Session");
}

static void start(struct sim_world *world)
{
	side_start_receivers(world, SIM_SERVER);
	SIM_CHECK(world, owamp_control_server_start_ack(world->server.machine, 0) == 0, "no Start-Ack");
	SIM_CHECK(world, owamp_control_server_active(world->server.machine), "not active");
	side_start(world, SIM_SERVER);
	side_look(world, SIM_SERVER);
}

static struct sim_session *find(struct sim_world *world, const uint8_t sid[16])
{
	for (unsigned round = 0; round < world->script->round_count; round++) {
		for (unsigned i = 0; i < world->script->session_count[round]; i++) {
			struct sim_session *session = &world->sessions[round][i];

			if (session->accepted && memcmp(session->request.sid, sid, 16) == 0)
				return session;
		}
	}
	return NULL;
}

/* The complete session only if it ended well; a part of it in any case (section 3.9). */
static bool may_have(const struct sim_session *session, const struct owamp_control_server_event *fetch)
{
	bool complete = fetch->begin_seq == 0 && fetch->end_seq == UINT32_MAX;

	if (!session || !session->outcome.ended || session->outcome.contradictory)
		return false;
	return !complete || !session->broken;
}

static void answer_fetch(struct sim_world *world)
{
	struct sim_server *server = &world->server;
	const struct owamp_control_server_event *fetch = &server->fetch;
	struct sim_session *session = find(world, fetch->sid);
	uint32_t next_seq, count = 0;
	int error;

	server->fetch_waiting = false;
	if (!may_have(session, fetch)) {
		SIM_CHECK(world, owamp_control_server_fetch_refuse(server->machine, 1) == 0, "no refusal");
		return;
	}
	for (uint32_t i = 0; i < session->outcome.record_count; i++) {
		uint32_t seq = session->outcome.records[i].seq;

		count += seq >= fetch->begin_seq && seq <= fetch->end_seq;
	}
	next_seq = session->outcome.stopped ? session->outcome.next_seq : session->account.packets;
	error = owamp_control_server_fetch_begin(server->machine, &session->request, true, next_seq,
						 session->stop.skips, session->stop.skip_count, count);
	SIM_CHECK(world, error == 0, "no Fetch-Ack");
	server->fetching = count > 0 ? session : NULL;
	server->fetch_at = 0;
}

/* Some more records for the output. */
void server_refill(struct sim_world *world)
{
	struct sim_server *server = &world->server;
	const struct sim_outcome *outcome = &server->fetching->outcome;
	uint32_t most = 1 + ref_below(&world->random, 100);
	uint8_t octets[100 * OWAMP_RECORD_SIZE];
	uint32_t count = 0;

	while (server->fetch_at < outcome->record_count && count < most) {
		const struct owamp_record *record = &outcome->records[server->fetch_at++];

		if (record->seq >= server->fetch.begin_seq && record->seq <= server->fetch.end_seq)
			owamp_record_encode(record, octets + OWAMP_RECORD_SIZE * count++);
	}
	if (server->fetch_at == outcome->record_count)
		server->fetching = NULL;
	if (count > 0)
		SIM_CHECK(world, owamp_control_server_fetch_records(server->machine, octets, count) == 0,
			  "no records");
}

static void handle(struct sim_world *world, const struct owamp_control_server_event *event)
{
	switch (event->type) {
	case OWAMP_SERVER_SETUP:
		set_up(world, event);
		return;
	case OWAMP_SERVER_REQUEST:
		request(world, event);
		return;
	case OWAMP_SERVER_START:
		start(world);
		return;
	case OWAMP_SERVER_STOP:
		SIM_CHECK(world, event->accept == 0, "Stop-Sessions with %u", event->accept);
		side_stop_received(world, SIM_SERVER, event->sessions, event->session_count);
		return;
	case OWAMP_SERVER_FETCH:
		world->server.fetch = *event;
		world->server.fetch_waiting = true;
		if (!world->sides[SIM_SERVER].active)
			answer_fetch(world);
		return;
	default:
		SIM_CHECK(world, false, "event %d", (int)event->type);
	}
}

void server_arrived(struct sim_world *world)
{
	struct owamp_control_server_event event;
	int result;

	while ((result = owamp_control_server_poll(world->server.machine, &event)) == 1)
		handle(world, &event);
	SIM_CHECK(world, result == 0, "the server drops the connection: %s",
		  owamp_control_server_reason(world->server.machine));
}

void server_settled(struct sim_world *world)
{
	struct sim_server *server = &world->server;

	SIM_CHECK(world, !owamp_control_server_active(server->machine), "still active");
	if (world->sides[SIM_SERVER].round + 1 < world->script->round_count)
		world->sides[SIM_SERVER].round++;
	server->requested = 0;
	if (server->fetch_waiting)
		answer_fetch(world);
}

void server_closed(struct sim_world *world)
{
	side_closed(world, SIM_SERVER);
	world->server.fetch_waiting = false;
	world->server.fetching = NULL;
}
