#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock/conffile.h"
#include "clock/config.h"
#include "owamp/engine.h"
#include "owamp/error.h"
#include "owamp/session.h"
#include "owampd/config.h"
#include "owampd/config_keys.h"

#define NS_PER_S INT64_C(1000000000)
#define DAY_NS   (86400 * NS_PER_S)

#define KEEP_SUMMARIES_NS (400 * DAY_NS)

#define KEYS_MAX 32

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->test_port_low = 8760;
	config->test_port_high = 9960;
	config->pbkdf2_count = 8192;
	config->connections_max = 1000;
	config->handshakes_max = 100;
	config->connections_per_address_max = 50;
	config->handshake_timeout_ns = 10 * NS_PER_S;
	config->control_timeout_ns = 1800 * NS_PER_S;
	config->end_delay_ns = NS_PER_S / 2;
	config->slots_max = 1024;
	config->sessions_per_connection_max = 1024;
	config->realtime_priority = 10;
	config->lock_memory = true;
	config->spin_ns = OWAMP_SPIN_AUTO;
	config->pacer_cpu = -1;
	config->collector_cpu = -1;
	config->keep_ns = DAY_NS;
	config->archive_max = (uint64_t)10 << 30;
	config->log_level = LOG_INFO;
	owamp_clock_config_default(&config->clock);
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_clear_list(config, "listen");
	config_clear_list(config, "hardware_timestamps");
	free(config->keys_path);
	free(config->limits_path);
	free(config->user);
	free(config->group);
	free(config->pid_file);
	free(config->archive_path);
	free(config->status_socket);
	free(config);
}

/* What a list has so far is right; of the option at hand there is no value yet. */
static int try_value(struct config *scratch, cfg_opt_t *option, const char *value, char *why, size_t why_size)
{
	for (unsigned i = 0; option->flags & CFGF_LIST && i < cfg_opt_size(option); i++) {
		const char *before = cfg_opt_getnstr(option, i);

		if (before && config_set(scratch, "", option->name, before, why, why_size))
			return OWAMP_ENOMEM;
	}
	return config_set(scratch, "", option->name, value, why, why_size);
}

/* Tries a value while libConfuse still knows the line. */
static int check_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	struct config *scratch = config_new();
	char why[256] = "out of memory";
	int error = scratch ? try_value(scratch, option, value, why, sizeof(why)) : OWAMP_ENOMEM;

	if (!error && !(option->flags & CFGF_LIST) && conffile_seen(option)) {
		snprintf(why, sizeof(why), "is given twice, expected one value");
		error = OWAMP_EINVAL;
	}
	config_free(scratch);
	if (error)
		cfg_error(cfg, "%s: %s", option->name, why);
	*(const char **)result = value;
	return error;
}

static int apply(struct config *config, const char *directory, cfg_t *cfg, char *why, size_t why_size)
{
	const char *name;

	if (cfg_getopt(cfg, "listen")->flags & CFGF_MODIFIED && cfg_size(cfg, "listen") == 0) {
		snprintf(why, why_size, "listen: the list is empty, expected at least one address");
		return OWAMP_EINVAL;
	}
	for (size_t i = 0; (name = config_key_name(i)); i++) {
		for (unsigned j = 0; j < cfg_size(cfg, name); j++) {
			const char *value = cfg_getnstr(cfg, name, j);
			int result = value ? config_set(config, directory, name, value, why, why_size) : 0;

			if (result)
				return result;
		}
	}
	return config_take_clock(config, cfg_getsec(cfg, "clock"), why, why_size);
}

static cfg_t *make_parser(void)
{
	cfg_opt_t options[KEYS_MAX + 2];
	size_t i;

	for (i = 0; i < KEYS_MAX && config_key_name(i); i++) {
		cfg_opt_t one = CFG_STR_CB(config_key_name(i), NULL, CFGF_NONE, check_value);
		cfg_opt_t list = CFG_STR_LIST_CB(config_key_name(i), NULL, CFGF_NONE, check_value);

		options[i] = config_key_is_list(config_key_name(i)) ? list : one;
	}
	options[i++] = (cfg_opt_t)CFG_SEC("clock", clock_config_options(), CFGF_NONE);
	options[i] = (cfg_opt_t)CFG_END();
	return cfg_init(options, CFGF_NONE);
}

int config_read(struct config *config, const char *directory, const char *path, char *error,
		size_t error_size)
{
	cfg_t *cfg = make_parser();
	char why[256] = "";
	int result;

	if (!cfg) {
		snprintf(error, error_size, "%s: out of memory", path);
		return OWAMP_ENOMEM;
	}
	result = conffile_parse(cfg, path, NULL, error, error_size);
	if (result)
		goto cleanup;
	result = apply(config, directory, cfg, why, sizeof(why));
	if (result)
		snprintf(error, error_size, "%s: %s", path, why);
cleanup:
	cfg_free(cfg);
	return result;
}

int config_finish(struct config *config, char *why, size_t why_size)
{
	const uint32_t secure = OWAMP_MODE_AUTHENTICATED | OWAMP_MODE_ENCRYPTED;

	if (config->modes & secure && !config->keys_path) {
		snprintf(why, why_size, "modes: A and E need a key file, expected keys to name one");
		return OWAMP_EINVAL;
	}
	if (config->modes == 0)
		config->modes = OWAMP_MODE_OPEN | (config->keys_path ? secure : 0);
	if (config->keep_summaries_ns == 0)
		config->keep_summaries_ns =
			config->keep_ns > KEEP_SUMMARIES_NS ? config->keep_ns : KEEP_SUMMARIES_NS;
	if (config->keep_summaries_ns < config->keep_ns) {
		snprintf(why, why_size, "keep_summaries: is shorter than keep, expected at least as much");
		return OWAMP_EINVAL;
	}
	if (config->listen_count == 0 && config_listen_all(config, OWAMP_PORT)) {
		snprintf(why, why_size, "out of memory");
		return OWAMP_ENOMEM;
	}
	return 0;
}
