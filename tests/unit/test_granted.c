/* What the engine asks of the machine, gets, and says about it. */
#include "engine_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine/realtime.h"

#define NOBODY   65534
#define PRIORITY 13

/* The thread of that name in this process. */
static pid_t thread_of(const char *name)
{
	DIR *folder = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = -1;

	assert_non_null(folder);
	while (found < 0 && (entry = readdir(folder))) {
		char path[300], comm[32] = "";
		FILE *file;

		(void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof comm, file)) {
			comm[strcspn(comm, "\n")] = '\0';
			if (strcmp(comm, name) == 0)
				found = (pid_t)strtol(entry->d_name, NULL, 10);
		}
		(void)fclose(file);
	}
	(void)closedir(folder);
	assert_true(found > 0);
	return found;
}

static int last_cpu(void)
{
	cpu_set_t set;
	int last = -1;

	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			last = (int)cpu;
	}
	return last;
}

static void send_some(struct link *link)
{
	link_plan(link, 50, 1 * MS, 1000 * MS, 10 * MS);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 50);
	assert_int_equal(link_send_health(link).send_errors, 0);
}

/* How often the thread gave its CPU up. */
static long sleeps_of(pid_t thread)
{
	char path[100], line[200];
	long count = -1;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
	file = fopen(path, "r");
	assert_non_null(file);
	while (count < 0 && fgets(line, sizeof line, file))
		(void)sscanf(line, "voluntary_ctxt_switches: %ld", &count);
	(void)fclose(file);
	assert_true(count >= 0);
	return count;
}

static void test_ordinary(void **state)
{
	struct link *link = *state;
	struct owamp_engine_granted granted;
	long sleeps = sleeps_of(thread_of("owamp-pacer"));

	owamp_engine_granted(link->engine, &granted);
	assert_false(granted.realtime);
	assert_int_equal(granted.realtime_errno, 0);
	assert_false(granted.memory_locked);
	assert_int_equal(granted.memory_errno, 0);
	assert_int_equal(granted.spin_ns, 0);
	assert_int_equal(sched_getscheduler(thread_of("owamp-pacer")), SCHED_OTHER);
	/* It sleeps between packets; some it may have been too late for. */
	send_some(link);
	assert_true(sleeps_of(thread_of("owamp-pacer")) >= sleeps + 10);
}

static int set_up_realtime(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;

	config.realtime_priority = PRIORITY;
	return link_set_up_with(state, &config);
}

static void test_realtime(void **state)
{
	struct link *link = *state;
	struct owamp_engine_granted granted;
	struct sched_param param;
	pid_t pacer = thread_of("owamp-pacer");

	owamp_engine_granted(link->engine, &granted);
	if (!granted.realtime) {
		assert_int_equal(granted.realtime_errno, EPERM);
		print_message("no real-time scheduling is permitted here\n");
		skip();
	}
	assert_int_equal(granted.realtime_errno, 0);
	assert_int_equal(granted.spin_ns, OWAMP_SPIN_NS);
	assert_int_equal(sched_getscheduler(pacer), SCHED_FIFO | SCHED_RESET_ON_FORK);
	assert_int_equal(sched_getparam(pacer, &param), 0);
	assert_int_equal(param.sched_priority, PRIORITY);
	/* Nobody else. */
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	send_some(link);
}

