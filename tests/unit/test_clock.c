/* The clock with a source that says what the test wants. */
#include "reference.h"

#include <semaphore.h>

#include "clock/clock.c"

#define SECOND INT64_C(1000000000)

static struct {
	int error;
	struct clock_sample sample;
	atomic_int count;
	sem_t taken;
} fake;

static int fake_sample(struct clock_sample *sample)
{
	fake.count++;
	sem_post(&fake.taken);
	if (fake.error)
		return fake.error;
	*sample = fake.sample;
	return 0;
}

const struct clock_source clock_source_kernel = {.name = "fake", .sample = fake_sample};

static int set_up(void **state)
{
	(void)state;
	fake.error = 0;
	fake.count = 0;
	fake.sample = (struct clock_sample){.synchronized = true, .bound_ns = 1000, .drift_ppb = 500000};
	return sem_init(&fake.taken, 0, 0);
}

static int tear_down(void **state)
{
	(void)state;
	return sem_destroy(&fake.taken);
}

static struct owamp_clock *new_clock(bool synchronized, int64_t bound_ns, int64_t drift_ppb)
{
	struct owamp_clock *clock;

	fake.sample = (struct clock_sample){
		.synchronized = synchronized, .bound_ns = bound_ns, .drift_ppb = drift_ppb};
	assert_int_equal(owamp_clock_new(&clock), 0);
	return clock;
}

static struct owamp_clock_snapshot snapshot_of(const struct owamp_clock *clock)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(clock, &snapshot);
	return snapshot;
}

static void test_first_sample(void **state)
{
	int64_t before = owamp_mono_ns();
	struct owamp_clock *clock = new_clock(true, 1234, 567);
	struct owamp_clock_snapshot snapshot = snapshot_of(clock);

	(void)state;
	assert_true(snapshot.synchronized);
	assert_int_equal(snapshot.bound_ns, 1234);
	assert_int_equal(snapshot.drift_ppb, 567);
	assert_string_equal(snapshot.source, "fake");
	assert_true(snapshot.sampled_at_mono >= before);
	assert_true(snapshot.sampled_at_mono <= owamp_mono_ns());
	owamp_clock_free(clock);
}

/* Nobody knows: not synchronized, and the bound is what the kernel says of what it does not know. */
static void test_source_fails(void **state)
{
	struct owamp_clock *clock;
	struct owamp_clock_snapshot snapshot;

	(void)state;
	fake.error = OWAMP_ESYSTEM;
	clock = new_clock(true, 1, 1);
	snapshot = snapshot_of(clock);
	assert_false(snapshot.synchronized);
	assert_int_equal(snapshot.bound_ns, 16 * SECOND);
	assert_string_equal(snapshot.source, "none");
	owamp_clock_free(clock);
}

static void wait_for_sample(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(sem_timedwait(&fake.taken, &until), 0);
}

/* Once a second there is a new one; the one before it has been published when it is taken. */
static void test_samples_go_on(void **state)
{
	int64_t begin = owamp_mono_ns();
	struct owamp_clock *clock = new_clock(false, 1, 0);
	int64_t first = snapshot_of(clock).sampled_at_mono, second;

	(void)state;
	for (int i = 0; i < 3; i++)
		wait_for_sample();
	second = snapshot_of(clock).sampled_at_mono;
	assert_true(second >= first + SECOND / 2);
	assert_true(owamp_mono_ns() - begin >= 2 * SECOND - SECOND / 10);
	owamp_clock_free(clock);
	assert_int_equal(fake.count, 3);
}

/* bound + drift * age + extra in ns, rounded up, by arithmetic of 128 bits. */
static int64_t truth(const struct owamp_clock_snapshot *snapshot, int64_t age, int64_t extra)
{
	__int128 drift = age > 0 ? ((__int128)age * snapshot->drift_ppb + SECOND - 1) / SECOND : 0;

	return (int64_t)(snapshot->bound_ns + drift + extra);
}

