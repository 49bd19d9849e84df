/* What the parts of a summary share. */
#ifndef STORAGE_SUMMARY_INTERNAL_H
#define STORAGE_SUMMARY_INTERNAL_H

#include "histogram.h"
#include "summary.h"

#define SUMMARY_SECOND_NS INT64_C(1000000000)
#define SUMMARY_MINUTE_NS (60 * SUMMARY_SECOND_NS)
#define SUMMARY_HOUR_NS   (60 * SUMMARY_MINUTE_NS)

/* Beyond the Timeout, for what is still on its way to the summary. */
#define SUMMARY_GRACE_NS (2 * SUMMARY_SECOND_NS)

/* A row of the table minutes. The delays, bounds and synchronized mean something if received is not 0. */
struct minute_row {
	int64_t minute_ns;
	uint64_t received;
	uint64_t lost; /* in the network */
	uint64_t dropped;
	uint64_t duplicates;
	uint64_t reordered;
	int64_t delay_min_ns;
	int64_t delay_p50_ns;
	int64_t delay_p95_ns;
	int64_t delay_p99_ns;
	int64_t delay_p999_ns;
	int64_t delay_max_ns;
	int64_t send_error_ns;
	int64_t receive_error_ns;
	bool synchronized;
};

/* What is to be added to an hour's histogram. */
struct hour_row {
	int64_t hour_ns;
	struct histogram *histogram;
};

/* Packets lost in a row, in the network; what it touches in the archive is one with it. */
struct loss_row {
	uint32_t first_seq;
	uint32_t last_seq;
	int64_t begin_ns;
	int64_t end_ns;
};

/* Rows to be stored. Those below written were, and no longer change; until they are dropped. */
struct row_list {
	void *rows;
	size_t row_size;
	size_t count;
	size_t written;
	size_t capacity;
};

/* A new last row, zeroed; NULL: no memory. */
void *row_list_push(struct row_list *list);

/* The last row if it may still change, or NULL. */
void *row_list_last(const struct row_list *list);

/* A minute that may still change: row without what follows from the delays. */
struct minute {
	struct minute_row row;
	int64_t *delays; /* row.received of them */
	size_t capacity;
};

/* Minutes that may still change, by their begin: a <search.h> tree. */
struct minute_tree {
	void *root;
	struct minute *latest; /* that was asked for */
	size_t octets;
};

/* The minute that begins then, made if it is not there; NULL: no memory. */
struct minute *minute_tree_get(struct minute_tree *tree, int64_t minute_ns);

/* Takes out the first minute, if it begins before then; NULL: there is none. It is the caller's to free. */
struct minute *minute_tree_take(struct minute_tree *tree, int64_t before_ns);
void minute_tree_free(struct minute_tree *tree);

int minute_add_delay(struct minute_tree *tree, struct minute *minute, int64_t delay_ns);
void minute_free(struct minute *minute);

/* Completes row from the delays, which are sorted for it. */
void minute_finish(struct minute *minute);

/* The begin of the minute or hour, before 1970 as well. */
int64_t summary_floor(int64_t ns, int64_t unit);

/* The time nearest to it that summary_new() takes. */
int64_t summary_near(int64_t near_ns);

struct summary {
	int64_t timeout_ns;
	int64_t near_ns;
	bool stale;
	bool counted;             /* there was a record that counts */
	uint32_t seq_max;         /* of those */
	uint64_t next_expected;   /* RFC 4737 section 3.3 */
	int64_t closed_before_ns; /* minutes that begin before this are closed */
	struct minute_tree open;
	struct row_list minutes; /* struct minute_row */
	struct row_list hours;   /* struct hour_row */
	struct row_list losses;  /* struct loss_row */
	struct owamp_skip_range *skips;
	uint32_t skip_count;
	uint64_t cut; /* packets from here on do not count */
};

/*
 * Closes minutes that begin before then; no further ones once they have max packets
 * and minutes together. *more: there are some left.
 */
int summary_close_before(struct summary *summary, int64_t before_ns, uint64_t max, bool *more);

#endif
