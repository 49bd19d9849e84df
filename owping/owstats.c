/* owstats: reads the archive. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "owping/common.h"
#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_run.h"
#include "storage/query.h"

static int run_command(struct stats_run *run)
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

/* Opening for writing would make an archive where there is none. */
static int check_there(struct stats_run *run)
{
	struct stat status;

	if (stat(run->options->archive, &status) < 0)
		return stats_fail(run, "%s: %s", run->options->archive, strerror(errno));
	if (status.st_size == 0)
		return stats_fail(run, "%s: is empty", run->options->archive);
	return 0;
}

/* One state of the file for all that is read. Who removes rows makes states of its own. */
static int run_within(struct stats_run *run)
{
	bool writes = run->options->command == STATS_PRUNE && !run->options->dry_run;
	int error = writes ? check_there(run) : 0;

	if (!error)
		error = archive_open(&run->archive, run->options->archive,
				     writes ? ARCHIVE_WRITE : ARCHIVE_READ, run->error, sizeof run->error);
	if (error || writes)
		return error ? error : run_command(run);
	error = query_begin(run->archive);
	if (error)
		return stats_failed(run, error);
	error = run_command(run);
	query_end(run->archive);
	return error;
}

static int execute(const struct stats_options *options)
{
	struct stats_run run = {
		.options = options,
		.out = stdout,
		.out_name = "standard output",
		.colors = options->format == STATS_TEXT && owping_colors(stdout),
		.now_ns = owamp_real_ns(),
		.notes = json_array(),
	};
	int error = OWAMP_ENOMEM;

	if (options->format == STATS_JSON)
		run.document =
			json_pack("{s:i, s:s, s:s, s:s, s:o}", "format", 1, "program", "owstats", "version",
				  OWAMP_VERSION, "command", stats_command_name(options->command), "archive",
				  stats_string(options->archive));
	if (run.notes && (run.document || options->format != STATS_JSON))
		error = run_within(&run);
	if (error && run.error[0] == '\0')
		stats_fail(&run, "%s", owamp_error_text(error));
	error = stats_run_finish(&run, error);
	if (error)
		fprintf(stderr, "owstats: %s\n", stats_clean(run.error));
	archive_close(run.archive);
	json_decref(run.document);
	json_decref(run.notes);
	return error ? OWPING_EXIT_FAILED : OWPING_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct stats_options options;
	char error[512];

	setlocale(LC_CTYPE, "");
	if (stats_options_parse(&options, argc, argv, getenv("OWAMP_ARCHIVE"), owamp_real_ns(), error,
				sizeof error) < 0) {
		fprintf(stderr, "owstats: %s\nTry 'owstats --help'.\n", error);
		return OWPING_EXIT_USAGE;
	}
	if (options.help)
		stats_usage(stdout);
	else if (options.version)
		printf("owstats (owamp-suite) %s\n", OWAMP_VERSION);
	else
		return execute(&options);
	return fflush(stdout) == 0 ? OWPING_EXIT_OK : OWPING_EXIT_FAILED;
}
