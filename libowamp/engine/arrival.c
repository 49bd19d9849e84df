#include "arrival.h"

#include <errno.h>
#include <string.h>

static void reset(struct arrivals *arrivals, unsigned i)
{
	struct msghdr *message = &arrivals->headers[i].msg_hdr;

	message->msg_namelen = sizeof arrivals->sources[i];
	message->msg_controllen = sizeof arrivals->control[i];
}

void arrivals_init(struct arrivals *arrivals)
{
	memset(arrivals, 0, sizeof *arrivals);
	for (unsigned i = 0; i < ARRIVALS_AT_ONCE; i++) {
		struct msghdr *message = &arrivals->headers[i].msg_hdr;

		arrivals->parts[i] = (struct iovec){
			.iov_base = arrivals->octets[i],
			.iov_len = sizeof arrivals->octets[i],
		};
		message->msg_name = &arrivals->sources[i];
		message->msg_iov = &arrivals->parts[i];
		message->msg_iovlen = 1;
		message->msg_control = arrivals->control[i];
		reset(arrivals, i);
	}
}

int arrivals_receive(struct arrivals *arrivals, int fd)
{
	int count;

	for (unsigned i = 0; i < arrivals->used; i++)
		reset(arrivals, i);
	count = recvmmsg(fd, arrivals->headers, ARRIVALS_AT_ONCE, MSG_DONTWAIT, NULL);
	arrivals->used = count < 0 ? 0 : (unsigned)count;
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return count;
}

/* 0: none, or no time at all. */
static int64_t read_time(const struct timespec *time)
{
	if (time->tv_sec < 0 || time->tv_sec > INT64_MAX / 1000000000 - 1 || time->tv_nsec < 0 ||
	    time->tv_nsec >= 1000000000)
		return 0;
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static bool copy(const struct cmsghdr *c, void *value, size_t size)
{
	if (c->cmsg_len != CMSG_LEN(size))
		return false;
	memcpy(value, CMSG_DATA(c), size);
	return true;
}

static void read_socket_level(const struct cmsghdr *c, struct arrival_facts *facts)
{
	struct scm_timestamping stamps;
	struct scm_ts_pktinfo info;
	uint32_t drops;

	if (c->cmsg_type == SCM_TIMESTAMPING && copy(c, &stamps, sizeof stamps)) {
		struct timespec software, hardware;

		memcpy(&software, &stamps.ts[0], sizeof software);
		memcpy(&hardware, &stamps.ts[2], sizeof hardware);
		facts->kernel_ns = read_time(&software);
		facts->hardware_ns = read_time(&hardware);
	} else if (c->cmsg_type == SCM_TIMESTAMPING_PKTINFO && copy(c, &info, sizeof info)) {
		facts->ifindex = info.if_index;
	} else if (c->cmsg_type == SO_RXQ_OVFL && copy(c, &drops, sizeof drops)) {
		facts->drops = drops;
	}
}

void arrival_read_control(struct msghdr *message, struct arrival_facts *facts)
{
	*facts = (struct arrival_facts){.ttl = 255};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		int ttl;

		if (c->cmsg_level == SOL_SOCKET) {
			read_socket_level(c, facts);
		} else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
			   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			if (copy(c, &ttl, sizeof ttl))
				facts->ttl = (uint8_t)ttl;
		}
	}
}

bool arrival_stamp(const struct arrival_facts *facts, struct hardware *hardware, struct arrival_stamp *stamp)
{
	*stamp = (struct arrival_stamp){0};
	if (hardware && facts->hardware_ns != 0 &&
	    hardware_convert(hardware, facts->ifindex, facts->hardware_ns, &stamp->real_ns,
			     &stamp->error_ns)) {
		stamp->hardware = true;
		if (facts->kernel_ns != 0)
			hardware_note_gap(hardware, facts->ifindex, facts->kernel_ns - stamp->real_ns);
		return true;
	}
	if (facts->kernel_ns == 0)
		return false;
	stamp->real_ns = facts->kernel_ns;
	stamp->error_ns = hardware ? hardware_gap(hardware, facts->ifindex) : 0;
	return true;
}
