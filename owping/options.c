#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "owping/options.h"
#include "owping/options_check.h"
#include "owping/options_table.h"
#include "owping/values.h"

#define CPU_MAX  1023 /* as many as a cpu_set_t has */
#define REALTIME 10   /* before all ordinary work, behind the kernel's own threads */

/* OWPING_SECONDS_MAX, in words. */
#define SECONDS_MAX "500000000, with at most nine decimals, such as 0.5"
_Static_assert(OWPING_SECONDS_MAX == 500000000, "SECONDS_MAX says something else");

/* Where a parse is: for the wording of its errors. */
struct parse {
	struct owping_options *options;
	char *error;
	size_t error_size;
	const char *label; /* of the option at hand, "-c" or "--json" */
	const char *text;  /* its argument */
	unsigned formats;  /* how many output formats were asked for */
	char stranger[40]; /* label of an option that --clock does not go with; "": none */
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
	if (result == OWAMP_ENOMEM)
		return fail(parse, "%s: out of memory", parse->label);
	if (result < 0)
		return fail(parse, "%s %s: expected %s", parse->label, parse->text, what);
	return 0;
}

static int parse_time(struct parse *parse, int64_t *ns, bool positive)
{
	int result = owping_parse_seconds(parse->text, ns);

	if (result == 0 && positive && *ns == 0)
		result = OWAMP_EINVAL;
	return expected(parse, result,
			positive ? "seconds above 0 and up to " SECONDS_MAX
				 : "seconds from 0 to " SECONDS_MAX);
}

static int parse_unit(struct parse *parse)
{
	if (strlen(parse->text) != 1 || strchr("nums", parse->text[0]) == NULL)
		return expected(parse, OWAMP_EINVAL, "one of n, u, m, s");
	parse->options->unit = parse->text[0];
	return 0;
}

static int parse_pbkdf2(struct parse *parse)
{
	uint32_t *max = &parse->options->pbkdf2_max;
	int result = owping_parse_number(parse->text, 1024, 1U << 31, max);

	if (result == 0 && (*max & (*max - 1)) != 0)
		result = OWAMP_EINVAL;
	return expected(parse, result, "a power of two from 1024 to 2147483648");
}

static int apply_connection(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;
	int family = option == '4' ? AF_INET : AF_INET6;

	switch (option) {
	case 'A':
		options->mode_letters = parse->text;
		return expected(parse, owping_parse_modes(parse->text, &options->modes, options->preference),
				"letters of A, E, O, each once, the preferred one first");
	case 'u':
		options->user = parse->text;
		return 0;
	case 'k':
		options->key_file = parse->text;
		return 0;
	case 'S':
		options->source = parse->text;
		return 0;
	case 'B':
		options->interface = parse->text;
		return 0;
	case '4':
	case '6':
		if (options->family != AF_UNSPEC && options->family != family)
			return fail(parse, "-4 and -6 exclude each other");
		options->family = family;
		return 0;
	case OWPING_OPTION_PBKDF2_MAX:
		return parse_pbkdf2(parse);
	case OWPING_OPTION_CONNECT_TIMEOUT:
		return parse_time(parse, &options->connect_timeout_ns, true);
	case OWPING_OPTION_STEP_TIMEOUT:
		return parse_time(parse, &options->step_timeout_ns, true);
	}
	return 1;
}

static int parse_schedule(struct parse *parse)
{
	struct owping_options *options = parse->options;

	free(options->slots);
	options->slots = NULL;
	return expected(parse, owping_parse_schedule(parse->text, &options->slots, &options->slot_count),
			"seconds up to 500000000 with e or f, comma separated and not all 0, such as 0.1e or "
			"1f,0f");
}

static int apply_direction(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;

	switch (option) {
	case 'T':
		options->save_to = parse->text;
		/* fall through */
	case 't':
		options->to_server = true;
		return 0;
	case 'F':
		options->save_from = parse->text;
		/* fall through */
	case 'f':
		options->from_server = true;
		return 0;
	}
	return 1;
}

static int apply_test(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;

	switch (option) {
	case 'c':
		return expected(parse, owping_parse_number(parse->text, 1, UINT32_MAX, &options->packets),
				"a number from 1 to 4294967295");
	case 'i':
		return parse_schedule(parse);
	case 'L':
		return parse_time(parse, &options->timeout_ns, true);
	case 's':
		return expected(parse,
				owping_parse_number(parse->text, 0, OWAMP_PACKET_MAX - OWAMP_PACKET_OPEN,
						    &options->padding),
				"a number of octets from 0 to 65493");
	case OWPING_OPTION_ZERO_PADDING:
		options->zero_padding = true;
		return 0;
	case 'D':
		return expected(parse, owping_parse_dscp(parse->text, &options->dscp),
				"EF, AF11 to AF43, CS0 to CS7, LE, BE or a number from 0 to 63");
	case 'P':
		return expected(parse,
				owping_parse_ports(parse->text, &options->port_low, &options->port_high),
				"0 or LOW-HIGH, such as 8760-9960");
	case 'z':
		return parse_time(parse, &options->start_delay_ns, true);
	case 'E':
		return parse_time(parse, &options->end_delay_ns, false);
	case OWPING_OPTION_BEGIN:
		options->range_given = true;
		return expected(parse, owping_parse_number(parse->text, 0, UINT32_MAX, &options->begin_seq),
				"a sequence number, from 0 to 4294967295");
	case OWPING_OPTION_END:
		options->range_given = true;
		return expected(parse, owping_parse_number(parse->text, 0, UINT32_MAX, &options->end_seq),
				"a sequence number, from 0 to 4294967295");
	}
	return apply_direction(parse, option);
}

