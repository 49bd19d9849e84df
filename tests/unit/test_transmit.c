/* Transmit stamps, of real sockets on the loopback interface. */
#include "reference.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include <owamp/engine.h>

#include "engine/transmit.h"

#define SECOND INT64_C(1000000000)

struct fixture {
	struct transmit transmit;
	int fd;   /* connected to the sink */
	int sink; /* -1: closed */
};

static int bound_socket(struct sockaddr_in *address)
{
	socklen_t size = sizeof *address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct sockaddr_in sink, own;

	assert_non_null(fixture);
	fixture->sink = bound_socket(&sink);
	fixture->fd = bound_socket(&own);
	assert_int_equal(connect(fixture->fd, (struct sockaddr *)&sink, sizeof sink), 0);
	transmit_init(&fixture->transmit, fixture->fd);
	assert_true(fixture->transmit.possible);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->fd);
	if (fixture->sink >= 0)
		close(fixture->sink);
	free(fixture);
	return 0;
}

static void send_one(struct fixture *fixture, bool ask)
{
	assert_int_equal(transmit_send(&fixture->transmit, "packet", 6, ask, owamp_real_ns()), 6);
}

/* Takes what lies in the error queue away: the answers are lost. */
static int steal(const struct fixture *fixture)
{
	int count = 0;

	for (;;) {
		uint8_t control[256];
		struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};

		if (recvmsg(fixture->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			assert_int_equal(errno, EAGAIN);
			return count;
		}
		count++;
	}
}

/* Asks, and reads an answer that can only be of this packet: it lies between two readings of the clock. */
static void assert_stamped(struct fixture *fixture)
{
	int64_t before = owamp_real_ns(), gap = -1;

	assert_int_equal(transmit_send(&fixture->transmit, "packet", 6, true, before), 6);
	assert_true(fixture->transmit.waiting);
	assert_true(transmit_read(&fixture->transmit, &gap));
	assert_in_range(gap, 0, owamp_real_ns() - before);
	assert_false(fixture->transmit.waiting);
	assert_false(transmit_read(&fixture->transmit, &gap));
}

static void test_matching(void **state)
{
	struct fixture *fixture = *state;
	char packet[10];

	for (int i = 0; i < 50; i++)
		assert_stamped(fixture);
	assert_true(fixture->transmit.possible);
	assert_int_equal(recv(fixture->sink, packet, sizeof packet, MSG_DONTWAIT), 6);
	assert_memory_equal(packet, "packet", 6);
}

/* Packets that do not ask are neither answered nor numbered. */
static void test_others_in_between(void **state)
{
	struct fixture *fixture = *state;
	int64_t gap;

	for (int i = 0; i < 20; i++) {
		for (int other = 0; other < i % 3; other++) {
			send_one(fixture, false);
			assert_false(fixture->transmit.waiting);
			assert_false(transmit_read(&fixture->transmit, &gap));
		}
		assert_int_equal(steal(fixture), 0);
		assert_stamped(fixture);
	}
	/* Nor do they disturb an answer that was not read yet. */
	send_one(fixture, true);
	send_one(fixture, false);
	send_one(fixture, false);
	assert_true(transmit_read(&fixture->transmit, &gap));
	assert_in_range(gap, 0, 60 * SECOND);
	assert_int_equal(steal(fixture), 0);
}

static void test_lost_answer(void **state)
{
	struct fixture *fixture = *state;
	int64_t gap;

	for (int i = 0; i < 2 * TRANSMIT_UNANSWERED_MAX; i++) {
		send_one(fixture, true);
		assert_int_equal(steal(fixture), 1);
		assert_false(transmit_read(&fixture->transmit, &gap));
		assert_true(fixture->transmit.waiting);
		assert_stamped(fixture);
	}
}

/* The answer to an earlier request lies before the one that is waited for. */
static void test_late_answer(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2 * TRANSMIT_UNANSWERED_MAX; i++) {
		send_one(fixture, true);
		if (i % 2)
			send_one(fixture, true);
		assert_stamped(fixture);
	}
}

/* And there is nothing else: the later request has no answer. */
static void test_late_answer_only(void **state)
{
	struct fixture *fixture = *state;
	struct transmit forgotten;
	int64_t gap;

	send_one(fixture, true);
	forgotten = fixture->transmit;
	/* A request that the kernel did not get to see. */
	fixture->transmit.wanted++;
	fixture->transmit.next++;
	assert_false(transmit_read(&fixture->transmit, &gap));
	assert_int_equal(steal(fixture), 0);
	fixture->transmit = forgotten;
	fixture->transmit.waiting = false;
	assert_stamped(fixture);
}

