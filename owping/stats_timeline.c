/* owstats timeline: loss and percentiles from one endpoint to another, a line a step. */
#include <inttypes.h>
#include <stdlib.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_draw.h"
#include "owping/stats_range.h"
#include "owping/stats_table.h"
#include "owping/stats_terminal.h"

#define BAR_MIN 8
#define BAR_MAX 40

/* Columns before the percentiles, and of one of them, with the blanks between. */
#define FIRST_COLUMNS      48
#define PERCENTILE_COLUMNS 10

static bool has_delays(const struct stats_step *step)
{
	return step->received > 0 && stats_pool_count(step->pool) > 0;
}

static json_t *step_object(struct stats_run *run, const struct stats_range *range, size_t i)
{
	const struct stats_step *step = &range->steps[i];
	bool known = has_delays(step);
	json_t *object = json_object();

	json_object_set_new(object, "begin_ns", json_integer(range->begin_ns + (int64_t)i * range->step_ns));
	json_object_set_new(object, "sent", stats_number(step->sent));
	json_object_set_new(object, "received", stats_number(step->received));
	json_object_set_new(object, "lost", stats_number(step->lost));
	json_object_set_new(object, "lost_percent", stats_percent(step->lost, step->sent));
	json_object_set_new(object, "dropped", stats_number(step->dropped));
	json_object_set_new(object, "duplicates", stats_number(step->duplicates));
	json_object_set_new(object, "reordered", stats_number(step->reordered));
	json_object_set_new(object, "delay_min_ns",
			    stats_number_if(known, known ? stats_pool_min(step->pool) : 0));
	json_object_set_new(object, "delay_max_ns",
			    stats_number_if(known, known ? stats_pool_max(step->pool) : 0));
	if (known)
		stats_percentiles_of_pool(object, run->options, step->pool);
	else
		stats_percentiles_none(object, run->options);
	return object;
}

static void publish(struct stats_run *run, const struct stats_range *range)
{
	json_t *list = json_array();

	json_object_set_new(run->document, "from", stats_string(run->options->from));
	json_object_set_new(run->document, "to", stats_string(run->options->to));
	json_object_set_new(run->document, "begin_ns", json_integer(range->begin_ns));
	json_object_set_new(run->document, "end_ns", json_integer(range->end_ns));
	json_object_set_new(run->document, "step_ns", json_integer(range->step_ns));
	json_object_set_new(run->document, "sessions", stats_number(range->sessions));
	json_object_set_new(run->document, "sessions_left_out", stats_number(range->left_out));
	json_object_set_new(run->document, "percentiles_from", json_string(stats_source(range->exact)));
	for (size_t i = 0; i < range->step_count; i++)
		json_array_append_new(list, step_object(run, range, i));
	stats_publish(run, "steps", list);
}

/* The percentile that the bar shows: the last one asked for. */
static int64_t bar_value(const struct stats_run *run, const struct stats_step *step)
{
	int64_t delay_ns = 0;

	if (has_delays(step))
		(void)stats_pool_percentile(
			step->pool, run->options->percentiles[run->options->percentile_count - 1], &delay_ns);
	return delay_ns > 0 ? delay_ns : 0;
}

struct drawing {
	struct stats_run *run;
	const struct stats_range *range;
	struct stats_table *table;
	int64_t max_ns;
	unsigned bar_width;
	bool utf8;
};

static void add_step(struct drawing *drawing, size_t i)
{
	const struct stats_options *options = drawing->run->options;
	const struct stats_step *step = &drawing->range->steps[i];
	char text[STATS_TEXT_SIZE], bar[3 * BAR_MAX + 1];

	stats_table_add(drawing->table, "%s",
			stats_time(drawing->run, text,
				   drawing->range->begin_ns + (int64_t)i * drawing->range->step_ns, 0));
	stats_table_add(drawing->table, "%" PRIu64, step->sent);
	stats_table_add(drawing->table, "%" PRIu64, step->lost);
	stats_table_add(drawing->table, "%" PRIu64, step->dropped);
	for (size_t j = 0; j < options->percentile_count; j++) {
		int64_t delay_ns;

		if (has_delays(step) &&
		    stats_pool_percentile(step->pool, options->percentiles[j], &delay_ns) == 0)
			stats_table_add(drawing->table, "%s", stats_delay(drawing->run, text, delay_ns));
		else
			stats_table_add(drawing->table, "-");
	}
	stats_table_add(drawing->table, "%s",
			stats_bar_text(bar, (uint64_t)bar_value(drawing->run, step),
				       (uint64_t)drawing->max_ns, drawing->bar_width, drawing->utf8));
	stats_table_row(drawing->table, step->lost > 0 ? STATS_COLOR_WARNING : NULL);
}

