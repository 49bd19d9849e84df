#include <string.h>

#include "clock/report.h"
#include "clock/report_words.h"
#include "owping/format.h"
#include "owping/report_clock.h"

/* Of the error, above which it is said how much of it is not the clocks'. */
#define STAMPING_PART 3

/* One of the two clocks, by its error estimates. */
struct end {
	const char *name;
	bool synchronized;
	int64_t error_ns;                       /* of this host's the clock's part alone */
	const struct owamp_clock_status *clock; /* of this host's, if it is known */
};

/* What taking the stamps adds to this host's error estimates; 0: not known. */
static int64_t stamping(const struct owping_report *report)
{
	const struct owamp_result *result = report->result;
	bool sent = result->direction == OWAMP_TO_SERVER;
	int64_t error_ns = sent ? report->summary.send_error_ns : report->summary.receive_error_ns;
	int64_t bound_ns = 0;

	if (sent && result->has_send_health)
		bound_ns = result->send_health.clock_bound_max_ns;
	else if (!sent && result->has_receive_health)
		bound_ns = result->receive_health.clock_bound_max_ns;
	return bound_ns > 0 && bound_ns < error_ns ? error_ns - bound_ns : 0;
}

/* Of a fetched session we were perhaps neither end. */
static void find_ends(const struct owping_report *report, struct end ends[2])
{
	const struct owamp_summary *s = &report->summary;
	bool sent = report->result->direction == OWAMP_TO_SERVER;
	struct end sender = {"at the sender", s->send_synchronized, s->send_error_ns, NULL};
	struct end receiver = {"at the receiver", s->receive_synchronized, s->receive_error_ns, NULL};

	ends[0] = sent || report->fetched ? sender : receiver;
	ends[1] = sent || report->fetched ? receiver : sender;
	if (report->fetched)
		return;
	ends[0].name = "here";
	ends[0].error_ns -= stamping(report);
	ends[0].clock = report->clock;
	ends[1].name = "there";
}

/* Why it was not synchronized for all packets: the alarm, or what the clock says now. */
static void print_why(FILE *out, const struct owamp_clock_status *clock)
{
	char why[CLOCK_WHY_SIZE];

	snprintf(why, sizeof(why), "%s", clock->alarm);
	if (why[0] != '\0')
		fprintf(out, " (%s)", clock_report_clean(why));
	else if (!clock->snapshot.synchronized)
		fprintf(out, " (%s)", clock_words_why(why, clock));
	else
		fputs(" (not for all packets; by now it is)", out);
}

static void print_end(FILE *out, const struct end *end)
{
	char bound[OWPING_TEXT_SIZE];

	if (!end->synchronized) {
		fprintf(out, "not synchronized %s", end->name);
		if (end->clock != NULL)
			print_why(out, end->clock);
		return;
	}
	fprintf(out, "within %s of UTC %s", owping_format_bound_auto(bound, end->error_ns), end->name);
	if (end->clock != NULL && end->clock->snapshot.synchronized)
		fprintf(out, " (%s)", owamp_clock_source_words(end->clock->snapshot.source));
}

static void print_sum(FILE *out, const struct owping_report *report)
{
	int64_t stamping_ns = report->fetched ? 0 : stamping(report);
	char bound[OWPING_TEXT_SIZE];

	fprintf(out, "; the delay can be wrong by %s", owping_format_bound_auto(bound, report->error_ns));
	if (stamping_ns > report->error_ns / STAMPING_PART)
		fprintf(out, " (of which %s is stamping here)", owping_format_bound_auto(bound, stamping_ns));
}

void owping_report_clocks(FILE *out, const struct owping_report *report)
{
	struct end ends[2];

	find_ends(report, ends);
	fputs("clocks: ", out);
	print_end(out, &ends[0]);
	fputs(", ", out);
	print_end(out, &ends[1]);
	if (report->synchronized)
		print_sum(out, report);
	else
		fputs("; by how much the delay is wrong is not known, its variation holds", out);
	if (report->synchronized && report->summary.delay_min_ns >= 0 &&
	    report->error_ns > report->summary.delay_min_ns)
		fputs(", more than its minimum: at this accuracy the one-way delay means nothing, its "
		      "variation does",
		      out);
	fputc('\n', out);
}

void owping_report_sources(FILE *out, const struct owamp_clock_status *clock)
{
	char offset[CLOCK_WORDS_SIZE];
	char bound[CLOCK_WORDS_SIZE];
	char age[CLOCK_WORDS_SIZE];
	char text[OWAMP_CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < clock->count; i++) {
		const struct owamp_clock_source_status *source = &clock->sources[i];

		fprintf(out, "clock source %s: %s%s%s", source->name, owamp_clock_state_name(source->state),
			source->used ? ", in use" : "", source->contradicted ? ", contradicted" : "");
		if (source->measured)
			fprintf(out, ", offset %s, bound %s, %s old",
				clock_words_offset(offset, source->offset_ns),
				clock_report_bound(bound, source->bound_ns),
				clock_words_time(age, source->age_ns));
		snprintf(text, sizeof(text), "%s", source->text);
		fprintf(out, "%s%s\n", text[0] != '\0' ? ": " : "", clock_report_clean(text));
	}
}
