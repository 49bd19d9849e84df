/*
 * When CLOCK_REALTIME was set, for whom the kernel's stamps wait to be read:
 * was a stamp taken before that, or after?
 */
#ifndef ENGINE_SETTING_H
#define ENGINE_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "instant.h"

struct setting {
	int64_t shift_ns;     /* CLOCK_REALTIME less CLOCK_MONOTONIC; only setting the clock changes it */
	int64_t before_ns;    /* what it was before the clock was set last */
	int64_t noticed_mono; /* when that was noticed; INT64_MIN: never */
};

/* What the two clocks' difference is known within, where it was read closely. */
#define SETTING_SLACK_NS 1000

void setting_init(struct setting *setting);

/* Looks whether the clock was set since the last look; now is of this moment. */
void setting_look(struct setting *setting, const struct instant *now);

/* What setting_shift() needs a closer look for. */
int64_t setting_judge(const struct setting *setting, int64_t stamp_ns, int64_t since_mono, bool *sure);

/*
 * CLOCK_REALTIME less CLOCK_MONOTONIC when a stamp was taken, which was not
 * before since_mono and not after the last look. *sure: it can have been no other.
 */
static inline int64_t setting_shift(const struct setting *setting, int64_t stamp_ns, int64_t since_mono,
				    bool *sure)
{
	*sure = true;
	if (since_mono > setting->noticed_mono)
		return setting->shift_ns;
	return setting_judge(setting, stamp_ns, since_mono, sure);
}

#endif
