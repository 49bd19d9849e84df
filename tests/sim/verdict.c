/* The statistics of what was kept, against plain counting over the account: RFC 7679, 7680, 5560, 4737, 3393.
 */
#include "world.h"

#include <math.h>

struct packet {
	bool counts;
	bool arrived;
	uint64_t send_time; /* of its first record */
	bool recorded;
	int64_t delay_ns;
};

/* First arrivals, in their order. */
struct arrivals {
	const struct sim_expected **of;
	uint32_t count;
};

static uint32_t limit_of(const struct sim_session *session)
{
	const struct sim_outcome *outcome = &session->outcome;

	return outcome->stopped && outcome->next_seq < outcome->cut ? outcome->next_seq : outcome->cut;
}

static void count_losses(const struct sim_session *session, struct packet *packets, struct arrivals *arrivals)
{
	const struct owamp_summary *summary = &session->outcome.summary;
	const struct sim_account *account = &session->account;
	const struct sim_world *world = session->world;
	/* A server keeps to itself what its own socket dropped. */
	bool known = session_receiver(session) == SIM_CLIENT;
	uint32_t sent = 0, skipped = 0, duplicates = 0, dropped = 0;

	for (uint32_t seq = 0; seq < limit_of(session); seq++) {
		bool skip = session->outcome.stopped && account->skipped[seq];

		packets[seq].counts = !skip;
		sent += !skip;
		skipped += skip;
	}
	for (uint32_t i = 0; i < account->record_count; i++) {
		const struct owamp_record *record = &account->records[i].record;
		struct packet *packet = &packets[record->seq];

		if (!packet->counts)
			continue;
		if (!packet->recorded)
			packet->send_time = record->send_time;
		packet->recorded = true;
		dropped += known && record->dropped;
		if (record->receive_time == 0)
			continue;
		duplicates += packet->arrived;
		if (!packet->arrived)
			arrivals->of[arrivals->count++] = &account->records[i];
		packet->arrived = true;
	}
	SIM_CHECK(world, summary->sent == sent, "%u sent, not %u", summary->sent, sent);
	SIM_CHECK(world, summary->skipped == skipped, "%u skipped, not %u", summary->skipped, skipped);
	SIM_CHECK(world, summary->received == arrivals->count, "%u received, not %u", summary->received,
		  arrivals->count);
	SIM_CHECK(world, summary->dropped == dropped, "%u dropped, not %u", summary->dropped, dropped);
	SIM_CHECK(world, summary->lost == sent - arrivals->count - dropped, "%u lost, not %u", summary->lost,
		  sent - arrivals->count - dropped);
	SIM_CHECK(world, summary->duplicates == duplicates, "%u duplicates, not %u", summary->duplicates,
		  duplicates);
}

/* The smallest delay that at least so many of 100000 do not exceed, by looking at each. */
static int64_t percentile(const struct arrivals *arrivals, uint64_t share)
{
	int64_t best = INT64_MAX;

	for (uint32_t i = 0; i < arrivals->count; i++) {
		int64_t delay_ns = arrivals->of[i]->delay_ns;
		uint64_t within = 0;

		if (delay_ns >= best)
			continue;
		for (uint32_t j = 0; j < arrivals->count; j++)
			within += arrivals->of[j]->delay_ns <= delay_ns;
		if (within * 100000 >= share * arrivals->count)
			best = delay_ns;
	}
	return best;
}

