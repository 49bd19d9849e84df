#include "packet_wire.h"

#include "owamp/error.h"
#include "owamp/sender.h"

#define MS      ((owamp_interval)4294967) /* 1 ms, and a bit less: 32.32 does not divide by 1000 */
#define TIMEOUT (100 * MS)

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

static struct owamp_sender *sender_of(uint32_t mode, const struct owamp_request *request, bool zero_padding)
{
	struct owamp_sender_config config = {
		.mode = mode,
		.request = request,
		.control_keys = mode == OWAMP_MODE_OPEN ? NULL : &packet_control_keys,
		.zero_padding = zero_padding,
		.padding_seed = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	};
	struct owamp_sender *sender;

	assert_int_equal(owamp_sender_new(&sender, &config), 0);
	return sender;
}

/* Packets every 10 ms from 10 ms after the start on. */
static struct owamp_sender *every_10_ms(uint32_t packets)
{
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
	struct owamp_request request = packet_request(&slot, packets, TIMEOUT);

	return sender_of(OWAMP_MODE_OPEN, &request, true);
}

static owamp_ntp due_of(uint32_t seq)
{
	return PACKET_START + (seq + 1) * 10 * MS;
}

/* Polls through AGAIN, a bounded number of times. */
static int settled(struct owamp_sender *sender, owamp_ntp now, owamp_ntp *due)
{
	for (int i = 0; i < 100000; i++) {
		int action = owamp_sender_poll(sender, now, due);

		if (action != OWAMP_SENDER_AGAIN)
			return action;
	}
	fail_msg("AGAIN without an end");
	return 0;
}

static void assert_due(struct owamp_sender *sender, owamp_ntp now, int action, owamp_ntp expected)
{
	owamp_ntp due = 0;

	assert_int_equal(settled(sender, now, &due), action);
	assert_int_equal(due, expected);
}

static void send_current(struct owamp_sender *sender, owamp_ntp now, uint32_t seq)
{
	const uint8_t *octets;
	size_t size = 0;

	assert_due(sender, now, OWAMP_SENDER_SEND, due_of(seq));
	octets = owamp_sender_stamp(sender, now, 0x0101, &size);
	assert_non_null(octets);
	assert_int_equal(size, 14);
	assert_int_equal(ref_get(octets, 4), seq);
	assert_int_equal(owamp_sender_next(sender, true), 0);
}

static void assert_state(const struct owamp_sender *sender, uint32_t next_seq, uint32_t sent,
			 const struct owamp_skip_range *skips, uint32_t skip_count)
{
	struct owamp_stop_session stop;

	owamp_sender_state(sender, &stop);
	assert_memory_equal(stop.sid, packet_sid, 16);
	assert_int_equal(stop.next_seq, next_seq);
	assert_int_equal(stop.skip_count, skip_count);
	for (uint32_t i = 0; i < skip_count; i++) {
		assert_int_equal(stop.skips[i].first, skips[i].first);
		assert_int_equal(stop.skips[i].last, skips[i].last);
	}
	assert_int_equal(owamp_sender_sent(sender), sent);
}

static void test_packets_of_all_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (uint32_t padding = 0; padding < 40; padding += 13) {
			struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
			struct owamp_request request = packet_request(&slot, 300, TIMEOUT);
			struct owamp_sender *sender;

			request.padding = padding;
			sender = sender_of(modes[i], &request, padding == 13);
			for (uint32_t seq = 0; seq < 300; seq++) {
				owamp_ntp now = due_of(seq) + seq;
				const uint8_t *octets;
				struct packet packet;
				owamp_ntp due;
				size_t size = 0;

				assert_int_equal(owamp_sender_poll(sender, now, &due), OWAMP_SENDER_SEND);
				if (seq % 2)
					assert_int_equal(owamp_sender_prepare(sender), 0);
				octets = owamp_sender_stamp(sender, now, (uint16_t)(0x8101 + seq), &size);
				assert_int_equal(size, packet_least(modes[i]) + padding);
				packet = packet_open(modes[i], octets);
				assert_int_equal(packet.seq, seq);
				assert_int_equal(packet.time, now);
				assert_int_equal(packet.error, 0x8101 + seq);
				assert_int_equal(owamp_sender_next(sender, true), 0);
			}
			owamp_sender_free(sender);
		}
	}
	owamp_sender_free(NULL);
}

