/* What happens: nothing unusual, or what chance makes of a seed. */
#include "sim.h"

#include <string.h>

#include "reference.h"

/* 2036-02-07 06:28:16 UTC: the timestamps' seconds are 0 again. */
#define ERA_BOUNDARY_NS (INT64_C(2085978496) * SIM_S)
#define PLAIN_BEGIN_NS  (INT64_C(1800000000) * SIM_S)

/* 2^-9 s: so many ns and so many units exactly, so that things happen at the same instant. */
#define GRID_NS INT64_C(1953125)

static void plain_session(struct sim_session_script *session)
{
	*session = (struct sim_session_script){
		.packets = 100,
		.slots = {{OWAMP_SLOT_FIXED, (owamp_interval)ref_units(50 * SIM_MS)}},
		.slot_count = 1,
		.timeout_ns = 2 * SIM_S,
		.start_delay_ns = SIM_S,
		.stall_seq = SIM_NO_SEQ,
		.path = {.delay_ns = 10 * SIM_MS},
	};
}

void sim_script_plain(struct sim_script *script, const char *name)
{
	*script = (struct sim_script){
		.name = name,
		.mode = OWAMP_MODE_OPEN,
		.begin_ns = PLAIN_BEGIN_NS,
		.quantum_ns = 1,
		.round_count = 1,
		.session_count = {1},
		.end_delay_ns = 100 * SIM_MS,
		.settle_ns = 4 * SIM_S,
		.stop_ns = SIM_NEVER,
		.break_ns = SIM_NEVER,
		.latency_ns = 5 * SIM_MS,
		.piece_max = 1000,
	};
	plain_session(&script->sessions[0][0]);
}

struct chance {
	uint64_t random;
	int64_t quantum_ns;
};

static bool one_in(struct chance *chance, uint32_t n)
{
	return ref_below(&chance->random, n) == 0;
}

static int64_t up_to(struct chance *chance, int64_t most_ns)
{
	uint64_t quanta = (uint64_t)(most_ns / chance->quantum_ns) + 1;

	return (int64_t)(ref_random(&chance->random) % quanta) * chance->quantum_ns;
}

static int64_t either_way(struct chance *chance, int64_t most_ns)
{
	int64_t ns = up_to(chance, most_ns);

	return one_in(chance, 2) ? ns : -ns;
}

/* From 4 ms (or 2 quanta) to 2 s, each power of two as likely. */
static int64_t some_timeout(struct chance *chance)
{
	int64_t least_ns = 2 * GRID_NS;

	return one_in(chance, 60) ? 0 : (least_ns << ref_below(&chance->random, 9)) + up_to(chance, least_ns);
}

static void some_slots(struct chance *chance, struct sim_session_script *session)
{
	int64_t mean_ns = GRID_NS << ref_below(&chance->random, 5);

	session->slot_count = 1 + ref_below(&chance->random, SIM_SLOTS_MAX);
	for (uint32_t i = 0; i < session->slot_count; i++) {
		struct owamp_slot *slot = &session->slots[i];
		int64_t ns = one_in(chance, 6) ? 0 : up_to(chance, 2 * mean_ns);

		/* Exponential waits are on no grid. */
		if (chance->quantum_ns == 1 && one_in(chance, 2))
			slot->type = OWAMP_SLOT_EXPONENTIAL;
		else
			slot->type = OWAMP_SLOT_FIXED;
		slot->interval = (owamp_interval)ref_units(ns);
	}
}

static void some_path(struct chance *chance, struct sim_session_script *session)
{
	struct sim_path *path = &session->path;
	int64_t timeout_ns = session->timeout_ns;

	path->delay_ns = up_to(chance, one_in(chance, 3) ? timeout_ns : timeout_ns / 8);
	path->jitter_ns = one_in(chance, 3) ? 0 : up_to(chance, timeout_ns / 4);
	path->hold = one_in(chance, 2) ? 0 : 200;
	path->hold_ns = up_to(chance, one_in(chance, 2) ? 2 * timeout_ns : 20 * SIM_MS);
	path->loss = one_in(chance, 3) ? 0 : ref_below(&chance->random, one_in(chance, 8) ? 1000 : 100);
	path->duplicate = one_in(chance, 2) ? 0 : ref_below(&chance->random, 300);
	path->damage = one_in(chance, 3) ? ref_below(&chance->random, 200) : 0;
	path->drop = one_in(chance, 3) ? ref_below(&chance->random, one_in(chance, 3) ? 800 : 100) : 0;
}