static int parse_integer(struct parse *parse, uint32_t high, int *value, const char *what)
{
	uint32_t number;
	int result = owping_parse_number(parse->text, 0, high, &number);

	if (result == 0)
		*value = (int)number;
	return expected(parse, result, what);
}

static int parse_spin(struct parse *parse)
{
	int64_t *spin_ns = &parse->options->spin_ns;
	int result = 0;

	if (strcmp(parse->text, "auto") == 0)
		*spin_ns = OWAMP_SPIN_AUTO;
	else
		result = owping_parse_seconds(parse->text, spin_ns);
	if (result == 0 && *spin_ns > OWAMP_SPIN_MAX)
		result = OWAMP_EINVAL;
	return expected(parse, result, "seconds from 0 to 0.001, with at most nine decimals, or auto");
}

static int parse_cpu(struct parse *parse, int *cpu)
{
	if (strcmp(parse->text, "any") != 0)
		return parse_integer(parse, CPU_MAX, cpu, "the number of a CPU, from 0 to 1023, or any");
	*cpu = -1;
	return 0;
}

static int parse_interfaces(struct parse *parse)
{
	const char ***interfaces = &parse->options->hardware_interfaces;

	if (*interfaces != NULL)
		return fail(parse, "%s %s: given twice: expected one list, such as eth0,eth1", parse->label,
			    parse->text);
	return expected(parse, owping_parse_interfaces(parse->text, interfaces),
			"names of interfaces, each once, comma separated, such as eth0,eth1");
}

static int apply_meter(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;

	switch (option) {
	case OWPING_OPTION_REALTIME:
		options->realtime_given = true;
		return parse_integer(parse, OWAMP_PRIORITY_MAX, &options->realtime_priority,
				     "a priority from 1 to 99, or 0 for ordinary scheduling");
	case OWPING_OPTION_SPIN:
		return parse_spin(parse);
	case OWPING_OPTION_PACER_CPU:
		return parse_cpu(parse, &options->pacer_cpu);
	case OWPING_OPTION_COLLECTOR_CPU:
		return parse_cpu(parse, &options->collector_cpu);
	case OWPING_OPTION_HARDWARE_TIMESTAMPS:
		return parse_interfaces(parse);
	}
	return 1;
}

static int set_format(struct parse *parse, enum owping_format format)
{
	parse->formats |= 1U << format;
	parse->options->format = format;
	return 0;
}

static int parse_verbose(struct parse *parse)
{
	parse->options->verbose = true;
	parse->options->verbose_limit = UINT32_MAX;
	if (parse->text == NULL)
		return 0;
	return expected(parse,
			owping_parse_number(parse->text, 1, UINT32_MAX, &parse->options->verbose_limit),
			"a number of records, from 1 to 4294967295");
}

static int apply_output(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;

	switch (option) {
	case 'a':
		return expected(parse,
				owping_parse_percentiles(parse->text, options->percentiles,
							 OWPING_PERCENTILES_MAX, &options->percentile_count),
				"up to 64 numbers above 0 and up to 100, such as 5,95,99.9");
	case 'b':
		options->bucket_given = true;
		return parse_time(parse, &options->bucket_ns, true);
	case 'M':
		return set_format(parse, OWPING_MACHINE);
	case 'R':
		return set_format(parse, OWPING_RAW);
	case OWPING_OPTION_RECORDS:
		options->records = true;
		return 0;
	case 'v':
		return parse_verbose(parse);
	case 'U':
		options->unix_time = true;
		return 0;
	case 'n':
		return parse_unit(parse);
	case 'Q':
		options->quiet = true;
		return 0;
	case 'p':
		options->print_files = true;
		return 0;
	case 'd':
		options->directory = parse->text;
		return 0;
	case OWPING_OPTION_ARCHIVE:
		options->archive = parse->text;
		return 0;
	}
	return 1;
}

static int apply_clock(struct parse *parse, int option)
{
	struct owping_options *options = parse->options;

	switch (option) {
	case OWPING_OPTION_CLOCK:
		options->clock = true;
		if (parse->text == NULL)
			return 0;
		return expected(parse,
				owping_parse_number(parse->text, 1, UINT32_MAX, &options->clock_seconds),
				"a number of seconds, from 1 to 4294967295");
	case OWPING_OPTION_CLOCK_CONFIG:
		options->clock_config = parse->text;
		return 0;
	case OWPING_OPTION_JSON:
		return set_format(parse, OWPING_JSON);
	}
	snprintf(parse->stranger, sizeof(parse->stranger), "%s", parse->label);
	return 1;
}