/* Whole packets against the reference: nothing else is in them. */
static void test_octets_of_all_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
		struct owamp_request request = packet_request(&slot, 9, TIMEOUT);
		struct owamp_sender *sender = sender_of(modes[i], &request, true);

		for (uint32_t seq = 0; seq < 9; seq++) {
			struct packet packet = {seq, due_of(seq) + 77, 0x0a0b};
			uint8_t expected[48];
			const uint8_t *octets;
			owamp_ntp due;
			size_t size;

			assert_int_equal(owamp_sender_poll(sender, packet.time, &due), OWAMP_SENDER_SEND);
			octets = owamp_sender_stamp(sender, packet.time, packet.error, &size);
			assert_int_equal(size, packet_seal(modes[i], &packet, expected));
			assert_memory_equal(octets, expected, size);
			assert_int_equal(owamp_sender_next(sender, true), 0);
		}
		owamp_sender_free(sender);
	}
}

static void test_stamped_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
		struct owamp_request request = packet_request(&slot, 2, TIMEOUT);
		struct owamp_sender *sender = sender_of(modes[i], &request, false);
		owamp_ntp due;
		size_t size;

		assert_int_equal(owamp_sender_poll(sender, due_of(0), &due), OWAMP_SENDER_SEND);
		for (uint32_t j = 0; j < 4; j++) {
			const uint8_t *octets =
				owamp_sender_stamp(sender, due_of(0) + j, (uint16_t)(0x0101 + j), &size);
			struct packet packet = packet_open(modes[i], octets);

			assert_int_equal(packet.seq, 0);
			assert_int_equal(packet.time, due_of(0) + j);
			assert_int_equal(packet.error, 0x0101 + j);
		}
		owamp_sender_free(sender);
	}
}

static void test_zero_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
		struct owamp_request request = packet_request(&slot, 2, TIMEOUT);
		struct owamp_sender *sender;
		const uint8_t *octets;
		owamp_ntp due;
		size_t size;

		request.padding = 1000;
		sender = sender_of(modes[i], &request, true);
		owamp_sender_poll(sender, due_of(0), &due);
		octets = owamp_sender_stamp(sender, due_of(0), 0x0101, &size);
		assert_int_equal(size, packet_least(modes[i]) + 1000);
		for (size_t at = packet_least(modes[i]); at < size; at++)
			assert_int_equal(octets[at], 0);
		owamp_sender_free(sender);
	}
}

/* About half the bits are set, and no two packets have the same padding. */
static void test_random_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
		struct owamp_request request = packet_request(&slot, 20, TIMEOUT);
		struct owamp_sender *sender;
		uint8_t previous[1000] = {0};
		uint32_t ones = 0;

		request.padding = 1000;
		sender = sender_of(modes[i], &request, false);
		for (uint32_t seq = 0; seq < 20; seq++) {
			const uint8_t *octets;
			owamp_ntp due;
			size_t size;

			owamp_sender_poll(sender, due_of(seq), &due);
			octets = owamp_sender_stamp(sender, due_of(seq), 0x0101, &size);
			octets += packet_least(modes[i]);
			assert_memory_not_equal(octets, previous, 1000);
			memcpy(previous, octets, 1000);
			for (size_t at = 0; at < 1000; at++)
				ones += (uint32_t)__builtin_popcount(octets[at]);
			owamp_sender_next(sender, true);
		}
		/* 80000 of 160000, 10 standard deviations of 200. */
		assert_in_range(ones, 78000, 82000);
		owamp_sender_free(sender);
	}
}

static void test_padding_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct owamp_slot slot = {OWAMP_SLOT_FIXED, 10 * MS};
		struct owamp_request request = packet_request(&slot, 2, TIMEOUT);
		struct owamp_sender_config config = {
			.mode = modes[i], .request = &request, .zero_padding = true};
		struct owamp_sender *sender;
		owamp_ntp due;
		size_t size;

		config.control_keys = modes[i] == OWAMP_MODE_OPEN ? NULL : &packet_control_keys;
		request.padding = (uint32_t)(OWAMP_PACKET_MAX - packet_least(modes[i]));
		assert_int_equal(owamp_sender_new(&sender, &config), 0);
		owamp_sender_poll(sender, due_of(0), &due);
		assert_non_null(owamp_sender_stamp(sender, due_of(0), 1, &size));
		assert_int_equal(size, OWAMP_PACKET_MAX);
		owamp_sender_free(sender);
		request.padding++;
		assert_int_equal(owamp_sender_new(&sender, &config), OWAMP_EINVAL);
		request.padding = UINT32_MAX;
		assert_int_equal(owamp_sender_new(&sender, &config), OWAMP_EINVAL);
		request.padding = 0;
		request.timeout = OWAMP_SPAN_MAX + 1;
		assert_int_equal(owamp_sender_new(&sender, &config), OWAMP_EINVAL);
		request.timeout--;
		assert_int_equal(owamp_sender_new(&sender, &config), 0);
		owamp_sender_free(sender);
	}
}

