/*
 * A receiver that gets anything: raw octets, and packets with correct
 * cryptography and any numbers in them. A model that knows the whole schedule
 * says what becomes of each packet and which are lost.
 */
#include <assert.h>
#include <stdlib.h>

#include "owamp/error.h"
#include "owamp/receiver.h"
#include "owamp/schedule.h"
#include "input.h"
#include "protocol/test_packet.h"

#define PACKETS_MAX 3000
#define START       UINT64_C(0xfffffff800000000) /* the era ends during the session */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct input in;
	struct owamp_receiver *receiver;
	struct test_packet_cipher cipher; /* the sender's */
	uint32_t mode;
	struct owamp_request request;
	struct owamp_slot slots[4];
	owamp_interval offset[PACKETS_MAX];
	bool arrived[PACKETS_MAX];
	uint32_t tail; /* all before are received or lost */
	uint32_t highest;
	bool any;
	/* Drops at our own socket: of packets above the highest, and of the gap before that. */
	uint64_t drops, gap_drops;
	uint32_t gap_first, gap_end;
	bool excused[PACKETS_MAX]; /* of gaps before that */
	uint64_t ok, duplicates, lost, dropped;
	uint32_t window_max; /* entries */
	int64_t now;         /* since START */
	/* What must come next out of the receiver. */
	bool expects_record;
	struct owamp_record expected;
};

/* Each drop is for the first packet of its gap that does not turn up. */
static bool is_dropped(struct world *world, uint32_t seq)
{
	uint64_t *drops = NULL;

	if (world->excused[seq])
		return true;
	if (seq >= world->gap_first && seq < world->gap_end)
		drops = &world->gap_drops;
	else if (!world->any || seq > world->highest)
		drops = &world->drops;
	if (!drops || *drops == 0)
		return false;
	--*drops;
	return true;
}

/* seq is above the highest. What was dropped of the gap before is settled. */
static void begin_gap(struct world *world, uint32_t seq)
{
	if (world->drops == 0)
		return;
	for (uint32_t i = world->gap_first; i < world->gap_end && world->gap_drops > 0; i++) {
		if (i < world->tail || world->arrived[i])
			continue;
		world->excused[i] = true;
		world->gap_drops--;
	}
	world->gap_first = world->any ? world->highest + 1 : 0;
	world->gap_end = seq;
	world->gap_drops = world->drops;
	world->drops = 0;
}

static void take_record(void *context, const struct owamp_record *record)
{
	struct world *world = context;

	assert(record->seq < world->request.packets);
	if (world->expects_record) {
		assert(!owamp_record_lost(record) && record->seq == world->expected.seq);
		assert(record->send_time == world->expected.send_time);
		assert(record->send_error == world->expected.send_error);
		assert(record->receive_time == world->expected.receive_time);
		assert(record->receive_error == world->expected.receive_error);
		assert(record->ttl == world->expected.ttl && !record->dropped);
		world->expects_record = false;
		return;
	}
	/* Lost: each once, in order, none that arrived. */
	while (world->tail < world->request.packets && world->arrived[world->tail])
		world->tail++;
	assert(owamp_record_lost(record) && record->seq == world->tail);
	assert(record->send_time == START + world->offset[record->seq]);
	assert(record->send_error == OWAMP_ERROR_LOST && record->ttl == 255);
	assert(record->dropped == is_dropped(world, record->seq));
	world->tail++;
	if (record->dropped)
		world->dropped++;
	else
		world->lost++;
}

static owamp_interval take_interval(struct input *in, unsigned kind)
{
	switch (kind & 3U) {
	case 0:
		return 0;
	case 1:
		return OWAMP_SECOND / 256 * input_u8(in);
	case 2:
		return OWAMP_SECOND / 4 * input_u8(in);
	default:
		return input_uint(in, 8) & (OWAMP_SPAN_MAX - 1);
	}
}

static void make_request(struct world *world, uint8_t flags)
{
	struct owamp_schedule *schedule;
	struct input *in = &world->in;
	uint8_t kinds = input_u8(in);

	world->mode = 1U << flags % 3U;
	world->request = (struct owamp_request){
		.packets = flags & 8U ? 1U + (uint32_t)input_uint(in, 2) % PACKETS_MAX : 1U + input_u8(in),
		.start = START,
		.timeout = take_interval(in, kinds),
		.slot_count = 1U + (kinds >> 2 & 3U),
		.slots = world->slots,
		.sid = {input_u8(in), 1},
	};
	for (uint32_t i = 0; i < world->request.slot_count; i++) {
		world->slots[i].type = input_u8(in) & 1U;
		world->slots[i].interval = take_interval(in, kinds >> 4 >> (i & 1U) * 2U);
	}
	assert(owamp_schedule_new(&schedule, world->slots, world->request.slot_count, world->request.sid) ==
	       0);
	for (uint32_t i = 0; i < world->request.packets; i++)
		world->offset[i] = owamp_schedule_next(schedule);
	owamp_schedule_free(schedule);
}

