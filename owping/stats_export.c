/* owstats export: the records of a session, in the order of arrival. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/guard.h"
#include "owping/report_raw.h"
#include "owping/stats_document.h"
#include "owping/stats_find.h"
#include "owping/stats_measure.h"
#include "owping/stats_table.h"

#define CSV_HEADER                                                                                           \
	"seq,send_time,send_time_ns,receive_time,receive_time_ns,delay_ns,send_error_ns,"                    \
	"receive_error_ns,send_synchronized,receive_synchronized,ttl,duplicate,dropped\r\n"

struct export
{
	struct stats_run *run;
	const struct query_session *session;
	bool begun;         /* the output is open, and what comes before the records is in it */
	uint32_t limit;     /* records from there on are not the session's */
	int64_t created_ns; /* for the NTP era */
	uint64_t count;
};

static const char *truth(bool value)
{
	return value ? "true" : "false";
}

static void print_optional(FILE *out, const char *format_name, bool known, int64_t value)
{
	if (known)
		fprintf(out, "%s%" PRId64, format_name, value);
	else
		fprintf(out, "%snull", format_name);
}

static void print_json(const struct export *export, const struct owamp_record *record)
{
	FILE *out = export->run->out;
	bool arrived = !owamp_record_lost(record);

	fprintf(out, "%s\n    {\"seq\": %" PRIu32 ", \"send_time_ns\": %" PRId64,
		export->count > 0 ? "," : "", record->seq,
		owamp_ntp_to_unix_ns(record->send_time, export->created_ns));
	print_optional(out, ", \"receive_time_ns\": ", arrived,
		       owamp_ntp_to_unix_ns(record->receive_time, export->created_ns));
	print_optional(out, ", \"delay_ns\": ", arrived,
		       owamp_ntp_diff_ns(record->receive_time, record->send_time));
	fprintf(out,
		", \"send_error_ns\": %" PRId64 ", \"receive_error_ns\": %" PRId64
		", \"send_synchronized\": %s, \"receive_synchronized\": %s",
		owamp_error_estimate_ns(record->send_error), owamp_error_estimate_ns(record->receive_error),
		truth(owamp_error_estimate_synchronized(record->send_error)),
		truth(owamp_error_estimate_synchronized(record->receive_error)));
	print_optional(out, ", \"ttl\": ", arrived, record->ttl);
	fprintf(out, ", \"duplicate\": %s, \"dropped\": %s}", truth(record->duplicate),
		truth(record->dropped));
}

static void print_csv(const struct export *export, const struct owamp_record *record)
{
	FILE *out = export->run->out;
	bool arrived = !owamp_record_lost(record);
	int64_t sent_ns = owamp_ntp_to_unix_ns(record->send_time, export->created_ns);
	int64_t received_ns = owamp_ntp_to_unix_ns(record->receive_time, export->created_ns);

	fprintf(out, "%" PRIu32 ",", record->seq);
	stats_csv_time(out, true, sent_ns);
	fprintf(out, ",%" PRId64 ",", sent_ns);
	stats_csv_time(out, arrived, received_ns);
	if (arrived)
		fprintf(out, ",%" PRId64 ",%" PRId64, received_ns,
			owamp_ntp_diff_ns(record->receive_time, record->send_time));
	else
		fputs(",,", out);
	fprintf(out, ",%" PRId64 ",%" PRId64 ",%s,%s,", owamp_error_estimate_ns(record->send_error),
		owamp_error_estimate_ns(record->receive_error),
		truth(owamp_error_estimate_synchronized(record->send_error)),
		truth(owamp_error_estimate_synchronized(record->receive_error)));
	if (arrived)
		fprintf(out, "%u", record->ttl);
	fprintf(out, ",%s,%s\r\n", truth(record->duplicate), truth(record->dropped));
}

