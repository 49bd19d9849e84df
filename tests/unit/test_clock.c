/* The clock with a source that says what the test wants. */
#include "reference.h"

#include <dirent.h>
#include <semaphore.h>

#include <owamp/timestamp.h>

#include "clock/clock.c"
#include "perfect_clock.h"

#define SECOND INT64_C(1000000000)

static sem_t taken;
static atomic_int count;

static void count_sample(void)
{
	count++;
	sem_post(&taken);
}

static int set_up(void **state)
{
	(void)state;
	perfect.sampled = count_sample;
	count = 0;
	return sem_init(&taken, 0, 0);
}

static int tear_down(void **state)
{
	(void)state;
	return sem_destroy(&taken);
}

static void says(bool valid, int64_t error_ns, int64_t drift_ppb)
{
	perfect.reading = (struct clock_reading){
		.state = valid ? OWAMP_CLOCK_VALID : OWAMP_CLOCK_DOUBTFUL,
		.measured = true,
		.filtered = true,
		.error_ns = error_ns,
		.drift_ppb = drift_ppb,
	};
}

static struct owamp_clock *new_clock(int64_t error_ns, int64_t drift_ppb)
{
	struct owamp_clock *clock;

	says(true, error_ns, drift_ppb);
	assert_int_equal(owamp_clock_new(&clock, perfect_config(), NULL, 0), 0);
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
	struct owamp_clock *clock = new_clock(1234, 567);
	struct owamp_clock_snapshot snapshot = snapshot_of(clock);

	(void)state;
	assert_true(snapshot.synchronized);
	assert_int_equal(snapshot.bound_ns, 1234);
	assert_int_equal(snapshot.drift_ppb, 567);
	assert_string_equal(snapshot.source, "kernel");
	assert_true(snapshot.sampled_at_mono >= before);
	assert_true(snapshot.sampled_at_mono <= owamp_mono_ns());
	/* From when the sources began to be asked. */
	assert_true(snapshot.vouched_until_mono >= before + 5 * SECOND);
	assert_true(snapshot.vouched_until_mono <= snapshot.sampled_at_mono + 5 * SECOND);
	owamp_clock_free(clock);
}

/* Nobody knows: not synchronized, and the bound is what the kernel says of what it does not know. */
static void test_source_fails(void **state)
{
	struct owamp_clock_snapshot snapshot;
	struct owamp_clock *clock;

	(void)state;
	perfect.reading = (struct clock_reading){.state = OWAMP_CLOCK_ABSENT};
	assert_int_equal(owamp_clock_new(&clock, perfect_config(), NULL, 0), 0);
	snapshot = snapshot_of(clock);
	assert_false(snapshot.synchronized);
	assert_in_range(snapshot.bound_ns, 16 * SECOND, 17 * SECOND);
	assert_string_equal(snapshot.source, "none");
	owamp_clock_free(clock);
}

static void wait_for_sample(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(sem_timedwait(&taken, &until), 0);
}

/* Four times a second at first, then once; what was sampled before has been published by then. */
static void test_samples_go_on(void **state)
{
	struct owamp_clock *clock = new_clock(1, 0);
	int64_t first = snapshot_of(clock).sampled_at_mono, begin = owamp_mono_ns();

	(void)state;
	wait_for_sample();
	for (unsigned i = 0; i < CLOCK_HURRY_ROUNDS; i++)
		wait_for_sample();
	assert_true(owamp_mono_ns() - begin >= (CLOCK_HURRY_ROUNDS - 1) * HURRY_NS);
	begin = owamp_mono_ns();
	for (int i = 0; i < 2; i++)
		wait_for_sample();
	assert_true(owamp_mono_ns() - begin >= INTERVAL_NS / 2);
	assert_true(snapshot_of(clock).sampled_at_mono >= first + 2 * SECOND);
	owamp_clock_free(clock);
	assert_int_equal(count, 3 + CLOCK_HURRY_ROUNDS);
}