static void check_delays(const struct sim_session *session, const struct arrivals *arrivals)
{
	static const uint64_t shares[] = {1, 1000, 25000, 50000, 90000, 95000, 99000, 99900, 100000};
	const struct owamp_summary *summary = &session->outcome.summary;
	const struct sim_world *world = session->world;
	__int128 sum = 0;
	int64_t delay_ns;

	if (arrivals->count == 0) {
		SIM_CHECK(world, owamp_stats_percentile(session->stats, 50, &delay_ns) == OWAMP_EDATA,
			  "a median of nothing");
		return;
	}
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		int64_t expected = percentile(arrivals, shares[i]);

		SIM_CHECK(world,
			  owamp_stats_percentile(session->stats, (double)shares[i] / 1000, &delay_ns) == 0 &&
				  delay_ns == expected,
			  "percentile %g is %lld ns, not %lld", (double)shares[i] / 1000, (long long)delay_ns,
			  (long long)expected);
	}
	for (uint32_t i = 0; i < arrivals->count; i++)
		sum += arrivals->of[i]->delay_ns;
	SIM_CHECK(world, summary->delay_min_ns == percentile(arrivals, 0), "minimum %lld",
		  (long long)summary->delay_min_ns);
	SIM_CHECK(world, summary->delay_max_ns == percentile(arrivals, 100000), "maximum %lld",
		  (long long)summary->delay_max_ns);
	SIM_CHECK(world, summary->delay_median_ns == percentile(arrivals, 50000), "median %lld",
		  (long long)summary->delay_median_ns);
	SIM_CHECK(world, summary->jitter_ns == percentile(arrivals, 95000) - percentile(arrivals, 50000),
		  "jitter %lld", (long long)summary->jitter_ns);
	SIM_CHECK(world, fabs(summary->delay_mean_ns - (double)sum / arrivals->count) < 1e-3, "mean %f",
		  summary->delay_mean_ns);
}

/* Pairs of neighbours by number. */
static void check_ipdv(const struct sim_session *session, const struct packet *packets,
		       const struct arrivals *arrivals)
{
	const struct owamp_summary *summary = &session->outcome.summary;
	const struct sim_world *world = session->world;
	uint32_t count = 0;
	int64_t most = 0;
	__int128 sum = 0;

	for (uint32_t i = 0; i < arrivals->count; i++) {
		uint32_t seq = arrivals->of[i]->record.seq;
		int64_t ipdv;

		if (seq == 0 || !packets[seq - 1].arrived)
			continue;
		ipdv = llabs(packets[seq].delay_ns - packets[seq - 1].delay_ns);
		sum += ipdv;
		most = ipdv > most ? ipdv : most;
		count++;
	}
	SIM_CHECK(world, summary->ipdv_count == count, "%u pairs, not %u", summary->ipdv_count, count);
	SIM_CHECK(world, summary->ipdv_max_ns == most, "delay variation %lld, not %lld",
		  (long long)summary->ipdv_max_ns, (long long)most);
	SIM_CHECK(world, count == 0 || fabs(summary->ipdv_mean_ns - (double)sum / count) < 1e-3,
		  "mean delay variation %f", summary->ipdv_mean_ns);
}

/* RFC 4737: reordered if any before it has a greater number; n-reordered if all of the n before it have. */
static void check_reordering(const struct sim_session *session, const struct arrivals *arrivals)
{
	const struct owamp_summary *summary = &session->outcome.summary;
	const struct sim_world *world = session->world;
	uint32_t degrees[OWAMP_REORDER_DEGREES] = {0};
	uint32_t reordered = 0;

	for (uint32_t i = 0; i < arrivals->count; i++) {
		uint32_t seq = arrivals->of[i]->record.seq;
		uint32_t greater = 0;

		for (uint32_t j = 0; j < i; j++)
			greater += arrivals->of[j]->record.seq > seq;
		reordered += greater > 0;
		for (uint32_t n = 1; n <= OWAMP_REORDER_DEGREES && n <= i; n++) {
			bool all = true;

			for (uint32_t j = i - n; j < i && greater > 0; j++)
				all = all && arrivals->of[j]->record.seq > seq;
			degrees[n - 1] += greater > 0 && all;
		}
	}
	SIM_CHECK(world, summary->reordered == reordered, "%u reordered, not %u", summary->reordered,
		  reordered);
	for (uint32_t n = 0; n < OWAMP_REORDER_DEGREES; n++)
		SIM_CHECK(world, summary->n_reordered[n] == degrees[n], "%u packets are %u-reordered, not %u",
			  summary->n_reordered[n], n + 1, degrees[n]);
}

