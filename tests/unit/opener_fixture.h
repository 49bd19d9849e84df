/*
 * The process that opens for one without privileges. Root's files are in a
 * folder of root's; the client has the effective user nobody.
 */
#ifndef OPENER_FIXTURE_H
#define OPENER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owampd/opener.c"

#define NOBODY  65534
#define SKIPPED 77

#define PATIENCE_MS 30000

struct world {
	char folder[64];
	char socket[80];
	char other_socket[80];
	char device[80];
	int server; /* of socket */
	struct owamp_clock_config config;
	struct opener *opener;
	pid_t pid;
};

static inline void be_nobody(void)
{
	assert_int_equal(seteuid(NOBODY), 0);
}

static inline void be_root(void)
{
	assert_int_equal(seteuid(0), 0);
}

static inline int serve(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(path, 0600), 0);
	return fd;
}

/* Of ours; there is but one. */
static inline pid_t child(void)
{
	FILE *file = fopen("/proc/thread-self/children", "r");
	int pid = 0, other = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d %d", &pid, &other), 1);
	(void)fclose(file);
	return pid;
}

static inline int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/owamp-opener-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	(void)snprintf(world->socket, sizeof(world->socket), "%s/socket", world->folder);
	(void)snprintf(world->other_socket, sizeof(world->other_socket), "%s/other", world->folder);
	(void)snprintf(world->device, sizeof(world->device), "%s/device", world->folder);
	owamp_clock_config_default(&world->config);
	world->config.count = 4;
	owamp_clock_source_default(&world->config.sources[0], OWAMP_CLOCK_KIND_KERNEL);
	owamp_clock_source_default(&world->config.sources[1], OWAMP_CLOCK_KIND_PTP);
	owamp_clock_source_default(&world->config.sources[2], OWAMP_CLOCK_KIND_PHC);
	owamp_clock_source_default(&world->config.sources[3], OWAMP_CLOCK_KIND_PTP);
	memcpy(world->config.sources[1].ptp.socket, world->socket, sizeof(world->socket));
	memcpy(world->config.sources[2].phc.device, world->device, sizeof(world->device));
	memcpy(world->config.sources[3].ptp.socket, world->other_socket, sizeof(world->other_socket));
	world->server = serve(world->socket);
	assert_int_equal(opener_start(&world->opener, &world->config), 0);
	world->pid = child();
	be_nobody();
	*state = world;
	return 0;
}

static inline int end(void **state)
{
	struct world *world = *state;

	opener_stop(world->opener);
	be_root();
	/* Nothing is left of it, not even something to wait for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	close(world->server);
	(void)unlink(world->socket);
	(void)unlink(world->other_socket);
	(void)unlink(world->device);
	assert_int_equal(rmdir(world->folder), 0);
	free(world);
	return 0;
}

static inline void refused(struct world *world, enum owamp_clock_object object, const char *path, int error)
{
	errno = 0;
	assert_int_equal(opener_open(world->opener, object, path), -1);
	assert_int_equal(errno, error);
}

static inline size_t descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	(void)closedir(folder);
	return count;
}

static inline size_t descriptors_of(pid_t pid)
{
	char path[80];
	size_t found = 0;
	struct dirent *entry;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)))
		found += entry->d_name[0] != '.';
	(void)closedir(folder);
	return found;
}

/* Once it has done with what it was sent: it answers in turn. */
static inline void assert_descriptor_count(struct world *world, size_t wanted)
{
	for (int i = 0; i < 1000 && descriptors_of(world->pid) != wanted; i++)
		(void)opener_open(world->opener, OWAMP_CLOCK_OBJECT_DEVICE, "/dev/ptp1023");
	assert_int_equal(descriptors_of(world->pid), wanted);
}

/* IEEE 1588-2008, 13.3 and 15.4.1: a management message to all ports, of the action GET, without data. */
static inline void make_get(uint8_t get[54], uint8_t domain, uint16_t sequence, uint16_t id)
{
	static const uint8_t pattern[54] = {
		[0] = 0x0d,  [1] = 2,     [3] = 54,    [32] = 4,    [33] = 0x7f, [34] = 0xff,
		[35] = 0xff, [36] = 0xff, [37] = 0xff, [38] = 0xff, [39] = 0xff, [40] = 0xff,
		[41] = 0xff, [42] = 0xff, [43] = 0xff, [49] = 1,    [51] = 2,
	};

	memcpy(get, pattern, sizeof(pattern));
	get[4] = domain;
	get[30] = (uint8_t)(sequence >> 8);
	get[31] = (uint8_t)sequence;
	get[52] = (uint8_t)(id >> 8);
	get[53] = (uint8_t)id;
}

static inline int open_socket(struct world *world)
{
	int fd = opener_open(world->opener, OWAMP_CLOCK_OBJECT_SOCKET, world->socket);

	assert_true(fd >= 0);
	return fd;
}

static inline bool is_readable(int fd, int limit_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, limit_ms) == 1;
}

/* What comes to the server next is a GET of this number; true: and of the ID. */
static inline void assert_comes(int server, uint16_t sequence, uint16_t id, struct sockaddr_un *from)
{
	socklen_t size = sizeof(*from);
	uint8_t wanted[54], got[100];

	make_get(wanted, 3, sequence, id);
	assert_true(is_readable(server, PATIENCE_MS));
	assert_int_equal(recvfrom(server, got, sizeof(got), 0, (struct sockaddr *)from, &size), 54);
	assert_memory_equal(got, wanted, 54);
}

static inline void send_get(int fd, uint16_t sequence, uint16_t id)
{
	uint8_t get[54];

	make_get(get, 3, sequence, id);
	assert_int_equal(send(fd, get, sizeof(get), MSG_NOSIGNAL), sizeof(get));
}

static inline void send_answer(int server, const struct sockaddr_un *to, const char *text)
{
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 6); /* the kernel's choice */

	assert_int_equal(sendto(server, text, strlen(text), 0, (const struct sockaddr *)to, size),
			 strlen(text));
}

static inline void assert_answer(int fd, const char *text)
{
	char got[100];

	assert_true(is_readable(fd, PATIENCE_MS));
	assert_int_equal(recv(fd, got, sizeof(got), 0), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* Its socket in the opener goes with ptp4l's, and so does the end that the server has. */
static inline void assert_hung_up(int fd)
{
	char octet;

	for (int i = 0; i < 2; i++) {
		assert_true(is_readable(fd, PATIENCE_MS));
		/* What was not read over there is told first. */
		if (recv(fd, &octet, 1, 0) == 0)
			break;
		assert_int_equal(errno, ECONNRESET);
	}
	assert_int_equal(send(fd, "?", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static inline int run_as_root(const struct CMUnitTest *tests, size_t count)
{
	if (geteuid() != 0) {
		(void)fprintf(stderr, "SKIPPED, NOTHING WAS TESTED: this needs root\n");
		return SKIPPED;
	}
	return _cmocka_run_group_tests("opener", tests, count, NULL, NULL);
}

#endif
