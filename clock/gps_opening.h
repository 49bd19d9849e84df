/*
 * gps_open() on a thread of its own: libgps waits for a connection as long as the
 * kernel does, minutes where the listener's queue is full.
 */
#ifndef CLOCK_GPS_OPENING_H
#define CLOCK_GPS_OPENING_H

#include <stdbool.h>
#include <stdint.h>

struct gps_data_t;
struct gps_opening;

/* NULL: no memory, or no thread. */
struct gps_opening *gps_opening_new(const char *host, const char *port);

/* Whether it has come to an end; waits for that until then (CLOCK_MONOTONIC, 0: not at all). */
bool gps_opening_is_over(struct gps_opening *opening, int64_t until_mono);

/* Of one that is over, and is gone then: the connection, for gps_opening_close(), or NULL. */
struct gps_data_t *gps_opening_take(struct gps_opening *opening);

/* Nobody waits for it: it closes what it may yet open, and frees itself. */
void gps_opening_abandon(struct gps_opening *opening);

void gps_opening_close(struct gps_data_t *data);

#endif
