/*
 * Log-linear histograms of delays: 64 buckets for each doubling, so the middle
 * of a bucket is within 1/128 (< 1 %) of every delay in it; exact below 128 ns.
 * Negative delays mirror the positive ones. Histograms are merged by adding
 * the counts of equal buckets. Pure; an object is used by one thread at a time.
 */
#ifndef STORAGE_HISTOGRAM_H
#define STORAGE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* The middle of the bucket that a delay falls into; a middle's middle is itself. */
int64_t histogram_middle(int64_t delay_ns);

/*
 * The lowest and highest delay of the bucket with this middle (or holding this
 * delay). Each bucket begins right after the one below it. INT64_MIN is a bucket
 * of its own.
 */
void histogram_edges(int64_t delay_ns, int64_t *lowest_ns, int64_t *highest_ns);

struct histogram_bucket {
	int64_t delay_ns; /* its middle */
	uint64_t packets;
};

struct histogram;

int histogram_new(struct histogram **histogram);
void histogram_free(struct histogram *histogram);

/* OWAMP_ENOMEM and OWAMP_ELIMIT (more than 2^64 - 1 packets) leave it as it was. */
int histogram_add(struct histogram *histogram, int64_t delay_ns, uint64_t packets);
void histogram_clear(struct histogram *histogram);

uint64_t histogram_total(const struct histogram *histogram);

/* Its buckets in ascending order, none empty; valid until the next change. */
const struct histogram_bucket *histogram_buckets(struct histogram *histogram, size_t *count);

/*
 * The smallest bucket that at least percent of the packets do not exceed (RFC
 * 2330 section 11.3): within 1 % of the exact percentile. OWAMP_EDATA if it is
 * empty, OWAMP_EINVAL unless 0 < percent <= 100.
 */
int histogram_percentile(struct histogram *histogram, double percent, int64_t *delay_ns);

/* Octets of memory held. */
size_t histogram_memory(const struct histogram *histogram);

#endif
