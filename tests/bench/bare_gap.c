#include "bare.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <time.h>

#include <owamp/crypto.h>
#include <owamp/stats.h>

#include "process.h"

#define NS_PER_S INT64_C(1000000000)

#define OCTETS 14

/* The receiver ends when nothing came for so long, and the sender waits so long for the last stamps. */
#define IDLE_MS 500

struct gap_loop {
	int from;
	int to;
	uint32_t packets;
	double rate;
	int64_t *sent_ns;
	int64_t *received_ns;
	int error;
};

static int64_t take_stamp(struct msghdr *message)
{
	struct timespec stamp = {.tv_sec = 0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
			memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
	}
	return stamp.tv_sec * NS_PER_S + stamp.tv_nsec;
}

/* Which packet the error queue's entry is about; UINT32_MAX: no packet. */
static uint32_t take_number(struct msghdr *message)
{
	struct sock_extended_err error = {.ee_errno = 0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR)
			memcpy(&error, CMSG_DATA(c), sizeof error);
	}
	return error.ee_errno == ENOMSG && error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING ? error.ee_data
											: UINT32_MAX;
}

static ssize_t read_one(int fd, int flags, uint8_t packet[OCTETS], struct msghdr *message, char *control,
			size_t control_size)
{
	struct iovec vector = {.iov_base = packet, .iov_len = OCTETS};

	*message = (struct msghdr){
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = control_size};
	return recvmsg(fd, message, flags);
}

static void read_sent(struct gap_loop *loop)
{
	uint8_t packet[OCTETS];
	struct msghdr message;
	char control[512];

	while (read_one(loop->from, MSG_ERRQUEUE | MSG_DONTWAIT, packet, &message, control, sizeof control) >=
	       0) {
		uint32_t number = take_number(&message);

		if (number < loop->packets)
			loop->sent_ns[number] = take_stamp(&message);
	}
}

static void *receive_all(void *context)
{
	struct gap_loop *loop = context;
	uint8_t packet[OCTETS];
	struct msghdr message;
	char control[512];
	uint32_t number, count = 0;

	while (count < loop->packets &&
	       read_one(loop->to, 0, packet, &message, control, sizeof control) >= (ssize_t)sizeof number) {
		memcpy(&number, packet, sizeof number);
		if (number < loop->packets)
			loop->received_ns[number] = take_stamp(&message);
		count++;
	}
	return NULL;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct owamp_schedule *make_schedule(double rate)
{
	const struct owamp_slot slot = {.type = OWAMP_SLOT_EXPONENTIAL,
					.interval = owamp_interval_from_ns((uint64_t)(1e9 / rate))};
	uint8_t seed[OWAMP_SID_SIZE];
	struct owamp_schedule *schedule;

	if (owamp_random(seed, sizeof seed) || owamp_schedule_new(&schedule, &slot, 1, seed))
		return NULL;
	return schedule;
}

static void send_all(struct gap_loop *loop, struct owamp_schedule *schedule)
{
	uint8_t packet[OCTETS] = {0};
	int64_t begin = now_ns() + NS_PER_S / 100;

	for (uint32_t i = 0; i < loop->packets && !loop->error && !process_interrupted(); i++) {
		int64_t due = begin + owamp_interval_to_ns(owamp_schedule_next(schedule));
		const struct timespec at = {.tv_sec = due / NS_PER_S, .tv_nsec = due % NS_PER_S};

		loop->error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		memcpy(packet, &i, sizeof i);
		if (send(loop->from, packet, sizeof packet, 0) < 0)
			loop->error = errno;
		read_sent(loop);
	}
	(void)poll(NULL, 0, 20);
	read_sent(loop);
}

static bool set_up(const struct gap_loop *loop)
{
	int receive = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	int transmit = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		       SOF_TIMESTAMPING_OPT_TSONLY;
	struct timeval patience = {.tv_usec = IDLE_MS * 1000};

	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	return setsockopt(loop->to, SOL_SOCKET, SO_TIMESTAMPING, &receive, sizeof receive) == 0 &&
	       setsockopt(loop->to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
	       setsockopt(loop->from, SOL_SOCKET, SO_TIMESTAMPING, &transmit, sizeof transmit) == 0;
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Over the packets that have both stamps, whose gaps take the place of the send stamps. */
static void sum_up(const struct gap_loop *loop, struct bare_gap *result)
{
	int64_t *gaps = loop->sent_ns;
	uint32_t count = 0;

	for (uint32_t i = 0; i < loop->packets; i++) {
		if (loop->sent_ns[i] && loop->received_ns[i])
			gaps[count++] = loop->received_ns[i] - loop->sent_ns[i];
	}
	*result = (struct bare_gap){.packets = count};
	if (count == 0)
		return;
	qsort(gaps, count, sizeof *gaps, compare);
	result->min_us = (double)gaps[0] / 1e3;
	result->median_us = (double)gaps[owamp_percentile_rank(50, count) - 1] / 1e3;
	result->p99_us = (double)gaps[owamp_percentile_rank(99, count) - 1] / 1e3;
}

bool bare_gap(struct bare_gap *result, int from, int to, uint32_t packets, double rate)
{
	struct gap_loop loop = {.from = from, .to = to, .packets = packets, .rate = rate};
	struct owamp_schedule *schedule = make_schedule(rate);
	pthread_t receiving;

	*result = (struct bare_gap){.packets = 0};
	loop.sent_ns = calloc((size_t)packets + 1, sizeof *loop.sent_ns);
	loop.received_ns = calloc((size_t)packets + 1, sizeof *loop.received_ns);
	loop.error = schedule && loop.sent_ns && loop.received_ns ? 0 : ENOMEM;
	if (!loop.error && !set_up(&loop))
		loop.error = errno;
	if (!loop.error)
		loop.error = pthread_create(&receiving, NULL, receive_all, &loop);
	if (!loop.error) {
		send_all(&loop, schedule);
		pthread_join(receiving, NULL);
	}
	if (!loop.error)
		sum_up(&loop, result);
	/* The kernel does not stamp the first packets after it was first asked to. */
	if (!loop.error && result->packets < packets / 2 && !process_interrupted())
		loop.error = ENOMSG;
	if (loop.error)
		fprintf(stderr, "bench: FAILED: the bare loop with kernel stamps: %s\n",
			strerror(loop.error));
	owamp_schedule_free(schedule);
	free(loop.sent_ns);
	free(loop.received_ns);
	return loop.error == 0;
}
