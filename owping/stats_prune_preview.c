#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/stats_prune.h"
#include "storage/query.h"

struct candidate {
	char sid[33];
	int64_t start_ns;
	int64_t end_ns;
	uint64_t records; /* rows of packets that are there */
	bool kept;        /* its packets */
};

struct candidates {
	struct candidate *list;
	size_t count;
	uint64_t records; /* of the running ones as well */
};

static int take(void *context, const struct query_session *session)
{
	struct candidates *candidates = context;

	candidates->records += session->packets_kept ? session->records : 0;
	if (session->outcome == ARCHIVE_RUNNING)
		return 0;
	/* The capacity is the next power of two. */
	if ((candidates->count & (candidates->count - 1)) == 0) {
		struct candidate *list = reallocarray(
			candidates->list, candidates->count > 0 ? 2 * candidates->count : 1, sizeof *list);

		if (!list)
			return OWAMP_ENOMEM;
		candidates->list = list;
	}
	candidates->list[candidates->count] = (struct candidate){
		.start_ns = session->start_ns,
		.end_ns = session->end_ns,
		.records = session->packets_kept ? session->records : 0,
		.kept = session->packets_kept,
	};
	snprintf(candidates->list[candidates->count++].sid, 33, "%s", session->sid);
	return 0;
}

static int by_end(const void *left, const void *right)
{
	const struct candidate *a = left;
	const struct candidate *b = right;

	return (a->end_ns > b->end_ns) - (a->end_ns < b->end_ns);
}

/* The file as it would be. */
struct preview {
	struct stats_run *run;
	struct stats_pruned *pruned;
	double octets;
	double octets_per_record;
};

static void drop_packets(struct preview *preview, struct candidate *candidate)
{
	candidate->kept = false;
	preview->octets -= (double)candidate->records * preview->octets_per_record;
	candidate->records = 0;
	stats_pruned_add(preview->pruned, candidate->sid, false);
}

static void drop_old(struct preview *preview, struct candidates *candidates)
{
	const struct stats_options *options = preview->run->options;
	int64_t packets_ns = preview->run->now_ns - options->keep_packets_ns;
	int64_t summaries_ns = preview->run->now_ns - options->keep_summaries_ns;

	for (size_t i = 0; i < candidates->count; i++) {
		struct candidate *candidate = &candidates->list[i];
		bool is_old = options->keep_summaries_ns > 0 && candidate->start_ns < summaries_ns &&
			      candidate->end_ns < summaries_ns;

		if (is_old) {
			preview->octets -= (double)candidate->records * preview->octets_per_record;
			candidate->records = 0;
			candidate->kept = false;
			stats_pruned_add(preview->pruned, candidate->sid, true);
		} else if (candidate->kept && options->keep_packets_ns > 0 &&
			   candidate->end_ns < packets_ns) {
			drop_packets(preview, candidate);
		}
	}
}

int stats_prune_preview(struct stats_run *run, struct stats_pruned *pruned, uint64_t used, uint64_t *after)
{
	struct query_filter filter = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
	struct preview preview = {.run = run, .pruned = pruned, .octets = (double)used};
	struct candidates candidates = {0};
	double max = (double)run->options->max_octets;
	int error = query_sessions(run->archive, &filter, take, &candidates);

	/* Nearly all of a file is packets. */
	if (candidates.records > 0)
		preview.octets_per_record = (double)used / (double)candidates.records;
	if (!error && candidates.count > 0) {
		qsort(candidates.list, candidates.count, sizeof *candidates.list, by_end);
		drop_old(&preview, &candidates);
	}
	for (size_t i = 0; i < candidates.count && !error && max > 0 && preview.octets > max; i++) {
		if (candidates.list[i].kept)
			drop_packets(&preview, &candidates.list[i]);
	}
	if (!error && max > 0 && preview.octets > max)
		stats_note(run,
			   "that is more than --max-size: whole sessions would go too, the oldest first, "
			   "as far as that is needed");
	stats_note(run, "sizes are estimates from the number of packets");
	*after = preview.octets > 0 ? (uint64_t)preview.octets : 0;
	free(candidates.list);
	return stats_failed(run, error);
}
