/* The control connection: octets in order, in pieces of any size. */
#include "world.h"

struct piece {
	unsigned connection;
	enum sim_host to;
	size_t size;
	uint8_t octets[];
};

static void arrive(struct sim_world *world, void *context)
{
	struct piece *piece = context;

	if (piece->connection != world->connection || !world->connected) {
		free(piece);
		return;
	}
	if (piece->to == SIM_CLIENT)
		SIM_CHECK(world,
			  owamp_control_client_input(world->client.machine, piece->octets, piece->size) == 0,
			  "the client refuses input");
	else
		SIM_CHECK(world,
			  owamp_control_server_input(world->server.machine, piece->octets, piece->size) == 0,
			  "the server refuses input");
	if (piece->to == SIM_CLIENT)
		client_arrived(world);
	else
		server_arrived(world);
	link_flush(world, piece->to);
	free(piece);
}

static const uint8_t *output(struct sim_world *world, enum sim_host from, size_t *size)
{
	return from == SIM_CLIENT ? owamp_control_client_output(world->client.machine, size)
				  : owamp_control_server_output(world->server.machine, size);
}

static void send_piece(struct sim_world *world, enum sim_host from, const uint8_t *octets, size_t size)
{
	struct piece *piece = malloc(sizeof(*piece) + size);
	int64_t at_ns = world->now_ns + sim_span(world, world->script->latency_ns);
	enum sim_host to = from == SIM_CLIENT ? SIM_SERVER : SIM_CLIENT;

	assert_non_null(piece);
	piece->connection = world->connection;
	piece->to = to;
	piece->size = size;
	memcpy(piece->octets, octets, size);
	if (at_ns < world->last_piece_ns[to])
		at_ns = world->last_piece_ns[to];
	world->last_piece_ns[to] = at_ns;
	sim_at(world, at_ns, arrive, piece);
}

void link_flush(struct sim_world *world, enum sim_host from)
{
	while (world->connected) {
		size_t size;
		const uint8_t *octets = output(world, from, &size);

		if (size == 0 && from == SIM_SERVER && world->server.fetching) {
			server_refill(world);
			octets = output(world, from, &size);
		}
		if (size == 0)
			return;
		if (size > world->script->piece_max)
			size = world->script->piece_max;
		size = 1 + ref_below(&world->random, (uint32_t)size);
		send_piece(world, from, octets, size);
		if (from == SIM_CLIENT)
			owamp_control_client_sent(world->client.machine, size);
		else
			owamp_control_server_sent(world->server.machine, size);
	}
}

void link_connect(struct sim_world *world)
{
	const struct owamp_control_client_config client = {.skips_max = 100000, .slots_max = SIM_SLOTS_MAX};
	struct owamp_control_server_config *server = &world->server.config;

	*server = (struct owamp_control_server_config){
		.modes = world->script->mode,
		.pbkdf2_count = 1024,
		.start_time = (uint64_t)units_of_ns(world->script->begin_ns),
		.slots_max = SIM_SLOTS_MAX,
		.skips_max = 100000,
		.sessions_max = SIM_SESSIONS_MAX,
	};
	ref_fill(&world->random, server->challenge, 16);
	ref_fill(&world->random, server->salt, 16);
	ref_fill(&world->random, server->server_iv, 16);
	owamp_control_client_free(world->client.machine);
	owamp_control_server_free(world->server.machine);
	SIM_CHECK(world, owamp_control_client_new(&world->client.machine, &client) == 0, "no client");
	SIM_CHECK(world, owamp_control_server_new(&world->server.machine, server) == 0, "no server");
	world->connection++;
	world->connected = true;
	world->last_piece_ns[SIM_CLIENT] = world->last_piece_ns[SIM_SERVER] = 0;
	world->client.phase = SIM_SETUP;
	link_flush(world, SIM_SERVER);
}

static void client_notices(struct sim_world *world, void *context)
{
	(void)context;
	client_closed(world);
}

static void server_notices(struct sim_world *world, void *context)
{
	(void)context;
	server_closed(world);
}

/* Each side notices in its own time, and what was under way is gone. */
void link_break(struct sim_world *world)
{
	if (world->client.phase == SIM_DONE || !world->connected)
		return;
	sim_trace(world, "the control connection breaks");
	world->connected = false;
	sim_at(world, world->now_ns + sim_span(world, world->script->latency_ns), server_notices, NULL);
	/* Later, so that the server is ready for a new connection. */
	sim_at(world, world->now_ns + world->script->latency_ns + sim_span(world, SIM_S), client_notices,
	       NULL);
}
