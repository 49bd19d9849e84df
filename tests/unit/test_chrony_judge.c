/* What chronyd's report is worth, from one answer to the next. */
#include "reference.h"

#include "clock/chrony_judge.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

#define MONO (3600 * SECOND)
#define REAL (1795262400 * SECOND)

struct world {
	struct chrony_memory memory;
	struct chrony_tracking tracking;
	struct clock_now now;
	int64_t kernel_ppb;
	struct clock_reading reading;
};

/* Synchronized, with a clock that is 2 us behind, measured 3 s ago; the oscillator gains 20 ppm. */
static struct world new_world(void)
{
	return (struct world){
		.tracking = {.ref_id = 0xc0000201,
			     .address = "192.0.2.1",
			     .stratum = 2,
			     .ref_time_ns = REAL - 3 * SECOND,
			     .correction_ns = 2 * US,
			     .correction_slack_ns = 1,
			     .freq_ppb = 20000,
			     .residual_ppb = 7,
			     .skew_ppb = 300,
			     .root_delay_ns = 41 * US + 1,
			     .root_dispersion_ns = 5 * US},
		.now = {.mono_ns = MONO, .real_ns = REAL},
		.kernel_ppb = -20000,
	};
}

static void judge(struct world *world)
{
	world->reading = (struct clock_reading){.state = OWAMP_CLOCK_ABSENT, .drift_ppb = -1};
	chrony_judge(&world->memory, &world->tracking, &world->now, world->kernel_ppb, &world->reading);
	assert_string_equal(world->reading.source, "chrony");
	assert_true(strlen(world->reading.text) > 0);
	assert_int_equal(world->reading.measured, world->reading.state == OWAMP_CLOCK_VALID);
}

static void pass(struct world *world, int64_t ns)
{
	world->now.mono_ns += ns;
	world->now.real_ns += ns;
}

