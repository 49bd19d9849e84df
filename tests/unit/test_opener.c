/* What the opener opens, for whom, and that it is no more than that. */
#include "opener_fixture.h"

/* One that is for root only: /dev/zero by another name. */
static void test_device(void **state)
{
	struct world *world = *state;
	char octet = 1;
	int fd;

	be_root();
	if (mknod(world->device, S_IFCHR | 0600, makedev(1, 5))) {
		print_message("SKIPPED: no devices can be made here: %s\n", strerror(errno));
		skip();
	}
	be_nobody();
	assert_int_equal(owamp_clock_open_path(OWAMP_CLOCK_OBJECT_DEVICE, world->device), -1);
	assert_int_equal(errno, EACCES);
	fd = opener_open(world->opener, OWAMP_CLOCK_OBJECT_DEVICE, world->device);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &octet, 1), 1);
	assert_int_equal(octet, 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void assert_no_device(const char *path)
{
	assert_int_equal(owamp_clock_open_path(OWAMP_CLOCK_OBJECT_DEVICE, path), -1);
	assert_int_equal(errno, ENODEV);
}

/* Also without the opener nobody waits for a FIFO's other end, and nothing but a character device will do. */
static void test_no_device(void **state)
{
	struct world *world = *state;

	be_root();
	assert_int_equal(mkfifo(world->device, 0600), 0);
	assert_no_device(world->device);
	assert_int_equal(unlink(world->device), 0);
	close(open(world->device, O_CREAT | O_WRONLY, 0600));
	assert_no_device(world->device);
	assert_no_device("/tmp");
	be_nobody();
}

static void test_not_listed(void **state)
{
	static const char *const devices[] = {"/etc/shadow",
					      "/dev/mem",
					      "/dev/ptp",
					      "/dev/ptp-1",
					      "/dev/ptp01",
					      "/dev/ptp1024",
					      "/dev/ptp1x",
					      "/dev/ptp 1",
					      "/dev/ptp1/../",
					      "/dev/ptp99999999999999999999",
					      ""};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		refused(world, OWAMP_CLOCK_OBJECT_DEVICE, devices[i], EACCES);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, "/dev/log", EACCES);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, "/dev/ptp0", EACCES);
	/* Each for what it is. */
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, world->socket, EACCES);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->device, EACCES);
	/* It would be opened if it were there. */
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, "/dev/ptp1023", ENOENT);
}

/* A request past the client's own check; it must be refused all the same. */
static void forge(struct world *world, uint32_t index)
{
	uint32_t request[2] = {1000, index}, reply[2] = {0, 0};
	int fd = opener_fd(world->opener);

	assert_int_equal(send(fd, request, sizeof(request), 0), sizeof(request));
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply[0], 1000);
	assert_int_equal(reply[1], EACCES);
}

/* Without a ptp source there is no reason to open /dev/ptpN. */
static void test_no_ptp(void **state)
{
	struct world *world = *state;

	opener_stop(world->opener);
	be_root();
	assert_true(opener_is_needed(&world->config));
	world->config.count = 1;
	assert_false(opener_is_needed(&world->config));
	world->config.sources[0] = world->config.sources[2];
	assert_true(opener_is_needed(&world->config));
	assert_int_equal(opener_start(&world->opener, &world->config), 0);
	be_nobody();
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, world->device, ENOENT);
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, "/dev/ptp1023", EACCES);
	forge(world, OWAMP_CLOCK_SOURCES_MAX + 1023);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EACCES);
}

/* One that asks by itself, as whoever took over the server might. */
static void test_forged(void **state)
{
	static const uint32_t indexes[] = {3, 15, 16 + 1024, UINT32_MAX};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
		forge(world, indexes[i]);
	/* What is no request at all ends it. */
	assert_int_equal(send(opener_fd(world->opener), "x", 1, 0), 1);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EPIPE);
}

static void test_forged_longer(void **state)
{
	struct world *world = *state;

	assert_int_equal(send(opener_fd(world->opener), "123456789", 9, 0), 9);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EPIPE);
}

/* What lies at the path is not what it should be; a FIFO must not keep anybody waiting. */
static void test_wrong_kind(void **state)
{
	struct world *world = *state;

	be_root();
	assert_int_equal(mkfifo(world->device, 0600), 0);
	be_nobody();
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, world->device, ENODEV);
	be_root();
	assert_int_equal(unlink(world->device), 0);
	close(open(world->device, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink(world->socket, world->other_socket), 0);
	be_nobody();
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, world->device, ENODEV);
	/* Links may be another's. */
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->other_socket, ENOTSOCK);
}

/* A line of /proc/PID/status behind its name. */
static void assert_status(pid_t pid, const char *name, const char *wanted)
{
	char path[64], line[256];
	size_t size = strlen(name);
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	do {
		assert_non_null(fgets(line, sizeof(line), file));
	} while (strncmp(line, name, size) != 0 || line[size] != ':');
	(void)fclose(file);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line + size + 2, wanted);
}

static const char *const own_descriptors[] = {"/dev/null", "/dev/null", "/dev/null", "socket:"};

static void assert_descriptors(pid_t pid, const char *const *wanted, size_t count)
{
	char path[80], target[256];

	assert_int_equal(descriptors_of(pid), count);
	for (size_t i = 0; i < count; i++) {
		ssize_t size;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%zu", (int)pid, i);
		size = readlink(path, target, sizeof(target) - 1);
		assert_true(size > 0);
		assert_memory_equal(target, wanted[i], strlen(wanted[i]));
	}
}

