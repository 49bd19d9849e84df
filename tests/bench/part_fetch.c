/*
 * Fetch-Session of one large session, by owfetch: from owampd's archive, and from
 * its memory. Encrypted: in open mode only who made a session may fetch it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <owamp/session.h>

#include "bare.h"
#include "client.h"

/* The session is to be over soon; where the machine is too slow for all its records, the next is tried. */
static const struct size {
	const char *interval;
	uint32_t packets;
} sizes[] = {{"0.000008f", 1000000}, {"0.000020f", 300000}, {"0.000050f", 100000}};
static const struct size quick_sizes[] = {{"0.000050f", 5000}, {"0.000200f", 2000}, {"0.001000f", 200}};
#define SIZES 3

#define TIMEOUT "1"

/* What TCP alone is given at a time. */
#define WRITE_OCTETS 16384

#define PATIENCE_MS 120000

/* All of its records are there, whether packets were lost or not. */
static bool is_complete(const struct client_run *run)
{
	const char *outcome = json_string_value(json_object_get(run->test, "outcome"));

	return outcome && strcmp(outcome, "complete") == 0;
}

static bool make_session(struct bench *bench, const struct server *server, const struct size *wanted,
			 char sid[33])
{
	char count[16];
	const char *const arguments[] = {"-t",  "-c", count, "-i", wanted->interval, "-z",
					 "0.3", "-E", "0.1", "-L", TIMEOUT,          NULL};
	const struct client_config config = {.program = bench->owping,
					     .server = server,
					     .network = -1,
					     .mode = "E",
					     .arguments = arguments,
					     .patience_ms = PATIENCE_MS};
	struct client_run run;
	const char *text;

	snprintf(count, sizeof count, "%u", wanted->packets);
	if (!client_run(bench, &config, &run))
		return false;
	text = json_string_value(json_object_get(run.test, "sid"));
	snprintf(sid, 33, "%s", text && is_complete(&run) ? text : "");
	client_free(&run);
	return true;
}

/* How many packets it has; 0: it could not be made. */
static uint32_t make_complete_session(struct bench *bench, const struct server *server, char sid[33])
{
	for (size_t i = 0; i < SIZES; i++) {
		const struct size *size = bench->quick ? &quick_sizes[i] : &sizes[i];

		if (!make_session(bench, server, size, sid))
			return 0;
		if (sid[0])
			return size->packets;
		bench_progress("  not all records of %u packets were kept: fewer, more slowly",
			       size->packets);
	}
	(void)bench_fail("owping could not make a session with all its records");
	return 0;
}

static bool fetch(struct bench *bench, const struct server *server, const char *sid, double *records,
		  double *seconds)
{
	const char *const operands[] = {sid, NULL};
	const struct client_config config = {.program = bench->owfetch,
					     .server = server,
					     .network = -1,
					     .mode = "E",
					     .operands = operands,
					     .patience_ms = PATIENCE_MS};
	struct client_run run;

	if (!client_run(bench, &config, &run))
		return false;
	*records = client_number(&run, "summary.sent") + client_number(&run, "summary.skipped") +
		   client_number(&run, "summary.duplicates");
	*seconds = run.wall_s;
	client_free(&run);
	return true;
}

static bool bare_loops(const struct server *server, bool archive, uint32_t packets, double *tcp, double *scan)
{
	*scan = NAN;
	if (!bare_tcp(tcp, (uint64_t)packets * OWAMP_RECORD_SIZE, WRITE_OCTETS))
		return false;
	*tcp /= OWAMP_RECORD_SIZE;
	return !archive || bare_scan(scan, server->archive,
				     "SELECT seq, send_time_ns, delay_ns, duplicate, send_error_estimate, "
				     "receive_error_estimate, ttl, send_residue, receive_residue "
				     "FROM packets WHERE session_id = (SELECT max(session_id) FROM sessions) "
				     "ORDER BY arrival");
}

static bool measure(struct bench *bench, bool archive, struct table *table)
{
	const struct server_config config = {
		.program = bench->owampd, .network = -1, .archive = archive, .keep_fetched = true};
	uint32_t packets;
	double records = 0, seconds = 0, tcp, scan;
	struct server server;
	char sid[33];
	bool ok;

	bench_progress("fetch: from %s", archive ? "an archive" : "memory");
	if (!server_start(&server, &config))
		return false;
	packets = make_complete_session(bench, &server, sid);
	ok = packets > 0 && fetch(bench, &server, sid, &records, &seconds);
	if (ok && records < packets)
		ok = bench_fail("%.0f records were fetched of %u packets", records, packets);
	ok = ok && bare_loops(&server, archive, packets, &tcp, &scan);
	if (ok) {
		table_text(table, archive ? "archive" : "memory");
		table_number(table, records);
		table_number(table, seconds);
		table_number(table, records / seconds);
		table_number(table, tcp);
		table_number(table, scan);
	}
	ok = server_end(&server) && ok;
	server_remove(&server);
	return ok;
}

bool part_fetch(struct bench *bench)
{
	struct table *table = table_new("fetch", "Fetch-Session of one session");
	bool ok;

	table_column(table, "records_in", "from", -1);
	table_column(table, "records", "records", 0);
	table_column(table, "seconds", "s", 2);
	table_column(table, "records_per_s", "records/s", 0);
	table_column(table, "bare_tcp_per_s", "bare TCP", 0);
	table_column(table, "bare_scan_per_s", "bare SQLite", 0);
	table_note(table,
		   "All of owfetch, encrypted, key derivation and statistics included. Bare: 25 octets a "
		   "record through a TCP connection,");
	table_note(table, "and the archive's rows read in order and thrown away.");
	ok = measure(bench, true, table) && measure(bench, false, table);
	bench_add(bench, table);
	return ok;
}
