#include <owamp/loop.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "heap.h"
#include "loop_internal.h"
#include "realtime.h"

#define EVENTS_AT_ONCE 64

/* Then events and timers have a turn: calls that post themselves again must not keep them waiting. */
#define POSTS_AT_ONCE 64

struct owamp_loop {
	int epoll;
	struct heap timers;
	bool quit;

	/* The batch being handled, so that unwatch can take its event out. */
	struct epoll_event events[EVENTS_AT_ONCE];
	int event_count;

	int wake;
	struct owamp_watch wake_watch;
	pthread_mutex_t post_lock;
	struct owamp_post *post_first, *post_last; /* under post_lock */

	struct owamp_watch signal_watch;
	void (*signal_fn)(void *context, int signal);
	void *signal_context;
};

/* Both with the lock. */
static void append_post(struct owamp_loop *loop, struct owamp_post *post)
{
	post->queued = true;
	post->previous = loop->post_last;
	post->next = NULL;
	if (post->previous)
		post->previous->next = post;
	else
		loop->post_first = post;
	loop->post_last = post;
}

static void remove_post(struct owamp_loop *loop, struct owamp_post *post)
{
	post->queued = false;
	if (post->previous)
		post->previous->next = post->next;
	else
		loop->post_first = post->next;
	if (post->next)
		post->next->previous = post->previous;
	else
		loop->post_last = post->previous;
}

/* Makes the call that has waited longest. True: there are more. */
static bool run_post(struct owamp_loop *loop)
{
	struct owamp_post *post;
	bool more;

	pthread_mutex_lock(&loop->post_lock);
	post = loop->post_first;
	if (post)
		remove_post(loop, post);
	pthread_mutex_unlock(&loop->post_lock);
	if (!post)
		return false;
	post->call(post);
	/* Only now: the call may have taken others back. */
	pthread_mutex_lock(&loop->post_lock);
	more = loop->post_first != NULL;
	pthread_mutex_unlock(&loop->post_lock);
	return more;
}

void loop_run_posts(struct owamp_loop *loop)
{
	while (run_post(loop))
		;
}

static void wake(struct owamp_loop *loop)
{
	const uint64_t one = 1;

	/* Fails only if the counter is at its maximum, and then the loop wakes anyway. */
	if (write(loop->wake, &one, sizeof one) < 0)
		return;
}

static void handle_posts(struct owamp_watch *watch, uint32_t events)
{
	struct owamp_loop *loop = watch->context;
	uint64_t count;

	(void)events;
	if (read(loop->wake, &count, sizeof count) < 0 && errno != EAGAIN)
		return;
	for (int i = 0; i < POSTS_AT_ONCE; i++) {
		if (!run_post(loop))
			return;
	}
	wake(loop);
}

int owamp_loop_new(struct owamp_loop **loop)
{
	struct owamp_loop *l = calloc(1, sizeof *l);

	*loop = NULL;
	if (!l)
		return OWAMP_ENOMEM;
	/* Real-time threads post too. */
	realtime_mutex_init(&l->post_lock);
	l->signal_watch.fd = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->wake_watch = (struct owamp_watch){.fd = l->wake, .ready = handle_posts, .context = l};
	if (l->epoll < 0 || l->wake < 0 || owamp_loop_watch(l, &l->wake_watch, EPOLLIN)) {
		owamp_loop_free(l);
		return OWAMP_ESYSTEM;
	}
	*loop = l;
	return 0;
}

void owamp_loop_free(struct owamp_loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->wake >= 0)
		close(loop->wake);
	if (loop->signal_watch.fd >= 0)
		close(loop->signal_watch.fd);
	heap_free(&loop->timers);
	pthread_mutex_destroy(&loop->post_lock);
	free(loop);
}

