#include "pacer_internal.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "instant.h"
#include "realtime.h"
#include "threads.h"

/* A full send buffer is tried again after this. */
#define RETRY_NS 100000

/* What asking for a transmit stamp and reading it may take: only while nothing else is due. */
#define STAMP_NS 5000

/* Some microseconds of trying; less than one of giving it a chance. */
#define LOCK_TRIES 100
#define WAY_TRIES  10

/* Others of the same real-time priority wait no longer than this for a thread that does not sleep. */
#define SHARE_NS 20000

/* From the starting thread to the pacer's and back. */
struct start {
	struct owamp_pacer *pacer;
	const struct owamp_engine_config *config;
	struct owamp_engine_granted *granted;
	int error;
	sem_t done;
};

/* A packet takes less time than going to sleep and waking up again, for either thread. */
static void lock(struct owamp_pacer *pacer)
{
	int tries = LOCK_TRIES;

	pacer->waiting++;
	while (tries > 0 && pthread_mutex_trylock(&pacer->lock)) {
		spin_pause();
		tries--;
	}
	if (tries == 0)
		pthread_mutex_lock(&pacer->lock);
	pacer->waiting--;
}

static void unlock(struct owamp_pacer *pacer)
{
	pthread_mutex_unlock(&pacer->lock);
}

/*
 * For those who want the lock. Who sleeps for it gets it with unlock(): such a
 * mutex is handed over. Who still tries needs a moment, and another CPU.
 */
static void make_way(struct owamp_pacer *pacer)
{
	unlock(pacer);
	for (int i = 0; i < WAY_TRIES && pacer->waiting > 0; i++)
		spin_pause();
	pthread_mutex_lock(&pacer->lock);
}

/* With the lock held: the pacer looks again at what it waits for. */
static void announce(struct owamp_pacer *pacer)
{
	pacer->changes++;
	pthread_cond_signal(&pacer->change);
}

static void call_finished(struct owamp_post *post)
{
	struct owamp_pacer_session *session = post->context;

	session->finished(session->context);
}

/* No packet leaves after this. */
static void leave(struct owamp_pacer_session *session)
{
	heap_remove(&session->pacer->heap, &session->due);
	if (session->transmit.waiting)
		departure_read(session);
	session_clock_end(&session->clock, session->pacer->clock);
}

static void finish(struct owamp_pacer_session *session)
{
	leave(session);
	owamp_loop_post(session->pacer->loop, &session->post);
}

static int64_t mono_of(const struct owamp_pacer_session *session, owamp_ntp time)
{
	return session->mono0 + owamp_ntp_diff_ns(time, session->utc0);
}

static owamp_ntp schedule_time(const struct owamp_pacer_session *session, int64_t mono)
{
	return session->utc0 + owamp_interval_from_ns((uint64_t)(mono - session->mono0));
}

/* Sends the packet that is due, or counts why not. False: nothing more can be done now. */
static bool serve_packet(struct owamp_pacer_session *session, int64_t *now)
{
	struct owamp_pacer *pacer = session->pacer;
	bool ask = pacer->rested && heap_second_ns(&pacer->heap) > *now + STAMP_NS &&
		   departure_may_ask(session, *now);
	int error;

	pacer->rested = false;
	error = departure_send(session, mono_of(session, session->last), ask, now);
	if (error == EAGAIN || error == ENOBUFS) {
		*now = owamp_mono_ns();
		(void)heap_set(&pacer->heap, &session->due, *now + RETRY_NS);
		return false;
	}
	if (error) {
		*now = owamp_mono_ns();
		session->send_errors++;
		session->last_errno = error;
	}
	if (owamp_sender_next(session->sender, error == 0)) {
		finish(session);
		return false;
	}
	return true;
}

/*
 * What the session has to do now is done, what comes next prepared while there
 * is time. *now: on return, the time after the last packet. A session that has
 * fallen behind is next served after all others that are due by now: one that
 * asks for too much makes only itself late.
 */
