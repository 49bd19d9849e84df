/* owstats over a forged archive: all that it can be asked without writing. */
#include <stdio.h>
#include <stdlib.h>

#include <owamp/error.h>

#include "owping/stats_run.h"
#include "storage/query.h"

#include "archive_world.h"

#define WORDS_MAX 9

static const char *const lines[][WORDS_MAX] = {
	{"list"},
	{"list", "--json", "--limit", "2"},
	{"list", "--csv", "--since", "2026-11-20", "--to", "192.0.2.2"},
	{"list", "--unix-time", "--unit", "n", "--outcome", "finished"},
	{"show", "1101", "--minutes"},
	{"show", "1101", "--json", "--minutes"},
	{"show", "2201", "--json"},
	{"show", "3301", "--unit", "s", "--percentiles", "0.1,50,100"},
	{"show", "4401", "--json", "--minutes"},
	{"show", "4401", "--csv"},
	{"summary", "192.0.2.1", "192.0.2.2"},
	{"summary", "192.0.2.1", "192.0.2.2", "--json", "--since", "2026-11-20T10:00"},
	{"summary", "C000:0201::", "c000:202::", "--csv"},
	{"histogram", "1101"},
	{"histogram", "4401", "--rows", "7", "--width", "40"},
	{"histogram", "192.0.2.1", "192.0.2.2", "--json", "--until", "2026-11-21"},
	{"timeline", "192.0.2.1", "192.0.2.2"},
	{"timeline", "192.0.2.1", "192.0.2.2", "--step", "1min", "--json"},
	{"timeline", "c000:201::", "c000:202::", "--step", "1d", "--csv"},
	{"export", "1101"},
	{"export", "3301", "--json"},
	{"export", "2201", "--csv"},
	{"clock"},
	{"clock", "--json", "--since", "2026-11-20T10:00"},
	{"clock", "--csv"},
	{"prune", "--keep-packets", "1d", "--keep-summaries", "2d", "--max-size", "20k", "--dry-run"},
};
#define LINES (sizeof lines / sizeof lines[0])

static int ask(struct stats_run *run)
{
	switch (run->options->command) {
	case STATS_LIST:
		return stats_list(run);
	case STATS_SHOW:
		return stats_show(run);
	case STATS_SUMMARY:
		return stats_summary(run);
	case STATS_HISTOGRAM:
		return stats_histogram(run);
	case STATS_TIMELINE:
		return stats_timeline(run);
	case STATS_EXPORT:
		return stats_export(run);
	case STATS_CLOCK:
		return stats_clock(run);
	case STATS_PRUNE:
		return stats_prune(run);
	}
	return OWAMP_EINVAL;
}

/* What a command says beside its answer is not to be mixed with what the fuzzer says. */
static int ask_quietly(struct stats_run *run)
{
	FILE *before = stderr;
	int error;

	stderr = fopen("/dev/null", "we");
	world_require(stderr != NULL, "a place for words");
	error = query_begin(run->archive);
	error = error ? stats_failed(run, error) : ask(run);
	query_end(run->archive);
	if (error && run->error[0] == '\0')
		stats_fail(run, "%s", owamp_error_text(error));
	error = stats_run_finish(run, error);
	fclose(stderr);
	stderr = before;
	return error;
}

static int run_command(const struct world *world, const struct stats_options *options)
{
	struct stats_run run = {
		.options = options,
		.out = fopen("/dev/null", "we"),
		.out_name = "nowhere",
		.colors = true,
		.now_ns = WORLD_NS + INT64_C(7200000000000),
		.notes = json_array(),
		.document = options->format == STATS_JSON ? json_object() : NULL,
	};
	char error[512];
	int result;

	world_require(run.out && run.notes, "memory");
	result = archive_open(&run.archive, world->path, ARCHIVE_READ, error, sizeof error);
	if (result == 0)
		result = ask_quietly(&run);
	else
		fclose(run.out);
	archive_close(run.archive);
	json_decref(run.document);
	json_decref(run.notes);
	return result;
}

void world_ask_owstats(const struct world *world, unsigned choice)
{
	char name[] = "owstats", *argv[WORDS_MAX + 2] = {name};
	const char *const *words = lines[choice % LINES];
	struct stats_options options;
	char error[512];
	int argc = 1;

	for (size_t i = 0; i < WORDS_MAX && words[i]; i++) {
		argv[argc] = strdup(words[i]);
		world_require(argv[argc++] != NULL, "memory");
	}
	world_require(stats_options_parse(&options, argc, argv, world->path, WORLD_NS, error, sizeof error) ==
			      0,
		      error);
	(void)run_command(world, &options);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
}
