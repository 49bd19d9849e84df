/*
 * Between the server and ptp4l: whoever may send to ptp4l's socket can also set
 * it. So the opener keeps that, and lets through the questions that
 * clock/ptp_wire.h makes, and what ptp4l says to them; all else is dropped, and
 * so is what finds a full queue: neither side is ever waited for.
 */
#ifndef OWAMPD_RELAY_H
#define OWAMPD_RELAY_H

#include <stdbool.h>

/* Both -1: not in use. */
struct relay {
	int server;
	int ptp;
};

#define RELAY_NONE ((struct relay){.server = -1, .ptp = -1})

/*
 * Takes ptp, a connected socket, in any case. Returns the server's end, a
 * SOCK_SEQPACKET, as of a pair of SOCK_DGRAM neither would see the other go; or
 * -1 with errno. What the relay had is closed.
 */
int relay_start(struct relay *relay, int ptp);

/*
 * After poll() for POLLIN with what it said of each end: one message each. If
 * either end is gone, the relay is closed, which the other end sees.
 */
void relay_pass(struct relay *relay, short server_events, short ptp_events);

void relay_close(struct relay *relay);

#endif
