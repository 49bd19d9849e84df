#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_show.h"
#include "owping/stats_table.h"

/* So many loss episodes are listed. */
#define LOSSES_MAX 20

void stats_show_foreign(FILE *out, const char *text)
{
	char *copy;

	if (!text || asprintf(&copy, "%s", text) < 0)
		return;
	fputs(stats_clean(copy), out);
	free(copy);
}

static void label(const struct stats_run *run, const char *name)
{
	fprintf(run->out, "%-11s", name);
}

static void print_endpoint(const struct stats_run *run, const char *name, const char *address,
			   const char *endpoint_name, uint16_t port)
{
	label(run, name);
	fprintf(run->out, "[%s]:%u", address, port);
	if (endpoint_name) {
		fputs("  ", run->out);
		stats_show_foreign(run->out, endpoint_name);
	}
	fputc('\n', run->out);
}

static void print_time(const struct stats_run *run, const char *name, int64_t ns)
{
	char text[STATS_TEXT_SIZE];

	label(run, name);
	fprintf(run->out, "%s\n", stats_time(run, text, ns, 3));
}

static void print_parties(const struct stats_run *run, const struct query_session *session)
{
	FILE *out = run->out;

	label(run, "SID");
	fprintf(out, "%s\n", session->sid);
	print_endpoint(run, "from", session->sender, session->sender_name, session->sender_port);
	print_endpoint(run, "to", session->receiver, session->receiver_name, session->receiver_port);
	label(run, "direction");
	fprintf(out, "%s by the host of this archive; the %s was the server; control connection with ",
		session->direction, session->server);
	stats_show_foreign(out, session->peer);
	fputc('\n', out);
	label(run, "mode");
	fputs(session->mode, out);
	if (session->identity) {
		fputs(", identity ", out);
		stats_show_foreign(out, session->identity);
	}
	if (session->class_name) {
		fputs(", class ", out);
		stats_show_foreign(out, session->class_name);
	}
	fputc('\n', out);
	label(run, "written by");
	stats_show_foreign(out, session->program);
	fputc(' ', out);
	stats_show_foreign(out, session->version);
	fputc('\n', out);
}

static void print_course(const struct stats_run *run, const struct query_session *session)
{
	bool is_bad = session->outcome == ARCHIVE_BROKEN || session->outcome == ARCHIVE_INVALID;

	print_time(run, "created", session->created_ns);
	print_time(run, "start", session->start_ns);
	if (session->outcome != ARCHIVE_RUNNING)
		print_time(run, "end", session->end_ns);
	label(run, "outcome");
	fprintf(run->out, "%s%s", run->colors && is_bad ? STATS_COLOR_ERROR : "", session->outcome_text);
	if (session->reason) {
		fputs(": ", run->out);
		stats_show_foreign(run->out, session->reason);
	}
	fprintf(run->out, "%s\n", run->colors && is_bad ? STATS_COLOR_END : "");
}

static int print_slot(void *context, const struct query_slot *slot)
{
	struct stats_run *run = context;
	char seconds[STATS_TEXT_SIZE];

	fprintf(run->out, ", %s s %s", owping_format_delay(seconds, slot->interval_ns, 's'),
		slot->distribution);
	return 0;
}

static int print_schedule(struct stats_run *run, const struct query_session *session,
			  const struct stats_figures *figures)
{
	char timeout[STATS_TEXT_SIZE];
	int error;

	label(run, "schedule");
	fprintf(run->out, "%" PRIu32 " packets", session->packets);
	error = query_slots(run->archive, session->session_id, print_slot, run);
	fprintf(run->out, "; timeout %s s, padding %" PRIu32 " octets",
		owping_format_delay(timeout, session->timeout_ns, 's'), session->padding);
	if (session->dscp >= 0)
		fprintf(run->out, ", DSCP %d\n", session->dscp);
	else
		fprintf(run->out, ", Type-P 0x%08" PRIx32 "\n", session->type_p);
	if (session->stop_known && session->next_seq < session->packets) {
		label(run, "stopped");
		fprintf(run->out, "before packet %" PRIu32 "\n", session->next_seq);
	}
	for (uint32_t i = 0; i < figures->cover.skip_count; i++) {
		label(run, "skipped");
		fprintf(run->out, "packets %" PRIu32 " to %" PRIu32 "\n", figures->cover.skips[i].first,
			figures->cover.skips[i].last);
	}
	return error;
}

