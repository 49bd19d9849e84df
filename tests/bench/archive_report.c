#include "archive.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

/* What the everyday queries should stay below. */
#define SLOW_MS 100.0

static void print_rates(const struct report *report)
{
	printf("%zu packets, median of %u round%s; bare: a prepared INSERT alone, transactions as large\n",
	       report->rows, report->rounds, report->rounds == 1 ? "" : "s");
	printf("%8s %14s %14s %7s %16s %15s\n", "sessions", "bare, rows/s", "writer, rows/s", "ratio",
	       "rows/transaction", "octets a packet");
	for (unsigned i = 0; i < report->rate_count; i++) {
		const struct rate *rate = &report->rates[i];

		printf("%8u %14.0f %14.0f %5.0f %% %16u %15.1f\n", rate->sessions, rate->bare, rate->writer,
		       100 * rate->writer / rate->bare, rate->transaction, rate->octets);
	}
}

static void print_queries(const struct report *report)
{
	printf("\n%" PRIu64
	       " packets in %u sessions through the writer in %.1f s; %.1f MB, %.1f octets a packet\n",
	       report->packets, report->sessions, report->build_seconds, (double)report->file_octets / 1e6,
	       report->octets);
	printf("%10s %10s\n", "ms", "rows");
	for (size_t i = 0; i < report->queries.count; i++) {
		const struct query *query = &report->queries.list[i];

		printf("%10.0f %10" PRIu64 "  %s %s\n", query->ms, query->rows,
		       query->ms > SLOW_MS ? "!" : " ", query->name);
	}
	printf("!: above %.0f ms\n", SLOW_MS);
}

static json_t *rates_json(const struct report *report)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < report->rate_count; i++) {
		const struct rate *rate = &report->rates[i];

		json_array_append_new(
			list, json_pack("{s:i, s:f, s:f, s:f, s:i, s:f}", "sessions", (int)rate->sessions,
					"bare_rows_per_s", rate->bare, "writer_rows_per_s", rate->writer,
					"ratio", rate->writer / rate->bare, "rows_per_transaction",
					(int)rate->transaction, "octets_per_packet", rate->octets));
	}
	return list;
}

static json_t *queries_json(const struct report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < report->queries.count; i++) {
		const struct query *query = &report->queries.list[i];

		json_array_append_new(list, json_pack("{s:s, s:b, s:f, s:I}", "query", query->name,
						      "everyday", query->everyday, "ms", query->ms, "rows",
						      (json_int_t)query->rows));
	}
	return list;
}

static bool print_json(const struct report *report)
{
	json_t *root =
		json_pack("{s:I, s:i, s:o, s:I, s:i, s:f, s:I, s:f, s:o}", "rows", (json_int_t)report->rows,
			  "rounds", (int)report->rounds, "rates", rates_json(report), "packets",
			  (json_int_t)report->packets, "sessions", (int)report->sessions, "build_s",
			  report->build_seconds, "file_octets", (json_int_t)report->file_octets,
			  "octets_per_packet", report->octets, "queries", queries_json(report));

	bool ok = root && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) == 0;

	putchar('\n');
	json_decref(root);
	return ok;
}

bool report_print(const struct report *report, bool json)
{
	bool ok = true;

	if (json) {
		ok = print_json(report);
	} else {
		if (report->rate_count > 0)
			print_rates(report);
		if (report->packets > 0)
			print_queries(report);
	}
	if (!ok || fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "archive: the report could not be written\n");
		return false;
	}
	return true;
}
