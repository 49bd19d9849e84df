/* A gpsd that does not take connections: nobody waits for it, and nothing is left of who was to. */
#include "gpsd_world.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#define THREAD "owamp-gpsd"

#define PATIENCE_NS (30 * S)

static int64_t mono(void)
{
	struct timespec time;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &time), 0);
	return time.tv_sec * S + time.tv_nsec;
}

static bool read_line(const char *path, const char *start, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, (int)size, file))
		found = strncmp(line, start, strlen(start)) == 0;
	fclose(file);
	return found;
}

/* The threads that open a connection; blocked: the signals that all of them block. */
static int count_threads(uint64_t *blocked)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	assert_non_null(tasks);
	*blocked = UINT64_MAX;
	while ((entry = readdir(tasks))) {
		char path[300], line[100];
		unsigned long long mask;

		snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
		if (!read_line(path, "Name:\t" THREAD "\n", line, sizeof line) ||
		    !read_line(path, "SigBlk:", line, sizeof line))
			continue;
		assert_int_equal(sscanf(line, "SigBlk: %llx", &mask), 1);
		*blocked &= mask;
		count++;
	}
	closedir(tasks);
	return count;
}

static void wait_threads(int count)
{
	int64_t end = mono() + PATIENCE_NS;
	uint64_t blocked;

	while (count_threads(&blocked) != count) {
		assert_true(mono() < end);
		sched_yield();
	}
}

/* The one place in the queue is taken by who looks whether there is somebody. */
static void begin_hung(struct world *w)
{
	begin(w);
	assert_int_equal(listen(w->listener, 0), 0);
	assert_state(w, OWAMP_CLOCK_ABSENT, "gpsd at ... does not accept connections");
	wait_threads(1);
}

static int accept_next(struct world *w)
{
	struct pollfd fd = {.fd = w->listener, .events = POLLIN};
	int peer;

	assert_int_equal(poll(&fd, 1, (int)(PATIENCE_NS / MS)), 1);
	peer = accept(w->listener, NULL, NULL);
	assert_true(peer >= 0);
	return peer;
}

/* The hand is held out again after a second, and taken then. */
static void test_late(void **state)
{
	struct world w;

	(void)state;
	begin_hung(&w);
	for (int i = 0; i < 5; i++) {
		pass(&w, S);
		assert_state(&w, OWAMP_CLOCK_ABSENT, "gpsd at ... does not accept connections");
		wait_threads(1);
	}
	close(accept_next(&w));
	w.peer = accept_next(&w);
	wait_threads(0);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "connected to ..., which has yet to say that it is gpsd");
	expect_text(&w, WATCH);
	say(&w, VERSION DEVICES TPV);
	say_mark(&w, "TOFF", 0, "");
	assert_int_equal(sample(&w).state, OWAMP_CLOCK_VALID);
	end(&w);
}

static void test_signals(void **state)
{
	uint64_t blocked;
	struct world w;
	sigset_t own;

	(void)state;
	begin_hung(&w);
	assert_int_equal(count_threads(&blocked), 1);
	assert_true(blocked >> (SIGTERM - 1) & blocked >> (SIGINT - 1) & blocked >> (SIGHUP - 1) & 1);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
	assert_int_equal(sigismember(&own, SIGTERM), 0);
	close(accept_next(&w));
	close(accept_next(&w));
	wait_threads(0);
	end(&w);
}

/* Whoever frees the source does not wait; the connection, when it comes, is closed at once. */
static void test_abandoned(void **state)
{
	struct world w;

	(void)state;
	begin_hung(&w);
	w.source.ops->free(w.source.self);
	wait_threads(1);
	close(accept_next(&w));
	w.peer = accept_next(&w);
	expect_text(&w, "");
	wait_threads(0);
	close(w.peer);
	close(w.listener);
}

/* Over, but nobody has asked: what was opened is closed. */
static void test_not_taken(void **state)
{
	struct world w;

	(void)state;
	begin_hung(&w);
	close(accept_next(&w));
	w.peer = accept_next(&w);
	wait_threads(0);
	w.source.ops->free(w.source.self);
	expect_text(&w, "");
	close(w.peer);
	close(w.listener);
}

/* It fails in the end, and is tried again. */
static void test_refused(void **state)
{
	struct world w;

	(void)state;
	begin_hung(&w);
	close(w.listener);
	wait_threads(0);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "... was there, but then was not");
	pass(&w, S);
	w.listener = new_listener(&w.config.gps.port, 10);
	connect_it(&w);
	end(&w);
}

/* Who was looked at has gone, and another has the port, who was not. */
static void test_another(void **state)
{
	struct world w;

	(void)state;
	begin_hung(&w);
	close(w.listener);
	w.listener = new_listener(&w.config.gps.port, 10);
	w.peer = accept_next(&w);
	wait_threads(0);
	assert_state(&w, OWAMP_CLOCK_ABSENT, "... was there, but then was not");
	expect_text(&w, "");
	close(w.peer);
	pass(&w, S);
	connect_it(&w);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late),      cmocka_unit_test(test_signals),
		cmocka_unit_test(test_abandoned), cmocka_unit_test(test_not_taken),
		cmocka_unit_test(test_refused),   cmocka_unit_test(test_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
