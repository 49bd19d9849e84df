#include "reference.h"

#include <sched.h>
#include <semaphore.h>

#include <owamp/engine.h>

#include "engine/loop_internal.h"
#include "engine/worker.c"

#define QUEUE 4

struct fixture {
	struct owamp_loop *loop;
	struct owamp_worker *worker;
	struct owamp_timer guard;
	sem_t begun;
	sem_t go_on;
	char worked[16]; /* names in the order of the work */
	char done[16];
	pthread_t thread; /* of the work */
	int waiting;      /* jobs whose done() has not come */
};

struct task {
	struct owamp_job job;
	struct fixture *fixture;
	char name;
	bool waits; /* work() lasts until it is told to go on */
	bool again; /* done() submits it once more */
};

static void never(struct owamp_timer *timer)
{
	(void)timer;
	fail_msg("the jobs were not done in time");
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	assert_int_equal(owamp_loop_new(&fixture->loop), 0);
	assert_int_equal(owamp_worker_new(&fixture->worker, fixture->loop, QUEUE), 0);
	assert_int_equal(sem_init(&fixture->begun, 0, 0), 0);
	assert_int_equal(sem_init(&fixture->go_on, 0, 0), 0);
	fixture->guard.expired = never;
	assert_int_equal(
		owamp_loop_set_timer(fixture->loop, &fixture->guard, owamp_mono_ns() + INT64_C(20000000000)),
		0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	owamp_worker_free(fixture->worker);
	owamp_loop_free(fixture->loop);
	sem_destroy(&fixture->begun);
	sem_destroy(&fixture->go_on);
	free(fixture);
	return 0;
}

static void work(struct owamp_job *job)
{
	struct task *task = job->context;
	struct fixture *fixture = task->fixture;

	fixture->thread = pthread_self();
	strncat(fixture->worked, &task->name, 1);
	if (task->waits) {
		sem_post(&fixture->begun);
		sem_wait(&fixture->go_on);
	}
}

static void done(struct owamp_job *job)
{
	struct task *task = job->context;
	struct fixture *fixture = task->fixture;

	strncat(fixture->done, &task->name, 1);
	if (task->again) {
		task->again = false;
		assert_int_equal(owamp_worker_submit(fixture->worker, job), 0);
	} else if (--fixture->waiting == 0) {
		owamp_loop_quit(fixture->loop);
	}
}

static int submit(struct fixture *fixture, struct task *task, char name)
{
	int error;

	task->fixture = fixture;
	task->name = name;
	task->job = (struct owamp_job){.work = work, .done = done, .context = task};
	error = owamp_worker_submit(fixture->worker, &task->job);
	fixture->waiting += error == 0;
	return error;
}

static void test_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct task tasks[3] = {{.waits = false}};

	for (int i = 0; i < 3; i++)
		assert_int_equal(submit(fixture, &tasks[i], (char)('a' + i)), 0);
	assert_string_equal(fixture->done, "");
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->worked, "abc");
	assert_string_equal(fixture->done, "abc");
	assert_false(pthread_equal(fixture->thread, pthread_self()));
}

static void test_again_from_done(void **state)
{
	struct fixture *fixture = *state;
	struct task a = {.again = true}, b = {.waits = false};

	assert_int_equal(submit(fixture, &a, 'a'), 0);
	assert_int_equal(submit(fixture, &b, 'b'), 0);
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->worked, "aba");
	assert_string_equal(fixture->done, "aba");
}

/* One is being worked on; as many as the queue holds wait; one more is refused. */
static void test_queue_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct task first = {.waits = true}, waiting[QUEUE] = {{.waits = false}}, more = {.waits = false};

	assert_int_equal(submit(fixture, &first, '0'), 0);
	sem_wait(&fixture->begun);
	for (int i = 0; i < QUEUE; i++)
		assert_int_equal(submit(fixture, &waiting[i], (char)('1' + i)), 0);
	assert_int_equal(submit(fixture, &more, 'x'), OWAMP_ELIMIT);
	sem_post(&fixture->go_on);
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->done, "01234");
	assert_int_equal(submit(fixture, &more, 'x'), 0);
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
	assert_string_equal(fixture->worked, "01234x");
}

static void *free_worker(void *context)
{
	owamp_worker_free(context);
	return NULL;
}

static bool ending(struct owamp_worker *worker)
{
	bool quit;

	pthread_mutex_lock(&worker->lock);
	quit = worker->quit;
	pthread_mutex_unlock(&worker->lock);
	return quit;
}

/* At the end what is being worked on is finished, what waits is not begun, and all hear of it. */
static void test_end(void **state)
{
	struct fixture *fixture = *state;
	struct task first = {.waits = true}, waiting[2] = {{.waits = false}};
	pthread_t thread;

	assert_int_equal(submit(fixture, &first, '0'), 0);
	sem_wait(&fixture->begun);
	for (int i = 0; i < 2; i++)
		assert_int_equal(submit(fixture, &waiting[i], (char)('1' + i)), 0);
	assert_int_equal(pthread_create(&thread, NULL, free_worker, fixture->worker), 0);
	while (!ending(fixture->worker))
		sched_yield();
	sem_post(&fixture->go_on);
	assert_int_equal(pthread_join(thread, NULL), 0);
	fixture->worker = NULL;
	assert_string_equal(fixture->worked, "0");
	assert_string_equal(fixture->done, "");
	loop_run_posts(fixture->loop);
	assert_string_equal(fixture->done, "012");
	assert_int_equal(fixture->waiting, 0);
}

#define WORKER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_in_order),
		WORKER_TEST(test_again_from_done),
		WORKER_TEST(test_queue_is_bounded),
		WORKER_TEST(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
