/* The receiving end of a session: each packet and record is compared as it comes. */
#include "world.h"

struct tick {
	struct sim_session *session;
	uint64_t number;
};

static void sink(void *context, const struct owamp_record *record)
{
	struct sim_session *session = context;

	if (session->record_count == session->record_capacity) {
		session->record_capacity = 2 * session->record_capacity + 64;
		session->records =
			realloc(session->records, session->record_capacity * sizeof(*session->records));
		assert_non_null(session->records);
	}
	session->records[session->record_count++] = *record;
}

static bool same(const struct owamp_record *a, const struct owamp_record *b)
{
	return a->send_time == b->send_time && a->receive_time == b->receive_time && a->seq == b->seq &&
	       a->send_error == b->send_error && a->receive_error == b->receive_error && a->ttl == b->ttl &&
	       a->dropped == b->dropped;
}

/* The records since, and what is due next. */
static void compare(struct sim_session *session, uint32_t since)
{
	const struct sim_account *account = &session->account;
	const struct sim_world *world = session->world;
	owamp_ntp deadline = owamp_receiver_deadline(session->receiver);
	owamp_ntp latest;

	for (uint32_t i = since; i < session->record_count && i < account->record_count; i++)
		SIM_CHECK(world, same(&session->records[i], &account->records[i].record),
			  "record %u of session %u.%u is of packet %u, %016llx to %016llx, not of packet %u, "
			  "%016llx to %016llx",
			  i, session->round, session->index, session->records[i].seq,
			  (unsigned long long)session->records[i].send_time,
			  (unsigned long long)session->records[i].receive_time,
			  account->records[i].record.seq,
			  (unsigned long long)account->records[i].record.send_time,
			  (unsigned long long)account->records[i].record.receive_time);
	SIM_CHECK(world, session->record_count == account->record_count, "%u records, not %u",
		  session->record_count, account->record_count);
	SIM_CHECK(world,
		  owamp_receiver_complete(session->receiver) == (account->declared == account->packets),
		  "complete at the wrong time");
	SIM_CHECK(world, (int64_t)(deadline - session->deadline) >= 0, "the deadline went back");
	session->deadline = deadline;
	if (account->declared < account->packets) {
		latest = (owamp_ntp)(account->due[account->declared] + account->timeout);
		SIM_CHECK(world, (int64_t)(latest - deadline) >= 0, "the deadline is too late");
	}
}

static void tell_drops(struct sim_session *session)
{
	account_drops(&session->account, session->drops);
	owamp_receiver_drops(session->receiver, session->drops);
	session->drops = 0;
}

/*
 * By how much the receiver's clock was set since the session began, or since
 * packets began to arrive.
 */
static int64_t set_ns(struct sim_session *session)
{
	int64_t offset_ns = session->world->offset_ns[session_receiver(session)];

	if (session->account.counters.results[OWAMP_RECEIVE_OK] == 0)
		session->receive_offset_ns = offset_ns;
	return offset_ns - session->receive_offset_ns;
}

/* The time by which the session decides. */
static int64_t own_ns(struct sim_session *session)
{
	return sim_clock_ns(session->world, session_receiver(session)) - set_ns(session);
}

static void expire(struct sim_session *session)
{
	struct sim_world *world = session->world;
	int64_t now_ns = own_ns(session);
	uint16_t error = sim_error_estimate(world);
	uint32_t since = session->record_count;
	owamp_ntp now = sim_ntp(world, now_ns);
	uint32_t rounds = 0;

	account_expire(&session->account, units_of_ns(now_ns), error);
	do {
		SIM_CHECK(world, owamp_receiver_expire(session->receiver, now, error) == 0, "not expired");
		SIM_CHECK(world, rounds++ < 1000, "it expires without end");
	} while (!owamp_receiver_complete(session->receiver) &&
		 owamp_ntp_diff(now, owamp_receiver_deadline(session->receiver)) > 0);
	compare(session, since);
}

static int64_t pause_ns(struct sim_session *session)
{
	const struct sim_session_script *script = session->script;
	struct sim_world *world = session->world;
	owamp_ntp now = sim_ntp(world, own_ns(session));
	int64_t wait_ns;

	if (script->expiry == SIM_EXPIRE_NOW_AND_THEN)
		return SIM_MS + sim_span(world, script->timeout_ns / 4);
	if (script->expiry == SIM_EXPIRE_RARELY)
		return 3 * script->timeout_ns + SIM_MS + sim_span(world, script->timeout_ns);
	wait_ns = units_span_ns((int64_t)(owamp_receiver_deadline(session->receiver) - now));
	if (wait_ns < 0)
		wait_ns = 0;
	if (wait_ns > SIM_S)
		wait_ns = SIM_S;
	/* Exactly then, when nothing is due yet, or a little later. */
	return wait_ns > 0 && sim_chance(world, 300) ? wait_ns : wait_ns + 1 + sim_span(world, SIM_MS);
}

static void tick(struct sim_world *world, void *context);

