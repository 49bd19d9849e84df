/*
 * The collector: one thread that receives the packets of all receiving
 * sessions. The receive time is the kernel's (SO_TIMESTAMPING); where the
 * kernel gave none, it is the time after the wake-up, with an error estimate
 * that covers the whole time the packet may have waited.
 */
#ifndef OWAMP_COLLECTOR_H
#define OWAMP_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"
#include "export.h"
#include "loop.h"
#include "receiver.h"

struct owamp_collector;
struct owamp_collector_session;

struct owamp_receive_health {
	struct owamp_receiver_counters counters;
	uint64_t socket_drops; /* datagrams the kernel dropped at our own socket */
	uint64_t strangers;    /* datagrams from another address or port than the sender's */
	uint64_t unstamped;    /* packets without a kernel timestamp */
	size_t window_octets;  /* memory of the receiver's window */
	bool failed;           /* the session broke for a reason of ours (memory) */
};

OWAMP_API int owamp_collector_new(struct owamp_collector **collector, struct owamp_loop *loop,
				  const struct owamp_clock *clock);
OWAMP_API void owamp_collector_free(struct owamp_collector *collector);

/*
 * Starts receiving from fd, a bound UDP socket of owamp_socket_test(); fd
 * stays the caller's and must stay open until owamp_collector_end(). Takes the
 * receiver over, whose sink is called on the collector's thread: it must be
 * quick and must not call into the collector. Datagrams whose source is not
 * sender are counted and dropped; a port of 0 in sender matches any.
 * finished runs on the loop's thread when the receiver is complete.
 */
OWAMP_API int owamp_collector_start(struct owamp_collector *collector, struct owamp_receiver *receiver,
				    int fd, const struct sockaddr *sender, void (*finished)(void *context),
				    void *context, struct owamp_collector_session **session);

/*
 * Takes in what has arrived, declares lost what is due, and stops receiving.
 * stop is the sender's Stop-Sessions record, or NULL if there was none; *cut
 * as owamp_receiver_end() says. No record comes after this.
 */
OWAMP_API int owamp_collector_stop(struct owamp_collector_session *session,
				   const struct owamp_stop_session *stop, uint32_t *cut);

/* At any time. */
OWAMP_API void owamp_collector_health(struct owamp_collector_session *session,
				      struct owamp_receive_health *health);

/* Stops if need be, frees session and receiver. finished is not called any more. */
OWAMP_API void owamp_collector_end(struct owamp_collector_session *session);

#endif
