#include <stdio.h>
#include <string.h>

#include "owping/options_table.h"

#define PING OWPING_PING
#define MOST (OWPING_PING | OWPING_FETCH)
#define ALL  (OWPING_PING | OWPING_FETCH | OWPING_UP)

/* Of the left part of the usage text. */
#define WIDTH 28

struct entry {
	int option;
	const char *name;
	unsigned programs;
	const char *argument; /* NULL: none; in brackets: optional */
	const char *text;
};

static const struct entry entries[] = {
	{'c', "count", PING, "N", "packets in a session (100)"},
	{'i', "interval", PING, "LIST", "waits in s, e exponential, f fixed, such as 1e,0f (0.1e)"},
	{'L', "timeout", PING, "S", "a packet is lost after so many seconds (2)"},
	{'s', "padding", PING, "N", "octets added to each test packet (0)"},
	{OWPING_OPTION_ZERO_PADDING, "zero-padding", PING, NULL, "pad with zeros, not random octets"},
	{'t', "to", PING, NULL, "measure towards the server only"},
	{'T', "save-to", PING, "FILE", "-t, and save the records"},
	{'f', "from", PING, NULL, "measure from the server only"},
	{'F', "save-from", PING, "FILE", "-f, and save the records"},
	{'D', "dscp", PING, "DSCP", "EF, AF11, CS1, LE, ... or 0 to 63 (0)"},
	{'P', "ports", PING, "LOW-HIGH", "local test ports, 0: any (8760-9960)"},
	{'z', "start-delay", PING, "S", "from the request to the start of the schedule (1)"},
	{'E', "end-delay", PING, "S", "after the timeout, before the session is stopped (0.5)"},
	{OWPING_OPTION_REALTIME, "realtime-priority", PING, "N",
	 "of sending, where permitted; 0: ordinary (10)"},
	{OWPING_OPTION_SPIN, "spin", PING, "S", "no sleep so long before each packet (auto)"},
	{OWPING_OPTION_PACER_CPU, "pacer-cpu", PING, "N", "the only CPU to send on (any)"},
	{OWPING_OPTION_COLLECTOR_CPU, "collector-cpu", PING, "N", "the only CPU to receive on (any)"},
	{OWPING_OPTION_HARDWARE_TIMESTAMPS, "hardware-timestamps", PING, "LIST",
	 "interfaces that stamp what arrives"},
	{OWPING_OPTION_CLOCK, "clock", PING, "[SECONDS]", "no measurement: what this host's clock is worth"},
	{OWPING_OPTION_CLOCK_CONFIG, "clock-config", PING, "FILE", "which clock sources there are"},
	{OWPING_OPTION_BEGIN, "begin", OWPING_FETCH, "SEQ", "first sequence number (0)"},
	{OWPING_OPTION_END, "end", OWPING_FETCH, "SEQ", "last sequence number (the session's last)"},
	{'A', "modes", ALL, "LETTERS", "allowed: A, E, O, preferred first (EA with a key, else O)"},
	{'u', "user", ALL, "IDENTITY", "whose key to use"},
	{'k', "key-file", ALL, "FILE", "where the key is (.pfs format)"},
	{'S', "source", ALL, "ADDRESS", "local address"},
	{'B', "interface", ALL, "NAME", "local interface"},
	{'4', "ipv4", ALL, NULL, "IPv4 only"},
	{'6', "ipv6", ALL, NULL, "IPv6 only"},
	{OWPING_OPTION_PBKDF2_MAX, "pbkdf2-max", ALL, "N", "largest PBKDF2 Count accepted (65536)"},
	{OWPING_OPTION_CONNECT_TIMEOUT, "connect-timeout", ALL, "S", "limit for connecting"},
	{OWPING_OPTION_STEP_TIMEOUT, "step-timeout", ALL, "S", "limit for each answer (10)"},
	{'a', "percentiles", MOST, "LIST", "further percentiles of the delay, such as 5,95"},
	{'b', "bucket-width", MOST, "S", "of the histogram with -M and --json (0.0001)"},
	{'M', "machine", MOST, NULL, "print the summary as keys and values"},
	{'R', "raw", MOST, NULL, "print the records as numbers"},
	{OWPING_OPTION_JSON, "json", ALL, NULL, "print everything as one JSON document"},
	{OWPING_OPTION_RECORDS, "records", MOST, NULL, "with --json: the records too"},
	{'v', "verbose", MOST, "[N]", "print (the first N) records in words"},
	{'U', "unix-time", ALL, NULL, "print times as seconds since 1970"},
	{'n', "unit", MOST, "n|u|m|s", "unit of delays in text (m)"},
	{'p', "print-files", MOST, NULL, "save the summaries in files, print the names"},
	{'d', "directory", MOST, "DIR", "where -p saves (.)"},
	{OWPING_OPTION_ARCHIVE, "archive", MOST, "FILE", "store the results in an SQLite archive"},
	{'Q', "quiet", ALL, NULL, "no summary, no progress; errors only"},
	{'h', "help", ALL, NULL, "print this and exit"},
	{'V', "version", ALL, NULL, "print the version and exit"},
};

