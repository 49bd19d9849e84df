/* owstats prune: retention, by hand. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_run.h"
#include "owping/stats_prune.h"
#include "storage/retention.h"

/* Rows that go at a time: what others wait for stays well below a second. */
#define ROWS 20000

/* Sessions that go between two lines of progress. */
#define PROGRESS_EVERY 10

struct pruning {
	struct stats_run *run;
	struct retention retention;
	struct stats_pruned pruned;
	uint64_t steps;
	bool progress;
};

void stats_pruned_add(struct stats_pruned *pruned, const char *sid, bool whole)
{
	if (json_object_get(pruned->sessions, sid))
		pruned->packets--;
	pruned->whole += whole;
	pruned->packets += !whole;
	json_object_set_new(pruned->sessions, sid, json_string(whole ? "session" : "packets"));
}

static void removed(void *context, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct pruning *pruning = context;
	char text[33];

	stats_pruned_add(&pruning->pruned, owamp_sid_text(sid, text), pruning->retention.whole);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void show_progress(struct pruning *pruning)
{
	if (pruning->progress && pruning->steps++ % PROGRESS_EVERY == 0)
		fprintf(stderr,
			"\r\033[Kpruning: packets of %" PRIu64 " session%s, %" PRIu64 " whole session%s",
			pruning->pruned.packets, plural(pruning->pruned.packets), pruning->pruned.whole,
			plural(pruning->pruned.whole));
}

static int prune(struct pruning *pruning)
{
	struct stats_run *run = pruning->run;
	bool more = true;
	int error = 0;

	while (more && !error) {
		show_progress(pruning);
		error = retention_step(run->archive, &pruning->retention, run->now_ns, ROWS, removed, pruning,
				       &more);
	}
	if (pruning->progress)
		fputs("\r\033[K", stderr);
	if (error)
		stats_failed(run, error);
	retention_reset(&pruning->retention);
	return error ? error : stats_failed(run, retention_checkpoint(run->archive, true));
}

static char *octets_text(char buffer[STATS_TEXT_SIZE], uint64_t octets)
{
	static const char *const units[] = {"octets", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)octets;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		value /= 1024;
	snprintf(buffer, STATS_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return buffer;
}

static int count_session(void *context, const struct query_session *session)
{
	(void)session;
	++*(uint64_t *)context;
	return 0;
}

/* What was asked for and did not happen. */
static int note_rest(struct stats_run *run, uint64_t used)
{
	struct query_filter filter = {.since_ns = INT64_MIN, .until_ns = INT64_MAX, .outcome = "running"};
	char size[STATS_TEXT_SIZE], limit[STATS_TEXT_SIZE];
	uint64_t running = 0;
	int error = query_sessions(run->archive, &filter, count_session, &running);

	if (error)
		return stats_failed(run, error);
	if (running > 0)
		stats_note(run, "%" PRIu64 " running session%s left alone", running,
			   running == 1 ? " is" : "s are");
	if (run->options->max_octets > 0 && used > run->options->max_octets)
		stats_note(run, "%s are in use, more than %s: nothing that has ended is left to remove",
			   octets_text(size, used), octets_text(limit, run->options->max_octets));
	return 0;
}

static void print_text(struct stats_run *run, const struct stats_pruned *pruned, uint64_t before,
		       uint64_t after)
{
	char from[STATS_TEXT_SIZE], to[STATS_TEXT_SIZE];
	const char *sid;
	json_t *what;

	json_object_foreach(pruned->sessions, sid, what)
		fprintf(run->out, "%s %s\n", json_string_value(what), sid);
	fprintf(run->out,
		"%s: the packets of %" PRIu64 " session%s, and %" PRIu64 " session%s whole; file %s, %s %s\n",
		run->options->dry_run ? "would go" : "removed", pruned->packets, plural(pruned->packets),
		pruned->whole, plural(pruned->whole), octets_text(from, before),
		run->options->dry_run ? "in use then about" : "now", octets_text(to, after));
}

static void publish(struct stats_run *run, const struct stats_pruned *pruned, uint64_t before, uint64_t after)
{
	json_t *list = json_array();
	const char *sid;
	json_t *what;

	json_object_set_new(run->document, "dry_run", json_boolean(run->options->dry_run));
	json_object_set_new(run->document, "sessions_removed", stats_number(pruned->whole));
	json_object_set_new(run->document, "packets_removed_of", stats_number(pruned->packets));
	json_object_set_new(run->document, "octets_before", stats_number(before));
	json_object_set_new(run->document, "octets_after", stats_number(after));
	json_object_foreach(pruned->sessions, sid, what)
		json_array_append_new(list, json_pack("{s:s, s:O}", "sid", sid, "removed", what));
	/* A list without lines has no names either. */
	if (run->options->format == STATS_CSV && json_array_size(list) == 0)
		fputs("sid,removed\r\n", run->out);
	stats_publish(run, "removed", list);
}

static int prune_for_real(struct stats_run *run, struct stats_pruned *pruned, uint64_t *after)
{
	struct pruning pruning = {
		.run = run,
		.retention.policy = {.packets_ns = run->options->keep_packets_ns,
				     .summaries_ns = run->options->keep_summaries_ns,
				     .octets_max = run->options->max_octets},
		.pruned = *pruned,
		.progress = owping_terminal(stderr),
	};
	uint64_t used;
	int error = prune(&pruning);

	*pruned = pruning.pruned;
	if (!error)
		error = stats_failed(run, archive_octets(run->archive, after, &used));
	return error ? error : note_rest(run, used);
}

int stats_prune(struct stats_run *run)
{
	struct stats_pruned pruned = {.sessions = json_object()};
	uint64_t before, after = 0, used;
	int error = stats_failed(run, archive_octets(run->archive, &before, &used));

	if (!error && run->options->dry_run)
		error = stats_prune_preview(run, &pruned, used, &after);
	else if (!error)
		error = prune_for_real(run, &pruned, &after);
	/* What went before a failure is gone. */
	if (error && json_object_size(pruned.sessions) > 0)
		(void)archive_octets(run->archive, &after, &used);
	if (!error || json_object_size(pruned.sessions) > 0) {
		if (run->options->format == STATS_TEXT)
			print_text(run, &pruned, before, after);
		else
			publish(run, &pruned, before, after);
	}
	json_decref(pruned.sessions);
	return error;
}
