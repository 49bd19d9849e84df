#include <stdio.h>

#include <owamp/error.h>

#include "owping/stats_document.h"
#include "owping/stats_table.h"

json_t *stats_number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *stats_number_if(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

json_t *stats_string(const char *text)
{
	json_t *string = text ? json_string(text) : json_null();

	return string ? string : json_string("(not UTF-8)");
}

json_t *stats_percent(uint64_t part, uint64_t whole)
{
	return whole ? json_real(100.0 * (double)part / (double)whole) : json_null();
}

const char *stats_source(bool exact)
{
	return exact ? "packets" : "histograms";
}

static void add_session(json_t *object, const struct query_session *session)
{
	json_object_set_new(object, "sid", stats_string(session->sid));
	json_object_set_new(object, "start_ns", json_integer(session->start_ns));
	json_object_set_new(object, "end_ns",
			    stats_number_if(session->outcome != ARCHIVE_RUNNING, session->end_ns));
	json_object_set_new(object, "sender", stats_string(session->sender));
	json_object_set_new(object, "sender_name", stats_string(session->sender_name));
	json_object_set_new(object, "receiver", stats_string(session->receiver));
	json_object_set_new(object, "receiver_name", stats_string(session->receiver_name));
	json_object_set_new(object, "direction", stats_string(session->direction));
	json_object_set_new(object, "outcome", stats_string(session->outcome_text));
	json_object_set_new(object, "reason", stats_string(session->reason));
	json_object_set_new(object, "packets", stats_number(session->packets));
}

json_t *stats_session_object(const struct query_session *session, const struct stats_figures *figures)
{
	bool known = figures->has_delays, any = figures->received > 0;
	json_t *object = json_object();

	add_session(object, session);
	json_object_set_new(object, "sent", stats_number(figures->sent));
	json_object_set_new(object, "received", stats_number(figures->received));
	json_object_set_new(object, "lost", stats_number(figures->lost));
	json_object_set_new(object, "lost_percent", stats_percent(figures->lost, figures->sent));
	json_object_set_new(object, "dropped", stats_number(figures->dropped));
	json_object_set_new(object, "skipped", stats_number(figures->skipped));
	json_object_set_new(object, "duplicates", stats_number(figures->duplicates));
	json_object_set_new(object, "reordered", stats_number(figures->reordered));
	json_object_set_new(object, "unknown", stats_number(figures->unknown));
	json_object_set_new(object, "delay_min_ns", stats_number_if(known, figures->delay_min_ns));
	json_object_set_new(object, "delay_median_ns", stats_number_if(known, figures->delay_median_ns));
	json_object_set_new(object, "delay_p95_ns", stats_number_if(known, figures->delay_p95_ns));
	json_object_set_new(object, "delay_max_ns", stats_number_if(known, figures->delay_max_ns));
	json_object_set_new(object, "clock_error_ns", stats_number_if(any, figures->error_ns));
	json_object_set_new(object, "synchronized", any ? json_boolean(figures->synchronized) : json_null());
	json_object_set_new(object, "doubtful",
			    json_boolean(known && figures->error_ns > figures->delay_min_ns));
	json_object_set_new(object, "percentiles_from", json_string(stats_source(figures->exact)));
	return object;
}

void stats_percentiles_add(json_t *object, const struct stats_options *options,
			   int (*percentile_ns)(void *context, double percent, int64_t *delay_ns),
			   void *context)
{
	bool is_csv = options->format == STATS_CSV;
	json_t *list = is_csv ? NULL : json_array();

	for (size_t i = 0; i < options->percentile_count; i++) {
		double percent = options->percentiles[i];
		int64_t delay_ns = 0;
		bool known = percentile_ns(context, percent, &delay_ns) == 0;
		json_t *value = stats_number_if(known, delay_ns);
		char key[40];

		snprintf(key, sizeof key, "p%.10g_ns", percent);
		if (is_csv)
			json_object_set_new(object, key, value);
		else
			json_array_append_new(list,
					      json_pack("{s:f, s:o}", "percent", percent, "delay_ns", value));
	}
	if (list)
		json_object_set_new(object, "percentiles", list);
}

static int of_figures(void *context, double percent, int64_t *delay_ns)
{
	return stats_figures_percentile(context, percent, delay_ns);
}

void stats_percentiles_of_figures(json_t *object, const struct stats_options *options,
				  const struct stats_figures *figures)
{
	stats_percentiles_add(object, options, of_figures, (void *)figures);
}

static int of_pool(void *context, double percent, int64_t *delay_ns)
{
	return stats_pool_percentile(context, percent, delay_ns);
}

void stats_percentiles_of_pool(json_t *object, const struct stats_options *options, struct stats_pool *pool)
{
	stats_percentiles_add(object, options, of_pool, pool);
}

static int of_nothing(void *context, double percent, int64_t *delay_ns)
{
	(void)context;
	(void)percent;
	*delay_ns = 0;
	return OWAMP_EDATA;
}

void stats_percentiles_none(json_t *object, const struct stats_options *options)
{
	stats_percentiles_add(object, options, of_nothing, NULL);
}

void stats_publish(struct stats_run *run, const char *name, json_t *list)
{
	if (run->options->format == STATS_CSV) {
		stats_csv_print(run->out, list);
		json_decref(list);
	} else {
		json_object_set_new(run->document, name, list);
	}
}

void stats_publish_nothing(struct stats_run *run, const char *name, json_t *example)
{
	if (run->options->format == STATS_CSV)
		stats_csv_header(run->out, example);
	else if (run->options->format == STATS_JSON)
		json_object_set_new(run->document, name, json_array());
	json_decref(example);
}