static void plan(struct sim_session *session)
{
	struct sim_world *world = session->world;
	struct tick *next = malloc(sizeof(*next));

	assert_non_null(next);
	*next = (struct tick){session, ++session->tick};
	sim_at(world, world->now_ns + pause_ns(session), tick, next);
}

static void tick(struct sim_world *world, void *context)
{
	struct tick *this = context;
	struct sim_session *session = this->session;
	bool stale = session->outcome.ended || this->number != session->tick;

	free(this);
	if (stale)
		return;
	/* Mostly it is the next packet that tells. */
	if (session->drops > 0 && sim_chance(session->world, 200))
		tell_drops(session);
	expire(session);
	if (!owamp_receiver_complete(session->receiver)) {
		plan(session);
		return;
	}
	sim_trace(world, "session %u.%u: complete, %u lost, %u dropped", session->round, session->index,
		  (unsigned)session->account.counters.lost, (unsigned)session->account.counters.dropped);
	session->receive_complete = true;
	session->outcome.complete_ns = session->world->now_ns - session->world->script->begin_ns;
	side_look(world, session_receiver(session));
}

void receiving_start(struct sim_session *session)
{
	struct sim_world *world = session->world;
	const struct owamp_receiver_config config = {
		.mode = world->script->mode,
		.request = &session->request,
		.control_keys = session_receiver(session) == SIM_CLIENT
					? owamp_control_client_keys(world->client.machine)
					: owamp_control_server_keys(world->server.machine),
	};

	SIM_CHECK(world, owamp_receiver_new(&session->receiver, &config, sink, session) == 0, "no receiver");
	session->deadline = owamp_receiver_deadline(session->receiver);
	session->outcome.started = true;
	plan(session);
}

void receiving_arrival(struct sim_session *session, const struct sim_read *read, const uint8_t *octets,
		       size_t size)
{
	struct sim_world *world = session->world;
	int64_t now_ns = sim_clock_ns(world, session_receiver(session)), shift_ns = set_ns(session);
	uint16_t error = sim_error_estimate(world);
	uint8_t ttl = (uint8_t)(255 - ref_below(&world->random, 20));
	uint32_t since = session->record_count;
	int result, expected;

	if (!session->receiver || session->outcome.ended)
		return;
	tell_drops(session);
	expected = account_arrival(&session->account, read, now_ns, shift_ns, error, ttl);
	owamp_receiver_clock_shift(session->receiver, shift_ns);
	result = owamp_receiver_packet(session->receiver, octets, size, sim_ntp(world, now_ns), error, ttl);
	if (result != OWAMP_RECEIVE_OK)
		sim_trace(world, "session %u.%u: packet %u discarded: %s", session->round, session->index,
			  read->seq, owamp_receive_result_name((enum owamp_receive_result)result));
	SIM_CHECK(world, result == expected, "packet %u of session %u.%u is %s, not %s", read->seq,
		  session->round, session->index,
		  owamp_receive_result_name((enum owamp_receive_result)result),
		  owamp_receive_result_name((enum owamp_receive_result)expected));
	compare(session, since);
}

/* There is no room for what arrives. */
void receiving_drop(struct sim_session *session)
{
	if (session->receiver && !session->outcome.ended)
		session->drops++;
}

static void keep(struct sim_session *session)
{
	struct sim_outcome *outcome = &session->outcome;

	outcome->records = session->records;
	for (uint32_t i = 0; i < session->record_count; i++) {
		if (session->records[i].seq < outcome->cut)
			session->records[outcome->record_count++] = session->records[i];
	}
}

/* The session ends, with Stop-Sessions or without (section 3.8). */
void receiving_end(struct sim_session *session)
{
	struct sim_outcome *outcome = &session->outcome;
	struct sim_account *account = &session->account;
	struct sim_world *world = session->world;
	const struct owamp_stop_session *stop = outcome->stopped ? &session->stop : NULL;
	int result;

	tell_drops(session);
	expire(session);
	account_end(account, stop);
	result = owamp_receiver_end(session->receiver, stop, &outcome->cut);
	SIM_CHECK(world, result == (account->contradictory ? OWAMP_EDATA : 0), "the end is %d", result);
	SIM_CHECK(world, outcome->cut == account->cut, "session %u.%u is cut at %u, not %u", session->round,
		  session->index, outcome->cut, account->cut);
	outcome->ended = true;
	outcome->contradictory = account->contradictory;
	outcome->counters = *owamp_receiver_counters(session->receiver);
	SIM_CHECK(world, memcmp(&outcome->counters, &account->counters, sizeof(account->counters)) == 0,
		  "session %u.%u has other counters", session->round, session->index);
	keep(session);
	sim_trace(world, "session %u.%u: ended, cut at %u of %u, %u of %u records kept", session->round,
		  session->index, outcome->cut, account->packets, outcome->record_count,
		  session->record_count);
	if (session_receiver(session) == SIM_CLIENT && !outcome->contradictory)
		verdict(session, outcome->records, outcome->record_count);
}
