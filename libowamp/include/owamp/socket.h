/*
 * Sockets as OWAMP needs them. All are non-blocking and close-on-exec.
 */
#ifndef OWAMP_SOCKET_H
#define OWAMP_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "export.h"
#include "session.h"

struct owamp_test_socket_config {
	const struct sockaddr *local; /* address to bind; its port is ignored */
	uint16_t port_low;            /* 0,0: any */
	uint16_t port_high;
	const char *interface; /* NULL: any */
	bool receive;          /* kernel timestamps, TTL, the count of drops; else nothing is received */
	/* In octets as the kernel counts them (owamp_receive_buffer()); 0: 4 MiB. */
	uint32_t receive_buffer;
	uint8_t dscp; /* sending: also TTL 255 */
};

/*
 * A bound UDP socket and its port. OWAMP_ELIMIT if the range has no free port;
 * OWAMP_ESYSTEM with errno otherwise.
 */
OWAMP_API int owamp_socket_test(int *fd, const struct owamp_test_socket_config *config, uint16_t *port);

/*
 * The receive buffer for packets of so many octets (UDP payload) at such a
 * rate: room for what arrives while the collector waits half a second for a
 * CPU, from 64 KiB to 64 MiB. In octets as the kernel counts them, which are
 * many more than the packets have: 832 for one of 14. Drivers that hand each
 * packet over in a whole buffer have more counted, mostly 2304.
 *
 * All three, this, receive_buffer above and what the socket got, are what the
 * kernel compares with what is queued: twice the value of SO_RCVBUF when it is
 * set, and that value when it is read.
 */
OWAMP_API uint32_t owamp_receive_buffer(double packets_per_second, size_t packet_octets);

/*
 * What the socket got: less than asked for where net.core.rmem_max, doubled, is
 * less and CAP_NET_ADMIN is missing. 0: fd is no socket.
 */
OWAMP_API uint32_t owamp_socket_receive_buffer(int fd);

/* A listening TCP socket; an IPv6 one takes no IPv4 connections. */
OWAMP_API int owamp_socket_listen(int *fd, const struct sockaddr *local, socklen_t size);

/* TCP_NODELAY and keepalive on a control connection. */
OWAMP_API int owamp_socket_control(int fd);

OWAMP_API uint16_t owamp_address_port(const struct sockaddr *address);
OWAMP_API void owamp_address_set_port(struct sockaddr *address, uint16_t port);
OWAMP_API socklen_t owamp_address_size(const struct sockaddr *address);

/* Same family and address; ports are not compared. */
OWAMP_API bool owamp_address_equal(const struct sockaddr *a, const struct sockaddr *b);

/* "192.0.2.1:861", "[2001:db8::1%eth0]:861"; without the port if with_port is false. */
#define OWAMP_ADDRESS_TEXT 80
OWAMP_API char *owamp_address_text(const struct sockaddr *address, bool with_port,
				   char text[OWAMP_ADDRESS_TEXT]);

/* An IPv4-mapped IPv6 address becomes the IPv4 address it stands for. */
OWAMP_API void owamp_address_unmap(struct sockaddr_storage *address);

/* The address fields of a request; an IPv4-mapped IPv6 address becomes IPv4. */
OWAMP_API int owamp_address_to_request(const struct sockaddr *address, uint8_t octets[16]);
OWAMP_API void owamp_address_from_request(uint8_t ipvn, const uint8_t octets[16], uint16_t port,
					  struct sockaddr_storage *address);

/*
 * A new SID as section 3.5 has it: an IPv4 address of this host (local if it
 * is one and no loopback address), the time, and a random value.
 */
OWAMP_API int owamp_make_sid(const struct sockaddr *local, uint8_t sid[OWAMP_SID_SIZE]);

#endif