/* Of root it has what opening takes, and nothing more. */
static void test_privileges(void **state)
{
	struct world *world = *state;
	char path[64], target[64] = "";

	be_root();
	assert_status(world->pid, "Name", "owampd-opener");
	assert_status(world->pid, "Uid", "0\t0\t0\t0");
	assert_status(world->pid, "Groups", " ");
	/* CAP_DAC_OVERRIDE is number 1. */
	assert_status(world->pid, "CapInh", "0000000000000000");
	assert_status(world->pid, "CapPrm", "0000000000000002");
	assert_status(world->pid, "CapEff", "0000000000000002");
	assert_status(world->pid, "CapBnd", "0000000000000002");
	assert_status(world->pid, "CapAmb", "0000000000000000");
	assert_status(world->pid, "NoNewPrivs", "1");
	assert_descriptors(world->pid, own_descriptors, 4);
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", (int)world->pid);
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 1);
	assert_string_equal(target, "/");
	be_nobody();
}

static void test_signals(void **state)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP};
	struct world *world = *state;
	int fd;

	be_root();
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(kill(world->pid, signals[i]), 0);
	be_nobody();
	fd = opener_open(world->opener, OWAMP_CLOCK_OBJECT_SOCKET, world->socket);
	assert_true(fd >= 0);
	close(fd);
}

static void test_killed(void **state)
{
	struct world *world = *state;
	struct pollfd hung_up = {.fd = opener_fd(world->opener)};
	int relayed = open_socket(world);

	assert_int_equal(poll(&hung_up, 1, 0), 0);
	be_root();
	assert_int_equal(kill(world->pid, SIGKILL), 0);
	be_nobody();
	assert_int_equal(poll(&hung_up, 1, PATIENCE_MS), 1);
	assert_true(hung_up.revents & POLLHUP);
	assert_hung_up(relayed);
	close(relayed);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EPIPE);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EPIPE);
	assert_string_equal(opener_end(world->opener), "Killed");
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, EPIPE);
}

/* While it hangs nobody waits for it again; an answer that comes too late is not taken for the next one. */
static void test_late_answer(void **state)
{
	struct world *world = *state;
	struct sockaddr_un from;
	size_t open_before;
	char octet;
	int other, fd;

	be_root();
	other = serve(world->other_socket);
	assert_int_equal(kill(world->pid, SIGSTOP), 0);
	be_nobody();
	open_before = descriptors();
	for (int i = 0; i < 1000; i++)
		refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, ETIMEDOUT);
	assert_int_equal(world->opener->number, 1);
	/* 30 s later. */
	world->opener->asked_mono -= 30000 * MS;
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, ETIMEDOUT);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, ETIMEDOUT);
	assert_int_equal(world->opener->number, 2);
	be_root();
	assert_int_equal(kill(world->pid, SIGCONT), 0);
	be_nobody();
	do {
		assert_true(is_readable(world->opener->fd, PATIENCE_MS));
		fd = opener_open(world->opener, OWAMP_CLOCK_OBJECT_SOCKET, world->other_socket);
	} while (fd < 0 && errno == ETIMEDOUT);
	assert_true(fd >= 0);
	assert_int_equal(world->opener->number, 3);
	assert_int_equal(descriptors(), open_before + 1);
	send_get(fd, 1, 0xc000);
	assert_comes(other, 1, 0xc000, &from);
	assert_int_equal(recv(world->server, &octet, 1, MSG_DONTWAIT), -1);
	close(fd);
	close(other);
}

/* One that hangs keeps nobody from ending: who may kill it does, who may not says so. */
static void test_hangs_at_end(void **state)
{
	struct world *world = *state;
	struct opener *opener;
	int status;
	pid_t client, stopped;

	be_root();
	assert_int_equal(kill(world->pid, SIGSTOP), 0);
	be_nobody();
	assert_int_equal(opener_stop(world->opener), 0);
	world->opener = NULL;
	be_root();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L), 0);
	client = fork();
	assert_true(client >= 0);
	if (client == 0) {
		if (opener_start(&opener, &world->config))
			_exit(2);
		stopped = child();
		if (kill(stopped, SIGSTOP) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(3);
		_exit(opener_stop(opener) == stopped ? 0 : 4);
	}
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
	/* It ends by itself, if it goes on; the test's time limit bounds this. */
	stopped = child();
	assert_int_equal(kill(stopped, SIGCONT), 0);
	assert_int_equal(waitpid(stopped, &status, 0), stopped);
	assert_int_equal(status, 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0L, 0L, 0L, 0L), 0);
	be_nobody();
}

/* The client ends without a word, and could not kill it: it is nobody by then. */
static void test_client_dies(void **state)
{
	struct world *world = *state;
	struct opener *opener;
	int ends[2], status;
	pid_t client, orphan = 0;

	opener_stop(world->opener);
	world->opener = NULL;
	be_root();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L), 0);
	assert_int_equal(pipe(ends), 0);
	client = fork();
	assert_true(client >= 0);
	if (client == 0) {
		if (opener_start(&opener, &world->config))
			_exit(2);
		orphan = child();
		if (setresuid(NOBODY, NOBODY, NOBODY) || write(ends[1], &orphan, sizeof(orphan)) < 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], &orphan, sizeof(orphan)), sizeof(orphan));
	close(ends[0]);
	close(ends[1]);
	/* The test's time limit bounds this. */
	assert_int_equal(waitpid(orphan, &status, 0), orphan);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0L, 0L, 0L, 0L), 0);
	be_nobody();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_device),      TEST(test_no_device),   TEST(test_not_listed),
		TEST(test_no_ptp),      TEST(test_forged),      TEST(test_forged_longer),
		TEST(test_wrong_kind),  TEST(test_privileges),  TEST(test_signals),
		TEST(test_killed),      TEST(test_late_answer), TEST(test_hangs_at_end),
		TEST(test_client_dies),
	};

	return run_as_root(tests, sizeof(tests) / sizeof(tests[0]));
}
