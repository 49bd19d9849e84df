/*
 * The kernel's transmit stamps of one sending socket, through its error queue:
 * asked for with a control message for packets of the caller's choice, read
 * back when there is time. Packets that do not ask cost nothing more.
 *
 * The kernel numbers the packets that ask, and whether one that could not be
 * sent took a number differs between its versions. So a stamp is matched by
 * number, after a failure within what the number may be, and as soon as that
 * could be another packet's there are no more stamps from this socket.
 */
#ifndef ENGINE_TRANSMIT_H
#define ENGINE_TRANSMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* So many requests in a row without an answer: the device does not stamp. */
#define TRANSMIT_UNANSWERED_MAX 16

struct transmit {
	int fd;
	bool possible; /* the kernel agreed to stamp */
	bool waiting;  /* a stamp was asked for and has not been read */
	unsigned unanswered;
	uint32_t next;    /* the kernel's number for the next packet that asks for a stamp */
	uint32_t unsure;  /* it may be as much greater */
	uint32_t wanted;  /* next, of the packet that waits */
	int64_t stamp_ns; /* CLOCK_REALTIME in that packet */
};

/* One message of the error queue. */
struct transmit_answer {
	uint32_t number;
	int64_t real_ns;
};

/* The socket must be nobody else's to ask for transmit stamps on. */
void transmit_init(struct transmit *transmit, int fd);

/*
 * Sends; with ask set, asks for the packet to be stamped, if possible, and
 * forgets one that still waits. As send(): -1 and errno.
 */
ssize_t transmit_send(struct transmit *transmit, const void *packet, size_t size, bool ask, int64_t stamp_ns);

/* From the packet's stamp to the kernel's, of the packet that waited. False: it is not there. */
bool transmit_read(struct transmit *transmit, int64_t *gap_ns);

/* False: it is something else. */
bool transmit_parse(struct msghdr *message, struct transmit_answer *answer);

#endif
