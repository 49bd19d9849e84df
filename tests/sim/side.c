/* What client and server do alike: start, stop, and settle the sessions of a round (section 3.8). */
#include "world.h"

enum sim_host session_sender(const struct sim_session *session)
{
	return session->script->to_server ? SIM_CLIENT : SIM_SERVER;
}

enum sim_host session_receiver(const struct sim_session *session)
{
	return session->script->to_server ? SIM_SERVER : SIM_CLIENT;
}

static struct sim_session *session_at(struct sim_world *world, enum sim_host host, unsigned i)
{
	return &world->sessions[world->sides[host].round][i];
}

static unsigned session_count(const struct sim_world *world, enum sim_host host)
{
	return world->script->session_count[world->sides[host].round];
}

void side_start_receivers(struct sim_world *world, enum sim_host host)
{
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		if (session->accepted && session_receiver(session) == host)
			receiving_start(session);
	}
}

static void stop_client_early(struct sim_world *world, void *context)
{
	(void)context;
	side_stop(world, SIM_CLIENT);
}

static void stop_server_early(struct sim_world *world, void *context)
{
	(void)context;
	side_stop(world, SIM_SERVER);
}

void side_start(struct sim_world *world, enum sim_host host)
{
	const struct sim_script *script = world->script;
	struct sim_side *side = &world->sides[host];

	side->active = true;
	side->stop_sent = side->stop_received = false;
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		if (session->accepted && session_sender(session) == host)
			sending_start(session);
	}
	if (script->stop_ns != SIM_NEVER && script->stop_round == side->round && script->stop_host == host)
		sim_at(world, world->now_ns + script->stop_ns,
		       host == SIM_CLIENT ? stop_client_early : stop_server_early, NULL);
}

static bool all_complete(struct sim_world *world, enum sim_host host, bool receivers_only)
{
	for (unsigned i = 0; i < session_count(world, host); i++) {
		const struct sim_session *session = session_at(world, host, i);

		if (!session->accepted)
			continue;
		if (session_receiver(session) == host && !session->receive_complete)
			return false;
		if (session_sender(session) == host && !session->send_complete && !receivers_only)
			return false;
	}
	return true;
}

/* Next Seqno and skip ranges of a sender, or what a lying one says. */
static struct owamp_stop_session describe(struct sim_session *session, struct owamp_skip_range *skips)
{
	uint32_t next_seq = session->account.next;
	struct owamp_stop_session stop;

	owamp_sender_state(session->sender, &stop);
	if (session->script->lie) {
		next_seq -= session->script->lie < next_seq ? session->script->lie : next_seq;
		stop.next_seq = next_seq;
		stop.skip_count = account_skips(&session->account, next_seq, skips);
		stop.skips = skips;
	}
	return stop;
}

void side_stop(struct sim_world *world, enum sim_host host)
{
	struct owamp_skip_range *skips[SIM_SESSIONS_MAX] = {NULL};
	struct owamp_stop_session stops[SIM_SESSIONS_MAX];
	struct sim_side *side = &world->sides[host];
	size_t count = 0;
	int error;

	if (!side->active || side->stop_sent)
		return;
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		if (!session->accepted || session_sender(session) != host)
			continue;
		sending_stop(session);
		skips[i] = calloc(session->request.packets, sizeof(*skips[i]));
		assert_non_null(skips[i]);
		stops[count++] = describe(session, skips[i]);
	}
	error = host == SIM_CLIENT ? owamp_control_client_stop(world->client.machine, 0, stops, count)
				   : owamp_control_server_stop(world->server.machine, 0, stops, count);
	SIM_CHECK(world, error == 0, "Stop-Sessions of the %s fails with %d",
		  host == SIM_CLIENT ? "client" : "server", error);
	for (unsigned i = 0; i < SIM_SESSIONS_MAX; i++)
		free(skips[i]);
	sim_trace(world, "the %s stops %zu sessions", host == SIM_CLIENT ? "client" : "server", count);
	side->stop_sent = true;
	link_flush(world, host);
	side_look(world, host);
}

