/*
 * The engine: the threads and sockets that run the protocol in the real world.
 *
 *	loop       the caller's thread: control connections, timers, everything slow
 *	pacer      one thread: all sending sessions, in one heap by due time
 *	collector  one thread: all receiving sockets, with kernel timestamps
 *	clock      one thread: samples the clock sources once a second
 *	worker     one thread: PBKDF2 and whatever else must not block the loop
 *
 * All functions are called from the loop's thread unless said otherwise.
 */
#ifndef OWAMP_ENGINE_H
#define OWAMP_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "export.h"

struct owamp_engine;
struct owamp_loop;
struct owamp_pacer;
struct owamp_collector;
struct owamp_worker;

/* Starts the threads with all signals blocked. On failure nothing is left. */
OWAMP_API int owamp_engine_new(struct owamp_engine **engine);

/* Stops and joins the threads. All sessions and clients must be gone. */
OWAMP_API void owamp_engine_free(struct owamp_engine *engine);

OWAMP_API struct owamp_loop *owamp_engine_loop(struct owamp_engine *engine);
OWAMP_API struct owamp_pacer *owamp_engine_pacer(struct owamp_engine *engine);
OWAMP_API struct owamp_collector *owamp_engine_collector(struct owamp_engine *engine);
OWAMP_API struct owamp_worker *owamp_engine_worker(struct owamp_engine *engine);
OWAMP_API struct owamp_clock *owamp_engine_clock(struct owamp_engine *engine);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns. Any thread. */
OWAMP_API int64_t owamp_mono_ns(void);
OWAMP_API int64_t owamp_real_ns(void);

#endif
