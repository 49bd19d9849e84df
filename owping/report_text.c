#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "owping/format.h"
#include "owping/report_clock.h"
#include "owping/report_text.h"

#define COLOR_ERROR   "\033[31m"
#define COLOR_WARNING "\033[33m"
#define COLOR_END     "\033[0m"

struct text {
	FILE *out;
	const struct owping_report *report;
	const struct owping_options *options;
	const struct owamp_engine_granted *granted;
	bool colors;
};

static void print_record(const struct text *text, const struct owamp_record *record)
{
	const struct owping_report *report = text->report;
	char unit = text->options->unit;
	int64_t error_ns = owamp_error_estimate_ns(record->send_error);
	int64_t receive_ns = owamp_error_estimate_ns(record->receive_error);
	bool synchronized = owamp_error_estimate_synchronized(record->send_error) &&
			    owamp_error_estimate_synchronized(record->receive_error);
	char sent[OWPING_TEXT_SIZE];
	char delay[OWPING_TEXT_SIZE];
	char bound[OWPING_TEXT_SIZE];

	owping_format_time(sent, owamp_ntp_to_unix_ns(record->send_time, report->near_ns),
			   text->options->unix_time, 6);
	if (owamp_record_lost(record)) {
		fprintf(text->out, "seq_no=%" PRIu32 "\t*%s*\tsent=%s\n", record->seq,
			record->dropped ? "DROPPED" : "LOST", sent);
		return;
	}
	error_ns = error_ns < INT64_MAX - receive_ns ? error_ns + receive_ns : INT64_MAX;
	owping_format_delay(delay, owamp_ntp_diff_ns(record->receive_time, record->send_time), unit);
	fprintf(text->out, "seq_no=%" PRIu32 "\tdelay=%s %s\t(%s, err=%s %s)\tsent=%s\tttl=%u\n", record->seq,
		delay, owping_unit_name(unit), synchronized ? "sync" : "unsync",
		owping_format_bound(bound, error_ns, unit), owping_unit_name(unit), sent, record->ttl);
}

static void print_records(const struct text *text)
{
	const struct owping_report *report = text->report;
	uint32_t printed = 0;

	for (uint32_t i = 0; i < report->result->record_count; i++) {
		const struct owamp_record *record = &report->result->records[i];

		if (printed == text->options->verbose_limit)
			break;
		if (!owping_report_covers(report, record->seq))
			continue;
		print_record(text, record);
		printed++;
	}
}

static void print_time(const struct text *text, const char *label, owamp_ntp time)
{
	char buffer[OWPING_TEXT_SIZE];

	fprintf(text->out, "%s:\t%s\n", label,
		owping_format_time(buffer, owamp_ntp_to_unix_ns(time, text->report->near_ns),
				   text->options->unix_time, 3));
}

static void print_head(const struct text *text)
{
	const struct owamp_result *result = text->report->result;
	const struct owamp_summary *summary = &text->report->summary;
	char from[OWPING_TEXT_SIZE];
	char to[OWPING_TEXT_SIZE];
	char sid[33];

	fprintf(text->out, "--- owping statistics from %s to %s ---\n",
		owping_format_endpoint(from, (const struct sockaddr *)&result->sender),
		owping_format_endpoint(to, (const struct sockaddr *)&result->receiver));
	fprintf(text->out, "SID:\t%s\n", owamp_sid_text(result->request.sid, sid));
	if (summary->first != 0 || summary->last != 0) {
		print_time(text, "first", summary->first);
		print_time(text, "last", summary->last);
	}
	fprintf(text->out, "%" PRIu32 " sent, %" PRIu32 " lost (%.3f%%), %" PRIu32 " duplicates\n",
		summary->sent, summary->lost, summary->sent > 0 ? 100.0 * summary->lost / summary->sent : 0.0,
		summary->duplicates);
}

