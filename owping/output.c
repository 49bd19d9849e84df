#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/guard.h"
#include "owping/output.h"
#include "owping/report_clock.h"
#include "owping/report_json.h"
#include "owping/report_raw.h"
#include "owping/report_text.h"

struct output {
	const struct owping_run *run;
	const struct owping_options *options;
	struct owping_report **reports; /* NULL for a result that cannot be analysed */
	enum owping_outcome *outcomes;
	unsigned count;
	bool asked; /* clock is known */
	struct owamp_clock_status clock;
	int status;
	int error; /* of the last analysis that failed */
};

static int prepare_failed(struct owping_run *run, const char *what)
{
	char reason[512];

	snprintf(reason, sizeof(reason), "%s: %s", what, strerror(errno));
	return owping_run_fail(run, OWAMP_ESYSTEM, reason);
}

static int open_save(struct owping_run *run, struct owping_save *save)
{
	const char *refusal;
	char reason[sizeof(run->reason)];
	int fd;

	if (save->path == NULL)
		return 0;
	refusal = owping_guard(save->path, run->options->archive);
	if (refusal != NULL) {
		snprintf(reason, sizeof(reason), "%s: %s", save->path, refusal);
		return owping_run_fail(run, OWAMP_EINVAL, reason);
	}
	fd = open(save->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	save->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (save->file != NULL)
		return 0;
	prepare_failed(run, save->path);
	if (fd >= 0)
		close(fd);
	return run->error;
}

static const char *print_directory(const struct owping_options *options)
{
	return options->directory != NULL ? options->directory : ".";
}

static int check_directory(struct owping_run *run)
{
	const char *path = print_directory(run->options);
	struct stat status;

	if (!run->options->print_files)
		return 0;
	if (stat(path, &status) < 0)
		return prepare_failed(run, path);
	if (!S_ISDIR(status.st_mode)) {
		errno = ENOTDIR;
		return prepare_failed(run, path);
	}
	return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0 ? prepare_failed(run, path) : 0;
}

int owping_output_prepare(struct owping_run *run, struct owping_save *saves, unsigned save_count)
{
	char reason[sizeof(run->archive.error) + 16];

	if (check_directory(run) < 0)
		return run->error;
	/* First, so that it is there to be told from the other files. */
	if (owping_archive_open(&run->archive, run->options->archive) < 0) {
		snprintf(reason, sizeof(reason), "archive %s", run->archive.error);
		return owping_run_fail(run, OWAMP_ESYSTEM, reason);
	}
	for (unsigned i = 0; i < save_count; i++) {
		if (open_save(run, &saves[i]) < 0)
			return run->error;
	}
	return 0;
}

int owping_exit_status(int run_error, bool interrupted, const enum owping_outcome *outcomes, unsigned count)
{
	bool measured = false;
	bool failed = false;
	bool partial = false;

	for (unsigned i = 0; i < count; i++) {
		measured |= outcomes[i] != OWPING_FAILED;
		failed |= outcomes[i] == OWPING_FAILED;
		partial |= outcomes[i] == OWPING_PARTIAL;
	}
	if (interrupted)
		return measured ? OWPING_EXIT_PARTIAL : OWPING_EXIT_FAILED;
	if (failed || (run_error != 0 && !measured))
		return OWPING_EXIT_FAILED;
	return partial || run_error != 0 ? OWPING_EXIT_PARTIAL : OWPING_EXIT_OK;
}

static const struct owamp_engine_granted *granted(const struct output *output)
{
	return output->run->engine != NULL ? &output->run->granted : NULL;
}

static void analyse(struct output *output)
{
	const struct owping_options *options = output->options;
	bool fetched = options->program == OWPING_FETCH;

	for (unsigned i = 0; i < output->count; i++) {
		const struct owamp_result *result = owamp_client_result(output->run->client, i);
		int error = owping_report_new(&output->reports[i], result, fetched, options->begin_seq,
					      options->end_seq, owamp_real_ns());

		output->outcomes[i] = OWPING_FAILED;
		if (error == 0) {
			output->reports[i]->clock = output->asked ? &output->clock : NULL;
			owping_report_doubt(output->reports[i]);
			owping_report_wishes(output->reports[i], options, granted(output));
			output->outcomes[i] = output->reports[i]->outcome;
			continue;
		}
		owping_complain(options->program, "%s: %s", owping_direction_text(result->direction),
				owamp_error_text(error));
		output->error = error;
		owping_report_free(output->reports[i]);
		output->reports[i] = NULL;
	}
}

/* The text report of a result tells its error itself. */
static bool is_told(const struct output *output, unsigned index)
{
	const struct owping_options *options = output->options;

	return output->outcomes[index] != OWPING_FAILED && options->format == OWPING_TEXT &&
	       !options->quiet && !options->print_files;
}

static void complain_result(const struct output *output, unsigned index)
{
	const struct owping_options *options = output->options;
	const struct owping_report *report = output->reports[index];
	char sid[33];

	if (report == NULL || report->error == 0 || is_told(output, index) ||
	    strcmp(report->reason, output->run->reason) == 0)
		return;
	owping_complain(options->program, "%s: %s",
			options->program == OWPING_FETCH ? owamp_sid_text(options->fetches[index].sid, sid)
							 : owping_direction_text(report->result->direction),
			report->reason);
}

/* What failed, in words, whatever stdout is used for. */
static void complain(const struct output *output)
{
	const struct owping_run *run = output->run;
	enum owping_program program = output->options->program;

	/* Of what went wrong on this host, and of the name itself, the reason tells enough. */
	if (run->error != 0 && (run->client == NULL || run->error == OWAMP_ERESOLVE))
		owping_complain(program, "%s", run->reason);
	else if (run->error != 0)
		owping_complain(program, "%s: %s", output->options->target, run->reason);
	else if (run->interrupts > 0)
		owping_complain(program, "interrupted by SIG%s: stopped before the time was over",
				sigabbrev_np(run->signal));
	for (unsigned i = 0; i < output->count; i++)
		complain_result(output, i);
}

static void save_failed(struct output *output, const char *path)
{
	owping_complain(output->options->program, "%s: %s", path, strerror(errno));
	output->status = OWPING_EXIT_FAILED;
}

static void save_records(struct output *output, struct owping_save *save, unsigned index)
{
	const struct owping_report *report = index < output->count ? output->reports[index] : NULL;
	bool bad = false;

	if (save->file == NULL)
		return;
	errno = 0;
	if (report != NULL && report->outcome != OWPING_FAILED) {
		/* Fails for what is not a regular file, where it is not needed. */
		if (ftruncate(fileno(save->file), 0) < 0)
			errno = 0;
		owping_report_save(save->file, report);
		bad = ferror(save->file) != 0;
	}
	if (fclose(save->file) != 0 || bad)
		save_failed(output, save->path);
	save->file = NULL;
}

static void print_report(FILE *out, const struct output *output, const struct owping_report *report)
{
	const struct owping_options *options = output->options;

	if (options->format == OWPING_RAW)
		owping_report_raw(out, report);
	else if (options->format == OWPING_MACHINE)
		owping_report_machine(out, report, options);
	else if (!options->quiet)
		owping_report_text(out, report, options, granted(output), owping_colors(out));
}

/* -p: a file named after the first and the last send time, as others do it. */
static void print_file(struct output *output, const struct owping_report *report)
{
	const struct owping_options *options = output->options;
	char path[4096];
	FILE *file;
	bool bad;

	errno = 0;
	snprintf(path, sizeof(path), "%s/%" PRIu64 "_%" PRIu64 ".%s", print_directory(options),
		 report->summary.first, report->summary.last,
		 options->format == OWPING_MACHINE ? "sum" : "txt");
	file = fopen(path, "wxe");
	if (file == NULL) {
		save_failed(output, path);
		return;
	}
	print_report(file, output, report);
	bad = ferror(file) != 0;
	if (fclose(file) != 0 || bad)
		save_failed(output, path);
	else
		puts(path);
}

static void print_all(struct output *output)
{
	bool first = true;

	if (output->options->verbose && !output->options->print_files && output->asked)
		owping_report_sources(stdout, &output->clock);
	for (unsigned i = 0; i < output->count; i++) {
		if (output->outcomes[i] == OWPING_FAILED)
			continue;
		if (output->options->print_files) {
			print_file(output, output->reports[i]);
			continue;
		}
		if (!first && output->options->format == OWPING_TEXT && !output->options->quiet)
			putchar('\n');
		print_report(stdout, output, output->reports[i]);
		first = false;
	}
}

static void print_json(struct output *output)
{
	const struct owping_run *run = output->run;
	struct owping_json_run json = {
		.version = OWAMP_VERSION,
		.connect_ns = -1,
		.setup_ns = -1,
		.interrupted = run->interrupts > 0,
		.exit_status = output->status,
		.error = run->error,
		.reason = run->reason,
		.archive = &run->archive,
		.granted = granted(output),
		.clock = output->asked ? &output->clock : NULL,
	};

	if (json.error == 0 && output->error != 0) {
		json.error = output->error;
		json.reason = NULL;
	}
	if (run->client != NULL) {
		json.peer = owamp_client_peer(run->client);
		json.mode = owamp_client_mode(run->client);
		json.server_start_ns = owamp_client_server_start(run->client);
	}
	if (run->connected_mono != 0)
		json.connect_ns = run->connected_mono - run->started_mono;
	if (run->ready_mono != 0)
		json.setup_ns = run->ready_mono - run->connected_mono;
	if (owping_report_json(stdout, &json, output->options, output->reports, output->count) < 0)
		output->status = OWPING_EXIT_FAILED;
}

int owping_output(struct owping_run *run, struct owping_save *saves, unsigned save_count)
{
	struct output output = {.run = run, .options = run->options, .status = OWPING_EXIT_FAILED};

	if (run->client != NULL)
		output.count = owamp_client_result_count(run->client);
	output.reports = calloc(output.count + 1, sizeof(*output.reports));
	output.outcomes = calloc(output.count + 1, sizeof(*output.outcomes));
	if (output.reports == NULL || output.outcomes == NULL) {
		owping_complain(run->options->program, "out of memory");
		goto cleanup;
	}
	output.asked = run->engine != NULL;
	if (output.asked)
		owping_clock_read(&output.clock, owamp_engine_clock(run->engine));
	analyse(&output);
	output.status = owping_exit_status(run->error, run->interrupts > 0, output.outcomes, output.count);
	complain(&output);
	for (unsigned i = 0; i < save_count; i++)
		save_records(&output, &saves[i], i);
	if (!owping_archive_write(&run->archive, run, output.reports, output.count))
		output.status = OWPING_EXIT_FAILED;
	if (run->options->format == OWPING_JSON)
		print_json(&output);
	else
		print_all(&output);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		owping_complain(run->options->program, "standard output: %s", strerror(errno));
		output.status = OWPING_EXIT_FAILED;
	}
cleanup:
	for (unsigned i = 0; output.reports != NULL && i < output.count; i++)
		owping_report_free(output.reports[i]);
	free(output.reports);
	free(output.outcomes);
	return output.status;
}
