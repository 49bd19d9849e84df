#include <inttypes.h>

#include "owping/format.h"
#include "owping/report_raw.h"

static void print_stamp(FILE *out, owamp_ntp time, uint16_t estimate)
{
	fprintf(out, " %" PRIu64 " %d %g", time, owamp_error_estimate_synchronized(estimate),
		(double)owamp_error_estimate_ns(estimate) / 1e9);
}

void owping_report_raw_line(FILE *out, const struct owamp_record *record)
{
	fprintf(out, "%" PRIu32, record->seq);
	print_stamp(out, record->send_time, record->send_error);
	print_stamp(out, record->receive_time, record->receive_error);
	fprintf(out, " %u\n", record->ttl);
}

void owping_report_raw(FILE *out, const struct owping_report *report)
{
	for (uint32_t i = 0; i < report->result->record_count; i++) {
		const struct owamp_record *record = &report->result->records[i];

		if (owping_report_covers(report, record->seq))
			owping_report_raw_line(out, record);
	}
}

static void print_slots(FILE *out, const struct owamp_request *request)
{
	char seconds[OWPING_TEXT_SIZE];

	for (uint32_t i = 0; i < request->slot_count; i++) {
		const struct owamp_slot *slot = &request->slots[i];

		fprintf(out, "%s%s%c", i == 0 ? "" : ",",
			owping_format_seconds(seconds, owamp_interval_to_ns(slot->interval)),
			slot->type == OWAMP_SLOT_FIXED ? 'f' : 'e');
	}
}

/* Ranges as of the skipped ones; a raw line has no place for it. */
static void print_dropped(FILE *out, const struct owping_report *report)
{
	const struct owamp_result *result = report->result;
	struct owamp_skip_range range = {0};
	bool any = false;

	for (uint32_t i = 0; i < result->record_count; i++) {
		const struct owamp_record *record = &result->records[i];

		if (!record->dropped || !owping_report_covers(report, record->seq))
			continue;
		if (any && record->seq == range.last + 1) {
			range.last++;
			continue;
		}
		if (any)
			fprintf(out, "# dropped %" PRIu32 " %" PRIu32 "\n", range.first, range.last);
		range = (struct owamp_skip_range){record->seq, record->seq};
		any = true;
	}
	if (any)
		fprintf(out, "# dropped %" PRIu32 " %" PRIu32 "\n", range.first, range.last);
}

void owping_report_save(FILE *out, const struct owping_report *report)
{
	const struct owamp_result *result = report->result;
	const struct owamp_request *request = &result->request;
	char text[OWPING_TEXT_SIZE];
	char sid[33];

	fprintf(out, "# sid %s\n", owamp_sid_text(request->sid, sid));
	fprintf(out, "# sender %s\n", owping_format_endpoint(text, (const struct sockaddr *)&result->sender));
	fprintf(out, "# receiver %s\n",
		owping_format_endpoint(text, (const struct sockaddr *)&result->receiver));
	fprintf(out, "# mode %s\n", owamp_mode_name(result->mode));
	fprintf(out, "# packets %" PRIu32 "\n", request->packets);
	fprintf(out, "# range %" PRIu32 " %" PRIu32 "\n", report->first, report->limit);
	fprintf(out, "# start %" PRIu64 "\n", request->start);
	fputs("# schedule ", out);
	print_slots(out, request);
	fprintf(out, "\n# timeout %s\n", owping_format_seconds(text, owamp_interval_to_ns(request->timeout)));
	fprintf(out, "# padding %" PRIu32 "\n", request->padding);
	fprintf(out, "# type-p 0x%08" PRIx32 "\n", request->type_p);
	if (result->stopped)
		fprintf(out, "# next-seq %" PRIu32 "\n", result->next_seq);
	for (uint32_t i = 0; i < result->skip_count; i++)
		fprintf(out, "# skipped %" PRIu32 " %" PRIu32 "\n", result->skips[i].first,
			result->skips[i].last);
	print_dropped(out, report);
	fprintf(out, "# complete %s\n", report->outcome == OWPING_COMPLETE ? "yes" : "no");
	if (result->error != 0)
		fprintf(out, "# error %s\n", owping_reason(result));
	fputs("# SEQ SENDTIME SYNC ERR RECVTIME SYNC ERR TTL\n", out);
	owping_report_raw(out, report);
}

static void print_seconds(FILE *out, const char *key, int64_t ns)
{
	char text[OWPING_TEXT_SIZE];

	fprintf(out, "%s %s\n", key, owping_format_seconds(text, ns));
}

static void print_endpoint(FILE *out, const char *end, const struct sockaddr_storage *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)address;
	char host[OWPING_TEXT_SIZE];

	owping_format_host(host, sa);
	fprintf(out, "%s_HOST %s\n%s_ADDR %s\n%s_PORT %u\n", end, host, end, host, end, owping_port(sa));
}

