/*
 * Delays of many packets, for percentiles: all of them, or counted in the
 * buckets of a histogram, which takes less memory and is right within 1 %. The
 * extremes are exact in both. Used by one thread at a time.
 */
#ifndef OWPING_STATS_POOL_H
#define OWPING_STATS_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/histogram.h"

struct stats_pool;

int stats_pool_new(struct stats_pool **pool, bool exact);
void stats_pool_free(struct stats_pool *pool);

int stats_pool_add(struct stats_pool *pool, int64_t delay_ns);

/* A histogram's share, of a pool that is not exact; and the extremes of what is in it. */
int stats_pool_add_bucket(struct stats_pool *pool, const struct histogram_bucket *bucket);
void stats_pool_extend(struct stats_pool *pool, int64_t min_ns, int64_t max_ns);

uint64_t stats_pool_count(const struct stats_pool *pool);

/* Only if there is any. */
int64_t stats_pool_min(const struct stats_pool *pool);
int64_t stats_pool_max(const struct stats_pool *pool);

/* As owamp_stats_percentile(), 0 < percent <= 100. OWAMP_EDATA if it is empty. */
int stats_pool_percentile(struct stats_pool *pool, double percent, int64_t *delay_ns);

/* The buckets of a pool that is not exact. */
const struct histogram_bucket *stats_pool_buckets(struct stats_pool *pool, size_t *count);

#endif
