/* The clock's thread and hardware clocks to be sampled by it. */
#include "reference.h"

#include <semaphore.h>

#include "clock/clock.c"
#include "perfect_clock.h"

#define SECOND INT64_C(1000000000)

/* A hardware clock that counts how often it was read. */
struct fake {
	struct clock_phc *phc;
	atomic_int samples;
	sem_t taken;
	atomic_bool blocks; /* until go_on */
	sem_t entered;
	sem_t go_on;
	atomic_bool inside;
};

static int fake_read(void *context, struct clock_phc_reading *reading)
{
	struct fake *fake = context;
	int64_t now = owamp_real_ns();

	assert_false(fake->inside);
	fake->inside = true;
	if (fake->blocks) {
		sem_post(&fake->entered);
		sem_wait(&fake->go_on);
	}
	*reading = (struct clock_phc_reading){now, owamp_mono_ns(), owamp_real_ns()};
	fake->samples++;
	fake->inside = false;
	sem_post(&fake->taken);
	return 0;
}

static void fake_close(void *context)
{
	struct fake *fake = context;

	sem_destroy(&fake->taken);
	sem_destroy(&fake->entered);
	sem_destroy(&fake->go_on);
	free(fake);
}

/* Its first readings not counted. */
static struct fake *new_fake(void)
{
	static const struct clock_phc_operations operations = {.read = fake_read, .close = fake_close};
	struct fake *fake = calloc(1, sizeof *fake);
	char error[100];

	assert_non_null(fake);
	assert_int_equal(sem_init(&fake->taken, 0, 0), 0);
	assert_int_equal(sem_init(&fake->entered, 0, 0), 0);
	assert_int_equal(sem_init(&fake->go_on, 0, 0), 0);
	assert_int_equal(clock_phc_new(&fake->phc, &operations, fake, error, sizeof error), 0);
	while (sem_trywait(&fake->taken) == 0)
		;
	fake->samples = 0;
	return fake;
}

static int wait_for(sem_t *semaphore, int64_t most_ns)
{
	int64_t end = owamp_real_ns() + most_ns;
	struct timespec until = {.tv_sec = end / SECOND, .tv_nsec = end % SECOND};

	return sem_timedwait(semaphore, &until);
}

static struct owamp_clock *new_clock(void)
{
	struct owamp_clock *clock;

	assert_int_equal(owamp_clock_new(&clock, perfect_config(), NULL, 0), 0);
	return clock;
}

/* Long before the next round, and then in each. */
static void test_sampled(void **state)
{
	struct owamp_clock *clock = new_clock();
	struct fake *fakes[3] = {new_fake(), new_fake(), new_fake()};
	int64_t begin;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(clock_watch_phc(clock, fakes[i]->phc), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wait_for(&fakes[i]->taken, 20 * SECOND), 0);
	begin = owamp_mono_ns();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(wait_for(&fakes[i]->taken, 20 * SECOND), 0);
	}
	/* Two rounds are a second apart at least. */
	assert_true(owamp_mono_ns() - begin >= SECOND / 2);
	clock_forget_phc(clock, fakes[1]->phc);
	clock_forget_phc(clock, fakes[0]->phc);
	assert_int_equal(fakes[1]->samples, 3);
	for (int i = 0; i < 2; i++)
		clock_phc_free(fakes[i]->phc);
	/* The one forgotten last is still sampled, and may remain till the end. */
	assert_int_equal(wait_for(&fakes[2]->taken, 20 * SECOND), 0);
	owamp_clock_free(clock);
	clock_phc_free(fakes[2]->phc);
}

/* The thread does not sample once a time what is in its list: only what is new. */
static void test_only_new(void **state)
{
	struct owamp_clock *clock = new_clock();
	struct fake *first = new_fake(), *second = new_fake();

	(void)state;
	assert_int_equal(clock_watch_phc(clock, first->phc), 0);
	assert_int_equal(clock_watch_phc(clock, first->phc), OWAMP_EINVAL);
	assert_int_equal(wait_for(&first->taken, 20 * SECOND), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(clock_watch_phc(clock, second->phc), 0);
		assert_int_equal(wait_for(&second->taken, 20 * SECOND), 0);
		clock_forget_phc(clock, second->phc);
	}
	/* A round may have passed on a machine that stalls, but hardly five. */
	assert_true(first->samples < 5);
	clock_forget_phc(clock, second->phc);
	clock_forget_phc(clock, first->phc);
	owamp_clock_free(clock);
	clock_phc_free(first->phc);
	clock_phc_free(second->phc);
}

struct forgetting {
	struct owamp_clock *clock;
	struct clock_phc *phc;
	sem_t done;
};

static void *forget_it(void *context)
{
	struct forgetting *forgetting = context;

	clock_forget_phc(forgetting->clock, forgetting->phc);
	sem_post(&forgetting->done);
	return NULL;
}

/* Who reads the clock or wants to forget another does not wait for a slow one; who forgets that one does. */
static void test_slow(void **state)
{
	struct owamp_clock *clock = new_clock();
	struct fake *slow = new_fake(), *other = new_fake();
	struct forgetting forgetting = {.clock = clock, .phc = slow->phc};
	struct owamp_clock_snapshot snapshot;
	pthread_t thread;

	(void)state;
	slow->blocks = true;
	assert_int_equal(sem_init(&forgetting.done, 0, 0), 0);
	assert_int_equal(clock_watch_phc(clock, other->phc), 0);
	assert_int_equal(wait_for(&other->taken, 20 * SECOND), 0);
	assert_int_equal(clock_watch_phc(clock, slow->phc), 0);
	assert_int_equal(wait_for(&slow->entered, 20 * SECOND), 0);
	owamp_clock_read(clock, &snapshot);
	clock_forget_phc(clock, other->phc);
	assert_int_equal(clock_watch_phc(clock, other->phc), 0);
	assert_int_equal(pthread_create(&thread, NULL, forget_it, &forgetting), 0);
	assert_int_equal(wait_for(&forgetting.done, SECOND / 5), -1);
	assert_true(slow->inside);
	slow->blocks = false;
	sem_post(&slow->go_on);
	assert_int_equal(wait_for(&forgetting.done, 20 * SECOND), 0);
	assert_false(slow->inside);
	assert_int_equal(slow->samples, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	clock_phc_free(slow->phc);
	assert_int_equal(wait_for(&other->taken, 20 * SECOND), 0);
	owamp_clock_free(clock);
	clock_phc_free(other->phc);
	sem_destroy(&forgetting.done);
}

/* A writer that stands still half-way holds no reader up, and what it gets is whole. */
static void test_latch(void **state)
{
	struct latch latch = {.sequence = 0};
	int64_t value[3] = {1, 2, 3}, read[3] = {9, 9, 9};

	(void)state;
	latch_read(&latch, read, sizeof read);
	assert_int_equal(read[0] | read[1] | read[2], 0);
	latch_write(&latch, value, sizeof value);
	latch_read(&latch, read, sizeof read);
	assert_memory_equal(read, value, sizeof read);
	/* As latch_write() does, one word after the other. */
	for (unsigned copy = 0; copy < 2; copy++) {
		const int64_t expected[2][3] = {{1, 2, 3}, {11, 12, 13}};

		latch.sequence++;
		for (int i = 0; i < 3; i++) {
			latch_read(&latch, read, sizeof read);
			assert_memory_equal(read, expected[copy], sizeof read);
			latch.words[copy][i] = expected[1][i];
		}
		latch_read(&latch, read, sizeof read);
		assert_memory_equal(read, expected[copy], sizeof read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_only_new),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_latch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