static void assert_error(const struct owamp_clock *clock, int64_t age, int64_t extra)
{
	struct owamp_clock_snapshot snapshot = snapshot_of(clock);
	uint16_t estimate = owamp_clock_error(clock, snapshot.sampled_at_mono + age, extra);
	int64_t expected = truth(&snapshot, age, extra), stated = owamp_error_estimate_ns(estimate);
	/* One part in 128 for the Multiplier, and a millisecond's drift for the rounding of the age. */
	int64_t most = expected + expected / 100 + snapshot.drift_ppb / 500 + 4;

	assert_true(owamp_error_estimate_valid(estimate));
	assert_int_equal(owamp_error_estimate_synchronized(estimate), snapshot.synchronized);
	if (stated < expected || stated > most)
		fail_msg("bound %lld drift %lld age %lld extra %lld: stated %lld, expected %lld",
			 (long long)snapshot.bound_ns, (long long)snapshot.drift_ppb, (long long)age,
			 (long long)extra, (long long)stated, (long long)expected);
}

/* What goes on the wire is never less than what may be wrong, and hardly more. */
static void test_error_never_flatters(void **state)
{
	static const int64_t bounds[] = {0, 1, 999, 1000, 123456, 2000000, 999999999, 16000000000};
	static const int64_t drifts[] = {0, 1, 999, 1000, 50000, 500000};
	static const int64_t ages[] = {0,       1,          999,           1000,           999999,
				       1000000, 1000000000, 3600000000000, 86400000000000, 31536000000000000};
	static const int64_t extras[] = {0, 1, 77, 100000, 1000000000};

	(void)state;
	for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
		for (size_t d = 0; d < sizeof drifts / sizeof drifts[0]; d++) {
			struct owamp_clock *clock = new_clock((b + d) % 2, bounds[b], drifts[d]);

			for (size_t a = 0; a < sizeof ages / sizeof ages[0]; a++) {
				for (size_t e = 0; e < sizeof extras / sizeof extras[0]; e++)
					assert_error(clock, ages[a], extras[e]);
			}
			owamp_clock_free(clock);
		}
	}
}

/* A stamp from before the sample was taken, by another thread. */
static void test_stamp_before_sample(void **state)
{
	struct owamp_clock *clock = new_clock(true, 1000, 500000);

	(void)state;
	assert_error(clock, -1, 0);
	assert_error(clock, -SECOND, 5);
	owamp_clock_free(clock);
}

struct hammer {
	struct owamp_clock *clock;
	atomic_bool end;
};

static void *publish(void *context)
{
	struct hammer *hammer = context;

	for (int64_t i = 0; !hammer->end; i++) {
		fake.sample = (struct clock_sample){.synchronized = i % 2, .bound_ns = i, .drift_ppb = i * 3};
		sample(hammer->clock);
	}
	return NULL;
}

/* A reader sees one snapshot, never parts of two. */
static void test_snapshot_is_whole(void **state)
{
	struct owamp_clock *clock = calloc(1, sizeof *clock);
	struct hammer hammer = {.clock = clock};
	pthread_t thread;
	int64_t latest = 0;

	(void)state;
	assert_non_null(clock);
	assert_int_equal(pthread_create(&thread, NULL, publish, &hammer), 0);
	for (int i = 0; i < 1000000 || latest < 1000000; i++) {
		struct owamp_clock_snapshot snapshot = snapshot_of(clock);

		assert_int_equal(snapshot.drift_ppb, snapshot.bound_ns * 3);
		assert_int_equal(snapshot.synchronized, snapshot.bound_ns % 2);
		assert_true(snapshot.bound_ns >= latest);
		latest = snapshot.bound_ns;
	}
	hammer.end = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	free(clock);
}

#define CLOCK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(test_first_sample),        CLOCK_TEST(test_source_fails),
		CLOCK_TEST(test_samples_go_on),       CLOCK_TEST(test_error_never_flatters),
		CLOCK_TEST(test_stamp_before_sample), CLOCK_TEST(test_snapshot_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
