/*
 * The collector: one thread that receives the packets of all receiving
 * sessions. The receive time is the kernel's (SO_TIMESTAMPING); where the
 * kernel gave none, it is the time after the wake-up, with an error estimate
 * that covers the whole time the packet may have waited.
 *
 * What a session decides (late, lost, over) is decided on CLOCK_MONOTONIC, mapped
 * to UTC when its first packet arrives: a clock that is set after that moves
 * no deadline. Its records have the stamps as they are; S is not set for those
 * taken after that, nor for those that may have been, until the clock is known again.
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
	/*
	 * Datagrams the kernel dropped at our own socket, for want of room or with a
	 * wrong checksum; of a shared port, all since the session started, whoever's
	 * they were.
	 */
	uint64_t socket_drops;
	/* Datagrams from another address or port than the sender's; not of a shared port. */
	uint64_t strangers;
	uint64_t unstamped;        /* packets with no timestamp of kernel or interface */
	uint64_t hardware_stamped; /* packets stamped by the interface's own clock */
	size_t window_octets;      /* memory of the receiver's window */
	bool failed;               /* the session broke for a reason of ours (memory) */
	/* What this host's clock did while the session received. */
	uint32_t clock_steps;       /* times it was set; leap seconds do not count */
	int64_t clock_step_ns;      /* by how much, in sum */
	int64_t clock_bound_max_ns; /* the largest bound of a packet's stamp, without the act of stamping */
	const char *clock_source;   /* what the bound came from at the end: OWAMP_CLOCK_...; static text */
	bool clock_contradiction;   /* its sources contradicted each other, for a while at least */
};

/*
 * Starts receiving from fd, a bound UDP socket of owamp_socket_test(); fd
 * stays the caller's and must stay open until owamp_collector_end(). Takes the
 * receiver over, whose sink is called on the collector's thread: it must be
 * quick and must not call into the collector. Datagrams whose source is not
 * sender are counted and dropped; a port of 0 in sender matches any.
 * finished runs on the loop's thread when the receiver is complete.
 *
 * Losses are declared up to a second after they are due, so the window is
 * larger by that much; the end of a session comes when it is due.
 */
OWAMP_API int owamp_collector_start(struct owamp_collector *collector, struct owamp_receiver *receiver,
				    int fd, const struct sockaddr *sender, void (*finished)(void *context),
				    void *context, struct owamp_collector_session **session);

/*
 * One port that many sessions receive at, told apart by the address and port
 * of their senders (RFC 8545 has UDP port 861 for it). fd is a bound UDP socket
 * of owamp_socket_test(), the caller's, open until the port is closed. Loop's
 * thread.
 */
struct owamp_collector_port;
struct owamp_collector_place;

OWAMP_API int owamp_collector_port_open(struct owamp_collector *collector, int fd,
					struct owamp_collector_port **port);

/* All places must be gone. */
OWAMP_API void owamp_collector_port_close(struct owamp_collector_port *port);

/* Datagrams so far from senders that no session expects. Any thread. */
OWAMP_API uint64_t owamp_collector_port_strangers(const struct owamp_collector_port *port);

/*
 * Reserves the port for one sender; what it sends before a session starts
 * there is dropped. OWAMP_EINVAL: the place is taken, or sender has no port.
 * The scope of an IPv6 address matters only if the address is link-local; 0
 * is then any link.
 */
OWAMP_API int owamp_collector_place_take(struct owamp_collector_port *port, const struct sockaddr *sender,
					 struct owamp_collector_place **place);

/* The session there must have been ended. place may be NULL. */
OWAMP_API void owamp_collector_place_leave(struct owamp_collector_place *place);

/* As owamp_collector_start(), at a place. OWAMP_ESTATE: there is a session already. */
OWAMP_API int owamp_collector_start_at(struct owamp_collector_place *place, struct owamp_receiver *receiver,
				       void (*finished)(void *context), void *context,
				       struct owamp_collector_session **session);

/*
 * Takes in what has arrived, declares lost what is due, and stops receiving.
 * On a shared port that may call the sinks of its other sessions.
 * stop is the sender's Stop-Sessions record, or NULL if there was none; *cut
 * as owamp_receiver_end() says. No record comes after this.
 */
OWAMP_API int owamp_collector_stop(struct owamp_collector_session *session,
				   const struct owamp_stop_session *stop, uint32_t *cut);

/* At any time. After stop() the counts no longer change. */
OWAMP_API void owamp_collector_health(struct owamp_collector_session *session,
				      struct owamp_receive_health *health);

/* Stops if need be, frees session and receiver. finished is not called any more. */
OWAMP_API void owamp_collector_end(struct owamp_collector_session *session);

#endif
