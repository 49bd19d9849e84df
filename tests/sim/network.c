/* What becomes of packets under way. */
#include "world.h"

#include "packet_wire.h"

struct flight {
	struct sim_session *session;
	struct sim_read read;
	bool dropped;
	size_t size;
	uint8_t octets[];
};

static void arrive(struct sim_world *world, void *context)
{
	struct flight *flight = context;

	(void)world;
	if (flight->dropped)
		receiving_drop(flight->session);
	else
		receiving_arrival(flight->session, &flight->read, flight->octets, flight->size);
	free(flight);
}

static void decide(struct sim_session *session, uint32_t seq, struct sim_fate *fate)
{
	const struct sim_path *path = &session->script->path;
	struct sim_world *world = session->world;

	if (path->fate) {
		path->fate(seq, fate);
		return;
	}
	fate->copies = sim_chance(world, path->loss) ? 0 : 1;
	while (fate->copies > 0 && fate->copies < SIM_COPIES_MAX && sim_chance(world, path->duplicate))
		fate->copies++;
	for (unsigned i = 0; i < fate->copies; i++) {
		fate->delay_ns[i] = path->delay_ns + sim_span(world, path->jitter_ns);
		if (sim_chance(world, path->hold))
			fate->delay_ns[i] += sim_span(world, path->hold_ns);
		fate->damaged[i] = sim_chance(world, path->damage);
		fate->dropped[i] = sim_chance(world, path->drop);
	}
}

/* One bit, or a whole octet that is zero: what does the receiver read now? */
static void change(struct flight *flight, uint32_t mode, uint64_t chance)
{
	struct sim_read *read = &flight->read;
	size_t at = chance % (chance >> 60 & 1 ? flight->size : packet_least(mode));
	uint8_t before = flight->octets[at];
	uint8_t bit = (uint8_t)(1U << (chance >> 32) % 8);

	flight->octets[at] = (uint8_t)(chance >> 61 & 1 ? 0 : before ^ bit);
	if (flight->octets[at] == before)
		return;
	if (mode == OWAMP_MODE_OPEN && at < 14) {
		read->seq = (uint32_t)ref_get(flight->octets, 4);
		read->stamp = ref_get(flight->octets + 4, 8);
		read->error = (uint16_t)ref_get(flight->octets + 12, 2);
		read->clean = false;
	} else if (mode == OWAMP_MODE_AUTHENTICATED && at >= 16 && at < 32) {
		/* In clear and not covered. */
		read->stamp = ref_get(flight->octets + 16, 8);
		read->error = (uint16_t)ref_get(flight->octets + 24, 2);
		read->clean = false;
	} else if (mode != OWAMP_MODE_OPEN && at < 48) {
		read->forged = true;
	}
}

static void damage(struct sim_session *session, struct flight *flight)
{
	struct sim_world *world = session->world;
	uint64_t chance = ref_random(&world->random);

	if (chance % 4 == 0) {
		flight->size = (chance >> 8) % flight->size;
		flight->read.cut_off = flight->size < packet_least(world->script->mode);
	} else {
		change(flight, world->script->mode, ref_random(&world->random));
	}
}

void network_send(struct sim_session *session, const struct sim_read *read, const uint8_t *octets,
		  size_t size)
{
	struct sim_world *world = session->world;
	struct sim_fate fate = {0};

	decide(session, read->seq, &fate);
	if (fate.copies != 1)
		sim_trace(world, "session %u.%u: packet %u: %s", session->round, session->index, read->seq,
			  fate.copies ? "duplicated" : "lost");
	for (unsigned i = 0; i < fate.copies; i++) {
		struct flight *flight = malloc(sizeof(*flight) + size);

		assert_non_null(flight);
		flight->session = session;
		flight->read = *read;
		flight->dropped = fate.dropped[i];
		flight->size = size;
		memcpy(flight->octets, octets, size);
		if (fate.damaged[i])
			damage(session, flight);
		sim_at(world, world->now_ns + fate.delay_ns[i], arrive, flight);
	}
}
