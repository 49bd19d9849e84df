/* The pure functions: what was decoded, encoded and decoded again is the same; numbers keep their bounds. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "owamp/error.h"
#include "owamp/schedule.h"
#include "owamp/stats.h"
#include "input.h"
#include "protocol/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Octets that no field covers (MBZ, unused halves of addresses) are gone after one turn. */
#define TURN(name, type, wire_size)                                                                          \
	static void turn_##name(struct input *in)                                                            \
	{                                                                                                    \
		uint8_t first[wire_size], second[wire_size], third[wire_size];                               \
		struct type value;                                                                           \
                                                                                                             \
		input_fill(in, first, sizeof(first));                                                        \
		wire_##name##_decode(first, &value);                                                         \
		wire_##name##_encode(&value, second);                                                        \
		wire_##name##_decode(second, &value);                                                        \
		wire_##name##_encode(&value, third);                                                         \
		assert(memcmp(second, third, sizeof(second)) == 0);                                          \
	}

TURN(greeting, wire_greeting, WIRE_GREETING_SIZE)
TURN(setup, wire_setup, WIRE_SETUP_SIZE)
TURN(request, owamp_request, WIRE_REQUEST_SIZE)
TURN(slot, owamp_slot, WIRE_SLOT_SIZE)
TURN(accept, wire_accept, WIRE_ACCEPT_SIZE)
TURN(fetch, wire_fetch, WIRE_FETCH_SIZE)
TURN(fetch_ack, wire_fetch_ack, WIRE_SIMPLE_SIZE)

static void turn_record(struct input *in)
{
	uint8_t first[OWAMP_RECORD_SIZE], second[OWAMP_RECORD_SIZE];
	struct owamp_record record;

	input_fill(in, first, sizeof(first));
	owamp_record_decode(first, &record);
	owamp_record_encode(&record, second);
	assert(memcmp(first, second, sizeof(first)) == 0);
}

static void key_id(struct input *in)
{
	uint8_t wire[OWAMP_KEYID_SIZE];
	char text[OWAMP_KEYID_SIZE + 1];

	input_fill(in, wire, sizeof(wire));
	if (wire_key_id_decode(wire, text)) {
		/* Only one of these can be the reason. */
		size_t size = strnlen((const char *)wire, sizeof(wire));
		bool padded = true;

		for (size_t i = size; i < sizeof(wire); i++)
			padded &= wire[i] == 0;
		assert(size == 0 || !padded || !wire_utf8_valid(wire, size));
		return;
	}
	assert(text[0] && strlen(text) <= OWAMP_KEYID_SIZE);
	assert(memcmp(text, wire, strlen(text)) == 0);
	assert(wire_utf8_valid((const uint8_t *)text, strlen(text)));
}

/* RFC 3629 the other way round: by the code points. */
static size_t utf8_length(const uint8_t *text, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point = text[0];
	size_t length = point < 0x80 ? 1 : point >= 0xf0 ? 4 : point >= 0xe0 ? 3 : 2;

	if (length == 1)
		return 1;
	if (point < 0xc0 || point >= 0xf8 || size < length)
		return 0;
	point &= 0xffU >> (length + 1);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return length;
}

static void utf8(struct input *in)
{
	size_t size = 1 + (input_u8(in) & 15U), length = 1;
	uint8_t *text = malloc(size);
	bool valid = true;

	assert(text);
	input_fill(in, text, size);
	for (size_t i = 0; valid && i < size; i += length) {
		length = utf8_length(text + i, size - i);
		valid = length > 0;
	}
	assert(wire_utf8_valid(text, size) == valid);
	free(text);
}

static void skips(struct input *in)
{
	struct owamp_skip_range ranges[8];
	uint8_t wire[8 * WIRE_SKIP_SIZE], again[WIRE_SKIP_SIZE];
	size_t count = input_u8(in) % 9;
	bool good = true;

	for (size_t i = 0; i < 2 * count; i++)
		put_u32(wire + 4 * i, input_count(in));
	for (size_t i = 0; i < count; i++) {
		good &= get_u32(wire + 8 * i) <= get_u32(wire + 8 * i + 4);
		good &= i == 0 || get_u32(wire + 8 * i) > get_u32(wire + 8 * i - 4);
	}
	assert((wire_skips_decode(wire, count, ranges) == 0) == good);
	for (size_t i = 0; good && i < count; i++) {
		wire_skip_encode(&ranges[i], again);
		assert(memcmp(again, wire + WIRE_SKIP_SIZE * i, WIRE_SKIP_SIZE) == 0);
	}
}

static void sid(struct input *in)
{
	uint8_t octets[OWAMP_SID_SIZE], parsed[OWAMP_SID_SIZE];
	char text[33], any[40];
	size_t size = input_u8(in) % sizeof(any);

	input_fill(in, octets, sizeof(octets));
	assert(owamp_sid_parse(owamp_sid_text(octets, text), parsed) == 0);
	assert(memcmp(octets, parsed, sizeof(octets)) == 0);
	text[input_u8(in) & 31U] = (char)input_u8(in);
	memset(any, '0', sizeof(any));
	memcpy(any, text, 32);
	any[size] = '\0';
	if (owamp_sid_parse(any, parsed) == 0)
		assert(strlen(any) == 32 && strspn(any, "0123456789abcdefABCDEF") == 32);
	else
		assert(strlen(any) != 32 || strspn(any, "0123456789abcdefABCDEF") != 32);
}

