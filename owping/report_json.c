#include <math.h>
#include <string.h>

#include <jansson.h>

#include <owamp/error.h>
#include <owamp/receiver.h>

#include "clock/report.h"
#include "owping/clock.h"
#include "owping/format.h"
#include "owping/report_json.h"

#define FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *number_if(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

/* Text from a peer or the system may be anything; JSON is UTF-8. */
static json_t *text(const char *value)
{
	json_t *string = json_string(value);

	return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *error_object(int error, const char *reason)
{
	if (error == 0)
		return json_null();
	return json_pack("{s:i, s:s, s:o}", "code", error, "text", owamp_error_text(error), "reason",
			 text(reason != NULL && *reason != '\0' ? reason : owamp_error_text(error)));
}

static json_t *endpoint(const struct sockaddr *address)
{
	char host[OWPING_TEXT_SIZE];

	if (address == NULL || address->sa_family == AF_UNSPEC)
		return json_null();
	return json_pack("{s:s, s:i}", "address", owping_format_host(host, address), "port",
			 (int)owping_port(address));
}

/* Of a clock that was not asked the same is known as of one without any source. */
static json_t *clock_object(const struct owamp_clock_status *clock)
{
	struct owamp_clock_status unknown;

	if (clock == NULL)
		owping_clock_unknown(&unknown);
	return clock_report_json(clock != NULL ? clock : &unknown);
}

static json_t *reason_or_null(int error)
{
	return error != 0 ? text(strerror(error)) : json_null();
}

/* How this host runs what measures; null for what does not. */
static json_t *meter_object(const struct owamp_engine_granted *granted, const struct owping_options *options)
{
	if (granted == NULL || options->program != OWPING_PING)
		return json_null();
	return json_pack("{s:i, s:b, s:o, s:b, s:o, s:o}", "realtime_priority", options->realtime_priority,
			 "realtime", granted->realtime, "realtime_error",
			 reason_or_null(granted->realtime_errno), "memory_locked", granted->memory_locked,
			 "memory_error", reason_or_null(granted->memory_errno), "spin_ns",
			 json_integer(granted->spin_ns));
}

static json_t *schedule(const struct owamp_request *request)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < request->slot_count; i++) {
		const struct owamp_slot *slot = &request->slots[i];

		json_array_append_new(
			list, json_pack("{s:s, s:o}", "type",
					slot->type == OWAMP_SLOT_FIXED ? "fixed" : "exponential",
					"interval_ns", json_integer(owamp_interval_to_ns(slot->interval))));
	}
	return list;
}

static json_t *skip_ranges(const struct owamp_result *result)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < result->skip_count; i++)
		json_array_append_new(list, json_pack("[o, o]", number(result->skips[i].first),
						      number(result->skips[i].last)));
	return list;
}

static json_t *time_or_null(const struct owping_report *report, owamp_ntp time)
{
	return number_if(time != 0, owamp_ntp_to_unix_ns(time, report->near_ns));
}

static json_t *summary_object(const struct owping_report *report)
{
	const struct owamp_summary *s = &report->summary;
	bool any = s->received > 0;
	json_t *object = json_object();

	json_object_set_new(object, "sent", number(s->sent));
	json_object_set_new(object, "received", number(s->received));
	json_object_set_new(object, "lost", number(s->lost));
	json_object_set_new(object, "dropped", number(s->dropped));
	json_object_set_new(object, "skipped", number(s->skipped));
	json_object_set_new(object, "duplicates", number(s->duplicates));
	json_object_set_new(object, "unknown", number(report->unknown));
	json_object_set_new(object, "missing_records", number(report->missing));
	json_object_set_new(object, "first_ns", time_or_null(report, s->first));
	json_object_set_new(object, "last_ns", time_or_null(report, s->last));
	json_object_set_new(object, "delay_min_ns", number_if(any, s->delay_min_ns));
	json_object_set_new(object, "delay_median_ns", number_if(any, s->delay_median_ns));
	json_object_set_new(object, "delay_mean_ns", number_if(any, llround(s->delay_mean_ns)));
	json_object_set_new(object, "delay_max_ns", number_if(any, s->delay_max_ns));
	json_object_set_new(object, "jitter_ns", number_if(any, s->jitter_ns));
	json_object_set_new(object, "ipdv_count", number(s->ipdv_count));
	json_object_set_new(object, "ipdv_mean_ns", number_if(s->ipdv_count > 0, llround(s->ipdv_mean_ns)));
	json_object_set_new(object, "ipdv_max_ns", number_if(s->ipdv_count > 0, s->ipdv_max_ns));
	return object;
}