static void check_quality(const struct sim_session *session, const struct arrivals *arrivals)
{
	const struct owamp_summary *summary = &session->outcome.summary;
	const struct sim_world *world = session->world;
	bool send_synchronized = arrivals->count > 0, receive_synchronized = arrivals->count > 0;
	int64_t send_ns = 0, receive_ns = 0;
	uint8_t ttl_min = 255, ttl_max = arrivals->count > 0 ? 0 : 255;

	for (uint32_t i = 0; i < arrivals->count; i++) {
		const struct owamp_record *record = &arrivals->of[i]->record;

		send_synchronized = send_synchronized && record->send_error & 0x8000;
		receive_synchronized = receive_synchronized && record->receive_error & 0x8000;
		if (ref_error_ns(record->send_error) > send_ns)
			send_ns = ref_error_ns(record->send_error);
		if (ref_error_ns(record->receive_error) > receive_ns)
			receive_ns = ref_error_ns(record->receive_error);
		ttl_min = record->ttl < ttl_min ? record->ttl : ttl_min;
		ttl_max = record->ttl > ttl_max ? record->ttl : ttl_max;
	}
	SIM_CHECK(world, summary->send_synchronized == send_synchronized, "S of the sender");
	SIM_CHECK(world, summary->receive_synchronized == receive_synchronized, "S of the receiver");
	SIM_CHECK(world, summary->send_error_ns == send_ns, "error of the sender %lld, not %lld",
		  (long long)summary->send_error_ns, (long long)send_ns);
	SIM_CHECK(world, summary->receive_error_ns == receive_ns, "error of the receiver %lld, not %lld",
		  (long long)summary->receive_error_ns, (long long)receive_ns);
	SIM_CHECK(world, summary->ttl_min == ttl_min && summary->ttl_max == ttl_max, "TTL %u to %u",
		  summary->ttl_min, summary->ttl_max);
}

static void check_ends(const struct sim_session *session, const struct packet *packets)
{
	const struct owamp_summary *summary = &session->outcome.summary;
	uint64_t first = 0, last = 0;
	bool any = false;

	for (uint32_t seq = 0; seq < limit_of(session); seq++) {
		if (!packets[seq].recorded)
			continue;
		first = any ? first : packets[seq].send_time;
		last = packets[seq].send_time;
		any = true;
	}
	SIM_CHECK(session->world, summary->first == first && summary->last == last,
		  "the session is from %016llx to %016llx", (unsigned long long)summary->first,
		  (unsigned long long)summary->last);
}

/* records: what the client has in the end. */
void verdict(struct sim_session *session, const struct owamp_record *records, uint32_t record_count)
{
	struct sim_outcome *outcome = &session->outcome;
	const struct sim_account *account = &session->account;
	struct sim_world *world = session->world;
	struct packet *packets = calloc(account->packets, sizeof(*packets));
	struct arrivals arrivals = {calloc(account->packets, sizeof(struct sim_expected *)), 0};
	int error;

	assert_non_null(packets);
	assert_non_null(arrivals.of);
	SIM_CHECK(world, owamp_stats_new(&session->stats, account->packets) == 0, "no statistics");
	for (uint32_t i = 0; i < record_count; i++)
		SIM_CHECK(world, owamp_stats_record(session->stats, &records[i]) == 0, "not counted");
	error = owamp_stats_finish(session->stats, limit_of(session), session->stop.skips,
				   session->stop.skip_count, &outcome->summary);
	SIM_CHECK(world, error == 0, "statistics end with %d", error);
	outcome->stats = session->stats;
	outcome->measured = true;
	count_losses(session, packets, &arrivals);
	for (uint32_t i = 0; i < arrivals.count; i++)
		packets[arrivals.of[i]->record.seq].delay_ns = arrivals.of[i]->delay_ns;
	check_delays(session, &arrivals);
	check_ipdv(session, packets, &arrivals);
	check_reordering(session, &arrivals);
	check_quality(session, &arrivals);
	check_ends(session, packets);
	free(arrivals.of);
	free(packets);
}
