#include "client.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* CPU times are looked at so often: a thread takes what is newer with it. */
#define STEP_MS 20

/* To end after a signal. */
#define END_MS 5000

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct line {
	const char *words[CLIENT_ARGUMENTS_MAX + 1];
	size_t count;
	char target[64];
};

static void add_word(struct line *line, const char *word)
{
	if (line->count < CLIENT_ARGUMENTS_MAX)
		line->words[line->count++] = word;
}

static void add_words(struct line *line, const char *const *words)
{
	for (; words && *words; words++)
		add_word(line, *words);
}

static void compose(struct line *line, const struct client_config *config)
{
	*line = (struct line){.count = 0};
	snprintf(line->target, sizeof line->target, "%s:%u", config->address ? config->address : "127.0.0.1",
		 config->server->port);
	add_word(line, config->program);
	add_word(line, "--json");
	add_word(line, "-A");
	add_word(line, config->mode);
	if (strcmp(config->mode, "O") != 0) {
		add_word(line, "-u");
		add_word(line, BENCH_KEY_ID);
		add_word(line, "-k");
		add_word(line, config->server->keys);
	}
	add_words(line, config->arguments);
	add_word(line, line->target);
	add_words(line, config->operands);
}

static void show_errors(const struct bench *bench)
{
	FILE *file = fopen(bench->errors, "re");
	char line[512];

	while (file && fgets(line, sizeof line, file))
		fprintf(stderr, "  %s", line);
	if (file)
		fclose(file);
}

static bool read_document(struct bench *bench, struct client_run *run)
{
	json_error_t error;

	run->document = json_load_file(bench->output, 0, &error);
	run->test = json_array_get(json_object_get(run->document, "tests"), 0);
	if (run->test)
		return true;
	json_decref(run->document);
	run->document = NULL;
	return false;
}

bool client_run(struct bench *bench, const struct client_config *config, struct client_run *run)
{
	struct line line;
	const struct process_config start = {.argv = line.words,
					     .output = bench->output,
					     .errors = bench->errors,
					     .network = config->network};
	struct process process;
	double begin = seconds_now();
	bool ended = false;

	*run = (struct client_run){.wall_s = 0};
	compose(&line, config);
	(void)unlink(bench->errors);
	if (!process_start(&process, &start))
		return false;
	while (!ended && !process_interrupted() && seconds_now() - begin < config->patience_ms / 1e3) {
		process_cpu(process.pid, &run->cpu);
		ended = process_wait(&process, STEP_MS);
	}
	run->wall_s = seconds_now() - begin;
	process_end(&process, SIGTERM, END_MS);
	run->cpu_s = process.cpu_s;
	if (ended && read_document(bench, run))
		return true;
	if (!process_interrupted()) {
		(void)bench_fail("%s %s", config->program, ended ? "failed:" : "did not end in time:");
		show_errors(bench);
	}
	return false;
}

void client_free(struct client_run *run)
{
	json_decref(run->document);
	run->document = run->test = NULL;
}

double client_number(const struct client_run *run, const char *path)
{
	const json_t *object = run->test;
	char name[64];

	while (object && *path) {
		size_t size = strcspn(path, ".");

		snprintf(name, sizeof name, "%.*s", (int)size, path);
		object = json_object_get(object, name);
		path += size + (path[size] == '.');
	}
	return json_is_number(object) ? json_number_value(object) : NAN;
}

bool client_lossless(const struct client_run *run, uint32_t packets)
{
	double sent = client_number(run, "summary.sent"), received = client_number(run, "summary.received");
	double skipped = client_number(run, "summary.skipped");
	double duplicates = client_number(run, "summary.duplicates");

	return sent == packets && received == packets && skipped == 0 && duplicates == 0;
}
