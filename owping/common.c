#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/clock.h"
#include "owping/common.h"
#include "owping/report_json.h"

void owping_complain(enum owping_program program, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s: ", owping_program_name(program));
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

/* The command line could not be read to its end, but what it asks for the output can. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strlen(argv[i]) > 2 && strncmp(argv[i], "--json", strlen(argv[i])) == 0)
			return true;
	}
	return false;
}

static bool wants_clock(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--clock") == 0 || strncmp(argv[i], "--clock=", 8) == 0)
			return true;
	}
	return false;
}

static void refuse(const struct owping_options *options, bool json, bool clock, const char *error)
{
	struct owping_json_run run = {
		.version = OWAMP_VERSION,
		.connect_ns = -1,
		.setup_ns = -1,
		.exit_status = OWPING_EXIT_USAGE,
		.error = OWAMP_EINVAL,
		.reason = error,
	};

	owping_complain(options->program, "%s", error);
	fprintf(stderr, "Try '%s --help'.\n", owping_program_name(options->program));
	if (!json)
		return;
	if ((clock ? owping_clock_report_error(stdout, error)
		   : owping_report_json(stdout, &run, options, NULL, 0)) < 0 ||
	    fflush(stdout) != 0)
		owping_complain(options->program, "standard output: %s", strerror(errno));
}

int owping_begin(struct owping_options *options, enum owping_program program, int argc, char **argv)
{
	const char *name = owping_program_name(program);
	bool json = wants_json(argc, argv);
	char error[512];

	if (owping_options_parse(options, program, argc, argv, error, sizeof(error)) < 0) {
		refuse(options, json, program == OWPING_PING && wants_clock(argc, argv), error);
		return OWPING_EXIT_USAGE;
	}
	if (options->help)
		owping_usage(stdout, program);
	else if (options->version)
		printf("%s (owamp-suite) %s\n", name, OWAMP_VERSION);
	else
		return -1;
	return fflush(stdout) == 0 ? OWPING_EXIT_OK : OWPING_EXIT_FAILED;
}

int owping_credentials_load(struct owping_credentials *credentials, const struct owping_options *options,
			    bool *chosen, char *error, size_t error_size)
{
	int result;

	memset(credentials, 0, sizeof(*credentials));
	*chosen = false;
	if (options->key_file == NULL)
		return 0;
	result = owamp_keyfile_load(&credentials->keyfile, options->key_file, error, error_size);
	if (result < 0)
		return result;
	credentials->key_id = options->user;
	if (options->user == NULL) {
		size_t count = owamp_keyfile_count(credentials->keyfile);

		if (count != 1) {
			snprintf(error, error_size, "%s: %zu identities; choose one with -u",
				 options->key_file, count);
			return OWAMP_EINVAL;
		}
		credentials->key_id = owamp_keyfile_identity(credentials->keyfile, 0);
		*chosen = true;
	}
	credentials->secret =
		owamp_keyfile_find(credentials->keyfile, credentials->key_id, &credentials->secret_size);
	if (credentials->secret == NULL) {
		snprintf(error, error_size, "%s: no identity %s", options->key_file, credentials->key_id);
		return OWAMP_EINVAL;
	}
	return 0;
}

void owping_credentials_free(struct owping_credentials *credentials)
{
	owamp_keyfile_free(credentials->keyfile);
	memset(credentials, 0, sizeof(*credentials));
}

void owping_client_config(struct owamp_client_config *config, const struct owping_options *options,
			  const struct owping_credentials *credentials)
{
	*config = (struct owamp_client_config){
		.host = options->host,
		.port = options->port,
		.family = options->family,
		.source = options->source,
		.interface = options->interface,
		.modes = options->modes,
		.key_id = credentials->key_id,
		.secret = credentials->secret,
		.secret_size = credentials->secret_size,
		.pbkdf2_count_max = options->pbkdf2_max,
		.step_timeout_ns = options->step_timeout_ns,
	};
	memcpy(config->preference, options->preference, sizeof(config->preference));
}

void owping_engine_config(struct owamp_engine_config *config, const struct owping_options *options,
			  const struct owamp_clock_config *clock)
{
	*config = (struct owamp_engine_config)OWAMP_ENGINE_CONFIG_INIT;
	config->realtime_priority = options->realtime_priority;
	config->lock_memory = options->realtime_priority > 0;
	config->keeps_privileges = true;
	config->spin_ns = options->spin_ns;
	config->pacer_cpu = options->pacer_cpu;
	config->collector_cpu = options->collector_cpu;
	config->hardware_interfaces = options->hardware_interfaces;
	config->clock = clock;
}

void owping_test_config(struct owamp_test_config *test, const struct owping_options *options,
			enum owamp_direction direction)
{
	*test = (struct owamp_test_config){
		.direction = direction,
		.packets = options->packets,
		.slots = options->slots,
		.slot_count = options->slot_count,
		.timeout_ns = options->timeout_ns,
		.padding = options->padding,
		.zero_padding = options->zero_padding,
		.dscp = options->dscp,
		.port_low = options->port_low,
		.port_high = options->port_high,
		.start_delay_ns = options->start_delay_ns,
		.end_delay_ns = options->end_delay_ns,
	};
}