static void texts(struct input *in)
{
	char text[300];
	size_t size = 1 + input_uint(in, 2) % sizeof(text);
	char *exact = malloc(size);
	uint32_t type_p = (uint32_t)input_uint(in, 4);
	int dscp = owamp_type_p_dscp(type_p);

	assert(exact);
	assert(strlen(owamp_modes_text((uint32_t)input_uint(in, 4), exact, size)) < size);
	free(exact);
	assert(owamp_accept_text(input_u8(in))[0]);
	assert(owamp_error_text((int)input_uint(in, 4))[0]);
	assert(dscp < 0 || owamp_type_p_from_dscp((uint8_t)dscp) == type_p);
}

static void error_estimate(struct input *in)
{
	uint64_t bound = input_uint(in, 8) >> (input_u8(in) & 63U);
	bool synchronized = input_u8(in) & 1U;
	uint16_t estimate = owamp_error_estimate(bound, synchronized);
	int64_t ns = owamp_error_estimate_ns(estimate);

	assert(owamp_error_estimate_valid(estimate));
	assert(owamp_error_estimate_synchronized(estimate) == synchronized);
	assert(!(estimate & 0x4000));
	assert(ns == INT64_MAX || (uint64_t)ns >= bound);
	/* A Multiplier of 128 or more is good for one part in 127, and a unit is less than 1 ns. */
	assert((unsigned __int128)ns <= (unsigned __int128)bound + bound / 127 + 2);
	assert(owamp_error_estimate(bound + 1, synchronized) >= estimate || bound == UINT64_MAX);
	/* Any field of sixteen bits. */
	estimate = (uint16_t)input_uint(in, 2);
	assert(owamp_error_estimate_ns(estimate) >= 0);
	assert((owamp_error_estimate_ns(estimate) == 0) == !owamp_error_estimate_valid(estimate));
}

static void times(struct input *in)
{
	/* 1900 to 2240 or so; a difference must stay within 68 years. */
	int64_t a = (int64_t)input_uint(in, 8) / 2;
	int64_t b = a + ((int64_t)(input_uint(in, 8) >> (input_u8(in) & 63U)) >> 3);
	owamp_ntp ntp_a = owamp_ntp_from_unix_ns(a), ntp_b = owamp_ntp_from_unix_ns(b);
	owamp_ntp any = input_uint(in, 8);
	uint64_t ns = input_uint(in, 8) >> (input_u8(in) & 63U);

	assert(owamp_ntp_to_unix_ns(ntp_a, b) == a);
	assert(owamp_ntp_to_unix_ns(ntp_b, a) == b);
	assert(llabs(owamp_ntp_diff_ns(ntp_b, ntp_a) - (b - a)) <= 1);
	assert(owamp_ntp_diff_ns(ntp_a, ntp_b) == -owamp_ntp_diff_ns(ntp_b, ntp_a));
	assert((owamp_ntp_diff(ntp_b, ntp_a) >= 0) == (b >= a));
	assert(owamp_ntp_diff(any, any) == 0 && owamp_ntp_diff(any + 1, any) == 1);
	if (ns <= (uint64_t)INT32_MAX * 1000000000)
		assert(owamp_interval_to_ns(owamp_interval_from_ns(ns)) == (int64_t)ns);
	else
		assert(owamp_interval_from_ns(ns) == OWAMP_INTERVAL_MAX);
	assert(owamp_interval_to_ns(any) >= 0);
}

/* Never fewer than those that leave at once, never fewer with a longer window. */
static void check_peak(const struct owamp_slot *slots, size_t count)
{
	uint32_t longest = 0, run = 0, peak = owamp_schedule_peak(slots, count, OWAMP_SECOND);

	for (size_t i = 0; i < 2 * count; i++) {
		run = slots[i % count].interval == 0 ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	assert(longest >= count ? peak == UINT32_MAX : peak > longest);
	assert(owamp_schedule_peak(slots, count, 2 * OWAMP_SECOND) >= peak);
}

static void schedule(struct input *in)
{
	struct owamp_slot slots[8];
	size_t count = input_u8(in) % 9;
	uint8_t seed[OWAMP_SID_SIZE] = {input_u8(in)};
	struct owamp_schedule *one, *other;
	owamp_interval turn, last = 0, sum = 0;
	bool good = count > 0;

	for (size_t i = 0; i < count; i++) {
		slots[i].type = input_u8(in) & 7U;
		slots[i].type = slots[i].type > 5 ? slots[i].type : slots[i].type & 1U;
		slots[i].interval = input_uint(in, 8) >> (input_u8(in) & 63U);
		good &= slots[i].type <= 1 && slots[i].interval <= OWAMP_SPAN_MAX;
		sum += good && sum <= OWAMP_SPAN_MAX ? slots[i].interval : 0;
	}
	assert((owamp_schedule_turn(slots, count, &turn) == 0) == good);
	assert((owamp_schedule_new(&one, slots, count, seed) == 0) == good);
	if (!good) {
		assert(!one);
		return;
	}
	assert(turn == (sum > OWAMP_SPAN_MAX ? OWAMP_SPAN_MAX : sum));
	check_peak(slots, count);
	assert(owamp_schedule_new(&other, slots, count, seed) == 0);
	for (int i = 0; i < 40; i++) {
		owamp_interval next = owamp_schedule_next(one);

		assert(next >= last && next <= OWAMP_SPAN_MAX);
		assert(next == owamp_schedule_next(other));
		last = next;
	}
	owamp_schedule_free(one);
	owamp_schedule_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(struct input *) = {
		turn_greeting,  turn_setup,     turn_request, turn_slot, turn_accept, turn_fetch,
		turn_fetch_ack, turn_record,    key_id,       utf8,      skips,       sid,
		texts,          error_estimate, times,        schedule,
	};
	struct input in = {data, size};

	while (input_left(&in) > 0)
		checks[input_u8(&in) % (sizeof(checks) / sizeof(checks[0]))](&in);
	return 0;
}