static void serve(struct owamp_pacer_session *session, int64_t *now)
{
	int action = owamp_sender_poll(session->sender, schedule_time(session, *now), &session->last);

	if (action == OWAMP_SENDER_SEND) {
		if (!serve_packet(session, now))
			return;
		action = owamp_sender_poll(session->sender, schedule_time(session, *now), &session->last);
	} else {
		*now = owamp_mono_ns();
	}
	if (action == OWAMP_SENDER_WAIT && owamp_sender_prepare(session->sender))
		action = OWAMP_ECRYPTO;
	if (action == OWAMP_SENDER_WAIT)
		(void)heap_set(&session->pacer->heap, &session->due, mono_of(session, session->last));
	else if (action == OWAMP_SENDER_SEND || action == OWAMP_SENDER_AGAIN)
		(void)heap_set(&session->pacer->heap, &session->due, *now);
	else
		finish(session);
}

/*
 * A futex wait wakes to the timer slack; poll and epoll add a thousandth of
 * the time slept, which is a millisecond after a second.
 */
static void sleep_until(struct owamp_pacer *pacer, int64_t until_ns)
{
	if (until_ns < INT64_MAX) {
		const struct timespec until = {.tv_sec = until_ns / 1000000000,
					       .tv_nsec = until_ns % 1000000000};

		(void)pthread_cond_clockwait(&pacer->change, &pacer->lock, CLOCK_MONOTONIC, &until);
	} else {
		(void)pthread_cond_wait(&pacer->change, &pacer->lock);
	}
}

/*
 * Without the lock. Under SCHED_FIFO nobody of the same priority runs on this
 * CPU until this thread sleeps or says so: other pacers would be late with it.
 */
static void share(struct owamp_pacer *pacer, int64_t now)
{
	if (!pacer->realtime || now - pacer->shared_ns < SHARE_NS)
		return;
	(void)sched_yield();
	pacer->shared_ns = now;
}

static int64_t spin_until(struct owamp_pacer *pacer, int64_t until_ns)
{
	unsigned changes = pacer->changes;
	int64_t now;

	unlock(pacer);
	while ((now = owamp_mono_ns()) < until_ns &&
	       atomic_load_explicit(&pacer->changes, memory_order_relaxed) == changes) {
		spin_pause();
		share(pacer, now);
	}
	pthread_mutex_lock(&pacer->lock);
	return now;
}

/* Until then, or a part of it, or until something changed. Returns the time. */
static int64_t wait_until(struct owamp_pacer *pacer, int64_t until_ns, int64_t now)
{
	int64_t window = spin_allowed(&pacer->spin, now) ? pacer->spin.window_ns : 0;
	int64_t after;

	pacer->rested = true;
	if (until_ns - now <= window)
		return spin_until(pacer, until_ns);
	sleep_until(pacer, until_ns < INT64_MAX ? until_ns - window : until_ns);
	after = owamp_mono_ns();
	spin_slept(&pacer->spin, now, after);
	pacer->shared_ns = after;
	return after;
}

static void pace(struct owamp_pacer *pacer)
{
	int64_t now = owamp_mono_ns();

	while (!pacer->quit) {
		struct owamp_due *first = heap_first(&pacer->heap);
		int64_t due = first ? first->ns : INT64_MAX;

		if (due <= now) {
			serve((struct owamp_pacer_session *)first, &now);
		} else if (pacer->pending && due - now > STAMP_NS) {
			departure_read(pacer->pending);
			now = owamp_mono_ns();
		} else {
			now = wait_until(pacer, due, now);
		}
		if (atomic_load_explicit(&pacer->waiting, memory_order_relaxed) > 0) {
			make_way(pacer);
			now = owamp_mono_ns();
		}
		if (pacer->realtime && now - pacer->shared_ns >= SHARE_NS) {
			unlock(pacer);
			share(pacer, now);
			pthread_mutex_lock(&pacer->lock);
			now = owamp_mono_ns();
		}
	}
}

