#include "reference.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <owamp/error.h>
#include <owamp/socket.h>

#define EF 46 /* the DSCP of expedited forwarding */

static struct sockaddr_in loopback4(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct sockaddr_in6 loopback6(void)
{
	return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
}

static void need_ipv6(void)
{
	struct sockaddr_in6 address = loopback6();
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address);

	if (fd >= 0)
		close(fd);
	if (error)
		skip();
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static int listener(void *address, socklen_t size)
{
	int fd;

	assert_int_equal(owamp_socket_listen(&fd, address, size), 0);
	assert_int_equal(getsockname(fd, address, &size), 0);
	return fd;
}

static void assert_flags(int fd)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_listen(void **state)
{
	struct sockaddr_in address = loopback4();
	int fd = listener(&address, sizeof address), second, client;

	(void)state;
	assert_flags(fd);
	assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(owamp_socket_listen(&second, (struct sockaddr *)&address, sizeof address),
			 OWAMP_ESYSTEM);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(second, -1);
	close(client);
	close(fd);
}

/* An IPv6 listener for all addresses leaves the port to an IPv4 one. */
static void test_listen_ipv6_only(void **state)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	struct sockaddr_in any4 = {.sin_family = AF_INET};
	int fd6, fd4;

	(void)state;
	need_ipv6();
	fd6 = listener(&any6, sizeof any6);
	assert_int_equal(option(fd6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	any4.sin_port = any6.sin6_port;
	fd4 = listener(&any4, sizeof any4);
	close(fd4);
	close(fd6);
}

static void test_control(void **state)
{
	struct sockaddr_in address = loopback4();
	int server = listener(&address, sizeof address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(owamp_socket_control(fd), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
	close(fd);
	close(server);
	assert_int_equal(owamp_socket_control(fd), OWAMP_ESYSTEM);
}

static int test_socket(const struct owamp_test_socket_config *config, uint16_t *port)
{
	int fd;

	assert_int_equal(owamp_socket_test(&fd, config, port), 0);
	assert_true(fd >= 0);
	return fd;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return owamp_address_port((struct sockaddr *)&address);
}

static void test_any_port(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address};
	uint16_t first, second;
	int fds[2];

	(void)state;
	fds[0] = test_socket(&config, &first);
	assert_flags(fds[0]);
	assert_int_equal(bound_port(fds[0]), first);
	assert_int_not_equal(first, 0);
	/* The address's own port does not matter, not even if it is taken. */
	address.sin_port = htons(first);
	fds[1] = test_socket(&config, &second);
	assert_int_not_equal(second, first);
	close(fds[0]);
	close(fds[1]);
}

#define RANGE 5

/* Ports that were free a moment ago, below those the system hands out by itself. */
static uint16_t free_range(void)
{
	uint64_t seed = (uint64_t)getpid();

	for (int attempt = 0; attempt < 100; attempt++) {
		struct sockaddr_in address = loopback4();
		uint16_t low = (uint16_t)(10000 + ref_below(&seed, 20000));
		bool all_free = true;

		for (uint16_t i = 0; i < RANGE; i++) {
			int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

			address.sin_port = htons((uint16_t)(low + i));
			all_free &= bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
			close(fd);
		}
		if (all_free)
			return low;
	}
	fail_msg("no free ports");
	return 0;
}

/* Each port of the range is found, whatever is taken, and then there is none. */
static void test_port_range(void **state)
{
	struct sockaddr_in address = loopback4();
	uint16_t low = free_range(), port;
	struct owamp_test_socket_config config = {
		.local = (struct sockaddr *)&address,
		.port_low = low,
		.port_high = (uint16_t)(low + RANGE - 1),
	};
	bool seen[RANGE] = {false};
	int fds[RANGE], more;

	(void)state;
	for (int i = 0; i < RANGE; i++) {
		fds[i] = test_socket(&config, &port);
		assert_in_range(port, low, low + RANGE - 1);
		assert_false(seen[port - low]);
		assert_int_equal(bound_port(fds[i]), port);
		seen[port - low] = true;
	}
	assert_int_equal(owamp_socket_test(&more, &config, &port), OWAMP_ELIMIT);
	assert_int_equal(more, -1);
	for (int i = 0; i < RANGE; i++)
		close(fds[i]);
	config.port_high = low;
	more = test_socket(&config, &port);
	assert_int_equal(port, low);
	close(more);
}

static void test_bad_test_sockets(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {
		.local = (struct sockaddr *)&address, .port_low = 2, .port_high = 1};
	uint16_t port;
	int fd;

	(void)state;
	assert_int_equal(owamp_socket_test(&fd, &config, &port), OWAMP_EINVAL);
	assert_int_equal(fd, -1);
	config.port_low = config.port_high = 0;
	config.interface = "no-such-if";
	assert_int_equal(owamp_socket_test(&fd, &config, &port), OWAMP_ESYSTEM);
	assert_int_equal(errno, ENODEV);
	assert_int_equal(fd, -1);
	config.interface = NULL;
	assert_int_equal(inet_pton(AF_INET, "203.0.113.77", &address.sin_addr), 1);
	assert_int_equal(owamp_socket_test(&fd, &config, &port), OWAMP_ESYSTEM);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(fd, -1);
}

static void test_interface(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .interface = "lo"};
	char name[32] = "";
	socklen_t size = sizeof name;
	uint16_t port;
	int fd = test_socket(&config, &port);

	(void)state;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size), 0);
	assert_string_equal(name, "lo");
	close(fd);
}

