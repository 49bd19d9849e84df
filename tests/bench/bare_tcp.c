#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#define BLOCK 65536

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool fail(const char *what)
{
	fprintf(stderr, "bench: FAILED: bare loop over TCP: %s: %s\n", what, strerror(errno));
	return false;
}

struct listener {
	int fd;
	struct sockaddr_in address;
};

static bool open_listener(struct listener *listener)
{
	socklen_t size = sizeof listener->address;

	listener->address =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->fd >= 0 && bind(listener->fd, (struct sockaddr *)&listener->address, size) == 0 &&
	    getsockname(listener->fd, (struct sockaddr *)&listener->address, &size) == 0 &&
	    listen(listener->fd, 16) == 0)
		return true;
	if (listener->fd >= 0)
		close(listener->fd);
	return fail("listening");
}

static int dial(const struct listener *listener)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&listener->address, sizeof listener->address) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct flow {
	int fd;
	uint64_t octets;
	size_t write_octets;
};

static void *write_all(void *context)
{
	struct flow *flow = context;
	uint8_t block[BLOCK] = {0};
	ssize_t size;

	for (uint64_t left = flow->octets; left > 0; left -= (uint64_t)size) {
		size = send(flow->fd, block, left < flow->write_octets ? left : flow->write_octets,
			    MSG_NOSIGNAL);
		if (size <= 0)
			break;
	}
	(void)shutdown(flow->fd, SHUT_WR);
	return NULL;
}

/* Octets that came until the other side had no more. */
static uint64_t read_all(int fd)
{
	uint8_t block[BLOCK];
	uint64_t octets = 0;
	ssize_t size;

	while ((size = recv(fd, block, sizeof block, 0)) > 0)
		octets += (uint64_t)size;
	return octets;
}

bool bare_tcp(double *octets_per_s, uint64_t octets, size_t write_octets)
{
	struct flow flow = {.octets = octets, .write_octets = write_octets < BLOCK ? write_octets : BLOCK};
	struct listener listener;
	double begin = seconds_now();
	pthread_t thread;
	bool ok = false;
	int fd;

	if (!open_listener(&listener))
		return false;
	flow.fd = dial(&listener);
	fd = flow.fd >= 0 ? accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC) : -1;
	if (fd >= 0 && pthread_create(&thread, NULL, write_all, &flow) == 0) {
		ok = read_all(fd) == octets;
		pthread_join(thread, NULL);
	}
	*octets_per_s = (double)octets / (seconds_now() - begin);
	if (fd >= 0)
		close(fd);
	if (flow.fd >= 0)
		close(flow.fd);
	close(listener.fd);
	return ok || fail("transfer");
}

/* Resets, so that no port is left in TIME_WAIT. */
static void drop(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

bool bare_connections(double *per_s, double seconds)
{
	struct listener listener;
	double begin = seconds_now();
	unsigned long count = 0;
	bool ok = true;

	if (!open_listener(&listener))
		return false;
	while (ok && seconds_now() - begin < seconds && !process_interrupted()) {
		int fd = dial(&listener);
		int other = fd >= 0 ? accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC) : -1;

		ok = other >= 0;
		if (ok)
			drop(other);
		if (fd >= 0)
			drop(fd);
		count++;
	}
	*per_s = (double)count / (seconds_now() - begin);
	close(listener.fd);
	return ok || fail("connecting");
}
