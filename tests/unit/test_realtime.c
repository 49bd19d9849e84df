/* What may be asked of the machine, and what it says: each in a child of its own. */
#include "reference.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/realtime.h"

#define NOBODY 65534

/* A check that fails in a child is a number here. */
#define CANNOT 77

static int in_child(int (*check)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_child(int (*check)(void))
{
	int status = in_child(check);

	if (status == CANNOT) {
		print_message("this needs the privileges of root\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static bool become_nobody(void)
{
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* One effective capability more or less. */
static bool drop(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK((unsigned)capability);
	return syscall(SYS_capset, &header, data) == 0;
}

static bool limit(int resource, rlim_t value)
{
	const struct rlimit both = {value, value};

	return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

static int check_fifo(void)
{
	struct sched_param param;

	if (realtime_schedule(7))
		return CANNOT;
	if (sched_getscheduler(0) != (SCHED_FIFO | SCHED_RESET_ON_FORK))
		return 1;
	return sched_getparam(0, &param) || param.sched_priority != 7 ? 2 : 0;
}

static int check_fifo_refused(void)
{
	if (!limit(RLIMIT_RTPRIO, 0) || !become_nobody())
		return CANNOT;
	if (realtime_schedule(1) != EPERM)
		return 1;
	return sched_getscheduler(0) == SCHED_OTHER ? 0 : 2;
}

/* An ordinary user whom the administrator permits it. */
static int check_fifo_by_limit(void)
{
	if (!limit(RLIMIT_RTPRIO, 5) || !become_nobody())
		return CANNOT;
	if (realtime_schedule(5))
		return 1;
	return realtime_schedule(6) == EPERM ? 0 : 2;
}

static void test_fifo(void **state)
{
	(void)state;
	assert_child(check_fifo);
}

static void test_fifo_refused(void **state)
{
	(void)state;
	assert_child(check_fifo_refused);
}

static void test_fifo_by_limit(void **state)
{
	(void)state;
	assert_child(check_fifo_by_limit);
}

static int check_pin(void)
{
	cpu_set_t set;
	int last = -1, count = 0;

	if (sched_getaffinity(0, sizeof set, &set))
		return 1;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		bool has = CPU_ISSET(cpu, &set);

		if (realtime_has_cpu((int)cpu) != has)
			return 2;
		if (has)
			last = (int)cpu;
	}
	if (realtime_pin(last))
		return 3;
	if (sched_getaffinity(0, sizeof set, &set))
		return 4;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		count += CPU_ISSET(cpu, &set) != 0;
	return count == 1 && CPU_ISSET((unsigned)last, &set) ? 0 : 5;
}

static void test_pin(void **state)
{
	(void)state;
	assert_int_equal(in_child(check_pin), 0);
	assert_int_equal(realtime_pin(-1), EINVAL);
	assert_int_equal(realtime_pin(1000000), EINVAL);
	assert_int_equal(realtime_pin(60000), EINVAL);
	assert_false(realtime_has_cpu(-1));
	assert_false(realtime_has_cpu(60000));
	assert_false(realtime_has_cpu(1000000));
}

static long locked_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof line, file))
		(void)sscanf(line, "VmLck: %ld", &kib);
	if (file)
		(void)fclose(file);
	return kib;
}

/* The sanitizers make locking do nothing. */
static bool locking_is_real(void)
{
	static char page[8192];
	long before = locked_kib();

	return mlock(page, sizeof page) == 0 && locked_kib() > before && munlock(page, sizeof page) == 0;
}

/* The whole of it is locked, and there is memory to be had. */
static int check_locked(void)
{
	if (locking_is_real() && locked_kib() > 0)
		return 10;
	if (realtime_lock_memory(true))
		return 11;
	if (locking_is_real() && locked_kib() < 100)
		return 12;
	return 0;
}

static int check_lock_kept(void)
{
	if (geteuid() != 0 || !drop(CAP_SYS_RESOURCE) || !limit(RLIMIT_MEMLOCK, 1 << 20))
		return CANNOT;
	/* Nobody promised that the privilege stays. */
	if (realtime_lock_memory(false) != EPERM)
		return 1;
	return check_locked();
}

static int check_lock_without(void)
{
	if (geteuid() != 0 || !limit(RLIMIT_MEMLOCK, 1 << 20) || !drop(CAP_SYS_RESOURCE) ||
	    !drop(CAP_IPC_LOCK))
		return CANNOT;
	if (realtime_lock_memory(true) != EPERM)
		return 1;
	return locking_is_real() && locked_kib() > 0 ? 2 : 0;
}

/* Where the limit may be raised, the privilege is not needed any more. */
static int check_lock_raised(void)
{
	const struct rlimit raised = {1 << 16, RLIM_INFINITY};
	struct rlimit found;
	int error;

	if (geteuid() != 0 || setrlimit(RLIMIT_MEMLOCK, &raised))
		return CANNOT;
	if (!drop(CAP_SYS_RESOURCE) || !drop(CAP_IPC_LOCK))
		return CANNOT;
	error = realtime_lock_memory(false);
	if (error)
		return 1;
	if (getrlimit(RLIMIT_MEMLOCK, &found) || found.rlim_cur != RLIM_INFINITY)
		return 2;
	if (!become_nobody())
		return 3;
	/* As daemons do: memory comes after the change of user. */
	return mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? 4
		       : 0;
}

static void test_lock_kept(void **state)
{
	(void)state;
	assert_child(check_lock_kept);
}

static void test_lock_without(void **state)
{
	(void)state;
	assert_child(check_lock_without);
}

static void test_lock_raised(void **state)
{
	(void)state;
	assert_child(check_lock_raised);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo),          cmocka_unit_test(test_fifo_refused),
		cmocka_unit_test(test_fifo_by_limit), cmocka_unit_test(test_pin),
		cmocka_unit_test(test_lock_kept),     cmocka_unit_test(test_lock_without),
		cmocka_unit_test(test_lock_raised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
