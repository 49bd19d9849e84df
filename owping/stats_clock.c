/* owstats clock: what the sources of time said last, and when something changed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/clock.h>
#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_run.h"
#include "owping/stats_table.h"
#include "storage/query_clock.h"

#define TEXT_SIZE 512

struct clock_list {
	struct stats_run *run;
	struct stats_table *table; /* text */
	json_t *list;              /* otherwise */
	uint64_t count;
};

static void add_text(char *text, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, TEXT_SIZE - length, "%s%s", length ? "; " : "", more);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void describe_step(const struct query_clock_event *event, char *text)
{
	char amount[OWPING_TEXT_SIZE], line[OWPING_TEXT_SIZE + 20];

	if (event->step_ns == 0)
		return;
	snprintf(line, sizeof line, "was set by %s%s", event->step_ns > 0 ? "+" : "",
		 owping_format_delay_auto(amount, event->step_ns));
	add_text(text, line);
}

static void describe_source(const struct query_clock_event *event, char *text)
{
	char line[TEXT_SIZE];

	if (event->begun || same(event->source_before, event->source))
		return;
	snprintf(line, sizeof line, "bound from %s instead of %s", owamp_clock_source_words(event->source),
		 owamp_clock_source_words(event->source_before));
	add_text(text, line);
}

static void describe_alarm(const struct query_clock_event *event, char *text)
{
	char line[TEXT_SIZE];

	if (event->alarm && !event->alarm_before) {
		snprintf(line, sizeof line, "ALARM: %s", event->alarm);
		add_text(text, line);
	} else if (event->alarm_before && !event->alarm && !event->begun) {
		add_text(text, "the alarm is over");
	}
}

static void describe_steering(const struct query_clock_event *event, char *text)
{
	char line[TEXT_SIZE];

	if (event->begun || !event->steered_by || same(event->steered_by_before, event->steered_by))
		return;
	snprintf(line, sizeof line, "steered by %s", event->steered_by);
	add_text(text, line);
}

/* What is new, in words. */
static void describe(const struct query_clock_event *event, char text[TEXT_SIZE])
{
	text[0] = '\0';
	describe_step(event, text);
	if (!event->begun && event->synchronized_before != event->synchronized)
		add_text(text, event->synchronized ? "synchronized" : "NOT synchronized any more");
	describe_source(event, text);
	describe_alarm(event, text);
	describe_steering(event, text);
	if (!event->begun && event->leap != event->leap_before)
		add_text(text, event->leap > 0   ? "a leap second will be inserted at the end of the day"
			       : event->leap < 0 ? "a leap second will be deleted at the end of the day"
						 : "no leap second announced any more");
}

static json_t *event_object(const struct query_clock_event *event)
{
	bool before = !event->begun;
	char text[TEXT_SIZE];
	json_t *object = json_object();

	describe(event, text);
	json_object_set_new(object, "time_ns", json_integer(event->time_ns));
	json_object_set_new(object, "program", stats_string(event->program));
	json_object_set_new(object, "step_ns", json_integer(event->step_ns));
	json_object_set_new(object, "source_before", stats_string(event->source_before));
	json_object_set_new(object, "source", stats_string(event->source));
	json_object_set_new(object, "synchronized_before",
			    before ? json_boolean(event->synchronized_before) : json_null());
	json_object_set_new(object, "synchronized", json_boolean(event->synchronized));
	json_object_set_new(object, "bound_before_ns", stats_number_if(before, event->bound_before_ns));
	json_object_set_new(object, "bound_ns", json_integer(event->bound_ns));
	json_object_set_new(object, "alarm", stats_string(event->alarm));
	json_object_set_new(object, "steered_by", stats_string(event->steered_by));
	json_object_set_new(object, "leap", json_integer(event->leap));
	json_object_set_new(object, "text", stats_string(text));
	return object;
}

static int add_event(void *context, const struct query_clock_event *event)
{
	struct clock_list *list = context;
	bool bad = event->step_ns != 0 || event->alarm || !event->synchronized;
	char time[STATS_TEXT_SIZE], bound[OWPING_TEXT_SIZE], text[TEXT_SIZE];

	list->count++;
	if (!list->table)
		return json_array_append_new(list->list, event_object(event)) ? OWAMP_ENOMEM : 0;
	describe(event, text);
	stats_table_add(list->table, "%s", stats_time(list->run, time, event->time_ns, 0));
	stats_table_add(list->table, "%s", event->program ? event->program : "");
	stats_table_add(list->table, "%s", owping_format_bound_auto(bound, event->bound_ns));
	stats_table_add(list->table, "%s", text);
	stats_table_row(list->table, event->alarm ? STATS_COLOR_ERROR : bad ? STATS_COLOR_WARNING : NULL);
	return 0;
}

