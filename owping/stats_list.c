/* owstats list: a line a session. */
#include <inttypes.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_find.h"
#include "owping/stats_measure.h"
#include "owping/stats_run.h"
#include "owping/stats_table.h"

/* Delays of so many packets are sorted for a list, at most so many of one session. */
#define RECORDS_MAX         2000000
#define SESSION_RECORDS_MAX 100000

struct list {
	struct stats_run *run;
	struct stats_table *table; /* text */
	json_t *sessions;          /* otherwise */
	uint64_t records_left;
	uint64_t count;
	bool doubtful; /* these: a mark or a column that needs its legend */
	bool unsynchronized;
	bool approximate;
	bool dropped;
};

static void add_delay(struct list *list, bool known, bool exact, int64_t delay_ns)
{
	char text[STATS_TEXT_SIZE];

	if (known)
		stats_table_add(list->table, "%s%s", exact ? "" : "~",
				stats_delay(list->run, text, delay_ns));
	else
		stats_table_add(list->table, "-");
}

static void add_bound(struct list *list, const struct stats_figures *figures)
{
	bool doubtful = figures->error_ns > figures->delay_min_ns;
	char text[STATS_TEXT_SIZE];

	if (!figures->has_delays) {
		stats_table_add(list->table, "-");
		return;
	}
	stats_table_add(list->table, "%s%s%s",
			owping_format_bound(text, figures->error_ns, list->run->options->unit),
			doubtful ? "!" : "", figures->synchronized ? "" : "?");
	list->doubtful |= doubtful;
	list->unsynchronized |= !figures->synchronized;
}

static const char *color_of(const struct query_session *session, const struct stats_figures *figures)
{
	if (session->outcome == ARCHIVE_BROKEN || session->outcome == ARCHIVE_INVALID)
		return STATS_COLOR_ERROR;
	if (figures->has_delays && (!figures->synchronized || figures->error_ns > figures->delay_min_ns))
		return STATS_COLOR_WARNING;
	return NULL;
}

static void add_line(struct list *list, const struct query_session *session,
		     const struct stats_figures *figures)
{
	struct stats_table *table = list->table;
	bool known = figures->has_delays;
	char text[STATS_TEXT_SIZE];

	stats_table_add(table, "%s", stats_time(list->run, text, session->start_ns, 0));
	stats_table_add(table, "%s", session->sender_name ? session->sender_name : session->sender);
	stats_table_add(table, "%s", session->receiver_name ? session->receiver_name : session->receiver);
	stats_table_add(table, "%s", session->direction);
	stats_table_add(table, "%s", session->outcome_text);
	stats_table_add(table, "%" PRIu64, figures->sent);
	stats_table_add(table, "%" PRIu64, figures->lost);
	stats_table_add(table, "%" PRIu64, figures->dropped);
	stats_table_add(table, "%" PRIu64, figures->duplicates);
	add_delay(list, known, true, figures->delay_min_ns);
	add_delay(list, known, figures->exact, figures->delay_median_ns);
	add_delay(list, known, figures->exact, figures->delay_p95_ns);
	add_delay(list, known, true, figures->delay_max_ns);
	add_bound(list, figures);
	stats_table_add(table, "%s", session->sid);
	stats_table_row(table, color_of(session, figures));
	list->approximate |= known && !figures->exact;
	list->dropped |= figures->dropped > 0;
}

static int add_session(void *context, const struct query_session *session)
{
	struct list *list = context;
	uint64_t max = list->records_left < SESSION_RECORDS_MAX ? list->records_left : SESSION_RECORDS_MAX;
	struct stats_figures figures;
	int error = stats_figures_measure(&figures, list->run->archive, session, max);

	if (!error) {
		list->count++;
		if (figures.exact)
			list->records_left -= session->records < max ? session->records : max;
		if (list->table)
			add_line(list, session, &figures);
		else
			json_array_append_new(list->sessions, stats_session_object(session, &figures));
	}
	stats_figures_free(&figures);
	return stats_contradiction(list->run, session, error);
}

static void print_legend(const struct list *list)
{
	const char *separator = "";

	if (list->doubtful)
		fputs("! the clocks' error bound exceeds the smallest delay", list->run->out);
	if (list->doubtful)
		separator = "; ";
	if (list->unsynchronized)
		fprintf(list->run->out, "%s? a clock was not synchronized", separator);
	if (list->unsynchronized)
		separator = "; ";
	if (list->approximate)
		fprintf(list->run->out, "%s~ from histograms, within 1 %%", separator);
	if (list->doubtful || list->unsynchronized || list->approximate)
		fputc('\n', list->run->out);
}

static int nothing(struct stats_run *run, const struct query_filter *filter)
{
	struct query_filter all = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
	const char *const ends[] = {filter->from, filter->to};
	const struct query_session no_session = {0};
	const struct stats_figures no_figures = {0};
	uint64_t count = 0;
	int error = query_session_count(run->archive, &all, &count);

	stats_publish_nothing(run, "sessions", stats_session_object(&no_session, &no_figures));

	for (size_t i = 0; i < 2 && !error && count > 0; i++) {
		bool known = true;

		if (ends[i])
			error = query_endpoint_known(run->archive, ends[i], &known);
		if (!known)
			return stats_fail(run, "%s: no session has an endpoint %s", run->options->archive,
					  ends[i]);
	}
	if (error)
		return stats_failed(run, error);
	if (count == 0)
		return stats_fail(run, "%s: no session yet", run->options->archive);
	return stats_fail(run, "%s: none of the %" PRIu64 " sessions is as asked for", run->options->archive,
			  count);
}

static int publish(struct list *list, const struct query_filter *filter)
{
	struct stats_run *run = list->run;
	uint64_t count;
	int error = 0;

	if (!list->table) {
		stats_publish(run, "sessions", json_incref(list->sessions));
	} else {
		error = stats_table_print(list->table, run->out, run->colors);
		fprintf(run->out, "delays and err in %s\n", owping_unit_name(run->options->unit));
		print_legend(list);
		if (list->dropped)
			fputs(STATS_DROP_LEGEND, run->out);
	}
	if (filter->limit == 0 || list->count < filter->limit || error)
		return error;
	error = query_session_count(run->archive, filter, &count);
	if (!error && count > list->count)
		stats_note(run, "the newest %" PRIu64 " of %" PRIu64 " sessions; --limit 0 shows all",
			   list->count, count);
	return error;
}

int stats_list(struct stats_run *run)
{
	static const char *const headers[] = {"<start", "<from", "<to",  "<dir", "<outcome",
					      "sent",   "lost",  "drop", "dup",  "min",
					      "median", "P95",   "max",  "err",  "<SID"};
	const struct stats_options *options = run->options;
	struct query_filter filter = {
		.since_ns = options->since_ns,
		.until_ns = options->until_ns,
		.from = options->from,
		.to = options->to,
		.outcome = options->outcome,
		.limit = options->limit,
	};
	struct list list = {.run = run, .records_left = RECORDS_MAX};
	int error = 0;

	if (options->format == STATS_TEXT)
		error = stats_table_new(&list.table, headers, sizeof headers / sizeof headers[0]);
	else
		list.sessions = json_array();
	if (!error)
		error = query_sessions(run->archive, &filter, add_session, &list);
	if (!error)
		error = list.count > 0 ? publish(&list, &filter) : nothing(run, &filter);
	stats_table_free(list.table);
	json_decref(list.sessions);
	return stats_failed(run, error);
}
