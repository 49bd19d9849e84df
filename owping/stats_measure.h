/*
 * The figures of one session: from its packets through libowamp's own
 * statistics, or from what was derived from them when they are gone.
 */
#ifndef OWPING_STATS_MEASURE_H
#define OWPING_STATS_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/stats.h>

#include "owping/stats_pool.h"
#include "storage/query.h"

/* Which of a session's packets count, as libowamp and owping have it. */
struct stats_cover {
	uint32_t limit; /* one beyond the last that can */
	struct owamp_skip_range *skips;
	uint32_t skip_count;
};

int stats_cover_load(struct stats_cover *cover, struct archive *archive, const struct query_session *session);
void stats_cover_free(struct stats_cover *cover);
bool stats_covers(const struct stats_cover *cover, uint32_t seq);

/* Calls fn for the records in the order of arrival. */
int stats_records(struct archive *archive, int64_t session_id,
		  int (*fn)(void *context, const struct owamp_record *record), void *context);

struct stats_figures {
	bool exact; /* from the packets */
	uint64_t sent;
	uint64_t received;
	uint64_t lost;    /* in the network */
	uint64_t dropped; /* at the receiver's own socket */
	uint64_t duplicates;
	uint64_t reordered;
	uint64_t skipped;
	uint64_t unknown; /* sent, or perhaps sent: what became of them is not recorded */
	uint64_t missing; /* of the lost, those without a record */

	bool has_delays; /* these are set */
	int64_t delay_min_ns;
	int64_t delay_median_ns;
	int64_t delay_p95_ns;
	int64_t delay_max_ns;
	int64_t send_error_ns;
	int64_t receive_error_ns;
	int64_t error_ns; /* both together */
	bool synchronized;

	struct owamp_summary summary; /* if exact, but for the counts above */
	struct stats_cover cover;
	struct owamp_stats *stats; /* if exact */
	struct stats_pool *pool;   /* if not */
};

/*
 * From the packets if they are kept and not more than max, or if there is
 * nothing else. stats_figures_free() is due in any case. OWAMP_EDATA: the skip
 * ranges contradict each other.
 */
int stats_figures_measure(struct stats_figures *figures, struct archive *archive,
			  const struct query_session *session, uint64_t max);
void stats_figures_free(struct stats_figures *figures);

/* OWAMP_EDATA if it has no delays. */
int stats_figures_percentile(const struct stats_figures *figures, double percent, int64_t *delay_ns);

/* later - earlier; what a file can hold need not fit. */
int64_t stats_difference(int64_t later, int64_t earlier);

/* The bounds of both clocks together; saturates. */
int64_t stats_bound(int64_t send_error_ns, int64_t receive_error_ns);

#endif
