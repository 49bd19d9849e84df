#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owampd/check.h"
#include "owampd/config.h"
#include "owampd/config_keys.h"

enum { OPTION_KEY = 256, OPTION_CHECK, OPTION_CLOCK_STATUS, OPTION_JSON };

/* OPTION_KEY: the name is that of the key in the file, with a minus for each underscore. */
static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"listen", required_argument, NULL, OPTION_KEY},
	{"keys", required_argument, NULL, OPTION_KEY},
	{"limits", required_argument, NULL, OPTION_KEY},
	{"test-ports", required_argument, NULL, OPTION_KEY},
	{"modes", required_argument, NULL, OPTION_KEY},
	{"pbkdf2-count", required_argument, NULL, OPTION_KEY},
	{"user", required_argument, NULL, OPTION_KEY},
	{"group", required_argument, NULL, OPTION_KEY},
	{"pid-file", required_argument, NULL, OPTION_KEY},
	{"archive", required_argument, NULL, OPTION_KEY},
	{"status-socket", required_argument, NULL, OPTION_KEY},
	{"realtime-priority", required_argument, NULL, OPTION_KEY},
	{"lock-memory", required_argument, NULL, OPTION_KEY},
	{"spin", required_argument, NULL, OPTION_KEY},
	{"pacer-cpu", required_argument, NULL, OPTION_KEY},
	{"collector-cpu", required_argument, NULL, OPTION_KEY},
	{"hardware-timestamps", required_argument, NULL, OPTION_KEY},
	{"shared-test-port", required_argument, NULL, OPTION_KEY},
	{"log-level", required_argument, NULL, OPTION_KEY},
	{"foreground", no_argument, NULL, 'f'},
	{"check-config", no_argument, NULL, OPTION_CHECK},
	{"clock-status", no_argument, NULL, OPTION_CLOCK_STATUS},
	{"json", no_argument, NULL, OPTION_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const char help[] =
	"Usage: owampd [OPTION]...\n"
	"Server for one-way latency measurements (OWAMP, RFC 4656).\n"
	"\n"
	"  -c, --config FILE         read FILE; without it no configuration file is read\n"
	"      --listen ADDRESS      ADDRESS[:PORT], [ADDRESS6][:PORT] or PORT; can be repeated\n"
	"      --keys FILE           key file; without one only open mode is offered\n"
	"      --limits FILE         limits file: who may do what\n"
	"      --test-ports LOW-HIGH UDP ports of test sessions, 0: any\n"
	"      --shared-test-port PORT\n"
	"                            one UDP port for all sessions that are received here, 0: none\n"
	"      --modes LETTERS       modes to offer, of E (encrypted), A (authenticated), O (open)\n"
	"      --pbkdf2-count COUNT  iterations for the key derivation, a power of two\n"
	"      --user USER           run as USER\n"
	"      --group GROUP         run as GROUP\n"
	"      --pid-file FILE       write the process id to FILE\n"
	"      --archive FILE        keep results in FILE; without one they are kept in memory\n"
	"      --status-socket PATH  Unix socket at which the running server answers --clock-status\n"
	"      --realtime-priority NUMBER\n"
	"                            of the sending thread, where the system permits it; 0: ordinary\n"
	"      --lock-memory YES|NO  never be paged out, where the system permits it\n"
	"      --spin TIME           stay awake for so long before a packet is due; auto or up to 1ms\n"
	"      --pacer-cpu CPU       the only CPU of the sending thread, or any\n"
	"      --collector-cpu CPU   the only CPU of the receiving thread, or any\n"
	"      --hardware-timestamps LIST\n"
	"                            interfaces, comma separated, that stamp what arrives; can be repeated\n"
	"      --log-level LEVEL     debug, info, notice, warning or error\n"
	"  -f, --foreground          stay in the foreground, log to stderr\n"
	"      --check-config        check configuration and what it refers to, then exit\n"
	"      --clock-status        what the running server knows of its clock, then exit\n"
	"      --json                with --clock-status: one JSON document\n"
	"  -h, --help                print this text\n"
	"  -V, --version             print the version\n"
	"\n"
	"Options win over the file. See owampd(8) and owampd.conf(5).\n";

/* Where messages go, and what becomes of the process. */
struct run {
	int argc;
	char **argv;
	void (*log)(void *context, const char *line);
	void *context;
	char *config_path; /* absolute; NULL: no file */
	struct config *config;
	int exit_status;
};

/*
 * Relative paths mean the directory of the start, also in a reload after a
 * chdir(). Like that directory itself this belongs to the process; it is set
 * once, before there are threads.
 */
static char start_directory[PATH_MAX];

__attribute__((format(printf, 3, 4))) static int fail(struct run *run, int exit_status, const char *format,
						      ...)
{
	char line[PATH_MAX + 512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	run->log(run->context, line);
	run->exit_status = exit_status;
	return OWAMP_EINVAL;
}

/* The next option, or -1. Complains itself, with the argument as it was written. */
static int next_option(struct run *run, int *index)
{
	const char *argument = run->argv[optind ? optind : 1];
	int option = getopt_long(run->argc, run->argv, "+:c:fhV", options, index);

	if (option == ':')
		fail(run, 2, "option %s: expected a value", argument);
	if (option == '?')
		fail(run, 2, "option %s: not known, or with a value it does not take; see owampd --help",
		     argument);
	if (option == -1 && optind < run->argc) {
		fail(run, 2, "argument '%s': expected options only; see owampd --help", run->argv[optind]);
		option = '?';
	}
	return option;
}

/* 0 is the GNU way to make getopt forget an earlier run. */
static void restart_options(void)
{
	optind = 0;
}

/* What must be known before the file is read. A positive result: it is all done. */
static int first_pass(struct run *run)
{
	int option, index = 0;

	restart_options();
	while ((option = next_option(run, &index)) != -1) {
		switch (option) {
		case ':':
		case '?':
			return OWAMP_EINVAL;
		case 'c':
			free(run->config_path);
			run->config_path = config_absolute(start_directory, optarg);
			if (!run->config_path)
				return fail(run, 1, "out of memory");
			break;
		case 'f':
			run->config->foreground = true;
			break;
		case OPTION_CHECK:
			run->config->check_only = true;
			break;
		case OPTION_CLOCK_STATUS:
			run->config->clock_status = true;
			break;
		case OPTION_JSON:
			run->config->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		case 'V':
			puts("owampd " OWAMP_VERSION);
			return 1;
		default:
			break;
		}
	}
	return 0;
}

/* first: what the file says of it counts no more. */
static int set_option(struct run *run, const char *name, const char *value, bool first)
{
	char key[32], why[256];
	size_t i;

	for (i = 0; i < sizeof(key) - 1 && name[i]; i++)
		key[i] = name[i] == '-' ? '_' : name[i];
	key[i] = '\0';
	if (first && config_key_is_list(key))
		config_clear_list(run->config, key);
	if (config_set(run->config, start_directory, key, value, why, sizeof(why)))
		return fail(run, 2, "option --%s: %s", name, why);
	return 0;
}

/* The options that are keys of the file as well. */
static int second_pass(struct run *run)
{
	bool given[sizeof(options) / sizeof(options[0])] = {false};
	int option, index = 0;

	restart_options();
	while ((option = next_option(run, &index)) != -1) {
		if (option != OPTION_KEY)
			continue;
		if (set_option(run, options[index].name, optarg, !given[index]))
			return OWAMP_EINVAL;
		given[index] = true;
	}
	return 0;
}

static int check_together(struct run *run)
{
	const struct config *config = run->config;

	if (config->json && !config->clock_status)
		return fail(run, 2, "option --json: expected --clock-status with it");
	if (config->clock_status && config->check_only)
		return fail(run, 2, "options --clock-status and --check-config: expected one of the two");
	return 0;
}

static int read_config(struct run *run)
{
	char error[PATH_MAX + 512];

	if (config_read(run->config, start_directory, run->config_path, error, sizeof(error)))
		return fail(run, 1, "%s", error);
	return 0;
}

static int build(struct run *run)
{
	char why[256];
	int result;

	run->config = config_new();
	if (!run->config)
		return fail(run, 1, "out of memory");
	result = first_pass(run);
	if (!result)
		result = check_together(run);
	if (!result && run->config_path)
		result = read_config(run);
	if (!result)
		result = second_pass(run);
	if (!result && config_finish(run->config, why, sizeof(why)))
		result = run->config_path ? fail(run, 1, "%s: %s", run->config_path, why)
					  : fail(run, 2, "option --%s", why);
	return result;
}

static void print_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

/* The configuration, or NULL if that is not what came of the run. */
static struct config *take_config(struct run *run, int result)
{
	free(run->config_path);
	if (result == 0)
		return run->config;
	config_free(run->config);
	return NULL;
}

struct config *config_from_arguments(int argc, char **argv, int *exit_status)
{
	struct run run = {.argc = argc, .argv = argv, .log = print_line};
	int result;

	if (!getcwd(start_directory, sizeof(start_directory)))
		start_directory[0] = '\0';
	result = build(&run);
	if (!result && run.config->check_only) {
		printf("%s: ok\n", run.config_path ? run.config_path : "options");
		if (check_config(run.config, print_line, NULL))
			run.exit_status = 1;
		result = 1;
	}
	*exit_status = run.exit_status;
	return take_config(&run, result);
}

struct config *config_reload(int argc, char **argv, void (*log)(void *context, const char *line),
			     void *context)
{
	struct run run = {.argc = argc, .argv = argv, .log = log, .context = context};

	return take_config(&run, build(&run));
}