/* Any span that leaves room to see a wrapped difference for what it is. */
static int64_t take_span(struct input *in)
{
	uint8_t how = input_u8(in);
	int64_t units;

	switch (how & 3U) {
	case 0:
		return (int64_t)(OWAMP_SECOND / 64) * (int8_t)input_u8(in);
	case 1:
		return (int64_t)OWAMP_SECOND * (int8_t)input_u8(in);
	case 2:
		return (int8_t)input_u8(in);
	default:
		units = (int64_t)input_uint(in, 8);
		return units >> (4 + (how >> 2 & 31U));
	}
}

static owamp_ntp now(const struct world *world)
{
	return START + (uint64_t)world->now;
}

static void pass_time(struct world *world)
{
	int64_t limit = INT64_MAX / 8;

	world->now += take_span(&world->in);
	if (world->now > limit || world->now < -limit)
		world->now = world->now > 0 ? limit : -limit;
}

/* |a - b| <= timeout, without wrapping around. */
static bool near(const struct world *world, __int128 a, __int128 b)
{
	__int128 distance = a > b ? a - b : b - a;

	return distance <= (__int128)world->request.timeout;
}

/* As far as anybody may make the window reach now. */
static void note_window(struct world *world, uint32_t seq)
{
	uint32_t head = world->tail;

	while (head <= seq && head < world->request.packets &&
	       (head == 0 ||
		(__int128)world->offset[head - 1] - world->now <= 2 * (__int128)world->request.timeout + 1))
		head++;
	if (head - world->tail + 1 > world->window_max)
		world->window_max = head - world->tail + 1;
}

static void check_memory(const struct world *world)
{
	/* A ring that doubles, and begins with 16. */
	size_t bound = 2 * (size_t)world->window_max;

	assert(owamp_receiver_memory(world->receiver) <= (bound < 16 ? 16 : bound) * 8);
}

static enum owamp_receive_result predict(const struct world *world, uint32_t seq, int64_t sent,
					 uint16_t error_estimate)
{
	if (!owamp_error_estimate_valid(error_estimate))
		return OWAMP_RECEIVE_MULTIPLIER;
	if (seq >= world->request.packets)
		return OWAMP_RECEIVE_SEQ;
	if (!near(world, sent, world->now))
		return OWAMP_RECEIVE_TIME;
	if (seq < world->tail)
		return OWAMP_RECEIVE_LATE;
	if (!near(world, sent, (__int128)world->offset[seq]))
		return OWAMP_RECEIVE_SCHEDULE;
	if ((__int128)world->now > (__int128)world->offset[seq] + world->request.timeout)
		return OWAMP_RECEIVE_LATE;
	return OWAMP_RECEIVE_OK;
}

static void note_arrival(struct world *world, uint32_t seq)
{
	world->ok++;
	world->duplicates += world->arrived[seq];
	world->arrived[seq] = true;
	if (!world->any || seq > world->highest) {
		begin_gap(world, seq);
		world->highest = seq;
	}
	world->any = true;
}

static uint32_t take_seq(struct world *world)
{
	uint8_t how = input_u8(&world->in);

	if (how < 128)
		return world->tail + how % 32U;
	if (how < 192)
		return how - 128U;
	return how < 240 ? (uint32_t)input_uint(&world->in, 2) : UINT32_MAX - how % 16U;
}

/* A packet with correct cryptography, near where it belongs or not. */
static void good_packet(struct world *world)
{
	struct input *in = &world->in;
	uint8_t how = input_u8(in), packet[OWAMP_PACKET_SECURE + 4] = {0};
	uint32_t seq = take_seq(world);
	int64_t sent = world->now;
	uint16_t error_estimate = how & 16U ? (uint16_t)input_uint(in, 2) : 0x8001;
	enum owamp_receive_result expected;

	if (how & 1U && seq < world->request.packets && world->offset[seq] < OWAMP_SPAN_MAX / 8)
		sent = (int64_t)world->offset[seq];
	if (how & 2U)
		world->now = sent;
	if (how & 4U)
		sent += take_span(in) / 8;
	if (how & 8U)
		pass_time(world);
	assert(test_packet_prepare(&world->cipher, packet, seq) == 0);
	assert(test_packet_stamp(&world->cipher, packet, seq, START + (uint64_t)sent, error_estimate) == 0);
	expected = predict(world, seq, sent, error_estimate);
	world->expects_record = expected == OWAMP_RECEIVE_OK;
	world->expected = (struct owamp_record){
		.seq = seq,
		.send_time = START + (uint64_t)sent,
		.send_error = error_estimate,
		.receive_time = now(world) ? now(world) : 1,
		.receive_error = (uint16_t)(how * 3U),
		.ttl = how,
	};
	if (expected == OWAMP_RECEIVE_OK || expected == OWAMP_RECEIVE_SCHEDULE ||
	    expected == OWAMP_RECEIVE_LATE)
		note_window(world, seq);
	assert(owamp_receiver_packet(world->receiver, packet,
				     test_packet_base_size(world->mode) + (how >> 5 & 3U), now(world),
				     world->expected.receive_error, how) == (int)expected);
	assert(!world->expects_record);
	if (expected == OWAMP_RECEIVE_OK)
		note_arrival(world, seq);
}

