/* Many sessions at a time against one owampd, by bench_sessions. */
#include <math.h>
#include <stdio.h>

#include "bench.h"
#include "process.h"

#define PATIENCE_MS 120000
#define END_MS      5000

struct kind {
	const char *sessions;
	const char *start_delay; /* s: setting up must be over by then */
	bool both;
	bool shared;
};

static double number(const json_t *results, const char *side, const char *key)
{
	const json_t *value = json_object_get(side ? json_object_get(results, side) : results, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static json_t *run_sessions(struct bench *bench, const struct kind *kind)
{
	const char *argv[16] = {bench->sessions,
				"--json",
				"-n",
				kind->sessions,
				"-r",
				"10",
				"-d",
				bench->quick ? "2" : "5",
				"-z",
				kind->start_delay};
	const struct process_config config = {.argv = argv, .output = bench->output, .network = -1};
	size_t count = 12;
	struct process process;
	json_t *results = NULL;
	bool ended;

	if (!kind->both)
		argv[count++] = "--to";
	if (kind->shared)
		argv[count++] = "--shared-port";
	if (!process_start(&process, &config))
		return NULL;
	ended = process_wait(&process, PATIENCE_MS);
	process_end(&process, 15, END_MS);
	if (ended)
		results = json_load_file(bench->output, 0, NULL);
	if (!results && !process_interrupted())
		(void)bench_fail("%s %s", bench->sessions, ended ? "failed" : "did not end in time");
	return results;
}

static double drops(const json_t *results)
{
	return number(results, "bench", "socket_drops") + number(results, "owampd", "socket_drops");
}

/* Of the side that sends: both where both do, and then the worse of the two. */
static double worst(const json_t *results, const char *key)
{
	double bench = number(results, "bench", key), owampd = number(results, "owampd", key);

	return isnan(owampd) || bench > owampd ? bench : owampd;
}

static void add_row(struct table *table, const struct kind *kind, const json_t *results)
{
	table_number(table, number(results, NULL, "sessions"));
	table_text(table, kind->both ? "both" : "to server");
	table_text(table, kind->shared ? "shared" : "own");
	table_number(table, number(results, NULL, "complete"));
	table_number(table, number(results, NULL, "received"));
	table_number(table, number(results, NULL, "lost"));
	table_number(table, drops(results));
	table_number(table, number(results, NULL, "set_up_s"));
	table_number(table, number(results, "owampd", "resident_max_kib") / 1024);
	table_number(table, number(results, "owampd", "threads"));
	table_number(table, number(results, "owampd", "cpu_s"));
	table_number(table, worst(results, "late_p50_us"));
	table_number(table, worst(results, "late_p99_us"));
	table_number(table, worst(results, "late_max_us"));
}

/* Complete sessions account for all their packets. */
static bool is_right(const struct kind *kind, const json_t *results)
{
	double sessions = number(results, NULL, "sessions"), complete = number(results, NULL, "complete");
	double sent = number(results, "bench", "sent") + number(results, "owampd", "sent");
	double received = number(results, NULL, "received"), lost = number(results, NULL, "lost");
	const char *reason = json_string_value(json_object_get(results, "first_reason"));

	if (complete != sessions)
		return bench_fail("%s sessions: %.0f are complete; %s", kind->sessions, complete,
				  reason ? reason : "no reason is known");
	if (sent > received + lost)
		return bench_fail("%s sessions: %.0f packets sent, %.0f received, %.0f lost", kind->sessions,
				  sent, received, lost);
	return true;
}

static bool measure(struct bench *bench, const struct kind *kind, struct table *table)
{
	json_t *results;
	bool ok;

	bench_progress("sessions: %s, %s, %s", kind->sessions,
		       kind->both ? "both directions" : "to the server",
		       kind->shared ? "one port" : "own ports");
	results = run_sessions(bench, kind);
	if (!results)
		return false;
	add_row(table, kind, results);
	ok = is_right(kind, results);
	json_decref(results);
	return ok;
}

static void set_columns(struct table *table)
{
	table_column(table, "sessions", "sessions", 0);
	table_column(table, "direction", "direction", -1);
	table_column(table, "port", "port", -1);
	table_column(table, "complete", "complete", 0);
	table_column(table, "received", "received", 0);
	table_column(table, "lost", "lost", 0);
	table_column(table, "socket_drops", "dropped", 0);
	table_column(table, "set_up_s", "set-up s", 2);
	table_column(table, "resident_mib", "owampd MiB", 1);
	table_column(table, "threads", "threads", 0);
	table_column(table, "cpu_s", "CPU s", 2);
	table_column(table, "late_p50_us", "late p50 us", 1);
	table_column(table, "late_p99_us", "p99", 1);
	table_column(table, "late_max_us", "max", 1);
	table_note(table,
		   "10 packets/s each, Poisson, for 5 s, 50 sessions on each control connection; both: half "
		   "of them in each direction.");
	table_note(table,
		   "MiB: resident at most. CPU: of owampd, set-up and fetching included. Late: of the side "
		   "that sends, the worse of the two;");
	table_note(
		table,
		"from the records' send times against the schedule. Dropped: at either side's sockets, and "
		"counted as lost too.");
	table_note(table, "Aims at 10,000: none dropped, 200 MB, p99 below 1,000 us.");
}

bool part_sessions(struct bench *bench)
{
	static const struct kind kinds[] = {
		{"10", "0.5", false, false},  {"100", "0.5", false, false}, {"1000", "1", false, false},
		{"10000", "3", false, false}, {"10000", "3", true, false},  {"1000", "1", false, true},
		{"10000", "3", false, true},  {"10000", "3", true, true},
	};
	static const struct kind quick[] = {{"20", "0.3", true, true}};
	const struct kind *kind = bench->quick ? quick : kinds;
	size_t count = bench->quick ? sizeof quick / sizeof quick[0] : sizeof kinds / sizeof kinds[0];
	struct table *table = table_new("sessions", "Sessions at a time against one owampd");
	bool ok = true;

	set_columns(table);
	for (size_t i = 0; i < count && !process_interrupted(); i++)
		ok = measure(bench, &kind[i], table) && ok;
	bench_add(bench, table);
	return ok && !process_interrupted();
}
