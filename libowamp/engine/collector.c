#include <owamp/collector.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

#include "collector_internal.h"
#include "realtime.h"
#include "threads.h"

#define EVENTS_AT_ONCE 64

/* On a kernel without epoll_pwait2(): deadlines are in milliseconds, and not further than this. */
#define COARSE_WAIT_MS 1000

/*
 * As with the pacer, the lock is held while packets are taken in and free while
 * the thread sleeps. It is offered between batches, and goes to whoever waits:
 * a mutex with priority inheritance is handed over, where an ordinary one would
 * be back with the thread that let go before the other has woken up.
 */
void collector_lock(struct owamp_collector *collector)
{
	collector->waiting++;
	pthread_mutex_lock(&collector->lock);
	collector->waiting--;
}

void collector_unlock(struct owamp_collector *collector)
{
	pthread_mutex_unlock(&collector->lock);
}

void collector_make_way(struct owamp_collector *collector)
{
	if (collector->waiting == 0)
		return;
	collector_unlock(collector);
	collector_lock(collector);
}

void collector_wake(struct owamp_collector *collector)
{
	const uint64_t one = 1;

	if (write(collector->wake, &one, sizeof one) < 0)
		return;
}

void collector_retire(struct owamp_collector *collector, struct retired *retired, void *object,
		      void (*release)(void *object))
{
	*retired = (struct retired){.next = collector->retired, .object = object, .release = release};
	collector->retired = retired;
	collector_wake(collector);
}

static void release_retired(struct owamp_collector *collector)
{
	while (collector->retired) {
		struct retired *retired = collector->retired;

		collector->retired = retired->next;
		retired->release(retired->object);
	}
}

/* *woken: before the lock, which others may hold for long: what comes meanwhile is in none of the events. */
static int wait_for_events(struct owamp_collector *collector, struct epoll_event *events, int64_t *woken)
{
	const struct owamp_due *due = heap_first(&collector->heap);
	struct timespec timeout;
	int64_t ns = 0;
	int count;

	if (due) {
		ns = due->ns - owamp_mono_ns();
		if (ns < 0)
			ns = 0;
		timeout = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	}
	collector_unlock(collector);
	count = epoll_pwait2(collector->epoll, events, EVENTS_AT_ONCE, due ? &timeout : NULL, NULL);
	/* Old kernels and sandboxes do not know it. */
	if (count < 0 && errno != EINTR)
		count = epoll_wait(collector->epoll, events, EVENTS_AT_ONCE,
				   due && ns / 1000000 < COARSE_WAIT_MS ? (int)(ns / 1000000) + 1
									: COARSE_WAIT_MS);
	*woken = owamp_mono_ns();
	collector_lock(collector);
	return count;
}

/* False: there may be more to read. */
static bool serve_event(struct owamp_collector *collector, const struct epoll_event *event)
{
	struct inlet *inlet = event->data.ptr;
	int64_t latest_mono = INT64_MIN;
	uint64_t wakes;

	if (!inlet) {
		(void)!read(collector->wake, &wakes, sizeof wakes);
		return true;
	}
	/* Closed since the event: retired, but still there. */
	if (!inlet->open)
		return true;
	return inlet_read(inlet, &latest_mono) < ARRIVALS_AT_ONCE;
}

static void start_up(struct owamp_collector *collector)
{
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_NAME, "owamp-collector", 0UL, 0UL, 0UL);
	if (collector->cpu >= 0)
		collector->pin_errno = realtime_pin(collector->cpu);
	collector->running = true;
	pthread_cond_signal(&collector->started);
}

static void *run(void *context)
{
	struct owamp_collector *collector = context;
	struct epoll_event events[EVENTS_AT_ONCE];

	collector_lock(collector);
	start_up(collector);
	while (!collector->quit) {
		int64_t woken;
		int count = wait_for_events(collector, events, &woken);
		bool all_read = count >= 0 && count < EVENTS_AT_ONCE;
		struct owamp_due *due;

		for (int i = 0; i < count; i++) {
			all_read &= serve_event(collector, &events[i]);
			collector_make_way(collector);
		}
		while ((due = heap_first(&collector->heap)) && due->ns <= woken) {
			session_look((struct owamp_collector_session *)due);
			collector_make_way(collector);
		}
		if (all_read)
			collector->previous_wake = woken;
		release_retired(collector);
	}
	release_retired(collector);
	collector_unlock(collector);
	return NULL;
}

static int start_thread(struct owamp_collector *collector)
{
	struct epoll_event event = {.events = EPOLLIN};
	int error;

	collector->epoll = epoll_create1(EPOLL_CLOEXEC);
	collector->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (collector->epoll < 0 || collector->wake < 0 ||
	    epoll_ctl(collector->epoll, EPOLL_CTL_ADD, collector->wake, &event))
		return errno;
	error = pthread_create(&collector->thread, NULL, run, collector);
	if (error)
		return error;
	collector->has_thread = true;
	collector_lock(collector);
	while (!collector->running)
		pthread_cond_wait(&collector->started, &collector->lock);
	collector_unlock(collector);
	return collector->pin_errno;
}

