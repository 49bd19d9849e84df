/*
 * Who listens at a TCP port of this host, as /proc has it for the network
 * namespace of the calling thread.
 */
#ifndef CLOCK_LISTENER_H
#define CLOCK_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct clock_listener {
	uid_t uid;      /* who made the socket: who runs it may have become another since */
	uint64_t inode; /* the same: the same socket */
};

/* An address in figures where only this host can answer: of loopback, or none (0.0.0.0, ::), which comes to
 * it. */
bool clock_listener_is_local(const char *host);

/* Of a local host. 0, ENOENT: nobody, or errno. */
int clock_listener_find(const char *host, uint16_t port, struct clock_listener *listener);

#endif
