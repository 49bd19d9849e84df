#include "clock/config.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <owamp/error.h>

#include "clock/conffile.h"
#include "clock/leap.h"
#include "clock/values.h"

#define NS_PER_S   INT64_C(1000000000)
#define PPB_PER_PM 1000

/* On a section: its place among all sources, in bits that libConfuse leaves alone. */
#define PLACE_SHIFT 24

#define SECTION "clock"

/* What a setter is told; it explains a failure in why. */
struct setting {
	const struct key *key;
	void *target; /* struct owamp_clock_config or struct owamp_clock_source_config */
	const char *value;
	char *why;
	size_t why_size;
};

struct key {
	const char *section; /* the name of a kind, or SECTION */
	const char *name;
	int (*set)(const struct setting *setting);
	size_t offset; /* of the field in the target */
	int64_t low;
	int64_t high;
};

static int expected(const struct setting *setting, const char *what)
{
	char value[61];
	size_t i;

	for (i = 0; i < sizeof(value) - 1 && setting->value[i]; i++)
		value[i] = setting->value[i];
	value[i] = '\0';
	snprintf(setting->why, setting->why_size, "%s: '%s', expected %s", setting->key->name, value, what);
	return OWAMP_EINVAL;
}

static void *field(const struct setting *setting)
{
	return (char *)setting->target + setting->key->offset;
}

static int64_t number(const struct setting *setting)
{
	const char *end = setting->value;
	int64_t value = value_number(&end);

	return *end ? -1 : value;
}

static int expected_number(const struct setting *setting)
{
	char what[80];

	snprintf(what, sizeof(what), "a number from %lld to %lld", (long long)setting->key->low,
		 (long long)setting->key->high);
	return expected(setting, what);
}

static bool in_range(const struct setting *setting, int64_t value)
{
	return value >= setting->key->low && value <= setting->key->high;
}

static int set_octet(const struct setting *setting)
{
	int64_t value = number(setting);

	if (!in_range(setting, value))
		return expected_number(setting);
	*(uint8_t *)field(setting) = (uint8_t)value;
	return 0;
}

static int set_port(const struct setting *setting)
{
	int64_t value = number(setting);

	if (!in_range(setting, value))
		return expected_number(setting);
	*(uint16_t *)field(setting) = (uint16_t)value;
	return 0;
}

static int set_unit(const struct setting *setting)
{
	int64_t value = number(setting);

	if (!in_range(setting, value))
		return expected_number(setting);
	*(unsigned *)field(setting) = (unsigned)value;
	return 0;
}

/* "1 s", "48 h": the ends of what is allowed are round. */
static void print_end(char *text, size_t size, int64_t ns)
{
	if (ns > 3600 * NS_PER_S)
		snprintf(text, size, "%lldh", (long long)(ns / NS_PER_S / 3600));
	else
		snprintf(text, size, "%llds", (long long)(ns / NS_PER_S));
}

static int expected_time(const struct setting *setting, const char *else_what)
{
	char low[24], high[24], what[120];

	print_end(low, sizeof(low), setting->key->low);
	print_end(high, sizeof(high), setting->key->high);
	snprintf(what, sizeof(what), "a time from %s to %s with unit ns, us, ms, s, min or h%s", low, high,
		 else_what);
	return expected(setting, what);
}

static int set_time(const struct setting *setting)
{
	int64_t ns = value_duration(setting->value);

	if (!in_range(setting, ns))
		return expected_time(setting, "");
	*(int64_t *)field(setting) = ns;
	return 0;
}

static int set_smear(const struct setting *setting)
{
	bool no = strcmp(setting->value, "no") == 0;
	int64_t ns = no ? 0 : value_duration(setting->value);

	if (!no && !in_range(setting, ns))
		return expected_time(setting, ", or no");
	*(int64_t *)field(setting) = ns;
	return 0;
}

static int set_drift(const struct setting *setting)
{
	int64_t ppb = value_ppm(setting->value);

	if (!in_range(setting, ppb))
		return expected(setting, "parts per million from 0.001 to 500, without a unit");
	*(int64_t *)field(setting) = ppb;
	return 0;
}

static int set_path(const struct setting *setting)
{
	size_t size = strlen(setting->value);

	if (setting->value[0] != '/' || size >= OWAMP_CLOCK_PATH_SIZE)
		return expected(setting, "an absolute path of at most 107 octets");
	memcpy(field(setting), setting->value, size + 1);
	return 0;
}