/* Section 4.1.2: a sender sets TTL 255, so that a receiver can count hops. */
static void test_sending(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .dscp = EF};
	uint16_t port;
	int fd = test_socket(&config, &port);

	(void)state;
	assert_int_equal(option(fd, IPPROTO_IP, IP_TTL), 255);
	assert_int_equal(option(fd, IPPROTO_IP, IP_TOS), EF << 2);
	close(fd);
}

static void test_sending_ipv6(void **state)
{
	struct sockaddr_in6 address = loopback6();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .dscp = EF};
	uint16_t port;
	int fd;

	(void)state;
	need_ipv6();
	fd = test_socket(&config, &port);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 255);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_TCLASS), EF << 2);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(fd);
}

static void test_receiving(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .receive = true};
	int plain = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd;
	uint16_t port;

	(void)state;
	fd = test_socket(&config, &port);
	assert_int_equal(option(fd, SOL_SOCKET, SO_TIMESTAMPING),
			 SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	assert_int_equal(option(fd, IPPROTO_IP, IP_RECVTTL), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_RXQ_OVFL), 1);
	assert_true(option(fd, SOL_SOCKET, SO_RCVBUF) > option(plain, SOL_SOCKET, SO_RCVBUF));
	close(plain);
	close(fd);
}

static void test_receiving_ipv6(void **state)
{
	struct sockaddr_in6 address = loopback6();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .receive = true};
	uint16_t port;
	int fd;

	(void)state;
	need_ipv6();
	fd = test_socket(&config, &port);
	assert_int_equal(option(fd, SOL_SOCKET, SO_TIMESTAMPING),
			 SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT), 1);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(fd);
}

/* What the kernel counts for datagrams of that size that wait in a socket. */
static uint32_t counted(int family, size_t octets, unsigned datagrams)
{
	struct sockaddr_in6 address6 = loopback6();
	struct sockaddr_in address4 = loopback4();
	struct sockaddr *address =
		family == AF_INET6 ? (struct sockaddr *)&address6 : (struct sockaddr *)&address4;
	struct owamp_test_socket_config config = {
		.local = address, .receive = true, .receive_buffer = 16 << 20};
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t size = sizeof info;
	static char zeroes[OWAMP_PACKET_MAX];
	uint16_t port;
	int fd = test_socket(&config, &port);

	if (owamp_socket_receive_buffer(fd) < config.receive_buffer)
		skip(); /* they would not fit */
	owamp_address_set_port(address, port);
	for (unsigned i = 0; i < datagrams; i++)
		assert_int_equal(sendto(fd, zeroes, octets, 0, address, owamp_address_size(address)),
				 (ssize_t)octets);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
	close(fd);
	return info[SK_MEMINFO_RMEM_ALLOC];
}