static int apply(struct parse *parse, int option)
{
	int result;

	if (option == 'h') {
		parse->options->help = true;
		return 0;
	}
	if (option == 'V') {
		parse->options->version = true;
		return 0;
	}
	result = apply_clock(parse, option);
	if (result == 1)
		result = apply_connection(parse, option);
	if (result == 1)
		result = apply_test(parse, option);
	if (result == 1)
		result = apply_meter(parse, option);
	if (result == 1)
		result = apply_output(parse, option);
	return result;
}

static int take_sids(struct parse *parse, int count, char **arguments)
{
	struct owping_options *options = parse->options;

	options->fetches = calloc((size_t)count + 1, sizeof(*options->fetches));
	if (options->fetches == NULL)
		return fail(parse, "out of memory");
	for (int i = 0; i < count; i++) {
		struct owping_fetch *fetch = &options->fetches[options->fetch_count];
		uint8_t next[OWAMP_SID_SIZE];

		if (owamp_sid_parse(arguments[i], fetch->sid) < 0)
			return fail(parse, "%s: expected a SID, 32 hexadecimal digits", arguments[i]);
		options->fetch_count++;
		if (i + 1 < count && owamp_sid_parse(arguments[i + 1], next) < 0)
			fetch->save_file = arguments[++i];
	}
	if (options->fetch_count == 0)
		return fail(parse, "no SID: expected SERVER SID [FILE] ...");
	if (options->begin_seq > options->end_seq)
		return fail(parse, "--begin is beyond --end");
	return 0;
}

static int take_arguments(struct parse *parse, int count, char **arguments)
{
	struct owping_options *options = parse->options;

	if (options->clock)
		return count == 0 ? 0
				  : fail(parse, "%s: --clock looks at this host only, expected no server",
					 arguments[0]);
	if (count == 0)
		return fail(parse, "no server: expected HOST, HOST:PORT or [ADDRESS]:PORT");
	options->target = arguments[0];
	if (owping_parse_target(arguments[0], options->host, sizeof(options->host), &options->port) < 0)
		return fail(parse, "%s: expected HOST, HOST:PORT or [ADDRESS]:PORT", arguments[0]);
	if (options->program == OWPING_FETCH)
		return take_sids(parse, count - 1, arguments + 1);
	if (count > 1)
		return fail(parse, "%s: one server is enough", arguments[1]);
	return 0;
}

static void set_defaults(struct owping_options *options, enum owping_program program)
{
	*options = (struct owping_options){
		.program = program,
		.family = AF_UNSPEC,
		.pbkdf2_max = 65536,
		.step_timeout_ns = 10000000000,
		.packets = 100,
		.timeout_ns = 2000000000,
		.port_low = 8760,
		.port_high = 9960,
		.start_delay_ns = 1000000000,
		.end_delay_ns = 500000000,
		/* What fetches or connects only is no meter. */
		.realtime_priority = program == OWPING_PING ? REALTIME : 0,
		.spin_ns = OWAMP_SPIN_AUTO,
		.pacer_cpu = -1,
		.collector_cpu = -1,
		.end_seq = UINT32_MAX,
		.unit = 'm',
		.bucket_ns = 100000,
	};
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

int owping_options_parse(struct owping_options *options, enum owping_program program, int argc, char **argv,
			 char *error, size_t error_size)
{
	struct parse parse = {.options = options, .error = error, .error_size = error_size};
	struct option long_options[OWPING_OPTIONS_MAX];
	char letters[2 + 3 * OWPING_OPTIONS_MAX];
	char label[40];
	int option;

	set_defaults(options, program);
	owping_options_table(program, letters, long_options);
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return refuse(&parse, option, argc, argv);
		parse.label = owping_option_label(option, label);
		parse.text = optarg;
		if (apply(&parse, option) < 0)
			return OWAMP_EINVAL;
		if (options->help || options->version)
			return 0;
	}
	if (options->clock && parse.stranger[0] != '\0')
		return fail(&parse,
			    "--clock cannot be used with %s: expected --clock-config and --json at most",
			    parse.stranger);
	if (owping_options_complete(options, parse.formats, error, error_size) < 0)
		return OWAMP_EINVAL;
	return take_arguments(&parse, argc - optind, argv + optind);
}

void owping_options_free(struct owping_options *options)
{
	free(options->slots);
	free(options->fetches);
	free(options->hardware_interfaces);
	options->slots = NULL;
	options->fetches = NULL;
	options->hardware_interfaces = NULL;
}

int64_t owping_options_duration_ns(const struct owping_options *options)
{
	double turn = 0;
	double total;

	for (uint32_t i = 0; i < options->slot_count; i++)
		turn += (double)owamp_interval_to_ns(options->slots[i].interval);
	total = (double)options->start_delay_ns + (double)options->timeout_ns +
		(double)options->end_delay_ns + turn / options->slot_count * options->packets;
	return total < 9e18 ? (int64_t)total : INT64_MAX;
}
