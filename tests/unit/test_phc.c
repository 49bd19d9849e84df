/* Hardware clocks that a test invents, against times computed by other means. */
#include <pthread.h>
#include <stdatomic.h>

#include "phc_world.h"

/*
 * By hand. Readings at 10 ms, 20 ms (the first two, from new()), 1 s and 2 s,
 * with windows of 800 ns. Each look at the clocks costs nothing, so a pair's
 * error is 1. A reading's error is 400 + 1 + 1 = 402.
 *
 * At 2 s + 400 ns the hardware clock has gained 20000.004 ns -> 20000; at
 * 1 s + 400 ns 10000. span = 1000000000 + 10000. drift = 1000000000 - span =
 * -10000. drift error = 804. wander = 500 ppb.
 *
 * A stamp at 2.5 s: the clock has gained 25000, so it shows
 * base + 2500025000; distance = 500000000 - 400 + 5000 = 500004600; in real
 * time - 10000 * 500004600 / 1000010000 = -4999.996 -> within 1: 499999600 or
 * 499999601 after 2 s + 400.
 *
 * Error: 402 + ceil(500004600 * 804 / 1000010000) + ceil(500004600 * 500 / 10^9)
 * = 402 + ceil(401.9997) + ceil(250.0023) = 402 + 402 + 251 = 1055; and of
 * the system clock 0 + 1 + 1, and of rounding 2: 1059.
 */
static void test_by_hand(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t real, error;

	(void)state;
	sample_at(&world, phc, SECOND);
	sample_at(&world, phc, 2 * SECOND);
	world.now = 2500 * MS + 10;
	assert_true(clock_phc_convert(phc, 1771000037 * SECOND + 2500025000, &real, &error));
	assert_in_range(real - 1771000000 * SECOND, 2500000000, 2500000001);
	assert_int_equal(error, 1059);
	/* The other way, to before the reading: to this the residual is added, which is 1 at most. */
	assert_true(clock_phc_convert(phc, 1771000037 * SECOND + 1500015000, &real, &error));
	assert_in_range(real - 1771000000 * SECOND, 1499999999, 1500000001);
	/* distance = -(500000400 + 5000): 402 + ceil(402.0003) + ceil(250.0027) + 4, and the residuals. */
	assert_in_range(error, 402 + 403 + 251 + 4, 402 + 403 + 251 + 4 + 4);
	clock_phc_free(phc);
	assert_int_equal(world.closed, 1);
}

/* At the first sample it converts already, with a rate known worse. */
static void test_at_once(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t early, late;

	(void)state;
	assert_int_equal(world.reads, 2);
	world.now = 900 * MS;
	early = assert_converts(&world, phc, 30 * MS);
	/* 804 ns in 10 ms are 80 ppm. */
	assert_in_range(early, 402, 402 + 900 + 20);
	late = assert_converts(&world, phc, 900 * MS);
	assert_in_range(late, 880 * 80, 880 * 82 + 1000);
	clock_phc_free(phc);
}

/* Further away the error is larger, in either direction. */
static void test_grows(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t before = 0;

	(void)state;
	for (int i = 1; i < 6; i++)
		sample_at(&world, phc, i * SECOND);
	for (int64_t t = 5 * SECOND + 800; t < 10 * SECOND; t += 100 * MS) {
		int64_t error;

		world.now = t;
		error = assert_converts(&world, phc, t);
		assert_true(error > before);
		assert_true(error < 402 + (t - 5 * SECOND) * 14 / 10000000 + 10);
		before = error;
	}
	before = 0;
	world.now = 5 * SECOND + 1000;
	for (int64_t t = 5 * SECOND; t > SECOND; t -= 100 * MS) {
		int64_t error = assert_converts(&world, phc, t);

		assert_true(error > before);
		before = error;
	}
	clock_phc_free(phc);
}

