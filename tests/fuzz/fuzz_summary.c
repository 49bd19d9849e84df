/* Summaries over whatever records may come, in any order, closed and stored at any time. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <owamp/error.h>

#include "storage/summary_internal.h"

#include "input.h"

#define SKIPS_MAX   4
#define RECORDS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

/* A record that counted, plainly. */
struct plain {
	int64_t minute;
	bool lost; /* by the network */
	bool dropped;
	bool duplicate;
	int64_t delay_ns;
};

struct world {
	struct summary *summary;
	int64_t timeout_ns;
	int64_t near_ns;
	struct owamp_skip_range skips[SKIPS_MAX];
	uint32_t skip_count;
	__int128 latest_ns; /* that minutes were closed at */
	bool all_closed;
	bool stale;
	struct plain plain[RECORDS_MAX];
	size_t count;
	/* Seen in the rows. */
	uint64_t received;
	uint64_t lost;
	uint64_t dropped;
	uint64_t duplicates;
	uint64_t in_histograms;
	uint64_t lost_in_a_row;
};

static bool skipped(const struct world *world, uint32_t seq)
{
	for (uint32_t i = 0; i < world->skip_count; i++)
		if (seq >= world->skips[i].first && seq <= world->skips[i].last)
			return true;
	return false;
}

/* Minutes since 1970. */
static int64_t minute_of(int64_t ns)
{
	int64_t minute = ns / SUMMARY_MINUTE_NS;

	return ns < 0 && minute * SUMMARY_MINUTE_NS != ns ? minute - 1 : minute;
}

static bool is_closed(const struct world *world, int64_t minute)
{
	__int128 end_ns = ((__int128)minute + 1) * SUMMARY_MINUTE_NS;

	return world->all_closed || end_ns + world->timeout_ns + 2 * SUMMARY_SECOND_NS <= world->latest_ns;
}

static void add_record(struct world *world, struct input *in)
{
	struct owamp_record record = {
		.seq = input_count(in),
		.send_error = (uint16_t)input_uint(in, 2),
		.receive_error = (uint16_t)input_uint(in, 2),
	};
	uint8_t marks = input_u8(in);
	uint8_t kind = input_u8(in);
	int64_t minute;

	record.duplicate = marks & 1;
	record.dropped = marks & 2;
	/* Anywhere, or near each other, to the second. */
	record.send_time = kind & 1 ? input_uint(in, 8)
				    : owamp_ntp_from_unix_ns(world->near_ns) + (input_uint(in, 2) << 32);
	if (kind & 2)
		record.receive_time = kind & 4 ? input_uint(in, 8) : record.send_time + input_uint(in, 5);
	require(summary_record(world->summary, &record) == 0, "a record is taken");
	if (skipped(world, record.seq) || (owamp_record_lost(&record) && record.duplicate))
		return;
	minute = minute_of(owamp_ntp_to_unix_ns(record.send_time, world->near_ns));
	if (is_closed(world, minute)) {
		world->stale = true;
		return;
	}
	world->plain[world->count++] = (struct plain){
		.minute = minute,
		.lost = owamp_record_lost(&record) && !record.dropped,
		.dropped = owamp_record_lost(&record) && record.dropped,
		.duplicate = record.duplicate,
		.delay_ns = owamp_ntp_diff_ns(record.receive_time, record.send_time),
	};
}

static bool arrived(const struct plain *plain)
{
	return !plain->lost && !plain->dropped;
}

static void check_minute(struct world *world, const struct minute_row *row)
{
	uint64_t received = 0, lost = 0, dropped = 0, duplicates = 0, below = 0, not_above = 0;
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (size_t i = 0; i < world->count; i++) {
		const struct plain *plain = &world->plain[i];

		if (plain->minute * SUMMARY_MINUTE_NS != row->minute_ns)
			continue;
		lost += plain->lost;
		dropped += plain->dropped;
		duplicates += arrived(plain) && plain->duplicate;
		if (!arrived(plain) || plain->duplicate)
			continue;
		received++;
		low = plain->delay_ns < low ? plain->delay_ns : low;
		high = plain->delay_ns > high ? plain->delay_ns : high;
		below += plain->delay_ns < row->delay_p50_ns;
		not_above += plain->delay_ns <= row->delay_p50_ns;
	}
	require(row->received == received && row->lost == lost && row->dropped == dropped &&
			row->duplicates == duplicates,
		"a minute's counts");
	require(received + lost + dropped + duplicates > 0, "no minute is empty");
	require(row->reordered <= received, "reordered are received");
	if (received > 0)
		require(row->delay_min_ns == low && row->delay_max_ns == high && 2 * below < received &&
				2 * not_above >= received,
			"a minute's delays");
	world->received += received;
	world->lost += lost;
	world->dropped += dropped;
	world->duplicates += duplicates;
}

