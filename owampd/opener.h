/*
 * The part that keeps the privileges the rest gives up: a process, forked
 * before there are threads, that opens the clock's sources (ptp4l's socket,
 * hardware clocks) again when they come back. It knows the configuration's
 * paths and opens nothing else; it gets a number and answers with a descriptor:
 * of a device itself, of a relay (owampd/relay.h) to ptp4l's socket.
 */
#ifndef OWAMPD_OPENER_H
#define OWAMPD_OPENER_H

#include <stdbool.h>
#include <sys/types.h>

#include <owamp/clock.h>

struct opener;

/* Whether there is a source that may be for root only. */
bool opener_is_needed(const struct owamp_clock_config *config);

/*
 * Forks. OWAMP_ESYSTEM with errno. config is that of the clock: its ptp
 * sockets, its devices, and /dev/ptpN if a ptp source may need one.
 */
int opener_start(struct opener **opener, const struct owamp_clock_config *config);
/*
 * Ends the process and waits for it, about 1 s. 0, or the ID of one that hangs
 * and that we must not kill; it ends by itself when it goes on.
 */
pid_t opener_stop(struct opener *opener);

/*
 * For struct owamp_clock_config: opener as the context; any thread, one at a
 * time; waits no longer than 1 s, and after that not at all (ETIMEDOUT) until
 * the process answers again, or 30 s have passed. -1 with errno: EACCES if path is
 * not one of the configuration's, EPIPE if the process is gone, ETIMEDOUT, or
 * that of the process.
 */
int opener_open(void *opener, enum owamp_clock_object object, const char *path);

/* For an event loop: it hangs up (EPOLLHUP) when the process ends. Not to be read from. */
int opener_fd(const struct opener *opener);
/* After that: why it ended, such as "Killed"; static text. */
const char *opener_end(struct opener *opener);

#endif
