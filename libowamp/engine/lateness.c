#include "lateness.h"

#include <owamp/stats.h>

#define LAST (LATENESS_BUCKETS - 1)

/* A bucket of octave o is 2^(4 + o) ns wide; octave 0 reaches from 0 to 128 ns, the others double. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned octave = ns < 128 ? 0 : 57 - (unsigned)__builtin_clzll(ns);
	uint64_t bucket = 4 * octave + (ns >> (4 + octave));

	return bucket < LAST ? (unsigned)bucket : LAST;
}

static int64_t middle_of(unsigned bucket)
{
	unsigned octave = bucket < 8 ? 0 : bucket / 4 - 1;
	int64_t width = INT64_C(16) << octave;

	return (bucket - 4 * octave) * width + width / 2;
}

void lateness_add(struct lateness *lateness, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	lateness->count++;
	lateness->buckets[bucket_of((uint64_t)ns)]++;
	if (ns > lateness->max_ns)
		lateness->max_ns = ns;
	lateness->sum_ns += (double)ns;
}

int64_t lateness_percentile(const struct lateness *lateness, double percent)
{
	uint64_t rank, below = 0;
	unsigned bucket = 0;

	if (lateness->count == 0)
		return 0;
	rank = owamp_percentile_rank(percent, lateness->count);
	while (bucket < LAST && (below += lateness->buckets[bucket]) < rank)
		bucket++;
	/* Nothing is known of what lies beyond the last edge but the greatest. */
	if (bucket == LAST || middle_of(bucket) > lateness->max_ns)
		return lateness->max_ns;
	return middle_of(bucket);
}
