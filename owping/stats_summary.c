/* owstats summary: both directions between two endpoints. */
#include <inttypes.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_range.h"

struct direction {
	const char *from;
	const char *to;
	struct stats_range range;
};

static void add_worst(json_t *object, const struct stats_range *range)
{
	const struct query_minute *worst = &range->worst;
	bool known = range->has_worst, any = known && worst->received > 0;

	json_object_set_new(object, "worst_minute_ns", stats_number_if(known, worst->minute_ns));
	json_object_set_new(object, "worst_minute_sent", stats_number_if(known, (int64_t)worst->sent));
	json_object_set_new(object, "worst_minute_lost", stats_number_if(known, (int64_t)worst->lost));
	json_object_set_new(object, "worst_minute_delay_p95_ns", stats_number_if(any, worst->delay_p95_ns));
	json_object_set_new(object, "worst_minute_delay_max_ns", stats_number_if(any, worst->delay_max_ns));
}

static json_t *direction_object(struct stats_run *run, const struct direction *direction)
{
	const struct stats_range *range = &direction->range;
	const struct stats_step none = {0};
	const struct stats_step *step = range->step_count > 0 ? &range->steps[0] : &none;
	bool any = step->received > 0, has_delays = any && stats_pool_count(step->pool) > 0;
	bool known = range->step_count > 0;
	json_t *object = json_object();

	json_object_set_new(object, "from", stats_string(direction->from));
	json_object_set_new(object, "to", stats_string(direction->to));
	json_object_set_new(object, "begin_ns", stats_number_if(known, range->begin_ns));
	json_object_set_new(object, "end_ns", stats_number_if(known, range->end_ns));
	json_object_set_new(object, "sessions", stats_number(range->sessions));
	json_object_set_new(object, "sessions_running", stats_number(range->running));
	json_object_set_new(object, "sent", stats_number(step->sent));
	json_object_set_new(object, "received", stats_number(step->received));
	json_object_set_new(object, "lost", stats_number(step->lost));
	json_object_set_new(object, "lost_percent", stats_percent(step->lost, step->sent));
	json_object_set_new(object, "dropped", stats_number(step->dropped));
	json_object_set_new(object, "duplicates", stats_number(step->duplicates));
	json_object_set_new(object, "reordered", stats_number(step->reordered));
	json_object_set_new(object, "delay_min_ns",
			    stats_number_if(has_delays, has_delays ? stats_pool_min(step->pool) : 0));
	json_object_set_new(object, "delay_max_ns",
			    stats_number_if(has_delays, has_delays ? stats_pool_max(step->pool) : 0));
	if (has_delays)
		stats_percentiles_of_pool(object, run->options, step->pool);
	else
		stats_percentiles_none(object, run->options);
	json_object_set_new(object, "percentiles_from", json_string(stats_source(range->exact)));
	json_object_set_new(object, "clock_error_ns", stats_number_if(any, range->error_ns));
	json_object_set_new(object, "synchronized", any ? json_boolean(range->synchronized) : json_null());
	add_worst(object, range);
	return object;
}

static void print_worst(struct stats_run *run, const struct query_minute *worst)
{
	char time[STATS_TEXT_SIZE], p95[STATS_TEXT_SIZE];

	fprintf(run->out, "worst minute %s: %" PRIu64 " of %" PRIu64 " lost",
		stats_time(run, time, worst->minute_ns, 0), worst->lost, worst->sent);
	if (worst->received > 0)
		fprintf(run->out, ", P95 %s", stats_delay_unit(run, p95, worst->delay_p95_ns));
	fputc('\n', run->out);
}

