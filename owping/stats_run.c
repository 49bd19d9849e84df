#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/stats_document.h"
#include "owping/stats_run.h"

int stats_fail(struct stats_run *run, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(run->error, sizeof run->error, format, list);
	va_end(list);
	return OWAMP_EDATA;
}

int stats_failed(struct stats_run *run, int error)
{
	if (run->error[0] != '\0' || error == 0)
		return error;
	if (error == OWAMP_ESYSTEM && archive_reason(run->archive)[0] != '\0')
		snprintf(run->error, sizeof run->error, "%s: %s", run->options->archive,
			 archive_reason(run->archive));
	else
		snprintf(run->error, sizeof run->error, "%s", owamp_error_text(error));
	return error;
}

void stats_note(struct stats_run *run, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	json_array_append_new(run->notes, json_string(stats_clean(text)));
}

void stats_note_drops(struct stats_run *run, uint64_t dropped)
{
	if (dropped > 0)
		stats_note(run,
			   "%" PRIu64 " packet%s dropped at the receiver's own socket: not counted as lost",
			   dropped, dropped == 1 ? " was" : "s were");
}

static void print_notes(struct stats_run *run)
{
	bool is_csv = run->options->format == STATS_CSV;
	size_t i;
	json_t *note;

	json_array_foreach(run->notes, i, note)
	{
		const char *text = json_string_value(note) ? json_string_value(note) : "?";

		if (is_csv)
			fprintf(stderr, "owstats: note: %s\n", text);
		else
			fprintf(run->out, "%snote: %s%s\n", run->colors ? STATS_COLOR_WARNING : "", text,
				run->colors ? STATS_COLOR_END : "");
	}
}

void stats_run_outcome(struct stats_run *run, json_t *object, int error)
{
	json_object_set(object, "notes", run->notes);
	json_object_set_new(object, "error", error ? stats_string(run->error) : json_null());
	json_object_set_new(object, "exit_status", json_integer(error ? 1 : 0));
}

static void print_document(struct stats_run *run, int error)
{
	stats_run_outcome(run, run->document, error);
	json_dumpf(run->document, run->out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	fputc('\n', run->out);
}

/* What was written to a file counts once it is closed. */
static bool end_output(struct stats_run *run)
{
	bool bad = fflush(run->out) != 0 || ferror(run->out);

	if (run->out != stdout)
		bad |= fclose(run->out) != 0;
	run->out = stdout;
	return !bad;
}

int stats_run_finish(struct stats_run *run, int error)
{
	if (run->options->format == STATS_JSON && run->document)
		print_document(run, error);
	else if (run->options->format != STATS_JSON)
		print_notes(run);
	errno = 0;
	if (end_output(run))
		return error;
	if (error == 0)
		stats_fail(run, "%s: %s", run->out_name, errno ? strerror(errno) : "could not be written");
	return OWAMP_ESYSTEM;
}

char *stats_time(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns, unsigned decimals)
{
	_Static_assert(STATS_TEXT_SIZE == OWPING_TEXT_SIZE, "one buffer for both");
	owping_format_time(buffer, ns, run->options->unix_time, decimals);
	if (!run->options->unix_time)
		strcat(buffer, "Z");
	return buffer;
}

char *stats_delay(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns)
{
	return owping_format_delay(buffer, ns, run->options->unit);
}

char *stats_delay_unit(const struct stats_run *run, char buffer[STATS_TEXT_SIZE], int64_t ns)
{
	size_t length;

	stats_delay(run, buffer, ns);
	length = strlen(buffer);
	snprintf(buffer + length, STATS_TEXT_SIZE - length, " %s", owping_unit_name(run->options->unit));
	return buffer;
}

char *stats_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		/* C0 and DEL; C1 begins with 0xc2 in UTF-8. */
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return text;
}
