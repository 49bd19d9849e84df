#include <owamp/pacer.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "heap.h"
#include "threads.h"

/* A full send buffer is tried again after this. */
#define RETRY_NS 100000

/* Before anything was measured. */
#define FIRST_GAP_NS 100000

/*
 * The lock is held while a packet is sent and free while the thread sleeps, so
 * whoever takes it on the loop's thread waits for one packet at most, and no
 * session changes under the pacer's hands.
 */
struct owamp_pacer {
	struct owamp_loop *loop;
	const struct owamp_clock *clock;
	pthread_t thread;
	pthread_mutex_t lock;
	atomic_uint waiting;   /* threads that want the lock: a busy pacer makes way */
	pthread_cond_t change; /* a session was added, or the end */
	struct heap heap;
	int64_t gap_ns; /* from a stamp to the end of its send call: a maximum that fades slowly */
	bool quit;
};

struct owamp_pacer_session {
	struct owamp_due due; /* first member */
	struct owamp_pacer *pacer;
	struct owamp_sender *sender;
	int fd;
	/* Schedule time runs on CLOCK_MONOTONIC: this is one instant on both scales. */
	int64_t mono0;
	owamp_ntp utc0;
	owamp_ntp last;
	struct owamp_send_health health;
	double lateness_sum_ns;
	void (*finished)(void *context);
	void *context;
	struct owamp_post post;
};

static void lock(struct owamp_pacer *pacer)
{
	pacer->waiting++;
	pthread_mutex_lock(&pacer->lock);
	pacer->waiting--;
}

static void unlock(struct owamp_pacer *pacer)
{
	pthread_mutex_unlock(&pacer->lock);
}

static void call_finished(struct owamp_post *post)
{
	struct owamp_pacer_session *session = post->context;

	session->finished(session->context);
}

static void finish(struct owamp_pacer_session *session)
{
	heap_remove(&session->pacer->heap, &session->due);
	owamp_loop_post(session->pacer->loop, &session->post);
}

static void note_departure(struct owamp_pacer_session *session, int64_t lateness_ns, int64_t gap_ns)
{
	struct owamp_send_health *health = &session->health;

	health->sent++;
	session->lateness_sum_ns += (double)lateness_ns;
	if (lateness_ns > health->lateness_max_ns)
		health->lateness_max_ns = lateness_ns;
	if (gap_ns > health->stamp_gap_max_ns)
		health->stamp_gap_max_ns = gap_ns;
	session->pacer->gap_ns -= session->pacer->gap_ns / 1024;
	if (gap_ns > session->pacer->gap_ns)
		session->pacer->gap_ns = gap_ns;
}

