#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/net_tstamp.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define OCTETS_MAX 1500

/* More than the meter asks for: the loop is to lose nothing for want of it. */
#define BUFFER (64 << 20)

/* Interrupts are looked for once in so many packets. */
#define LOOK 1024

/* After the last packet the receiver waits so long for one more. */
#define IDLE_MS 300

struct loop {
	int fd;
	uint64_t packets;
	size_t octets;
	double rate;
	int64_t first_ns;
	int64_t last_ns;
	uint64_t count;
	double cpu_s;
	int error;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *send_all(void *context)
{
	struct loop *loop = context;
	int64_t begin_cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), begin = now_ns(CLOCK_REALTIME);
	uint8_t packet[OCTETS_MAX] = {0};

	for (uint64_t i = 0; i < loop->packets; i++) {
		int64_t stamp = now_ns(CLOCK_REALTIME);

		while (loop->rate > 0 && (double)(stamp - begin) < (double)i * 1e9 / loop->rate)
			stamp = now_ns(CLOCK_REALTIME);
		memcpy(packet, &i, sizeof i);
		memcpy(packet + sizeof i, &stamp, sizeof stamp - 2);
		if (send(loop->fd, packet, loop->octets, 0) < 0) {
			loop->error = errno;
			break;
		}
		if (i == 0)
			loop->first_ns = stamp;
		loop->last_ns = stamp;
		loop->count++;
		if (i % LOOK == 0 && process_interrupted())
			break;
	}
	loop->cpu_s = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - begin_cpu) / 1e9;
	return NULL;
}

/* Reads the stamp and the TTL, as whoever asks for them must. */
static uint64_t take_control(struct msghdr *message)
{
	uint64_t sum = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct timespec stamp;
		int ttl;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
			sum += (uint64_t)(stamp.tv_sec ^ stamp.tv_nsec);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
			sum += (uint64_t)ttl;
		}
	}
	return sum;
}

static void *receive_all(void *context)
{
	struct loop *loop = context;
	int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
	uint8_t packet[OCTETS_MAX];
	char control[256];
	volatile uint64_t taken = 0;

	while (loop->count < loop->packets) {
		struct iovec vector = {.iov_base = packet, .iov_len = sizeof packet};
		struct msghdr message = {.msg_iov = &vector,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof control};

		if (recvmsg(loop->fd, &message, 0) < 0) {
			loop->error = errno == EAGAIN ? 0 : errno;
			break;
		}
		taken += take_control(&message);
		loop->count++;
	}
	(void)taken;
	loop->cpu_s = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e9;
	return NULL;
}

static bool open_pair(int *from, int *to)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_usec = IDLE_MS * 1000};
	int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, on = 1, buffer = BUFFER;
	socklen_t size = sizeof address;

	*to = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*from < 0 || *to < 0)
		return false;
	/* Without privileges it is net.core.rmem_max at most. */
	if (setsockopt(*to, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
		(void)setsockopt(*to, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	return setsockopt(*to, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0 &&
	       setsockopt(*to, IPPROTO_IP, IP_RECVTTL, &on, sizeof on) == 0 &&
	       setsockopt(*to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
	       bind(*to, (struct sockaddr *)&address, size) == 0 &&
	       getsockname(*to, (struct sockaddr *)&address, &size) == 0 &&
	       connect(*from, (struct sockaddr *)&address, size) == 0;
}

static bool run(struct loop *sender, struct loop *receiver)
{
	pthread_t receiving, sending;

	if (pthread_create(&receiving, NULL, receive_all, receiver))
		return false;
	if (pthread_create(&sending, NULL, send_all, sender) == 0)
		pthread_join(sending, NULL);
	pthread_join(receiving, NULL);
	errno = sender->error ? sender->error : receiver->error;
	return sender->count > 1 && receiver->count > 0 && errno == 0;
}

bool bare_rate(struct bare_rate *result, uint64_t packets, size_t octets, double rate)
{
	struct loop sender = {.packets = packets, .octets = octets, .rate = rate}, receiver = sender;
	bool ok = open_pair(&sender.fd, &receiver.fd) && run(&sender, &receiver);

	if (!ok)
		fprintf(stderr, "bench: FAILED: the bare send and receive loop: %s\n", strerror(errno));
	if (sender.fd >= 0)
		close(sender.fd);
	if (receiver.fd >= 0)
		close(receiver.fd);
	if (!ok)
		return false;
	*result = (struct bare_rate){
		.packets = sender.count,
		.received = receiver.count,
		.rate = (double)(sender.count - 1) * 1e9 / (double)(sender.last_ns - sender.first_ns),
		.send_us = sender.cpu_s * 1e6 / (double)sender.count,
		.receive_us = receiver.cpu_s * 1e6 / (double)receiver.count,
	};
	return true;
}
