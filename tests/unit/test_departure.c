/* How a packet leaves, with clocks, kernel and clock module that do as they are told. */
#include "engine/departure.c"

#include "reference.h"

#define SECOND INT64_C(1000000000)
#define MS     INT64_C(1000000)

/* What the packets' own stamps count from: CLOCK_REALTIME is so far from CLOCK_MONOTONIC. */
#define REAL (1700000000 * SECOND)

struct world {
	int64_t now;      /* CLOCK_MONOTONIC; a reading takes 1 ns */
	int64_t call_ns;  /* how long the next send call takes */
	int error;        /* of the next send call */
	int calls, asked; /* send calls, those that asked */
	bool stamps;      /* the device stamps */
	bool known;       /* a stamp can be read */
	int64_t kernel_gap;
	int estimates;
	int64_t estimated_for, estimated_gap;
	owamp_ntp stamp; /* in the packet */
	uint16_t estimate;
};

/* One for each test: the faked functions have no context. */
static struct world world;

int64_t owamp_mono_ns(void)
{
	return ++world.now;
}

int64_t owamp_real_ns(void)
{
	return REAL + ++world.now;
}

uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now, int64_t extra)
{
	(void)clock;
	world.estimated_for = now;
	world.estimated_gap = extra;
	return (uint16_t)(0x8001 + world.estimates++);
}

const uint8_t *owamp_sender_stamp(struct owamp_sender *sender, owamp_ntp now, uint16_t estimate, size_t *size)
{
	static const uint8_t packet[14];

	world.stamp = now;
	world.estimate = estimate;
	*size = sizeof packet;
	return sender ? packet : NULL;
}

ssize_t transmit_send(struct transmit *transmit, const void *packet, size_t size, bool ask, int64_t stamp)
{
	(void)packet;
	assert_int_equal(owamp_ntp_from_unix_ns(stamp), world.stamp);
	world.calls++;
	world.asked += ask;
	if (world.error) {
		errno = world.error;
		world.error = 0;
		return -1;
	}
	if (ask)
		transmit->waiting = world.stamps;
	world.now += world.call_ns;
	return (ssize_t)size;
}

bool transmit_read(struct transmit *transmit, int64_t *gap)
{
	if (!transmit->waiting || !world.known)
		return false;
	transmit->waiting = false;
	*gap = world.kernel_gap;
	return true;
}

struct fixture {
	struct owamp_pacer pacer;
	struct owamp_pacer_session session;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	world = (struct world){.now = 5 * SECOND, .call_ns = 3000, .stamps = true, .known = true};
	departure_init(&fixture->pacer, world.now);
	fixture->session.pacer = &fixture->pacer;
	fixture->session.sender = (struct owamp_sender *)fixture; /* only passed on */
	fixture->session.transmit.possible = true;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* What is counted into the error estimate of a packet that leaves now. */
static int64_t gap_now(struct fixture *fixture)
{
	int64_t after;

	world.now += ESTIMATE_NS;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	return world.estimated_gap;
}

/* Until nothing is left of what was noted before, all packets leaving in no time. */
static void forget(struct fixture *fixture)
{
	world.call_ns = 0;
	for (int i = 0; i < 64; i++) {
		world.now += SECOND;
		(void)gap_now(fixture);
	}
	assert_in_range(gap_now(fixture), 1, 10);
}

static struct owamp_send_health health_of(const struct fixture *fixture)
{
	struct owamp_send_health health;

	departure_health(&fixture->session, &health);
	return health;
}

static void test_times(void **state)
{
	struct fixture *fixture = *state;
	int64_t start = world.now, after;

	assert_int_equal(departure_send(&fixture->session, start - 6999, false, &after), 0);
	/* Readings at 1 (late by 7000) and 2 (the stamp), the call, and one at the end. */
	assert_int_equal(world.stamp, owamp_ntp_from_unix_ns(REAL + start + 2));
	assert_int_equal(after, start + 3003);
	assert_int_equal(health_of(fixture).sent, 1);
	assert_int_equal(health_of(fixture).lateness_max_ns, 7000);
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 3002);
	world.call_ns = 10;
	assert_int_equal(departure_send(&fixture->session, world.now + 1, false, &after), 0);
	assert_int_equal(health_of(fixture).sent, 2);
	assert_int_equal(health_of(fixture).lateness_max_ns, 7000);
	assert_true(health_of(fixture).lateness_mean_ns == 3500);
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 3002);
	assert_int_equal(health_of(fixture).kernel_stamps, 0);
}

static void test_estimate(void **state)
{
	struct fixture *fixture = *state;
	int64_t after, start = world.now;

	/* Before anything is known. Good for packets until then, and so as of then. */
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	assert_int_equal(world.estimated_gap, FIRST_GAP_NS);
	assert_int_equal(world.estimated_for, start + 1 + ESTIMATE_NS);
	assert_int_equal(world.estimate, 0x8001);
	world.now = world.estimated_for - 2;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	assert_int_equal(world.estimates, 1);
	assert_int_equal(world.estimate, 0x8001);
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	assert_int_equal(world.estimates, 2);
	assert_int_equal(world.estimate, 0x8002);
	/* A call that took longer than all before tells at once. */
	world.call_ns = 200000;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	world.error = 0;
	fixture->pacer.error_until_ns = world.now + SECOND;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	assert_int_equal(world.estimated_gap, 200002);
	assert_int_equal(world.estimates, 3);
}