/* No thread: the snapshot is what the test says. */
static void set_snapshot(struct owamp_clock *clock, bool synchronized, int64_t bound_ns, int64_t drift_ppb)
{
	const struct owamp_clock_snapshot snapshot = {
		.synchronized = synchronized,
		.bound_ns = bound_ns,
		.drift_ppb = drift_ppb,
		.sampled_at_mono = 1000 * SECOND,
		.vouched_until_mono = synchronized ? INT64_MAX : 0,
		.real_less_mono_ns = 77 * SECOND,
		.source = OWAMP_CLOCK_KERNEL,
	};

	latch_write(&clock->latch, &snapshot, sizeof snapshot);
	clock->shift_ns = clock->leap_shift_ns = snapshot.real_less_mono_ns;
}

static struct owamp_clock *fixed_clock(bool synchronized, int64_t bound_ns, int64_t drift_ppb)
{
	struct owamp_clock *clock = calloc(1, sizeof *clock);

	assert_non_null(clock);
	set_snapshot(clock, synchronized, bound_ns, drift_ppb);
	return clock;
}

/* bound + drift * age + extra in ns, rounded up, by arithmetic of 128 bits. */
static int64_t truth(const struct owamp_clock_snapshot *snapshot, int64_t age, int64_t extra)
{
	__int128 drift = ((__int128)llabs(age) * snapshot->drift_ppb + SECOND - 1) / SECOND;

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
			struct owamp_clock *clock = fixed_clock((b + d) % 2, bounds[b], drifts[d]);

			for (size_t a = 0; a < sizeof ages / sizeof ages[0]; a++) {
				for (size_t e = 0; e < sizeof extras / sizeof extras[0]; e++)
					assert_error(clock, ages[a], extras[e]);
			}
			free(clock);
		}
	}
}

/* A stamp from before the sample was taken, by another thread. */
static void test_stamp_before_sample(void **state)
{
	struct owamp_clock *clock = fixed_clock(true, 1000, 500000);

	(void)state;
	assert_error(clock, -1, 0);
	assert_error(clock, -SECOND, 5);
	assert_error(clock, -1000 * SECOND, 0);
	free(clock);
}

/* When nobody has asked the sources for long; the bound is what it is. */
static void test_vouched_until(void **state)
{
	struct owamp_clock *clock = fixed_clock(true, 1000, 0);
	struct owamp_clock_snapshot snapshot = snapshot_of(clock);

	(void)state;
	snapshot.vouched_until_mono = 1005 * SECOND;
	latch_write(&clock->latch, &snapshot, sizeof snapshot);
	for (int64_t late = 0; late <= 1; late++) {
		uint16_t estimate = owamp_clock_error(clock, 1005 * SECOND + late, 24);

		assert_int_equal(owamp_error_estimate_synchronized(estimate), !late);
		assert_in_range(owamp_error_estimate_ns(estimate), 1024, 1035);
	}
	free(clock);
}

static void test_status_vouched_until(void **state)
{
	struct owamp_clock *clock = fixed_clock(true, 1000, 0);
	struct owamp_clock_status status;

	(void)state;
	assert_int_equal(pthread_mutex_init(&clock->lock, NULL), 0);
	clock->status.snapshot = snapshot_of(clock);
	owamp_clock_status(clock, &status);
	assert_true(status.snapshot.synchronized);
	clock->status.snapshot.vouched_until_mono = owamp_mono_ns();
	while (owamp_mono_ns() == clock->status.snapshot.vouched_until_mono)
		;
	owamp_clock_status(clock, &status);
	assert_false(status.snapshot.synchronized);
	assert_int_equal(pthread_mutex_destroy(&clock->lock), 0);
	free(clock);
}

static sem_t asked, answered;
static atomic_bool stuck;

static void answer_late(void)
{
	if (!stuck)
		return;
	sem_post(&asked);
	sem_wait(&answered);
}

