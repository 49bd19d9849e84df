/*
 * The lossless rate: the fastest schedule of one session through a real owping and
 * owampd at which all packets are sent, all arrive and all records are kept. What
 * the threads used meanwhile is the CPU a packet.
 */
#include <math.h>
#include <stdio.h>

#include <owamp/session.h>

#include "bare.h"
#include "client.h"

/* Rates are tried in steps of this share of the bare loop's, up to so many, and in the end at half a step. */
#define STEP        0.1
#define STEPS       16
#define QUICK_STEPS 3

/* Of a rate that is tried; no packet may leave later than the Timeout. */
#define SECONDS 1.0
#define TIMEOUT "0.5"

/* At which a meter that works loses nothing on any machine. */
#define SLOW_RATE 1000U

#define BARE_PACKETS  200000
#define QUICK_PACKETS 2000

/* So few missing can be a stall of the machine: once more. */
#define STALL_SHARE 0.01

/* The CPU a packet is taken at this share of that rate, in bursts of so many packets. */
#define CPU_SHARE 0.9
#define CPU_TRIES 2
#define BURST     64

/* Of the bare loop's flat-out rate. */
static const double bare_shares[] = {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1};
#define BARE_SHARES (sizeof bare_shares / sizeof bare_shares[0])

/* Setting up, schedule, Timeout, fetching, all on a machine that is busy with other things. */
#define PATIENCE_MS 90000

struct kind {
	const char *name;
	const char *mode;
	size_t octets;
	bool archive;
};

/* In us of CPU a packet but for the rate. */
struct figures {
	double rate;
	uint32_t packets;
	double pacer;
	double sender;
	double collector;
	double writer;
	double receiver;
};

enum outcome {
	BROKEN, /* something does not work */
	LOSSY,
	STALLED, /* hardly lossy */
	LOSSLESS,
};

/* The search for one kind. */
struct search {
	struct bench *bench;
	const struct kind *kind;
	double bare_rate;
	struct figures best;
};

static double per_packet(uint64_t after, uint64_t before, uint32_t packets)
{
	return (double)(after - before) / 1e3 / packets;
}

static bool all_in_archive(const struct server *server, uint32_t packets)
{
	int64_t records = server_query(server, "SELECT count(*) FROM packets WHERE delay_ns IS NOT NULL");

	return records == packets ||
	       bench_fail("the archive has %lld records of %u packets", (long long)records, packets);
}

static void take_figures(struct figures *figures, const struct client_run *run,
			 const struct process_cpu *before, const struct process_cpu *after, uint32_t packets)
{
	double span = client_number(run, "summary.last_ns") - client_number(run, "summary.first_ns");

	figures->packets = packets;
	figures->rate = (packets - 1) * 1e9 / span;
	figures->pacer = (double)run->cpu.pacer / 1e3 / packets;
	figures->sender = run->cpu_s * 1e6 / packets;
	figures->collector = per_packet(after->collector, before->collector, packets);
	figures->writer = per_packet(after->writer, before->writer, packets);
	figures->receiver = per_packet(process_cpu_sum(after), process_cpu_sum(before), packets);
}

static enum outcome judge(const struct client_run *run, uint32_t packets)
{
	double received = client_number(run, "summary.received");

	if (client_lossless(run, packets))
		return LOSSLESS;
	return received > packets * (1 - STALL_SHARE) ? STALLED : LOSSY;
}

/*
 * The schedule: evenly; or in bursts without waits within, where the pacer sends
 * as it does when it has no time to wait.
 */
static void write_schedule(char *text, size_t size, double rate, bool bursts)
{
	size_t used = (size_t)snprintf(text, size, "%.9ff", (bursts ? BURST : 1) / rate);

	for (int i = 1; bursts && i < BURST && used + 4 < size; i++)
		used += (size_t)snprintf(text + used, size - used, ",0f");
}

/* One session at a rate. */
static enum outcome attempt(const struct search *search, double rate, bool bursts, struct figures *figures)
{
	struct bench *bench = search->bench;
	const struct server_config server_config = {
		.program = bench->owampd, .network = -1, .archive = search->kind->archive};
	uint32_t packets = bench->quick ? QUICK_PACKETS : (uint32_t)(rate * SECONDS);
	char count[16], schedule[32 + 3 * BURST];
	const char *const arguments[] = {"-t",  "-c", count, "-i", schedule, "-z",
					 "0.3", "-E", "0.1", "-L", TIMEOUT,  bursts ? "--spin" : NULL,
					 "0",   NULL};
	struct server server;
	const struct client_config config = {.program = bench->owping,
					     .server = &server,
					     .network = -1,
					     .mode = search->kind->mode,
					     .arguments = arguments,
					     .patience_ms = PATIENCE_MS};
	struct process_cpu before = {0}, after = {0};
	enum outcome outcome = BROKEN;
	struct client_run run;