static void assert_doubtful(struct world *world, const char *why)
{
	judge(world);
	assert_int_equal(world->reading.state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(world->reading.text, why);
}

static void assert_valid(struct world *world)
{
	judge(world);
	assert_int_equal(world->reading.state, OWAMP_CLOCK_VALID);
}

/* A positive correction: the clock is slow ("slow of NTP time"), so that it is less than UTC. */
static void test_valid(void **state)
{
	struct world world = new_world();

	(void)state;
	assert_valid(&world);
	assert_true(world.reading.filtered);
	assert_int_equal(world.reading.mono_ns, MONO);
	assert_int_equal(world.reading.offset_ns, -2 * US);
	/* Half of 41001 ns, 5000 ns, 1 ns. */
	assert_int_equal(world.reading.error_ns, 20501 + 5000 + 1);
	/* maxclockerror's 1 ppm beside skew and residual; chronyd steers, and does not slew. */
	assert_true(world.reading.steers);
	assert_int_equal(world.reading.drift_ppb, 1000 + 300 + 7);
	assert_int_equal(world.reading.leap, 0);
	assert_string_equal(world.reading.text, "chronyd, of 192.0.2.1, stratum 2, last measured 3 s ago");
}

static void test_names(void **state)
{
	struct world world = new_world();

	(void)state;
	world.tracking.address[0] = '\0';
	world.tracking.ref_id = 0x50505300;
	assert_valid(&world);
	assert_string_equal(world.reading.text,
			    "chronyd, of the reference clock PPS, stratum 2, last measured 3 s ago");
	world.tracking.ref_id = 0x50484330;
	assert_valid(&world);
	assert_string_equal(world.reading.text,
			    "chronyd, of the reference clock PHC0, stratum 2, last measured 3 s ago");
	world.tracking.ref_id = 0x50005300;
	assert_valid(&world);
	assert_string_equal(world.reading.text,
			    "chronyd, of reference 50005300, stratum 2, last measured 3 s ago");
	world.tracking.ref_id = 0x0a1b5cff;
	assert_valid(&world);
	assert_string_equal(world.reading.text,
			    "chronyd, of reference 0A1B5CFF, stratum 2, last measured 3 s ago");
	/* By chronyd's clock, not by the one that is off. */
	world.tracking.correction_ns = 100 * SECOND;
	assert_valid(&world);
	assert_non_null(strstr(world.reading.text, "last measured 103 s ago"));
	world.tracking.ref_time_ns = REAL + 500 * SECOND;
	assert_valid(&world);
	assert_non_null(strstr(world.reading.text, "last measured 0 s ago"));
}

static void test_doubts(void **state)
{
	struct world world = new_world();

	(void)state;
	world.tracking.leap = CHRONY_LEAP_UNSYNCHRONISED;
	assert_doubtful(
		&world,
		"chronyd is not synchronized: none of its servers answers, or they contradict each other");
	world.tracking.leap = 4;
	assert_doubtful(&world, "chronyd's leap status is none that there is");
	world = new_world();
	world.tracking.ref_id = CHRONY_REF_NONE;
	assert_doubtful(&world, "chronyd has no server to be synchronized to");
	world = new_world();
	world.tracking.stratum = 16;
	assert_doubtful(&world, "chronyd has no server to be synchronized to");
	world.tracking.stratum = 15;
	assert_valid(&world);
	world.tracking.ref_id = CHRONY_REF_LOCAL;
	assert_doubtful(&world, "chronyd serves this host's own clock (local): nobody vouches for that");
	world = new_world();
	world.tracking.absurd = true;
	assert_doubtful(&world, "chronyd reports a negative or impossible delay, dispersion or correction");
}

static void test_leap(void **state)
{
	struct world world = new_world();

	(void)state;
	world.tracking.leap = CHRONY_LEAP_INSERT;
	assert_valid(&world);
	assert_int_equal(world.reading.leap, 1);
	world.tracking.leap = CHRONY_LEAP_DELETE;
	assert_valid(&world);
	assert_int_equal(world.reading.leap, -1);
}

/* Who steers: the kernel's correction is the opposite of what the clock gains, and of what is being slewed.
 */
static void test_steers(void **state)
{
	(void)state;
	assert_true(chrony_judge_steers(-20000, 20000, 0));
	assert_true(chrony_judge_steers(20000, -20020, 0));
	assert_false(chrony_judge_steers(20000, -20021, 0));
	assert_false(chrony_judge_steers(20000, 20000, 0));
	assert_false(chrony_judge_steers(0, 20000, 0));
	/* Nothing in force: it cannot be told. */
	assert_false(chrony_judge_steers(0, 0, 0));
	/* Slewing 100 ppm forward: the kernel's correction is that much more, and the offset moves so. */
	assert_true(chrony_judge_steers(-20000 + 100000, 20000, 100000));
	assert_false(chrony_judge_steers(-20000 + 100000, 20000, 0));
	/* With -x beside one that steers: the offset moves by all that chronyd sees the clock gain. */
	assert_false(chrony_judge_steers(-20000, 300, 300));
}

/* The clock runs off at 5 ppm under chronyd -x, by its own answers: the bound has to follow. */
static void test_drift_seen(void **state)
{
	struct world world = new_world();

	(void)state;
	world.kernel_ppb = 0;
	world.tracking.freq_ppb = 5000;
	/* Nothing seen yet: what chronyd says the clock gains. */
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 5000);
	assert_false(world.reading.steers);
	pass(&world, SECOND / 4);
	world.tracking.correction_ns -= 1250;
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 5000);
	/* Slower than it says; then a new measurement, after which the difference says nothing. */
	pass(&world, SECOND);
	world.tracking.correction_ns -= 2000;
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 2000);
	pass(&world, SECOND);
	world.tracking.ref_time_ns += 2 * SECOND;
	world.tracking.correction_ns += 300000;
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 5000);
	/* An hour later, or at the same moment: neither. */
	pass(&world, 3600 * SECOND);
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 5000);
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307 + 5000);
}

/* chronyd slews 1 ms away at 1000 ppm: it steers, and the offset goes at that rate. */
static void test_slewing(void **state)
{
	struct world world = new_world();

	(void)state;
	world.tracking.correction_ns = MS;
	world.kernel_ppb = -20000 + 1000000;
	/* Not seen yet whether it is chronyd's doing; the worse is assumed. */
	assert_valid(&world);
	assert_false(world.reading.steers);
	assert_int_equal(world.reading.drift_ppb, 1307 + 1000000);
	pass(&world, SECOND / 2);
	world.tracking.correction_ns -= MS / 2;
	assert_valid(&world);
	assert_true(world.reading.steers);
	assert_int_equal(world.reading.drift_ppb, 1307 + 1000000);
	/* Done, half-way between two looks: still chronyd. */
	pass(&world, SECOND);
	world.tracking.correction_ns = 0;
	world.kernel_ppb = -20000;
	assert_valid(&world);
	assert_true(world.reading.steers);
	pass(&world, SECOND);
	assert_valid(&world);
	assert_int_equal(world.reading.drift_ppb, 1307);
}

/* Somebody else takes over: not at the first look, but soon. */
static void test_steering_ends(void **state)
{
	struct world world = new_world();
	int rounds = 0;

	(void)state;
	assert_valid(&world);
	assert_true(world.reading.steers);
	world.kernel_ppb = -35000;
	do {
		pass(&world, SECOND);
		world.tracking.correction_ns += 15000;
		assert_valid(&world);
		rounds++;
	} while (world.reading.steers && rounds < 100);
	/* The offset moves as the kernel's correction makes it: it is seen to be chronyd's at once. */
	assert_int_equal(rounds, 100);
	do {
		pass(&world, SECOND);
		assert_valid(&world);
		rounds++;
	} while (world.reading.steers && rounds < 200);
	assert_in_range(rounds, 103, 106);
}

