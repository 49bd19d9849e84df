/* A hardware clock and the system's clocks for tests of what uses clock/phc.h: all run alike. */
#ifndef PHC_LINE_H
#define PHC_LINE_H

#include "reference.h"

#include <errno.h>
#include <stdbool.h>

#include <owamp/error.h>

#include "clock/phc.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

struct line_world {
	int64_t now;
	int64_t raw; /* what each clock shows is this and now */
	int64_t real;
	int64_t phc;
	int64_t half; /* of a reading's window */
	int64_t pass; /* before each reading: time that only nanosleep() knows of */
	bool frozen;
	int fails; /* errno of reading */
	int closed;
};

static inline int line_read(void *context, struct clock_phc_reading *reading)
{
	struct line_world *world = context;

	world->now += world->pass;
	if (world->fails) {
		errno = world->fails;
		return OWAMP_ESYSTEM;
	}
	reading->before_ns = world->real + world->now - world->half;
	reading->phc_ns = world->phc + (world->frozen ? 0 : world->now);
	reading->after_ns = world->real + world->now + world->half;
	return 0;
}

static inline void line_close(void *context)
{
	((struct line_world *)context)->closed++;
}

static inline int64_t line_time(void *context, clockid_t id)
{
	const struct line_world *world = context;

	return world->now + (id == CLOCK_REALTIME ? world->real : world->raw);
}

/* As clock_phc_adopt(), whatever was opened. */
static inline int line_adopt(struct clock_phc **phc, struct line_world *world, char *error, size_t error_size)
{
	static const struct clock_phc_operations operations = {line_read, line_close, line_time};
	int result;

	world->pass = 10 * MS;
	result = clock_phc_new(phc, &operations, world, error, error_size);
	world->pass = 0;
	return result;
}

#endif