static void print_delay(const struct text *text)
{
	const struct owamp_summary *summary = &text->report->summary;
	char unit = text->options->unit;
	const char *name = owping_unit_name(unit);
	char min[OWPING_TEXT_SIZE];
	char median[OWPING_TEXT_SIZE];
	char max[OWPING_TEXT_SIZE];
	char bound[OWPING_TEXT_SIZE];

	fprintf(text->out, "one-way delay min/median/max = %s/%s/%s %s, ",
		owping_format_delay(min, summary->delay_min_ns, unit),
		owping_format_delay(median, summary->delay_median_ns, unit),
		owping_format_delay(max, summary->delay_max_ns, unit), name);
	if (text->report->synchronized)
		fprintf(text->out, "(err=%s %s)\n", owping_format_bound(bound, text->report->error_ns, unit),
			name);
	else
		fputs("(unsync)\n", text->out);
	fprintf(text->out, "one-way jitter = %s %s (P95-P50)\n",
		owping_format_delay(min, summary->jitter_ns, unit), name);
}

static void print_hops(const struct text *text)
{
	const struct owping_report *report = text->report;
	unsigned least = 255U - report->summary.ttl_max;
	unsigned most = 255U - report->summary.ttl_min;

	if (report->ttl_values == 1)
		fprintf(text->out, "hops = %u (consistently)\n", least);
	else
		fprintf(text->out, "hops takes %u values; min hops = %u, max hops = %u\n", report->ttl_values,
			least, most);
}

/* As the report of RFC 4737's n-reordering example has it. */
static void print_reordering(const struct text *text)
{
	const struct owamp_summary *summary = &text->report->summary;
	uint32_t n = 0;

	for (; n < OWAMP_REORDER_DEGREES && summary->n_reordered[n] > 0; n++)
		fprintf(text->out, "%" PRIu32 "-reordering = %.3f%%\n", n + 1,
			100.0 * summary->n_reordered[n] / (summary->received - n - 1));
	if (n == 0)
		fputs("no reordering\n", text->out);
	else if (n < OWAMP_REORDER_DEGREES)
		fprintf(text->out, "no %" PRIu32 "-reordering\n", n + 1);
	else
		fprintf(text->out, "only up to %d-reordering is told apart\n", OWAMP_REORDER_DEGREES);
}

static void print_percentiles(const struct text *text)
{
	if (text->options->percentile_count == 0)
		return;
	fputs("Percentiles:\n", text->out);
	for (size_t i = 0; i < text->options->percentile_count; i++) {
		double percent = text->options->percentiles[i];
		char delay[OWPING_TEXT_SIZE];
		int64_t delay_ns;

		if (owamp_stats_percentile(text->report->stats, percent, &delay_ns) == 0)
			fprintf(text->out, "\t%.10g: %s %s\n", percent,
				owping_format_delay(delay, delay_ns, text->options->unit),
				owping_unit_name(text->options->unit));
	}
}

static void print_variation(const struct text *text)
{
	const struct owamp_summary *summary = &text->report->summary;
	char mean[OWPING_TEXT_SIZE];
	char max[OWPING_TEXT_SIZE];
	char unit = text->options->unit;

	if (summary->ipdv_count == 0)
		return;
	fprintf(text->out, "delay variation mean/max = %s/%s %s (IPDV of %" PRIu32 " pairs)\n",
		owping_format_delay(mean, llround(summary->ipdv_mean_ns), unit),
		owping_format_delay(max, summary->ipdv_max_ns, unit), owping_unit_name(unit),
		summary->ipdv_count);
}

/* Values that belong together, in the unit that suits the largest: "3.1/48/90 us". */
static void print_times(FILE *out, int64_t p50_ns, int64_t p99_ns, int64_t max_ns)
{
	char unit = max_ns < 10000000 ? 'u' : 'm';
	char p50[OWPING_TEXT_SIZE];
	char p99[OWPING_TEXT_SIZE];
	char max[OWPING_TEXT_SIZE];

	fprintf(out, "%s/%s/%s %s", owping_format_delay(p50, p50_ns, unit),
		owping_format_delay(p99, p99_ns, unit), owping_format_delay(max, max_ns, unit),
		owping_unit_name(unit));
}

