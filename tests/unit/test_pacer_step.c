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

/* The schedule goes on where it was, and where it ended is no hour away. */
static void step(struct link *link, int64_t by_ns)
{
	int64_t before = owamp_mono_ns(), after, last;

	link_plan(link, PACKETS, DISTANCE, 1000 * MS, 0);
	link_start_sender(link);
	after = owamp_mono_ns();
	link_until(link_send_health(link).sent > 0);
	step_ns = by_ns;
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, PACKETS);
	assert_true(owamp_mono_ns() >= before + PACKETS * DISTANCE);
	last = owamp_pacer_last_mono_ns(link->pacing);
	/* Intervals are in units of 2^-32 s. */
	assert_true(last >= before + PACKETS * DISTANCE - PACKETS);
	assert_true(last <= after + PACKETS * DISTANCE + PACKETS);
	assert_int_equal(owamp_pacer_last(link->pacing), link_due(link, PACKETS - 1));
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
