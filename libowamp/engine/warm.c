/* Has the kernel stamp packets before the first one comes. */
#include "collector_internal.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/socket.h>

#define WARM_NS  50000000
#define PAUSE_NS 200000

/* One datagram to itself. 1: it was stamped; 0: it was not; -1: it did not come. */
static int try_stamp(int fd, struct arrivals *arrivals, int64_t until)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t left = until - owamp_mono_ns();
	struct arrival_facts facts;

	if (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return -1;
	if (left < 0 || poll(&ready, 1, (int)(left / 1000000)) != 1 || arrivals_receive(arrivals, fd) < 1)
		return -1;
	arrival_read_control(&arrivals->headers[0].msg_hdr, &facts);
	return facts.kernel_ns != 0;
}

/*
 * The kernel stamps packets only while a socket asks for it, and not at once:
 * the first one that asks sets off a deferred change of its code. So this
 * socket asks for good, and sends itself packets until it sees a stamp.
 * Without a loopback interface there is nothing to see and no wait: the first
 * packets may then lack stamps, and their error estimates say so.
 */
int warm_up(struct arrivals *arrivals)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct owamp_test_socket_config config = {
		.local = (struct sockaddr *)&loopback, .receive = true, .receive_buffer = 1};
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int64_t until = owamp_mono_ns() + WARM_NS;
	uint16_t port;
	int fd, flags = ARRIVAL_SOFTWARE;

	if (owamp_socket_test(&fd, &config, &port)) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd >= 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
		return fd;
	}
	/* Connected to itself it hears nobody else. */
	loopback.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&loopback, sizeof loopback))
		return fd;
	while (try_stamp(fd, arrivals, until) == 0)
		(void)nanosleep(&pause, NULL);
	return fd;
}
