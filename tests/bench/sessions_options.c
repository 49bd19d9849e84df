#include "sessions.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: bench_sessions [OPTION]...\n"
	"Runs many OWAMP sessions at a time against one owampd, which it starts itself on loopback,\n"
	"and prints what that took. Exit status 0 if all sessions were complete, no packet was dropped\n"
	"at a socket of either side, and owampd was one process.\n\n"
	"  -n, --sessions N        sessions (1000)\n"
	"  -r, --rate R            packets per second of each, Poisson (10)\n"
	"  -d, --seconds S         how long (10)\n"
	"  -z, --start-delay S     from the request to the first packet (3)\n"
	"  -L, --timeout S         a packet is lost after so many seconds (2)\n"
	"  -C, --per-connection N  sessions of each control connection (50)\n"
	"  -t, --to, -f, --from    one direction only\n"
	"  -e, --encrypted         encrypted mode\n"
	"      --shared-port       one test port for all sessions that owampd receives\n"
	"      --ordinary          neither side asks for real-time scheduling\n"
	"      --archive           owampd keeps the results in a file, not in memory\n"
	"      --owampd FILE       the server to start (the one that was built with this program)\n"
	"      --server HOST:PORT  use this server, open mode; nothing is known of its resources\n"
	"      --json              print JSON\n";

void sessions_print_usage(void)
{
	fputs(usage, stderr);
}

static bool number(const char *text, double max, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return end != text && *end == '\0' && errno == 0 && *value > 0 && *value <= max;
}

static bool whole_number(const char *text, unsigned max, unsigned *value)
{
	double parsed;

	if (!number(text, max, &parsed) || parsed != (unsigned)parsed)
		return false;
	*value = (unsigned)parsed;
	return true;
}

static bool split_server(char *text, struct sessions_options *options)
{
	char *colon = strrchr(text, ':');
	unsigned port;

	if (!colon || colon == text || !whole_number(colon + 1, UINT16_MAX, &port))
		return false;
	*colon = '\0';
	options->host = text;
	options->port = (uint16_t)port;
	return true;
}

bool sessions_parse(struct sessions_options *options, int argc, char **argv)
{
	enum {
		OPTION_OWAMPD = 256,
		OPTION_SERVER,
		OPTION_JSON,
		OPTION_SHARED,
		OPTION_ORDINARY,
		OPTION_ARCHIVE
	};
	static const struct option names[] = {
		{"sessions", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 'd'},
		{"start-delay", required_argument, NULL, 'z'},
		{"timeout", required_argument, NULL, 'L'},
		{"per-connection", required_argument, NULL, 'C'},
		{"to", no_argument, NULL, 't'},
		{"from", no_argument, NULL, 'f'},
		{"encrypted", no_argument, NULL, 'e'},
		{"shared-port", no_argument, NULL, OPTION_SHARED},
		{"ordinary", no_argument, NULL, OPTION_ORDINARY},
		{"archive", no_argument, NULL, OPTION_ARCHIVE},
		{"owampd", required_argument, NULL, OPTION_OWAMPD},
		{"server", required_argument, NULL, OPTION_SERVER},
		{"json", no_argument, NULL, OPTION_JSON},
		{NULL, 0, NULL, 0},
	};
	bool ok = true;
	int letter;

	while (ok && (letter = getopt_long(argc, argv, "n:r:d:z:L:C:tfe", names, NULL)) != -1) {
		switch (letter) {
		case 'n':
			ok = whole_number(optarg, 100000, &options->sessions);
			break;
		case 'r':
			ok = number(optarg, 100000, &options->rate);
			break;
		case 'd':
			ok = whole_number(optarg, 86400, &options->seconds);
			break;
		case 'z':
			ok = number(optarg, 600, &options->start_delay);
			break;
		case 'L':
			ok = number(optarg, 600, &options->timeout);
			break;
		case 'C':
			ok = whole_number(optarg, 100000, &options->per_connection);
			break;
		case 't':
			options->to = true;
			break;
		case 'f':
			options->from = true;
			break;
		case 'e':
			options->encrypted = true;
			break;
		case OPTION_SHARED:
			options->shared_port = true;
			break;
		case OPTION_ORDINARY:
			options->ordinary = true;
			break;
		case OPTION_ARCHIVE:
			options->archive = true;
			break;
		case OPTION_OWAMPD:
			options->owampd = optarg;
			break;
		case OPTION_SERVER:
			ok = split_server(optarg, options);
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		default:
			return false;
		}
		if (!ok)
			fprintf(stderr, "bench_sessions: bad value \"%s\"\n", optarg);
	}
	if (!options->to && !options->from)
		options->to = options->from = true;
	return ok && optind == argc && options->rate * options->seconds >= 1;
}
