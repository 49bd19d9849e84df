/* Any octets as a file with a clock section: refused with a line, or within all limits. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock/config.h"

#define S INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_time(int64_t ns, int64_t high)
{
	assert(ns >= 0 && ns <= high);
}

static void check_source(const struct owamp_clock_source_config *source)
{
	assert(source->kind < OWAMP_CLOCK_KINDS);
	assert(source->name[0] && memchr(source->name, '\0', sizeof(source->name)));
	if (source->kind == OWAMP_CLOCK_KIND_PTP) {
		assert(source->ptp.socket[0] == '/');
		check_time(source->ptp.accuracy_ns, 10 * S);
		check_time(source->ptp.hop_error_ns, 10 * S);
	} else if (source->kind == OWAMP_CLOCK_KIND_PHC) {
		assert(source->phc.device[0] == '/');
		assert(source->phc.timescale == OWAMP_CLOCK_TAI || source->phc.timescale == OWAMP_CLOCK_UTC);
		check_time(source->phc.accuracy_ns, 10 * S);
	} else if (source->kind == OWAMP_CLOCK_KIND_GPS) {
		assert(source->gps.host[0] && source->gps.port);
		check_time(source->gps.pps_error_ns, 10 * S);
		check_time(source->gps.serial_error_ns, 10 * S);
		check_time(source->gps.serial_offset_ns, 10 * S);
		assert(memchr(source->gps.user, '\0', sizeof(source->gps.user)));
	} else if (source->kind == OWAMP_CLOCK_KIND_SHM) {
		assert(source->shm.unit <= 255);
		check_time(source->shm.error_ns, 10 * S);
		assert(memchr(source->shm.user, '\0', sizeof(source->shm.user)));
	} else if (source->kind == OWAMP_CLOCK_KIND_CHRONY) {
		assert(source->chrony.port && !source->chrony.host[0] == (source->chrony.socket[0] == '/'));
	}
}

static void check(const struct owamp_clock_config *config)
{
	assert(config->count >= 1 && config->count <= OWAMP_CLOCK_SOURCES_MAX);
	for (size_t i = 0; i < config->count; i++)
		check_source(&config->sources[i]);
	for (size_t i = 0; i < config->count; i++)
		for (size_t j = 0; j < i; j++)
			assert(strcmp(config->sources[i].name, config->sources[j].name) != 0);
	assert(config->drift_max_ppb >= 1 && config->drift_max_ppb <= 500000);
	check_time(config->holdover_ns, 16 * S);
	check_time(config->holdover_time_ns, 24 * 3600 * S);
	check_time(config->smear_ns, 48 * 3600 * S);
	assert(config->leap_file[0] == '/' && !config->open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("clock.conf", MFD_CLOEXEC);
	struct owamp_clock_config config;
	char path[32], error[1024] = "";

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (clock_config_load(&config, path, error, sizeof(error)) == 0) {
		assert(!error[0]);
		check(&config);
	} else {
		assert(strncmp(error, path, strlen(path)) == 0);
		assert(!strpbrk(error, "\n\r\x1b"));
	}
	close(fd);
	return 0;
}