static void some_session(struct chance *chance, struct sim_session_script *session)
{
	*session = (struct sim_session_script){
		.to_server = one_in(chance, 2),
		.refuse = one_in(chance, 20) ? (uint8_t)(1 + ref_below(&chance->random, 6)) : 0,
		.packets = 1 + ref_below(&chance->random, one_in(chance, 4) ? 250 : 60),
		.timeout_ns = some_timeout(chance),
		.padding = one_in(chance, 2) ? 0 : ref_below(&chance->random, one_in(chance, 8) ? 1400 : 60),
		.zero_padding = one_in(chance, 2),
		.start_delay_ns = up_to(chance, 300 * SIM_MS),
		.stall_seq = SIM_NO_SEQ,
		.send_error = one_in(chance, 4) ? 30 : 0,
		.expiry = (enum sim_expiry)ref_below(&chance->random, SIM_EXPIRIES),
	};
	some_slots(chance, session);
	some_path(chance, session);
	if (one_in(chance, 20))
		session->start_delay_ns = -up_to(chance, 2 * session->timeout_ns + 100 * SIM_MS);
	if (!one_in(chance, 3))
		session->late_ns = up_to(chance, one_in(chance, 3) ? session->timeout_ns : SIM_MS);
	if (one_in(chance, 3)) {
		session->stall = 20;
		session->stall_ns = 3 * session->timeout_ns;
	}
	if (one_in(chance, 25))
		session->lie = 1 + ref_below(&chance->random, session->packets);
}

static void some_clocks(struct chance *chance, struct sim_script *script)
{
	static const int64_t sizes_ns[] = {SIM_MS, 100 * SIM_MS, 5 * SIM_S};

	for (int host = 0; host < SIM_HOSTS; host++) {
		if (one_in(chance, 2))
			continue;
		script->offset_ns[host] = either_way(chance, one_in(chance, 10) ? 3 * SIM_S : 10 * SIM_MS);
	}
	if (!one_in(chance, 4))
		return;
	script->step_count = 1 + ref_below(&chance->random, SIM_STEPS_MAX);
	for (unsigned i = 0; i < script->step_count; i++)
		script->steps[i] = (struct sim_step){
			.after_ns = up_to(chance, 4 * SIM_S),
			.host = (enum sim_host)ref_below(&chance->random, SIM_HOSTS),
			.by_ns = either_way(chance, sizes_ns[ref_below(&chance->random, 3)]),
		};
}

static void some_ending(struct chance *chance, struct sim_script *script)
{
	script->end_delay_ns = one_in(chance, 3) ? 0 : up_to(chance, 300 * SIM_MS);
	script->settle_ns = one_in(chance, 2) ? 0 : up_to(chance, 4 * SIM_S);
	script->stop_ns = SIM_NEVER;
	script->break_ns = SIM_NEVER;
	if (one_in(chance, 5)) {
		script->stop_round = ref_below(&chance->random, script->round_count);
		script->stop_host = (enum sim_host)ref_below(&chance->random, SIM_HOSTS);
		script->stop_ns = up_to(chance, one_in(chance, 4) ? 50 * SIM_MS : 2 * SIM_S);
	}
	if (one_in(chance, 6))
		script->break_ns = up_to(chance, one_in(chance, 4) ? 200 * SIM_MS : 5 * SIM_S);
}

void sim_script_random(struct sim_script *script, uint64_t seed)
{
	static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
	static const uint32_t pieces[] = {1, 16, 100, 1000, 100000};
	struct chance chance = {.random = seed, .quantum_ns = 1};

	memset(script, 0, sizeof(*script));
	if (one_in(&chance, 3))
		chance.quantum_ns = GRID_NS;
	script->seed = seed;
	script->quantum_ns = chance.quantum_ns;
	script->mode = modes[ref_below(&chance.random, 3)];
	script->begin_ns = PLAIN_BEGIN_NS;
	if (one_in(&chance, 4))
		script->begin_ns = ERA_BOUNDARY_NS - up_to(&chance, 3 * SIM_S);
	some_clocks(&chance, script);
	script->round_count = one_in(&chance, 2) ? 1 : 1 + ref_below(&chance.random, SIM_ROUNDS_MAX);
	for (unsigned round = 0; round < script->round_count; round++) {
		script->session_count[round] = 1 + ref_below(&chance.random, SIM_SESSIONS_MAX);
		for (unsigned i = 0; i < script->session_count[round]; i++)
			some_session(&chance, &script->sessions[round][i]);
	}
	some_ending(&chance, script);
	script->pipelined = one_in(&chance, 2);
	script->latency_ns = GRID_NS << ref_below(&chance.random, 5);
	script->piece_max = pieces[ref_below(&chance.random, 5)];
}
