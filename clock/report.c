#include "clock/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock/report_words.h"

#define WIDTH       100
#define REASON_PUSH 6

#define COLOR_GOOD    "\033[32m"
#define COLOR_ERROR   "\033[31m"
#define COLOR_WARNING "\033[33m"
#define COLOR_DIM     "\033[2m"
#define COLOR_END     "\033[0m"

enum column {
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_STATE,
	COLUMN_OFFSET,
	COLUMN_BOUND,
	COLUMN_AGE,
	COLUMNS,
};

struct row {
	char cells[COLUMNS][CLOCK_WORDS_SIZE];
};

static const char *colored(bool colour, const char *code)
{
	return colour ? code : "";
}

static void print_headline(FILE *out, const struct owamp_clock_status *status, bool colour)
{
	const struct owamp_clock_snapshot *snapshot = &status->snapshot;
	const char *end = colored(colour, COLOR_END);
	char bound[CLOCK_WORDS_SIZE], time[CLOCK_WORDS_SIZE];
	char why[CLOCK_WHY_SIZE];

	clock_report_bound(bound, status->bound_ns);
	if (!snapshot->synchronized) {
		fprintf(out, "%sNOT synchronized%s: %s.\n", colored(colour, COLOR_ERROR), end,
			clock_words_why(why, status));
		if (strcmp(snapshot->source, OWAMP_CLOCK_NONE) != 0)
			fprintf(out, "This host's clock is taken to be within %s of UTC (%s).\n", bound,
				owamp_clock_source_words(snapshot->source));
		return;
	}
	fprintf(out, "This host's clock is within %s of UTC (%s), %ssynchronized%s", bound,
		owamp_clock_source_words(snapshot->source), colored(colour, COLOR_GOOD), end);
	if (snapshot->since_mono)
		fprintf(out, ", for %s", clock_words_time(time, status->now_mono - snapshot->since_mono));
	fputs(".\n", out);
	if (status->holdover)
		fprintf(out,
			"%sHOLDOVER%s: the source was last heard %s ago; its last word counts, and "
			"grows old.\n",
			colored(colour, COLOR_WARNING), end,
			clock_words_time(time, status->now_mono - snapshot->sampled_at_mono));
}

static void print_facts(FILE *out, const struct owamp_clock_status *status)
{
	const struct owamp_clock_snapshot *snapshot = &status->snapshot;
	char amount[CLOCK_WORDS_SIZE], time[CLOCK_WORDS_SIZE];

	fprintf(out, "  steered by   %s\n", owamp_clock_steering_words(status->steering));
	if (strcmp(snapshot->source, OWAMP_CLOCK_NONE) != 0)
		fprintf(out, "  grows by     %s a second while nothing is measured\n",
			clock_report_bound(amount, snapshot->drift_ppb));
	if (snapshot->steps > 0)
		fprintf(out, "  was set      %" PRIu32 " %s, the last time by %s, %s ago\n", snapshot->steps,
			snapshot->steps == 1 ? "time" : "times", clock_words_offset(amount, status->step_ns),
			clock_words_time(time, status->now_mono - status->step_mono));
	if (snapshot->leap != 0)
		fprintf(out, "  leap second  %s\n", clock_words_leap(snapshot->leap));
	if (snapshot->tai_utc != 0)
		fprintf(out, "  TAI - UTC    %" PRId32 " s\n", snapshot->tai_utc);
}

static void fill_row(struct row *row, const struct owamp_clock_source_status *source)
{
	bool token = source->measured && strcmp(source->source, OWAMP_CLOCK_NONE) != 0;

	snprintf(row->cells[COLUMN_NAME], CLOCK_WORDS_SIZE, "%s", source->name);
	clock_report_clean(row->cells[COLUMN_NAME]);
	snprintf(row->cells[COLUMN_KIND], CLOCK_WORDS_SIZE, "%s",
		 token ? source->source : owamp_clock_kind_name(source->kind));
	snprintf(row->cells[COLUMN_STATE], CLOCK_WORDS_SIZE, "%s", owamp_clock_state_name(source->state));
	for (int i = COLUMN_OFFSET; i < COLUMNS; i++)
		snprintf(row->cells[i], CLOCK_WORDS_SIZE, "-");
	if (!source->measured)
		return;
	clock_words_offset(row->cells[COLUMN_OFFSET], source->offset_ns);
	clock_report_bound(row->cells[COLUMN_BOUND], source->bound_ns);
	clock_words_time(row->cells[COLUMN_AGE], source->age_ns);
}

