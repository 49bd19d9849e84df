#include "bench.h"

#include <stdio.h>

#include <jansson.h>

static double mean(const struct bench_lateness *lateness)
{
	return lateness->packets ? lateness->sum_us / (double)lateness->packets : 0;
}

static void print_side(const char *name, const struct bench_side *side)
{
	printf("%-8s sent %llu, skipped %llu, send errors %llu, dropped at own sockets %llu\n", name,
	       (unsigned long long)side->sent, (unsigned long long)side->skipped,
	       (unsigned long long)side->send_errors, (unsigned long long)side->socket_drops);
	if (side->lateness.packets > 0)
		printf("%-8s packets left %.1f us late on average, %.1f us at most\n", "",
		       mean(&side->lateness), side->lateness.max_us);
	printf("%-8s %.2f s of CPU, %.1f MiB resident at most, %u thread%s in %u process%s\n", "",
	       side->usage.cpu_s, (double)side->usage.resident_kib / 1024, side->usage.threads,
	       side->usage.threads == 1 ? "" : "s", side->usage.processes,
	       side->usage.processes == 1 ? "" : "es");
}

static void print_text(const struct bench_options *options, const struct bench_results *results)
{
	printf("%u sessions of %g packets/s for %u s, %u on each control connection, %s, %s\n",
	       options->sessions, options->rate, options->seconds, options->per_connection,
	       options->to && options->from ? "half in each direction"
	       : options->to                ? "to the server"
					    : "from the server",
	       options->encrypted ? "encrypted" : "unauthenticated");
	printf("complete %u of %u", results->complete, results->sessions);
	if (results->first_reason[0])
		printf(" (%s)", results->first_reason);
	printf("\nreceived %llu, lost %llu, duplicates %llu\n", (unsigned long long)results->received,
	       (unsigned long long)results->lost, (unsigned long long)results->duplicates);
	print_side("bench", &results->bench);
	if (results->server_known)
		print_side("owampd", &results->server);
}

static json_t *side_json(const struct bench_side *side)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:i, s:i}", "sent", (json_int_t)side->sent,
			 "skipped", (json_int_t)side->skipped, "send_errors", (json_int_t)side->send_errors,
			 "socket_drops", (json_int_t)side->socket_drops, "late_mean_us",
			 mean(&side->lateness), "late_max_us", side->lateness.max_us, "cpu_s",
			 side->usage.cpu_s, "resident_max_kib", (json_int_t)side->usage.resident_kib,
			 "threads", (int)side->usage.threads, "processes", (int)side->usage.processes);
}

static void print_json(const struct bench_options *options, const struct bench_results *results)
{
	json_t *root =
		json_pack("{s:i, s:f, s:i, s:i, s:b, s:b, s:b, s:i, s:I, s:I, s:I, s:o, s:o}", "sessions",
			  (int)options->sessions, "rate", options->rate, "seconds", (int)options->seconds,
			  "sessions_per_connection", (int)options->per_connection, "to_server", options->to,
			  "from_server", options->from, "encrypted", options->encrypted, "complete",
			  (int)results->complete, "received", (json_int_t)results->received, "lost",
			  (json_int_t)results->lost, "duplicates", (json_int_t)results->duplicates, "bench",
			  side_json(&results->bench), "owampd",
			  results->server_known ? side_json(&results->server) : json_null());

	if (root && results->first_reason[0])
		json_object_set_new(root, "first_reason", json_string(results->first_reason));
	if (root && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0)
		putchar('\n');
	json_decref(root);
}

void bench_report(const struct bench_options *options, const struct bench_results *results)
{
	if (options->json)
		print_json(options, results);
	else
		print_text(options, results);
}
