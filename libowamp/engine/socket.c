#include <owamp/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <owamp/crypto.h>
#include <owamp/error.h>

/* Where nobody says: used only as it fills. */
#define RECEIVE_BUFFER (4 << 20)

#define RECEIVE_BUFFER_MIN (64 << 10)
#define RECEIVE_BUFFER_MAX (64 << 20)

/*
 * What the kernel counts for a datagram in one piece: its bookkeeping, and a
 * piece of memory of some round size for the octets, the headers (128) and
 * more bookkeeping (320).
 */
#define PACKET_OVERHEAD 256
#define PACKET_ROOM     448
#define PIECE_MIN       576
#define PIECE_MAX       16384 /* longer ones are in pages */

/* A datagram in fragments: octets of each over IPv6 on Ethernet, and what is counted for it. */
#define FRAGMENT_OCTETS  1448
#define FRAGMENT_COUNTED 2304

uint16_t owamp_address_port(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

void owamp_address_set_port(struct sockaddr *address, uint16_t port)
{
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = htons(port);
}

socklen_t owamp_address_size(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool owamp_address_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			      &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

char *owamp_address_text(const struct sockaddr *address, bool with_port, char text[OWAMP_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?", zone[IF_NAMESIZE + 1] = "", name[IF_NAMESIZE];
	bool v6 = address->sa_family == AF_INET6;
	const char *open = v6 && with_port ? "[" : "", *close = v6 && with_port ? "]" : "";

	if (v6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, name))
			snprintf(zone, sizeof zone, "%%%s", name);
	} else {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
	}
	if (with_port)
		snprintf(text, OWAMP_ADDRESS_TEXT, "%s%s%s%s:%u", open, host, zone, close,
			 owamp_address_port(address));
	else
		snprintf(text, OWAMP_ADDRESS_TEXT, "%s%s", host, zone);
	return text;
}

void owamp_address_unmap(struct sockaddr_storage *address)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	memcpy(&in6, address, sizeof in6);
	if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return;
	*address = (struct sockaddr_storage){.ss_family = AF_INET};
	in->sin_port = in6.sin6_port;
	memcpy(&in->sin_addr, in6.sin6_addr.s6_addr + 12, 4);
}

int owamp_address_to_request(const struct sockaddr *address, uint8_t octets[16])
{
	struct sockaddr_storage plain = {.ss_family = AF_UNSPEC};

	memcpy(&plain, address, owamp_address_size(address));
	owamp_address_unmap(&plain);
	memset(octets, 0, 16);
	if (plain.ss_family == AF_INET) {
		memcpy(octets, &((const struct sockaddr_in *)&plain)->sin_addr, 4);
		return 4;
	}
	memcpy(octets, &((const struct sockaddr_in6 *)&plain)->sin6_addr, 16);
	return 6;
}

void owamp_address_from_request(uint8_t ipvn, const uint8_t octets[16], uint16_t port,
				struct sockaddr_storage *address)
{
	*address = (struct sockaddr_storage){.ss_family = ipvn == 4 ? AF_INET : AF_INET6};
	if (ipvn == 4)
		memcpy(&((struct sockaddr_in *)address)->sin_addr, octets, 4);
	else
		memcpy(&((struct sockaddr_in6 *)address)->sin6_addr, octets, 16);
	owamp_address_set_port((struct sockaddr *)address, port);
}

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

/*
 * Nobody reads what comes to a socket that only sends: whoever sends to it must
 * get neither memory nor the room that transmit stamps need in the same buffer.
 */
static int take_nothing(int fd)
{
	struct sock_filter none = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog program = {.len = 1, .filter = &none};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int prepare_sending(int fd, int family, uint8_t dscp)
{
	if (take_nothing(fd))
		return -1;
	if (family == AF_INET6)
		return set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255) ||
		       set(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
	return set(fd, IPPROTO_IP, IP_TTL, 255) || set(fd, IPPROTO_IP, IP_TOS, dscp << 2);
}

/* The kernel doubles what it is told, for its own overhead; ours has that in it already. */
static void size_receive_buffer(int fd, uint32_t octets)
{
	int half = (int)(octets / 2 + octets % 2);

	/* Beyond rmem_max only with CAP_NET_ADMIN; otherwise as much as is allowed. */
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, half))
		(void)set(fd, SOL_SOCKET, SO_RCVBUF, half);
}