static void test_waits_for_the_schedule(void **state)
{
	(void)state;
	struct owamp_sender *sender = every_10_ms(3);

	assert_due(sender, PACKET_START - OWAMP_SECOND, OWAMP_SENDER_WAIT, due_of(0));
	assert_due(sender, due_of(0) - 1, OWAMP_SENDER_WAIT, due_of(0));
	assert_state(sender, 0, 0, NULL, 0);
	send_current(sender, due_of(0), 0);
	assert_state(sender, 1, 1, NULL, 0);
	assert_due(sender, due_of(0) + 5 * MS, OWAMP_SENDER_WAIT, due_of(1));
	send_current(sender, due_of(1) + 1, 1);
	send_current(sender, due_of(2), 2);
	assert_due(sender, due_of(2), OWAMP_SENDER_DONE, due_of(2));
	assert_due(sender, due_of(99), OWAMP_SENDER_DONE, due_of(2));
	assert_state(sender, 3, 3, NULL, 0);
	owamp_sender_free(sender);
}

/* Late by Timeout exactly is sent, by more is not (section 4.1.1). */
static void test_late_by_timeout(void **state)
{
	(void)state;
	static const struct owamp_skip_range first[] = {{0, 0}};
	struct owamp_sender *sender = every_10_ms(50);

	assert_due(sender, due_of(0) + TIMEOUT, OWAMP_SENDER_SEND, due_of(0));
	assert_due(sender, due_of(0) + TIMEOUT + 1, OWAMP_SENDER_SEND, due_of(1));
	assert_state(sender, 1, 0, first, 1);
	owamp_sender_free(sender);
}

/* The example of section 3.8, then a catch-up burst, then the schedule again. */
static void test_started_late(void **state)
{
	(void)state;
	static const struct owamp_skip_range skips[] = {{0, 9}};
	struct owamp_sender *sender = every_10_ms(30);
	owamp_ntp now = due_of(9) + TIMEOUT + 1;

	for (uint32_t seq = 10; due_of(seq) <= now; seq++)
		send_current(sender, now, seq);
	assert_state(sender, 20, 10, skips, 1);
	assert_due(sender, now, OWAMP_SENDER_WAIT, due_of(20));
	for (uint32_t seq = 20; seq < 30; seq++)
		send_current(sender, due_of(seq), seq);
	assert_state(sender, 30, 20, skips, 1);
	owamp_sender_free(sender);
}

static void test_skip_ranges_coalesce(void **state)
{
	(void)state;
	static const struct owamp_skip_range skips[] = {{1, 3}, {5, 16}, {18, 18}};
	struct owamp_sender *sender = every_10_ms(19);

	send_current(sender, due_of(0), 0);
	for (uint32_t seq = 1; seq < 4; seq++) {
		assert_due(sender, due_of(seq), OWAMP_SENDER_SEND, due_of(seq));
		assert_int_equal(owamp_sender_next(sender, false), 0);
	}
	send_current(sender, due_of(4), 4);
	/* 5 failed to leave, 6 to 15 were too late, 16 failed. */
	assert_due(sender, due_of(5), OWAMP_SENDER_SEND, due_of(5));
	assert_int_equal(owamp_sender_next(sender, false), 0);
	assert_due(sender, due_of(15) + TIMEOUT + 1, OWAMP_SENDER_SEND, due_of(16));
	assert_state(sender, 16, 2, (struct owamp_skip_range[]){{1, 3}, {5, 15}}, 2);
	assert_int_equal(owamp_sender_next(sender, false), 0);
	send_current(sender, due_of(17), 17);
	assert_due(sender, due_of(18) + TIMEOUT + 1, OWAMP_SENDER_DONE, due_of(18));
	assert_state(sender, 19, 3, skips, 3);
	owamp_sender_free(sender);
}

