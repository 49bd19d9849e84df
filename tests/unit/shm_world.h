/*
 * The source "shm" and a segment that the test writes as NTP's driver 28 lays it
 * out; the time is the test's.
 */
#ifndef SHM_WORLD_H
#define SHM_WORLD_H

#include "reference.h"

#include <sched.h>
#include <stdio.h>
#include <sys/shm.h>
#include <unistd.h>

#include "clock/source.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

#define BOOT_S INT64_C(1795286000)

/* 4e54 5030: "NTP0". */
#define KEY 0x4e545030

/* In its words of 4 octets on this machine, time_t of 8: as the driver's page shows it. */
struct layout {
	int32_t mode;
	int32_t count;
	int64_t clock_sec;
	int32_t clock_usec;
	int32_t padding;
	int64_t receive_sec;
	int32_t receive_usec;
	int32_t leap;
	int32_t precision;
	int32_t samples;
	int32_t valid;
	uint32_t clock_nsec;
	uint32_t receive_nsec;
	int32_t dummy[8];
};

struct world {
	struct owamp_clock_source_config config;
	struct clock_source source;
	struct clock_now now;
	int id; /* -1: none */
	struct layout *segment;
};

static inline void create(struct world *w, size_t size, int permissions)
{
	w->id = shmget(KEY + (key_t)w->config.shm.unit, size, IPC_CREAT | IPC_EXCL | permissions);
	assert_true(w->id >= 0);
	w->segment = shmat(w->id, NULL, 0);
	assert_true((intptr_t)w->segment != -1);
	memset(w->segment, 0, size);
	if (size < sizeof *w->segment)
		return;
	w->segment->mode = 1;
	w->segment->precision = -20;
	w->segment->leap = 3;
}

static inline void remove_segment(struct world *w)
{
	if (w->id < 0)
		return;
	assert_int_equal(shmctl(w->id, IPC_RMID, NULL), 0);
	assert_int_equal(shmdt(w->segment), 0);
	w->id = -1;
}

/* With no segment yet. */
static inline void begin(struct world *w)
{
	*w = (struct world){.now = {.mono_ns = 100 * S, .real_ns = (BOOT_S + 100) * S}, .id = -1};
	owamp_clock_source_default(&w->config, OWAMP_CLOCK_KIND_SHM);
	w->config.shm.unit = 10000 + (unsigned)getpid() % 50000;
	assert_int_equal(clock_shm_new(&w->source, &w->config), 0);
}

static inline void end(struct world *w)
{
	w->source.ops->free(w->source.self);
	remove_segment(w);
}

static inline void pass(struct world *w, int64_t ns)
{
	w->now.mono_ns += ns;
	w->now.real_ns += ns;
}

static inline struct clock_reading sample(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	struct layout before;

	if (w->id >= 0)
		memcpy(&before, w->segment, sizeof before);
	w->source.ops->sample(w->source.self, &w->now, &reading);
	/* It is somebody else's. */
	if (w->id >= 0)
		assert_memory_equal(w->segment, &before, sizeof before);
	assert_string_equal(reading.source, "shm");
	assert_int_not_equal(reading.text[0], '\0');
	return reading;
}

/* # of the text stands for the unit. */
static inline void assert_state(struct world *w, enum owamp_clock_state state, const char *format)
{
	struct clock_reading reading = sample(w);
	const char *rest = strchr(format, '#');
	char text[200];

	if (rest)
		snprintf(text, sizeof text, "%.*s%u%s", (int)(rest - format), format, w->config.shm.unit,
			 rest + 1);
	else
		snprintf(text, sizeof text, "%s", format);
	assert_string_equal(reading.text, text);
	assert_int_equal(reading.state, state);
}

/* As gpsd does: the event was ago_ns ago, and the clock offset_ns ahead of the reference then. */
static inline void put(struct world *w, int64_t ago_ns, int64_t offset_ns)
{
	struct layout *segment = w->segment;
	int64_t receive = w->now.real_ns - ago_ns, clock = receive - offset_ns;

	segment->valid = 0;
	segment->count++;
	segment->clock_sec = clock / S;
	segment->clock_usec = (int32_t)(clock % S / 1000);
	segment->clock_nsec = (uint32_t)(clock % S);
	segment->receive_sec = receive / S;
	segment->receive_usec = (int32_t)(receive % S / 1000);
	segment->receive_nsec = (uint32_t)(receive % S);
	segment->leap = 0;
	segment->count++;
	segment->valid = 1;
}

/* Attached, and seen once. */
static inline void begin_attached(struct world *w)
{
	begin(w);
	create(w, sizeof(struct layout), 0666);
	put(w, 0, 0);
	assert_state(w, OWAMP_CLOCK_DOUBTFUL, "waiting for unit # to be written to");
	assert_false(sample(w).measured);
	pass(w, S);
}

#endif
