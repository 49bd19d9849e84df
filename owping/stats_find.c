#include <ctype.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/stats_document.h"
#include "owping/stats_find.h"

/* So many of an ambiguous SID's sessions are listed. */
#define CANDIDATES_MAX 20

struct search {
	struct stats_run *run;
	int (*fn)(struct stats_run *run, const struct query_session *session);
	unsigned count;
	json_t *candidates; /* the SIDs found */
	char list[CANDIDATES_MAX * 128];
};

static int note_candidate(void *context, const struct query_session *session)
{
	struct search *search = context;
	size_t length = strlen(search->list);
	char start[STATS_TEXT_SIZE];

	json_array_append_new(search->candidates, stats_string(session->sid));
	if (search->count++ == CANDIDATES_MAX)
		snprintf(search->list + length, sizeof search->list - length, "  ...\n");
	else
		snprintf(search->list + length, sizeof search->list - length, "  %.32s  %s  %.24s to %.24s\n",
			 session->sid, stats_time(search->run, start, session->start_ns, 0), session->sender,
			 session->receiver);
	return 0;
}

static int call(void *context, const struct query_session *session)
{
	const struct search *search = context;

	return search->fn(search->run, session);
}

int stats_find(struct stats_run *run, int (*fn)(struct stats_run *run, const struct query_session *session))
{
	struct search search = {.run = run, .fn = fn};
	char digits[33];
	size_t i = 0;
	int error;

	for (; i < 32 && run->options->sid[i]; i++)
		digits[i] = (char)tolower((unsigned char)run->options->sid[i]);
	digits[i] = '\0';
	search.candidates = json_array();
	error = query_sid(run->archive, digits, CANDIDATES_MAX + 1, note_candidate, &search);
	if (!error && search.count > 1)
		json_object_set(run->document, "candidates", search.candidates);
	json_decref(search.candidates);
	if (error)
		return stats_failed(run, error);
	run->found_nothing = search.count == 0;
	if (search.count == 0)
		return stats_fail(run, "%s: no session %s%s", run->options->archive, digits,
				  i < 32 ? "..." : "");
	if (search.count > 1) {
		fprintf(stderr, "%s", search.list);
		return stats_fail(run, "%s...: more than one session, listed above; expected more digits",
				  digits);
	}
	return stats_failed(run, query_sid(run->archive, digits, 1, call, &search));
}

int stats_contradiction(struct stats_run *run, const struct query_session *session, int error)
{
	if (error == OWAMP_EDATA)
		stats_fail(run, "%s: the skip ranges of session %s contradict each other",
			   run->options->archive, session->sid);
	return error;
}