static void settle_late(struct sim_world *world, enum sim_host host, const struct sim_session *first)
{
	if (world->sides[host].round == first->round)
		side_settle(world, host);
}

static void settle_client_late(struct sim_world *world, void *context)
{
	settle_late(world, SIM_CLIENT, context);
}

static void settle_server_late(struct sim_world *world, void *context)
{
	settle_late(world, SIM_SERVER, context);
}

void side_look(struct sim_world *world, enum sim_host host)
{
	struct sim_side *side = &world->sides[host];

	if (!side->active)
		return;
	if (!side->stop_sent && all_complete(world, host, false))
		side_stop(world, host);
	if (!side->active || !side->stop_sent || !side->stop_received)
		return;
	if (world->script->settle_ns == 0 || all_complete(world, host, true))
		side_settle(world, host);
	else
		sim_at(world, world->now_ns + world->script->settle_ns,
		       host == SIM_CLIENT ? settle_client_late : settle_server_late,
		       session_at(world, host, 0));
}

static void keep_stop(struct sim_session *session, const struct owamp_stop_session *stop)
{
	const struct sim_account *account = &session->account;
	const struct sim_world *world = session->world;
	uint32_t lie = session->script->lie < account->next ? session->script->lie : account->next;
	uint32_t count;

	SIM_CHECK(world, stop->next_seq == account->next - lie, "Next Seqno %u arrives, not %u",
		  stop->next_seq, account->next - lie);
	session->stop = *stop;
	session->stop_skips = calloc(account->packets, sizeof(*session->stop_skips));
	assert_non_null(session->stop_skips);
	count = account_skips(account, stop->next_seq, session->stop_skips);
	SIM_CHECK(world, stop->skip_count == count, "%u skip ranges arrive, not %u", stop->skip_count, count);
	for (uint32_t i = 0; i < count; i++)
		SIM_CHECK(world,
			  stop->skips[i].first == session->stop_skips[i].first &&
				  stop->skips[i].last == session->stop_skips[i].last,
			  "skip range %u arrives as %u to %u", i, stop->skips[i].first, stop->skips[i].last);
	session->stop.skips = session->stop_skips;
	session->outcome.stopped = true;
	session->outcome.next_seq = stop->next_seq;
}

void side_stop_received(struct sim_world *world, enum sim_host host,
			const struct owamp_stop_session *sessions, size_t count)
{
	struct sim_side *side = &world->sides[host];
	size_t known = 0;

	SIM_CHECK(world, side->active && !side->stop_received, "Stop-Sessions out of turn");
	side->stop_received = true;
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		for (size_t j = 0; j < count; j++) {
			if (memcmp(session->request.sid, sessions[j].sid, 16) != 0)
				continue;
			SIM_CHECK(world, session->accepted && session_receiver(session) == host,
				  "Stop-Sessions of a session that is not the peer's");
			keep_stop(session, &sessions[j]);
			known++;
		}
	}
	SIM_CHECK(world, known == count, "Stop-Sessions of an unknown session");
	side_stop(world, host);
	side_look(world, host);
}

static void end_receivers(struct sim_world *world, enum sim_host host)
{
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		if (session->receiver && session_receiver(session) == host && !session->outcome.ended)
			receiving_end(session);
	}
}

void side_settle(struct sim_world *world, enum sim_host host)
{
	struct sim_side *side = &world->sides[host];

	if (!side->active || !side->stop_sent || !side->stop_received)
		return;
	side->active = false;
	end_receivers(world, host);
	if (host == SIM_CLIENT)
		client_settled(world);
	else
		server_settled(world);
	link_flush(world, host);
}

void side_closed(struct sim_world *world, enum sim_host host)
{
	for (unsigned i = 0; i < session_count(world, host); i++) {
		struct sim_session *session = session_at(world, host, i);

		if (session->sender && session_sender(session) == host && !session->send_stopped)
			sending_stop(session);
		if (session->receiver && session_receiver(session) == host && !session->outcome.ended)
			session->broken = true;
	}
	end_receivers(world, host);
	world->sides[host].active = false;
}