/* The kernel's stamp counts in place of the call's duration. */
static void test_stamped(void **state)
{
	struct fixture *fixture = *state;
	int64_t after;

	forget(fixture);
	world.call_ns = 50000;
	world.kernel_gap = 700;
	assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
	assert_ptr_equal(fixture->pacer.pending, &fixture->session);
	assert_in_range(fading_max(&fixture->pacer.gap), 0, 10);
	departure_read(&fixture->session);
	assert_null(fixture->pacer.pending);
	assert_int_equal(fading_max(&fixture->pacer.gap), 700);
	assert_int_equal(health_of(fixture).kernel_stamps, 1);
	assert_int_equal(health_of(fixture).kernel_gap_max_ns, 700);
	assert_in_range(health_of(fixture).kernel_gap_p50_ns, 613, 700);
	assert_in_range(health_of(fixture).kernel_gap_p99_ns, 613, 700);
	/* The meter's own account keeps the call. */
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 50002);
}

/* Without an answer the call's duration counts; what comes later, held back by the kernel, counts too. */
static void test_stamped_late(void **state)
{
	struct fixture *fixture = *state;
	int64_t after;

	forget(fixture);
	world.call_ns = 6000;
	world.known = false;
	assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
	departure_read(&fixture->session);
	assert_null(fixture->pacer.pending);
	assert_true(fixture->session.transmit.waiting);
	assert_int_equal(fading_max(&fixture->pacer.gap), 6002);
	world.known = true;
	world.kernel_gap = 3 * MS;
	world.now += 4 * MS;
	departure_read(&fixture->session);
	assert_int_equal(fading_max(&fixture->pacer.gap), 3 * MS);
	assert_int_equal(health_of(fixture).kernel_stamps, 1);
	/* Nothing more comes of it. */
	departure_read(&fixture->session);
	assert_int_equal(health_of(fixture).kernel_stamps, 1);
}

/* The device does not stamp: nothing is pending. */
static void test_not_stamped(void **state)
{
	struct fixture *fixture = *state;
	int64_t after;

	forget(fixture);
	world.stamps = false;
	world.call_ns = 6000;
	assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
	assert_null(fixture->pacer.pending);
	assert_int_equal(fading_max(&fixture->pacer.gap), 6002);
}

/* A stamp before the packet's own, or in the future: the clock was stepped in between. */
static void test_absurd(void **state)
{
	struct fixture *fixture = *state;
	int64_t after, begin;

	forget(fixture);
	world.call_ns = 6000;
	for (int i = 0; i < 4; i++) {
		begin = world.now + 1; /* the reading before the stamp */
		assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
		world.now += 1000;
		/* The time of the check is one reading later. */
		world.kernel_gap = i == 0   ? -1
				   : i == 1 ? -SECOND
				   : i == 2 ? world.now + 1 - begin + 1
					    : SECOND;
		departure_read(&fixture->session);
		assert_int_equal(health_of(fixture).kernel_stamps, 0);
		assert_int_equal(fading_max(&fixture->pacer.gap), 6002);
	}
	/* Just possible. */
	for (int i = 0; i < 2; i++) {
		begin = world.now + 1;
		assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
		world.kernel_gap = i ? world.now + 1 - begin : 0;
		departure_read(&fixture->session);
		assert_int_equal(health_of(fixture).kernel_stamps, i + 1);
	}
}

/* One refusal is another packet's; the second try is a packet like any other and asks for nothing. */
static void test_refused_once(void **state)
{
	struct fixture *fixture = *state;
	int64_t after;

	world.error = ECONNREFUSED;
	assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
	assert_int_equal(world.calls, 2);
	assert_int_equal(world.asked, 1);
	assert_null(fixture->pacer.pending);
	assert_int_equal(health_of(fixture).sent, 1);
	world.error = EAGAIN;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), EAGAIN);
	assert_int_equal(world.calls, 3);
	assert_int_equal(health_of(fixture).sent, 1);
	fixture->session.sender = NULL;
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), EIO);
}

static int ask_all(struct fixture *fixture)
{
	int count = 0;

	while (departure_may_ask(&fixture->session, world.now))
		count++;
	return count;
}

/* A thousand a second, a hundred of them at once. */
static void test_share(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask_all(fixture), 101);
	world.now += MS - 1;
	assert_int_equal(ask_all(fixture), 0);
	world.now += 1;
	assert_int_equal(ask_all(fixture), 1);
	world.now += 10 * MS;
	assert_int_equal(ask_all(fixture), 10);
	world.now += 3600 * SECOND;
	assert_int_equal(ask_all(fixture), 101);
}

static void test_one_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	struct owamp_pacer_session other = {.pacer = &fixture->pacer};
	int64_t after;

	other.transmit.possible = true;
	assert_int_equal(departure_send(&fixture->session, world.now, true, &after), 0);
	assert_false(departure_may_ask(&fixture->session, world.now));
	assert_false(departure_may_ask(&other, world.now));
	world.known = false;
	departure_read(&fixture->session);
	assert_true(departure_may_ask(&other, world.now));
	/* The answer came late: it is taken before another is asked for. */
	world.known = true;
	assert_true(departure_may_ask(&fixture->session, world.now));
	assert_int_equal(health_of(fixture).kernel_stamps, 1);
	other.transmit.possible = false;
	assert_false(departure_may_ask(&other, world.now));
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_times),        WORLD_TEST(test_estimate),    WORLD_TEST(test_stamped),
		WORLD_TEST(test_stamped_late), WORLD_TEST(test_not_stamped), WORLD_TEST(test_absurd),
		WORLD_TEST(test_refused_once), WORLD_TEST(test_share),       WORLD_TEST(test_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
