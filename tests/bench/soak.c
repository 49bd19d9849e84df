#include "soak.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "programs.h"

/* From the start of a round's process to its first packet. */
#define LEAD_S 3

/* After a round's schedule: Timeout, Stop-Sessions, fetching, on a busy machine. */
#define AFTER_S 120

#define STEP_MS 50
#define END_MS  10000

/* While the sessions of one round are fetched, those of the next run. */
#define ROUNDS_AT_A_TIME 3

/* Of owampd, beside those of sessions; a tenth of the sessions are connections. */
#define OTHER_FILES 2000

struct round {
	struct process process;
	char output[96];
	double end_s; /* it must be over by then */
};

struct soak {
	const struct soak_options *options;
	struct server server;
	char program[PATH_MAX]; /* bench_sessions */
	struct round rounds[ROUNDS_AT_A_TIME];
	struct soak_watch watch;
	struct soak_sample next; /* is being collected */
	struct soak_samples samples;
	uint64_t drops_seen;
	double begin_s;
	unsigned wanted; /* rounds */
	unsigned started;
	unsigned ended;
	unsigned complete;
};

static bool start_server(struct soak *soak)
{
	char owampd[PATH_MAX], more[160];
	const struct server_config config = {.program = programs_path("owampd/owampd", owampd),
					     .network = -1,
					     .archive = true,
					     .keep_fetched = true,
					     .more = more};

	snprintf(more, sizeof more, "archive_max = 0\nkeep = %.0fs\nkeep_summaries = %.0fs\n",
		 soak->options->keep * 60, soak->options->keep * 60);
	return server_start(&soak->server, &config);
}

