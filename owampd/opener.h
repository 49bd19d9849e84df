/*
 * The part that keeps the privileges the rest gives up: a process, forked
 * before there are threads, that opens the clock's sources (ptp4l's socket,
 * hardware clocks) again when they come back. It knows the configuration's
 * paths and opens nothing else; it gets a number and answers with a descriptor.
 */
#ifndef OWAMPD_OPENER_H
#define OWAMPD_OPENER_H

#include <stddef.h>

#include <owamp/clock.h>

struct opener;

/*
 * Forks. OWAMP_ESYSTEM with errno. config is that of the clock: its ptp
 * sockets, its devices, and /dev/ptpN if a ptp source may need one.
 */
int opener_start(struct opener **opener, const struct owamp_clock_config *config);
/* Ends the process and waits for it. */
void opener_stop(struct opener *opener);

/* For struct owamp_clock_config: opener as the context; any thread, one at a time; waits no longer than 1 s.
 */
int opener_open(void *opener, enum owamp_clock_object object, const char *path);

#endif
