#include "account.h"

#include "reference.h"

#include "owamp/sender.h"

#define UNIX_EPOCH ((sim_units)2208988800 << 32)
#define NS_OF_S    1000000000

sim_units units_of_ns(int64_t unix_ns)
{
	return UNIX_EPOCH + ref_round((sim_units)unix_ns << 32, NS_OF_S);
}

int64_t units_to_ns(sim_units units)
{
	sim_units scaled = (units - UNIX_EPOCH) * NS_OF_S;

	return (int64_t)((scaled + UINT32_MAX) >> 32);
}

int64_t units_span_ns(sim_units span)
{
	sim_units ns = ref_round((span < 0 ? -span : span) * NS_OF_S, (sim_units)1 << 32);

	return (int64_t)(span < 0 ? -ns : ns);
}

sim_units units_of_span(int64_t ns)
{
	sim_units units = ref_round((sim_units)(ns < 0 ? -ns : ns) << 32, NS_OF_S);

	return ns < 0 ? -units : units;
}

void account_init(struct sim_account *account, const struct owamp_request *request, sim_units start)
{
	struct ref_exponential generator = {0};
	sim_units due = start;

	memcpy(generator.seed, request->sid, 16);
	account->packets = request->packets;
	account->timeout = (sim_units)request->timeout;
	account->due = calloc(request->packets, sizeof(*account->due));
	account->skipped = calloc(request->packets, sizeof(*account->skipped));
	account->arrived = calloc(request->packets, sizeof(*account->arrived));
	account->excused = calloc(request->packets, sizeof(*account->excused));
	assert_non_null(account->due);
	assert_non_null(account->skipped);
	assert_non_null(account->arrived);
	assert_non_null(account->excused);
	for (uint32_t i = 0; i < request->packets; i++) {
		const struct owamp_slot *slot = &request->slots[i % request->slot_count];

		if (slot->type == OWAMP_SLOT_EXPONENTIAL)
			due += (sim_units)slot->interval * (sim_units)ref_exponential_next(&generator) >> 32;
		else
			due += (sim_units)slot->interval;
		account->due[i] = due;
	}
}

void account_free(struct sim_account *account)
{
	free(account->due);
	free(account->skipped);
	free(account->arrived);
	free(account->excused);
	free(account->records);
}

int account_poll(struct sim_account *account, sim_units now)
{
	while (account->next < account->packets && now > account->due[account->next] + account->timeout)
		account_left(account, false);
	if (account->next == account->packets)
		return OWAMP_SENDER_DONE;
	return now >= account->due[account->next] ? OWAMP_SENDER_SEND : OWAMP_SENDER_WAIT;
}

void account_left(struct sim_account *account, bool sent)
{
	account->skipped[account->next++] = !sent;
	account->sent += sent;
}

uint32_t account_skips(const struct sim_account *account, uint32_t limit, struct owamp_skip_range *ranges)
{
	uint32_t count = 0;

	for (uint32_t seq = 0; seq < limit; seq++) {
		if (!account->skipped[seq])
			continue;
		if (seq == 0 || !account->skipped[seq - 1])
			ranges[count++].first = seq;
		ranges[count - 1].last = seq;
	}
	return count;
}

static void add(struct sim_account *account, const struct owamp_record *record, int64_t delay_ns)
{
	if (account->record_count == account->record_capacity) {
		account->record_capacity = 2 * account->record_capacity + 64;
		account->records =
			realloc(account->records, account->record_capacity * sizeof(*account->records));
		assert_non_null(account->records);
	}
	account->records[account->record_count++] = (struct sim_expected){*record, delay_ns};
}

static sim_units apart(sim_units a, sim_units b)
{
	return a > b ? a - b : b - a;
}

/*
 * RFC 4656 section 4.2, in the order of enum owamp_receive_result; what was
 * given up is late before all. set: by how much our clock was. The sender's was
 * not, or was with it: then its stamps are off by as much.
 */
