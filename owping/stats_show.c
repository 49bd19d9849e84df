/* owstats show: everything about one session. */
#include <owamp/error.h>

#include "owping/stats_document.h"
#include "owping/stats_find.h"
#include "owping/stats_show.h"

static int publish_list(struct stats_run *run, const char *name, json_t *list)
{
	if (list)
		stats_publish(run, name, list);
	return list ? 0 : OWAMP_ENOMEM;
}

/* With --csv the minutes, if they are asked for, or else the session as one line. */
static int show_for_programs(struct stats_run *run, const struct query_session *session,
			     const struct stats_figures *figures)
{
	bool is_csv = run->options->format == STATS_CSV;
	int error = 0;
	json_t *object;

	if (is_csv && run->options->minutes) {
		json_t *list = stats_show_minute_list(run, session, &error);

		if (!error && json_array_size(list) == 0)
			stats_note(run, "there is no minute yet");
		return error ? error : publish_list(run, "minutes", list);
	}
	object = stats_show_object(run, session, figures, &error);
	if (error || !object)
		return error ? error : OWAMP_ENOMEM;
	if (is_csv)
		return publish_list(run, "session", json_pack("[o]", object));
	json_object_set_new(run->document, "session", object);
	return 0;
}

static void note(struct stats_run *run, const struct query_session *session)
{
	if (session->outcome == ARCHIVE_RUNNING)
		stats_note(run, "the session is running: what has been stored of it so far");
	else if (session->summaries_due)
		stats_note(run, "minutes, histograms and losses are not all there yet");
	if (!session->packets_kept)
		stats_note(run, "the packets are pruned: percentiles are from histograms, within 1 %%");
}

static int show(struct stats_run *run, const struct query_session *session)
{
	struct stats_figures figures;
	int error = stats_figures_measure(&figures, run->archive, session, UINT64_MAX);

	if (!error) {
		note(run, session);
		stats_note_drops(run, figures.dropped);
		if (run->options->format == STATS_TEXT)
			error = stats_show_text(run, session, &figures);
		else
			error = show_for_programs(run, session, &figures);
		if (!error && run->options->format == STATS_TEXT && run->options->minutes)
			error = stats_show_minutes(run, session);
	}
	stats_figures_free(&figures);
	return stats_contradiction(run, session, error);
}

int stats_show(struct stats_run *run)
{
	return stats_find(run, show);
}
