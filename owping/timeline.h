/* What this host's clock says of itself at a moment, and whether it was set between two. */
#ifndef OWPING_TIMELINE_H
#define OWPING_TIMELINE_H

#include <stdint.h>

#include <owamp/clock.h>

/* The sampler's last word, with ages and bounds as of now. */
void owping_clock_read(struct owamp_clock_status *status, struct owamp_clock *clock);

/* By how much the clock was set between two readings; 0: it was not. Leap seconds do not count. */
int64_t owping_clock_step(const struct owamp_clock_status *before, const struct owamp_clock_status *after);

#endif
