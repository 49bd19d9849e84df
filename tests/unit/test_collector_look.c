/* When the collector looks at a session again, and what the kernel's count of drops adds up to. */
#include "packet_wire.h"

#include <owamp/receiver.h>

#include "../../libowamp/engine/collector_read.c"

#define MS INT64_C(1000000)

struct course {
	struct owamp_slot slot;
	struct owamp_request request;
	struct owamp_receiver *receiver;
};

static void ignore(void *context, const struct owamp_record *record)
{
	(void)context;
	(void)record;
}

/* Packets that far apart, the first one that distance after the start, which is time 0. */
static struct course *begin(uint32_t packets, int64_t distance_ns, int64_t timeout_ns)
{
	struct course *course = calloc(1, sizeof *course);
	struct owamp_receiver_config config = {.mode = OWAMP_MODE_OPEN, .request = &course->request};

	assert_non_null(course);
	course->slot = (struct owamp_slot){OWAMP_SLOT_FIXED, owamp_interval_from_ns((uint64_t)distance_ns)};
	course->request =
		packet_request(&course->slot, packets, owamp_interval_from_ns((uint64_t)timeout_ns));
	assert_int_equal(owamp_receiver_new(&course->receiver, &config, ignore, NULL), 0);
	return course;
}

static owamp_ntp at(const struct course *course, int64_t ns)
{
	return course->request.start + owamp_interval_from_ns((uint64_t)ns);
}

/* A packet that arrives when it is due. */
static void arrive(const struct course *course, uint32_t seq)
{
	owamp_ntp due = course->request.start + (seq + 1) * course->slot.interval;
	struct packet packet = {.seq = seq, .time = due, .error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	size_t size = packet_seal(OWAMP_MODE_OPEN, &packet, octets);

	assert_int_equal(owamp_receiver_packet(course->receiver, octets, size, due, 1, 255),
			 OWAMP_RECEIVE_OK);
}

static int64_t look(const struct course *course, int64_t now_ns)
{
	return next_look(course->receiver, at(course, now_ns));
}

static void end(struct course *course)
{
	owamp_receiver_free(course->receiver);
	free(course);
}

/* Slots are in units of 2^-32 s, and hundreds of them add up. */
static void assert_near(int64_t actual, int64_t expected)
{
	assert_true(actual >= expected - 200 && actual <= expected + 200);
}

/* In the middle: once a second, however many packets come. */
static void test_middle(void **state)
{
	struct course *course = begin(100000, 1 * MS, 5000 * MS);

	(void)state;
	assert_int_equal(look(course, 0), LOOK_NS);
	for (uint32_t seq = 0; seq < 3000; seq++)
		arrive(course, seq);
	assert_int_equal(look(course, 3000 * MS), LOOK_NS);
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 6000 * MS), 1), 0);
	assert_int_equal(look(course, 6000 * MS), LOOK_NS);
	end(course);
}

/* A Timeout of less than a second: when what has come so far is over. */
static void test_short_timeout(void **state)
{
	struct course *course = begin(100000, 1 * MS, 200 * MS);

	(void)state;
	for (uint32_t seq = 0; seq < 300; seq++)
		arrive(course, seq);
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 300 * MS + MS / 2), 1), 0);
	assert_near(look(course, 300 * MS + MS / 2), 200 * MS - MS / 2);
	end(course);
}

/* The last packet is known: to its very deadline, and just after it. */
static void test_last(void **state)
{
	struct course *course = begin(10, 1 * MS, 300 * MS);
	owamp_ntp last = at(course, 300 * MS) + 10 * course->slot.interval;

	(void)state;
	for (uint32_t seq = 0; seq < 10; seq++)
		arrive(course, seq);
	assert_near(look(course, 10 * MS), 300 * MS);
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 309 * MS + 1000), 1), 0);
	assert_near(look(course, 309 * MS + 500000), MS / 2);
	assert_int_equal(next_look(course->receiver, last), JUST_AFTER_NS);
	assert_int_equal(owamp_receiver_expire(course->receiver, last, 1), 0);
	assert_false(owamp_receiver_complete(course->receiver));
	assert_int_equal(owamp_receiver_expire(course->receiver, last + 1, 1), 0);
	assert_true(owamp_receiver_complete(course->receiver));
	end(course);
}