static void print_sending(FILE *out, const struct owamp_send_health *health)
{
	if (health->sent == 0)
		return;
	fputs("meter: packets left ", out);
	print_times(out, health->lateness_p50_ns, health->lateness_p99_ns, health->lateness_max_ns);
	fputs(" late (p50/p99/max)", out);
	if (health->kernel_stamps > 0) {
		fputs(", ", out);
		print_times(out, health->kernel_gap_p50_ns, health->kernel_gap_p99_ns,
			    health->kernel_gap_max_ns);
		fprintf(out, " between stamp and kernel (p50/p99/max of %" PRIu64 ")", health->kernel_stamps);
	}
	fputc('\n', out);
}

static void print_granted(FILE *out, const struct owamp_engine_granted *granted, int priority)
{
	char spin[OWPING_TEXT_SIZE];

	if (granted->realtime)
		fprintf(out, "meter: real-time priority %d, ", priority);
	else if (granted->realtime_errno != 0)
		fprintf(out, "meter: ordinary scheduling (real-time: %s), ",
			strerror(granted->realtime_errno));
	else
		fputs("meter: ordinary scheduling, ", out);
	if (granted->spin_ns > 0)
		fprintf(out, "spinning %s, ", owping_format_delay_auto(spin, granted->spin_ns));
	else
		fputs("no spinning, ", out);
	fputs(granted->memory_locked ? "memory locked" : "memory not locked", out);
	if (granted->memory_errno != 0)
		fprintf(out, " (%s)", strerror(granted->memory_errno));
	fputc('\n', out);
}

/* How well this host did its part, for those who want to know. */
static void print_meter(const struct text *text)
{
	const struct owamp_result *result = text->report->result;
	const struct owamp_receive_health *health = &result->receive_health;

	if (result->has_send_health) {
		print_sending(text->out, &result->send_health);
		if (text->granted != NULL)
			print_granted(text->out, text->granted, text->options->realtime_priority);
	}
	if (result->has_receive_health &&
	    (health->hardware_stamped > 0 || text->options->hardware_interfaces != NULL))
		fprintf(text->out,
			"meter: %" PRIu64 " of %" PRIu64 " packets stamped by an interface's clock\n",
			health->hardware_stamped, owping_report_arrived(health));
}

static void print_notes(const struct text *text)
{
	const struct owping_report *report = text->report;
	const char *start = text->colors ? COLOR_WARNING : "";
	const char *end = text->colors ? COLOR_END : "";

	if (report->summary.skipped > 0)
		fprintf(text->out, "%" PRIu32 " skipped\n", report->summary.skipped);
	if (report->result->mode == OWAMP_MODE_OPEN)
		fputs("mode: unauthenticated\n", text->out);
	else if (report->result->mode != 0)
		fprintf(text->out, "mode: %s\n", owamp_mode_name(report->result->mode));
	if (text->options->verbose)
		print_meter(text);
	for (unsigned i = 0; i < report->warning_count; i++)
		fprintf(text->out, "%swarning: %s%s\n", start, report->warnings[i], end);
	if (report->result->error != 0)
		fprintf(text->out, "%sincomplete: %s%s\n", text->colors ? COLOR_ERROR : "",
			owping_reason(report->result), end);
}

void owping_report_text(FILE *out, const struct owping_report *report, const struct owping_options *options,
			const struct owamp_engine_granted *granted, bool colors)
{
	struct text text = {out, report, options, granted, colors};

	if (options->verbose)
		print_records(&text);
	print_head(&text);
	if (report->summary.received > 0) {
		print_delay(&text);
		print_hops(&text);
		print_reordering(&text);
		print_percentiles(&text);
		print_variation(&text);
		owping_report_clocks(out, report);
	} else {
		fputs("no packet was received: no delay\n", out);
	}
	print_notes(&text);
}