static void test_too_old(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	sample_at(&world, phc, SECOND);
	world.now = 6 * SECOND - MS;
	assert_converts(&world, phc, world.now);
	/* The reading is too old, and a stamp near it does not help. */
	world.now = 6 * SECOND + MS;
	assert_refused(&world, phc, world.now);
	assert_refused(&world, phc, SECOND + MS);
	/* Reads that fail leave the line to grow old. */
	world.broken = true;
	sample_at(&world, phc, 6 * SECOND - 2 * MS);
	assert_converts(&world, phc, world.now);
	sample_at(&world, phc, 6 * SECOND + 2 * MS);
	assert_refused(&world, phc, world.now);
	/* After a pause as long two readings are needed again. */
	world.broken = false;
	sample_at(&world, phc, 7 * SECOND);
	assert_refused(&world, phc, world.now);
	sample_at(&world, phc, 8 * SECOND);
	assert_converts(&world, phc, world.now);
	clock_phc_free(phc);
}

/* A reading that is refreshed does not help a stamp from too long ago. */
static void test_old_stamp(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	for (int i = 1; i <= 10; i++)
		sample_at(&world, phc, i * SECOND);
	assert_converts(&world, phc, 5 * SECOND + MS);
	assert_refused(&world, phc, 5 * SECOND - MS);
	assert_refused(&world, phc, -(INT64_C(1) << 62));
	clock_phc_free(phc);
}

/* Extremes of what a driver may put into a packet. */
static void test_any_stamp(void **state)
{
	static const int64_t stamps[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
	int64_t real, error;

	(void)state;
	for (int64_t base = -1; base <= 1; base++) {
		struct world world = plain();
		struct clock_phc *phc;

		world.phc.base = base * (INT64_MAX - 20 * SECOND);
		phc = new_phc(&world);
		sample_at(&world, phc, SECOND);
		assert_converts(&world, phc, SECOND);
		for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++)
			assert_false(clock_phc_convert(phc, stamps[i], &real, &error));
		clock_phc_free(phc);
	}
}

/* Rates that are not absurd. */
static void test_rates(void **state)
{
	static const int64_t rates[] = {-9900000, -500000, -100, 0, 1, 100000, 9900000};

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct world world = plain();
		struct clock_phc *phc;

		world.phc.ppb = rates[i];
		phc = new_phc(&world);
		for (int64_t t = SECOND; t < 20 * SECOND; t += SECOND) {
			sample_at(&world, phc, t);
			world.now = t + 999 * MS;
			/* The first span is 20 ms short of a second: 402 + 804 * 999 / 980 + 505 + 4 at most.
			 */
			assert_in_range(assert_converts(&world, phc, world.now), 1, 1732);
		}
		clock_phc_free(phc);
	}
}

/* The hardware clock is steered: how fast its rate changes is learned, and forgotten. */
static void test_steered(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);
	int64_t t = SECOND, quiet;

	(void)state;
	for (; t < 5 * SECOND; t += SECOND)
		sample_at(&world, phc, t);
	world.now = t;
	quiet = assert_converts(&world, phc, t);
	for (int i = 0; i < 5; i++, t += SECOND) {
		/* 20 ppm up and down, the clock going on from where it is. */
		int64_t shows = show(&world.phc, t - SECOND + 800);

		world.phc.ppb += i % 2 ? -20000 : 20000;
		world.phc.base += shows - show(&world.phc, t - SECOND + 800);
		sample_at(&world, phc, t);
		world.now = t + 990 * MS;
		if (i > 0)
			assert_in_range(assert_converts(&world, phc, world.now), 20000, 25000);
	}
	for (int i = 0; i < 40; i++, t += SECOND)
		sample_at(&world, phc, t);
	world.now = t;
	assert_in_range(assert_converts(&world, phc, t), quiet - 1, quiet + 1);
	clock_phc_free(phc);
}

/* Readings that follow one another closely say little of the rate: that of before is kept. */
static void test_close(void **state)
{
	struct world world = plain();
	struct clock_phc *phc = new_phc(&world);

	(void)state;
	for (int i = 1; i < 4; i++)
		sample_at(&world, phc, i * SECOND);
	sample_at(&world, phc, 3 * SECOND + 5 * MS);
	world.now = 3 * SECOND + 900 * MS;
	assert_in_range(assert_converts(&world, phc, world.now), 402, 1720);
	/* And nothing at all where there was none. */
	world.real.base += SECOND;
	sample_at(&world, phc, 4 * SECOND);
	sample_at(&world, phc, 4 * SECOND + 500 * US);
	assert_refused(&world, phc, world.now);
	sample_at(&world, phc, 4 * SECOND + 2 * MS);
	assert_converts(&world, phc, world.now);
	clock_phc_free(phc);
}

