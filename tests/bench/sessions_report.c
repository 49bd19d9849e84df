#include "sessions.h"

#include <math.h>
#include <stdio.h>

#include <jansson.h>

static void print_lateness(struct sessions_lateness *lateness)
{
	if (lateness->count == 0)
		return;
	printf("%-8s packets left %.1f us late on average, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f us\n", "",
	       sessions_lateness_mean_us(lateness), sessions_lateness_percentile_us(lateness, 50),
	       sessions_lateness_percentile_us(lateness, 99), sessions_lateness_percentile_us(lateness, 99.9),
	       sessions_lateness_percentile_us(lateness, 100));
}

static void print_side(const char *name, struct sessions_side *side)
{
	printf("%-8s sent %llu, skipped %llu, send errors %llu, dropped at own sockets %llu\n", name,
	       (unsigned long long)side->sent, (unsigned long long)side->skipped,
	       (unsigned long long)side->send_errors, (unsigned long long)side->socket_drops);
	print_lateness(&side->lateness);
	printf("%-8s %.2f s of CPU, %.1f MiB resident at most, %u thread%s in %u process%s\n", "",
	       side->usage.cpu_s, (double)side->usage.resident_kib / 1024, side->usage.threads,
	       side->usage.threads == 1 ? "" : "s", side->usage.processes,
	       side->usage.processes == 1 ? "" : "es");
}

static void print_text(const struct sessions_options *options, struct sessions_results *results)
{
	printf("%u sessions of %g packets/s for %u s, %u on each control connection, %s, %s%s\n",
	       options->sessions, options->rate, options->seconds, options->per_connection,
	       options->to && options->from ? "half in each direction"
	       : options->to                ? "to the server"
					    : "from the server",
	       options->encrypted ? "encrypted" : "unauthenticated",
	       options->shared_port ? ", one port" : "");
	printf("complete %u of %u", results->complete, results->sessions);
	if (results->first_reason[0])
		printf(" (%s)", results->first_reason);
	printf(", set up in %.2f s, %s\nreceived %llu, lost %llu, duplicates %llu\n", results->set_up_s,
	       results->realtime ? "real-time" : "ordinary scheduling", (unsigned long long)results->received,
	       (unsigned long long)results->lost, (unsigned long long)results->duplicates);
	print_side("bench", &results->bench);
	if (results->server_known)
		print_side("owampd", &results->server);
}

static json_t *percentile_json(struct sessions_lateness *lateness, double percent)
{
	double us = sessions_lateness_percentile_us(lateness, percent);

	return isnan(us) ? json_null() : json_real(us);
}

static json_t *side_json(struct sessions_side *side)
{
	struct sessions_lateness *lateness = &side->lateness;
	double mean = sessions_lateness_mean_us(lateness);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:f, s:I, s:i, s:i}", "sent",
			 (json_int_t)side->sent, "skipped", (json_int_t)side->skipped, "send_errors",
			 (json_int_t)side->send_errors, "socket_drops", (json_int_t)side->socket_drops,
			 "late_packets", (json_int_t)lateness->count, "late_mean_us",
			 isnan(mean) ? json_null() : json_real(mean), "late_p50_us",
			 percentile_json(lateness, 50), "late_p99_us", percentile_json(lateness, 99),
			 "late_p999_us", percentile_json(lateness, 99.9), "late_max_us",
			 percentile_json(lateness, 100), "cpu_s", side->usage.cpu_s, "resident_max_kib",
			 (json_int_t)side->usage.resident_kib, "threads", (int)side->usage.threads,
			 "processes", (int)side->usage.processes);
}

static json_t *options_json(const struct sessions_options *options)
{
	return json_pack("{s:i, s:f, s:i, s:i, s:b, s:b, s:b, s:b, s:b}", "sessions", (int)options->sessions,
			 "rate", options->rate, "seconds", (int)options->seconds, "sessions_per_connection",
			 (int)options->per_connection, "to_server", options->to, "from_server", options->from,
			 "encrypted", options->encrypted, "shared_port", options->shared_port, "archive",
			 options->archive);
}

static void print_json(const struct sessions_options *options, struct sessions_results *results)
{
	json_t *root = options_json(options);
	json_t *more =
		json_pack("{s:i, s:I, s:I, s:I, s:f, s:b, s:o, s:o}", "complete", (int)results->complete,
			  "received", (json_int_t)results->received, "lost", (json_int_t)results->lost,
			  "duplicates", (json_int_t)results->duplicates, "set_up_s", results->set_up_s,
			  "realtime", results->realtime, "bench", side_json(&results->bench), "owampd",
			  results->server_known ? side_json(&results->server) : json_null());

	if (root && results->first_reason[0])
		json_object_set_new(root, "first_reason", json_string(results->first_reason));
	if (root && more && json_object_update(root, more) == 0 &&
	    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0)
		putchar('\n');
	json_decref(more);
	json_decref(root);
}

void sessions_report(const struct sessions_options *options, struct sessions_results *results)
{
	if (options->json)
		print_json(options, results);
	else
		print_text(options, results);
}
