/*
 * The kernel's transmit stamps of one sending socket, through its error queue:
 * asked for with a control message for packets of the caller's choice, read
 * back when there is time.
 */
#ifndef ENGINE_TRANSMIT_H
#define ENGINE_TRANSMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct transmit {
	int fd;
	bool possible; /* the kernel agreed to stamp */
	bool waiting;  /* a stamp was asked for and has not been read */
	uint32_t next; /* the kernel's number for the next packet that asks for a stamp */
	uint32_t wanted;
	int64_t stamped_ns; /* CLOCK_REALTIME in the packet that waits */
};

void transmit_init(struct transmit *transmit, int fd);

/* Sends; with stamp set, asks for the packet to be stamped, if possible. As send(): -1 and errno. */
ssize_t transmit_send(struct transmit *transmit, const void *packet, size_t size, bool stamp,
		      int64_t stamped_ns);

/* From the packet's stamp to the kernel's, of the packet that waited. False: it is not there. */
bool transmit_read(struct transmit *transmit, int64_t *gap_ns);

#endif