static void print_time(FILE *out, const char *key, const struct owping_report *report, owamp_ntp time)
{
	char text[OWPING_TEXT_SIZE];

	fprintf(out, "%s_TIME %" PRIu64 "\nUNIX_%s_TIME %s\n", key, time, key,
		owping_format_seconds(text, owamp_ntp_to_unix_ns(time, report->near_ns)));
}

static void print_session(FILE *out, const struct owping_report *report)
{
	const struct owamp_request *request = &report->result->request;
	int dscp = owamp_type_p_dscp(request->type_p);
	char sid[33];

	fprintf(out, "SUMMARY 3.00\nSID %s\n", owamp_sid_text(request->sid, sid));
	print_endpoint(out, "FROM", &report->result->sender);
	print_endpoint(out, "TO", &report->result->receiver);
	print_time(out, "START", report, report->summary.first);
	print_time(out, "END", report, report->summary.last);
	if (dscp >= 0)
		fprintf(out, "DSCP 0x%02x\n", (unsigned)dscp);
	print_seconds(out, "TIMEOUT", owamp_interval_to_ns(request->timeout));
	fprintf(out, "PACKET_PADDING %" PRIu32 "\n", request->padding);
	fprintf(out, "SESSION_PACKET_COUNT %" PRIu32 "\n", request->packets);
	fprintf(out, "SAMPLE_PACKET_COUNT %" PRIu32 "\n", report->limit - report->first);
	fprintf(out, "SESSION_FINISHED %d\n", report->outcome == OWPING_COMPLETE);
	fprintf(out, "MODE %s\n", owamp_mode_name(report->result->mode));
}

struct buckets {
	FILE *out;
	int64_t width_ns;
};

static void print_bucket(void *context, int64_t lower_ns, uint32_t count)
{
	const struct buckets *buckets = context;

	fprintf(buckets->out, "\t%" PRId64 " %" PRIu32 "\n", lower_ns / buckets->width_ns, count);
}

static void print_percentiles(FILE *out, const struct owping_report *report,
			      const struct owping_options *options)
{
	for (size_t i = 0; i < options->percentile_count; i++) {
		char key[40];
		int64_t delay_ns;

		snprintf(key, sizeof(key), "PCT%.10g", options->percentiles[i]);
		if (owamp_stats_percentile(report->stats, options->percentiles[i], &delay_ns) == 0)
			print_seconds(out, key, delay_ns);
	}
}

static void print_delays(FILE *out, const struct owping_report *report, const struct owping_options *options)
{
	const struct owamp_summary *summary = &report->summary;
	struct buckets buckets = {out, options->bucket_ns};

	print_seconds(out, "MIN", summary->delay_min_ns);
	print_seconds(out, "MEDIAN", summary->delay_median_ns);
	print_seconds(out, "MAX", summary->delay_max_ns);
	print_percentiles(out, report, options);
	print_seconds(out, "JITTER", summary->jitter_ns);
	print_seconds(out, "BUCKET_WIDTH", options->bucket_ns);
	fputs("<BUCKETS>\n", out);
	owamp_stats_buckets(report->stats, options->bucket_ns, print_bucket, &buckets);
	fputs("</BUCKETS>\n", out);
	fprintf(out, "MINTTL %u\nMAXTTL %u\n<TTLBUCKETS>\n", summary->ttl_min, summary->ttl_max);
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		if (report->ttl_count[ttl] > 0)
			fprintf(out, "\t%u %" PRIu32 "\n", ttl, report->ttl_count[ttl]);
	}
	fputs("</TTLBUCKETS>\n<NREORDERING>\n", out);
	for (uint32_t n = 0; n < OWAMP_REORDER_DEGREES && summary->n_reordered[n] > 0; n++)
		fprintf(out, "\t%" PRIu32 " %" PRIu32 "\n", n + 1, summary->n_reordered[n]);
	fputs("</NREORDERING>\n", out);
}

void owping_report_machine(FILE *out, const struct owping_report *report,
			   const struct owping_options *options)
{
	const struct owamp_summary *summary = &report->summary;

	print_session(out, report);
	fprintf(out, "SENT %" PRIu32 "\nDUPS %" PRIu32 "\nLOST %" PRIu32 "\n", summary->sent,
		summary->duplicates, summary->lost);
	fprintf(out, "SKIPPED %" PRIu32 "\nUNKNOWN %" PRIu32 "\nDROPPED %" PRIu32 "\n", summary->skipped,
		report->unknown, summary->dropped);
	fprintf(out, "SYNC %d\n", report->synchronized);
	print_seconds(out, "MAXERR", report->error_ns);
	if (summary->received > 0)
		print_delays(out, report, options);
	for (unsigned i = 0; i < report->warning_count; i++)
		fprintf(out, "WARNING %s\n", report->warnings[i]);
	if (report->result->error != 0)
		fprintf(out, "ERROR %s\n", owping_reason(report->result));
}