/* The usual one may be missing, even if it is named. What is not a file might make us wait. */
static int set_leap_file(const struct setting *setting)
{
	int result = set_path(setting);
	struct leap_table table;
	struct stat status;
	char error[200];

	if (result || strcmp(setting->value, OWAMP_CLOCK_LEAP_FILE) == 0)
		return result;
	if (stat(setting->value, &status) == 0 && !S_ISREG(status.st_mode))
		return expected(setting, "a leap-seconds.list");
	result = leap_load(&table, setting->value, error, sizeof(error));
	if (result)
		snprintf(setting->why, setting->why_size, "%s: %s", setting->key->name, error);
	return result;
}

static int set_host(const struct setting *setting)
{
	const char *host = setting->value;
	struct in6_addr address;

	if (strcmp(host, "localhost") != 0 && inet_pton(AF_INET, host, &address) != 1 &&
	    inet_pton(AF_INET6, host, &address) != 1)
		return expected(setting, "a numeric address, or localhost");
	memcpy(field(setting), host, strlen(host) + 1);
	return 0;
}

static int set_user(const struct setting *setting)
{
	size_t size = strlen(setting->value);

	if (size == 0 || size >= OWAMP_CLOCK_USER_SIZE || !getpwnam(setting->value))
		return expected(setting, "the name of a user of this host");
	memcpy(field(setting), setting->value, size + 1);
	return 0;
}

static int set_yes_no(const struct setting *setting)
{
	bool yes = strcmp(setting->value, "yes") == 0;

	if (!yes && strcmp(setting->value, "no") != 0)
		return expected(setting, "yes or no");
	*(bool *)field(setting) = yes;
	return 0;
}

static int set_timescale(const struct setting *setting)
{
	bool utc = strcmp(setting->value, "utc") == 0;

	if (!utc && strcmp(setting->value, "tai") != 0)
		return expected(setting, "tai or utc");
	*(enum owamp_clock_timescale *)field(setting) = utc ? OWAMP_CLOCK_UTC : OWAMP_CLOCK_TAI;
	return 0;
}

static int add_class(const struct setting *setting)
{
	int64_t value = number(setting);
	uint64_t *classes = field(setting);

	if (!in_range(setting, value))
		return expected_number(setting);
	classes[value / 64] |= UINT64_C(1) << value % 64;
	return 0;
}

#define OF(member)        offsetof(struct owamp_clock_config, member)
#define OF_SOURCE(member) offsetof(struct owamp_clock_source_config, member)
#define MAX_NS            (10 * NS_PER_S)

static const struct key keys[] = {
	{"ptp", "socket", set_path, OF_SOURCE(ptp.socket), 0, 0},
	{"ptp", "domain", set_octet, OF_SOURCE(ptp.domain), 0, 255},
	{"ptp", "accuracy", set_time, OF_SOURCE(ptp.accuracy_ns), 0, MAX_NS},
	{"ptp", "hop_error", set_time, OF_SOURCE(ptp.hop_error_ns), 0, MAX_NS},
	{"ptp", "classes", add_class, OF_SOURCE(ptp.classes), 0, 255},
	{"ptp", "free_running", set_yes_no, OF_SOURCE(ptp.free_running), 0, 0},
	{"phc", "device", set_path, OF_SOURCE(phc.device), 0, 0},
	{"phc", "timescale", set_timescale, OF_SOURCE(phc.timescale), 0, 0},
	{"phc", "accuracy", set_time, OF_SOURCE(phc.accuracy_ns), 0, MAX_NS},
	{"gps", "host", set_host, OF_SOURCE(gps.host), 0, 0},
	{"gps", "port", set_port, OF_SOURCE(gps.port), 1, 65535},
	{"gps", "device", set_path, OF_SOURCE(gps.device), 0, 0},
	{"gps", "pps_error", set_time, OF_SOURCE(gps.pps_error_ns), 0, MAX_NS},
	{"gps", "serial_error", set_time, OF_SOURCE(gps.serial_error_ns), 0, MAX_NS},
	{"gps", "serial_offset", set_time, OF_SOURCE(gps.serial_offset_ns), 0, MAX_NS},
	{"gps", "user", set_user, OF_SOURCE(gps.user), 0, 0},
	{"shm", "unit", set_unit, OF_SOURCE(shm.unit), 0, 255},
	{"shm", "error", set_time, OF_SOURCE(shm.error_ns), 0, MAX_NS},
	{"shm", "user", set_user, OF_SOURCE(shm.user), 0, 0},
	{"chrony", "host", set_host, OF_SOURCE(chrony.host), 0, 0},
	{"chrony", "port", set_port, OF_SOURCE(chrony.port), 1, 65535},
	{"chrony", "socket", set_path, OF_SOURCE(chrony.socket), 0, 0},
	{SECTION, "drift_max", set_drift, OF(drift_max_ppb), 1, 500 * PPB_PER_PM},
	{SECTION, "holdover", set_time, OF(holdover_ns), 0, 16 * NS_PER_S},
	{SECTION, "holdover_time", set_time, OF(holdover_time_ns), 0, 24 * 3600 * NS_PER_S},
	{SECTION, "smear", set_smear, OF(smear_ns), NS_PER_S, 48 * 3600 * NS_PER_S},
	{SECTION, "leap_file", set_leap_file, OF(leap_file), 0, 0},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Tries a value while libConfuse still knows the line. */
static int check_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	union {
		struct owamp_clock_config config;
		struct owamp_clock_source_config source;
	} scratch = {0};
	char why[256] = "";
	struct setting setting = {find_key(cfg->name, option->name), &scratch, value, why, sizeof(why)};
	int error = setting.key->set(&setting);

	if (!error && !(option->flags & CFGF_LIST) && conffile_seen(option)) {
		snprintf(why, sizeof(why), "%s: is given twice, expected one value", option->name);
		error = OWAMP_EINVAL;
	}
	if (error)
		cfg_error(cfg, "%s", why);
	*(const char **)result = value;
	return error;
}

