#include "reference.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#define MS INT64_C(1000000)

/* Ends the run and the test if nothing else does. */
#define PATIENCE (20000 * MS)

struct fixture {
	struct owamp_loop *loop;
	struct owamp_timer guard;
	int pipes[2][2];
};

static void never(struct owamp_timer *timer)
{
	(void)timer;
	fail_msg("the loop was not ended in time");
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	assert_int_equal(owamp_loop_new(&fixture->loop), 0);
	fixture->guard.expired = never;
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &fixture->guard, owamp_mono_ns() + PATIENCE), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe2(fixture->pipes[i], O_NONBLOCK), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2; i++) {
		close(fixture->pipes[i][0]);
		close(fixture->pipes[i][1]);
	}
	owamp_loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void run(struct fixture *fixture)
{
	assert_int_equal(owamp_loop_run(fixture->loop), 0);
}

/* What a callback of a test saw. */
struct seen {
	struct fixture *fixture;
	int calls;
	uint32_t events;
	struct owamp_watch *other; /* to be unwatched */
};

static void ready(struct owamp_watch *watch, uint32_t events)
{
	struct seen *seen = watch->context;

	seen->calls++;
	seen->events = events;
	if (seen->other)
		owamp_loop_unwatch(seen->fixture->loop, seen->other);
	owamp_loop_quit(seen->fixture->loop);
}

static void test_watch(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.fixture = fixture};
	struct owamp_watch watch = {.fd = fixture->pipes[0][0], .ready = ready, .context = &seen};

	assert_int_equal(owamp_loop_watch(fixture->loop, &watch, EPOLLIN), 0);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), 1);
	run(fixture);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.events, EPOLLIN);
	/* Level-triggered: what was not read is told again. */
	run(fixture);
	assert_int_equal(seen.calls, 2);
	owamp_loop_unwatch(fixture->loop, &watch);
}

static void test_watch_bad_descriptor(void **state)
{
	struct fixture *fixture = *state;
	struct owamp_watch watch = {.fd = -1, .ready = ready};

	assert_int_equal(owamp_loop_watch(fixture->loop, &watch, EPOLLIN), OWAMP_ESYSTEM);
}

static void quit_timer(struct owamp_timer *timer)
{
	const struct seen *seen = timer->context;

	owamp_loop_quit(seen->fixture->loop);
}

static void run_for(struct fixture *fixture, int64_t ns)
{
	struct seen seen = {.fixture = fixture};
	struct owamp_timer timer = {.expired = quit_timer, .context = &seen};

	assert_int_equal(owamp_loop_set_timer(fixture->loop, &timer, owamp_mono_ns() + ns), 0);
	run(fixture);
}

static void test_rewatch(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.fixture = fixture};
	struct owamp_watch watch = {.fd = fixture->pipes[0][1], .ready = ready, .context = &seen};

	assert_int_equal(owamp_loop_watch(fixture->loop, &watch, 0), 0);
	run_for(fixture, 5 * MS);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(owamp_loop_rewatch(fixture->loop, &watch, EPOLLOUT), 0);
	run(fixture);
	assert_int_equal(seen.events, EPOLLOUT);
	assert_int_equal(owamp_loop_rewatch(fixture->loop, &watch, 0), 0);
	seen.calls = 0;
	run_for(fixture, 5 * MS);
	assert_int_equal(seen.calls, 0);
	owamp_loop_unwatch(fixture->loop, &watch);
}

/* Both are ready in the same round; whichever comes first takes the other out. */
static void test_unwatch_in_callback(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen[2] = {{.fixture = fixture}, {.fixture = fixture}};
	struct owamp_watch watches[2];

	for (int i = 0; i < 2; i++) {
		watches[i] =
			(struct owamp_watch){.fd = fixture->pipes[i][0], .ready = ready, .context = &seen[i]};
		seen[i].other = &watches[1 - i];
		assert_int_equal(owamp_loop_watch(fixture->loop, &watches[i], EPOLLIN), 0);
		assert_int_equal(write(fixture->pipes[i][1], "x", 1), 1);
	}
	run(fixture);
	assert_int_equal(seen[0].calls + seen[1].calls, 1);
}

