#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/stats_options.h"
#include "owping/stats_options_table.h"
#include "owping/stats_when.h"
#include "owping/values.h"

#define NS_PER_HOUR INT64_C(3600000000000)

/* Where a parse is: for the wording of its errors. */
struct parse {
	struct stats_options *options;
	int64_t now_ns;
	char *error;
	size_t error_size;
	const char *label; /* of the option at hand */
	const char *text;  /* its argument */
	int given[STATS_OPTIONS_MAX];
	unsigned given_count;
	bool is_json;
	bool is_csv;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parse *parse, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(parse->error, parse->error_size, format, list);
	va_end(list);
	return OWAMP_EINVAL;
}

static int expected(struct parse *parse, int result, const char *what)
{
	if (result < 0)
		return fail(parse, "%s %s: expected %s", parse->label, parse->text, what);
	return 0;
}

static int parse_when(struct parse *parse, int64_t *ns)
{
	char reason[256];

	if (stats_when_parse(parse->text, parse->now_ns, ns, reason, sizeof reason) < 0)
		return fail(parse, "%s %s", parse->label, reason);
	return 0;
}

static int parse_span(struct parse *parse, int64_t *ns)
{
	return expected(parse, stats_when_span(parse->text, ns),
			"a span of time above 0, such as 10min, 1h or 30d");
}

static int parse_number(struct parse *parse, uint32_t low, uint32_t high, uint32_t *value)
{
	char what[64];

	snprintf(what, sizeof what, "a number from %u to %u", low, high);
	return expected(parse, owping_parse_number(parse->text, low, high, value), what);
}

static int parse_outcome(struct parse *parse)
{
	static const char *const outcomes[] = {"running", "finished", "broken", "invalid"};

	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		if (strcmp(parse->text, outcomes[i]) == 0) {
			parse->options->outcome = outcomes[i];
			return 0;
		}
	}
	return expected(parse, OWAMP_EINVAL, "running, finished, broken or invalid");
}

static int apply_choice(struct parse *parse, int option)
{
	struct stats_options *options = parse->options;

	switch (option) {
	case 'a':
		options->archive = parse->text;
		return 0;
	case STATS_OPTION_SINCE:
		return parse_when(parse, &options->since_ns);
	case STATS_OPTION_UNTIL:
		return parse_when(parse, &options->until_ns);
	case STATS_OPTION_FROM:
		options->from = parse->text;
		return 0;
	case STATS_OPTION_TO:
		options->to = parse->text;
		return 0;
	case STATS_OPTION_OUTCOME:
		return parse_outcome(parse);
	case STATS_OPTION_LIMIT:
		options->limit_given = true;
		return parse_number(parse, 0, UINT32_MAX, &options->limit);
	case STATS_OPTION_KEEP_PACKETS:
		return parse_span(parse, &options->keep_packets_ns);
	case STATS_OPTION_KEEP_SUMMARIES:
		return parse_span(parse, &options->keep_summaries_ns);
	case STATS_OPTION_MAX_SIZE:
		return expected(parse, stats_when_size(parse->text, &options->max_octets),
				"octets, such as 500m or 10g");
	case STATS_OPTION_DRY_RUN:
		options->dry_run = true;
		return 0;
	}
	return 1;
}

static int apply_look(struct parse *parse, int option)
{
	struct stats_options *options = parse->options;

	switch (option) {
	case STATS_OPTION_MINUTES:
		options->minutes = true;
		return 0;
	case STATS_OPTION_PERCENTILES:
		return expected(parse,
				owping_parse_percentiles(parse->text, options->percentiles,
							 STATS_PERCENTILES_MAX, &options->percentile_count),
				"up to 64 numbers above 0 and up to 100, such as 50,95,99.9");
	case STATS_OPTION_STEP:
		return parse_span(parse, &options->step_ns);
	case STATS_OPTION_ROWS:
		return parse_number(parse, 4, 1000, &options->rows);
	case STATS_OPTION_WIDTH:
		return parse_number(parse, 40, 1000, &options->width);
	case STATS_OPTION_JSON:
		parse->is_json = true;
		options->format = STATS_JSON;
		return 0;
	case STATS_OPTION_CSV:
		parse->is_csv = true;
		options->format = STATS_CSV;
		return 0;
	case STATS_OPTION_UTC:
	case 'U':
		options->unix_time = option == 'U';
		return 0;
	case 'o':
		options->output = parse->text;
		return 0;
	case 'n':
		if (strlen(parse->text) != 1 || strchr("nums", parse->text[0]) == NULL)
			return expected(parse, OWAMP_EINVAL, "one of n, u, m, s");
		options->unit = parse->text[0];
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	}
	return 1;
}

static int apply(struct parse *parse, int option)
{
	int result = apply_choice(parse, option);

	if (result == 1)
		result = apply_look(parse, option);
	for (unsigned i = 0; i < parse->given_count; i++) {
		if (parse->given[i] == option)
			return result;
	}
	parse->given[parse->given_count++] = option;
	return result;
}

