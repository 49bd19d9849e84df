/* The client fetches what the server received, whole and in part, and compares. */
#include "world.h"

static struct sim_session *fetched(struct sim_world *world)
{
	return &world->sessions[world->client.fetch_round][world->client.fetch_index];
}

static bool wanted(const struct owamp_record *record, const struct sim_client *client)
{
	return record->seq >= client->begin_seq && record->seq <= client->end_seq;
}

/* A fetch of everything, of everything in the form of a part, and of any part. */
static void ask(struct sim_world *world, const struct sim_session *session)
{
	struct sim_client *client = &world->client;

	client->begin_seq = 0;
	client->end_seq = client->fetch_step == 0 ? UINT32_MAX : UINT32_MAX - 1;
	if (client->fetch_step == 2) {
		client->begin_seq = ref_below(&world->random, session->request.packets);
		client->end_seq = client->begin_seq + ref_below(&world->random, session->request.packets);
	}
	client->phase = SIM_FETCHING;
	SIM_CHECK(world,
		  owamp_control_client_fetch(client->machine, session->request.sid, client->begin_seq,
					     client->end_seq) == 0,
		  "no Fetch-Session");
}

/* The session that comes next; when its round is over, so is the fetching, but after a break. */
void fetch_next(struct sim_world *world)
{
	struct sim_client *client = &world->client;
	const struct sim_script *script = world->script;

	while (client->fetch_round < script->round_count) {
		if (client->fetch_index == script->session_count[client->fetch_round]) {
			if (!client->again)
				break;
			client->fetch_index = 0;
			client->fetch_round++;
			continue;
		}
		if (fetched(world)->accepted && fetched(world)->script->to_server) {
			ask(world, fetched(world));
			return;
		}
		client->fetch_index++;
	}
	client_fetched(world);
}

static void finish(struct sim_world *world)
{
	struct sim_client *client = &world->client;

	if (++client->fetch_step == 3) {
		client->fetch_step = 0;
		client->fetch_index++;
	}
	fetch_next(world);
}

static void acknowledged(struct sim_world *world, const struct owamp_control_client_event *event)
{
	const struct sim_session *session = fetched(world);
	const struct sim_outcome *outcome = &session->outcome;
	struct sim_client *client = &world->client;
	bool refused =
		outcome->contradictory || !outcome->started || (session->broken && client->fetch_step == 0);

	SIM_CHECK(world, event->accept == refused, "session %u.%u: Fetch-Ack with %u", session->round,
		  session->index, event->accept);
	if (refused) {
		finish(world);
		return;
	}
	SIM_CHECK(world, outcome->ended, "a session that is not over");
	client->record_count = client->records_expected = 0;
	for (uint32_t i = 0; i < outcome->record_count; i++)
		client->records_expected += wanted(&outcome->records[i], client);
	SIM_CHECK(world, event->finished, "not finished");
	SIM_CHECK(world, event->next_seq == (outcome->stopped ? outcome->next_seq : session->request.packets),
		  "Next Seqno %u", event->next_seq);
	SIM_CHECK(world, event->skip_total == session->stop.skip_count, "%u skip ranges", event->skip_total);
	SIM_CHECK(world, event->record_total == client->records_expected, "%u records are announced, not %u",
		  event->record_total, client->records_expected);
	client->records =
		realloc(client->records, (client->records_expected + (size_t)1) * sizeof(*client->records));
	assert_non_null(client->records);
}

static void take_records(struct sim_world *world, const struct owamp_control_client_event *event)
{
	struct sim_client *client = &world->client;

	SIM_CHECK(world, client->record_count + event->record_count <= client->records_expected,
		  "too many records");
	if (event->record_count > 0)
		memcpy(client->records + client->record_count, event->records,
		       event->record_count * sizeof(*event->records));
	client->record_count += (uint32_t)event->record_count;
}

/* By what the account has, not by what the server gave away. */
static void compare(struct sim_world *world)
{
	const struct sim_session *session = fetched(world);
	const struct sim_account *account = &session->account;
	const struct sim_client *client = &world->client;
	uint32_t at = 0;

	for (uint32_t i = 0; i < account->record_count; i++) {
		const struct owamp_record *expected = &account->records[i].record;
		const struct owamp_record *got = &client->records[at];

		if (!wanted(expected, client) || expected->seq >= account->cut)
			continue;
		SIM_CHECK(world, at < client->record_count, "a record of packet %u is missing",
			  expected->seq);
		SIM_CHECK(world,
			  got->seq == expected->seq && got->send_time == expected->send_time &&
				  got->receive_time == expected->receive_time &&
				  got->send_error == expected->send_error &&
				  got->receive_error == expected->receive_error &&
				  got->ttl == expected->ttl && !got->dropped,
			  "record %u is not that of packet %u", at, expected->seq);
		at++;
	}
	SIM_CHECK(world, at == client->record_count, "%u records too many", client->record_count - at);
}

static void done(struct sim_world *world)
{
	struct sim_session *session = fetched(world);
	struct sim_client *client = &world->client;

	SIM_CHECK(world, client->record_count == client->records_expected, "%u records, not %u",
		  client->record_count, client->records_expected);
	compare(world);
	if (client->fetch_step == (session->broken ? 1U : 0U) && !session->outcome.measured)
		verdict(session, client->records, client->record_count);
	finish(world);
}

void fetch_event(struct sim_world *world, const struct owamp_control_client_event *event)
{
	const struct sim_session *session = fetched(world);

	SIM_CHECK(world, world->client.phase == SIM_FETCHING, "event %d out of turn", (int)event->type);
	switch (event->type) {
	case OWAMP_CLIENT_FETCH_ACK:
		acknowledged(world, event);
		return;
	case OWAMP_CLIENT_FETCH_REQUEST:
		server_check_request(session, event->request);
		return;
	case OWAMP_CLIENT_FETCH_SKIPS:
		SIM_CHECK(world, event->skip_count == session->stop.skip_count, "%zu skip ranges",
			  event->skip_count);
		for (size_t i = 0; i < event->skip_count; i++)
			SIM_CHECK(world,
				  event->skips[i].first == session->stop.skips[i].first &&
					  event->skips[i].last == session->stop.skips[i].last,
				  "skip range %zu is %u to %u", i, event->skips[i].first,
				  event->skips[i].last);
		return;
	case OWAMP_CLIENT_FETCH_RECORDS:
		take_records(world, event);
		return;
	case OWAMP_CLIENT_FETCH_DONE:
		done(world);
		return;
	default:
		SIM_CHECK(world, false, "event %d", (int)event->type);
	}
}
