/*
 * A sender whose time jumps: which packets are sent and which are skipped is
 * known from the schedule, and each packet says what it should.
 */
#include <assert.h>
#include <stdlib.h>

#include "owamp/error.h"
#include "owamp/schedule.h"
#include "owamp/sender.h"
#include "input.h"
#include "protocol/test_packet.h"

#define START UINT64_C(0xfffffff800000000) /* the era ends during the session */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct input in;
	struct owamp_sender *sender;
	struct owamp_schedule *schedule;
	struct test_packet_cipher cipher; /* the receiver's */
	uint32_t mode;
	struct owamp_request request;
	struct owamp_slot slots[4];
	bool zero_padding;
	uint32_t seq;
	uint32_t sent;
	owamp_interval offset; /* of packet seq, or of the last */
	int64_t now;           /* since START */
};

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

static void advance(struct world *world)
{
	if (++world->seq < world->request.packets)
		world->offset = owamp_schedule_next(world->schedule);
}

static void make_request(struct world *world, uint8_t flags)
{
	struct input *in = &world->in;
	uint8_t kinds = input_u8(in);

	world->mode = 1U << flags % 3U;
	world->zero_padding = flags & 64U;
	world->request = (struct owamp_request){
		.packets = flags & 8U ? 1U + (uint32_t)input_uint(in, 2) % 5000U : 1U + input_u8(in),
		.start = START,
		.timeout = take_interval(in, kinds),
		.padding = flags & 16U ? input_u8(in) : 0,
		.slot_count = 1U + (kinds >> 2 & 3U),
		.slots = world->slots,
		.sid = {input_u8(in), 1},
	};
	for (uint32_t i = 0; i < world->request.slot_count; i++) {
		world->slots[i].type = input_u8(in) & 1U;
		world->slots[i].interval = take_interval(in, kinds >> 4 >> (i & 1U) * 2U);
	}
	assert(owamp_schedule_new(&world->schedule, world->slots, world->request.slot_count,
				  world->request.sid) == 0);
	world->offset = owamp_schedule_next(world->schedule);
}

static void pass_time(struct world *world)
{
	struct input *in = &world->in;
	int64_t limit = INT64_MAX / 8;
	uint8_t how = input_u8(in);

	switch (how & 3U) {
	case 0:
		world->now += (int64_t)(OWAMP_SECOND / 64) * (int8_t)input_u8(in);
		break;
	case 1:
		world->now += (int64_t)OWAMP_SECOND * (int8_t)input_u8(in);
		break;
	case 2: /* to the schedule, more or less */
		if (world->offset < OWAMP_SPAN_MAX / 4)
			world->now = (int64_t)world->offset + (int8_t)input_u8(in);
		break;
	default:
		world->now += (int64_t)input_uint(in, 8) >> (4 + (how >> 2 & 31U));
		break;
	}
	if (world->now > limit || world->now < -limit)
		world->now = world->now > 0 ? limit : -limit;
}

static owamp_ntp now(const struct world *world)
{
	return START + (uint64_t)world->now;
}

static bool too_late(const struct world *world)
{
	return (__int128)world->now - world->offset > (__int128)world->request.timeout;
}

static int poll(struct world *world)
{
	owamp_ntp due;
	int action = owamp_sender_poll(world->sender, now(world), &due);
	int expected, skipped = 0;

	while (skipped < 1000 && world->seq < world->request.packets && too_late(world)) {
		advance(world);
		skipped++;
	}
	if (world->seq == world->request.packets)
		expected = OWAMP_SENDER_DONE;
	else if (too_late(world))
		expected = OWAMP_SENDER_AGAIN;
	else
		expected = world->now < (__int128)world->offset ? OWAMP_SENDER_WAIT : OWAMP_SENDER_SEND;
	assert(action == expected);
	assert(due == START + world->offset);
	return action;
}

static void check_padding(const struct world *world, const uint8_t *packet, size_t size)
{
	size_t base = test_packet_base_size(world->mode);
	bool zero = true;

	assert(size == base + world->request.padding);
	for (size_t i = base; i < size; i++)
		zero &= packet[i] == 0;
	assert(zero || !world->zero_padding);
	assert(!zero || world->zero_padding || size < base + 16);
}

static void stamp(struct world *world)
{
	uint16_t error_estimate = (uint16_t)input_uint(&world->in, 2);
	struct test_packet opened;
	size_t size;
	const uint8_t *packet;

	packet = owamp_sender_stamp(world->sender, now(world), error_estimate, &size);
	if (world->seq == world->request.packets) {
		assert(!packet);
		return;
	}
	assert(packet);
	check_padding(world, packet, size);
	assert(test_packet_open(&world->cipher, packet, size, &opened) == 0);
	assert(opened.seq == world->seq && opened.time == now(world));
	assert(opened.error_estimate == error_estimate);
}

static void check_state(const struct world *world)
{
	struct owamp_stop_session state;
	uint64_t skipped = 0;

	owamp_sender_state(world->sender, &state);
	assert(memcmp(state.sid, world->request.sid, OWAMP_SID_SIZE) == 0);
	assert(state.next_seq == world->seq && state.next_seq <= world->request.packets);
	for (uint32_t i = 0; i < state.skip_count; i++) {
		const struct owamp_skip_range *skip = &state.skips[i];

		assert(skip->first <= skip->last && skip->last < state.next_seq);
		/* Neighbours are one range. */
		assert(i == 0 || skip->first > state.skips[i - 1].last + 1);
		skipped += skip->last - skip->first + 1U;
	}
	assert(owamp_sender_sent(world->sender) == world->sent);
	assert(world->sent + skipped == state.next_seq);
}

static void step(struct world *world)
{
	uint8_t how = input_u8(&world->in);

	switch (how & 7U) {
	case 0:
	case 1:
		pass_time(world);
		break;
	case 2:
		stamp(world);
		break;
	case 3:
		assert(owamp_sender_prepare(world->sender) == 0);
		break;
	case 4: /* what the network refused */
		if (world->seq < world->request.packets) {
			assert(owamp_sender_next(world->sender, false) == 0);
			advance(world);
		}
		break;
	default:
		if (poll(world) != OWAMP_SENDER_SEND)
			break;
		if (how & 8U)
			stamp(world);
		assert(owamp_sender_next(world->sender, true) == 0);
		world->sent++;
		advance(world);
		break;
	}
	check_state(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct owamp_keys keys = {{1, 2}, {3, 4}};
	struct world world = {.in = {data, size}};
	struct owamp_sender_config config = {.padding_seed = {5, 6}};
	uint8_t flags = input_u8(&world.in);

	make_request(&world, flags);
	config.mode = world.mode;
	config.request = &world.request;
	config.control_keys = world.mode == OWAMP_MODE_OPEN ? NULL : &keys;
	config.zero_padding = world.zero_padding;
	assert(owamp_sender_new(&world.sender, &config) == 0);
	assert(test_packet_cipher_init(&world.cipher, world.mode, config.control_keys, world.request.sid,
				       false) == 0);
	while (input_left(&world.in) > 0)
		step(&world);
	test_packet_cipher_free(&world.cipher);
	owamp_schedule_free(world.schedule);
	owamp_sender_free(world.sender);
	return 0;
}