static int set_up_one_cpu(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	cpu_set_t before, one;
	int error;

	/* All threads on one CPU, so that a pacer that never sleeps is in everybody's way. */
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	CPU_ZERO(&one);
	CPU_SET((unsigned)last_cpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	config.realtime_priority = PRIORITY;
	config.spin_ns = 0;
	error = link_set_up_with(state, &config);
	if (error)
		(void)sched_setaffinity(0, sizeof before, &before);
	return error;
}

/*
 * Saturated, real-time and on the only CPU: what the kernel leaves to others is
 * enough for the loop's thread to get hold of the lock, for it inherits. (That
 * may be once a second only: few turns.)
 */
static void test_realtime_saturated(void **state)
{
	struct link *link = *state;

	link_plan(link, UINT32_MAX, 100, 1000000 * MS, 0);
	link_start_sender(link);
	link_until(link_send_health(link).sent > 1000);
	for (int i = 0; i < 5; i++) {
		struct link other = {.engine = link->engine, .loop = link->loop, .mode = OWAMP_MODE_OPEN};

		other.sender_fd = link->sender_fd;
		link_plan(&other, UINT32_MAX, 100, 1000000 * MS, 0);
		link_start_sender(&other);
		assert_int_equal(link_send_health(&other).send_errors, 0);
		owamp_pacer_end(other.pacing);
	}
	owamp_pacer_stop(link->pacing);
}

static int tear_down_one_cpu(void **state)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof all);
	assert_int_equal(link_tear_down(state), 0);
	return sched_setaffinity(0, sizeof all, &all);
}

static int set_up_pinned(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;

	config.pacer_cpu = last_cpu();
	config.spin_ns = 20000;
	return link_set_up_with(state, &config);
}

static void test_pinned(void **state)
{
	struct link *link = *state;
	struct owamp_engine_granted granted;
	cpu_set_t set, own;

	owamp_engine_granted(link->engine, &granted);
	/* As asked for, whatever the scheduling. */
	assert_int_equal(granted.spin_ns, 20000);
	assert_int_equal(sched_getaffinity(thread_of("owamp-pacer"), sizeof set, &set), 0);
	CPU_ZERO(&own);
	CPU_SET((unsigned)last_cpu(), &own);
	assert_true(CPU_EQUAL(&set, &own));
	send_some(link);
}

/* As an ordinary user on an ordinary machine: it works, and says what it did not get. */
static int without_permission(void)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	const struct rlimit none = {0, 0}, little = {1 << 16, 1 << 16};
	struct owamp_engine_granted granted;
	void *state;
	struct link *link;

	if (setrlimit(RLIMIT_RTPRIO, &none) || setrlimit(RLIMIT_MEMLOCK, &little))
		return 77;
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return 77;
	config.realtime_priority = PRIORITY;
	config.lock_memory = true;
	config.keeps_privileges = true;
	(void)link_set_up_with(&state, &config);
	link = state;
	owamp_engine_granted(link->engine, &granted);
	if (granted.realtime || granted.realtime_errno != EPERM)
		return 1;
	if (granted.memory_locked || granted.memory_errno != EPERM)
		return 2;
	if (granted.spin_ns != 0 || sched_getscheduler(thread_of("owamp-pacer")) != SCHED_OTHER)
		return 3;
	send_some(link);
	(void)link_tear_down(&state);
	return 0;
}

static void test_without_permission(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(without_permission());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The process keeps its privileges, or not. */
static int lock_memory(void)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine_granted granted;
	struct rlimit limit;
	struct owamp_engine *engine;
	char error[200];

	config.lock_memory = true;
	for (int keeps = 0; keeps < 2; keeps++) {
		config.keeps_privileges = keeps;
		if (owamp_engine_new(&engine, &config, error, sizeof error))
			return 1;
		owamp_engine_granted(engine, &granted);
		owamp_engine_free(engine);
		if (granted.memory_locked != (granted.memory_errno == 0))
			return 2;
		if (getrlimit(RLIMIT_MEMLOCK, &limit))
			return 3;
		/* Granted without the promise only where no limit can be met later. */
		if (!keeps && granted.memory_locked != (limit.rlim_cur == RLIM_INFINITY))
			return 4;
		if (keeps && !granted.memory_locked)
			return realtime_lock_memory(true) ? 77 : 5;
	}
	return 0;
}