/* As before, but the loop is not told to quit in between. */
static void unwatch_other(struct owamp_watch *watch, uint32_t events)
{
	struct seen *seen = watch->context;

	(void)events;
	seen->calls++;
	owamp_loop_unwatch(seen->fixture->loop, seen->other);
	owamp_loop_unwatch(seen->fixture->loop, watch);
}

static void test_unwatched_is_not_called(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen[2] = {{.fixture = fixture}, {.fixture = fixture}};
	struct owamp_watch watches[2];

	for (int i = 0; i < 2; i++) {
		watches[i] = (struct owamp_watch){
			.fd = fixture->pipes[i][0], .ready = unwatch_other, .context = &seen[i]};
		seen[i].other = &watches[1 - i];
		assert_int_equal(owamp_loop_watch(fixture->loop, &watches[i], EPOLLIN), 0);
		assert_int_equal(write(fixture->pipes[i][1], "x", 1), 1);
	}
	run_for(fixture, 5 * MS);
	assert_int_equal(seen[0].calls + seen[1].calls, 1);
}

struct alarm {
	struct owamp_timer timer;
	struct fixture *fixture;
	char name;
	char *log; /* names in the order they expired */
	int64_t at;
	struct alarm *cancels;
	bool quits;
};

static void expired(struct owamp_timer *timer)
{
	struct alarm *alarm = timer->context;

	alarm->at = owamp_mono_ns();
	strncat(alarm->log, &alarm->name, 1);
	if (alarm->cancels)
		owamp_loop_cancel_timer(alarm->fixture->loop, &alarm->cancels->timer);
	if (alarm->quits)
		owamp_loop_quit(alarm->fixture->loop);
}

static void set_alarm(struct alarm *alarm, struct fixture *fixture, char name, char *log, int64_t due)
{
	alarm->fixture = fixture;
	alarm->name = name;
	alarm->log = log;
	alarm->timer.expired = expired;
	alarm->timer.context = alarm;
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &alarm->timer, due), 0);
}

static void test_timers_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct alarm alarms[4] = {{.quits = false}};
	int64_t now = owamp_mono_ns();
	char log[8] = "";

	alarms[0].quits = true;
	set_alarm(&alarms[0], fixture, 'd', log, now + 3 * MS);
	set_alarm(&alarms[1], fixture, 'b', log, now + 1 * MS);
	set_alarm(&alarms[2], fixture, 'c', log, now + 2 * MS);
	set_alarm(&alarms[3], fixture, 'a', log, now - 1000 * MS);
	run(fixture);
	assert_string_equal(log, "abcd");
	for (int i = 0; i < 3; i++)
		assert_true(alarms[i].at >= now + (i == 0 ? 3 : i) * MS);
}

static void test_timer_moves_and_cancels(void **state)
{
	struct fixture *fixture = *state;
	struct alarm a = {.quits = false}, b = {.quits = false}, c = {.quits = false}, end = {.quits = true};
	int64_t now = owamp_mono_ns();
	char log[8] = "";

	set_alarm(&a, fixture, 'a', log, now + 1 * MS);
	set_alarm(&b, fixture, 'b', log, now + 2 * MS);
	set_alarm(&c, fixture, 'c', log, now + 3 * MS);
	set_alarm(&end, fixture, 'e', log, now + 10 * MS);
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &a.timer, now + 5 * MS), 0);
	b.cancels = &c;
	run(fixture);
	assert_string_equal(log, "bae");
	/* One-shot, and good for another time; cancelling what is not set does nothing. */
	owamp_loop_cancel_timer(fixture->loop, &c.timer);
	a.quits = true;
	set_alarm(&a, fixture, 'A', log, owamp_mono_ns());
	run(fixture);
	assert_string_equal(log, "baeA");
}

/* What is due stays due when the loop is left, and is served by the next run. */
static void test_quit_from_timer(void **state)
{
	struct fixture *fixture = *state;
	struct alarm first = {.quits = true}, second = {.quits = true};
	int64_t now = owamp_mono_ns();
	char log[8] = "";

	set_alarm(&first, fixture, '1', log, now - 2);
	set_alarm(&second, fixture, '2', log, now - 1);
	run(fixture);
	assert_string_equal(log, "1");
	run(fixture);
	assert_string_equal(log, "12");
}

