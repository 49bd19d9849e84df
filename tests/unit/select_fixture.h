/* A selection with a few sources that say what a test tells them to, a round a second. */
#ifndef SELECT_FIXTURE_H
#define SELECT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock/select.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define BEGIN  (1000 * SECOND)

#define NOBODY (-1)

struct bench {
	struct owamp_clock_config config;
	struct select *select;
	struct select_facts facts;
	struct clock_reading readings[OWAMP_CLOCK_SOURCES_MAX];
	struct owamp_clock_snapshot snapshot;
	struct owamp_clock_status status;
};

/* Sources called a, b, c, ..., of these kinds; drift_max 100 ppm, holdover 1 ms or 10 min. */
static inline struct bench *bench_new(size_t count, const enum owamp_clock_kind *kinds)
{
	struct bench *bench = calloc(1, sizeof *bench);

	assert_non_null(bench);
	bench->config.count = count;
	bench->config.drift_max_ppb = 100000;
	bench->config.holdover_ns = MS;
	bench->config.holdover_time_ns = 600 * SECOND;
	for (size_t i = 0; i < count; i++) {
		bench->config.sources[i].kind = kinds[i];
		bench->config.sources[i].name[0] = (char)('a' + i);
		bench->readings[i] = (struct clock_reading){.source = OWAMP_CLOCK_PTP, .drift_ppb = -1};
	}
	bench->facts.mono_ns = BEGIN;
	bench->facts.real_ns = 50 * BEGIN;
	bench->facts.real_less_mono_ns = 49 * BEGIN;
	assert_int_equal(select_new(&bench->select, &bench->config), 0);
	select_snapshot(bench->select, &bench->snapshot);
	return bench;
}

static inline struct bench *bench_of(size_t count)
{
	static const enum owamp_clock_kind kinds[OWAMP_CLOCK_SOURCES_MAX] = {OWAMP_CLOCK_KIND_PTP};

	return bench_new(count, kinds);
}

static inline void bench_free(struct bench *bench)
{
	select_free(bench->select);
	free(bench);
}

static inline void look(struct bench *bench)
{
	select_snapshot(bench->select, &bench->snapshot);
	select_status(bench->select, &bench->status);
}

/* A second later, with what the readings are. */
static inline void next_round(struct bench *bench)
{
	bench->facts.mono_ns += SECOND;
	bench->facts.real_ns += SECOND;
	select_round(bench->select, &bench->facts, bench->readings);
	look(bench);
}

/* In the next round the source will say what it measured at that moment: filtered, and the bound grows by
 * drift_ppb. */
static inline void says(struct bench *bench, size_t i, int64_t offset_ns, int64_t error_ns, int64_t drift_ppb)
{
	bench->readings[i].state = OWAMP_CLOCK_VALID;
	bench->readings[i].measured = true;
	bench->readings[i].filtered = true;
	bench->readings[i].mono_ns = bench->facts.mono_ns + SECOND;
	bench->readings[i].offset_ns = offset_ns;
	bench->readings[i].error_ns = error_ns;
	bench->readings[i].drift_ppb = drift_ppb;
}

/* As it came out of the receiver, without a word about its drift. */
static inline void says_raw(struct bench *bench, size_t i, int64_t offset_ns, int64_t error_ns)
{
	says(bench, i, offset_ns, error_ns, -1);
	bench->readings[i].filtered = false;
}

static inline void is_absent(struct bench *bench, size_t i, const char *text)
{
	bench->readings[i].state = OWAMP_CLOCK_ABSENT;
	bench->readings[i].measured = false;
	(void)snprintf(bench->readings[i].text, sizeof bench->readings[i].text, "%s", text);
}

/* The one whose claim is stated. */
static inline int used(const struct bench *bench)
{
	int found = NOBODY;

	for (size_t i = 0; i < bench->status.count; i++) {
		if (!bench->status.sources[i].used)
			continue;
		assert_int_equal(found, NOBODY);
		found = (int)i;
	}
	return found;
}

#endif