/* As if what is ready were stored now. */
static void take_rows(struct world *world)
{
	struct summary *summary = world->summary;
	const struct minute_row *minutes = summary->minutes.rows;
	const struct hour_row *hours = summary->hours.rows;
	const struct loss_row *losses = summary->losses.rows;

	for (size_t i = 0; i < summary->minutes.count; i++) {
		require(i == 0 || minutes[i].minute_ns > minutes[i - 1].minute_ns, "minutes in order");
		check_minute(world, &minutes[i]);
	}
	for (size_t i = 0; i < summary->hours.count; i++)
		world->in_histograms += histogram_total(hours[i].histogram);
	for (size_t i = 0; i < summary->losses.count; i++) {
		require(losses[i].first_seq <= losses[i].last_seq, "losses in a row have an order");
		world->lost_in_a_row += (uint64_t)losses[i].last_seq - losses[i].first_seq + 1;
	}
	summary->minutes.written = summary->minutes.count;
	summary->hours.written = summary->hours.count;
	summary->losses.written = summary->losses.count;
	summary_stored(summary);
	require(!summary_is_ready(summary), "nothing is left");
}

static void close_minutes(struct world *world, int64_t now_ns)
{
	require(summary_close(world->summary, now_ns) == 0, "minutes are closed");
	if (now_ns > world->latest_ns)
		world->latest_ns = now_ns;
	world->all_closed = world->all_closed || now_ns == INT64_MAX;
}

static void run(struct world *world, struct input *in)
{
	while (input_left(in) > 0 && world->count < RECORDS_MAX) {
		uint8_t what = input_u8(in);

		if (what == 255)
			close_minutes(world, (int64_t)input_uint(in, 8));
		else if (what >= 250)
			close_minutes(world, world->near_ns + (int64_t)input_uint(in, 2) * SUMMARY_SECOND_NS);
		else if (what >= 240)
			take_rows(world);
		else
			add_record(world, in);
	}
}

static void check_totals(struct world *world)
{
	uint64_t received = 0, lost = 0, dropped = 0, duplicates = 0;

	for (size_t i = 0; i < world->count; i++) {
		received += arrived(&world->plain[i]) && !world->plain[i].duplicate;
		lost += world->plain[i].lost;
		dropped += world->plain[i].dropped;
		duplicates += arrived(&world->plain[i]) && world->plain[i].duplicate;
	}
	require(world->received == received && world->lost == lost && world->dropped == dropped &&
			world->duplicates == duplicates,
		"each record is in a minute");
	require(world->in_histograms == received, "each delay is in a histogram");
	require(world->lost_in_a_row <= lost, "no more in rows than were lost");
	require(summary_is_stale(world->summary) == world->stale, "stale if it came too late");
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
	struct input in = {.octets = octets, .left = size};
	struct world *world = calloc(1, sizeof *world);
	int error;

	if (!world)
		return 0;
	world->timeout_ns = input_u8(&in) & 1 ? (int64_t)(input_uint(&in, 8) >> 1)
					      : (int64_t)input_u8(&in) * SUMMARY_SECOND_NS;
	world->near_ns = input_u8(&in) & 1 ? (int64_t)input_uint(&in, 8) : INT64_C(1795168800000000000);
	world->latest_ns = INT64_MIN;
	error = summary_new(&world->summary, world->timeout_ns, world->near_ns);
	require(error == 0 || error == OWAMP_EINVAL, "made, or refused");
	world->skip_count = error ? 0 : input_u8(&in) % (SKIPS_MAX + 1);
	for (uint32_t i = 0; i < world->skip_count; i++) {
		world->skips[i].first = input_count(&in);
		world->skips[i].last = input_count(&in);
	}
	if (!error && summary_skips(world->summary, world->skips, world->skip_count) != 0)
		world->skip_count = 0;
	if (!error) {
		run(world, &in);
		close_minutes(world, INT64_MAX);
		take_rows(world);
		check_totals(world);
		require(summary_memory(world->summary) < 1000, "what is stored is let go");
	}
	summary_free(world->summary);
	free(world);
	return 0;
}
