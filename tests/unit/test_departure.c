/* How a packet leaves, with clocks, kernel and clock module that do as they are told. */
#include "engine/departure.c"

#include "reference.h"

#define SECOND INT64_C(1000000000)
#define MS     INT64_C(1000000)

/* What the packets' own stamps count from: CLOCK_REALTIME is so far from CLOCK_MONOTONIC. */
#define REAL (1700000000 * SECOND)

struct world {
	int64_t now;        /* CLOCK_MONOTONIC; a reading takes 1 ns */
	int64_t reading_ns; /* or this, of the next so many */
	int slow_readings;
	int64_t call_ns;  /* how long the next send call takes */
	int error;        /* of the next send call */
	int calls, asked; /* send calls, those that asked */
	bool stamps;      /* the device stamps */
	bool known;       /* a stamp can be read */
	int64_t kernel_gap;
	int estimates;
	int64_t estimated_for, estimated_gap;
	int64_t deviation; /* what the clock module says of the next readings */
	int64_t read[3];   /* which it was asked about: mono, real, mono */
	struct owamp_clock_snapshot snapshot;
	owamp_ntp stamp; /* in the packet */
	uint16_t estimate;
};

/* One for each test: the faked functions have no context. */
static struct world world;

int64_t owamp_mono_ns(void)
{
	if (world.slow_readings > 0) {
		world.slow_readings--;
		return world.now += world.reading_ns;
	}
	return ++world.now;
}

int64_t owamp_real_ns(void)
{
	return REAL + owamp_mono_ns();
}

uint16_t owamp_clock_error(const struct owamp_clock *clock, int64_t now, int64_t extra)
{
	(void)clock;
	world.estimated_for = now;
	world.estimated_gap = extra;
	return (uint16_t)(0x8001 + world.estimates++);
}

uint16_t owamp_clock_error_set(const struct owamp_clock *clock, int64_t now, int64_t extra, int64_t deviation)
{
	assert_int_equal(deviation, world.deviation);
	return owamp_clock_error(clock, now, extra) & 0x7fff;
}

int64_t owamp_clock_deviation(const struct owamp_clock *clock, int64_t before, int64_t real, int64_t after)
{
	(void)clock;
	world.read[0] = before;
	world.read[1] = real;
	world.read[2] = after;
	return world.deviation;
}

void owamp_clock_read(const struct owamp_clock *clock, struct owamp_clock_snapshot *snapshot)
{
	(void)clock;
	*snapshot = world.snapshot;
}

/* A nanosecond more for each that has passed since the second the tests start at. */
int64_t owamp_clock_bound(const struct owamp_clock_snapshot *snapshot, int64_t now)
{
	return snapshot->bound_ns + now - 5 * SECOND;
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
	world.snapshot = (struct owamp_clock_snapshot){.synchronized = true, .source = OWAMP_CLOCK_PTP};
	departure_init(&fixture->pacer, world.now);
	fixture->session.pacer = &fixture->pacer;
	fixture->session.sender = (struct owamp_sender *)fixture; /* only passed on */
	fixture->session.transmit.possible = true;
	session_clock_begin(&fixture->session.clock, NULL);
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
	/* Readings at 1 (late by 7000), 2 (the stamp) and 3, the call, and one at the end. */
	assert_int_equal(world.stamp, owamp_ntp_from_unix_ns(REAL + start + 2));
	assert_int_equal(after, start + 3004);
	assert_int_equal(health_of(fixture).sent, 1);
	assert_int_equal(health_of(fixture).lateness_max_ns, 7000);
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 3003);
	world.call_ns = 10;
	assert_int_equal(departure_send(&fixture->session, world.now + 1, false, &after), 0);
	assert_int_equal(health_of(fixture).sent, 2);
	assert_int_equal(health_of(fixture).lateness_max_ns, 7000);
	assert_true(health_of(fixture).lateness_mean_ns == 3500);
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 3003);
	assert_int_equal(health_of(fixture).kernel_stamps, 0);
}

static void test_estimate(void **state)
{
	struct fixture *fixture = *state;
	int64_t after, start = world.now;

	/* Before anything is known. Good for packets until then, and so as of then. */
	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	assert_int_equal(world.estimated_gap, FIRST_GAP_NS);
	assert_int_equal(world.estimated_for, start + 3 + ESTIMATE_NS);
	assert_int_equal(world.estimate, 0x8001);
	world.now = world.estimated_for - 4;
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
	assert_int_equal(world.estimated_gap, 200003);
	assert_int_equal(world.estimates, 3);
}

static uint16_t send_now(struct fixture *fixture)
{
	int64_t after;

	assert_int_equal(departure_send(&fixture->session, world.now, false, &after), 0);
	return world.estimate;
}

/* What the clock module is asked about is the stamp that the packet has. */
static void test_set(void **state)
{
	struct fixture *fixture = *state;
	int64_t start = world.now, last;

	world.call_ns = 0;
	world.snapshot.bound_ns = 7000;
	assert_int_equal(send_now(fixture), 0x8001);
	assert_int_equal(world.read[0], start + 1);
	assert_int_equal(world.read[1], REAL + start + 2);
	assert_int_equal(world.read[2], start + 3);
	assert_int_equal(world.stamp, owamp_ntp_from_unix_ns(REAL + start + 2));
	/* Set: each packet has an estimate of its own, until the sampler knows. */
	world.deviation = -5 * SECOND;
	assert_int_equal(send_now(fixture), 0x0002);
	assert_int_equal(world.estimated_for, world.read[2]);
	assert_int_equal(send_now(fixture), 0x0003);
	last = world.read[2]; /* whoever asks for the health reads the clocks again */
	assert_int_equal(health_of(fixture).clock_bound_max_ns, 7000 + last - start + 5 * SECOND);
	world.deviation = 0;
	world.snapshot.steps++;
	world.snapshot.synchronized = false;
	assert_int_equal(send_now(fixture), 0x8004);
	assert_int_equal(send_now(fixture), 0x8004);
}