static void widen(size_t widths[COLUMNS], const struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t length = strlen(row->cells[i]);

		widths[i] = length > widths[i] ? length : widths[i];
	}
}

/* Words to the left, figures to the right. */
static void print_row(FILE *out, char mark, const struct row *row, const size_t widths[COLUMNS])
{
	fprintf(out, "%c", mark);
	for (int i = 0; i < COLUMNS; i++)
		fprintf(out, i < COLUMN_OFFSET ? " %-*s" : "  %*s", (int)widths[i], row->cells[i]);
	fputc('\n', out);
}

/* As chronyc marks them. */
static char mark_of(const struct owamp_clock_source_status *source)
{
	if (source->contradicted)
		return 'x';
	if (source->used)
		return '*';
	if (source->state == OWAMP_CLOCK_VALID || source->state == OWAMP_CLOCK_HOLDOVER)
		return '+';
	return '?';
}

static const char *color_of(char mark)
{
	if (mark == '*')
		return COLOR_GOOD;
	if (mark == 'x')
		return COLOR_ERROR;
	return mark == '?' ? COLOR_DIM : "";
}

/* All of it, in lines of at most WIDTH, unless a word is longer. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column > 0 && column + 1 + length > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = (size_t)fprintf(out, "%*s%.*s", REASON_PUSH, "", (int)length, text);
		else
			column += (size_t)fprintf(out, " %.*s", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
	if (column > 0)
		fputc('\n', out);
}

static void print_reason(FILE *out, const struct owamp_clock_source_status *source)
{
	char reason[OWAMP_CLOCK_TEXT_SIZE + 32];

	snprintf(reason, sizeof(reason), "%s%s%s", source->text,
		 source->steers && source->text[0] ? "; " : "", source->steers ? "it steers the clock" : "");
	print_wrapped(out, clock_report_clean(reason));
}

static void print_sources(FILE *out, const struct owamp_clock_status *status, bool colour)
{
	struct row head = {{"source", "kind", "state", "offset", "bound", "age"}};
	struct row rows[OWAMP_CLOCK_SOURCES_MAX];
	size_t widths[COLUMNS] = {0};

	widen(widths, &head);
	for (size_t i = 0; i < status->count; i++) {
		fill_row(&rows[i], &status->sources[i]);
		widen(widths, &rows[i]);
	}
	fputc('\n', out);
	print_row(out, ' ', &head, widths);
	for (size_t i = 0; i < status->count; i++) {
		const struct owamp_clock_source_status *source = &status->sources[i];
		char mark = mark_of(source);

		fputs(colored(colour, color_of(mark)), out);
		print_row(out, mark, &rows[i], widths);
		if (color_of(mark)[0])
			fputs(colored(colour, COLOR_END), out);
		print_reason(out, source);
	}
	fputs("\n* in use   + could be used   x contradicted by another   ? says nothing that counts\n", out);
}

void clock_report_text(FILE *out, const struct owamp_clock_status *status, bool colour)
{
	char alarm[OWAMP_CLOCK_TEXT_SIZE];

	snprintf(alarm, sizeof(alarm), "%s", status->alarm);
	print_headline(out, status, colour);
	if (alarm[0])
		fprintf(out, "%sALARM: %s%s\n", colored(colour, COLOR_ERROR), clock_report_clean(alarm),
			colored(colour, COLOR_END));
	print_facts(out, status);
	if (status->count > 0)
		print_sources(out, status, colour);
}