	snprintf(count, sizeof count, "%u", packets);
	write_schedule(schedule, sizeof schedule, rate, bursts);
	if (!server_start(&server, &server_config))
		return BROKEN;
	process_cpu(server.process.pid, &before);
	if (client_run(bench, &config, &run)) {
		process_cpu(server.process.pid, &after);
		take_figures(figures, &run, &before, &after, packets);
		outcome = judge(&run, packets);
		client_free(&run);
		if (!server_end(&server) ||
		    (search->kind->archive && outcome == LOSSLESS && !all_in_archive(&server, packets)))
			outcome = BROKEN;
	}
	server_remove(&server);
	return outcome;
}

/* Is it possible? False if something does not work. */
static bool try_rate(struct search *search, double rate, bool *lossless)
{
	struct figures figures = {0};
	enum outcome outcome = attempt(search, rate, false, &figures);

	if (outcome == STALLED)
		outcome = attempt(search, rate, false, &figures);
	*lossless = outcome == LOSSLESS;
	bench_progress("  %.0f packets/s: %s", rate, *lossless ? "lossless" : "not lossless");
	if (*lossless && (isnan(search->best.rate) || figures.rate > search->best.rate))
		search->best = figures;
	return outcome != BROKEN;
}

static bool try_share(struct search *search, double share, bool *lossless)
{
	return try_rate(search, share * search->bare_rate, lossless);
}

static bool find_rate(struct search *search)
{
	unsigned possible = 0, too_much = 1 + (search->bench->quick ? QUICK_STEPS : STEPS);
	bool lossless;

	search->best.rate = NAN;
	while (too_much - possible > 1) {
		unsigned middle = (possible + too_much) / 2;

		if (!try_share(search, middle * STEP, &lossless))
			return false;
		*(lossless ? &possible : &too_much) = middle;
	}
	if (!search->bench->quick && !try_share(search, (possible + 0.5) * STEP, &lossless))
		return false;
	if (!isnan(search->best.rate))
		return true;
	return try_rate(search, SLOW_RATE, &lossless) &&
	       (lossless || bench_fail("packets or records are lost even at %u packets/s", SLOW_RATE));
}

/* What a packet costs when there is no time to wait, spinning or sleeping. */
static bool find_costs(const struct search *search, struct figures *figures)
{
	double rate = CPU_SHARE * search->best.rate;
	enum outcome outcome = LOSSY;

	for (int tries = 0; tries < CPU_TRIES && (outcome == LOSSY || outcome == STALLED); tries++)
		outcome = attempt(search, rate, true, figures);
	if (outcome != LOSSLESS)
		*figures = (struct figures){
			.pacer = NAN, .sender = NAN, .collector = NAN, .writer = NAN, .receiver = NAN};
	return outcome != BROKEN;
}

static bool find_bare_rate(uint64_t packets, size_t octets, struct bare_rate *bare)
{
	double flat_out = 0, send_us = 0;

	for (size_t i = 0; i < BARE_SHARES; i++) {
		if (!bare_rate(bare, packets, octets, i == 0 ? 0 : bare_shares[i] * flat_out))
			return false;
		if (i == 0) {
			flat_out = bare->rate;
			send_us = bare->send_us;
		}
		/* What waits for its time does so awake, which is no cost of sending. */
		bare->send_us = send_us;
		if (bare->received == bare->packets)
			return true;
	}
	return bench_fail("the bare loop loses packets at all rates");
}