struct message {
	struct owamp_post post;
	struct fixture *fixture;
	char name;
	char *log;
	pthread_t thread;
	struct message *posts;
	struct message *takes_back;
	bool quits;
};

static void called(struct owamp_post *post)
{
	struct message *message = post->context;
	struct owamp_loop *loop = message->fixture->loop;

	strncat(message->log, &message->name, 1);
	message->thread = pthread_self();
	if (message->posts)
		owamp_loop_post(loop, &message->posts->post);
	if (message->takes_back)
		owamp_loop_unpost(loop, &message->takes_back->post);
	if (message->quits)
		owamp_loop_quit(loop);
}

static void prepare(struct message *message, struct fixture *fixture, char name, char *log)
{
	*message = (struct message){
		.post = {.call = called, .context = message}, .fixture = fixture, .name = name, .log = log};
}

static void test_posts_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct message a, b, c, d;
	char log[8] = "";

	prepare(&a, fixture, 'a', log);
	prepare(&b, fixture, 'b', log);
	prepare(&c, fixture, 'c', log);
	prepare(&d, fixture, 'd', log);
	d.quits = true;
	b.posts = &d;
	owamp_loop_post(fixture->loop, &a.post);
	owamp_loop_post(fixture->loop, &b.post);
	owamp_loop_post(fixture->loop, &a.post);
	owamp_loop_post(fixture->loop, &c.post);
	run(fixture);
	assert_string_equal(log, "abcd");
	/* It can be posted again once it ran. */
	a.quits = true;
	owamp_loop_post(fixture->loop, &a.post);
	run(fixture);
	assert_string_equal(log, "abcda");
}

static void test_unpost(void **state)
{
	struct fixture *fixture = *state;
	struct message a, b, c, d, end;
	char log[8] = "";

	prepare(&a, fixture, 'a', log);
	prepare(&b, fixture, 'b', log);
	prepare(&c, fixture, 'c', log);
	prepare(&d, fixture, 'd', log);
	prepare(&end, fixture, 'e', log);
	end.quits = true;
	owamp_loop_unpost(fixture->loop, &a.post);
	owamp_loop_post(fixture->loop, &a.post);
	owamp_loop_post(fixture->loop, &b.post);
	owamp_loop_post(fixture->loop, &c.post);
	owamp_loop_post(fixture->loop, &d.post);
	/* The first, the last, and from within a call one in the middle. */
	owamp_loop_unpost(fixture->loop, &a.post);
	owamp_loop_unpost(fixture->loop, &d.post);
	b.takes_back = &c;
	owamp_loop_post(fixture->loop, &end.post);
	run(fixture);
	assert_string_equal(log, "be");
	/* Nothing is left of a queue that was emptied by hand. */
	owamp_loop_post(fixture->loop, &a.post);
	owamp_loop_unpost(fixture->loop, &a.post);
	owamp_loop_post(fixture->loop, &end.post);
	run(fixture);
	assert_string_equal(log, "bee");
}

/* What a call that posts itself again and again leaves others. */
struct busy {
	struct fixture *fixture;
	struct owamp_post post;
	int calls;
	int events;
	bool timer_ran;
};

#define BUSY_CALLS 1000000

static void post_again(struct owamp_post *post)
{
	struct busy *busy = post->context;

	if (++busy->calls == BUSY_CALLS)
		owamp_loop_quit(busy->fixture->loop);
	else
		owamp_loop_post(busy->fixture->loop, post);
}

static void note_event(struct owamp_watch *watch, uint32_t events)
{
	struct busy *busy = watch->context;

	(void)events;
	busy->events++;
}

static void note_timer(struct owamp_timer *timer)
{
	struct busy *busy = timer->context;

	busy->timer_ran = true;
	if (busy->events > 0)
		owamp_loop_quit(busy->fixture->loop);
	else
		assert_int_equal(owamp_loop_set_timer(busy->fixture->loop, timer, owamp_mono_ns()), 0);
}