/* A start time long past: all skipped, in steps that are not too long. */
static void test_all_too_late(void **state)
{
	(void)state;
	static const struct owamp_skip_range skips[] = {{0, 1999999}};
	struct owamp_sender *sender = every_10_ms(2000000);
	owamp_ntp due;
	int again = 0;

	while (owamp_sender_poll(sender, due_of(1999999) + TIMEOUT + 1, &due) == OWAMP_SENDER_AGAIN)
		again++;
	assert_in_range(again, 20, 1999999);
	assert_due(sender, due_of(1999999) + TIMEOUT + 1, OWAMP_SENDER_DONE, due_of(1999999));
	assert_state(sender, 2000000, 0, skips, 1);
	owamp_sender_free(sender);
}

static void test_start_before_the_era_ends(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND};
	struct owamp_request request = packet_request(&slot, 4, TIMEOUT);
	struct owamp_sender *sender;
	owamp_ntp due;

	request.start = (owamp_ntp)0 - 2 * OWAMP_SECOND - 5;
	sender = sender_of(OWAMP_MODE_OPEN, &request, true);
	for (uint32_t seq = 0; seq < 4; seq++) {
		owamp_ntp expected = request.start + (seq + 1) * OWAMP_SECOND;

		assert_int_equal(owamp_sender_poll(sender, expected - 1, &due), OWAMP_SENDER_WAIT);
		assert_int_equal(owamp_sender_poll(sender, expected, &due), OWAMP_SENDER_SEND);
		assert_int_equal(due, expected);
		assert_int_equal(owamp_sender_next(sender, true), 0);
	}
	owamp_sender_free(sender);
}

/* The schedule of the session's SID, not of another. */
static void test_exponential_schedule(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_EXPONENTIAL, 20 * MS};
	struct owamp_request request = packet_request(&slot, 200, OWAMP_SECOND);
	struct owamp_sender *sender = sender_of(OWAMP_MODE_OPEN, &request, true);
	struct ref_exponential generator = {.counter = 0};
	owamp_ntp expected = PACKET_START;

	/* All was copied. */
	memset(&slot, 0xff, sizeof(slot));
	memset(&request, 0xff, sizeof(request));
	memcpy(generator.seed, packet_sid, 16);
	for (uint32_t seq = 0; seq < 200; seq++) {
		owamp_ntp due;

		expected +=
			(owamp_interval)((unsigned __int128)ref_exponential_next(&generator) * (20 * MS) >>
					 32);
		assert_int_equal(owamp_sender_poll(sender, expected, &due), OWAMP_SENDER_SEND);
		assert_int_equal(due, expected);
		assert_int_equal(owamp_sender_next(sender, true), 0);
	}
	owamp_sender_free(sender);
}

/* Offsets that saturate must not wrap around into the past. */
static void test_schedule_of_centuries(void **state)
{
	(void)state;
	struct owamp_slot slot = {OWAMP_SLOT_EXPONENTIAL, OWAMP_SPAN_MAX};
	struct owamp_request request = packet_request(&slot, 1000, OWAMP_SECOND);

	for (uint8_t i = 0; i < 20; i++) {
		struct owamp_sender *sender;
		owamp_ntp due;

		request.sid[15] = i;
		sender = sender_of(OWAMP_MODE_OPEN, &request, true);
		assert_int_equal(owamp_sender_poll(sender, PACKET_START - OWAMP_SECOND, &due),
				 OWAMP_SENDER_WAIT);
		assert_int_equal(owamp_sender_poll(sender, PACKET_START + OWAMP_SECOND, &due),
				 OWAMP_SENDER_WAIT);
		owamp_sender_free(sender);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_of_all_modes),
		cmocka_unit_test(test_octets_of_all_modes),
		cmocka_unit_test(test_stamped_again),
		cmocka_unit_test(test_zero_padding),
		cmocka_unit_test(test_random_padding),
		cmocka_unit_test(test_padding_limit),
		cmocka_unit_test(test_waits_for_the_schedule),
		cmocka_unit_test(test_late_by_timeout),
		cmocka_unit_test(test_started_late),
		cmocka_unit_test(test_skip_ranges_coalesce),
		cmocka_unit_test(test_all_too_late),
		cmocka_unit_test(test_start_before_the_era_ends),
		cmocka_unit_test(test_exponential_schedule),
		cmocka_unit_test(test_schedule_of_centuries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