static int prepare_receiving(int fd, int family, uint32_t receive_buffer)
{
	size_receive_buffer(fd, receive_buffer ? receive_buffer : RECEIVE_BUFFER);
	if (set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1))
		return -1;
	if (set(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE))
		return -1;
	if (family == AF_INET6)
		return set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	return set(fd, IPPROTO_IP, IP_RECVTTL, 1);
}

/* Binds to a free port of the range, starting anywhere in it. */
static int bind_in_range(int fd, struct sockaddr *address, uint16_t low, uint16_t high)
{
	uint32_t count = (uint32_t)high - low + 1, first = 0;

	if (low == 0)
		return bind(fd, address, owamp_address_size(address)) ? OWAMP_ESYSTEM : 0;
	(void)owamp_random(&first, sizeof first);
	first %= count;
	for (uint32_t i = 0; i < count; i++) {
		owamp_address_set_port(address, (uint16_t)(low + (first + i) % count));
		if (bind(fd, address, owamp_address_size(address)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return OWAMP_ESYSTEM;
	}
	return OWAMP_ELIMIT;
}

int owamp_socket_test(int *fd, const struct owamp_test_socket_config *config, uint16_t *port)
{
	struct sockaddr_storage local = {0};
	socklen_t size = owamp_address_size(config->local);
	int family = config->local->sa_family;
	int error = OWAMP_ESYSTEM, saved, s;

	*fd = -1;
	if (config->port_low > config->port_high)
		return OWAMP_EINVAL;
	memcpy(&local, config->local, size);
	owamp_address_set_port((struct sockaddr *)&local, 0);
	s = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return OWAMP_ESYSTEM;
	if (family == AF_INET6 && set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		goto cleanup;
	if (config->interface && setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, config->interface,
					    (socklen_t)strlen(config->interface)))
		goto cleanup;
	if (config->receive ? prepare_receiving(s, family, config->receive_buffer)
			    : prepare_sending(s, family, config->dscp))
		goto cleanup;
	error = bind_in_range(s, (struct sockaddr *)&local, config->port_low, config->port_high);
	if (error)
		goto cleanup;
	if (getsockname(s, (struct sockaddr *)&local, &size)) {
		error = OWAMP_ESYSTEM;
		goto cleanup;
	}
	*port = owamp_address_port((struct sockaddr *)&local);
	*fd = s;
	return 0;
cleanup:
	saved = errno;
	close(s);
	errno = saved;
	return error;
}

/* What the kernel counts for one datagram: at least what was seen, with fragments and without. */
static size_t counted(size_t octets)
{
	size_t room = octets + PACKET_ROOM, piece = PIECE_MIN, fragments;

	if (room > piece)
		for (piece = 1024; piece < room && piece < PIECE_MAX; piece *= 2)
			;
	fragments = octets > FRAGMENT_OCTETS ? (octets + FRAGMENT_OCTETS - 1) / FRAGMENT_OCTETS : 0;
	piece += PACKET_OVERHEAD;
	return piece > fragments * FRAGMENT_COUNTED ? piece : fragments * FRAGMENT_COUNTED;
}

uint32_t owamp_receive_buffer(double packets_per_second, size_t packet_octets)
{
	double octets = packets_per_second / 2 * (double)counted(packet_octets);

	/* Turned around, so that what is not a number is the least. */
	if (!(octets > RECEIVE_BUFFER_MIN))
		return RECEIVE_BUFFER_MIN;
	return octets < RECEIVE_BUFFER_MAX ? (uint32_t)octets : RECEIVE_BUFFER_MAX;
}

uint32_t owamp_socket_receive_buffer(int fd)
{
	int octets = 0;
	socklen_t size = sizeof octets;

	return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, &size) ? 0 : (uint32_t)octets;
}

int owamp_socket_listen(int *fd, const struct sockaddr *local, socklen_t size)
{
	int s = socket(local->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	*fd = -1;
	if (s < 0)
		return OWAMP_ESYSTEM;
	if ((local->sa_family == AF_INET6 && set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
	    set(s, SOL_SOCKET, SO_REUSEADDR, 1) || bind(s, local, size) || listen(s, SOMAXCONN)) {
		saved = errno;
		close(s);
		errno = saved;
		return OWAMP_ESYSTEM;
	}
	*fd = s;
	return 0;
}

int owamp_socket_control(int fd)
{
	/* A peer that vanished is noticed after a minute of silence and six probes. */
	if (set(fd, IPPROTO_TCP, TCP_NODELAY, 1) || set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) ||
	    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60) || set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10) ||
	    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 6))
		return OWAMP_ESYSTEM;
	return 0;
}
