#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock/values.h"
#include "owamp/crypto.h"
#include "owamp/engine.h"
#include "owamp/error.h"
#include "owamp/session.h"
#include "owampd/config.h"
#include "owampd/config_keys.h"
#include "owampd/config_values.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  (1000 * NS_PER_MS)
#define DAY_NS    (86400 * NS_PER_S)

struct key;

/* What a setter is told; it explains a failure in why. */
struct setting {
	const struct key *key;
	struct config *config;
	const char *directory;
	const char *value;
	char *why;
	size_t why_size;
};

struct key {
	const char *name;
	int (*set)(const struct setting *setting);
	size_t offset; /* of the field in struct config, for setters of one field */
	int64_t low;
	int64_t high;
};

static int expected(const struct setting *setting, const char *what)
{
	char value[61];
	size_t i;

	/* A quoted string of the file can hold a newline, a message must not. */
	for (i = 0; i < sizeof(value) - 1 && setting->value[i]; i++)
		value[i] = iscntrl((unsigned char)setting->value[i]) ? '?' : setting->value[i];
	value[i] = '\0';
	snprintf(setting->why, setting->why_size, "'%s', expected %s", value, what);
	return OWAMP_EINVAL;
}

static int no_memory(const struct setting *setting)
{
	snprintf(setting->why, setting->why_size, "out of memory");
	return OWAMP_ENOMEM;
}

static void *field(const struct setting *setting)
{
	return (char *)setting->config + setting->key->offset;
}

static int set_number(const struct setting *setting)
{
	const struct key *key = setting->key;
	const char *end = setting->value;
	int64_t number = value_number(&end);
	char what[80];
	uint32_t value;

	snprintf(what, sizeof(what), "an integer from %lld to %lld", (long long)key->low,
		 (long long)key->high);
	if (number < key->low || number > key->high || *end)
		return expected(setting, what);
	value = (uint32_t)number;
	memcpy(field(setting), &value, sizeof(value));
	return 0;
}

static int set_count(const struct setting *setting)
{
	const char *end = setting->value;
	int64_t number = value_number(&end);

	if (*end || number < setting->key->low || number > setting->key->high || (number & (number - 1)) != 0)
		return expected(setting, "a power of two from 1024 to 16777216");
	return set_number(setting);
}

static int set_duration(const struct setting *setting)
{
	int64_t ns = value_duration(setting->value);
	char what[120];

	snprintf(what, sizeof(what),
		 "a time from %.1f to %.0f s as NUMBER[ns|us|ms|s|min|h|d], such as 0.5, 90s or 1d",
		 (double)setting->key->low / 1e9, (double)setting->key->high / 1e9);
	if (ns < setting->key->low || ns > setting->key->high)
		return expected(setting, what);
	memcpy(field(setting), &ns, sizeof(ns));
	return 0;
}

static int set_spin(const struct setting *setting)
{
	int64_t ns = value_duration(setting->value);

	if (strcmp(setting->value, "auto") == 0)
		ns = OWAMP_SPIN_AUTO;
	else if (ns < 0 || ns > OWAMP_SPIN_MAX)
		return expected(setting, "auto, or a time from 0 to 1ms, such as 50us");
	setting->config->spin_ns = ns;
	return 0;
}

static int set_cpu(const struct setting *setting)
{
	char list[120], what[200];
	int cpu = -1;

	if (strcmp(setting->value, "any") != 0 && !value_cpu(setting->value, &cpu, list, sizeof(list))) {
		snprintf(what, sizeof(what), "any, or the number of a CPU that owampd may use: %s", list);
		return expected(setting, what);
	}
	memcpy(field(setting), &cpu, sizeof(cpu));
	return 0;
}

static int set_yes_no(const struct setting *setting)
{
	bool yes = strcmp(setting->value, "yes") == 0;

	if (!yes && strcmp(setting->value, "no") != 0)
		return expected(setting, "yes or no");
	memcpy(field(setting), &yes, sizeof(yes));
	return 0;
}

