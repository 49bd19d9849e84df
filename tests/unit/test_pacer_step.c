/* CLOCK_REALTIME is stepped while a session sends. */
#include "engine_fixture.h"

#include <sys/syscall.h>
#include <time.h>

#define HOUR     (3600 * 1000 * MS)
#define PACKETS  40
#define DISTANCE (5 * MS)

static _Atomic int64_t step_ns;

/* In place of the C library's: another clock than the rest of the machine has. */
int clock_gettime(clockid_t id, struct timespec *time)
{
	int error = (int)syscall(SYS_clock_gettime, id, time);

	if (id == CLOCK_REALTIME)
		time->tv_sec += (time_t)(step_ns / (1000 * MS));
	return error;
}

/* The packets that left: their stamps, and what is said of them while nobody has measured the clock anew. */
static void check_packets(const struct link *link, int64_t by_ns, bool measured)
{
	int64_t before_ns = 0;
	uint32_t count = 0, off = 0;
	uint8_t octets[OWAMP_PACKET_SECURE];

	while (recv(link->receiver_fd, octets, sizeof octets, MSG_DONTWAIT) > 0) {
		struct packet packet = packet_open(OWAMP_MODE_OPEN, octets);
		int64_t late = owamp_ntp_diff_ns(packet.time, link_due(link, count));
		bool set = llabs(late) > HOUR / 2;

		assert_int_equal(packet.seq, count);
		count++;
		off += set;
		/* There is no way back. */
		assert_true(off == 0 || set);
		if (set)
			assert_true(late >= by_ns);
		if (set && measured)
			continue;
		assert_int_equal(owamp_error_estimate_synchronized(packet.error), !set);
		if (!set) {
			before_ns = owamp_error_estimate_ns(packet.error);
			continue;
		}
		assert_true(owamp_error_estimate_ns(packet.error) >= HOUR);
		assert_true(owamp_error_estimate_ns(packet.error) < 2 * HOUR + HOUR / 8);
	}
	assert_int_equal(count, PACKETS);
	assert_in_range(off, 1, PACKETS - 1);
	assert_true(before_ns < HOUR / 2);
}

/*
 * The schedule goes on where it was, and where it ended is no hour away. From
 * the first stamp on that is off by the step, none is said to be good.
 */
static void step(struct link *link, int64_t by_ns)
{
	int64_t before = owamp_mono_ns(), after, last;
	const struct owamp_clock *clock = owamp_engine_clock(link->engine);
	struct owamp_send_health health;
	uint64_t rounds;

	link_plan(link, PACKETS, DISTANCE, 1000 * MS, 0);
	link_start_sender(link);
	after = owamp_mono_ns();
	link_until(link_send_health(link).sent > 0);
	rounds = owamp_clock_rounds(clock);
	step_ns = by_ns;
	link_run(link, 1);
	rounds = owamp_clock_rounds(clock) - rounds;
	assert_int_equal(link_send_health(link).sent, PACKETS);
	assert_true(owamp_mono_ns() >= before + PACKETS * DISTANCE);
	last = owamp_pacer_last_mono_ns(link->pacing);
	/* Intervals are in units of 2^-32 s. */
	assert_true(last >= before + PACKETS * DISTANCE - PACKETS);
	assert_true(last <= after + PACKETS * DISTANCE + PACKETS);
	assert_int_equal(owamp_pacer_last(link->pacing), link_due(link, PACKETS - 1));
	check_packets(link, by_ns, rounds > 1);
	health = link_send_health(link);
	assert_int_equal(health.clock_steps, 1);
	assert_true(llabs(health.clock_step_ns - by_ns) < MS);
	assert_true(health.clock_bound_max_ns >= HOUR - MS && health.clock_bound_max_ns < 2 * HOUR + MS);
	assert_string_equal(health.clock_source, OWAMP_CLOCK_KERNEL);
}

static void test_forward(void **state)
{
	step(*state, HOUR);
}

static void test_back(void **state)
{
	step(*state, -HOUR);
}

static int undo(void **state)
{
	step_ns = 0;
	return link_tear_down(state);
}

#define STEP_TEST(test) cmocka_unit_test_setup_teardown(test, link_set_up, undo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STEP_TEST(test_forward),
		STEP_TEST(test_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
