/*
 * Datagrams in batches, with what the kernel says of each: when it came, by
 * which clock, after how many drops, and with how many hops to live.
 */
#ifndef ENGINE_ARRIVAL_H
#define ENGINE_ARRIVAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include <owamp/session.h>

#include "hardware.h"

#define ARRIVALS_AT_ONCE 64

/* What must be asked for with SO_TIMESTAMPING for the interface's stamps, beside the kernel's. */
#define ARRIVAL_SOFTWARE (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE)
#define ARRIVAL_HARDWARE                                                                                     \
	(SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_OPT_PKTINFO)

#define ARRIVAL_CONTROL                                                                                      \
	(CMSG_SPACE(sizeof(struct scm_timestamping)) + CMSG_SPACE(sizeof(struct scm_ts_pktinfo)) +           \
	 CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(int)))

union arrival_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Filled once: for the next batch only what the kernel changed is set back. */
struct arrivals {
	struct mmsghdr headers[ARRIVALS_AT_ONCE];
	struct iovec parts[ARRIVALS_AT_ONCE];
	union arrival_address sources[ARRIVALS_AT_ONCE];
	uint8_t octets[ARRIVALS_AT_ONCE][OWAMP_PACKET_SECURE]; /* padding is of no interest */
	_Alignas(struct cmsghdr) uint8_t control[ARRIVALS_AT_ONCE][ARRIVAL_CONTROL];
	unsigned used;
};

void arrivals_init(struct arrivals *arrivals);

/* The number of datagrams read, 0 if there is none, or -1 with errno. Does not wait. */
int arrivals_receive(struct arrivals *arrivals, int fd);

struct arrival_facts {
	int64_t kernel_ns;   /* CLOCK_REALTIME; 0: no stamp */
	int64_t hardware_ns; /* as the interface's clock has it; 0: no stamp */
	unsigned ifindex;    /* of the interface that stamped; 0: not known */
	uint32_t drops;      /* at the socket when this datagram was queued, modulo 2^32 */
	uint8_t ttl;         /* section 4.2: what is not known is 255 */
};

/* Pure. A control message that is cut short or of another size than it should be is passed over. */
void arrival_read_control(struct msghdr *message, struct arrival_facts *facts);

struct arrival_stamp {
	int64_t real_ns;  /* CLOCK_REALTIME */
	int64_t error_ns; /* of the stamping, beside the clock's */
	bool hardware;
};

/* The best stamp there is; hardware may be NULL. False: there is none. */
bool arrival_stamp(const struct arrival_facts *facts, struct hardware *hardware, struct arrival_stamp *stamp);

#endif