static int set_octets(const struct setting *setting)
{
	const struct key *key = setting->key;
	int64_t number = value_octets(setting->value, key->high);
	uint64_t octets = (uint64_t)number;

	if (number < 0 || (number != 0 && number < key->low))
		return expected(setting, "octets as an integer with an optional suffix k, m, g or t, from "
					 "1m to 1000000t (0: no limit)");
	memcpy(field(setting), &octets, sizeof(octets));
	return 0;
}

static int replace_text(const struct setting *setting, char *text)
{
	char **place = field(setting);

	if (!text)
		return no_memory(setting);
	free(*place);
	*place = text;
	return 0;
}

static int set_name(const struct setting *setting)
{
	if (!setting->value[0])
		return expected(setting, "a name");
	return replace_text(setting, strdup(setting->value));
}

static int set_path(const struct setting *setting)
{
	if (!setting->value[0])
		return expected(setting, "the path of a file");
	return replace_text(setting, config_absolute(setting->directory, setting->value));
}

/* The system's limit is for the absolute path: where we are then, nobody knows. */
static int set_socket(const struct setting *setting)
{
	int result = set_path(setting);
	const char *const *path = field(setting);
	char what[80];

	if (result || strlen(*path) <= (size_t)setting->key->high)
		return result;
	snprintf(what, sizeof(what), "at most %lld octets, with the directory of the start",
		 (long long)setting->key->high);
	return expected(setting, what);
}

static int set_test_ports(const struct setting *setting)
{
	static const char form[] = "LOW-HIGH, one port, or 0 for any, of ports 1 to 65535";
	const char *end = setting->value;
	int64_t low = value_number(&end), high = low;

	if (low != 0 && *end == '-') {
		end++;
		high = value_number(&end);
	}
	if (*end || low < 0 || high < low || high > 65535)
		return expected(setting, form);
	setting->config->test_port_low = (uint16_t)low;
	setting->config->test_port_high = (uint16_t)high;
	return 0;
}

static int set_modes(const struct setting *setting)
{
	static const char letters[] = "OAE";
	static const uint32_t bits[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
	uint32_t modes = 0;

	for (const char *c = setting->value; *c; c++) {
		const char *at = strchr(letters, *c);

		if (!at || modes & bits[at - letters])
			return expected(setting, "letters of E, A and O, each at most once");
		modes |= bits[at - letters];
	}
	if (modes == 0)
		return expected(setting, "at least one letter of E, A and O");
	setting->config->modes = modes;
	return 0;
}

static int set_log_level(const struct setting *setting)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {{"debug", LOG_DEBUG},
		      {"info", LOG_INFO},
		      {"notice", LOG_NOTICE},
		      {"warning", LOG_WARNING},
		      {"error", LOG_ERR}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(setting->value, levels[i].name) == 0) {
			setting->config->log_level = levels[i].level;
			return 0;
		}
	}
	return expected(setting, "debug, info, notice, warning or error");
}

static int add_listen(struct config *config, const void *address, socklen_t size, bool is_default)
{
	struct config_address *list = realloc(config->listen, (config->listen_count + 1) * sizeof(*list));

	if (!list)
		return OWAMP_ENOMEM;
	config->listen = list;
	list += config->listen_count++;
	memset(list, 0, sizeof(*list));
	memcpy(&list->address, address, size);
	list->size = size;
	list->is_default = is_default;
	return 0;
}

/* All addresses: a host may well have only one of the two families. */
int config_listen_all(struct config *config, uint16_t port)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (add_listen(config, &in6, sizeof(in6), true) || add_listen(config, &in, sizeof(in), true))
		return OWAMP_ENOMEM;
	return 0;
}

