/* What a thread and the process may ask of the machine. All return 0 or an errno. */
#ifndef ENGINE_REALTIME_H
#define ENGINE_REALTIME_H

/* Of the calling thread. */
int realtime_schedule(int priority);
int realtime_pin(int cpu);

/*
 * Of the process, pages as they are first used. EPERM also where it would work
 * now and starve the process of memory later: RLIMIT_MEMLOCK is finite, and
 * CAP_IPC_LOCK will be gone when the process changes its user.
 */
int realtime_lock_memory(void);

#endif