static void test_never_answered(void **state)
{
	struct fixture *fixture = *state;
	char packet[10];
	int64_t gap;

	for (int i = 0; i < TRANSMIT_UNANSWERED_MAX; i++) {
		assert_true(fixture->transmit.possible);
		send_one(fixture, true);
		assert_true(fixture->transmit.waiting);
		assert_int_equal(steal(fixture), 1);
		assert_false(transmit_read(&fixture->transmit, &gap));
	}
	/* It leaves, but nothing is asked any more. */
	send_one(fixture, true);
	assert_false(fixture->transmit.possible);
	assert_false(fixture->transmit.waiting);
	assert_int_equal(steal(fixture), 0);
	for (int i = 0; i <= TRANSMIT_UNANSWERED_MAX; i++)
		assert_int_equal(recv(fixture->sink, packet, sizeof packet, MSG_DONTWAIT), 6);
}

/* Nobody listens: each second packet is refused for the one before. */
static void test_refused(void **state)
{
	struct fixture *fixture = *state;
	int refused = 0;
	int64_t gap;

	assert_int_equal(close(fixture->sink), 0);
	fixture->sink = -1;
	for (int i = 0; i < 20; i++) {
		int64_t before = owamp_real_ns();

		if (transmit_send(&fixture->transmit, "packet", 6, true, before) < 0) {
			assert_int_equal(errno, ECONNREFUSED);
			assert_false(fixture->transmit.waiting);
			/* It may have taken a number. */
			assert_int_equal(fixture->transmit.unsure, 1);
			refused++;
			continue;
		}
		assert_true(transmit_read(&fixture->transmit, &gap));
		assert_in_range(gap, 0, owamp_real_ns() - before);
		assert_int_equal(fixture->transmit.unsure, 0);
	}
	assert_int_equal(refused, 10);
	assert_true(fixture->transmit.possible);
}

/* A packet that could not be sent, on a kernel that gave it a number all the same, or not. */
static void fail_one(struct fixture *fixture, bool numbered)
{
	if (numbered) {
		struct transmit other = fixture->transmit;

		assert_int_equal(transmit_send(&other, "packet", 6, true, 0), 6);
		assert_int_equal(steal(fixture), 1);
	}
	fixture->transmit.unsure++;
}

static void test_either_kernel(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 8; i++) {
		for (int failure = 0; failure < 3; failure++)
			fail_one(fixture, i >> failure & 1);
		assert_int_equal(fixture->transmit.unsure, 3);
		assert_stamped(fixture);
		assert_int_equal(fixture->transmit.unsure, 0);
		assert_stamped(fixture);
	}
}

/*
 * After a failure the number of the request that gets no answer is not known,
 * so the next one's would not be either: an answer could be of both.
 */
static void test_ambiguous(void **state)
{
	struct fixture *fixture = *state;
	int64_t gap;

	fail_one(fixture, true);
	send_one(fixture, true); /* its answer is late */
	send_one(fixture, true);
	assert_false(fixture->transmit.possible);
	assert_false(fixture->transmit.waiting);
	assert_false(transmit_read(&fixture->transmit, &gap));
	assert_int_equal(steal(fixture), 1);
}

static void test_not_a_socket(void **state)
{
	struct transmit transmit;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	transmit_init(&transmit, ends[1]);
	assert_false(transmit.possible);
	assert_int_equal(transmit_send(&transmit, "x", 1, true, 0), -1);
	assert_int_equal(errno, ENOTSOCK);
	close(ends[0]);
	close(ends[1]);
}

/* A local socket does not know the request: the packet leaves without it. */
static void test_request_refused(void **state)
{
	struct transmit transmit;
	char packet[10];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	transmit_init(&transmit, ends[0]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(transmit_send(&transmit, "packet", 6, true, 0), 6);
		assert_false(transmit.waiting);
		assert_false(transmit.possible);
		assert_int_equal(recv(ends[1], packet, sizeof packet, MSG_DONTWAIT), 6);
	}
	close(ends[0]);
	close(ends[1]);
}

/* A socket that also receives keeps its stamps. */
static void test_receive_stamps_stay(void **state)
{
	const int wanted = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	struct sockaddr_in address;
	struct transmit transmit;
	socklen_t size = sizeof wanted;
	int fd = bound_socket(&address), flags;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &wanted, sizeof wanted), 0);
	transmit_init(&transmit, fd);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, &size), 0);
	assert_int_equal(flags & wanted, wanted);
	/* And no packet is stamped that does not ask. */
	assert_int_equal(flags & SOF_TIMESTAMPING_TX_RECORD_MASK, 0);
	close(fd);
}