static bool start_round(struct soak *soak, struct round *round)
{
	const struct soak_options *options = soak->options;
	char sessions[16], rate[32], seconds[16], lead[16], target[32];
	const char *argv[20] = {soak->program, "--json", "--server", target, "-n", sessions, "-r",
				rate,          "-d",     seconds,    "-z",   lead, "-C",     "10"};
	const struct process_config config = {.argv = argv, .output = round->output, .network = -1};
	size_t count = 14;

	snprintf(target, sizeof target, "127.0.0.1:%u", soak->server.port);
	snprintf(sessions, sizeof sessions, "%u", options->sessions);
	snprintf(rate, sizeof rate, "%.6f", options->rate / options->sessions);
	snprintf(seconds, sizeof seconds, "%.0f", options->minutes * 60);
	snprintf(lead, sizeof lead, "%d", LEAD_S);
	if (!options->both)
		argv[count++] = "--to";
	if (options->encrypted)
		argv[count++] = "--encrypted";
	snprintf(round->output, sizeof round->output, "%s/round", soak->server.directory);
	snprintf(round->output + strlen(round->output), 8, "%d", (int)(round - soak->rounds));
	round->end_s = soak_now_s() + LEAD_S + options->minutes * 60 + AFTER_S;
	return process_start(&round->process, &config);
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void add_round(struct soak *soak, const json_t *results)
{
	const json_t *bench = json_object_get(results, "bench");
	double packets = floor(number(results, "rate") * number(results, "seconds") + 1e-6);
	double received = number(results, "received"), lost = number(results, "lost");

	soak->next.packets += (uint64_t)received;
	soak->next.lost += (uint64_t)lost;
	soak->next.dropped += (uint64_t)number(bench, "socket_drops");
	soak->next.late_p50_us = number(bench, "late_p50_us");
	soak->next.late_p99_us = number(bench, "late_p99_us");
	soak->next.late_max_us = number(bench, "late_max_us");
	if (number(results, "complete") == soak->options->sessions &&
	    received + lost == packets * soak->options->sessions)
		soak->complete++;
	else
		fprintf(stderr, "soak: a round accounts for %.0f packets of %.0f; %s\n", received + lost,
			packets * soak->options->sessions,
			json_string_value(json_object_get(results, "first_reason"))
				? json_string_value(json_object_get(results, "first_reason"))
				: "all sessions were complete");
}

/* Takes its results; those of one that ended badly say so. */
static void end_round(struct soak *soak, struct round *round)
{
	json_t *results;

	process_end(&round->process, SIGTERM, END_MS);
	results = json_load_file(round->output, 0, NULL);
	if (results)
		add_round(soak, results);
	else
		fprintf(stderr, "soak: a round ended without results\n");
	json_decref(results);
	(void)unlink(round->output);
	round->output[0] = '\0';
	soak->ended++;
}

static void end_rounds(struct soak *soak)
{
	for (size_t i = 0; i < ROUNDS_AT_A_TIME; i++) {
		struct round *round = &soak->rounds[i];

		if (!round->output[0])
			continue;
		if (soak_now_s() > round->end_s) {
			fprintf(stderr, "soak: a round did not end in time\n");
			process_end(&round->process, SIGTERM, END_MS);
		}
		if (process_wait(&round->process, 0))
			end_round(soak, round);
	}
}

/* The next round's packets follow those of the one before. */
static bool start_rounds(struct soak *soak)
{
	double due = soak->begin_s + soak->started * soak->options->minutes * 60;

	if (soak->started == soak->wanted || soak_now_s() < due)
		return true;
	for (size_t i = 0; i < ROUNDS_AT_A_TIME; i++) {
		if (soak->rounds[i].output[0])
			continue;
		soak->started++;
		return start_round(soak, &soak->rounds[i]);
	}
	return true;
}

static bool keep_sample(struct soak *soak)
{
	struct soak_samples *samples = &soak->samples;

	if (samples->count == samples->capacity) {
		size_t capacity = 2 * samples->capacity + 64;
		struct soak_sample *list = reallocarray(samples->list, capacity, sizeof *list);

		if (!list)
			return false;
		samples->list = list;
		samples->capacity = capacity;
	}
	samples->list[samples->count++] = soak->next;
	soak->next = (struct soak_sample){.late_p50_us = NAN, .late_p99_us = NAN, .late_max_us = NAN};
	return true;
}

static bool take_sample(struct soak *soak)
{
	uint64_t drops = server_drops(&soak->server);

	if (soak_now_s() - soak->watch.last_s < soak->options->interval)
		return true;
	soak_watch_sample(&soak->watch, &soak->next);
	soak->next.dropped += drops - soak->drops_seen;
	soak->drops_seen = drops;
	soak_print_sample(soak->options, &soak->next, soak->samples.count == 0);
	return keep_sample(soak);
}

static bool run(struct soak *soak)
{
	soak->next = (struct soak_sample){.late_p50_us = NAN, .late_p99_us = NAN, .late_max_us = NAN};
	soak->begin_s = soak_now_s();
	soak_watch_begin(&soak->watch, &soak->server);
	while (soak->ended < soak->wanted && !process_interrupted()) {
		if (process_wait(&soak->server.process, 0)) {
			fprintf(stderr, "soak: owampd ended\n");
			return false;
		}
		if (!start_rounds(soak))
			return false;
		end_rounds(soak);
		/* Memory is compared under load only. */
		if (soak_now_s() < soak->begin_s + soak->wanted * soak->options->minutes * 60 &&
		    !take_sample(soak))
			return false;
		(void)process_pause(STEP_MS);
	}
	return true;
}

static bool report(struct soak *soak)
{
	struct soak_verdict verdict;

	soak_judge(soak->options, &soak->samples, &verdict);
	soak_report(soak->options, &soak->samples, &verdict, soak->wanted, soak->complete);
	return verdict.memory.flat && (!verdict.archive.known || verdict.archive.flat) &&
	       soak->complete == soak->wanted;
}

static void clean_up(struct soak *soak)
{
	for (size_t i = 0; i < ROUNDS_AT_A_TIME; i++) {
		process_end(&soak->rounds[i].process, SIGTERM, END_MS);
		if (soak->rounds[i].output[0])
			(void)unlink(soak->rounds[i].output);
	}
	server_remove(&soak->server);
	free(soak->samples.list);
}

int main(int argc, char **argv)
{
	struct soak_options options = {.hours = 3,
				       .rate = 10000,
				       .sessions = 100,
				       .minutes = 5,
				       .keep = 10,
				       .interval = 60,
				       .growth = 5};
	struct soak soak = {.options = &options};
	bool ok;

	process_init();
	if (!soak_parse(&options, argc, argv)) {
		soak_print_usage();
		return 2;
	}
	if (!process_raise_files(ROUNDS_AT_A_TIME * options.sessions + OTHER_FILES)) {
		fprintf(stderr, "soak: %u open files are not allowed: ulimit -n\n",
			ROUNDS_AT_A_TIME * options.sessions + OTHER_FILES);
		return 1;
	}
	soak.wanted = (unsigned)fmax(1, round(options.hours * 60 / options.minutes));
	(void)programs_path("tests/bench/bench_sessions", soak.program);
	if (!start_server(&soak))
		return 1;
	ok = run(&soak);
	if (process_interrupted()) {
		fprintf(stderr, "soak: interrupted\n");
		ok = false;
	}
	ok = report(&soak) && ok;
	ok = server_end(&soak.server) && ok;
	clean_up(&soak);
	return ok ? 0 : 1;
}