/* A section of sources, in the order of enum owamp_clock_kind. */
static cfg_opt_t *kind_option(cfg_t *clock, size_t kind)
{
	return cfg_getopt(clock, owamp_clock_kind_name((enum owamp_clock_kind)kind));
}

static bool is_printable(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			return false;
	return true;
}

static bool is_given(cfg_t *section, const char *name)
{
	return cfg_getopt(section, name)->flags & CFGF_MODIFIED;
}

/* Another source of that name: its kind, or NULL. */
static const char *find_twin(cfg_t *clock, const cfg_t *section)
{
	for (size_t kind = 0; kind < OWAMP_CLOCK_KINDS; kind++) {
		cfg_opt_t *option = kind_option(clock, kind);

		for (unsigned i = 0; i < cfg_opt_size(option); i++) {
			const cfg_t *other = cfg_opt_getnsec(option, i);

			if (other != section && strcmp(other->title, section->title) == 0)
				return option->name;
		}
	}
	return NULL;
}

static unsigned count_sources(cfg_t *clock)
{
	unsigned count = 0;

	for (size_t kind = 0; kind < OWAMP_CLOCK_KINDS; kind++)
		count += cfg_opt_size(kind_option(clock, kind));
	return count;
}

static int refuse_source(cfg_t *clock, const cfg_t *section, const char *why)
{
	cfg_error(clock, "%s \"%s\": %s", section->name, section->title, why);
	return -1;
}

/* At the end of each source's section. libConfuse keeps no order among sections of different names. */
static int check_source(cfg_t *clock, cfg_opt_t *option)
{
	cfg_t *section = cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	unsigned count = count_sources(clock);
	const char *twin = find_twin(clock, section);
	char why[80];

	if (!section->title[0] || strlen(section->title) >= OWAMP_CLOCK_NAME_SIZE ||
	    !is_printable(section->title))
		return refuse_source(clock, section, "the name, expected 1 to 31 printable ASCII characters");
	if (twin) {
		snprintf(why, sizeof(why), "%s \"%s\" has that name, expected another", twin, section->title);
		return refuse_source(clock, section, why);
	}
	if (count > OWAMP_CLOCK_SOURCES_MAX)
		return refuse_source(clock, section, "is one too many, expected at most 16 sources");
	if (strcmp(section->name, "chrony") == 0 && is_given(section, "socket") &&
	    (is_given(section, "host") || is_given(section, "port")))
		return refuse_source(clock, section, "socket excludes host and port, expected one way");
	section->flags |= (cfg_flag_t)(count << PLACE_SHIFT);
	return 0;
}

#define KEY(name) CFG_STR_CB(name, NULL, CFGF_NONE, check_value)
#define SOURCE(kind, keys)                                                                                   \
	{                                                                                                    \
		.name = kind, .type = CFGT_SEC, .flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES,      \
		.subopts = keys, .validcb = check_source                                                     \
	}