static void run_timers(struct owamp_loop *loop)
{
	int64_t now = owamp_mono_ns();
	struct owamp_due *due;

	while (!loop->quit && (due = heap_first(&loop->timers)) && due->ns <= now) {
		/* The due time is the first member of the timer. */
		struct owamp_timer *timer = (struct owamp_timer *)due;

		heap_remove(&loop->timers, due);
		timer->expired(timer);
	}
}

/* Milliseconds until the next timer, rounded up; -1 if there is none. */
static int wait_ms(const struct owamp_loop *loop)
{
	const struct owamp_due *due = heap_first(&loop->timers);
	int64_t ns;

	if (!due)
		return -1;
	ns = due->ns - owamp_mono_ns();
	if (ns <= 0)
		return 0;
	return ns > INT64_C(3600000000000) ? 3600000 : (int)((ns + 999999) / 1000000);
}

int owamp_loop_run(struct owamp_loop *loop)
{
	loop->quit = false;
	while (!loop->quit) {
		loop->event_count = epoll_wait(loop->epoll, loop->events, EVENTS_AT_ONCE, wait_ms(loop));
		if (loop->event_count < 0 && errno != EINTR)
			return OWAMP_ESYSTEM;
		for (int i = 0; i < loop->event_count && !loop->quit; i++) {
			struct owamp_watch *watch = loop->events[i].data.ptr;

			if (watch)
				watch->ready(watch, loop->events[i].events);
		}
		loop->event_count = 0;
		run_timers(loop);
	}
	return 0;
}

void owamp_loop_quit(struct owamp_loop *loop)
{
	loop->quit = true;
}

static int control(struct owamp_loop *loop, int operation, struct owamp_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	watch->events = events;
	return epoll_ctl(loop->epoll, operation, watch->fd, &event) ? OWAMP_ESYSTEM : 0;
}

int owamp_loop_watch(struct owamp_loop *loop, struct owamp_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

int owamp_loop_rewatch(struct owamp_loop *loop, struct owamp_watch *watch, uint32_t events)
{
	return watch->events == events ? 0 : control(loop, EPOLL_CTL_MOD, watch, events);
}

void owamp_loop_unwatch(struct owamp_loop *loop, struct owamp_watch *watch)
{
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->event_count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

int owamp_loop_set_timer(struct owamp_loop *loop, struct owamp_timer *timer, int64_t due_ns)
{
	return heap_set(&loop->timers, &timer->due, due_ns);
}

void owamp_loop_cancel_timer(struct owamp_loop *loop, struct owamp_timer *timer)
{
	heap_remove(&loop->timers, &timer->due);
}

void owamp_loop_post(struct owamp_loop *loop, struct owamp_post *post)
{
	bool first = false;

	pthread_mutex_lock(&loop->post_lock);
	if (!post->queued) {
		first = loop->post_first == NULL;
		append_post(loop, post);
	}
	pthread_mutex_unlock(&loop->post_lock);
	if (first)
		wake(loop);
}

void owamp_loop_unpost(struct owamp_loop *loop, struct owamp_post *post)
{
	pthread_mutex_lock(&loop->post_lock);
	if (post->queued)
		remove_post(loop, post);
	pthread_mutex_unlock(&loop->post_lock);
}

static void handle_signal(struct owamp_watch *watch, uint32_t events)
{
	struct owamp_loop *loop = watch->context;
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof info) == sizeof info)
		loop->signal_fn(loop->signal_context, (int)info.ssi_signo);
}

int owamp_loop_signals(struct owamp_loop *loop, const int *signals, size_t count,
		       void (*fn)(void *context, int signal), void *context)
{
	sigset_t set;
	int fd;

	if (loop->signal_watch.fd >= 0)
		return OWAMP_ESTATE;
	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return OWAMP_ESYSTEM;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return OWAMP_ESYSTEM;
	loop->signal_fn = fn;
	loop->signal_context = context;
	loop->signal_watch = (struct owamp_watch){.fd = fd, .ready = handle_signal, .context = loop};
	return owamp_loop_watch(loop, &loop->signal_watch, EPOLLIN);
}