/* The same in 2036, when NTP's era ends, with a hardware clock that started at 0 or is before 1970. */
static void test_eras(void **state)
{
	static const int64_t reals[] = {0, 2085978494, 2085978496, 4102444800, 9000000000};
	static const int64_t bases[] = {-10, 0, 2085978533, 4294967296, 9200000000};

	(void)state;
	for (size_t i = 0; i < 25; i++) {
		struct world world = plain();
		struct clock_phc *phc;

		world.real.base = reals[i / 5] * SECOND;
		world.phc.base = bases[i % 5] * SECOND;
		phc = new_phc(&world);
		for (int t = 1; t < 5; t++) {
			sample_at(&world, phc, t * SECOND);
			world.now += 990 * MS;
			assert_converts(&world, phc, world.now);
		}
		clock_phc_free(phc);
	}
}

/* One life of three clocks with rates, windows and intervals by chance: never more wrong than it said. */
static void live(uint64_t *seed)
{
	struct world world = plain();
	struct clock_phc *phc;

	world.raw.ppb = (int64_t)ref_below(seed, 200000) - 100000;
	world.real.ppb = (int64_t)ref_below(seed, 1000000) - 500000 + world.raw.ppb;
	world.phc.ppb = (int64_t)ref_below(seed, 200000) - 100000;
	world.phc.base = (int64_t)(ref_random(seed) >> 2);
	world.costs = ref_below(seed, 50);
	phc = new_phc(&world);
	for (int i = 0; i < 20; i++) {
		world.before = ref_below(seed, 5000);
		world.after = ref_below(seed, 5000);
		world.now += ref_below(seed, 2000000000);
		/* Less than the crystals' share of what is allowed for. */
		world.phc.base += ref_below(seed, 2) ? 3 : -3;
		clock_phc_sample(phc);
		for (int j = 0; j < 10; j++) {
			world.now += ref_below(seed, 50000000);
			assert_converts(&world, phc, world.now - ref_below(seed, 10000));
		}
	}
	clock_phc_free(phc);
}

static void test_never_flatters(void **state)
{
	uint64_t seed = 4656;

	(void)state;
	for (int i = 0; i < 50; i++)
		live(&seed);
}

/* What one thread converts while another samples. */
struct hammer {
	struct clock_phc *phc;
	atomic_int_least64_t now;
	atomic_bool end;
};

static int hammer_read(void *context, struct clock_phc_reading *reading)
{
	struct hammer *hammer = context;
	int64_t now = atomic_fetch_add(&hammer->now, 10 * MS) + 10 * MS;

	*reading = (struct clock_phc_reading){now, now + 1000, now};
	return 0;
}

static int64_t hammer_time(void *context, clockid_t id)
{
	struct hammer *hammer = context;

	(void)id;
	return hammer->now;
}

static void hammer_close(void *context)
{
	(void)context;
}

static void *sample_on(void *context)
{
	struct hammer *hammer = context;

	while (!hammer->end)
		clock_phc_sample(hammer->phc);
	return NULL;
}

static void test_threads(void **state)
{
	static const struct clock_phc_operations hammering = {hammer_read, hammer_close, hammer_time};
	struct hammer hammer = {.now = 0};
	pthread_t thread;
	char text[100];
	int converted = 0;

	(void)state;
	assert_int_equal(clock_phc_new(&hammer.phc, &hammering, &hammer, text, sizeof text), 0);
	assert_int_equal(pthread_create(&thread, NULL, sample_on, &hammer), 0);
	while (converted < 100000) {
		int64_t stamp = hammer.now, real, error;

		if (!clock_phc_convert(hammer.phc, stamp + 1000, &real, &error))
			continue;
		/* Exactly 1000 apart, for ever: any mixture of two lines would be off by 10 ms or more. */
		if (llabs(real - stamp) > 1)
			fail_msg("%lld off", (long long)(real - stamp));
		converted++;
	}
	hammer.end = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	clock_phc_free(hammer.phc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),        cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_grows),          cmocka_unit_test(test_too_old),
		cmocka_unit_test(test_old_stamp),      cmocka_unit_test(test_any_stamp),
		cmocka_unit_test(test_rates),          cmocka_unit_test(test_steered),
		cmocka_unit_test(test_close),          cmocka_unit_test(test_eras),
		cmocka_unit_test(test_never_flatters), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