static void print_delays(struct stats_run *run, const struct stats_range *range, struct stats_pool *pool)
{
	char min[STATS_TEXT_SIZE], max[STATS_TEXT_SIZE], bound[STATS_TEXT_SIZE];
	bool is_doubtful = range->error_ns > stats_pool_min(pool) || !range->synchronized;

	fprintf(run->out, "one-way delay min/max = %s/%s\n", stats_delay(run, min, stats_pool_min(pool)),
		stats_delay_unit(run, max, stats_pool_max(pool)));
	for (size_t i = 0; i < run->options->percentile_count; i++) {
		int64_t delay_ns;

		if (stats_pool_percentile(pool, run->options->percentiles[i], &delay_ns) == 0)
			fprintf(run->out, "P%-5.10g %s%s\n", run->options->percentiles[i],
				range->exact ? "" : "~", stats_delay_unit(run, min, delay_ns));
	}
	fprintf(run->out, "percentiles %s\n",
		range->exact ? "exact, from the packets" : "within 1 %, from histograms");
	fprintf(run->out, "%sclock error at most %s%s%s%s\n",
		run->colors && is_doubtful ? STATS_COLOR_WARNING : "",
		owping_format_bound_auto(bound, range->error_ns),
		range->synchronized ? "" : ": a clock was not synchronized",
		range->error_ns > stats_pool_min(pool) ? "; more than the smallest delay" : "",
		run->colors && is_doubtful ? STATS_COLOR_END : "");
}

static void print_direction(struct stats_run *run, const struct direction *direction)
{
	const struct stats_range *range = &direction->range;
	const struct stats_step *step = range->steps;
	char begin[STATS_TEXT_SIZE], end[STATS_TEXT_SIZE];

	fprintf(run->out, "--- from %s to %s ---\n", direction->from, direction->to);
	if (range->step_count == 0) {
		fputs("no session\n", run->out);
		return;
	}
	fprintf(run->out, "%s to %s%s\n", stats_time(run, begin, range->begin_ns, 3),
		stats_time(run, end, range->end_ns, 3), range->whole_hours ? ", whole hours" : "");
	fprintf(run->out, "sessions: %" PRIu64, range->sessions);
	if (range->running > 0)
		fprintf(run->out, ", %" PRIu64 " of them running", range->running);
	fprintf(run->out, "\n%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost (%.3f%%), ", step->sent,
		step->received, step->lost,
		step->sent > 0 ? 100.0 * (double)step->lost / (double)step->sent : 0.0);
	if (step->dropped > 0)
		fprintf(run->out, "%" PRIu64 " dropped, ", step->dropped);
	fprintf(run->out, "%" PRIu64 " duplicates, %" PRIu64 " reordered\n", step->duplicates,
		step->reordered);
	if (step->received > 0 && stats_pool_count(step->pool) > 0)
		print_delays(run, range, step->pool);
	else
		fputs("no packet was received: no delay\n", run->out);
	if (range->has_worst)
		print_worst(run, &range->worst);
}

static int collect(struct stats_run *run, struct direction *direction)
{
	const struct stats_range_config config = {
		.from = direction->from,
		.to = direction->to,
		.since_ns = run->options->since_ns,
		.until_ns = run->options->until_ns,
	};

	return stats_range_collect(&direction->range, run, &config);
}

int stats_summary(struct stats_run *run)
{
	struct direction directions[] = {
		{.from = run->options->from, .to = run->options->to},
		{.from = run->options->to, .to = run->options->from},
	};
	json_t *list = json_array();
	uint64_t dropped = 0;
	int error = collect(run, &directions[0]);

	if (!error)
		error = collect(run, &directions[1]);
	if (!error && directions[0].range.sessions == 0 && directions[1].range.sessions == 0) {
		stats_publish_nothing(run, "directions", direction_object(run, &directions[0]));
		error = stats_range_nothing(run, true);
	}
	for (size_t i = 0; i < 2 && !error; i++) {
		if (directions[i].range.step_count > 0)
			dropped += directions[i].range.steps[0].dropped;
		if (run->options->format != STATS_TEXT)
			json_array_append_new(list, direction_object(run, &directions[i]));
		else
			print_direction(run, &directions[i]);
	}
	if (!error)
		stats_note_drops(run, dropped);
	if (!error && run->options->format != STATS_TEXT)
		stats_publish(run, "directions", json_incref(list));
	json_decref(list);
	stats_range_free(&directions[0].range);
	stats_range_free(&directions[1].range);
	return error;
}
