/* What a thread and the process may ask of the machine. What returns an int returns 0 or an errno. */
#ifndef ENGINE_REALTIME_H
#define ENGINE_REALTIME_H

#include <pthread.h>
#include <stdbool.h>

/* Of the calling thread: SCHED_FIFO. */
int realtime_schedule(int priority);
/* Of the calling thread: the only CPU it runs on. */
int realtime_pin(int cpu);

/* Whoever holds it runs at the priority of those who wait, and it is handed over to the first of them. */
void realtime_mutex_init(pthread_mutex_t *mutex);

/* The process may run on it. */
bool realtime_has_cpu(int cpu);

/*
 * Of the process, pages as they are first used. EPERM also where it would work
 * now and starve the process of memory later, because RLIMIT_MEMLOCK is finite
 * (and cannot be raised) and nothing lifts it: CAP_IPC_LOCK is not there, or
 * will not stay.
 */
int realtime_lock_memory(bool keeps_privileges);

#endif
