/* The collector's own: what its parts share. Everything is guarded by the collector's lock. */
#ifndef ENGINE_COLLECTOR_INTERNAL_H
#define ENGINE_COLLECTOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <owamp/collector.h>

#include "arrival.h"
#include "heap.h"
#include "session_clock.h"
#include "setting.h"

/* What the thread may still hold an event of; freed when it no longer can. */
struct retired {
	struct retired *next;
	void *object;
	void (*release)(void *object);
};

/* A socket that packets come in by: of one session, or of a port with its places. */
struct inlet {
	struct owamp_collector *collector;
	struct owamp_collector_session *session; /* NULL: a port's */
	struct owamp_collector_port *port;       /* NULL: a session's */
	int fd;
	bool open;
	/* The kernel's count of drops goes to 32 bits: as last seen, and what that adds up to. */
	uint32_t count;
	uint64_t drops;
};

struct owamp_collector {
	struct owamp_loop *loop;
	const struct owamp_clock *clock;
	struct hardware *hardware; /* NULL: only the kernel stamps */
	pthread_t thread;
	pthread_mutex_t lock;
	atomic_uint waiting; /* threads that want the lock: a busy holder makes way */
	int cpu;
	int pin_errno;
	pthread_cond_t started;
	bool running;
	bool has_thread;
	int epoll;
	int wake;
	int warm; /* a socket that keeps the kernel stamping packets */
	struct heap heap;
	struct retired *retired;
	int64_t previous_wake; /* mono: what was ready then has been read since */
	struct setting setting;
	bool quit;
	struct arrivals arrivals;
};

struct owamp_collector_session {
	struct owamp_due due; /* first member: when to look for losses, on CLOCK_MONOTONIC */
	struct owamp_collector *collector;
	struct owamp_receiver *receiver;
	struct inlet *inlet;
	struct inlet own;                    /* unless it is at a place */
	struct owamp_collector_place *place; /* NULL: it has a socket of its own */
	union arrival_address sender;
	/*
	 * CLOCK_REALTIME less CLOCK_MONOTONIC when it began: what it decides is
	 * decided on CLOCK_MONOTONIC, so far from UTC.
	 */
	int64_t shift0_ns;
	struct session_clock clock;
	uint64_t strangers;
	uint64_t unstamped;
	uint64_t hardware_stamped;
	/* Of the inlet's drops: what there was before, and what the receiver was told of. */
	uint64_t drops_before;
	uint64_t drops_told;
	uint64_t drops_at_stop;
	bool stopped;
	bool failed;
	bool finished_posted;
	void (*finished)(void *context);
	void *context;
	struct owamp_post post;
	struct retired retired;
};

void collector_lock(struct owamp_collector *collector);
void collector_unlock(struct owamp_collector *collector);

/* The lock to whoever waits for it, and back. */
void collector_make_way(struct owamp_collector *collector);

void collector_wake(struct owamp_collector *collector);

/* Wakes the thread to have it freed. */
void collector_retire(struct owamp_collector *collector, struct retired *retired, void *object,
		      void (*release)(void *object));

/* Has the socket watched by the thread. OWAMP_ESYSTEM. */
int inlet_open(struct inlet *inlet, struct owamp_collector *collector, int fd);
void inlet_close(struct inlet *inlet);

/*
 * Reads one batch and hands it out. The number of datagrams, or -1.
 * *latest_mono: when the latest arrived, of those of which that is known for
 * certain; else unchanged.
 */
int inlet_read(struct inlet *inlet, int64_t *latest_mono);

/* Drops at the socket until now, those included that no datagram has told of yet. */
uint64_t inlet_drops(const struct inlet *inlet);

/* Declares lost what is due, if anything is; sets the time of the next look. */
void session_look(struct owamp_collector_session *session);

/* Takes in what has arrived by now, and declares lost what is due. */
void session_expire(struct owamp_collector_session *session);

/* The same, until nothing that is due at the time of the call is left undeclared. */
void session_expire_all(struct owamp_collector_session *session);

/* The session that a datagram to the port belongs to, or NULL; strangers are counted. */
struct owamp_collector_session *collector_port_session(struct owamp_collector_port *port,
						       const union arrival_address *source);

/* What comes for the place from now on is dropped. */
void collector_place_clear(struct owamp_collector_place *place);

/* One that gets nothing yet. */
struct owamp_collector_session *session_new(struct owamp_collector *collector,
					    struct owamp_receiver *receiver, void (*finished)(void *context),
					    void *context);

/* It gets no packets any more. */
void session_detach(struct owamp_collector_session *session);

/* Within 50 ms: the kernel stamps packets for as long as this socket is open. -1: it could not be had. */
int warm_up(struct arrivals *arrivals);

#endif
