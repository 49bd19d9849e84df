/* The sending end of a session: the library's sender, woken when and as late as the script says. */
#include "world.h"

#include "packet_wire.h"

static void wake(struct sim_world *world, void *context);

/* Woken for the next packet: late, very late after a pause, now and then too early. */
static void plan(struct sim_session *session)
{
	const struct sim_session_script *script = session->script;
	const struct sim_account *account = &session->account;
	struct sim_world *world = session->world;
	int64_t at_ns;

	if (account->next == account->packets) {
		sim_at(world, world->now_ns, wake, session);
		return;
	}
	at_ns = units_to_ns(account->due[account->next]) - session->schedule_offset_ns;
	if (sim_chance(world, 50))
		at_ns -= sim_span(world, SIM_MS);
	else
		at_ns += sim_span(world, script->late_ns);
	if (sim_chance(world, script->stall))
		at_ns += sim_span(world, script->stall_ns);
	if (account->next == script->stall_seq)
		at_ns += script->stall_ns;
	sim_at(world, at_ns, wake, session);
}

static void complete(struct sim_world *world, void *context)
{
	struct sim_session *session = context;

	session->send_complete = true;
	side_look(world, session_sender(session));
}

static void finish(struct sim_session *session)
{
	const struct sim_account *account = &session->account;
	struct sim_world *world = session->world;
	int64_t end_ns = units_to_ns(account->due[account->packets - 1] + account->timeout);

	session->sent_all = true;
	sim_trace(world, "session %u.%u: all sent but %u", session->round, session->index,
		  account->packets - account->sent);
	sim_at(world, end_ns - session->schedule_offset_ns + world->script->end_delay_ns, complete, session);
}

static void check_packet(const struct sim_session *session, const struct sim_read *expected,
			 const uint8_t *octets, size_t size)
{
	const struct sim_world *world = session->world;
	uint32_t mode = world->script->mode;
	size_t least = packet_least(mode);
	struct packet packet = packet_open_session(mode, &world->keys, session->request.sid, octets);

	SIM_CHECK(world, packet.seq == expected->seq, "packet %u says it is %u", expected->seq, packet.seq);
	SIM_CHECK(world, packet.time == expected->stamp, "packet %u with another stamp", packet.seq);
	SIM_CHECK(world, packet.error == expected->error, "packet %u with another error", packet.seq);
	for (size_t i = least; session->script->zero_padding && i < size; i++)
		SIM_CHECK(world, octets[i] == 0, "padding is not zero");
}

static void send_packet(struct sim_session *session)
{
	struct sim_world *world = session->world;
	struct sim_account *account = &session->account;
	const struct sim_read read = {
		.seq = account->next,
		.sent_ns = sim_clock_ns(world, session_sender(session)),
		.stamp = (uint64_t)sim_clock(world, session_sender(session)),
		.error = sim_error_estimate(world),
		.clean = true,
	};
	bool sent = !sim_chance(world, session->script->send_error);
	const uint8_t *octets;
	size_t size;

	if (sim_chance(world, 500))
		SIM_CHECK(world, owamp_sender_prepare(session->sender) == 0, "not prepared");
	/* A first stamp that was not used. */
	if (sim_chance(world, 100))
		owamp_sender_stamp(session->sender, sim_ntp(world, read.sent_ns - 1000), 0x0199, &size);
	octets = owamp_sender_stamp(session->sender, sim_ntp(world, read.sent_ns), read.error, &size);
	SIM_CHECK(world, octets != NULL, "no packet");
	SIM_CHECK(world, size == packet_least(world->script->mode) + session->request.padding,
		  "packet %u has %zu octets", read.seq, size);
	if (sim_chance(world, 125))
		check_packet(session, &read, octets, size);
	if (sent)
		network_send(session, &read, octets, size);
	SIM_CHECK(world, owamp_sender_next(session->sender, sent) == 0, "no next packet");
	account_left(account, sent);
}

static void wake(struct sim_world *world, void *context)
{
	struct sim_session *session = context;
	struct sim_account *account = &session->account;
	int64_t schedule_ns = world->now_ns + session->schedule_offset_ns;
	int action, expected;
	owamp_ntp due;
	uint32_t last, rounds = 0;

	if (session->send_stopped || session->sent_all)
		return;
	do {
		action = owamp_sender_poll(session->sender, sim_ntp(world, schedule_ns), &due);
	} while (action == OWAMP_SENDER_AGAIN && ++rounds < account->packets);
	expected = account_poll(account, units_of_ns(schedule_ns));
	SIM_CHECK(world, action == expected, "the sender wants %d, not %d, at packet %u", action, expected,
		  account->next);
	last = account->next < account->packets ? account->next : account->packets - 1;
	SIM_CHECK(world, due == (uint64_t)account->due[last], "packet %u is due at another time", last);
	if (action == OWAMP_SENDER_DONE) {
		finish(session);
		return;
	}
	if (action == OWAMP_SENDER_SEND)
		send_packet(session);
	plan(session);
}

void sending_start(struct sim_session *session)
{
	struct sim_world *world = session->world;
	struct owamp_sender_config config = {
		.mode = world->script->mode,
		.request = &session->request,
		.control_keys = session_sender(session) == SIM_CLIENT
					? owamp_control_client_keys(world->client.machine)
					: owamp_control_server_keys(world->server.machine),
		.zero_padding = session->script->zero_padding,
	};

	ref_fill(&world->random, config.padding_seed, sizeof(config.padding_seed));
	SIM_CHECK(world, owamp_sender_new(&session->sender, &config) == 0, "no sender");
	session->schedule_offset_ns = world->offset_ns[session_sender(session)];
	sim_at(world, world->now_ns, wake, session);
}

void sending_stop(struct sim_session *session)
{
	const struct sim_account *account = &session->account;
	const struct sim_world *world = session->world;
	struct owamp_skip_range *skips = calloc(account->packets, sizeof(*skips));
	uint32_t count = account_skips(account, account->next, skips);
	struct owamp_stop_session state;

	assert_non_null(skips);
	session->send_stopped = true;
	owamp_sender_state(session->sender, &state);
	SIM_CHECK(world, memcmp(state.sid, session->request.sid, 16) == 0, "another SID");
	SIM_CHECK(world, state.next_seq == account->next, "Next Seqno %u, not %u", state.next_seq,
		  account->next);
	SIM_CHECK(world, owamp_sender_sent(session->sender) == account->sent, "%u sent, not %u",
		  owamp_sender_sent(session->sender), account->sent);
	SIM_CHECK(world, state.skip_count == count, "%u skip ranges, not %u", state.skip_count, count);
	for (uint32_t i = 0; i < count; i++)
		SIM_CHECK(world,
			  state.skips[i].first == skips[i].first && state.skips[i].last == skips[i].last,
			  "skip range %u is %u to %u", i, state.skips[i].first, state.skips[i].last);
	free(skips);
}