/* The thread waits for a source that does not answer. */
static void test_stuck(void **state)
{
	struct owamp_clock *clock;
	struct timespec until;

	(void)state;
	assert_int_equal(sem_init(&asked, 0, 0), 0);
	assert_int_equal(sem_init(&answered, 0, 0), 0);
	perfect.sampled = answer_late;
	clock = new_clock(1000, 0);
	stuck = true;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(sem_timedwait(&asked, &until), 0);
	for (int64_t s = 0; s < 3600; s += 7) {
		int64_t mono = snapshot_of(clock).sampled_at_mono + s * SECOND;
		uint16_t estimate = owamp_clock_error(clock, mono, 0);

		assert_int_equal(owamp_error_estimate_synchronized(estimate), s == 0);
	}
	stuck = false;
	assert_int_equal(sem_post(&answered), 0);
	owamp_clock_free(clock);
	assert_int_equal(sem_destroy(&asked), 0);
	assert_int_equal(sem_destroy(&answered), 0);
}

struct hammer {
	struct owamp_clock *clock;
	atomic_bool end;
};

static void *set_snapshots(void *context)
{
	struct hammer *hammer = context;

	for (int64_t i = 0; !hammer->end; i++) {
		set_snapshot(hammer->clock, i % 2, i, i * 3);
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
	assert_int_equal(pthread_create(&thread, NULL, set_snapshots, &hammer), 0);
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

/* A step between two readings shows, to the microsecond; an interruption between them does not. */
static void test_deviation(void **state)
{
	struct owamp_clock *clock = fixed_clock(true, 1000, 0);
	int64_t mono = 1000 * SECOND, real = 1077 * SECOND;

	(void)state;
	assert_int_equal(owamp_clock_deviation(clock, mono, real, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono - 50, real, mono + 50), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono - 3 * SECOND, real, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real, mono + 3 * SECOND), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real + 1000, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real + 1001, mono), 1001);
	assert_int_equal(owamp_clock_deviation(clock, mono, real - 1001, mono), -1001);
	assert_int_equal(owamp_clock_deviation(clock, mono, real + 5 * SECOND, mono), 5 * SECOND);
	/* By as much as it may be. */
	assert_int_equal(owamp_clock_deviation(clock, mono - 10, real - 5 * SECOND, mono + 40),
			 -5 * SECOND - 40);
	assert_int_equal(owamp_clock_deviation(clock, mono - 10, real + 5 * SECOND, mono + 40),
			 5 * SECOND + 10);
	/* A leap second that is due is none, either; another second is. */
	clock->leap_shift_ns = clock->shift_ns - SECOND;
	assert_int_equal(owamp_clock_deviation(clock, mono, real - SECOND, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real + SECOND, mono), SECOND);
	clock->leap_shift_ns = (int64_t)clock->shift_ns;
	/* What is known of the offset only so well is no step. */
	clock->shift_error_ns = 3000;
	assert_int_equal(owamp_clock_deviation(clock, mono, real + 4000, mono), 0);
	assert_int_equal(owamp_clock_deviation(clock, mono, real + 4001, mono), 4001);
	free(clock);
}

/* Set by 5 s a moment ago: whatever vouched for it vouches no more, and the bound knows. */
static void test_error_of_set_clock(void **state)
{
	struct owamp_clock *clock = fixed_clock(true, 1000, 0);
	int64_t mono = 1000 * SECOND;

	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		uint16_t estimate = owamp_clock_error_set(clock, mono, 100, sign * 5 * SECOND);

		assert_false(owamp_error_estimate_synchronized(estimate));
		assert_in_range(owamp_error_estimate_ns(estimate), 5 * SECOND + 1100,
				5 * SECOND + SECOND / 25);
	}
	free(clock);
}

/* Another than the usual one was asked for by name. */
static void test_leap_file(void **state)
{
	struct owamp_clock_config config = *perfect_config();
	struct owamp_clock *clock;
	char error[200];

	(void)state;
	snprintf(config.leap_file, sizeof config.leap_file, "/nowhere/leap");
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_ESYSTEM);
	assert_string_equal(error, "/nowhere/leap: No such file or directory");
	assert_null(clock);
}