cfg_opt_t *clock_config_options(void)
{
	static cfg_opt_t ptp[] = {
		KEY("socket"),
		KEY("domain"),
		KEY("accuracy"),
		KEY("hop_error"),
		CFG_STR_LIST_CB("classes", "{6, 7}", CFGF_NONE, check_value),
		KEY("free_running"),
		CFG_END(),
	};
	static cfg_opt_t phc[] = {KEY("device"), KEY("timescale"), KEY("accuracy"), CFG_END()};
	static cfg_opt_t gps[] = {
		KEY("host"),         KEY("port"),          KEY("device"), KEY("pps_error"),
		KEY("serial_error"), KEY("serial_offset"), KEY("user"),   CFG_END(),
	};
	static cfg_opt_t shm[] = {KEY("unit"), KEY("error"), KEY("user"), CFG_END()};
	static cfg_opt_t chrony[] = {KEY("host"), KEY("port"), KEY("socket"), CFG_END()};
	static cfg_opt_t kernel[] = {CFG_END()};
	static cfg_opt_t options[] = {
		SOURCE("ptp", ptp), SOURCE("phc", phc),       SOURCE("gps", gps),
		SOURCE("shm", shm), SOURCE("chrony", chrony), SOURCE("kernel", kernel),
		KEY("drift_max"),   KEY("holdover"),          KEY("holdover_time"),
		KEY("smear"),       KEY("leap_file"),         CFG_END(),
	};

	return options;
}

/* What was checked while it was parsed. */
static int take_keys(cfg_t *section, void *target, char *why, size_t why_size)
{
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &keys[i];

		if (strcmp(key->section, section->name) != 0)
			continue;
		for (unsigned j = 0; j < cfg_size(section, key->name); j++) {
			const char *value = cfg_getnstr(section, key->name, j);
			struct setting setting = {key, target, value, why, why_size};
			int result = value ? key->set(&setting) : 0;

			if (result)
				return result;
		}
	}
	return 0;
}

static int take_source(cfg_t *section, enum owamp_clock_kind kind, struct owamp_clock_source_config *source,
		       char *why, size_t why_size)
{
	owamp_clock_source_default(source, kind);
	snprintf(source->name, sizeof(source->name), "%s", section->title);
	if (kind == OWAMP_CLOCK_KIND_PTP)
		memset(source->ptp.classes, 0, sizeof(source->ptp.classes));
	if (kind == OWAMP_CLOCK_KIND_CHRONY && is_given(section, "socket"))
		source->chrony.host[0] = '\0';
	return take_keys(section, source, why, why_size);
}

int clock_config_take(cfg_t *section, struct owamp_clock_config *config, char *why, size_t why_size)
{
	unsigned count = section ? count_sources(section) : 0;

	owamp_clock_config_default(config);
	if (!section)
		return 0;
	if (count > 0)
		config->count = count;
	for (size_t kind = 0; kind < OWAMP_CLOCK_KINDS; kind++) {
		cfg_opt_t *option = kind_option(section, kind);

		for (unsigned i = 0; i < cfg_opt_size(option); i++) {
			cfg_t *source = cfg_opt_getnsec(option, i);
			unsigned place = (unsigned)source->flags >> PLACE_SHIFT;
			int result = take_source(source, (enum owamp_clock_kind)kind,
						 &config->sources[place - 1], why, why_size);

			if (result)
				return result;
		}
	}
	return take_keys(section, config, why, why_size);
}

int clock_config_load(struct owamp_clock_config *config, const char *path, char *error, size_t error_size)
{
	cfg_opt_t options[] = {CFG_SEC(SECTION, clock_config_options(), CFGF_NONE), CFG_END()};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	char why[256] = "";
	int result;

	if (!cfg) {
		snprintf(error, error_size, "%s: out of memory", path);
		return OWAMP_ENOMEM;
	}
	result = conffile_parse(cfg, path, SECTION, error, error_size);
	if (!result && !conffile_seen(cfg_getopt(cfg, SECTION))) {
		snprintf(error, error_size, "%s: no section clock, expected clock { ... }", path);
		result = OWAMP_EINVAL;
	}
	if (result)
		goto cleanup;
	result = clock_config_take(cfg_getsec(cfg, SECTION), config, why, sizeof(why));
	if (result)
		snprintf(error, error_size, "%s: %s: %s", path, SECTION, why);
cleanup:
	cfg_free(cfg);
	return result;
}
