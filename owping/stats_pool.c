#include <assert.h>
#include <stdlib.h>

#include <owamp/error.h>
#include <owamp/stats.h>

#include "owping/stats_pool.h"

struct stats_pool {
	int64_t min_ns;
	int64_t max_ns;
	struct histogram *histogram; /* NULL: exact */
	int64_t *delays;
	size_t count;
	size_t capacity;
	bool sorted;
};

int stats_pool_new(struct stats_pool **pool, bool exact)
{
	*pool = calloc(1, sizeof **pool);
	if (!*pool)
		return OWAMP_ENOMEM;
	(*pool)->min_ns = INT64_MAX;
	(*pool)->max_ns = INT64_MIN;
	if (exact || histogram_new(&(*pool)->histogram) == 0)
		return 0;
	free(*pool);
	*pool = NULL;
	return OWAMP_ENOMEM;
}

void stats_pool_free(struct stats_pool *pool)
{
	if (!pool)
		return;
	histogram_free(pool->histogram);
	free(pool->delays);
	free(pool);
}

static int keep(struct stats_pool *pool, int64_t delay_ns)
{
	if (pool->count == pool->capacity) {
		size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
		int64_t *delays = reallocarray(pool->delays, capacity, sizeof *delays);

		if (!delays)
			return OWAMP_ENOMEM;
		pool->delays = delays;
		pool->capacity = capacity;
	}
	pool->delays[pool->count++] = delay_ns;
	pool->sorted = false;
	return 0;
}

int stats_pool_add(struct stats_pool *pool, int64_t delay_ns)
{
	stats_pool_extend(pool, delay_ns, delay_ns);
	return pool->histogram ? histogram_add(pool->histogram, delay_ns, 1) : keep(pool, delay_ns);
}

int stats_pool_add_bucket(struct stats_pool *pool, const struct histogram_bucket *bucket)
{
	assert(pool->histogram);
	return histogram_add(pool->histogram, bucket->delay_ns, bucket->packets);
}

void stats_pool_extend(struct stats_pool *pool, int64_t min_ns, int64_t max_ns)
{
	if (min_ns < pool->min_ns)
		pool->min_ns = min_ns;
	if (max_ns > pool->max_ns)
		pool->max_ns = max_ns;
}

uint64_t stats_pool_count(const struct stats_pool *pool)
{
	return pool->histogram ? histogram_total(pool->histogram) : pool->count;
}

int64_t stats_pool_min(const struct stats_pool *pool)
{
	return pool->min_ns;
}

int64_t stats_pool_max(const struct stats_pool *pool)
{
	return pool->max_ns;
}

static int ascending(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

static int from_buckets(const struct stats_pool *pool, double percent, int64_t *delay_ns)
{
	int error = histogram_percentile(pool->histogram, percent, delay_ns);

	if (error)
		return error;
	/* The middle of the first or last bucket can be beyond what is in it. */
	if (pool->min_ns <= pool->max_ns && *delay_ns < pool->min_ns)
		*delay_ns = pool->min_ns;
	if (pool->min_ns <= pool->max_ns && *delay_ns > pool->max_ns)
		*delay_ns = pool->max_ns;
	return 0;
}

int stats_pool_percentile(struct stats_pool *pool, double percent, int64_t *delay_ns)
{
	if (pool->histogram)
		return from_buckets(pool, percent, delay_ns);
	if (!(percent > 0 && percent <= 100))
		return OWAMP_EINVAL;
	if (pool->count == 0)
		return OWAMP_EDATA;
	if (!pool->sorted)
		qsort(pool->delays, pool->count, sizeof *pool->delays, ascending);
	pool->sorted = true;
	*delay_ns = pool->delays[owamp_percentile_rank(percent, pool->count) - 1];
	return 0;
}

const struct histogram_bucket *stats_pool_buckets(struct stats_pool *pool, size_t *count)
{
	assert(pool->histogram);
	return histogram_buckets(pool->histogram, count);
}