static json_t *percentiles(const struct owping_report *report, const struct owping_options *options)
{
	json_t *list = json_array();

	for (size_t i = 0; i < options->percentile_count; i++) {
		double percent = options->percentiles[i];
		int64_t delay_ns = 0;
		bool known = owamp_stats_percentile(report->stats, percent, &delay_ns) == 0;

		json_array_append_new(list, json_pack("{s:f, s:o}", "percent", percent, "delay_ns",
						      number_if(known, delay_ns)));
	}
	return list;
}

static void add_bucket(void *context, int64_t lower_ns, uint32_t count)
{
	json_array_append_new(
		context, json_pack("{s:o, s:o}", "lower_ns", json_integer(lower_ns), "count", number(count)));
}

static json_t *histogram(const struct owping_report *report, const struct owping_options *options)
{
	json_t *buckets;

	if (!options->bucket_given)
		return json_null();
	buckets = json_array();
	owamp_stats_buckets(report->stats, options->bucket_ns, add_bucket, buckets);
	return json_pack("{s:o, s:o}", "bucket_width_ns", json_integer(options->bucket_ns), "buckets",
			 buckets);
}

static json_t *ttl_object(const struct owping_report *report)
{
	bool any = report->summary.received > 0;
	json_t *values = json_array();

	for (int ttl = 0; ttl < 256; ttl++) {
		if (report->ttl_count[ttl] > 0)
			json_array_append_new(values, json_pack("{s:i, s:o}", "ttl", ttl, "count",
								number(report->ttl_count[ttl])));
	}
	return json_pack("{s:o, s:o, s:o}", "min", number_if(any, report->summary.ttl_min), "max",
			 number_if(any, report->summary.ttl_max), "values", values);
}

static json_t *reordering(const struct owamp_summary *summary)
{
	json_t *degrees = json_array();

	for (uint32_t n = 0; n < OWAMP_REORDER_DEGREES && summary->n_reordered[n] > 0; n++)
		json_array_append_new(degrees, number(summary->n_reordered[n]));
	return json_pack("{s:o, s:o}", "reordered", number(summary->reordered), "n_reordered", degrees);
}

static json_t *clock_error(const struct owping_report *report)
{
	const struct owamp_summary *s = &report->summary;
	bool any = s->received > 0;

	return json_pack("{s:o, s:o, s:o, s:b, s:b}", "error_ns", number_if(any, report->error_ns),
			 "send_error_ns", number_if(any, s->send_error_ns), "receive_error_ns",
			 number_if(any, s->receive_error_ns), "send_synchronized", s->send_synchronized,
			 "receive_synchronized", s->receive_synchronized);
}

static json_t *send_health(const struct owamp_send_health *health)
{
	bool any = health->sent > 0;
	bool known = health->kernel_stamps > 0;
	json_t *object = json_object();

	json_object_set_new(object, "sent", number(health->sent));
	json_object_set_new(object, "send_errors", number(health->send_errors));
	json_object_set_new(object, "last_error",
			    health->send_errors > 0 ? text(strerror(health->last_errno)) : json_null());
	json_object_set_new(object, "lateness_p50_ns", number_if(any, health->lateness_p50_ns));
	json_object_set_new(object, "lateness_p99_ns", number_if(any, health->lateness_p99_ns));
	json_object_set_new(object, "lateness_p999_ns", number_if(any, health->lateness_p999_ns));
	json_object_set_new(object, "lateness_max_ns", json_integer(health->lateness_max_ns));
	json_object_set_new(object, "lateness_mean_ns", json_integer(llround(health->lateness_mean_ns)));
	json_object_set_new(object, "stamp_gap_max_ns", json_integer(health->stamp_gap_max_ns));
	json_object_set_new(object, "kernel_stamps", number(health->kernel_stamps));
	json_object_set_new(object, "kernel_gap_p50_ns", number_if(known, health->kernel_gap_p50_ns));
	json_object_set_new(object, "kernel_gap_p99_ns", number_if(known, health->kernel_gap_p99_ns));
	json_object_set_new(object, "kernel_gap_max_ns", number_if(known, health->kernel_gap_max_ns));
	return object;
}

static json_t *receive_health(const struct owamp_result *result)
{
	const struct owamp_receive_health *health = &result->receive_health;
	json_t *discarded = json_object();

	for (int i = OWAMP_RECEIVE_OK + 1; i < OWAMP_RECEIVE_RESULTS; i++)
		json_object_set_new(discarded, owamp_receive_result_name((enum owamp_receive_result)i),
				    number(health->counters.results[i]));
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "socket_drops",
		number(health->socket_drops), "strangers", number(health->strangers), "unstamped",
		number(health->unstamped), "hardware_stamped", number(health->hardware_stamped),
		"window_octets", number(health->window_octets), "receive_buffer_octets",
		number(result->receive_buffer_octets), "receive_buffer_wanted",
		number(result->receive_buffer_wanted), "discarded", discarded, "time_offset_ns",
		number_if(health->counters.results[OWAMP_RECEIVE_TIME] > 0, health->counters.time_offset_ns),
		"failed", health->failed);
}