/* An IPv6 address can name its interface: fe80::1%eth0. */
static bool parse_in6(const char *text, uint16_t port, struct sockaddr_in6 *in6)
{
	struct addrinfo hints = {
		.ai_family = AF_INET6, .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;

	if (getaddrinfo(text, NULL, &hints, &list) != 0)
		return false;
	memcpy(in6, list->ai_addr, sizeof(*in6));
	in6->sin6_port = htons(port);
	freeaddrinfo(list);
	return true;
}

/* Splits [HOST]:PORT, [HOST], HOST:PORT, HOST, :PORT and PORT; no brackets: no colon in HOST. */
static bool split_host(const char *value, char *host, size_t host_size, bool *brackets, uint16_t *port)
{
	bool only_port = value[strspn(value, "0123456789")] == '\0';
	const char *begin = value;
	const char *end = only_port ? value : value + strcspn(value, ":");
	const char *rest = end;
	int64_t number = OWAMP_PORT;

	*brackets = value[0] == '[';
	if (*brackets) {
		begin++;
		end = strchr(begin, ']');
		if (!end || end == begin)
			return false;
		rest = end + 1;
	}
	if ((size_t)(end - begin) >= host_size)
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (only_port || *rest == ':') {
		rest += !only_port;
		number = value_number(&rest);
	}
	*port = (uint16_t)number;
	return *rest == '\0' && number >= 1 && number <= 65535;
}

static int set_listen(const struct setting *setting)
{
	static const char form[] = "ADDRESS, ADDRESS:PORT or PORT, with IPv6 addresses in brackets";
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6;
	char host[INET6_ADDRSTRLEN + 24];
	bool brackets;
	uint16_t port;
	int result;

	if (!split_host(setting->value, host, sizeof(host), &brackets, &port))
		return expected(setting, form);
	in.sin_port = htons(port);
	if (!host[0])
		result = config_listen_all(setting->config, port);
	else if (brackets && parse_in6(host, port, &in6))
		result = add_listen(setting->config, &in6, sizeof(in6), false);
	else if (!brackets && inet_pton(AF_INET, host, &in.sin_addr) == 1)
		result = add_listen(setting->config, &in, sizeof(in), false);
	else
		return expected(setting, form);
	return result ? no_memory(setting) : 0;
}

static void clear_listen(struct config *config)
{
	free(config->listen);
	config->listen = NULL;
	config->listen_count = 0;
}

static size_t interface_count(const struct config *config)
{
	size_t count = 0;

	while (config->hardware_timestamps && config->hardware_timestamps[count])
		count++;
	return count;
}

static int add_interface(const struct setting *setting, const char *name, size_t size)
{
	struct config *config = setting->config;
	size_t count = interface_count(config);
	char **list;

	if (size == 0 || size >= IF_NAMESIZE || strcspn(name, "/ \t\n") < size)
		return expected(setting, "the name of a network interface");
	for (size_t i = 0; i < count; i++) {
		const char *other = config->hardware_timestamps[i];

		if (strlen(other) == size && memcmp(other, name, size) == 0)
			return expected(setting, "each interface once");
	}
	list = realloc(config->hardware_timestamps, (count + 2) * sizeof(*list));
	if (!list)
		return no_memory(setting);
	config->hardware_timestamps = list;
	list[count] = strndup(name, size);
	list[count + 1] = NULL;
	return list[count] ? 0 : no_memory(setting);
}

static int add_interfaces(const struct setting *setting)
{
	for (const char *name = setting->value;; name++) {
		size_t size = strcspn(name, ",");
		int result = add_interface(setting, name, size);

		name += size;
		if (result || !*name)
			return result;
	}
}

static void clear_interfaces(struct config *config)
{
	for (size_t i = 0; i < interface_count(config); i++)
		free(config->hardware_timestamps[i]);
	free(config->hardware_timestamps);
	config->hardware_timestamps = NULL;
}

#define FIELD(name) offsetof(struct config, name)

static const struct key keys[] = {
	{"listen", set_listen, 0, 0, 0},
	{"test_ports", set_test_ports, 0, 0, 0},
	{"modes", set_modes, 0, 0, 0},
	{"keys", set_path, FIELD(keys_path), 0, 0},
	{"limits", set_path, FIELD(limits_path), 0, 0},
	{"user", set_name, FIELD(user), 0, 0},
	{"group", set_name, FIELD(group), 0, 0},
	{"pid_file", set_path, FIELD(pid_file), 0, 0},
	{"archive", set_path, FIELD(archive_path), 0, 0},
	{"status_socket", set_socket, FIELD(status_socket), 0, OWAMP_CLOCK_PATH_SIZE - 1},
	{"archive_max", set_octets, FIELD(archive_max), 1 << 20, INT64_C(1000000) << 40},
	{"pbkdf2_count", set_count, FIELD(pbkdf2_count), OWAMP_PBKDF2_COUNT_MIN, 1 << 24},
	{"connections_max", set_number, FIELD(connections_max), 1, 1000000},
	{"handshakes_max", set_number, FIELD(handshakes_max), 1, 1000000},
	{"connections_per_address_max", set_number, FIELD(connections_per_address_max), 1, 1000000},
	{"handshake_timeout", set_duration, FIELD(handshake_timeout_ns), NS_PER_S / 10, 3600 * NS_PER_S},
	{"control_timeout", set_duration, FIELD(control_timeout_ns), NS_PER_S, 365 * DAY_NS},
	{"end_delay", set_duration, FIELD(end_delay_ns), 0, 60 * NS_PER_S},
	{"slots_max", set_number, FIELD(slots_max), 1, 1000000},
	{"sessions_per_connection_max", set_number, FIELD(sessions_per_connection_max), 1, 1000000},
	{"realtime_priority", set_number, FIELD(realtime_priority), 0, 99},
	{"lock_memory", set_yes_no, FIELD(lock_memory), 0, 0},
	{"spin", set_spin, 0, 0, 0},
	{"pacer_cpu", set_cpu, FIELD(pacer_cpu), 0, 0},
	{"collector_cpu", set_cpu, FIELD(collector_cpu), 0, 0},
	{"hardware_timestamps", add_interfaces, 0, 0, 0},
	{"shared_test_port", set_number, FIELD(shared_test_port), 0, 65535},
	{"keep", set_duration, FIELD(keep_ns), NS_PER_S, 3650 * DAY_NS},
	{"keep_summaries", set_duration, FIELD(keep_summaries_ns), NS_PER_S, 36500 * DAY_NS},
	{"log_level", set_log_level, 0, 0, 0},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

int config_set(struct config *config, const char *directory, const char *key, const char *value, char *why,
	       size_t why_size)
{
	struct setting setting = {
		.config = config, .directory = directory, .value = value, .why = why, .why_size = why_size};

	for (size_t i = 0; i < KEYS; i++) {
		if (strcmp(key, keys[i].name) == 0) {
			setting.key = &keys[i];
			return keys[i].set(&setting);
		}
	}
	snprintf(why, why_size, "no such key");
	return OWAMP_EINVAL;
}

const char *config_key_name(size_t index)
{
	return index < KEYS ? keys[index].name : NULL;
}

static const struct list {
	const char *name;
	void (*clear)(struct config *config);
} lists[] = {
	{"listen", clear_listen},
	{"hardware_timestamps", clear_interfaces},
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

static const struct list *find_list(const char *name)
{
	for (size_t i = 0; i < LISTS; i++)
		if (strcmp(lists[i].name, name) == 0)
			return &lists[i];
	return NULL;
}

bool config_key_is_list(const char *name)
{
	return find_list(name) != NULL;
}

void config_clear_list(struct config *config, const char *name)
{
	find_list(name)->clear(config);
}

char *config_absolute(const char *directory, const char *path)
{
	char *absolute;

	if (path[0] == '/' || !directory[0])
		return strdup(path);
	return asprintf(&absolute, "%s/%s", directory, path) < 0 ? NULL : absolute;
}