static void test_posts_leave_others_a_turn(void **state)
{
	struct fixture *fixture = *state;
	struct busy busy = {.fixture = fixture};
	struct owamp_watch watch = {.fd = fixture->pipes[0][0], .ready = note_event, .context = &busy};
	struct owamp_timer timer = {.expired = note_timer, .context = &busy};

	busy.post = (struct owamp_post){.call = post_again, .context = &busy};
	owamp_loop_post(fixture->loop, &busy.post);
	assert_int_equal(owamp_loop_watch(fixture->loop, &watch, EPOLLIN), 0);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), 1);
	assert_int_equal(owamp_loop_set_timer(fixture->loop, &timer, owamp_mono_ns()), 0);
	run(fixture);
	assert_true(busy.calls > 0);
	assert_true(busy.events > 0);
	assert_true(busy.timer_ran);
	assert_true(busy.calls < BUSY_CALLS);
	owamp_loop_unwatch(fixture->loop, &watch);
	owamp_loop_unpost(fixture->loop, &busy.post);
}

/* More than the loop runs in one go. */
static void test_many_posts_at_once(void **state)
{
	enum { MANY = 1000 };
	struct fixture *fixture = *state;
	struct message messages[MANY];
	char log[MANY + 1] = "", expected[MANY + 1] = "";

	for (int i = 0; i < MANY; i++) {
		prepare(&messages[i], fixture, (char)('a' + i % 26), log);
		expected[i] = (char)('a' + i % 26);
		owamp_loop_post(fixture->loop, &messages[i].post);
	}
	messages[MANY - 1].quits = true;
	run(fixture);
	assert_string_equal(log, expected);
}

#define POSTS 1000

struct poster {
	struct fixture *fixture;
	struct owamp_post post;
	atomic_int calls;
	sem_t turn;
};

static void count_call(struct owamp_post *post)
{
	struct poster *poster = post->context;

	if (++poster->calls == POSTS)
		owamp_loop_quit(poster->fixture->loop);
	sem_post(&poster->turn);
}

static void *post_many(void *context)
{
	struct poster *poster = context;

	for (int i = 0; i < POSTS; i++) {
		sem_wait(&poster->turn);
		owamp_loop_post(poster->fixture->loop, &poster->post);
	}
	return NULL;
}

/* Each post wakes the loop, however the wake-ups of several threads' posts fall together. */
static void test_posts_from_threads(void **state)
{
	struct fixture *fixture = *state;
	struct poster posters[2] = {{.calls = 0}};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		posters[i].fixture = fixture;
		posters[i].post = (struct owamp_post){.call = count_call, .context = &posters[i]};
		assert_int_equal(sem_init(&posters[i].turn, 0, 1), 0);
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	while (posters[0].calls < POSTS || posters[1].calls < POSTS)
		run(fixture);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(posters[i].calls, POSTS);
		sem_destroy(&posters[i].turn);
	}
}

static void caught(void *context, int signal)
{
	struct seen *seen = context;

	seen->calls++;
	seen->events = (uint32_t)signal;
	owamp_loop_quit(seen->fixture->loop);
}

static void test_signals(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.fixture = fixture};
	const int signals[] = {SIGUSR1, SIGUSR2};

	assert_int_equal(owamp_loop_signals(fixture->loop, signals, 2, caught, &seen), 0);
	assert_int_equal(owamp_loop_signals(fixture->loop, signals, 2, caught, &seen), OWAMP_ESTATE);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(seen.calls, 0);
	run(fixture);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.events, SIGUSR2);
	assert_int_equal(raise(SIGUSR1), 0);
	run(fixture);
	assert_int_equal(seen.events, SIGUSR1);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_watch),
		LOOP_TEST(test_watch_bad_descriptor),
		LOOP_TEST(test_rewatch),
		LOOP_TEST(test_unwatch_in_callback),
		LOOP_TEST(test_unwatched_is_not_called),
		LOOP_TEST(test_timers_in_order),
		LOOP_TEST(test_timer_moves_and_cancels),
		LOOP_TEST(test_quit_from_timer),
		LOOP_TEST(test_posts_in_order),
		LOOP_TEST(test_unpost),
		LOOP_TEST(test_posts_leave_others_a_turn),
		LOOP_TEST(test_many_posts_at_once),
		LOOP_TEST(test_posts_from_threads),
		LOOP_TEST(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