static json_t *health_object(const struct owamp_result *result)
{
	return json_pack("{s:o, s:o}", "send",
			 result->has_send_health ? send_health(&result->send_health) : json_null(), "receive",
			 result->has_receive_health ? receive_health(result) : json_null());
}

static json_t *warnings(const struct owping_report *report)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < report->warning_count; i++)
		json_array_append_new(list, text(report->warnings[i]));
	return list;
}

static void set_session(json_t *object, const struct owping_report *report)
{
	const struct owamp_result *result = report->result;
	const struct owamp_request *request = &result->request;
	int dscp = owamp_type_p_dscp(request->type_p);
	char sid[33];

	json_object_set_new(object, "sid", json_string(owamp_sid_text(request->sid, sid)));
	json_object_set_new(object, "mode", json_string(owamp_mode_name(result->mode)));
	json_object_set_new(object, "sender", endpoint((const struct sockaddr *)&result->sender));
	json_object_set_new(object, "receiver", endpoint((const struct sockaddr *)&result->receiver));
	json_object_set_new(object, "packets", number(request->packets));
	json_object_set_new(object, "start_time_ns", time_or_null(report, request->start));
	json_object_set_new(object, "schedule", schedule(request));
	json_object_set_new(object, "timeout_ns", json_integer(owamp_interval_to_ns(request->timeout)));
	json_object_set_new(object, "padding", number(request->padding));
	json_object_set_new(object, "dscp", number_if(dscp >= 0, dscp));
	json_object_set_new(object, "type_p", number(request->type_p));
	json_object_set_new(object, "next_seq", number_if(result->stopped, result->next_seq));
	json_object_set_new(object, "skip_ranges", skip_ranges(result));
	json_object_set_new(object, "first_seq", number(report->first));
	json_object_set_new(object, "end_seq", number(report->limit));
}

static json_t *test_object(const struct owping_report *report, const struct owping_options *options)
{
	static const char *const outcomes[] = {"complete", "partial", "failed"};
	const struct owamp_result *result = report->result;
	bool refused = result->error == OWAMP_EREFUSED;
	json_t *object = json_object();

	json_object_set_new(object, "direction",
			    json_string(result->direction == OWAMP_TO_SERVER ? "to_server" : "from_server"));
	json_object_set_new(object, "outcome", json_string(outcomes[report->outcome]));
	json_object_set_new(object, "error", error_object(report->error, report->reason));
	json_object_set_new(object, "accept", number_if(refused, result->accept));
	json_object_set_new(object, "accept_text",
			    refused ? json_string(owamp_accept_text(result->accept)) : json_null());
	set_session(object, report);
	json_object_set_new(object, "summary", summary_object(report));
	json_object_set_new(object, "percentiles", percentiles(report, options));
	json_object_set_new(object, "histogram", histogram(report, options));
	json_object_set_new(object, "ttl", ttl_object(report));
	json_object_set_new(object, "reordering", reordering(&report->summary));
	json_object_set_new(object, "clock_error", clock_error(report));
	json_object_set_new(object, "health", health_object(result));
	json_object_set_new(object, "warnings", warnings(report));
	return object;
}

static json_t *record_object(const struct owping_report *report, const struct owamp_record *record)
{
	bool received = !owamp_record_lost(record);
	int64_t delay_ns = received ? owamp_ntp_diff_ns(record->receive_time, record->send_time) : 0;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:b}", "seq", number(record->seq),
			 "send_time_ns",
			 json_integer(owamp_ntp_to_unix_ns(record->send_time, report->near_ns)),
			 "receive_time_ns",
			 number_if(received, owamp_ntp_to_unix_ns(record->receive_time, report->near_ns)),
			 "delay_ns", number_if(received, delay_ns), "send_error_ns",
			 json_integer(owamp_error_estimate_ns(record->send_error)), "receive_error_ns",
			 json_integer(owamp_error_estimate_ns(record->receive_error)), "send_synchronized",
			 owamp_error_estimate_synchronized(record->send_error), "receive_synchronized",
			 owamp_error_estimate_synchronized(record->receive_error), "ttl",
			 number_if(received, record->ttl), "dropped", record->dropped);
}

