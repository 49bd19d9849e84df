/*
 * Statistics of one session's records: RFC 7679 (delay), 7680 (loss), 5560
 * (duplication), 4737 (reordering), 3393 (delay variation).
 *
 * Exact: all records are kept (40 octets each) and sorted once at the end; a
 * percentile is the smallest delay that at least that share of the received
 * packets does not exceed (RFC 2330 section 11.3), so min <= any <= max. Only
 * the first arrival of a sequence number counts for delay and reordering.
 *
 * An object is used by one thread at a time.
 */
#ifndef OWAMP_STATS_H
#define OWAMP_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "session.h"

struct owamp_stats;

/*
 * The rank, from 1, of a percentile among count > 0 values, 0 < percent <= 100.
 * A percentage such as 99.9 is not exact in binary; what it is too large by does
 * not push the rank over an integer. Any thread.
 */
OWAMP_API uint64_t owamp_percentile_rank(double percent, uint64_t count);

/* The degrees of n-reordering that are told apart (RFC 4737 section 5). */
#define OWAMP_REORDER_DEGREES 64

struct owamp_summary {
	uint32_t sent;       /* packets the sender says it sent, or that the schedule has */
	uint32_t received;   /* different packets that arrived */
	uint32_t lost;       /* sent - received - dropped: in the network, as far as is known */
	uint32_t dropped;    /* at the receiver's own socket; only our own receiver's records say so */
	uint32_t skipped;    /* scheduled, never sent */
	uint32_t duplicates; /* further arrivals of received packets */

	/* Delays in ns; only meaningful if received > 0. Negative: the clocks disagree. */
	int64_t delay_min_ns;
	int64_t delay_median_ns;
	int64_t delay_max_ns;
	double delay_mean_ns;
	int64_t jitter_ns; /* P95 - P50 */

	/* |difference of the delays of packets with consecutive numbers|, RFC 3393. */
	uint32_t ipdv_count;
	double ipdv_mean_ns;
	int64_t ipdv_max_ns;

	/* RFC 4737: reordered by the NextExp rule, and n-reordering by degree. */
	uint32_t reordered;
	uint32_t n_reordered[OWAMP_REORDER_DEGREES]; /* [n-1]: packets that are n-reordered */

	uint8_t ttl_min; /* 255 also where it was not known */
	uint8_t ttl_max;

	/* Largest error bound of either clock over the received packets. */
	int64_t send_error_ns;
	int64_t receive_error_ns;
	/* All received packets were stamped by clocks synchronized to UTC. */
	bool send_synchronized;
	bool receive_synchronized;

	/* Send times of the first and last packet of the session, if any. */
	owamp_ntp first;
	owamp_ntp last;
};

/* packets: how many the schedule has; a record beyond is ignored. */
OWAMP_API int owamp_stats_new(struct owamp_stats **stats, uint32_t packets);
OWAMP_API void owamp_stats_free(struct owamp_stats *stats);

/* Records in the order of arrival. */
OWAMP_API int owamp_stats_record(struct owamp_stats *stats, const struct owamp_record *record);

/*
 * Ends the input. next_seq: packets from there on were never reached by the
 * sender (or are outside the evidence); they count as neither sent nor lost.
 * Packets of a skip range count as skipped, even if a lost record exists.
 */
OWAMP_API int owamp_stats_finish(struct owamp_stats *stats, uint32_t next_seq,
				 const struct owamp_skip_range *skips, size_t skip_count,
				 struct owamp_summary *summary);

/*
 * After finish(): the percentile of the delays, 0 < percent <= 100.
 * OWAMP_EDATA if nothing was received.
 */
OWAMP_API int owamp_stats_percentile(const struct owamp_stats *stats, double percent, int64_t *delay_ns);

/*
 * After finish(): how many delays fall into buckets of width_ns, starting with
 * the one that holds the minimum. fn is called for each bucket that is not
 * empty, in order, with its lower edge.
 */
OWAMP_API int owamp_stats_buckets(const struct owamp_stats *stats, int64_t width_ns,
				  void (*fn)(void *context, int64_t lower_ns, uint32_t count), void *context);

#endif