static int check_sid(struct parse *parse, const char *sid)
{
	size_t length = strlen(sid);

	for (size_t i = 0; i < length; i++) {
		if (!isxdigit((unsigned char)sid[i]))
			length = 0;
	}
	if (length < 4 || length > 32)
		return fail(parse, "%s: expected a SID, 32 hexadecimal digits, or its first ones, at least 4",
			    sid);
	parse->options->sid = sid;
	return 0;
}

static int take_arguments(struct parse *parse, int count, char **arguments)
{
	struct stats_options *options = parse->options;
	const char *name = stats_command_name(options->command);
	bool by_sid = (options->command & (STATS_SHOW | STATS_EXPORT | STATS_HISTOGRAM)) != 0;
	bool by_pair = (options->command & (STATS_SUMMARY | STATS_TIMELINE | STATS_HISTOGRAM)) != 0;

	if (by_sid && count == 1)
		return check_sid(parse, arguments[0]);
	if (by_pair && count == 2) {
		options->from = arguments[0];
		options->to = arguments[1];
		return 0;
	}
	if (by_sid && by_pair)
		return fail(parse, "%s: expected a SID, or two endpoints, FROM TO", name);
	if (by_sid)
		return fail(parse, "%s: expected one SID, or its first digits", name);
	if (by_pair)
		return fail(parse, "%s: expected two endpoints, FROM TO", name);
	return count == 0 ? 0 : fail(parse, "%s: nothing is expected at '%s'", name, arguments[0]);
}

static int check(struct parse *parse)
{
	const struct stats_options *options = parse->options;
	const char *name = stats_command_name(options->command);

	for (unsigned i = 0; i < parse->given_count; i++) {
		char label[40];

		if ((stats_option_commands(parse->given[i]) & options->command) == 0)
			return fail(parse, "%s: there is no %s here", name,
				    stats_option_label(parse->given[i], label));
	}
	if (parse->is_json && parse->is_csv)
		return fail(parse, "--json and --csv exclude each other");
	if (options->since_ns >= options->until_ns)
		return fail(parse, "--since is not before --until");
	if (options->sid && (options->since_ns != INT64_MIN || options->until_ns != INT64_MAX))
		return fail(parse, "%s: --since and --until need two endpoints, not a SID", name);
	if (options->command == STATS_PRUNE && options->keep_packets_ns == 0 &&
	    options->keep_summaries_ns == 0 && options->max_octets == 0)
		return fail(parse, "prune: expected --keep-packets, --keep-summaries or --max-size");
	if (options->keep_packets_ns != 0 && options->keep_summaries_ns != 0 &&
	    options->keep_summaries_ns < options->keep_packets_ns)
		return fail(parse, "--keep-summaries is shorter than --keep-packets");
	if (options->archive[0] == '\0')
		return fail(parse, "the name of the archive is empty");
	return 0;
}

static void complete(struct stats_options *options)
{
	static const double usual[] = {50, 95, 99, 99.9};

	if (options->percentile_count == 0) {
		options->percentile_count = options->command == STATS_TIMELINE ? 3 : 4;
		memcpy(options->percentiles, usual, sizeof usual);
	}
	if (!options->limit_given && options->format == STATS_TEXT)
		options->limit = 100;
}

static int refuse(struct parse *parse, int option, int argc, char **argv)
{
	const char *last = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (strncmp(last, "--", 2) == 0)
		return fail(parse, "%s: %s", last,
			    option == ':' ? "the option needs an argument" : "no such option, or not so");
	return fail(parse, "-%c: %s", optopt,
		    option == ':' ? "the option needs an argument" : "no such option");
}

static int parse_all(struct parse *parse, int argc, char **argv)
{
	struct option long_options[STATS_OPTIONS_MAX];
	char letters[2 + 2 * STATS_OPTIONS_MAX];
	char label[40];
	int option;

	stats_options_table(letters, long_options);
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return refuse(parse, option, argc, argv);
		parse->label = stats_option_label(option, label);
		parse->text = optarg;
		if (apply(parse, option) < 0)
			return OWAMP_EINVAL;
		if (parse->options->help || parse->options->version)
			return 0;
	}
	if (optind < argc) {
		parse->options->command = stats_command_find(argv[optind]);
		if (parse->options->command == 0)
			return fail(parse, "%s: no such command", argv[optind]);
		optind++;
	}
	if (take_arguments(parse, argc - optind, argv + optind) < 0 || check(parse) < 0)
		return OWAMP_EINVAL;
	complete(parse->options);
	return 0;
}

int stats_options_parse(struct stats_options *options, int argc, char **argv, const char *archive,
			int64_t now_ns, char *error, size_t error_size)
{
	struct parse parse = {.options = options, .now_ns = now_ns, .error = error, .error_size = error_size};

	*options = (struct stats_options){
		.command = STATS_LIST,
		.archive = archive && *archive ? archive : STATS_ARCHIVE_DEFAULT,
		.unit = 'm',
		.since_ns = INT64_MIN,
		.until_ns = INT64_MAX,
		.step_ns = NS_PER_HOUR,
	};
	return parse_all(&parse, argc, argv);
}
