/* owstats histogram: how the delays of a session, or from one endpoint to another, are distributed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_draw.h"
#include "owping/stats_find.h"
#include "owping/stats_table.h"
#include "owping/stats_terminal.h"

/* Lines of a terminal that the rest takes: heading, header, two below, the prompt. */
#define OTHER_ROWS 5

struct histogram_view {
	struct stats_run *run;
	char title[256];
	struct stats_pool *pool;
	uint64_t lost;
	uint64_t dropped;
	bool from_packets;
	struct stats_bar *bars;
	size_t count;
};

static int64_t percentile(struct stats_pool *pool, double percent)
{
	int64_t delay_ns = 0;

	(void)stats_pool_percentile(pool, percent, &delay_ns);
	return delay_ns;
}

static void print_totals(const struct histogram_view *view)
{
	struct stats_run *run = view->run;
	char text[5][STATS_TEXT_SIZE];

	fprintf(run->out, "min %s, P50 ~%s, P95 ~%s, P99 ~%s, max %s\n",
		stats_delay(run, text[0], stats_pool_min(view->pool)),
		stats_delay(run, text[1], percentile(view->pool, 50)),
		stats_delay(run, text[2], percentile(view->pool, 95)),
		stats_delay(run, text[3], percentile(view->pool, 99)),
		stats_delay_unit(run, text[4], stats_pool_max(view->pool)));
	fprintf(run->out, "%" PRIu64 " packets received, %" PRIu64 " lost", stats_pool_count(view->pool),
		view->lost);
	if (view->dropped > 0)
		fprintf(run->out, ", %" PRIu64 " dropped at the receiver's own socket", view->dropped);
	fputc('\n', run->out);
}

/* All columns but the bar, each with two blanks behind it. */
static char *print_row(const struct histogram_view *view, size_t i, uint64_t sum, const int widths[3])
{
	const struct stats_bar *bar = &view->bars[i];
	double total = (double)stats_pool_count(view->pool);
	char low[STATS_TEXT_SIZE], high[STATS_TEXT_SIZE];
	char *line;

	if (asprintf(&line, "%*s  %*s  %*" PRIu64 "  %7.3f  %7.3f  ", widths[0],
		     stats_delay(view->run, low, bar->low_ns), widths[1],
		     stats_delay(view->run, high, bar->high_ns), widths[2], bar->packets,
		     100.0 * (double)bar->packets / total, 100.0 * (double)sum / total) < 0)
		return NULL;
	return line;
}

static int wider(int width, const char *text)
{
	int own = (int)strlen(text);

	return own > width ? own : width;
}

static void measure(const struct histogram_view *view, int widths[3])
{
	char text[STATS_TEXT_SIZE];

	widths[0] = (int)strlen("from");
	widths[1] = (int)strlen("to");
	widths[2] = (int)strlen("packets");
	for (size_t i = 0; i < view->count; i++) {
		widths[0] = wider(widths[0], stats_delay(view->run, text, view->bars[i].low_ns));
		widths[1] = wider(widths[1], stats_delay(view->run, text, view->bars[i].high_ns));
		snprintf(text, sizeof text, "%" PRIu64, view->bars[i].packets);
		widths[2] = wider(widths[2], text);
	}
}

static int draw_rows(const struct histogram_view *view, const int widths[3], unsigned bar_width, bool utf8)
{
	struct stats_run *run = view->run;
	char *text = calloc(3 * (size_t)bar_width + 1, 1);
	uint64_t max = 0, sum = 0;

	for (size_t i = 0; i < view->count; i++)
		max = view->bars[i].packets > max ? view->bars[i].packets : max;
	for (size_t i = 0; i < view->count && text; i++) {
		char *line;

		sum += view->bars[i].packets;
		line = print_row(view, i, sum, widths);
		if (!line)
			break;
		fprintf(run->out, "%s%s%s%s\n", line, run->colors ? STATS_COLOR_BAR : "",
			stats_bar_text(text, view->bars[i].packets, max, bar_width, utf8),
			run->colors ? STATS_COLOR_END : "");
		free(line);
	}
	free(text);
	return sum == stats_pool_count(view->pool) ? 0 : OWAMP_ENOMEM;
}

