/*
 * A clock source in place of the kernel's whose word is whatever the test
 * wants: at first that the clock is exact. To be included once in a program.
 */
#ifndef PERFECT_CLOCK_H
#define PERFECT_CLOCK_H

#include <string.h>

#include "clock/source.h"

static struct {
	struct clock_reading reading;
	struct clock_now now;  /* that was asked with last */
	int32_t tai_utc;       /* the kernel's */
	void (*sampled)(void); /* NULL: nobody wants to know */
} perfect = {.reading = {.state = OWAMP_CLOCK_VALID, .measured = true, .filtered = true}};

static inline void perfect_sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	(void)source;
	perfect.now = *now;
	*reading = perfect.reading;
	reading->source = OWAMP_CLOCK_KERNEL;
	reading->mono_ns = now->mono_ns;
	if (perfect.sampled)
		perfect.sampled();
}

static inline void perfect_free(void *source)
{
	(void)source;
}

int clock_kernel_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {.sample = perfect_sample, .free = perfect_free};

	(void)config;
	*source = (struct clock_source){.ops = &ops};
	return 0;
}

int clock_kernel_facts(struct clock_kernel_facts *facts)
{
	*facts = (struct clock_kernel_facts){.steering = OWAMP_CLOCK_STEERED_BY_NTP,
					     .tai_utc = perfect.tai_utc};
	return 0;
}

/* No other source. */
static inline const struct owamp_clock_config *perfect_config(void)
{
	static struct owamp_clock_config config = {.drift_max_ppb = OWAMP_CLOCK_DRIFT_MAX_PPB,
						   .holdover_ns = OWAMP_CLOCK_HOLDOVER_NS,
						   .holdover_time_ns = OWAMP_CLOCK_HOLDOVER_TIME_NS};

	config.count = 1;
	owamp_clock_source_default(&config.sources[0], OWAMP_CLOCK_KIND_KERNEL);
	return &config;
}

#endif
