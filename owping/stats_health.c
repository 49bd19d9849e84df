/* How well the meter did its work in a session, in words. */
#include <inttypes.h>
#include <string.h>

#include "owping/format.h"
#include "owping/stats_show.h"
#include "owping/stats_table.h"

enum kind { COUNT, SPAN, NEARLY, TEXT };

/* Columns of the table health; NEARLY: a span within 1/8 of itself. */
static const struct {
	const char *column;
	const char *words;
	enum kind kind;
} figures[] = {
	{"sent", "packets that left", COUNT},
	{"send_errors", "packets that the system refused to send", COUNT},
	{"send_error_text", "why the last of them", TEXT},
	{"send_lateness_mean_ns", "left after the scheduled time, mean", SPAN},
	{"send_lateness_p50_ns", "left after the scheduled time, P50", NEARLY},
	{"send_lateness_p99_ns", "left after the scheduled time, P99", NEARLY},
	{"send_lateness_p999_ns", "left after the scheduled time, P99.9", NEARLY},
	{"send_lateness_max_ns", "left after the scheduled time, max", SPAN},
	{"send_stamp_gap_max_ns", "from the time stamp to the end of the call, max", SPAN},
	{"kernel_stamps", "packets of which the kernel told when they left", COUNT},
	{"kernel_gap_p50_ns", "from the time stamp to the kernel's, P50", NEARLY},
	{"kernel_gap_p99_ns", "from the time stamp to the kernel's, P99", NEARLY},
	{"kernel_gap_max_ns", "from the time stamp to the kernel's, max", SPAN},
	{"socket_drops", "datagrams dropped at our own socket", COUNT},
	{"unstamped", "packets without the kernel's time stamp", COUNT},
	{"hardware_stamped", "packets with the interface's time stamp", COUNT},
	{"strangers", "datagrams from elsewhere", COUNT},
	{"discarded_short", "discarded: too short", COUNT},
	{"discarded_hmac", "discarded: not authentic", COUNT},
	{"discarded_multiplier", "discarded: an error estimate that is none", COUNT},
	{"discarded_sequence", "discarded: a number outside the session", COUNT},
	{"discarded_time", "discarded: sent too far from our time", COUNT},
	{"discarded_schedule", "discarded: sent too far from the schedule", COUNT},
	{"discarded_late", "discarded: declared lost before", COUNT},
	{"clock_steps", "times this host's clock was set", COUNT},
	{"clock_step_ns", "by how much it was set, in sum", SPAN},
	{"clock_bound_max_ns", "largest error bound of this host's clock", SPAN},
	{"clock_source", "what that bound came from at the end", TEXT},
	{"clock_contradiction", "its sources contradicted each other", COUNT},
};
#define FIGURES (sizeof figures / sizeof figures[0])

struct health {
	struct stats_run *run;
	bool any;
};

static int print(void *context, const char *name, int64_t value, const char *text)
{
	struct health *health = context;
	FILE *out = health->run->out;
	char span[OWPING_TEXT_SIZE];
	size_t i = 0;

	while (i < FIGURES && strcmp(figures[i].column, name) != 0)
		i++;
	if (!health->any)
		fputs("\nhealth of the meter:\n", out);
	health->any = true;
	fprintf(out, "  %-47s  ", i < FIGURES ? figures[i].words : name);
	if (text)
		stats_show_foreign(out, text);
	else if (i < FIGURES && (figures[i].kind == SPAN || figures[i].kind == NEARLY))
		fprintf(out, "%s%s", figures[i].kind == NEARLY ? "~" : "",
			owping_format_delay_auto(span, value));
	else
		fprintf(out, "%" PRId64, value);
	fputc('\n', out);
	return 0;
}

int stats_show_health(struct stats_run *run, const struct query_session *session)
{
	struct health health = {.run = run};

	return query_health(run->archive, session->session_id, print, &health);
}