#define ENTRY_COUNT (sizeof(entries) / sizeof(entries[0]))

_Static_assert(ENTRY_COUNT < OWPING_OPTIONS_MAX, "OWPING_OPTIONS_MAX is too small");

static int argument_kind(const struct entry *entry)
{
	if (entry->argument == NULL)
		return no_argument;
	return entry->argument[0] == '[' ? optional_argument : required_argument;
}

void owping_options_table(enum owping_program program, char letters[2 + 3 * OWPING_OPTIONS_MAX],
			  struct option long_options[OWPING_OPTIONS_MAX])
{
	/* A missing argument is told from an unknown option. */
	*letters++ = ':';
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		int kind = argument_kind(&entries[i]);

		if ((entries[i].programs & program) == 0)
			continue;
		*long_options++ = (struct option){entries[i].name, kind, NULL, entries[i].option};
		if (entries[i].option >= OWPING_OPTION_ZERO_PADDING)
			continue;
		*letters++ = (char)entries[i].option;
		for (int colons = kind; colons > 0; colons--)
			*letters++ = ':';
	}
	*letters = '\0';
	*long_options = (struct option){0};
}

const char *owping_option_label(int option, char label[40])
{
	snprintf(label, 40, "-%c", option);
	for (size_t i = 0; option >= OWPING_OPTION_ZERO_PADDING && i < ENTRY_COUNT; i++) {
		if (entries[i].option == option)
			snprintf(label, 40, "--%s", entries[i].name);
	}
	return label;
}

const char *owping_program_name(enum owping_program program)
{
	if (program == OWPING_FETCH)
		return "owfetch";
	return program == OWPING_UP ? "owup" : "owping";
}

/* "-c, --count N"; an optional argument must not stand apart: "-v[N], --verbose[=N]". */
static const char *option_text(const struct entry *entry, char text[64])
{
	bool optional = argument_kind(entry) == optional_argument;
	const char *argument = entry->argument != NULL ? entry->argument : "";
	char letter[16] = "    ";

	if (entry->option < OWPING_OPTION_ZERO_PADDING)
		snprintf(letter, sizeof(letter), "-%c%s, ", entry->option, optional ? argument : "");
	if (optional)
		snprintf(text, 64, "%s--%s[=%s", letter, entry->name, argument + 1);
	else
		snprintf(text, 64, "%s--%s %s", letter, entry->name, argument);
	return text;
}

void owping_usage(FILE *out, enum owping_program program)
{
	fprintf(out, "Usage: %s [OPTION]... SERVER%s\n", owping_program_name(program),
		program == OWPING_FETCH ? " SID [FILE] [SID [FILE]]..." : "");
	if (program == OWPING_PING)
		fputs("       owping --clock[=SECONDS] [--clock-config FILE] [--json]\n", out);
	fputs("SERVER is HOST, HOST:PORT or [ADDRESS]:PORT; the default port is 861.\n\n", out);
	for (size_t i = 0; i < ENTRY_COUNT; i++) {
		const struct entry *entry = &entries[i];
		char left[64];

		if ((entry->programs & program) == 0)
			continue;
		if (strlen(option_text(entry, left)) > WIDTH)
			fprintf(out, "  %s\n  %-*s %s\n", left, WIDTH, "", entry->text);
		else
			fprintf(out, "  %-*s %s\n", WIDTH, left, entry->text);
	}
}
