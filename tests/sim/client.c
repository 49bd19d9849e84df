/* The control client's program: rounds of sessions, each followed by fetching what the server received. */
#include "world.h"

#define KEY_ID "simulated"
#define SECRET "four words all lower"

static void set_up(struct sim_world *world, const struct owamp_control_client_event *event)
{
	const struct owamp_control_server_config *server = &world->server.config;
	uint8_t key[OWAMP_AES_KEY_SIZE] = {0};
	uint8_t client_iv[16];

	SIM_CHECK(world, event->modes == world->script->mode, "modes %u are offered", event->modes);
	SIM_CHECK(world, event->pbkdf2_count == server->pbkdf2_count, "Count is %u", event->pbkdf2_count);
	SIM_CHECK(world, memcmp(event->salt, server->salt, 16) == 0, "another salt");
	ref_fill(&world->random, client_iv, sizeof(client_iv));
	if (world->script->mode != OWAMP_MODE_OPEN)
		SIM_CHECK(world,
			  owamp_derive_key((const uint8_t *)SECRET, strlen(SECRET), event->salt,
					   event->pbkdf2_count, key) == 0,
			  "no key");
	SIM_CHECK(world,
		  owamp_control_client_setup(world->client.machine, world->script->mode, KEY_ID, key,
					     &world->keys, client_iv) == 0,
		  "no Set-Up-Response");
}

static void fill_request(struct sim_session *session)
{
	const struct sim_session_script *script = session->script;
	struct owamp_request *request = &session->request;
	struct sim_world *world = session->world;
	int64_t start_ns = sim_clock_ns(world, SIM_CLIENT) + script->start_delay_ns;

	*request = (struct owamp_request){
		.ipvn = sim_chance(world, 500) ? 4 : 6,
		.conf_sender = !script->to_server,
		.conf_receiver = script->to_server,
		.packets = script->packets,
		.padding = script->padding,
		.timeout = (owamp_interval)ref_units(script->timeout_ns),
		.type_p = 0x2e000000,
		.slot_count = script->slot_count,
	};
	session->start = units_of_ns(start_ns);
	request->start = sim_ntp(world, start_ns);
	ref_fill(&world->random, request->sender_address, request->ipvn == 4 ? 4 : 16);
	ref_fill(&world->random, request->receiver_address, request->ipvn == 4 ? 4 : 16);
	if (script->to_server)
		request->sender_port = (uint16_t)ref_random(&world->random);
	else
		request->receiver_port = (uint16_t)ref_random(&world->random);
	/* The receiver names the session; where that is the server the field is unused. */
	if (!script->to_server)
		ref_fill(&world->random, request->sid, 16);
	request->slots = malloc(sizeof(script->slots));
	assert_non_null(request->slots);
	memcpy(request->slots, script->slots, sizeof(script->slots));
}

static void request_next(struct sim_world *world)
{
	struct sim_client *client = &world->client;
	unsigned round = world->sides[SIM_CLIENT].round;

	while (client->requested < world->script->session_count[round] &&
	       (world->script->pipelined || client->requested == client->answered)) {
		struct sim_session *session = &world->sessions[round][client->requested++];

		fill_request(session);
		SIM_CHECK(world, owamp_control_client_request(client->machine, &session->request) == 0,
			  "no Request-Session");
	}
}

static void begin_round(struct sim_world *world)
{
	struct sim_client *client = &world->client;

	sim_trace(world, "round %u", world->sides[SIM_CLIENT].round);
	client->phase = SIM_REQUESTING;
	client->requested = client->answered = 0;
	request_next(world);
}

static void start(struct sim_world *world)
{
	side_start_receivers(world, SIM_CLIENT);
	world->client.phase = SIM_STARTING;
	SIM_CHECK(world, owamp_control_client_start(world->client.machine) == 0, "no Start-Sessions");
}

static void accepted(struct sim_world *world, const struct owamp_control_client_event *event)
{
	struct sim_client *client = &world->client;
	unsigned round = world->sides[SIM_CLIENT].round;
	struct sim_session *session = &world->sessions[round][client->answered++];

	SIM_CHECK(world, event->accept == session->script->refuse, "session %u.%u: Accept %u", round,
		  session->index, event->accept);
	if (event->accept == 0) {
		SIM_CHECK(world, memcmp(event->sid, session->request.sid, 16) == 0, "another SID");
		SIM_CHECK(world, event->port == session->server_port, "port %u, not %u", event->port,
			  session->server_port);
	}
	request_next(world);
	if (client->answered == world->script->session_count[round])
		start(world);
}

static void started(struct sim_world *world, const struct owamp_control_client_event *event)
{
	SIM_CHECK(world, event->accept == 0, "Start-Ack with %u", event->accept);
	world->client.phase = SIM_MEASURING;
	side_start(world, SIM_CLIENT);
	side_look(world, SIM_CLIENT);
}

static void handle(struct sim_world *world, const struct owamp_control_client_event *event)
{
	struct sim_client *client = &world->client;

	switch (event->type) {
	case OWAMP_CLIENT_GREETING:
		set_up(world, event);
		return;
	case OWAMP_CLIENT_SETUP_DONE:
		SIM_CHECK(world, event->accept == 0, "set up with %u", event->accept);
		SIM_CHECK(world, event->server_start_time == world->server.config.start_time,
			  "another start time");
		if (client->again)
			fetch_next(world);
		else
			begin_round(world);
		return;
	case OWAMP_CLIENT_ACCEPT_SESSION:
		SIM_CHECK(world, client->phase == SIM_REQUESTING, "Accept-Session out of turn");
		accepted(world, event);
		return;
	case OWAMP_CLIENT_START_ACK:
		SIM_CHECK(world, client->phase == SIM_STARTING, "Start-Ack out of turn");
		started(world, event);
		return;
	case OWAMP_CLIENT_STOP:
		SIM_CHECK(world, event->accept == 0, "Stop-Sessions with %u", event->accept);
		side_stop_received(world, SIM_CLIENT, event->sessions, event->session_count);
		return;
	default:
		fetch_event(world, event);
	}
}

void client_arrived(struct sim_world *world)
{
	struct owamp_control_client_event event;
	int result;

	while ((result = owamp_control_client_poll(world->client.machine, &event)) == 1)
		handle(world, &event);
	SIM_CHECK(world, result == 0, "the client drops the connection: %s",
		  owamp_control_client_reason(world->client.machine));
}

void client_settled(struct sim_world *world)
{
	struct sim_client *client = &world->client;

	client->phase = SIM_FETCHING;
	client->fetch_round = world->sides[SIM_CLIENT].round;
	client->fetch_index = client->fetch_step = 0;
	fetch_next(world);
}

/* All of a round, or after a break all there is, was fetched. */
void client_fetched(struct sim_world *world)
{
	struct sim_side *side = &world->sides[SIM_CLIENT];

	if (!world->client.again && side->round + 1 < world->script->round_count) {
		side->round++;
		begin_round(world);
		return;
	}
	sim_trace(world, "the client is done");
	world->client.phase = SIM_DONE;
	SIM_CHECK(world, owamp_control_client_input_size(world->client.machine) == 0, "octets are left over");
}

void client_closed(struct sim_world *world)
{
	struct sim_client *client = &world->client;

	side_closed(world, SIM_CLIENT);
	client->again = true;
	client->fetch_round = client->fetch_index = client->fetch_step = 0;
	link_connect(world);
}
