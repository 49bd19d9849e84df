#include <string.h>

#include "owping/stats_options_table.h"

#define PAIR (STATS_SUMMARY | STATS_HISTOGRAM | STATS_TIMELINE)
#define ALL  255

static const struct {
	enum stats_command command;
	const char *name;
	const char *arguments;
	const char *text;
} commands[] = {
	{STATS_LIST, "list", "", "the sessions; what is done without a command"},
	{STATS_SHOW, "show", "SID", "everything about one session"},
	{STATS_SUMMARY, "summary", "FROM TO", "both directions between two endpoints"},
	{STATS_HISTOGRAM, "histogram", "SID | FROM TO", "how the delays are distributed"},
	{STATS_TIMELINE, "timeline", "FROM TO", "loss and percentiles over time"},
	{STATS_EXPORT, "export", "SID", "the records of a session"},
	{STATS_CLOCK, "clock", "", "what the clock's sources said, and when it was set"},
	{STATS_PRUNE, "prune", "", "remove what is old"},
};

struct entry {
	int option;
	const char *name;
	unsigned commands;
	const char *argument; /* NULL: none */
	const char *text;
};

static const struct entry entries[] = {
	{'a', "archive", ALL, "FILE", "the archive ($OWAMP_ARCHIVE, else " STATS_ARCHIVE_DEFAULT ")"},
	{STATS_OPTION_SINCE, "since", STATS_LIST | PAIR | STATS_CLOCK, "TIME",
	 "from then on: 2h, 7d, 2026-11-20T10:00, ..."},
	{STATS_OPTION_UNTIL, "until", STATS_LIST | PAIR | STATS_CLOCK, "TIME", "before then"},
	{STATS_OPTION_FROM, "from", STATS_LIST, "HOST", "sent by this address or name"},
	{STATS_OPTION_TO, "to", STATS_LIST, "HOST", "received by this address or name"},
	{STATS_OPTION_OUTCOME, "outcome", STATS_LIST, "NAME", "running, finished, broken or invalid"},
	{STATS_OPTION_LIMIT, "limit", STATS_LIST, "N", "the newest N, 0: all (text 100, else all)"},
	{STATS_OPTION_MINUTES, "minutes", STATS_SHOW, NULL, "a line for each minute too"},
	{STATS_OPTION_PERCENTILES, "percentiles", STATS_SHOW | STATS_SUMMARY | STATS_TIMELINE, "LIST",
	 "of the delay (50,95,99,99.9; timeline 50,95,99)"},
	{STATS_OPTION_STEP, "step", STATS_TIMELINE, "SPAN", "of one line: 10min, 1h, 1d, ... (1h)"},
	{STATS_OPTION_ROWS, "rows", STATS_HISTOGRAM, "N",
	 "at most so many rows (as the terminal has, else 20)"},
	{STATS_OPTION_WIDTH, "width", STATS_HISTOGRAM | STATS_TIMELINE, "N",
	 "columns (as the terminal has, else 80)"},
	{'o', "output", STATS_EXPORT, "FILE", "write there (standard output)"},
	{STATS_OPTION_KEEP_PACKETS, "keep-packets", STATS_PRUNE, "SPAN", "keep packets so long: 30d, ..."},
	{STATS_OPTION_KEEP_SUMMARIES, "keep-summaries", STATS_PRUNE, "SPAN",
	 "keep sessions so long: 400d, ..."},
	{STATS_OPTION_MAX_SIZE, "max-size", STATS_PRUNE, "OCTETS", "of the file: 10g, ..."},
	{STATS_OPTION_DRY_RUN, "dry-run", STATS_PRUNE, NULL, "only say what would go"},
	{STATS_OPTION_JSON, "json", ALL, NULL, "print one JSON document"},
	{STATS_OPTION_CSV, "csv", ALL, NULL, "print comma separated values"},
	{'n', "unit", ALL & ~(STATS_EXPORT | STATS_PRUNE), "n|u|m|s", "unit of delays in text (m)"},
	{STATS_OPTION_UTC, "utc", ALL, NULL, "times as UTC date and time; the default"},
	{'U', "unix-time", ALL, NULL, "times as seconds since 1970; text only"},
	{'h', "help", ALL, NULL, "print this and exit"},
	{'V', "version", ALL, NULL, "print the version and exit"},
};

#define ENTRY_COUNT   (sizeof entries / sizeof entries[0])
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

_Static_assert(ENTRY_COUNT < STATS_OPTIONS_MAX, "STATS_OPTIONS_MAX is too small");

void stats_options_table(char letters[2 + 2 * STATS_OPTIONS_MAX],
			 struct option long_options[STATS_OPTIONS_MAX])
{
	/* A missing argument is told from an unknown option. */
	*letters++ = ':';
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		int kind = entries[i].argument ? required_argument : no_argument;

		*long_options++ = (struct option){entries[i].name, kind, NULL, entries[i].option};
		if (entries[i].option >= STATS_OPTION_SINCE)
			continue;
		*letters++ = (char)entries[i].option;
		if (entries[i].argument)
			*letters++ = ':';
	}
	*letters = '\0';
	*long_options = (struct option){0};
}

const char *stats_option_label(int option, char label[40])
{
	snprintf(label, 40, "-%c", option);
	for (size_t i = 0; option >= STATS_OPTION_SINCE && i < ENTRY_COUNT; i++) {
		if (entries[i].option == option)
			snprintf(label, 40, "--%s", entries[i].name);
	}
	return label;
}

unsigned stats_option_commands(int option)
{
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		if (entries[i].option == option)
			return entries[i].commands;
	}
	return 0;
}

enum stats_command stats_command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].command;
	}
	return 0;
}

const char *stats_command_name(enum stats_command command)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (commands[i].command == command)
			return commands[i].name;
	}
	return "";
}

/* "(list, show)", or nothing where all know the option. */
static void print_commands(FILE *out, unsigned set)
{
	const char *separator = " (";

	if (set == ALL)
		return;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if ((set & commands[i].command) == 0)
			continue;
		fprintf(out, "%s%s", separator, commands[i].name);
		separator = ", ";
	}
	fputc(')', out);
}

void stats_usage(FILE *out)
{
	fputs("Usage: owstats [COMMAND] [OPTION]...\n\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %-15s %s\n", commands[i].name, commands[i].arguments, commands[i].text);
	fputc('\n', out);
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		const struct entry *entry = &entries[i];
		char left[40];

		snprintf(left, sizeof left, "--%s %s", entry->name, entry->argument ? entry->argument : "");
		if (entry->option < STATS_OPTION_SINCE)
			fprintf(out, "  -%c, %-23s %s\n", entry->option, left, entry->text);
		else
			fprintf(out, "      %-23s %s\n", left, entry->text);
	}
	fputs("\nThese belong to single commands:\n", out);
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		if (entries[i].commands == ALL)
			continue;
		fprintf(out, "  --%s", entries[i].name);
		print_commands(out, entries[i].commands);
		fputc('\n', out);
	}
}
