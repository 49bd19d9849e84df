/* How late owping's packets leave, beside a loop of clock_nanosleep() through the same Poisson schedule. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <owamp/schedule.h>

#include "bare.h"
#include "burners.h"
#include "client.h"

/* As owping's default. */
#define PRIORITY 10

#define PATIENCE_MS 60000

struct kind {
	unsigned rate;
	unsigned packets;
};

struct situation {
	bool busy;
	bool realtime;
};

static double micro(double ns)
{
	return ns / 1e3;
}

/* The session's schedule once more. */
static struct owamp_schedule *schedule_of(const struct client_run *run, unsigned rate)
{
	const char *text = json_string_value(json_object_get(run->test, "sid"));
	const struct owamp_slot slot = {.type = OWAMP_SLOT_EXPONENTIAL,
					.interval = owamp_interval_from_ns(1000000000 / rate)};
	struct owamp_schedule *schedule;
	uint8_t sid[OWAMP_SID_SIZE];

	if (!text || owamp_sid_parse(text, sid) || owamp_schedule_new(&schedule, &slot, 1, sid))
		return NULL;
	return schedule;
}

static void add_row(struct table *table, const struct kind *kind, const struct situation *situation,
		    const struct client_run *run, const struct bare_lateness *bare)
{
	const json_t *meter = json_object_get(run->document, "meter");
	bool granted = json_is_true(json_object_get(meter, "realtime"));

	table_number(table, kind->rate);
	table_text(table, situation->busy ? "busy" : "idle");
	table_text(table, !situation->realtime ? "ordinary" : granted ? "real-time" : "not granted");
	table_number(table, micro(json_number_value(json_object_get(meter, "spin_ns"))));
	table_number(table, micro(client_number(run, "health.send.lateness_p50_ns")));
	table_number(table, micro(client_number(run, "health.send.lateness_p99_ns")));
	table_number(table, micro(client_number(run, "health.send.lateness_p999_ns")));
	table_number(table, micro(client_number(run, "health.send.lateness_max_ns")));
	table_number(table, bare->p50_us);
	table_number(table, bare->p99_us);
	table_number(table, bare->p999_us);
	table_number(table, bare->max_us);
}

static bool run_owping(struct bench *bench, const struct server *server, const struct kind *kind,
		       const struct situation *situation, struct client_run *run)
{
	char count[16], wait[32];
	const char *const arguments[] = {
		"-t",  "-c", count, "-i", wait,  "-z",
		"0.3", "-E", "0.1", "-L", "0.5", situation->realtime ? NULL : "--realtime-priority",
		"0",   NULL};
	const struct client_config config = {.program = bench->owping,
					     .server = server,
					     .network = -1,
					     .mode = "O",
					     .arguments = arguments,
					     .patience_ms = PATIENCE_MS};

	snprintf(count, sizeof count, "%u", kind->packets);
	snprintf(wait, sizeof wait, "%.9fe", 1.0 / kind->rate);
	if (!client_run(bench, &config, run))
		return false;
	if (client_number(run, "health.send.sent") + client_number(run, "summary.skipped") == kind->packets)
		return true;
	client_free(run);
	return bench_fail("owping accounts for not all of %u packets", kind->packets);
}

static bool measure(struct bench *bench, const struct server *server, const struct kind *kind,
		    const struct situation *situation, struct table *table)
{
	struct owamp_schedule *schedule;
	struct bare_lateness bare;
	struct client_run run;
	bool ok;

	bench_progress("lateness: %u packets/s, %s, %s", kind->rate, situation->busy ? "busy" : "idle",
		       situation->realtime ? "real-time" : "ordinary");
	if (!run_owping(bench, server, kind, situation, &run))
		return false;
	schedule = schedule_of(&run, kind->rate);
	ok = schedule &&
	     bare_sleep(&bare, schedule, kind->packets,
			situation->realtime && json_is_true(json_object_get(
						       json_object_get(run.document, "meter"), "realtime"))
				? PRIORITY
				: 0);
	if (ok)
		add_row(table, kind, situation, &run, &bare);
	owamp_schedule_free(schedule);
	client_free(&run);
	return ok;
}

static void set_columns(struct table *table)
{
	table_column(table, "rate_pps", "packets/s", 0);
	table_column(table, "machine", "machine", -1);
	table_column(table, "scheduling", "scheduling", -1);
	table_column(table, "spin_us", "spin us", 0);
	table_column(table, "p50_us", "owping p50 us", 1);
	table_column(table, "p99_us", "p99", 1);
	table_column(table, "p999_us", "p99.9", 1);
	table_column(table, "max_us", "max", 1);
	table_column(table, "bare_p50_us", "bare p50 us", 1);
	table_column(table, "bare_p99_us", "p99", 1);
	table_column(table, "bare_p999_us", "p99.9", 1);
	table_column(table, "bare_max_us", "max", 1);
	table_note(table,
		   "owping -t on loopback; busy: beside a process on each CPU that does nothing but use it. "
		   "The bare loop: clock_nanosleep()");
	table_note(table, "to the same times, slack 1 ns, with the same scheduling, without sending.");
	table_note(table,
		   "Aims at 1,000 packets/s, idle: p50 5 us, p99 60 us in real time; no worse than the bare "
		   "loop otherwise.");
}

/* All rates, and both kinds of scheduling. */
static bool measure_all(struct bench *bench, const struct server *server, bool busy, struct table *table)
{
	static const struct kind kinds[] = {{100, 500}, {1000, 3000}, {10000, 20000}},
				 quick[] = {{1000, 200}};
	size_t count = bench->quick ? 1 : sizeof kinds / sizeof kinds[0];

	for (size_t i = 0; i < count; i++) {
		for (int realtime = 1; realtime >= 0; realtime--) {
			const struct situation situation = {.busy = busy, .realtime = realtime};

			if (bench->quick && busy == realtime)
				continue;
			if (!measure(bench, server, bench->quick ? &quick[i] : &kinds[i], &situation, table))
				return false;
		}
	}
	return true;
}

bool part_lateness(struct bench *bench)
{
	const struct server_config config = {.program = bench->owampd, .network = -1};
	struct table *table = table_new("lateness", "How late packets leave, Poisson");
	struct burners burners;
	struct server server;
	bool ok;

	set_columns(table);
	ok = server_start(&server, &config);
	if (ok) {
		ok = measure_all(bench, &server, false, table);
		if (ok && burners_start(&burners)) {
			ok = measure_all(bench, &server, true, table);
			burners_end(&burners);
		} else {
			ok = false;
		}
		ok = server_end(&server) && ok;
		server_remove(&server);
	}
	bench_add(bench, table);
	return ok;
}