static int judge(const struct sim_account *account, const struct sim_read *read, sim_units stamp,
		 sim_units received, sim_units set)
{
	sim_units arrival = received - set;

	if (read->cut_off)
		return OWAMP_RECEIVE_SHORT;
	if (read->forged)
		return OWAMP_RECEIVE_HMAC;
	if ((read->error & 0xff) == 0)
		return OWAMP_RECEIVE_MULTIPLIER;
	if (read->seq >= account->packets)
		return OWAMP_RECEIVE_SEQ;
	if (apart(stamp, arrival) > account->timeout && apart(stamp - set, arrival) > account->timeout)
		return OWAMP_RECEIVE_TIME;
	if (read->seq < account->declared)
		return OWAMP_RECEIVE_LATE;
	if (apart(stamp, account->due[read->seq]) > account->timeout &&
	    apart(stamp - set, account->due[read->seq]) > account->timeout)
		return OWAMP_RECEIVE_SCHEDULE;
	if (arrival > account->due[read->seq] + account->timeout)
		return OWAMP_RECEIVE_LATE;
	return OWAMP_RECEIVE_OK;
}

/* One beyond the highest that arrived. */
static uint32_t reached(const struct sim_account *account)
{
	uint32_t end = account->packets;

	while (end > 0 && !account->arrived[end - 1])
		end--;
	return end;
}

void account_drops(struct sim_account *account, uint32_t count)
{
	account->drops += count;
}

/* The packet is above all before it: drops since then were in between. Of earlier ones it is too late to
 * learn. */
static void begin_gap(struct sim_account *account, uint32_t seq)
{
	if (seq < reached(account) || account->drops == 0)
		return;
	for (uint32_t i = account->gap_first; i < account->gap_end; i++) {
		if (i < account->declared || account->arrived[i] || account->gap_drops == 0)
			continue;
		account->excused[i] = true;
		account->gap_drops--;
	}
	account->gap_first = reached(account);
	account->gap_end = seq;
	account->gap_drops = account->drops;
	account->drops = 0;
}

static bool is_excused(struct sim_account *account, uint32_t seq)
{
	if (account->excused[seq])
		return true;
	if (seq >= account->gap_first && seq < account->gap_end && account->gap_drops > 0) {
		account->gap_drops--;
		return true;
	}
	if (seq < reached(account) || account->drops == 0)
		return false;
	account->drops--;
	return true;
}

int account_arrival(struct sim_account *account, const struct sim_read *read, int64_t receive_ns,
		    int64_t set_ns, uint16_t receive_error, uint8_t ttl)
{
	sim_units received = units_of_ns(receive_ns);
	/* Within 68 years, whatever somebody wrote there. */
	sim_units stamp = received + (int64_t)(read->stamp - (uint64_t)received);
	int64_t delay_ns = read->clean ? receive_ns - read->sent_ns : units_span_ns(received - stamp);
	struct owamp_record record = {
		.send_time = read->stamp,
		.receive_time = (uint64_t)received,
		.seq = read->seq,
		.send_error = read->error,
		.receive_error = receive_error,
		.ttl = ttl,
	};
	int result = judge(account, read, stamp, received, units_of_span(set_ns));

	account->counters.results[result]++;
	if (result == OWAMP_RECEIVE_TIME)
		account->counters.time_offset_ns = -delay_ns;
	if (result != OWAMP_RECEIVE_OK)
		return result;
	/* All zeros mean lost: the instant of the era boundary is 2^-32 s later. */
	if (record.receive_time == 0)
		record.receive_time = 1;
	account->counters.duplicates += account->arrived[read->seq];
	begin_gap(account, read->seq);
	account->arrived[read->seq] = true;
	add(account, &record, delay_ns);
	return result;
}

void account_expire(struct sim_account *account, sim_units now, uint16_t error)
{
	while (account->declared < account->packets &&
	       now > account->due[account->declared] + account->timeout) {
		uint32_t seq = account->declared++;
		struct owamp_record record = {
			.send_time = (uint64_t)account->due[seq],
			.seq = seq,
			.send_error = 0x0001,
			.receive_error = error,
			.ttl = 255,
		};

		if (account->arrived[seq])
			continue;
		record.dropped = is_excused(account, seq);
		account->counters.lost += !record.dropped;
		account->counters.dropped += record.dropped;
		add(account, &record, 0);
	}
}

void account_end(struct sim_account *account, const struct owamp_stop_session *stop)
{
	if (!stop) {
		account->cut = reached(account);
		return;
	}
	account->contradictory = reached(account) > stop->next_seq;
	/* What the clock has shown to be more than Timeout ago stays so if it is set back. */
	account->cut = account->declared < stop->next_seq ? account->declared : stop->next_seq;
	if (account->contradictory)
		account->cut = 0;
}
