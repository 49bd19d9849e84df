#include "soak.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

void soak_print_usage(void)
{
	fputs("usage: soak [OPTION]...\n"
	      "Keeps an owampd with an archive under a steady load on loopback: test sessions towards it, "
	      "round\n"
	      "after round, each fetched when it is over. A line for each minute. At the end compares the "
	      "median of\n"
	      "its resident memory, and of the archive's size, in the second quarter of the run with the "
	      "last.\n"
	      "Exit status 0 if memory and archive were flat and each round accounted for all its packets; 1 "
	      "if not,\n"
	      "or if the run was too short to tell of the memory.\n\n"
	      "      --hours H        how long (3)\n"
	      "      --rate R         packets per second of all sessions together, Poisson (10000)\n"
	      "      --sessions N     at a time (100)\n"
	      "      --minutes M      of a round of sessions (5)\n"
	      "      --keep M         minutes that the archive keeps a session after its end (10)\n"
	      "      --growth P       percent that memory may grow by (5); the archive, twice that\n"
	      "      --interval S     from line to line (60)\n"
	      "      --both           half of the sessions in each direction\n"
	      "      --encrypted      encrypted mode\n"
	      "      --json           print JSON at the end; the lines are then on standard error\n",
	      stderr);
}

static bool number(const char *name, double min, double max, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(optarg, &end);
	if (end != optarg && *end == '\0' && errno == 0 && *value >= min && *value <= max)
		return true;
	fprintf(stderr, "soak: --%s %s: expected a number from %g to %g\n", name, optarg, min, max);
	return false;
}

static bool sessions_number(unsigned *sessions)
{
	double value;

	if (!number("sessions", 1, 5000, &value))
		return false;
	*sessions = (unsigned)value;
	if (*sessions == value)
		return true;
	fprintf(stderr, "soak: --sessions %s: expected an integer\n", optarg);
	return false;
}

bool soak_parse(struct soak_options *options, int argc, char **argv)
{
	enum { HOURS, RATE, SESSIONS, MINUTES, KEEP, GROWTH, INTERVAL, BOTH, ENCRYPTED, JSON };
	static const struct option names[] = {
		{"hours", required_argument, NULL, HOURS},
		{"rate", required_argument, NULL, RATE},
		{"sessions", required_argument, NULL, SESSIONS},
		{"minutes", required_argument, NULL, MINUTES},
		{"keep", required_argument, NULL, KEEP},
		{"growth", required_argument, NULL, GROWTH},
		{"interval", required_argument, NULL, INTERVAL},
		{"both", no_argument, NULL, BOTH},
		{"encrypted", no_argument, NULL, ENCRYPTED},
		{"json", no_argument, NULL, JSON},
		{NULL, 0, NULL, 0},
	};
	bool ok = true;
	int letter;

	while (ok && (letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (letter) {
		case HOURS:
			ok = number("hours", 0.001, 10000, &options->hours);
			break;
		case RATE:
			ok = number("rate", 1, 1000000, &options->rate);
			break;
		case SESSIONS:
			ok = sessions_number(&options->sessions);
			break;
		case MINUTES:
			ok = number("minutes", 0.05, 60, &options->minutes);
			break;
		case KEEP:
			ok = number("keep", 0.02, 100000, &options->keep);
			break;
		case GROWTH:
			ok = number("growth", 0, 100000, &options->growth);
			break;
		case INTERVAL:
			ok = number("interval", 0.1, 3600, &options->interval);
			break;
		case BOTH:
			options->both = true;
			break;
		case ENCRYPTED:
			options->encrypted = true;
			break;
		case JSON:
			options->json = true;
			break;
		default:
			ok = false;
		}
	}
	if (ok && optind != argc)
		fprintf(stderr, "soak: \"%s\" is one argument too many\n", argv[optind]);
	return ok && optind == argc;
}