static void test_lock_memory(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(lock_memory());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no memory may be locked here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void refused(const struct owamp_engine_config *config, const char *says)
{
	struct owamp_engine *engine;
	char error[200] = "";

	assert_int_equal(owamp_engine_new(&engine, config, error, sizeof error), OWAMP_EINVAL);
	assert_null(engine);
	if (!strstr(error, says) || strchr(error, '\n'))
		fail_msg("\"%s\" does not say \"%s\"", error, says);
	assert_int_equal(owamp_engine_new(&engine, config, NULL, 0), OWAMP_EINVAL);
}

static void test_refused(void **state)
{
	const struct owamp_engine_config init = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine_config config;

	(void)state;
	config = init;
	config.realtime_priority = 100;
	refused(&config, "priority 100");
	config.realtime_priority = -1;
	refused(&config, "priority -1");
	config = init;
	config.spin_ns = -2;
	refused(&config, "spinning for -2 ns");
	config.spin_ns = 1000001;
	refused(&config, "spinning for 1000001 ns");
	config = init;
	config.pacer_cpu = 60000;
	refused(&config, "pacer on CPU 60000");
	config.pacer_cpu = -2;
	refused(&config, "pacer on CPU -2");
	config = init;
	config.collector_cpu = 60000;
	refused(&config, "collector on CPU 60000");
}

static void test_edges(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine *engine;
	char error[200];

	(void)state;
	config.realtime_priority = 99;
	config.spin_ns = 1000000;
	config.pacer_cpu = config.collector_cpu = last_cpu();
	assert_int_equal(owamp_engine_new(&engine, &config, error, sizeof error), 0);
	assert_string_equal(error, "");
	owamp_engine_free(engine);
}

/* An interface that is not there: the engine does not start, and says so. */
static void test_no_such_interface(void **state)
{
	const char *const interfaces[] = {"no-such-if0", NULL}, *const none[] = {NULL};
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine *engine;
	char error[200];

	(void)state;
	config.hardware_interfaces = interfaces;
	assert_int_equal(owamp_engine_new(&engine, &config, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(engine);
	assert_non_null(strstr(error, "no-such-if0: "));
	config.hardware_interfaces = none;
	assert_int_equal(owamp_engine_new(&engine, &config, error, sizeof error), 0);
	owamp_engine_free(engine);
}

/*
 * Two processes' pacers on one CPU, at the same real-time priority: one that is
 * never done must not keep the other from its packets.
 */
static void test_realtime_shared(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct link *flood, *other = *state;
	struct owamp_engine_granted granted;
	void *second;

	owamp_engine_granted(other->engine, &granted);
	if (!granted.realtime) {
		print_message("no real-time scheduling is permitted here\n");
		skip();
	}
	config.realtime_priority = PRIORITY;
	config.pacer_cpu = last_cpu();
	assert_int_equal(link_set_up_with(&second, &config), 0);
	flood = second;
	link_plan(flood, UINT32_MAX, 100, 1000000 * MS, 0);
	link_start_sender(flood);
	link_until(link_send_health(flood).sent > 1000);
	link_plan(other, 200, MS / 2, 60000 * MS, 0);
	link_start_sender(other);
	link_run(other, 1);
	assert_int_equal(link_send_health(other).sent, 200);
	assert_int_equal(link_tear_down(&second), 0);
}

static int set_up_realtime_pinned(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;

	config.realtime_priority = PRIORITY;
	config.pacer_cpu = last_cpu();
	return link_set_up_with(state, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_ordinary),
		cmocka_unit_test_setup_teardown(test_realtime, set_up_realtime, link_tear_down),
		cmocka_unit_test_setup_teardown(test_realtime_shared, set_up_realtime_pinned, link_tear_down),
		cmocka_unit_test_setup_teardown(test_realtime_saturated, set_up_one_cpu, tear_down_one_cpu),
		cmocka_unit_test_setup_teardown(test_pinned, set_up_pinned, link_tear_down),
		cmocka_unit_test(test_without_permission),
		cmocka_unit_test(test_lock_memory),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_no_such_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