/* One after the other: a long session has more of them than a tree should hold. */
static int write_records(FILE *out, const struct owping_report *report)
{
	const char *separator = "\n";

	fputs(",\n\"records\": [", out);
	for (uint32_t i = 0; i < report->result->record_count; i++) {
		const struct owamp_record *record = &report->result->records[i];
		json_t *object;
		int error;

		if (!owping_report_covers(report, record->seq))
			continue;
		object = record_object(report, record);
		fputs(separator, out);
		error = object == NULL ? -1 : json_dumpf(object, out, JSON_COMPACT);
		json_decref(object);
		if (error < 0)
			return OWAMP_ENOMEM;
		separator = ",\n";
	}
	fputs("]", out);
	return 0;
}

static int write_test(FILE *out, const struct owping_report *report, const struct owping_options *options)
{
	json_t *object = test_object(report, options);
	int error = object == NULL ? -1 : 0;

	fputs("{", out);
	if (error == 0)
		error = json_dumpf(object, out, FLAGS | JSON_EMBED);
	json_decref(object);
	if (error < 0)
		return OWAMP_ENOMEM;
	if (options->records && write_records(out, report) < 0)
		return OWAMP_ENOMEM;
	fputs("}", out);
	return 0;
}

static json_t *archived_object(const struct owping_archived *archived)
{
	static const char *const outcomes[] = {
		[ARCHIVE_RUNNING] = "running",
		[ARCHIVE_FINISHED] = "finished",
		[ARCHIVE_BROKEN] = "broken",
		[ARCHIVE_INVALID] = "invalid",
	};
	char sid[33];

	return json_pack("{s:s, s:s, s:s, s:o}", "sid", owamp_sid_text(archived->sid, sid), "result",
			 owping_archive_result_name(archived->result), "outcome", outcomes[archived->outcome],
			 "reason", archived->reason[0] != '\0' ? text(archived->reason) : json_null());
}

static json_t *archive_object(const struct owping_archive *archive)
{
	json_t *sessions;

	if (archive == NULL || archive->path == NULL)
		return json_null();
	sessions = json_array();
	for (unsigned i = 0; i < archive->session_count; i++)
		json_array_append_new(sessions, archived_object(&archive->sessions[i]));
	return json_pack("{s:o, s:o, s:o}", "file", text(archive->path), "error",
			 archive->error[0] != '\0' ? text(archive->error) : json_null(), "sessions",
			 sessions);
}

static json_t *run_object(const struct owping_json_run *run, const struct owping_options *options)
{
	json_t *object = json_object();

	json_object_set_new(object, "format", json_integer(1));
	json_object_set_new(object, "program", json_string(owping_program_name(options->program)));
	json_object_set_new(object, "version", json_string(run->version));
	json_object_set_new(object, "target", options->target != NULL ? text(options->target) : json_null());
	json_object_set_new(object, "server", endpoint(run->peer));
	json_object_set_new(object, "mode",
			    run->mode != 0 ? json_string(owamp_mode_name(run->mode)) : json_null());
	json_object_set_new(object, "server_start_ns",
			    number_if(run->server_start_ns != 0, run->server_start_ns));
	json_object_set_new(object, "connect_ns", number_if(run->connect_ns >= 0, run->connect_ns));
	json_object_set_new(object, "setup_ns", number_if(run->setup_ns >= 0, run->setup_ns));
	json_object_set_new(object, "interrupted", json_boolean(run->interrupted));
	json_object_set_new(object, "exit_status", json_integer(run->exit_status));
	json_object_set_new(object, "error", error_object(run->error, run->reason));
	json_object_set_new(object, "clock", clock_object(run->clock));
	json_object_set_new(object, "meter", meter_object(run->granted, options));
	json_object_set_new(object, "archive", archive_object(run->archive));
	return object;
}

int owping_report_json(FILE *out, const struct owping_json_run *run, const struct owping_options *options,
		       struct owping_report *const *reports, unsigned report_count)
{
	json_t *object = run_object(run, options);
	const char *separator = "";
	int error = object == NULL ? -1 : 0;

	fputs("{", out);
	if (error == 0)
		error = json_dumpf(object, out, FLAGS | JSON_EMBED);
	json_decref(object);
	if (error < 0)
		return OWAMP_ENOMEM;
	fputs(",\n\"tests\": [", out);
	for (unsigned i = 0; i < report_count; i++) {
		if (reports[i] == NULL)
			continue;
		fputs(separator, out);
		if (write_test(out, reports[i], options) < 0)
			return OWAMP_ENOMEM;
		separator = ",\n";
	}
	fputs("]\n}\n", out);
	return ferror(out) ? OWAMP_ESYSTEM : 0;
}
