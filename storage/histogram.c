/* Histograms of delays: an open-addressing hash over buckets that are sorted when they are read. */
#include "histogram.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>
#include <owamp/stats.h>

/* Buckets in each doubling, as a power of two. */
#define SUB_BITS 6

#define CAPACITY_FIRST 16

/*
 * Slots are twice the buckets' capacity and hold a bucket's number + 1, or 0.
 * There are fewer than 7500 different buckets, so 16 bits are enough.
 */
struct histogram {
	struct histogram_bucket *buckets; /* in the order in which they came, unless sorted */
	uint32_t count;
	uint32_t capacity;
	uint16_t *slots;
	unsigned slot_bits;
	bool sorted;
	uint64_t total;
};

static uint64_t magnitude(int64_t delay_ns)
{
	return delay_ns < 0 ? 0 - (uint64_t)delay_ns : (uint64_t)delay_ns;
}

/* A bucket is 2^width_bits wide. */
static unsigned width_bits(uint64_t size)
{
	return size >> SUB_BITS ? (unsigned)(63 - __builtin_clzll(size)) - SUB_BITS : 0;
}

int64_t histogram_middle(int64_t delay_ns)
{
	uint64_t size = magnitude(delay_ns);
	unsigned bits = width_bits(size);
	int64_t middle;

	/* Its mirror image would be beyond what fits. */
	if (delay_ns == INT64_MIN)
		return INT64_MIN;
	middle = (int64_t)((size >> bits << bits) + ((UINT64_C(1) << bits) >> 1));
	return delay_ns < 0 ? -middle : middle;
}

void histogram_edges(int64_t delay_ns, int64_t *lowest_ns, int64_t *highest_ns)
{
	uint64_t size = magnitude(delay_ns);
	unsigned bits = width_bits(size);
	int64_t near, far;

	*lowest_ns = *highest_ns = INT64_MIN;
	if (delay_ns == INT64_MIN)
		return;
	near = (int64_t)(size >> bits << bits);
	far = near + (int64_t)((UINT64_C(1) << bits) - 1);
	*lowest_ns = delay_ns < 0 ? -far : near;
	*highest_ns = delay_ns < 0 ? -near : far;
}

int histogram_new(struct histogram **histogram)
{
	*histogram = calloc(1, sizeof **histogram);
	if (!*histogram)
		return OWAMP_ENOMEM;
	(*histogram)->sorted = true;
	return 0;
}

void histogram_free(struct histogram *histogram)
{
	if (!histogram)
		return;
	free(histogram->buckets);
	free(histogram->slots);
	free(histogram);
}

/* The slot of the bucket with this middle, or the empty one where it belongs. */
static uint16_t *find(const struct histogram *histogram, int64_t middle)
{
	uint64_t hash = (uint64_t)middle * UINT64_C(0x9e3779b97f4a7c15);
	size_t mask = ((size_t)1 << histogram->slot_bits) - 1;
	size_t i = (size_t)(hash >> (64 - histogram->slot_bits));

	while (histogram->slots[i] && histogram->buckets[histogram->slots[i] - 1].delay_ns != middle)
		i = (i + 1) & mask;
	return &histogram->slots[i];
}

static void fill_slots(struct histogram *histogram)
{
	memset(histogram->slots, 0, sizeof(*histogram->slots) << histogram->slot_bits);
	for (uint32_t i = 0; i < histogram->count; i++)
		*find(histogram, histogram->buckets[i].delay_ns) = (uint16_t)(i + 1);
}

static int grow(struct histogram *histogram)
{
	uint32_t capacity = histogram->capacity ? histogram->capacity * 2 : CAPACITY_FIRST;
	struct histogram_bucket *buckets;
	uint16_t *slots;

	slots = reallocarray(NULL, capacity, 2 * sizeof *slots);
	if (!slots)
		return OWAMP_ENOMEM;
	buckets = reallocarray(histogram->buckets, capacity, sizeof *buckets);
	if (!buckets) {
		free(slots);
		return OWAMP_ENOMEM;
	}
	free(histogram->slots);
	histogram->slots = slots;
	histogram->slot_bits = (unsigned)__builtin_ctz(capacity) + 1;
	histogram->buckets = buckets;
	histogram->capacity = capacity;
	fill_slots(histogram);
	return 0;
}

int histogram_add(struct histogram *histogram, int64_t delay_ns, uint64_t packets)
{
	int64_t middle = histogram_middle(delay_ns);
	uint16_t *slot;

	if (packets == 0)
		return 0;
	if (packets > UINT64_MAX - histogram->total)
		return OWAMP_ELIMIT;
	if (histogram->count == histogram->capacity && grow(histogram))
		return OWAMP_ENOMEM;
	slot = find(histogram, middle);
	if (!*slot) {
		uint32_t i = histogram->count++;

		histogram->buckets[i] = (struct histogram_bucket){.delay_ns = middle};
		*slot = (uint16_t)(i + 1);
		if (i > 0 && histogram->buckets[i - 1].delay_ns > middle)
			histogram->sorted = false;
	}
	histogram->buckets[*slot - 1].packets += packets;
	histogram->total += packets;
	return 0;
}

void histogram_clear(struct histogram *histogram)
{
	histogram->count = 0;
	histogram->total = 0;
	histogram->sorted = true;
	if (histogram->slots)
		fill_slots(histogram);
}

uint64_t histogram_total(const struct histogram *histogram)
{
	return histogram->total;
}

static int by_delay(const void *left, const void *right)
{
	const struct histogram_bucket *a = left;
	const struct histogram_bucket *b = right;

	return (a->delay_ns > b->delay_ns) - (a->delay_ns < b->delay_ns);
}

const struct histogram_bucket *histogram_buckets(struct histogram *histogram, size_t *count)
{
	*count = histogram->count;
	if (!histogram->sorted) {
		qsort(histogram->buckets, histogram->count, sizeof *histogram->buckets, by_delay);
		histogram->sorted = true;
		fill_slots(histogram);
	}
	return histogram->buckets;
}

int histogram_percentile(struct histogram *histogram, double percent, int64_t *delay_ns)
{
	const struct histogram_bucket *buckets;
	uint64_t left;
	size_t count;

	if (!(percent > 0 && percent <= 100))
		return OWAMP_EINVAL;
	if (histogram->total == 0)
		return OWAMP_EDATA;
	buckets = histogram_buckets(histogram, &count);
	left = owamp_percentile_rank(percent, histogram->total);
	while (buckets->packets < left) {
		left -= buckets->packets;
		buckets++;
	}
	*delay_ns = buckets->delay_ns;
	return 0;
}

size_t histogram_memory(const struct histogram *histogram)
{
	return sizeof *histogram + histogram->capacity * (sizeof *histogram->buckets + 2 * sizeof(uint16_t));
}
