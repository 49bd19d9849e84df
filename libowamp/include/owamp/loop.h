/*
 * The event loop: file descriptors, timers, signals and calls from other
 * threads, all handled on the thread that calls owamp_loop_run().
 */
#ifndef OWAMP_LOOP_H
#define OWAMP_LOOP_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "export.h"

struct owamp_loop;

OWAMP_API int owamp_loop_new(struct owamp_loop **loop);
OWAMP_API void owamp_loop_free(struct owamp_loop *loop);

/* Runs until owamp_loop_quit(). Returns 0, or OWAMP_ESYSTEM. */
OWAMP_API int owamp_loop_run(struct owamp_loop *loop);
OWAMP_API void owamp_loop_quit(struct owamp_loop *loop);

/*
 * A watched file descriptor. The struct belongs to the caller, is embedded in
 * his object, and must stay in place until owamp_loop_unwatch(), which may be
 * called from any callback; after it no callback comes.
 */
struct owamp_watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT; set through the functions */
	void (*ready)(struct owamp_watch *watch, uint32_t events);
	void *context;
};

OWAMP_API int owamp_loop_watch(struct owamp_loop *loop, struct owamp_watch *watch, uint32_t events);
OWAMP_API int owamp_loop_rewatch(struct owamp_loop *loop, struct owamp_watch *watch, uint32_t events);
OWAMP_API void owamp_loop_unwatch(struct owamp_loop *loop, struct owamp_watch *watch);

/* A time on CLOCK_MONOTONIC with its place in a heap (1 up; 0: in none). */
struct owamp_due {
	int64_t ns;
	size_t place;
};

/*
 * A one-shot timer on CLOCK_MONOTONIC, embedded in the caller's object. Must
 * be zeroed before its first use. Setting it again moves it.
 */
struct owamp_timer {
	struct owamp_due due;
	void (*expired)(struct owamp_timer *timer);
	void *context;
};

OWAMP_API int owamp_loop_set_timer(struct owamp_loop *loop, struct owamp_timer *timer, int64_t due_ns);
OWAMP_API void owamp_loop_cancel_timer(struct owamp_loop *loop, struct owamp_timer *timer);

/*
 * A call from another thread: call() runs on the loop's thread, soon. The
 * struct is the caller's, zeroed before its first use; posting it again before
 * it ran does nothing. owamp_loop_post() may be called from any thread.
 */
struct owamp_post {
	void (*call)(struct owamp_post *post);
	void *context;
	struct owamp_post *previous, *next;
	bool queued;
};

OWAMP_API void owamp_loop_post(struct owamp_loop *loop, struct owamp_post *post);

/* Takes a post back if it has not run yet. Loop's thread only. */
OWAMP_API void owamp_loop_unpost(struct owamp_loop *loop, struct owamp_post *post);

/*
 * Signals: blocks those given for the process's threads that start later and
 * calls fn on the loop's thread. Once per loop.
 */
OWAMP_API int owamp_loop_signals(struct owamp_loop *loop, const int *signals, size_t count,
				 void (*fn)(void *context, int signal), void *context);

#endif