int collector_new(struct owamp_collector **collector, struct owamp_loop *loop,
		  const struct owamp_clock *clock, struct hardware *hardware, int cpu)
{
	struct owamp_collector *c = calloc(1, sizeof *c);
	int error;

	*collector = NULL;
	if (!c)
		return OWAMP_ENOMEM;
	c->loop = loop;
	c->clock = clock;
	c->hardware = hardware;
	c->cpu = cpu;
	arrivals_init(&c->arrivals);
	c->warm = warm_up(&c->arrivals);
	c->previous_wake = owamp_mono_ns();
	setting_init(&c->setting);
	realtime_mutex_init(&c->lock);
	pthread_cond_init(&c->started, NULL);
	error = start_thread(c);
	if (error) {
		collector_free(c);
		errno = error;
		return OWAMP_ESYSTEM;
	}
	*collector = c;
	return 0;
}

void collector_free(struct owamp_collector *collector)
{
	if (!collector)
		return;
	if (collector->has_thread) {
		collector_lock(collector);
		collector->quit = true;
		collector_unlock(collector);
		collector_wake(collector);
		pthread_join(collector->thread, NULL);
	}
	if (collector->epoll >= 0)
		close(collector->epoll);
	if (collector->wake >= 0)
		close(collector->wake);
	if (collector->warm >= 0)
		close(collector->warm);
	heap_free(&collector->heap);
	pthread_cond_destroy(&collector->started);
	pthread_mutex_destroy(&collector->lock);
	free(collector);
}

static void call_finished(struct owamp_post *post)
{
	struct owamp_collector_session *session = post->context;

	session->finished(session->context);
}

struct owamp_collector_session *session_new(struct owamp_collector *collector,
					    struct owamp_receiver *receiver, void (*finished)(void *context),
					    void *context)
{
	struct owamp_collector_session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->collector = collector;
	session->receiver = receiver;
	session_clock_begin(&session->clock, collector->clock);
	session->finished = finished;
	session->context = context;
	session->post = (struct owamp_post){.call = call_finished, .context = session};
	return session;
}

int owamp_collector_start(struct owamp_collector *collector, struct owamp_receiver *receiver, int fd,
			  const struct sockaddr *sender, void (*finished)(void *context), void *context,
			  struct owamp_collector_session **session)
{
	struct owamp_collector_session *s = session_new(collector, receiver, finished, context);
	int error;

	*session = NULL;
	if (!s)
		return OWAMP_ENOMEM;
	memcpy(&s->sender, sender, owamp_address_size(sender));
	s->own.session = s;
	s->inlet = &s->own;
	collector_lock(collector);
	error = heap_set(&collector->heap, &s->due, owamp_mono_ns());
	if (!error) {
		error = inlet_open(s->inlet, collector, fd);
		if (error)
			heap_remove(&collector->heap, &s->due);
	}
	collector_unlock(collector);
	if (error) {
		free(s);
		return error;
	}
	collector_wake(collector);
	*session = s;
	return 0;
}

void session_detach(struct owamp_collector_session *session)
{
	if (session->place)
		collector_place_clear(session->place);
	session->place = NULL;
	/* A port's inlet is not one session's to close; this one may have left its place before. */
	if (session->inlet == &session->own)
		inlet_close(session->inlet);
}

static uint64_t socket_drops(const struct owamp_collector_session *session)
{
	uint64_t drops = session->stopped ? session->drops_at_stop : inlet_drops(session->inlet);

	return drops - session->drops_before;
}

/* With the lock held. */
static void stop_receiving(struct owamp_collector_session *session)
{
	if (session->stopped)
		return;
	session->drops_at_stop = inlet_drops(session->inlet);
	session->stopped = true;
	session_clock_end(&session->clock, session->collector->clock);
	heap_remove(&session->collector->heap, &session->due);
	session_detach(session);
}

int owamp_collector_stop(struct owamp_collector_session *session, const struct owamp_stop_session *stop,
			 uint32_t *cut)
{
	int error;

	collector_lock(session->collector);
	if (!session->stopped && !session->failed)
		session_expire_all(session);
	stop_receiving(session);
	error = session->failed ? OWAMP_ENOMEM : owamp_receiver_end(session->receiver, stop, cut);
	collector_unlock(session->collector);
	return error;
}

void owamp_collector_health(struct owamp_collector_session *session, struct owamp_receive_health *health)
{
	struct session_clock clock;

	collector_lock(session->collector);
	clock = session_clock_now(&session->clock, session->collector->clock);
	*health = (struct owamp_receive_health){
		.counters = *owamp_receiver_counters(session->receiver),
		.socket_drops = socket_drops(session),
		.strangers = session->strangers,
		.unstamped = session->unstamped,
		.hardware_stamped = session->hardware_stamped,
		.window_octets = owamp_receiver_memory(session->receiver),
		.failed = session->failed,
		.clock_steps = clock.steps,
		.clock_step_ns = clock.step_ns,
		.clock_bound_max_ns = clock.bound_max_ns,
		.clock_source = clock.source,
		.clock_contradiction = clock.contradiction,
	};
	collector_unlock(session->collector);
}

static void release_session(void *object)
{
	struct owamp_collector_session *session = object;

	owamp_receiver_free(session->receiver);
	free(session);
}

void owamp_collector_end(struct owamp_collector_session *session)
{
	struct owamp_collector *collector;

	if (!session)
		return;
	collector = session->collector;
	collector_lock(collector);
	stop_receiving(session);
	/* Before the thread can free it. */
	owamp_loop_unpost(collector->loop, &session->post);
	collector_retire(collector, &session->retired, session, release_session);
	collector_unlock(collector);
}
