/*
 * Waiting actively, within measure: a thread under SCHED_FIFO that never
 * sleeps starves its CPU, and the kernel stops it for 50 ms of each second. So
 * spinning has to be earned by sleeping: with it the thread is awake three
 * quarters of the time at most.
 */
#ifndef ENGINE_SPIN_H
#define ENGINE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_CREDIT_MAX_NS INT64_C(20000000)
#define SPIN_EARNED        3 /* awake for each unit asleep */

struct spin {
	int64_t window_ns; /* before a packet is due; 0: none */
	int64_t credit_ns; /* when it woke up last */
	int64_t awake_since_ns;
};

static inline void spin_init(struct spin *spin, int64_t window_ns, int64_t now_ns)
{
	*spin = (struct spin){window_ns, SPIN_CREDIT_MAX_NS, now_ns};
}

static inline bool spin_allowed(const struct spin *spin, int64_t now_ns)
{
	return spin->window_ns > 0 && now_ns - spin->awake_since_ns < spin->credit_ns;
}

/* The thread slept from one time to the other. */
static inline void spin_slept(struct spin *spin, int64_t from_ns, int64_t to_ns)
{
	int64_t credit = spin->credit_ns - (from_ns - spin->awake_since_ns);

	if (to_ns - from_ns > SPIN_CREDIT_MAX_NS)
		credit = SPIN_CREDIT_MAX_NS;
	else
		credit = (credit > 0 ? credit : 0) + SPIN_EARNED * (to_ns - from_ns);
	spin->credit_ns = credit < SPIN_CREDIT_MAX_NS ? credit : SPIN_CREDIT_MAX_NS;
	spin->awake_since_ns = to_ns;
}

/* Tells the processor that this is a loop that waits. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