static uint64_t blocked_signals(const char *thread)
{
	char path[300], line[256];
	uint64_t mask = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, "SigBlk:", 7) == 0)
			mask = strtoull(line + 7, NULL, 16);
	fclose(file);
	return mask;
}

/* A program may wait for a signal, or be ended by it; the clock's thread must not take it. */
static void test_signals(void **state)
{
	const uint64_t wanted =
		UINT64_C(1) << (SIGINT - 1) | UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGHUP - 1);
	struct owamp_clock *clock;
	struct dirent *thread;
	unsigned others = 0;
	DIR *threads;

	(void)state;
	assert_int_equal(owamp_clock_new(&clock, perfect_config(), NULL, 0), 0);
	threads = opendir("/proc/self/task");
	assert_non_null(threads);
	while ((thread = readdir(threads))) {
		bool ours = atoi(thread->d_name) == getpid();

		if (thread->d_name[0] == '.')
			continue;
		assert_int_equal(blocked_signals(thread->d_name) & wanted, ours ? 0 : wanted);
		others += !ours;
	}
	closedir(threads);
	owamp_clock_free(clock);
	assert_true(others >= 1);
}

static void test_bad_config(void **state)
{
	struct owamp_clock_config config = *perfect_config();
	struct owamp_clock *clock;
	char error[200];

	(void)state;
	config.sources[1] = config.sources[0];
	config.count = 2;
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock source \"kernel\": there are two of this name");
	assert_null(clock);
	config.count = 1;
	config.holdover_time_ns = -1;
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock: drift_max must be above 0, holdover and smear not below");
	config.holdover_time_ns = 0;
	config.smear_ns = 86400 * SECOND;
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof error), OWAMP_EINVAL);
	assert_string_equal(error, "clock: smear needs a leap_file that says when");
}

/* Sources are told both: a grandmaster that is wrong may have told the kernel so. */
static void test_tai_utc(void **state)
{
	/* From 1972 on 10, 11 and 12 s, and valid until 2150. */
	static const char list[] = "#$\t3960835200\n#@\t7889270400\n"
				   "2272060800\t10\n2287785600\t11\n2303683200\t12\n";
	struct owamp_clock_config config = *perfect_config();
	char path[] = "/tmp/owamp-leap-XXXXXX";
	int fd = mkstemp(path);
	struct owamp_clock *clock;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, list, sizeof list - 1), sizeof list - 1);
	close(fd);
	snprintf(config.leap_file, sizeof config.leap_file, "%s", path);
	for (int32_t kernel = 0; kernel <= 37; kernel += 37) {
		perfect.tai_utc = kernel;
		assert_int_equal(owamp_clock_new(&clock, &config, NULL, 0), 0);
		owamp_clock_free(clock);
		assert_int_equal(perfect.now.tai_utc, kernel ? kernel : 12);
		assert_int_equal(perfect.now.leap_file_tai_utc, 12);
	}
	config.leap_file[0] = '\0';
	assert_int_equal(owamp_clock_new(&clock, &config, NULL, 0), 0);
	owamp_clock_free(clock);
	assert_int_equal(perfect.now.tai_utc, 37);
	assert_int_equal(perfect.now.leap_file_tai_utc, 0);
	perfect.tai_utc = 0;
	assert_int_equal(unlink(path), 0);
}

#define CLOCK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(test_first_sample),
		CLOCK_TEST(test_source_fails),
		CLOCK_TEST(test_samples_go_on),
		CLOCK_TEST(test_error_never_flatters),
		CLOCK_TEST(test_stamp_before_sample),
		CLOCK_TEST(test_snapshot_is_whole),
		CLOCK_TEST(test_vouched_until),
		CLOCK_TEST(test_status_vouched_until),
		CLOCK_TEST(test_stuck),
		CLOCK_TEST(test_deviation),
		CLOCK_TEST(test_error_of_set_clock),
		CLOCK_TEST(test_bad_config),
		CLOCK_TEST(test_tai_utc),
		CLOCK_TEST(test_leap_file),
		CLOCK_TEST(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