static int ask_machine(const struct owamp_engine_config *config, struct owamp_engine_granted *granted)
{
	/* The default slack of 50 us would make every packet that late. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_NAME, "owamp-pacer", 0UL, 0UL, 0UL);
	if (config->realtime_priority > 0) {
		granted->realtime_errno = realtime_schedule(config->realtime_priority);
		granted->realtime = granted->realtime_errno == 0;
	}
	granted->spin_ns = config->spin_ns;
	if (config->spin_ns == OWAMP_SPIN_AUTO)
		granted->spin_ns = granted->realtime ? OWAMP_SPIN_NS : 0;
	return config->pacer_cpu >= 0 ? realtime_pin(config->pacer_cpu) : 0;
}

static void *run(void *context)
{
	struct start *start = context;
	struct owamp_pacer *pacer = start->pacer;
	int error = ask_machine(start->config, start->granted);

	pacer->realtime = start->granted->realtime;
	spin_init(&pacer->spin, start->granted->spin_ns, owamp_mono_ns());
	start->error = error;
	sem_post(&start->done); /* start is gone after this */
	if (error)
		return NULL;
	pthread_mutex_lock(&pacer->lock);
	pace(pacer);
	unlock(pacer);
	return NULL;
}

/* 0 or an errno. */
static int start_thread(struct owamp_pacer *pacer, const struct owamp_engine_config *config,
			struct owamp_engine_granted *granted)
{
	struct start start = {.pacer = pacer, .config = config, .granted = granted};
	int error;

	sem_init(&start.done, 0, 0);
	error = pthread_create(&pacer->thread, NULL, run, &start);
	if (!error) {
		while (sem_wait(&start.done))
			;
		error = start.error;
		if (error)
			pthread_join(pacer->thread, NULL);
	}
	sem_destroy(&start.done);
	return error;
}

static void destroy(struct owamp_pacer *pacer)
{
	pthread_cond_destroy(&pacer->change);
	heap_free(&pacer->heap);
	pthread_mutex_destroy(&pacer->lock);
	free(pacer);
}

int pacer_new(struct owamp_pacer **pacer, struct owamp_loop *loop, const struct owamp_clock *clock,
	      const struct owamp_engine_config *config, struct owamp_engine_granted *granted)
{
	struct owamp_pacer *p = calloc(1, sizeof *p);
	int error;

	*pacer = NULL;
	if (!p)
		return OWAMP_ENOMEM;
	p->loop = loop;
	p->clock = clock;
	departure_init(p, owamp_mono_ns());
	realtime_mutex_init(&p->lock);
	pthread_cond_init(&p->change, NULL);
	error = start_thread(p, config, granted);
	if (error) {
		destroy(p);
		errno = error;
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
	announce(pacer);
	unlock(pacer);
	pthread_join(pacer->thread, NULL);
	destroy(pacer);
}

/* The whole schedule is off by as much as this thread loses its CPU between the readings. */
static void map_clocks(struct owamp_pacer_session *session)
{
	struct instant now;

	instant_read(&now, INSTANT_TRIES_MANY);
	session->mono0 = instant_mono(&now);
	session->utc0 = owamp_ntp_from_unix_ns(now.real_ns);
}

/*
 * When the session needs the pacer first. The first packet is prepared on this
 * thread, so that the start of many sessions disturbs no packet that is due.
 */
static int64_t first_due(struct owamp_pacer_session *session)
{
	if (owamp_sender_poll(session->sender, session->utc0, &session->last) == OWAMP_SENDER_WAIT &&
	    owamp_sender_prepare(session->sender) == 0)
		return mono_of(session, session->last);
	return session->mono0;
}

int owamp_pacer_start(struct owamp_pacer *pacer, struct owamp_sender *sender, int fd,
		      void (*finished)(void *context), void *context, struct owamp_pacer_session **session)
{
	struct owamp_pacer_session *s = calloc(1, sizeof *s);
	int64_t due;
	int error;

	*session = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	s->pacer = pacer;
	s->sender = sender;
	s->finished = finished;
	s->context = context;
	s->post = (struct owamp_post){.call = call_finished, .context = s};
	transmit_init(&s->transmit, fd);
	map_clocks(s);
	session_clock_begin(&s->clock, pacer->clock);
	due = first_due(s);
	lock(pacer);
	error = heap_set(&pacer->heap, &s->due, due);
	if (!error && heap_first(&pacer->heap) == &s->due)
		announce(pacer);
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
	leave(session);
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
	departure_health(session, health);
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

int64_t owamp_pacer_last_mono_ns(struct owamp_pacer_session *session)
{
	return mono_of(session, owamp_pacer_last(session));
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