static void print_counts(const struct stats_run *run, const struct query_session *session,
			 const struct stats_figures *f)
{
	FILE *out = run->out;

	fprintf(out, "\n%" PRIu64 " sent, %" PRIu64 " lost (%.3f%%), ", f->sent, f->lost,
		f->sent > 0 ? 100.0 * (double)f->lost / (double)f->sent : 0.0);
	if (f->dropped > 0)
		fprintf(out, "%" PRIu64 " dropped, ", f->dropped);
	fprintf(out, "%" PRIu64 " duplicates, %" PRIu64 " reordered\n", f->duplicates, f->reordered);
	if (f->skipped > 0)
		fprintf(out, "%" PRIu64 " skipped: never sent\n", f->skipped);
	if (f->unknown > 0)
		fprintf(out, "%" PRIu64 " %s\n", f->unknown,
			session->outcome == ARCHIVE_RUNNING ? "under way, or not decided on yet"
							    : "unknown: there is no record of them");
	if (f->missing > 0)
		fprintf(out, "%" PRIu64 " of the lost have no record\n", f->missing);
	if (session->records_lost > 0)
		fprintf(out, "%" PRIu64 " records could not be stored\n", session->records_lost);
	if (session->duplicates_left_out > 0)
		fprintf(out, "%" PRIu64 " more duplicates were not stored\n", session->duplicates_left_out);
}

static void print_clock(const struct stats_run *run, const struct stats_figures *f)
{
	bool is_doubtful = f->has_delays && f->error_ns > f->delay_min_ns;
	bool colors = run->colors && (is_doubtful || !f->synchronized);
	char bound[STATS_TEXT_SIZE];

	fprintf(run->out, "%sclock error at most %s%s%s%s\n", colors ? STATS_COLOR_WARNING : "",
		owping_format_bound_auto(bound, f->error_ns),
		f->synchronized ? " (both clocks synchronized)" : ": a clock was not synchronized",
		is_doubtful ? "; more than the smallest delay" : "", colors ? STATS_COLOR_END : "");
}

/* What only packets can tell. */
static void print_details(const struct stats_run *run, const struct owamp_summary *s)
{
	char mean[STATS_TEXT_SIZE], max[STATS_TEXT_SIZE];
	unsigned least = 255U - s->ttl_max, most = 255U - s->ttl_min;

	fprintf(run->out, "mean delay = %s\n", stats_delay_unit(run, mean, llround(s->delay_mean_ns)));
	if (s->ipdv_count > 0)
		fprintf(run->out, "delay variation mean/max = %s/%s (IPDV of %" PRIu32 " pairs)\n",
			stats_delay(run, mean, llround(s->ipdv_mean_ns)),
			stats_delay_unit(run, max, s->ipdv_max_ns), s->ipdv_count);
	fprintf(run->out, least == most ? "hops = %u\n" : "hops = %u to %u\n", least, most);
	for (uint32_t n = 0; n < OWAMP_REORDER_DEGREES && s->n_reordered[n] > 0; n++)
		fprintf(run->out, "%" PRIu32 "-reordering = %.3f%%\n", n + 1,
			100.0 * s->n_reordered[n] / (s->received - n - 1));
}

static void print_delays(const struct stats_run *run, const struct stats_figures *f)
{
	char min[STATS_TEXT_SIZE], median[STATS_TEXT_SIZE], max[STATS_TEXT_SIZE], text[STATS_TEXT_SIZE];

	if (!f->has_delays) {
		fputs("no packet was received: no delay\n", run->out);
		return;
	}
	fprintf(run->out, "one-way delay min/median/max = %s/%s%s/%s, %s\n",
		stats_delay(run, min, f->delay_min_ns), f->exact ? "" : "~",
		stats_delay(run, median, f->delay_median_ns), stats_delay_unit(run, max, f->delay_max_ns),
		f->exact ? "exact, from the packets" : "~ from histograms");
	fprintf(run->out, "one-way jitter = %s%s (P95-P50)\n", f->exact ? "" : "~",
		stats_delay_unit(run, text, stats_difference(f->delay_p95_ns, f->delay_median_ns)));
	for (size_t i = 0; i < run->options->percentile_count; i++) {
		int64_t delay_ns;

		if (stats_figures_percentile(f, run->options->percentiles[i], &delay_ns) == 0)
			fprintf(run->out, "P%-5.10g %s%s\n", run->options->percentiles[i],
				f->exact ? "" : "~", stats_delay_unit(run, text, delay_ns));
	}
	if (f->exact)
		print_details(run, &f->summary);
	print_clock(run, f);
}