/* Stamps and sends the current packet. 0, or errno. */
static int depart(struct owamp_pacer_session *session, int64_t *before, int64_t *after)
{
	for (int attempt = 0;; attempt++) {
		const uint8_t *packet;
		uint16_t estimate;
		size_t size;

		*before = owamp_mono_ns();
		estimate = owamp_clock_error(session->pacer->clock, *before, session->pacer->gap_ns);
		packet = owamp_sender_stamp(session->sender, owamp_ntp_from_unix_ns(owamp_real_ns()),
					    estimate, &size);
		if (!packet)
			return EIO;
		if (send(session->fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size) {
			*after = owamp_mono_ns();
			return 0;
		}
		/* An ICMP error for an earlier packet is reported once, in place of sending. */
		if (attempt > 0 || (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH))
			return errno;
	}
}

static int64_t mono_of(const struct owamp_pacer_session *session, owamp_ntp time)
{
	return session->mono0 + owamp_ntp_diff_ns(time, session->utc0);
}

/* Sends the packet that is due, or counts why not. False: nothing more can be done now. */
static bool serve_packet(struct owamp_pacer_session *session, owamp_ntp due)
{
	int64_t before, after;
	int error;

	if (owamp_sender_prepare(session->sender)) {
		error = EIO;
	} else {
		error = depart(session, &before, &after);
		if (error == 0) {
			note_departure(session, before - mono_of(session, due), after - before);
		} else if (error == EAGAIN || error == ENOBUFS) {
			(void)heap_set(&session->pacer->heap, &session->due, owamp_mono_ns() + RETRY_NS);
			return false;
		}
	}
	if (error) {
		session->health.send_errors++;
		session->health.last_errno = error;
	}
	if (owamp_sender_next(session->sender, error == 0)) {
		finish(session);
		return false;
	}
	return true;
}

static void serve(struct owamp_pacer_session *session)
{
	int64_t now = owamp_mono_ns();
	owamp_ntp schedule_now = session->utc0 + owamp_interval_from_ns((uint64_t)(now - session->mono0));
	owamp_ntp due;
	int action = owamp_sender_poll(session->sender, schedule_now, &due);

	session->last = due;
	if (action == OWAMP_SENDER_SEND) {
		if (!serve_packet(session, due))
			return;
		/* What comes next is known at once, and prepared while there is time. */
		action = owamp_sender_poll(session->sender, schedule_now, &due);
		session->last = due;
		if (action == OWAMP_SENDER_WAIT && owamp_sender_prepare(session->sender))
			action = OWAMP_ECRYPTO;
	}
	if (action == OWAMP_SENDER_WAIT || action == OWAMP_SENDER_SEND)
		(void)heap_set(&session->pacer->heap, &session->due, mono_of(session, due));
	else if (action == OWAMP_SENDER_AGAIN)
		(void)heap_set(&session->pacer->heap, &session->due, now);
	else
		finish(session);
}

/*
 * A futex wait wakes to the timer slack; poll and epoll add a thousandth of
 * the time slept, which is a millisecond after a second.
 */
static void sleep_until(struct owamp_pacer *pacer, const struct owamp_due *due)
{
	if (due) {
		const struct timespec until = {.tv_sec = due->ns / 1000000000,
					       .tv_nsec = due->ns % 1000000000};

		(void)pthread_cond_clockwait(&pacer->change, &pacer->lock, CLOCK_MONOTONIC, &until);
	} else {
		(void)pthread_cond_wait(&pacer->change, &pacer->lock);
	}
}

static void *run(void *context)
{
	struct owamp_pacer *pacer = context;

	/* The default slack of 50 us would make every packet that late. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_NAME, "owamp-pacer", 0UL, 0UL, 0UL);
	pthread_mutex_lock(&pacer->lock);
	while (!pacer->quit) {
		struct owamp_due *due = heap_first(&pacer->heap);

		if (!due || due->ns > owamp_mono_ns()) {
			sleep_until(pacer, due);
			continue;
		}
		serve((struct owamp_pacer_session *)due);
		if (pacer->waiting > 0) {
			unlock(pacer);
			(void)sched_yield();
			pthread_mutex_lock(&pacer->lock);
		}
	}
	unlock(pacer);
	return NULL;
}

int pacer_new(struct owamp_pacer **pacer, struct owamp_loop *loop, const struct owamp_clock *clock,
	      const struct owamp_engine_config *config, struct owamp_engine_granted *granted)
{
	struct owamp_pacer *p = calloc(1, sizeof *p);

	(void)config;
	(void)granted;
	*pacer = NULL;
	if (!p)
		return OWAMP_ENOMEM;
	p->loop = loop;
	p->clock = clock;
	p->gap_ns = FIRST_GAP_NS;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->change, NULL);
	if (pthread_create(&p->thread, NULL, run, p)) {
		pthread_cond_destroy(&p->change);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return OWAMP_ESYSTEM;
	}
	*pacer = p;
	return 0;
}

void pacer_free(struct owamp_pacer *pacer)
{
	if (!pacer)
		return;
	lock(pacer);
	pacer->quit = true;
	pthread_cond_signal(&pacer->change);
	unlock(pacer);
	pthread_join(pacer->thread, NULL);
	pthread_cond_destroy(&pacer->change);
	heap_free(&pacer->heap);
	pthread_mutex_destroy(&pacer->lock);
	free(pacer);
}

int owamp_pacer_start(struct owamp_pacer *pacer, struct owamp_sender *sender, int fd,
		      void (*finished)(void *context), void *context, struct owamp_pacer_session **session)
{
	struct owamp_pacer_session *s = calloc(1, sizeof *s);
	int error;

	*session = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	s->pacer = pacer;
	s->sender = sender;
	s->fd = fd;
	s->finished = finished;
	s->context = context;
	s->post = (struct owamp_post){.call = call_finished, .context = s};
	s->mono0 = owamp_mono_ns();
	s->utc0 = owamp_ntp_from_unix_ns(owamp_real_ns());
	lock(pacer);
	error = heap_set(&pacer->heap, &s->due, s->mono0);
	pthread_cond_signal(&pacer->change);
	unlock(pacer);
	if (error) {
		free(s);
		return error;
	}
	*session = s;
	return 0;
}

void owamp_pacer_stop(struct owamp_pacer_session *session)
{
	lock(session->pacer);
	heap_remove(&session->pacer->heap, &session->due);
	unlock(session->pacer);
}

void owamp_pacer_state(struct owamp_pacer_session *session, struct owamp_stop_session *state)
{
	lock(session->pacer);
	owamp_sender_state(session->sender, state);
	unlock(session->pacer);
}

void owamp_pacer_health(struct owamp_pacer_session *session, struct owamp_send_health *health)
{
	lock(session->pacer);
	*health = session->health;
	health->lateness_mean_ns = health->sent ? session->lateness_sum_ns / (double)health->sent : 0;
	unlock(session->pacer);
}

owamp_ntp owamp_pacer_last(struct owamp_pacer_session *session)
{
	owamp_ntp last;

	lock(session->pacer);
	last = session->last;
	unlock(session->pacer);
	return last;
}

void owamp_pacer_end(struct owamp_pacer_session *session)
{
	if (!session)
		return;
	owamp_pacer_stop(session);
	owamp_loop_unpost(session->pacer->loop, &session->post);
	owamp_sender_free(session->sender);
	free(session);
}