/* An object without its last brace, so that more can follow. */
static int print_open(FILE *out, const json_t *object)
{
	char *text = json_dumps(object, JSON_INDENT(2));
	size_t length = text ? strlen(text) : 0;

	if (length < 3)
		return OWAMP_ENOMEM;
	fprintf(out, "%.*s,\n", (int)length - 2, text);
	free(text);
	return 0;
}

/* Notes, error and status: an object without its first brace. */
static int print_end(struct stats_run *run, int error)
{
	json_t *object = json_object();
	char *text;

	stats_run_outcome(run, object, error);
	text = json_dumps(object, JSON_INDENT(2));
	json_decref(object);
	fprintf(run->out, "\n  ],%s\n", text ? text + 1 : "");
	free(text);
	json_decref(run->document);
	run->document = NULL;
	return text ? error : OWAMP_ENOMEM;
}

static int open_output(struct stats_run *run)
{
	const char *name = run->options->output;
	const char *refusal;
	FILE *file;

	if (!name || strcmp(name, "-") == 0)
		return 0;
	refusal = owping_guard(name, run->options->archive);
	if (refusal)
		return stats_fail(run, "%s: %s", name, refusal);
	file = fopen(name, "we");
	if (!file)
		return stats_fail(run, "%s: %s", name, strerror(errno));
	run->out = file;
	run->out_name = name;
	return 0;
}

/* Once there is something to write, and not before: what the file held is lost then. */
static int begin(struct export *export)
{
	struct stats_run *run = export->run;
	int error = export->begun ? 0 : open_output(run);

	if (error || export->begun)
		return error;
	export->begun = true;
	if (run->options->format == STATS_JSON) {
		json_object_set_new(run->document, "sid", stats_string(export->session->sid));
		error = print_open(run->out, run->document);
		fputs("  \"records\": [", run->out);
	} else if (run->options->format == STATS_CSV) {
		fputs(CSV_HEADER, run->out);
	}
	return error;
}

static int print_record(void *context, const struct owamp_record *record)
{
	struct export *export = context;
	int error;

	if (record->seq >= export->limit)
		return 0;
	error = begin(export);
	if (error)
		return error;
	if (export->run->options->format == STATS_JSON)
		print_json(export, record);
	else if (export->run->options->format == STATS_CSV)
		print_csv(export, record);
	else
		owping_report_raw_line(export->run->out, record);
	export->count++;
	/* A full disk is noticed now, not after gigabytes. */
	return ferror(export->run->out) ? OWAMP_ESYSTEM : 0;
}

static int print_records(struct export *export)
{
	struct stats_run *run = export->run;
	int error = stats_records(run->archive, export->session->session_id, print_record, export);

	if (!error)
		error = begin(export);
	if (error && ferror(run->out))
		stats_fail(run, "%s: %s", run->out_name, strerror(errno));
	error = stats_failed(run, error);
	return run->options->format == STATS_JSON && export->begun ? print_end(run, error) : error;
}

static int export_session(struct stats_run *run, const struct query_session *session)
{
	struct export export = {
		.run = run,
		.session = session,
		.limit = session->packets,
		.created_ns = session->created_ns,
	};

	if (!session->packets_kept)
		return stats_fail(run,
				  "session %s: its packets are pruned; show and histogram have what is left",
				  session->sid);
	if (session->records == 0)
		return stats_fail(run, "session %s: it has no records", session->sid);
	if (session->stop_known && session->next_seq < export.limit)
		export.limit = session->next_seq;
	if (session->outcome == ARCHIVE_RUNNING)
		fprintf(stderr, "owstats: note: the session is running: its records so far\n");
	return print_records(&export);
}

int stats_export(struct stats_run *run)
{
	int error = stats_find(run, export_session);

	if (run->found_nothing && run->options->format == STATS_CSV)
		fputs(CSV_HEADER, run->out);
	else if (run->found_nothing && run->options->format == STATS_JSON)
		json_object_set_new(run->document, "records", json_array());
	return error;
}