/* Whatever arrives at a port. */
static void raw_packet(struct world *world)
{
	struct input *in = &world->in;
	size_t size = input_u8(in) & 63U;
	uint8_t *packet = malloc(size + !size);
	int result;

	assert(packet);
	input_fill(in, packet, size);
	if (world->mode == OWAMP_MODE_OPEN && size >= OWAMP_PACKET_OPEN) {
		/* That is a good packet; only what is no packet is of interest here. */
		packet[13] = 0;
		result = OWAMP_RECEIVE_MULTIPLIER;
	} else {
		result = size < test_packet_base_size(world->mode) ? OWAMP_RECEIVE_SHORT : OWAMP_RECEIVE_HMAC;
	}
	assert(owamp_receiver_packet(world->receiver, packet, size, now(world), 1, 64) == result);
	free(packet);
}

static void expire(struct world *world)
{
	uint32_t tail = world->tail;
	owamp_ntp deadline = owamp_receiver_deadline(world->receiver);

	assert(owamp_receiver_expire(world->receiver, now(world), 1) == 0);
	for (; tail < world->request.packets; tail++)
		if ((__int128)world->now <= (__int128)world->offset[tail] + world->request.timeout)
			break;
	/* What arrived after the last lost one. */
	while (world->tail < tail && world->arrived[world->tail])
		world->tail++;
	assert(world->tail == tail || tail < world->tail);
	if (world->window_max == 0)
		world->window_max = 1;
	assert(owamp_ntp_diff(owamp_receiver_deadline(world->receiver), deadline) >= 0);
	assert(owamp_receiver_complete(world->receiver) == (world->tail == world->request.packets));
}

static void drop(struct world *world)
{
	uint32_t count = input_u8(&world->in);

	/* Some, or more than a number holds. */
	if (count >= 250)
		count = UINT32_MAX - (count - 250);
	world->drops += count;
	owamp_receiver_drops(world->receiver, count);
}

static void end(struct world *world)
{
	struct owamp_stop_session stop = {.next_seq = take_seq(world)};
	uint32_t cut;

	assert(owamp_receiver_end(world->receiver, NULL, &cut) == 0);
	assert(cut == (world->any ? world->highest + 1 : 0));
	if (world->any && world->highest >= stop.next_seq) {
		assert(owamp_receiver_end(world->receiver, &stop, &cut) == OWAMP_EDATA && cut == 0);
		return;
	}
	assert(owamp_receiver_end(world->receiver, &stop, &cut) == 0);
	assert(cut == (stop.next_seq < world->tail ? stop.next_seq : world->tail));
}

static void step(struct world *world)
{
	const struct owamp_receiver_counters *counters = owamp_receiver_counters(world->receiver);

	uint8_t what = input_u8(&world->in);

	switch (what & 7U) {
	case 0:
		raw_packet(world);
		break;
	case 1:
		expire(world);
		break;
	case 2:
		if (what & 8U)
			drop(world);
		else
			end(world);
		break;
	case 3:
		pass_time(world);
		break;
	default:
		good_packet(world);
		break;
	}
	check_memory(world);
	assert(counters->results[OWAMP_RECEIVE_OK] == world->ok);
	assert(counters->duplicates == world->duplicates);
	assert(counters->lost == world->lost && counters->dropped == world->dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct owamp_keys keys = {{1, 2}, {3, 4}};
	static struct world world;
	struct owamp_receiver_config config;
	uint8_t flags;

	world = (struct world){.in = {data, size}};
	flags = input_u8(&world.in);
	make_request(&world, flags);
	config.mode = world.mode;
	config.request = &world.request;
	config.control_keys = world.mode == OWAMP_MODE_OPEN ? NULL : &keys;
	assert(owamp_receiver_new(&world.receiver, &config, take_record, &world) == 0);
	assert(test_packet_cipher_init(&world.cipher, world.mode, config.control_keys, world.request.sid,
				       true) == 0);
	while (input_left(&world.in) > 0)
		step(&world);
	world.now = OWAMP_SPAN_MAX;
	if (world.offset[world.request.packets - 1] < OWAMP_SPAN_MAX / 4 &&
	    world.request.timeout < OWAMP_SPAN_MAX / 4) {
		expire(&world);
		assert(owamp_receiver_complete(world.receiver));
	}
	test_packet_cipher_free(&world.cipher);
	owamp_receiver_free(world.receiver);
	return 0;
}