static void test_ipv6(void **state)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct fixture fixture = {.fd = socket(AF_INET6, SOCK_DGRAM, 0),
				  .sink = socket(AF_INET6, SOCK_DGRAM, 0)};
	socklen_t size = sizeof address;

	(void)state;
	if (fixture.sink < 0 || bind(fixture.sink, (struct sockaddr *)&address, sizeof address)) {
		print_message("no IPv6 on the loopback interface\n");
		skip();
	}
	assert_int_equal(getsockname(fixture.sink, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fixture.fd, (struct sockaddr *)&address, sizeof address), 0);
	transmit_init(&fixture.transmit, fixture.fd);
	for (int i = 0; i < 5; i++)
		assert_stamped(&fixture);
	close(fixture.fd);
	close(fixture.sink);
}

/* Crafted messages, as the kernel would write them. */
struct crafted {
	_Alignas(struct cmsghdr) uint8_t control[512];
	size_t used;
};

static void craft(struct crafted *crafted, int level, int type, const void *data, size_t size)
{
	struct cmsghdr header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};

	memcpy(crafted->control + crafted->used, &header, sizeof header);
	memcpy(crafted->control + crafted->used + CMSG_LEN(0), data, size);
	crafted->used += CMSG_SPACE(size);
}

static void craft_stamp(struct crafted *crafted, time_t seconds, long ns)
{
	const struct timespec stamps[3] = {{.tv_sec = seconds, .tv_nsec = ns}};

	craft(crafted, SOL_SOCKET, SCM_TIMESTAMPING, stamps, sizeof stamps);
}

static void craft_error(struct crafted *crafted, int level, uint8_t origin, uint32_t info, uint32_t data)
{
	/* The address of the origin follows. */
	struct {
		struct sock_extended_err error;
		struct sockaddr_in6 offender;
	} error = {.error = {.ee_errno = ENOMSG, .ee_origin = origin, .ee_info = info, .ee_data = data}};

	craft(crafted, level, level == SOL_IP ? IP_RECVERR : IPV6_RECVERR, &error, sizeof error);
}

static bool parse(struct crafted *crafted, struct transmit_answer *answer)
{
	struct msghdr message = {.msg_control = crafted->control, .msg_controllen = crafted->used};

	return transmit_parse(&message, answer);
}

static void test_parse(void **state)
{
	const int levels[] = {SOL_IP, SOL_IPV6};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct crafted crafted = {.used = 0};
		struct transmit_answer answer;

		if (i / 2)
			craft_stamp(&crafted, 1700000000, 123456789);
		craft_error(&crafted, levels[i % 2], SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND, 0xfffffffe);
		if (!(i / 2))
			craft_stamp(&crafted, 1700000000, 123456789);
		assert_true(parse(&crafted, &answer));
		assert_int_equal(answer.number, 0xfffffffe);
		assert_int_equal(answer.real_ns, INT64_C(1700000000123456789));
	}
}

static void test_parse_others(void **state)
{
	const struct timespec stamps[3] = {{.tv_sec = 1}};
	const struct sock_extended_err right = {.ee_origin = SO_EE_ORIGIN_TIMESTAMPING};
	struct crafted cases[8] = {{.used = 0}};
	struct transmit_answer answer;

	(void)state;
	craft_stamp(&cases[1], 1, 1);
	craft_error(&cases[2], SOL_IP, SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND, 0);
	/* An ICMP error; a stamp of the queueing discipline; no software stamp. */
	craft_error(&cases[3], SOL_IP, SO_EE_ORIGIN_ICMP, SCM_TSTAMP_SND, 0);
	craft_stamp(&cases[3], 1, 1);
	craft_error(&cases[4], SOL_IP, SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SCHED, 0);
	craft_stamp(&cases[4], 1, 1);
	craft_error(&cases[5], SOL_IP, SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND, 0);
	craft_stamp(&cases[5], 0, 0);
	/* Too short. */
	craft_stamp(&cases[6], 1, 1);
	craft(&cases[6], SOL_IP, IP_RECVERR, &right, sizeof right - 1);
	craft_error(&cases[7], SOL_IP, SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND, 0);
	craft(&cases[7], SOL_SOCKET, SCM_TIMESTAMPING, stamps, sizeof stamps - 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (parse(&cases[i], &answer))
			fail_msg("case %zu was taken for a stamp", i);
	}
}

#define SOCKET_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(test_matching),
		SOCKET_TEST(test_others_in_between),
		SOCKET_TEST(test_lost_answer),
		SOCKET_TEST(test_late_answer),
		SOCKET_TEST(test_late_answer_only),
		SOCKET_TEST(test_never_answered),
		SOCKET_TEST(test_refused),
		SOCKET_TEST(test_either_kernel),
		SOCKET_TEST(test_ambiguous),
		cmocka_unit_test(test_not_a_socket),
		cmocka_unit_test(test_request_refused),
		cmocka_unit_test(test_receive_stamps_stay),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
