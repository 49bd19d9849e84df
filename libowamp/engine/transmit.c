#include "transmit.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

/* After time.h: it would bring the kernel's own. */
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

/* Messages looked at in one go: what else there may be must not hold the caller up. */
#define MESSAGES_AT_ONCE 32

/* Room for a stamp, and an error with the address of its origin. */
#define CONTROL_SIZE 256

void transmit_init(struct transmit *transmit, int fd)
{
	uint32_t flags = 0;
	socklen_t size = sizeof flags;

	*transmit = (struct transmit){.fd = fd};
	/* What the socket's owner asked for when receiving stays. */
	if (getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, &size))
		return;
	flags |= SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	transmit->possible = setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0;
}

static ssize_t send_asking(int fd, const void *packet, size_t size)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint32_t))] = {0};
	const uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;
	struct iovec part = {.iov_base = (void *)(uintptr_t)packet, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SO_TIMESTAMPING;
	header->cmsg_len = CMSG_LEN(sizeof flags);
	memcpy(CMSG_DATA(header), &flags, sizeof flags);
	return sendmsg(fd, &message, SEND_FLAGS);
}

/*
 * A request that is given up for another one: its answer may still come, and
 * is known by its number, unless that is not known for certain.
 */
static void give_up(struct transmit *transmit)
{
	if (!transmit->waiting)
		return;
	transmit->waiting = false;
	if (++transmit->unanswered >= TRANSMIT_UNANSWERED_MAX || transmit->unsure > 0)
		transmit->possible = false;
}

ssize_t transmit_send(struct transmit *transmit, const void *packet, size_t size, bool ask, int64_t stamp_ns)
{
	ssize_t sent;

	if (ask)
		give_up(transmit);
	if (!ask || !transmit->possible)
		return send(transmit->fd, packet, size, SEND_FLAGS);
	sent = send_asking(transmit->fd, packet, size);
	if (sent < 0 && errno == EINVAL) {
		/* It is the request that this socket does not take. */
		transmit->possible = false;
		return send(transmit->fd, packet, size, SEND_FLAGS);
	}
	if (sent < 0) {
		transmit->unsure++;
		return sent;
	}
	transmit->waiting = true;
	transmit->wanted = transmit->next++;
	transmit->stamp_ns = stamp_ns;
	return sent;
}

static bool is_error(const struct cmsghdr *header)
{
	return ((header->cmsg_level == SOL_IP && header->cmsg_type == IP_RECVERR) ||
		(header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR)) &&
	       header->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err));
}

bool transmit_parse(struct msghdr *message, struct transmit_answer *answer)
{
	struct scm_timestamping stamps = {0};
	struct sock_extended_err error = {0};

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (is_error(header))
			memcpy(&error, CMSG_DATA(header), sizeof error);
		else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPING &&
			 header->cmsg_len >= CMSG_LEN(sizeof stamps))
			memcpy(&stamps, CMSG_DATA(header), sizeof stamps);
	}
	if (error.ee_origin != SO_EE_ORIGIN_TIMESTAMPING || error.ee_info != SCM_TSTAMP_SND ||
	    stamps.ts[0].tv_sec == 0)
		return false;
	answer->number = error.ee_data;
	answer->real_ns = (int64_t)stamps.ts[0].tv_sec * 1000000000 + stamps.ts[0].tv_nsec;
	return true;
}

/* Takes a message off the error queue. False: there is none. */
static bool take_message(struct transmit *transmit, bool *stamp, struct transmit_answer *answer)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};

	if (recvmsg(transmit->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	*stamp = transmit_parse(&message, answer);
	return true;
}

bool transmit_read(struct transmit *transmit, int64_t *gap_ns)
{
	struct transmit_answer answer;
	bool stamp;

	for (int i = 0; i < MESSAGES_AT_ONCE && transmit->waiting; i++) {
		if (!take_message(transmit, &stamp, &answer))
			return false;
		if (!stamp)
			continue;
		transmit->unanswered = 0;
		if (answer.number - transmit->wanted > transmit->unsure)
			continue; /* late, for a request that was given up */
		transmit->waiting = false;
		transmit->next = answer.number + 1;
		transmit->unsure = 0;
		*gap_ns = answer.real_ns - transmit->stamp_ns;
		return true;
	}
	return false;
}