static int draw(const struct histogram_view *view, const struct stats_terminal *terminal)
{
	struct stats_run *run = view->run;
	unsigned columns = run->options->width > 0 ? run->options->width : terminal->columns;
	unsigned others;
	int widths[3];

	measure(view, widths);
	others = (unsigned)(widths[0] + widths[1] + widths[2]) + 2 * 7 + 5 * 2;
	fprintf(run->out, "%s; delays in %s\n", view->title, owping_unit_name(run->options->unit));
	fprintf(run->out, "%*s  %*s  %*s  %7s  %7s\n", widths[0], "from", widths[1], "to", widths[2],
		"packets", "%", "cum. %");
	if (draw_rows(view, widths, columns > others + 4 ? columns - others : 4, terminal->utf8) < 0)
		return OWAMP_ENOMEM;
	print_totals(view);
	return 0;
}

static json_t *bucket_object(const struct stats_bar *bar, uint64_t sum, uint64_t total)
{
	json_t *object = json_object();

	json_object_set_new(object, "low_ns", json_integer(bar->low_ns));
	json_object_set_new(object, "high_ns", json_integer(bar->high_ns));
	json_object_set_new(object, "packets", stats_number(bar->packets));
	json_object_set_new(object, "percent", stats_percent(bar->packets, total));
	json_object_set_new(object, "cumulative_percent", stats_percent(sum, total));
	return object;
}

static json_t *bucket_list(const struct histogram_view *view)
{
	uint64_t total = stats_pool_count(view->pool), sum = 0;
	json_t *list = json_array();

	for (size_t i = 0; i < view->count; i++) {
		const struct stats_bar *bar = &view->bars[i];

		sum += bar->packets;
		json_array_append_new(list, bucket_object(bar, sum, total));
	}
	return list;
}

static void publish_nothing(struct stats_run *run)
{
	const struct stats_bar none = {0};

	stats_publish_nothing(run, "buckets", bucket_object(&none, 0, 0));
}

static void publish(const struct histogram_view *view)
{
	json_t *document = view->run->document;

	json_object_set_new(document, "received", stats_number(stats_pool_count(view->pool)));
	json_object_set_new(document, "lost", stats_number(view->lost));
	json_object_set_new(document, "dropped", stats_number(view->dropped));
	json_object_set_new(document, "delay_min_ns", json_integer(stats_pool_min(view->pool)));
	json_object_set_new(document, "delay_max_ns", json_integer(stats_pool_max(view->pool)));
	json_object_set_new(document, "counted_from", json_string(stats_source(view->from_packets)));
	stats_publish(view->run, "buckets", bucket_list(view));
}

/* The buckets as they are for programs that do not ask for less, gaps left out. */
static size_t all_bars(const struct histogram_bucket *buckets, size_t count, struct stats_bar *bars)
{
	for (size_t i = 0; i < count; i++) {
		histogram_edges(buckets[i].delay_ns, &bars[i].low_ns, &bars[i].high_ns);
		bars[i].packets = buckets[i].packets;
	}
	return count;
}

static int show(struct histogram_view *view)
{
	const struct stats_options *options = view->run->options;
	struct stats_terminal terminal;
	const struct histogram_bucket *buckets;
	size_t count, rows = options->rows;
	int error = 0;

	if (stats_pool_count(view->pool) == 0) {
		publish_nothing(view->run);
		return stats_fail(view->run, "%s: no packet was received: no delay", view->title);
	}
	stats_terminal_get(&terminal);
	buckets = stats_pool_buckets(view->pool, &count);
	if (rows == 0)
		rows = options->format == STATS_TEXT ? terminal.rows - OTHER_ROWS : count;
	view->bars = calloc(rows, sizeof *view->bars);
	if (!view->bars)
		return OWAMP_ENOMEM;
	if (options->rows == 0 && options->format != STATS_TEXT)
		view->count = all_bars(buckets, count, view->bars);
	else
		view->count = stats_bars(buckets, count, view->bars, rows);
	if (options->format == STATS_TEXT)
		error = draw(view, &terminal);
	else
		publish(view);
	free(view->bars);
	return error;
}