static void set_columns(struct table *rates, struct table *cpu)
{
	table_column(rates, "mode", "mode", -1);
	table_column(rates, "records", "records", -1);
	table_column(rates, "packets", "packets", 0);
	table_column(rates, "rate_pps", "packets/s", 0);
	table_column(rates, "bare_pps", "bare loop", 0);
	table_column(rates, "ratio", "ratio", 2);
	table_note(rates,
		   "The fastest schedule of one session of owping -t towards owampd at which all packets "
		   "are sent, none later than %s s,",
		   TIMEOUT);
	table_note(rates,
		   "all arrive, all records are kept and fetched, and are in the archive; for a second. In "
		   "steps of %.0f %% of the bare loop.",
		   50 * STEP);
	table_note(rates, "The bare loop, as fast as it loses nothing: send() and clock_gettime() in a "
			  "thread, recvmsg() with "
			  "kernel stamp and TTL in another.");
	table_note(rates, "Aims: a ratio of 0.80 or more in open mode, 0.70 encrypted.");
	table_column(cpu, "mode", "mode", -1);
	table_column(cpu, "records", "records", -1);
	table_column(cpu, "side", "side", -1);
	table_column(cpu, "thread_us", "thread us", 2);
	table_column(cpu, "bare_us", "bare thread us", 2);
	table_column(cpu, "ratio", "ratio", 2);
	table_column(cpu, "writer_us", "writer us", 2);
	table_column(cpu, "process_us", "process us", 2);
	table_note(
		cpu,
		"At %.0f %% of that rate and in bursts of %d packets without spinning, which is as if there "
		"were no time to wait.",
		100 * CPU_SHARE, BURST);
	table_note(
		cpu,
		"Thread: that sends, or that receives. Writer: of the archive. Process: all of it, set-up, "
		"fetching and statistics included.");
	table_note(cpu, "Aims: a ratio of 1.5 or less in open mode, 1.8 encrypted.");
}

static void add_cpu(struct table *table, const struct kind *kind, const char *side, double thread,
		    double bare, double writer, double process)
{
	table_text(table, kind->name);
	table_text(table, kind->archive ? "archive" : "memory");
	table_text(table, side);
	table_number(table, thread);
	table_number(table, bare);
	table_number(table, thread / bare);
	table_number(table, writer);
	table_number(table, process);
}

static void add_rate(struct table *table, const struct kind *kind, const struct figures *figures,
		     const struct bare_rate *bare)
{
	table_text(table, kind->name);
	table_text(table, kind->archive ? "archive" : "memory");
	table_number(table, figures->packets);
	table_number(table, figures->rate);
	table_number(table, bare->rate);
	table_number(table, figures->rate / bare->rate);
}

static bool measure(struct bench *bench, const struct kind *kind, struct table *rates, struct table *cpu)
{
	uint64_t packets = bench->quick ? QUICK_PACKETS : BARE_PACKETS;
	struct search search = {.bench = bench, .kind = kind};
	struct figures figures;
	struct bare_rate bare;

	bench_progress("rate: %s, records in %s", kind->name, kind->archive ? "an archive" : "memory");
	if (!find_bare_rate(packets, kind->octets, &bare))
		return false;
	/* Once more, for as long as what it is compared with. */
	if (!bench->quick && !find_bare_rate((uint64_t)(bare.rate * SECONDS), kind->octets, &bare))
		return false;
	search.bare_rate = bare.rate;
	if (!find_rate(&search))
		return false;
	add_rate(rates, kind, &search.best, &bare);
	if (!find_costs(&search, &figures))
		return false;
	add_cpu(cpu, kind, "send", figures.pacer, bare.send_us, NAN, figures.sender);
	add_cpu(cpu, kind, "receive", figures.collector, bare.receive_us,
		kind->archive ? figures.writer : NAN, figures.receiver);
	return true;
}

bool part_rate(struct bench *bench)
{
	static const struct kind kinds[] = {
		{"open", "O", OWAMP_PACKET_OPEN, true},
		{"open", "O", OWAMP_PACKET_OPEN, false},
		{"authenticated", "A", OWAMP_PACKET_SECURE, true},
		{"authenticated", "A", OWAMP_PACKET_SECURE, false},
		{"encrypted", "E", OWAMP_PACKET_SECURE, true},
		{"encrypted", "E", OWAMP_PACKET_SECURE, false},
	};
	struct table *rates = table_new("rate", "Lossless packet rate on loopback");
	struct table *cpu = table_new("cpu", "CPU a packet");
	size_t step = bench->quick ? 5 : 1;
	bool ok = true;

	set_columns(rates, cpu);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && ok; i += step)
		ok = measure(bench, &kinds[i], rates, cpu);
	bench_add(bench, rates);
	bench_add(bench, cpu);
	return ok;
}