static void set_width(struct drawing *drawing)
{
	const struct stats_options *options = drawing->run->options;
	struct stats_terminal terminal;
	unsigned columns, others;

	stats_terminal_get(&terminal);
	columns = options->width > 0 ? options->width : terminal.columns;
	others = FIRST_COLUMNS + PERCENTILE_COLUMNS * (unsigned)options->percentile_count;
	drawing->utf8 = terminal.utf8;
	drawing->bar_width = columns > others + BAR_MIN ? columns - others : BAR_MIN;
	if (drawing->bar_width > BAR_MAX)
		drawing->bar_width = BAR_MAX;
}

static int draw(struct stats_run *run, const struct stats_range *range)
{
	char names[STATS_PERCENTILES_MAX + 1][24];
	const char *headers[STATS_PERCENTILES_MAX + 5] = {"<time", "sent", "lost", "drop"};
	size_t count = run->options->percentile_count;
	struct drawing drawing = {.run = run, .range = range};
	bool dropped = false;
	int error;

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "P%.10g", run->options->percentiles[i]);
		headers[4 + i] = names[i];
	}
	snprintf(names[count], sizeof names[count], "<P%.10g", run->options->percentiles[count - 1]);
	headers[4 + count] = names[count];
	set_width(&drawing);
	for (size_t i = 0; i < range->step_count; i++) {
		int64_t value_ns = bar_value(run, &range->steps[i]);

		drawing.max_ns = value_ns > drawing.max_ns ? value_ns : drawing.max_ns;
		dropped |= range->steps[i].dropped > 0;
	}
	error = stats_table_new(&drawing.table, headers, count + 5);
	for (size_t i = 0; i < range->step_count && !error; i++)
		add_step(&drawing, i);
	if (!error)
		error = stats_table_print(drawing.table, run->out, run->colors);
	if (!error)
		fprintf(run->out, "delays in %s; percentiles %s\n", owping_unit_name(run->options->unit),
			range->exact ? "exact, from the packets" : "within 1 %, from histograms");
	if (!error && dropped)
		fputs(STATS_DROP_LEGEND, run->out);
	stats_table_free(drawing.table);
	return stats_failed(run, error);
}

static int nothing(struct stats_run *run)
{
	struct stats_step step = {0};
	const struct stats_range range = {.steps = &step, .step_count = 1};

	stats_publish_nothing(run, "steps", step_object(run, &range, 0));
	return stats_range_nothing(run, false);
}

int stats_timeline(struct stats_run *run)
{
	const struct stats_options *options = run->options;
	const struct stats_range_config config = {
		.from = options->from,
		.to = options->to,
		.since_ns = options->since_ns,
		.until_ns = options->until_ns,
		.step_ns = options->step_ns,
	};
	struct stats_range range;
	int error = stats_range_collect(&range, run, &config);

	if (!error && range.step_count == 0)
		error = nothing(run);
	else if (!error && range.left_out == range.sessions)
		error = stats_fail(run,
				   "the packets are pruned, and steps that are not whole hours need them: "
				   "expected --step 1h or a multiple");
	if (!error && range.left_out > 0)
		stats_note(run,
			   "%" PRIu64 " of %" PRIu64 " sessions are left out: their packets are pruned, and "
			   "steps that are not whole hours need them",
			   range.left_out, range.sessions);
	if (!error && range.widened)
		stats_note(run,
			   "the range was widened to whole steps: what is left of pruned or many packets "
			   "is counted by the hour");
	if (!error && options->format != STATS_TEXT)
		publish(run, &range);
	else if (!error)
		error = draw(run, &range);
	stats_range_free(&range);
	return error;
}