static json_t *source_object(const struct query_clock_source *source)
{
	json_t *object = json_object();

	json_object_set_new(object, "program", stats_string(source->program));
	json_object_set_new(object, "name", stats_string(source->name));
	json_object_set_new(object, "source", stats_string(source->source));
	json_object_set_new(object, "state", stats_string(source->state));
	json_object_set_new(object, "used", json_boolean(source->used));
	json_object_set_new(object, "contradicted", json_boolean(source->contradicted));
	json_object_set_new(object, "steers", json_boolean(source->steers));
	json_object_set_new(object, "offset_ns", stats_number_if(source->measured, source->offset_ns));
	json_object_set_new(object, "bound_ns", stats_number_if(source->measured, source->bound_ns));
	json_object_set_new(object, "age_ns", stats_number_if(source->measured, source->age_ns));
	json_object_set_new(object, "reason", stats_string(source->reason));
	json_object_set_new(object, "time_ns", json_integer(source->time_ns));
	return object;
}

static int add_source(void *context, const struct query_clock_source *source)
{
	struct clock_list *list = context;
	char time[STATS_TEXT_SIZE], offset[OWPING_TEXT_SIZE] = "-", bound[OWPING_TEXT_SIZE] = "-";

	list->count++;
	if (!list->table)
		return json_array_append_new(list->list, source_object(source)) ? OWAMP_ENOMEM : 0;
	if (source->measured) {
		owping_format_delay_auto(offset, source->offset_ns);
		owping_format_bound_auto(bound, source->bound_ns);
	}
	stats_table_add(list->table, "%s", source->program ? source->program : "");
	stats_table_add(list->table, "%s%s", source->used ? "*" : " ", source->name ? source->name : "");
	stats_table_add(list->table, "%s", source->source ? source->source : "");
	stats_table_add(list->table, "%s", source->state ? source->state : "");
	stats_table_add(list->table, "%s", offset);
	stats_table_add(list->table, "%s", bound);
	stats_table_add(list->table, "%s", stats_time(list->run, time, source->time_ns, 0));
	stats_table_add(list->table, "%s", source->reason ? source->reason : "");
	stats_table_row(list->table, source->contradicted ? STATS_COLOR_ERROR : NULL);
	return 0;
}

static int begin(struct clock_list *list, struct stats_run *run, const char *const *headers, size_t columns)
{
	*list = (struct clock_list){.run = run};
	if (run->options->format == STATS_TEXT)
		return stats_table_new(&list->table, headers, columns);
	list->list = json_array();
	return list->list ? 0 : OWAMP_ENOMEM;
}

static int end(struct clock_list *list, const char *name, int error)
{
	struct stats_run *run = list->run;

	if (!error && list->table && list->count > 0)
		error = stats_table_print(list->table, run->out, run->colors);
	if (!error && list->list)
		stats_publish(run, name, json_incref(list->list));
	stats_table_free(list->table);
	json_decref(list->list);
	return error;
}

static int print_sources(struct stats_run *run, uint64_t *count)
{
	static const char *const headers[] = {"<program", "<source", "<by",   "<state",
					      "offset",   "bound",   "<seen", "<why it is used, or is not"};
	struct clock_list list;
	int error = begin(&list, run, headers, sizeof headers / sizeof headers[0]);

	if (!error)
		error = query_clock_sources(run->archive, add_source, &list);
	*count = list.count;
	return end(&list, "sources", error);
}

static int print_events(struct stats_run *run, uint64_t *count)
{
	static const char *const headers[] = {"<time", "<program", "bound", "<this host's clock"};
	struct clock_list list;
	int error = begin(&list, run, headers, sizeof headers / sizeof headers[0]);

	if (!error)
		error = query_clock_events(run->archive, run->options->since_ns, run->options->until_ns,
					   add_event, &list);
	*count = list.count;
	if (!error && list.table && list.count == 0)
		fputs("no change of this host's clock in that time\n", run->out);
	return end(&list, "events", error);
}

int stats_clock(struct stats_run *run)
{
	const struct query_clock_event no_event = {.begun = true};
	uint64_t sources = 0, events = 0;
	int error = 0;

	/* Two lists are no comma separated values: the events are what a program cannot ask the clock itself.
	 */
	if (run->options->format != STATS_CSV)
		error = print_sources(run, &sources);
	if (!error && run->options->format == STATS_TEXT && sources > 0)
		fputs("* the bound is this one's\n\n", run->out);
	if (!error)
		error = print_events(run, &events);
	if (!error && run->options->format == STATS_CSV && events == 0)
		stats_publish_nothing(run, "events", event_object(&no_event));
	return stats_failed(run, error);
}