/* Nothing comes: each look thinks of one packet more, but there is not one for each. */
static void test_outage(void **state)
{
	struct course *course = begin(1000, 1 * MS, 100 * MS);

	(void)state;
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 150 * MS), 1), 0);
	assert_int_equal(look(course, 150 * MS), GRAIN_NS);
	end(course);
	course = begin(1000, 50 * MS, 100 * MS);
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 310 * MS), 1), 0);
	assert_near(look(course, 310 * MS), 40 * MS);
	end(course);
}

/* More is due than one call declares lost. */
static void test_overdue(void **state)
{
	struct course *course = begin(100000, 1000, 100 * MS);

	(void)state;
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 1000 * MS), 1), 0);
	assert_int_equal(look(course, 1000 * MS), 0);
	end(course);
}

/* Slow sessions are looked at each second, for the clock may have been set. */
static void test_slow(void **state)
{
	struct course *course = begin(10, 100000 * MS, 2000 * MS);

	(void)state;
	assert_int_equal(look(course, 0), LOOK_NS);
	assert_int_equal(owamp_receiver_expire(course->receiver, at(course, 5000 * MS), 1), 0);
	assert_int_equal(look(course, 5000 * MS), LOOK_NS);
	end(course);
}

/* The count is the kernel's, of 32 bits; what waited in the queue has an older one. */
static void test_count_of_drops(void **state)
{
	struct inlet inlet = {.fd = -1};

	(void)state;
	note_drops(&inlet, 0);
	assert_true(inlet.drops == 0);
	note_drops(&inlet, 5);
	assert_true(inlet.drops == 5);
	note_drops(&inlet, 3);
	assert_true(inlet.drops == 5);
	note_drops(&inlet, 6);
	assert_true(inlet.drops == 6);
	/* Up to where it begins again, and on. */
	inlet.count = UINT32_MAX - 1;
	note_drops(&inlet, UINT32_MAX);
	assert_true(inlet.drops == 7);
	note_drops(&inlet, 0);
	assert_true(inlet.drops == 8);
	note_drops(&inlet, UINT32_MAX - 3);
	assert_true(inlet.drops == 8);
	note_drops(&inlet, 10);
	assert_true(inlet.drops == 18);
	/* A socket that does not say has none more. */
	assert_true(inlet_drops(&inlet) == 18);
}

/* By hand: sampled at 1000, read 30 later, stamped before. What was not vouched for at reading is not at all.
 */
static void test_bound_of_what_waited(void **state)
{
	static const struct {
		int64_t read, stamped, worse;
	} cases[] = {{1030, 1029, 1030}, {1030, 1000, 1030}, {1030, 970, 1030}, {1030, 969, 969},
		     {1000, 1000, 1000}, {1000, 999, 999},   {990, 995, 990},   {990, 980, 980}};
	struct owamp_collector collector = {.setting = {.shift_ns = 0}};
	struct reading reading = {.snapshot = {.synchronized = true,
					       .bound_ns = 1024,
					       .sampled_at_mono = 1000 * MS,
					       .drift_ppb = 1000000,
					       .vouched_until_mono = 1020 * MS}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		reading.mono_ns = cases[i].read * MS;
		assert_int_equal(worse_mono(&reading, cases[i].stamped * MS), cases[i].worse * MS);
	}
	reading.mono_ns = 1030 * MS;
	reading.estimate = owamp_error_estimate(31024, false);
	/* 1024 + 1000 ppm of 100 ms. */
	assert_in_range(bound_at(&reading, 900 * MS), 101024, 101024 + 1001);
	reading.deviation_ns = -7;
	assert_in_range(bound_at(&reading, 900 * MS), 101031, 101031 + 1001);
	reading.deviation_ns = 0;
	assert_false(
		owamp_error_estimate_synchronized(error_estimate(&collector, &reading, 900 * MS, 50, true)));
	assert_in_range(owamp_error_estimate_ns(error_estimate(&collector, &reading, 900 * MS, 50, true)),
			101074, 101074 + 1001 + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_middle),         cmocka_unit_test(test_short_timeout),
		cmocka_unit_test(test_last),           cmocka_unit_test(test_outage),
		cmocka_unit_test(test_overdue),        cmocka_unit_test(test_slow),
		cmocka_unit_test(test_count_of_drops), cmocka_unit_test(test_bound_of_what_waited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