static int show_pair(struct stats_run *run)
{
	const struct stats_options *options = run->options;
	const struct stats_range_config config = {
		.from = options->from,
		.to = options->to,
		.since_ns = options->since_ns,
		.until_ns = options->until_ns,
		.buckets = true,
	};
	struct histogram_view view = {.run = run};
	char begin[STATS_TEXT_SIZE], end[STATS_TEXT_SIZE];
	struct stats_range range;
	int error = stats_range_collect(&range, run, &config);

	if (!error && range.step_count == 0) {
		publish_nothing(run);
		error = stats_range_nothing(run, false);
	}
	if (!error) {
		view.pool = range.steps[0].pool;
		view.lost = range.steps[0].lost;
		view.dropped = range.steps[0].dropped;
		view.from_packets = !range.whole_hours;
		json_object_set_new(run->document, "from", stats_string(options->from));
		json_object_set_new(run->document, "to", stats_string(options->to));
		json_object_set_new(run->document, "begin_ns", json_integer(range.begin_ns));
		json_object_set_new(run->document, "end_ns", json_integer(range.end_ns));
		snprintf(view.title, sizeof view.title, "%.60s to %.60s, %s to %s%s", options->from,
			 options->to, stats_time(run, begin, range.begin_ns, 3),
			 stats_time(run, end, range.end_ns, 3), range.whole_hours ? " (whole hours)" : "");
		error = stats_failed(run, show(&view));
	}
	stats_range_free(&range);
	return error;
}

/* A session on its way into a histogram. */
struct filling {
	struct histogram_view *view;
	struct stats_cover cover;
};

static int add_record(void *context, const struct owamp_record *record)
{
	struct filling *filling = context;

	if (record->duplicate || !stats_covers(&filling->cover, record->seq))
		return 0;
	if (owamp_record_lost(record)) {
		filling->view->lost += !record->dropped;
		filling->view->dropped += record->dropped;
		return 0;
	}
	return stats_pool_add(filling->view->pool,
			      owamp_ntp_diff_ns(record->receive_time, record->send_time));
}

static int add_minute(void *context, const struct query_minute *minute)
{
	struct filling *filling = context;

	filling->view->lost += minute->lost;
	filling->view->dropped += minute->dropped;
	if (minute->received > 0)
		stats_pool_extend(filling->view->pool, minute->delay_min_ns, minute->delay_max_ns);
	return 0;
}

static int add_bucket(void *context, int64_t hour_ns, const struct histogram_bucket *bucket)
{
	struct filling *filling = context;

	(void)hour_ns;
	return stats_pool_add_bucket(filling->view->pool, bucket);
}

static int fill(struct filling *filling, struct archive *archive, const struct query_session *session)
{
	int64_t session_id = session->session_id;
	int error = stats_cover_load(&filling->cover, archive, session);

	if (!error && session->packets_kept) {
		error = stats_records(archive, session_id, add_record, filling);
	} else if (!error) {
		error = query_minutes(archive, session_id, INT64_MIN, INT64_MAX, add_minute, filling);
		if (!error)
			error = query_histogram(archive, session_id, INT64_MIN, INT64_MAX, add_bucket,
						filling);
	}
	stats_cover_free(&filling->cover);
	return error;
}

static int show_session(struct stats_run *run, const struct query_session *session)
{
	struct histogram_view view = {.run = run, .from_packets = session->packets_kept};
	struct filling filling = {.view = &view};
	int error = stats_pool_new(&view.pool, false);

	snprintf(view.title, sizeof view.title, "session %s, %s to %s", session->sid, session->sender,
		 session->receiver);
	json_object_set_new(run->document, "sid", stats_string(session->sid));
	json_object_set_new(run->document, "from", stats_string(session->sender));
	json_object_set_new(run->document, "to", stats_string(session->receiver));
	if (!error)
		error = fill(&filling, run->archive, session);
	if (!error && session->outcome == ARCHIVE_RUNNING)
		stats_note(run, "the session is running: what has been stored of it so far");
	if (!error)
		error = show(&view);
	stats_pool_free(view.pool);
	return error;
}

int stats_histogram(struct stats_run *run)
{
	int error = run->options->sid ? stats_find(run, show_session) : show_pair(run);

	if (run->found_nothing)
		publish_nothing(run);
	return error;
}