/* Half a second's packets fit, of any size, and there is not room for many times as much. */
static void test_receive_buffer(void **state)
{
	const size_t sizes[] = {0,     14,    48,    128,   129,   192,   200,   256,   448,   512,   576,
				577,   600,   700,   1000,  1400,  1448,  1449,  1472,  1473,  1500,  1600,
				1601,  2000,  2048,  2049,  2500,  3000,  3648,  3649,  4000,  4096,  5000,
				7744,  7745,  8000,  8192,  9000,  9001,  10000, 12000, 15000, 15936, 15937,
				16000, 16384, 20000, 30000, 40000, 50000, 60000, 65507};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint32_t planned = owamp_receive_buffer(200, sizes[i]);
		uint32_t needed = counted(AF_INET, sizes[i], 100);

		/* Measured for 100 packets, which is half a second of 200 packets/s. */
		assert_true(planned >= needed);
		assert_true(planned <= 2 * needed + 65536);
	}
}

static void test_receive_buffer_ipv6(void **state)
{
	(void)state;
	need_ipv6();
	for (size_t octets = 0; octets <= 65000; octets = octets * 5 / 4 + 100)
		assert_true(owamp_receive_buffer(200, octets) >= counted(AF_INET6, octets, 100));
}

static void test_receive_buffer_limits(void **state)
{
	(void)state;
	assert_int_equal(owamp_receive_buffer(0, 14), 64 << 10);
	assert_int_equal(owamp_receive_buffer(0.001, 65507), 64 << 10);
	assert_int_equal(owamp_receive_buffer(-5, 14), 64 << 10);
	assert_int_equal(owamp_receive_buffer((double)NAN, 14), 64 << 10);
	assert_int_equal(owamp_receive_buffer(1e7, 14), 64 << 20);
	assert_int_equal(owamp_receive_buffer(1e300, OWAMP_PACKET_MAX), 64 << 20);
	assert_int_equal(owamp_receive_buffer(1e300, SIZE_MAX), 64 << 20);
}

/* Asked for, got, and what the kernel says: all the same number. */
static void test_receive_buffer_units(void **state)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)&address, .receive = true};
	const uint32_t sizes[] = {64 << 10, 100001, 4 << 20, 64 << 20};
	uint16_t port;
	int fd = test_socket(&config, &port);

	(void)state;
	if (owamp_socket_receive_buffer(fd) != 4 << 20)
		skip(); /* without CAP_NET_ADMIN, and a low rmem_max */
	close(fd);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		config.receive_buffer = sizes[i];
		fd = test_socket(&config, &port);
		assert_in_range(owamp_socket_receive_buffer(fd), sizes[i], sizes[i] + 1);
		assert_int_equal(owamp_socket_receive_buffer(fd), option(fd, SOL_SOCKET, SO_RCVBUF));
		close(fd);
	}
	assert_int_equal(owamp_socket_receive_buffer(fd), 0);
}

static uint32_t rmem_max(void)
{
	FILE *file = fopen("/proc/sys/net/core/rmem_max", "r");
	unsigned long octets = 0;

	if (!file)
		skip();
	assert_int_equal(fscanf(file, "%lu", &octets), 1);
	fclose(file);
	return (uint32_t)octets;
}

/* In a child that has no CAP_NET_ADMIN: 0 if it got what it may have, and is told so. */
static int refused(uint32_t limit)
{
	struct sockaddr_in address = loopback4();
	struct owamp_test_socket_config config = {
		.local = (struct sockaddr *)&address, .receive = true, .receive_buffer = 64 << 20};
	uint16_t port;
	int fd;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534))
		return 2;
	if (owamp_socket_test(&fd, &config, &port))
		return 3;
	if (owamp_socket_receive_buffer(fd) != 2 * limit)
		return 4;
	config.receive_buffer = limit;
	close(fd);
	if (owamp_socket_test(&fd, &config, &port))
		return 5;
	return owamp_socket_receive_buffer(fd) - limit > 1 ? 6 : 0;
}

static void test_receive_buffer_refused(void **state)
{
	uint32_t limit = rmem_max();
	int status;
	pid_t child;

	(void)state;
	if (limit >= 32 << 20)
		skip();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(refused(limit));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_listen_ipv6_only),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_port_range),
		cmocka_unit_test(test_bad_test_sockets),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_sending),
		cmocka_unit_test(test_sending_ipv6),
		cmocka_unit_test(test_receiving),
		cmocka_unit_test(test_receiving_ipv6),
		cmocka_unit_test(test_receive_buffer),
		cmocka_unit_test(test_receive_buffer_ipv6),
		cmocka_unit_test(test_receive_buffer_limits),
		cmocka_unit_test(test_receive_buffer_units),
		cmocka_unit_test(test_receive_buffer_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