/* While it sent, or when somebody looks: once is enough. */
static void test_contradiction(void **state)
{
	struct fixture *fixture = *state;

	world.call_ns = 0;
	(void)send_now(fixture);
	assert_false(health_of(fixture).clock_contradiction);
	world.snapshot.disagreement = true;
	assert_true(health_of(fixture).clock_contradiction);
	world.snapshot.disagreement = false;
	assert_false(health_of(fixture).clock_contradiction);
	world.snapshot.disagreement = true;
	world.now += SECOND;
	(void)send_now(fixture);
	world.snapshot.disagreement = false;
	assert_true(health_of(fixture).clock_contradiction);
}

/* An estimate is for a while, but not for longer than what it was made from. */
static void test_outdated(void **state)
{
	struct fixture *fixture = *state;

	world.call_ns = 0;
	assert_int_equal(send_now(fixture), 0x8001);
	world.snapshot.steps++;
	assert_int_equal(send_now(fixture), 0x8002);
	assert_int_equal(send_now(fixture), 0x8002);
	world.snapshot.synchronized = false;
	assert_int_equal(send_now(fixture), 0x8003);
	world.snapshot.synchronized = true;
	assert_int_equal(send_now(fixture), 0x8004);
	/* A new look that says the same is no reason. */
	world.snapshot.sampled_at_mono++;
	world.snapshot.real_less_mono_ns++;
	assert_int_equal(send_now(fixture), 0x8004);
}

/* What the session is told of the clock: steps, but no leap seconds. */
static void test_clock(void **state)
{
	struct fixture *fixture = *state;
	struct owamp_clock_snapshot *snapshot = &world.snapshot;
	int64_t start = world.now;

	world.call_ns = 0;
	snapshot->bound_ns = 100;
	(void)send_now(fixture);
	assert_int_equal(health_of(fixture).clock_steps, 0);
	assert_int_equal(health_of(fixture).clock_step_ns, 0);
	/* The estimate is good for a while, and its bound is that of the end. */
	assert_int_equal(health_of(fixture).clock_bound_max_ns, 100 + 3 + ESTIMATE_NS);
	assert_string_equal(health_of(fixture).clock_source, "ptp");
	snapshot->real_less_mono_ns -= SECOND;
	(void)send_now(fixture);
	assert_int_equal(health_of(fixture).clock_steps, 0);
	assert_int_equal(health_of(fixture).clock_step_ns, 0);
	snapshot->real_less_mono_ns += 5 * SECOND;
	snapshot->steps++;
	(void)send_now(fixture);
	snapshot->real_less_mono_ns -= 2 * SECOND;
	snapshot->steps += 2;
	snapshot->source = OWAMP_CLOCK_CHRONY;
	assert_int_equal(health_of(fixture).clock_steps, 3);
	assert_int_equal(health_of(fixture).clock_step_ns, 3 * SECOND);
	assert_string_equal(health_of(fixture).clock_source, "chrony");
	/* One the sampler has not seen. */
	world.deviation = -7;
	assert_int_equal(health_of(fixture).clock_steps, 4);
	assert_int_equal(health_of(fixture).clock_step_ns, 3 * SECOND - 7);
	assert_int_equal(health_of(fixture).clock_steps, 4);
	/* After the end nothing counts. */
	session_clock_end(&fixture->session.clock, NULL);
	world.deviation = 0;
	snapshot->steps++;
	snapshot->source = OWAMP_CLOCK_NONE;
	assert_int_equal(health_of(fixture).clock_steps, 4);
	assert_int_equal(health_of(fixture).clock_step_ns, 3 * SECOND - 7);
	assert_string_equal(health_of(fixture).clock_source, "chrony");
	assert_true(health_of(fixture).clock_bound_max_ns < 200 + ESTIMATE_NS + world.now - start);
}

/* This thread loses its CPU between the readings of the clocks: they are read again, three times in all. */
static void test_interrupted(void **state)
{
	struct fixture *fixture = *state;
	int64_t start = world.now;

	world.reading_ns = 10000;
	world.slow_readings = 2;
	(void)send_now(fixture);
	assert_int_equal(world.read[1], REAL + start + 2 * 10000 + 1 + 2);
	world.slow_readings = 1000;
	start = world.now;
	(void)send_now(fixture);
	assert_int_equal(world.stamp, owamp_ntp_from_unix_ns(REAL + start + 2 * 10000));
	assert_int_equal(world.slow_readings, 1000 - 9 - 1);
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
	assert_int_equal(health_of(fixture).stamp_gap_max_ns, 50003);
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
	assert_int_equal(fading_max(&fixture->pacer.gap), 6003);
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
	assert_int_equal(fading_max(&fixture->pacer.gap), 6003);
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
		assert_int_equal(fading_max(&fixture->pacer.gap), 6003);
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
		WORLD_TEST(test_times),        WORLD_TEST(test_estimate),      WORLD_TEST(test_stamped),
		WORLD_TEST(test_stamped_late), WORLD_TEST(test_not_stamped),   WORLD_TEST(test_absurd),
		WORLD_TEST(test_refused_once), WORLD_TEST(test_share),         WORLD_TEST(test_one_at_a_time),
		WORLD_TEST(test_set),          WORLD_TEST(test_outdated),      WORLD_TEST(test_clock),
		WORLD_TEST(test_interrupted),  WORLD_TEST(test_contradiction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
