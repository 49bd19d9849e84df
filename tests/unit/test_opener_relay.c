/* What gets to ptp4l by way of the opener, and what does not. */
#include "opener_fixture.h"

static const uint16_t asked[] = {0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0xc000, 0xc004};

/* Each of the seven questions gets there, and what is said to it, whatever that is. */
static void test_socket(void **state)
{
	struct world *world = *state;
	struct sockaddr_un from;
	int fd;

	assert_int_equal(owamp_clock_open_path(OWAMP_CLOCK_OBJECT_SOCKET, world->socket), -1);
	assert_int_equal(errno, EACCES);
	fd = open_socket(world);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	for (uint16_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		send_get(fd, (uint16_t)(0xfffe + i), asked[i]);
		assert_comes(world->server, (uint16_t)(0xfffe + i), asked[i], &from);
		send_answer(world->server, &from, "yes");
		send_answer(world->server, &from, "and no");
		assert_answer(fd, "yes");
		assert_answer(fd, "and no");
	}
	/* An empty one would look like an end. */
	send_answer(world->server, &from, "");
	send_answer(world->server, &from, "more");
	assert_answer(fd, "more");
	close(fd);
}

/* Sends what must not get there, and then what must: if that comes, the other will not. */
static void assert_dropped(struct world *world, int fd, const uint8_t *data, size_t size)
{
	static uint16_t sequence;
	struct sockaddr_un from;

	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
	send_get(fd, ++sequence, 0xc000);
	assert_comes(world->server, sequence, 0xc000, &from);
}

/* Whoever took over the server must not set ptp4l. */
static void test_dropped(void **state)
{
	/* Ours are for everybody to ask, but not these: what the lists of IEEE 1588 and pmc(8) have beside
	 * them. */
	static const uint16_t others[] = {0x0000, 0x0001, 0x0002, 0x0005, 0x1fff, 0x2005,
					  0x2006, 0x2007, 0x200d, 0x4000, 0x6000, 0xc001,
					  0xc002, 0xc003, 0xc005, 0xc009, 0xffff};
	struct world *world = *state;
	int fd = open_socket(world);
	uint8_t data[2048];

	/* Actions: SET, RESPONSE, COMMAND, ACKNOWLEDGE; and what a receiver might take for 0. */
	for (unsigned action = 1; action < 256; action++) {
		make_get(data, 3, 1, 0xc000);
		data[46] = (uint8_t)action;
		assert_dropped(world, fd, data, 54);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		make_get(data, 3, 1, others[i]);
		assert_dropped(world, fd, data, 54);
	}
	/* Every octet but the domain, the sequence number and the ID. */
	for (size_t at = 0; at < 52; at++) {
		make_get(data, 3, 1, 0xc000);
		data[at] ^= 0x11;
		if (at != 4 && at != 30 && at != 31)
			assert_dropped(world, fd, data, 54);
	}
	/* A second TLV, an incomplete one, one octet, and what is longer than any. */
	memset(data, 0, sizeof(data));
	make_get(data, 3, 1, 0xc000);
	for (size_t size = 1; size < sizeof(data); size += size < 80 ? 1 : 100) {
		if (size != 54)
			assert_dropped(world, fd, data, size);
	}
	close(fd);
}

/* Either side may leave the other alone with its queue full; nobody waits. */
static void test_flood(void **state)
{
	struct world *world = *state;
	int fd = open_socket(world);
	struct sockaddr_un from;
	uint8_t get[54];
	char octet;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	send_get(fd, 0, 0xc000);
	assert_comes(world->server, 0, 0xc000, &from);
	/* More than ptp4l's queue holds. The opener takes them all, so it comes to the next one, too. */
	for (uint16_t i = 0; i < 2000; i++) {
		make_get(get, 3, i, 0xc000);
		while (send(fd, get, sizeof(get), MSG_NOSIGNAL) < 0) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};

			assert_int_equal(errno, EAGAIN);
			assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		}
	}
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, "/dev/ptp1023", ENOENT);
	while (recv(world->server, &octet, 1, MSG_DONTWAIT) == 1)
		continue;
	/* As many the other way. Our end takes some, then it is full, and ptp4l is not kept waiting. */
	for (int i = 0; i < 2000; i++)
		send_answer(world->server, &from, "?");
	refused(world, OWAMP_CLOCK_OBJECT_DEVICE, "/dev/ptp1023", ENOENT);
	close(fd);
	be_root();
	assert_descriptor_count(world, 4);
	be_nobody();
}

/* Two sources at one socket have a relay each; one more request than that replaces one. */
static void test_shared(void **state)
{
	struct world *world = *state;
	struct sockaddr_un from;
	int fds[3];

	opener_stop(world->opener);
	be_root();
	memcpy(world->config.sources[3].ptp.socket, world->socket, sizeof(world->socket));
	assert_int_equal(opener_start(&world->opener, &world->config), 0);
	world->pid = child();
	be_nobody();
	for (uint16_t i = 0; i < 2; i++)
		fds[i] = open_socket(world);
	for (uint16_t i = 0; i < 2; i++) {
		send_get(fds[i], i, 0xc000);
		assert_comes(world->server, i, 0xc000, &from);
		send_answer(world->server, &from, i ? "b" : "a");
		assert_answer(fds[i], i ? "b" : "a");
	}
	fds[2] = open_socket(world);
	assert_hung_up(fds[0]);
	for (uint16_t i = 1; i < 3; i++) {
		send_get(fds[i], i, 0xc000);
		assert_comes(world->server, i, 0xc000, &from);
	}
	be_root();
	assert_descriptor_count(world, 4 + 2 * 2);
	be_nobody();
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	be_root();
	assert_descriptor_count(world, 4);
	be_nobody();
}

/* A killed ptp4l leaves its file, and who asked it is told; what comes back is asked again. */
static void test_server_restarts(void **state)
{
	struct world *world = *state;
	int fd = open_socket(world);
	size_t open_before = descriptors();
	struct sockaddr_un from;

	be_root();
	assert_descriptor_count(world, 4 + 2);
	close(world->server);
	be_nobody();
	send_get(fd, 1, 0xc000);
	assert_hung_up(fd);
	close(fd);
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, ECONNREFUSED);
	be_root();
	assert_int_equal(unlink(world->socket), 0);
	be_nobody();
	refused(world, OWAMP_CLOCK_OBJECT_SOCKET, world->socket, ENOENT);
	be_root();
	world->server = serve(world->socket);
	be_nobody();
	fd = open_socket(world);
	send_get(fd, 2, 0xc000);
	assert_comes(world->server, 2, 0xc000, &from);
	assert_int_equal(descriptors(), open_before);
	close(fd);
	be_root();
	assert_descriptor_count(world, 4);
	be_nobody();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_socket), TEST(test_dropped),         TEST(test_flood),
		TEST(test_shared), TEST(test_server_restarts),
	};

	return run_as_root(tests, sizeof(tests) / sizeof(tests[0]));
}
