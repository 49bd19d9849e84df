/* Any octets as owampd's configuration file, read as on SIGHUP: refused with a line, or within all limits. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "owamp/crypto.h"
#include "owamp/session.h"
#include "owampd/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line that names the file; bytes of the file that are no text stay out of it. */
static void take_line(void *context, const char *line)
{
	unsigned *lines = context;

	assert(strncmp(line, "/proc/self/fd/", 14) == 0);
	assert(!strpbrk(line, "\n\r\x1b"));
	++*lines;
}

static void check_listen(const struct config *config)
{
	assert(config->listen_count >= 1);
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct sockaddr *address = (const struct sockaddr *)&config->listen[i].address;

		assert(address->sa_family == AF_INET || address->sa_family == AF_INET6);
		assert(config->listen[i].size >= sizeof(struct sockaddr));
		assert(config->listen[i].size <= sizeof(config->listen[i].address));
	}
}

static void check(const struct config *config)
{
	const uint32_t secure = OWAMP_MODE_AUTHENTICATED | OWAMP_MODE_ENCRYPTED;

	check_listen(config);
	assert(config->test_port_low <= config->test_port_high);
	assert(config->modes && !(config->modes & ~OWAMP_MODE_MASK));
	assert(!(config->modes & secure) || config->keys_path);
	assert(!config->keys_path || config->keys_path[0]);
	assert(!config->limits_path || config->limits_path[0]);
	assert(!config->user || config->user[0]);
	assert(!config->group || config->group[0]);
	assert(config->pbkdf2_count >= OWAMP_PBKDF2_COUNT_MIN);
	assert(!(config->pbkdf2_count & (config->pbkdf2_count - 1)));
	assert(config->connections_max >= 1 && config->handshakes_max >= 1);
	assert(config->connections_per_address_max >= 1);
	assert(config->handshake_timeout_ns > 0 && config->control_timeout_ns > 0);
	assert(config->end_delay_ns >= 0 && config->keep_ns > 0);
	assert(config->slots_max >= 1 && config->sessions_per_connection_max >= 1);
	assert(config->log_level >= LOG_ERR && config->log_level <= LOG_DEBUG);
	assert(!config->foreground && !config->check_only);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	char path[32], program[] = "owampd", option[] = "--config";
	char *argv[] = {program, option, path, NULL};
	struct config *config;
	unsigned lines = 0;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_reload(3, argv, take_line, &lines);
	assert(lines == (config ? 0 : 1));
	if (config)
		check(config);
	config_free(config);
	close(fd);
	return 0;
}