static void set_clock(struct world *world, int64_t ns)
{
	world->now.real_ns += ns;
	chrony_judge_stepped(&world->memory);
}

#define SINCE "the clock was set, and chronyd (of 192.0.2.1) has not measured since"

/* By somebody else, and chronyd answers as if nothing had happened. */
static void test_set_behind_its_back(void **state)
{
	static const int64_t steps[] = {5 * SECOND, -5 * SECOND, 40 * US, -US};

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct world world = new_world();

		assert_valid(&world);
		set_clock(&world, steps[i]);
		for (int look = 0; look < 5; look++) {
			pass(&world, SECOND);
			assert_doubtful(&world, SINCE);
		}
		/* A change of frequency shifts what it says of the past. */
		world.tracking.ref_time_ns += MS;
		assert_doubtful(&world, SINCE);
		world.tracking.ref_time_ns += steps[i] + 6 * SECOND;
		world.tracking.correction_ns -= steps[i];
		assert_valid(&world);
		/* What the clock did in between is no slope. */
		assert_int_equal(world.reading.drift_ppb, 1307);
		assert_int_equal(world.reading.offset_ns, -2 * US + steps[i]);
	}
}

/* By chronyd (makestep), from an offset that it has told of: it knows. */
static void test_set_by_chronyd(void **state)
{
	struct world world = new_world();

	(void)state;
	world.tracking.correction_ns = -300 * MS;
	assert_valid(&world);
	pass(&world, SECOND);
	set_clock(&world, -300 * MS);
	world.tracking.correction_ns = 10 * US;
	assert_valid(&world);
	assert_int_equal(world.reading.offset_ns, -10 * US);
	/* Nor is the step a slope. */
	assert_int_equal(world.reading.drift_ppb, 1307);
	/* Twice, before it was asked again: the second not by it. */
	pass(&world, SECOND);
	set_clock(&world, 2 * SECOND);
	set_clock(&world, 2 * SECOND);
	assert_doubtful(&world, SINCE);
}

/* A small step could be taken for one that chronyd knows of, as it slews by as much. */
static void test_set_by_a_little(void **state)
{
	struct world world = new_world();

	(void)state;
	assert_valid(&world);
	pass(&world, SECOND);
	set_clock(&world, 10 * US);
	world.tracking.correction_ns -= 10 * US;
	assert_doubtful(&world, SINCE);
}

/* Again, after chronyd measured and before it was asked. */
static void test_set_again(void **state)
{
	struct world world = new_world();

	(void)state;
	assert_valid(&world);
	set_clock(&world, 5 * SECOND);
	assert_doubtful(&world, SINCE);
	world.tracking.ref_time_ns += 6 * SECOND;
	set_clock(&world, -3 * SECOND);
	assert_doubtful(&world, SINCE);
	world.tracking.ref_time_ns += SECOND;
	assert_valid(&world);
}

/* It noticed, and said that it has lost its time: what follows was measured since. */
static void test_set_and_noticed(void **state)
{
	struct world world = new_world();
	uint32_t ref_id = world.tracking.ref_id;

	(void)state;
	assert_valid(&world);
	set_clock(&world, 60 * SECOND);
	world.tracking.leap = CHRONY_LEAP_UNSYNCHRONISED;
	world.tracking.ref_id = CHRONY_REF_NONE;
	judge(&world);
	assert_int_equal(world.reading.state, OWAMP_CLOCK_DOUBTFUL);
	world.tracking.leap = CHRONY_LEAP_NORMAL;
	world.tracking.ref_id = ref_id;
	world.tracking.ref_time_ns += 61 * SECOND;
	assert_valid(&world);
}

/* The clock was set before chronyd was ever asked: its next measurement is waited for. */
static void test_set_before(void **state)
{
	struct world world = new_world();

	(void)state;
	set_clock(&world, -5 * SECOND);
	assert_doubtful(&world, SINCE);
	world.tracking.ref_time_ns += SECOND / 16;
	assert_valid(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_leap),
		cmocka_unit_test(test_steers),
		cmocka_unit_test(test_drift_seen),
		cmocka_unit_test(test_slewing),
		cmocka_unit_test(test_steering_ends),
		cmocka_unit_test(test_set_behind_its_back),
		cmocka_unit_test(test_set_by_chronyd),
		cmocka_unit_test(test_set_by_a_little),
		cmocka_unit_test(test_set_again),
		cmocka_unit_test(test_set_and_noticed),
		cmocka_unit_test(test_set_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
