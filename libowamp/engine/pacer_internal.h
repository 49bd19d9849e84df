/* What pacer.c (when packets leave) and departure.c (how one leaves) share. */
#ifndef ENGINE_PACER_INTERNAL_H
#define ENGINE_PACER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <owamp/pacer.h>

#include "fading.h"
#include "heap.h"
#include "lateness.h"
#include "session_clock.h"
#include "spin.h"
#include "transmit.h"

/*
 * The lock is held while a packet is sent and free while the thread waits, so
 * whoever takes it on the loop's thread waits for one packet at most, and no
 * session changes under the pacer's hands.
 */
struct owamp_pacer {
	struct owamp_loop *loop;
	const struct owamp_clock *clock;
	pthread_t thread;
	pthread_mutex_t lock;  /* inherits priority: the pacer must not starve who holds it, nor be starved */
	atomic_uint waiting;   /* threads that want the lock: a busy pacer makes way */
	atomic_uint changes;   /* what is first in the heap, or the end: seen while spinning */
	pthread_cond_t change; /* the same, while sleeping */
	struct heap heap;
	struct spin spin;
	bool realtime;
	int64_t shared_ns; /* when others of its priority could run last */
	bool rested;       /* it waited before the packet that is being sent: it is not behind */
	bool quit;

	struct fading gap;       /* from a stamp to the packet's departure */
	uint16_t error_estimate; /* as of error_until_ns, with error_gap_ns in it */
	int64_t error_until_ns;
	int64_t error_gap_ns;
	int64_t error_bound_ns; /* the clock's in it */
	uint32_t error_steps;   /* the snapshot's that it was made from, as this: */
	bool error_synchronized;
	int64_t stamps_ns;                   /* rises by an interval with each stamp asked for */
	struct owamp_pacer_session *pending; /* whose stamp is to be read as soon as there is time */
};

struct owamp_pacer_session {
	struct owamp_due due; /* first member */
	struct owamp_pacer *pacer;
	struct owamp_sender *sender;
	/* Schedule time runs on CLOCK_MONOTONIC: this is one instant on both scales. */
	int64_t mono0;
	owamp_ntp utc0;
	owamp_ntp last;

	struct transmit transmit;
	int64_t asked_ns;     /* CLOCK_MONOTONIC: the packet whose stamp was asked for */
	int64_t asked_gap_ns; /* how long its send call took */
	uint64_t sent;
	uint64_t send_errors;
	int last_errno;
	int64_t stamp_gap_max_ns;
	struct lateness lateness;
	struct lateness kernel_gap;
	struct session_clock clock;

	void (*finished)(void *context);
	void *context;
	struct owamp_post post;
};

/* There are thousands of them. */
_Static_assert(sizeof(struct owamp_pacer_session) <= 1536, "a sending session is to stay small");

void departure_init(struct owamp_pacer *pacer, int64_t now_ns);

/*
 * Stamps and sends the current packet of the session, due at due_ns. 0 or an
 * errno. *after_ns: CLOCK_MONOTONIC at the end.
 */
int departure_send(struct owamp_pacer_session *session, int64_t due_ns, bool ask, int64_t *after_ns);

/* A stamp may be asked for now, and is counted as asked for. Only if there is time to read it. */
bool departure_may_ask(struct owamp_pacer_session *session, int64_t now_ns);

/* Takes the kernel's stamp that the session waits for into account, or that it is not there. */
void departure_read(struct owamp_pacer_session *session);

void departure_health(const struct owamp_pacer_session *session, struct owamp_send_health *health);

#endif
