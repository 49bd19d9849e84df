#include "world.h"

#include <stdarg.h>
#include <stdio.h>

void sim_fail(const struct sim_world *world, const char *file, int line, const char *condition,
	      const char *format, ...)
{
	const struct sim_script *script = world->script;
	va_list arguments;

	fprintf(stderr, "%s %llu at %+.9f s: ", script->name ? script->name : "seed",
		(unsigned long long)script->seed, (double)(world->now_ns - script->begin_ns) / 1e9);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, " (%s)\n", condition);
	if (!script->name)
		fprintf(stderr, "again, with what happens: test_sim %llu\n",
			(unsigned long long)script->seed);
	_fail(file, line);
}

void sim_trace(const struct sim_world *world, const char *format, ...)
{
	va_list arguments;

	if (!world->script->verbose)
		return;
	printf("%+14.9f ", (double)(world->now_ns - world->script->begin_ns) / 1e9);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

bool sim_chance(struct sim_world *world, uint32_t thousandths)
{
	return ref_below(&world->random, 1000) < thousandths;
}

int64_t sim_span(struct sim_world *world, int64_t max_ns)
{
	uint64_t quanta = (uint64_t)(max_ns / world->script->quantum_ns) + 1;

	return (int64_t)(ref_random(&world->random) % quanta) * world->script->quantum_ns;
}

int64_t sim_clock_ns(const struct sim_world *world, enum sim_host host)
{
	return world->now_ns + world->offset_ns[host];
}

sim_units sim_clock(const struct sim_world *world, enum sim_host host)
{
	return units_of_ns(sim_clock_ns(world, host));
}

owamp_ntp sim_ntp(const struct sim_world *world, int64_t unix_ns)
{
	owamp_ntp ntp = owamp_ntp_from_unix_ns(unix_ns);

	SIM_CHECK(world, ntp == (uint64_t)units_of_ns(unix_ns), "%lld ns is not %016llx", (long long)unix_ns,
		  (unsigned long long)ntp);
	return ntp;
}

uint16_t sim_error_estimate(struct sim_world *world)
{
	uint64_t chance = ref_random(&world->random);

	return (uint16_t)((chance >> 8 & 0x8000) | (chance >> 16 & 0x1f00) | (1 + chance % 255));
}

static void step_clock(struct sim_world *world, void *context)
{
	const struct sim_step *step = context;

	world->offset_ns[step->host] += step->by_ns;
	sim_trace(world, "the clock of the %s steps by %.9f s",
		  step->host == SIM_CLIENT ? "client" : "server", (double)step->by_ns / 1e9);
}

static void break_connection(struct sim_world *world, void *context)
{
	(void)context;
	link_break(world);
}

static void prepare_sessions(struct sim_world *world)
{
	const struct sim_script *script = world->script;

	for (unsigned round = 0; round < script->round_count; round++) {
		for (unsigned i = 0; i < script->session_count[round]; i++) {
			struct sim_session *session = &world->sessions[round][i];

			session->world = world;
			session->script = &script->sessions[round][i];
			session->round = round;
			session->index = i;
		}
	}
}

struct sim_world *sim_run(const struct sim_script *script)
{
	struct sim_world *world = calloc(1, sizeof(*world));
	struct sim_event event;
	uint32_t events = 0;

	assert_non_null(world);
	world->script = script;
	world->random = script->seed ^ UINT64_C(0x5157a3c4);
	world->now_ns = script->begin_ns;
	memcpy(world->offset_ns, script->offset_ns, sizeof(world->offset_ns));
	ref_fill(&world->random, &world->keys, sizeof(world->keys));
	prepare_sessions(world);
	for (unsigned i = 0; i < script->step_count; i++) {
		/* Only read; the queue's contexts are not const. */
		void *step = (void *)(uintptr_t)&script->steps[i];

		sim_at(world, script->begin_ns + script->steps[i].after_ns, step_clock, step);
	}
	if (script->break_ns != SIM_NEVER)
		sim_at(world, script->begin_ns + script->break_ns, break_connection, NULL);
	link_connect(world);
	while (sim_next(world, &event)) {
		world->now_ns = event.at_ns;
		event.fire(world, event.context);
		SIM_CHECK(world, events++ < 5000000, "it does not end");
	}
	SIM_CHECK(world, world->client.phase == SIM_DONE, "the client is stuck in phase %d",
		  (int)world->client.phase);
	return world;
}

const struct sim_outcome *sim_outcome(const struct sim_world *world, unsigned round, unsigned index)
{
	return &world->sessions[round][index].outcome;
}

static void free_session(struct sim_session *session)
{
	owamp_sender_free(session->sender);
	owamp_receiver_free(session->receiver);
	owamp_stats_free(session->stats);
	account_free(&session->account);
	free(session->request.slots);
	free(session->records);
	free(session->stop_skips);
}

void sim_free(struct sim_world *world)
{
	for (unsigned round = 0; round < SIM_ROUNDS_MAX; round++) {
		for (unsigned i = 0; i < SIM_SESSIONS_MAX; i++)
			free_session(&world->sessions[round][i]);
	}
	owamp_control_client_free(world->client.machine);
	owamp_control_server_free(world->server.machine);
	free(world->client.records);
	free(world->queue);
	free(world);
}