struct losses {
	struct stats_run *run;
	uint64_t count;
};

static int print_loss(void *context, const struct query_loss *loss)
{
	struct losses *losses = context;
	char begin[STATS_TEXT_SIZE], seconds[STATS_TEXT_SIZE];

	if (losses->count++ == 0)
		fputs("\nloss episodes:\n", losses->run->out);
	if (losses->count > LOSSES_MAX)
		return 0;
	stats_time(losses->run, begin, loss->begin_ns, 3);
	if (loss->first_seq == loss->last_seq)
		fprintf(losses->run->out, "  %s  1 lost (%" PRIu32 ")\n", begin, loss->first_seq);
	else
		fprintf(losses->run->out,
			"  %s  %" PRIu64 " lost in a row over %s s (%" PRIu32 " to %" PRIu32 ")\n", begin,
			(uint64_t)loss->last_seq - loss->first_seq + 1,
			owping_format_delay(seconds, stats_difference(loss->end_ns, loss->begin_ns), 's'),
			loss->first_seq, loss->last_seq);
	return 0;
}

static int print_losses(struct stats_run *run, const struct query_session *session)
{
	struct losses losses = {.run = run};
	int error = query_losses(run->archive, session->session_id, print_loss, &losses);

	if (losses.count > LOSSES_MAX)
		fprintf(run->out, "  and %" PRIu64 " more; --json has them all\n", losses.count - LOSSES_MAX);
	return error;
}

int stats_show_text(struct stats_run *run, const struct query_session *session,
		    const struct stats_figures *figures)
{
	int error;

	print_parties(run, session);
	print_course(run, session);
	error = print_schedule(run, session, figures);
	if (error)
		return error;
	print_counts(run, session, figures);
	print_delays(run, figures);
	error = print_losses(run, session);
	return error ? error : stats_show_health(run, session);
}

struct minutes {
	struct stats_run *run;
	struct stats_table *table;
};

static int add_minute(void *context, const struct query_minute *minute)
{
	const struct minutes *minutes = context;
	const int64_t delays[] = {minute->delay_min_ns, minute->delay_p50_ns,  minute->delay_p95_ns,
				  minute->delay_p99_ns, minute->delay_p999_ns, minute->delay_max_ns};
	char text[STATS_TEXT_SIZE];

	stats_table_add(minutes->table, "%s", stats_time(minutes->run, text, minute->minute_ns, 0));
	stats_table_add(minutes->table, "%" PRIu64, minute->sent);
	stats_table_add(minutes->table, "%" PRIu64, minute->lost);
	stats_table_add(minutes->table, "%" PRIu64, minute->dropped);
	stats_table_add(minutes->table, "%" PRIu64, minute->duplicates);
	stats_table_add(minutes->table, "%" PRIu64, minute->reordered);
	for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++)
		stats_table_add(minutes->table, "%s",
				minute->received > 0 ? stats_delay(minutes->run, text, delays[i]) : "-");
	stats_table_row(minutes->table, minute->lost > 0 ? STATS_COLOR_WARNING : NULL);
	return 0;
}

int stats_show_minutes(struct stats_run *run, const struct query_session *session)
{
	static const char *const headers[] = {"<minute", "sent", "lost", "drop", "dup",   "reord",
					      "min",     "P50",  "P95",  "P99",  "P99.9", "max"};
	struct minutes minutes = {.run = run};
	int error = stats_table_new(&minutes.table, headers, sizeof headers / sizeof headers[0]);

	if (!error)
		error = query_minutes(run->archive, session->session_id, INT64_MIN, INT64_MAX, add_minute,
				      &minutes);
	if (!error) {
		fprintf(run->out, "\nminutes, delays in %s:\n", owping_unit_name(run->options->unit));
		error = stats_table_print(minutes.table, run->out, run->colors);
	}
	stats_table_free(minutes.table);
	return error;
}
