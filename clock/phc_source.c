/* A hardware clock whose accuracy the configuration states, such as that of a GPS receiver's card. */
#include "phc_keep.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>

#include <owamp/error.h>

#define SECOND_NS INT64_C(1000000000)

/* A clock that is further on than 2116 is none; so differences do not overflow. */
#define TIME_MOST_NS (INT64_MAX / 2)

/* Beyond any clock's use. */
#define ERROR_MOST_NS (INT64_MAX / 4)

struct phc_source {
	const struct owamp_clock_source_config *config;
	struct phc_keep keep;
	/* The latest reading, so that the same one is told as the same. */
	bool measured;
	int64_t phc_ns;
	int64_t mono_ns;
	int64_t real_less_phc_ns;
	int64_t error_ns;
};

/* False: there is no reading that holds. */
static bool measure(struct phc_source *source, const struct clock_now *now)
{
	int64_t phc_ns, real_ns, error_ns;

	if (!clock_phc_latest(source->keep.phc, &phc_ns, &real_ns, &error_ns))
		return false;
	if (source->measured && source->phc_ns == phc_ns)
		return true;
	if (phc_ns < 0 || phc_ns > TIME_MOST_NS || real_ns < 0 || real_ns > TIME_MOST_NS)
		return false;
	source->measured = true;
	source->phc_ns = phc_ns;
	source->mono_ns = now->mono_ns + (real_ns - now->real_ns);
	source->real_less_phc_ns = real_ns - phc_ns;
	source->error_ns = error_ns;
	return true;
}

static void doubt(struct clock_reading *reading, const char *why)
{
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text, "%s", why);
}

static void judge(const struct phc_source *source, const struct clock_now *now, struct clock_reading *reading)
{
	bool tai = source->config->phc.timescale == OWAMP_CLOCK_TAI;
	int64_t accuracy_ns = source->config->phc.accuracy_ns;

	if (tai && now->tai_utc == 0) {
		doubt(reading,
		      "TAI - UTC is not known: neither the kernel nor the leap second file tells it");
		return;
	}
	reading->measured = true;
	reading->mono_ns = source->mono_ns;
	reading->offset_ns = source->real_less_phc_ns + (tai ? now->tai_utc * SECOND_NS : 0);
	reading->error_ns = source->error_ns + (accuracy_ns < ERROR_MOST_NS ? accuracy_ns : ERROR_MOST_NS);
	if (accuracy_ns == 0) {
		doubt(reading, "nobody states how accurate this clock is; accuracy = TIME does");
		return;
	}
	reading->state = OWAMP_CLOCK_VALID;
	if (tai)
		(void)snprintf(reading->text, sizeof reading->text,
			       "%.100s on TAI, which is %d s ahead of UTC", source->config->phc.device,
			       now->tai_utc);
	else
		(void)snprintf(reading->text, sizeof reading->text, "%.100s on UTC",
			       source->config->phc.device);
}

static void sample(void *self, const struct clock_now *now, struct clock_reading *reading)
{
	struct phc_source *source = self;
	bool open = phc_keep_sample(&source->keep, source->config->phc.device, now->mono_ns);
	bool measured = open && measure(source, now);

	reading->source = OWAMP_CLOCK_PHC;
	reading->state = OWAMP_CLOCK_ABSENT;
	if (open)
		phc_keep_note(&source->keep, measured);
	if (measured)
		judge(source, now, reading);
	else
		(void)snprintf(reading->text, sizeof reading->text, "%s", source->keep.why);
}

/* What is left of it, clock_phc_convert() finds out. */
static void stepped(void *self)
{
	struct phc_source *source = self;

	source->measured = false;
}

static void free_source(void *self)
{
	struct phc_source *source = self;

	phc_keep_close(&source->keep);
	free(source);
}

int clock_phc_source_new(struct clock_source *source, const struct owamp_clock_source_config *config,
			 const struct clock_opener *opener)
{
	static const struct clock_source_ops ops = {
		.sample = sample,
		.stepped = stepped,
		.free = free_source,
	};
	struct phc_source *self = calloc(1, sizeof *self);

	if (!self)
		return OWAMP_ENOMEM;
	self->config = config;
	phc_keep_init(&self->keep, opener);
	*source = (struct clock_source){.ops = &ops, .self = self};
	return 0;
}
