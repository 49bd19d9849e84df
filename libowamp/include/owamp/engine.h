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
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "export.h"

struct owamp_engine;
struct owamp_loop;
struct owamp_pacer;
struct owamp_collector;
struct owamp_worker;

/* What the threads may ask of the machine. Start from OWAMP_ENGINE_CONFIG_INIT: nothing out of the ordinary.
 */
struct owamp_engine_config {
	/*
	 * Asked for, and done without if the system does not permit it, which
	 * owamp_engine_granted() tells.
	 */
	int realtime_priority; /* of the pacer under SCHED_FIFO, 1 to 99; 0: ordinary scheduling */
	bool lock_memory;      /* the process is never paged out */
	/*
	 * The process will not give up CAP_IPC_LOCK (by changing its user). Without it,
	 * or where this is false, memory is only locked where RLIMIT_MEMLOCK is or can
	 * be made infinite: else allocations would fail later.
	 */
	bool keeps_privileges;
	/*
	 * The pacer does not sleep for the last spin_ns before a packet is due, as long
	 * as it sleeps a quarter of the time: a real-time thread that never does is stopped
	 * by the kernel.
	 * OWAMP_SPIN_AUTO: OWAMP_SPIN_NS if it got real-time scheduling, else 0;
	 * spinning with ordinary scheduling makes a busy machine worse.
	 */
	int64_t spin_ns;
	/* The only CPU a thread runs on; -1: any. */
	int pacer_cpu;
	int collector_cpu;
	/*
	 * Interfaces whose hardware is to stamp what arrives; ended by NULL. NULL:
	 * none. Needs CAP_NET_ADMIN and access to the /dev/ptpN of each, at the start
	 * only.
	 */
	const char *const *hardware_interfaces;
	/* Where the clock's error bound comes from; NULL: what can be found, see owamp_clock_config_default(). */
	const struct owamp_clock_config *clock;
};

#define OWAMP_PRIORITY_MAX 99
#define OWAMP_SPIN_AUTO    (-1)
#define OWAMP_SPIN_NS      50000
#define OWAMP_SPIN_MAX     1000000

#define OWAMP_ENGINE_CONFIG_INIT                                                                             \
	{                                                                                                    \
		.spin_ns = OWAMP_SPIN_AUTO, .pacer_cpu = -1, .collector_cpu = -1                             \
	}

/* What became of the wishes; an errno is 0 where the wish was granted, or not uttered. */
struct owamp_engine_granted {
	bool realtime;
	int realtime_errno; /* EPERM: no CAP_SYS_NICE, and RLIMIT_RTPRIO below the priority */
	bool memory_locked;
	int memory_errno; /* EPERM: also where it would starve the process later, see keeps_privileges */
	int64_t spin_ns;
};

/*
 * Starts the threads with all signals blocked. On failure nothing is left.
 * config is not needed afterwards; NULL: nothing out of the ordinary. OWAMP_EINVAL: an
 * impossible priority, spin_ns, or CPU. OWAMP_ESYSTEM: a system call
 * failed, or an interface cannot stamp in hardware. error says which and why, in one line.
 */
OWAMP_API int owamp_engine_new(struct owamp_engine **engine, const struct owamp_engine_config *config,
			       char *error, size_t error_size);

OWAMP_API void owamp_engine_granted(const struct owamp_engine *engine, struct owamp_engine_granted *granted);

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
