/* What there is to name and to choose: kinds, defaults, what cannot be, words for people. */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <owamp/error.h>

#include "listener.h"
#include "owner.h"

#define CLASS_PRIMARY          6 /* synchronized to a primary reference */
#define CLASS_PRIMARY_HOLDOVER 7

#define GPSD_PORT    2947
#define CHRONYD_PORT 323

#define LOCALHOST "127.0.0.1"

static const char *const kind_names[OWAMP_CLOCK_KINDS] = {
	[OWAMP_CLOCK_KIND_PTP] = "ptp",       [OWAMP_CLOCK_KIND_PHC] = "phc",
	[OWAMP_CLOCK_KIND_GPS] = "gps",       [OWAMP_CLOCK_KIND_SHM] = "shm",
	[OWAMP_CLOCK_KIND_CHRONY] = "chrony", [OWAMP_CLOCK_KIND_KERNEL] = "kernel",
};

static const struct {
	const char *source;
	const char *words;
} source_words[] = {
	{OWAMP_CLOCK_PTP, "PTP"},
	{OWAMP_CLOCK_PTP_PHC, "PTP, hardware clock"},
	{OWAMP_CLOCK_PHC, "hardware clock"},
	{OWAMP_CLOCK_GPS_PPS, "GPS with PPS"},
	{OWAMP_CLOCK_GPS_SERIAL, "GPS without PPS"},
	{OWAMP_CLOCK_SHM, "shared memory"},
	{OWAMP_CLOCK_CHRONY, "NTP"},
	{OWAMP_CLOCK_KERNEL, "kernel"},
};

const char *owamp_clock_source_words(const char *source)
{
	for (size_t i = 0; source && i < sizeof source_words / sizeof source_words[0]; i++) {
		if (strcmp(source, source_words[i].source) == 0)
			return source_words[i].words;
	}
	return "no source";
}

const char *owamp_clock_kind_name(enum owamp_clock_kind kind)
{
	return kind < OWAMP_CLOCK_KINDS ? kind_names[kind] : "?";
}

const char *owamp_clock_state_name(enum owamp_clock_state state)
{
	switch (state) {
	case OWAMP_CLOCK_ABSENT:
		return "absent";
	case OWAMP_CLOCK_DOUBTFUL:
		return "doubtful";
	case OWAMP_CLOCK_VALID:
		return "valid";
	case OWAMP_CLOCK_HOLDOVER:
		return "holdover";
	}
	return "?";
}

const char *owamp_clock_steering_words(enum owamp_clock_steering steering)
{
	switch (steering) {
	case OWAMP_CLOCK_STEERED_BY_NOBODY:
		return "nobody that is known";
	case OWAMP_CLOCK_STEERED_BY_CHRONY:
		return "chronyd";
	case OWAMP_CLOCK_STEERED_BY_NTP:
		return "an NTP daemon";
	case OWAMP_CLOCK_STEERED_BY_SNTP:
		return "an SNTP client such as systemd-timesyncd";
	case OWAMP_CLOCK_STEERED_BY_PTP:
		return "ptp4l, phc2sys or the like";
	}
	return "?";
}

void owamp_clock_source_default(struct owamp_clock_source_config *source, enum owamp_clock_kind kind)
{
	*source = (struct owamp_clock_source_config){.kind = kind};
	(void)snprintf(source->name, sizeof source->name, "%s", owamp_clock_kind_name(kind));
	switch (kind) {
	case OWAMP_CLOCK_KIND_PTP:
		(void)snprintf(source->ptp.socket, sizeof source->ptp.socket, "%s", OWAMP_CLOCK_PTP_SOCKET);
		source->ptp.classes[0] = UINT64_C(1) << CLASS_PRIMARY | UINT64_C(1) << CLASS_PRIMARY_HOLDOVER;
		break;
	case OWAMP_CLOCK_KIND_PHC:
		(void)snprintf(source->phc.device, sizeof source->phc.device, "/dev/ptp0");
		break;
	case OWAMP_CLOCK_KIND_GPS:
		(void)snprintf(source->gps.host, sizeof source->gps.host, LOCALHOST);
		source->gps.port = GPSD_PORT;
		source->gps.pps_error_ns = OWAMP_CLOCK_PPS_ERROR_NS;
		source->gps.serial_error_ns = OWAMP_CLOCK_SERIAL_ERROR_NS;
		break;
	case OWAMP_CLOCK_KIND_SHM:
		source->shm.error_ns = OWAMP_CLOCK_SHM_ERROR_NS;
		break;
	case OWAMP_CLOCK_KIND_CHRONY:
		(void)snprintf(source->chrony.host, sizeof source->chrony.host, LOCALHOST);
		source->chrony.port = CHRONYD_PORT;
		break;
	case OWAMP_CLOCK_KIND_KERNEL:
	case OWAMP_CLOCK_KINDS:
		break;
	}
}

void owamp_clock_config_default(struct owamp_clock_config *config)
{
	static const enum owamp_clock_kind kinds[] = {
		OWAMP_CLOCK_KIND_PTP,
		OWAMP_CLOCK_KIND_GPS,
		OWAMP_CLOCK_KIND_CHRONY,
		OWAMP_CLOCK_KIND_KERNEL,
	};

	*config = (struct owamp_clock_config){
		.drift_max_ppb = OWAMP_CLOCK_DRIFT_MAX_PPB,
		.holdover_ns = OWAMP_CLOCK_HOLDOVER_NS,
		.holdover_time_ns = OWAMP_CLOCK_HOLDOVER_TIME_NS,
		.leap_file = OWAMP_CLOCK_LEAP_FILE,
	};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		owamp_clock_source_default(&config->sources[config->count++], kinds[i]);
}

static int refuse(char *error, size_t size, const char *name, const char *why)
{
	(void)snprintf(error, size, "clock source \"%s\": %s", name, why);
	return OWAMP_EINVAL;
}

/* A user that is named for nothing would seem to be minded. */
static int check_user(const struct owamp_clock_source_config *source, char *error, size_t size)
{
	bool gps = source->kind == OWAMP_CLOCK_KIND_GPS;
	const char *user = gps ? source->gps.user : source->shm.user;
	struct clock_owner owner;

	if ((!gps && source->kind != OWAMP_CLOCK_KIND_SHM) || user[0] == '\0')
		return 0;
	if (clock_owner_find(&owner, user))
		return refuse(error, size, source->name, "its user is none of this host");
	if (gps && strcmp(source->gps.host, "localhost") != 0 && !clock_listener_is_local(source->gps.host))
		return refuse(error, size, source->name, "user needs a host of loopback");
	return 0;
}

int clock_config_check(const struct owamp_clock_config *config, char *error, size_t size)
{
	if (config->count > OWAMP_CLOCK_SOURCES_MAX) {
		(void)snprintf(error, size, "%zu clock sources: there can be %d", config->count,
			       OWAMP_CLOCK_SOURCES_MAX);
		return OWAMP_EINVAL;
	}
	if (config->drift_max_ppb <= 0 || config->holdover_ns < 0 || config->holdover_time_ns < 0 ||
	    config->smear_ns < 0) {
		(void)snprintf(error, size, "clock: drift_max must be above 0, holdover and smear not below");
		return OWAMP_EINVAL;
	}
	if (config->smear_ns > 0 && config->leap_file[0] == '\0') {
		(void)snprintf(error, size, "clock: smear needs a leap_file that says when");
		return OWAMP_EINVAL;
	}
	for (size_t i = 0; i < config->count; i++) {
		const struct owamp_clock_source_config *source = &config->sources[i];

		if (source->kind >= OWAMP_CLOCK_KINDS)
			return refuse(error, size, source->name, "there is no such kind");
		if (source->name[0] == '\0')
			return refuse(error, size, source->name, "the name is empty");
		for (size_t j = 0; j < i; j++) {
			if (strcmp(source->name, config->sources[j].name) == 0)
				return refuse(error, size, source->name, "there are two of this name");
		}
		if (check_user(source, error, size))
			return OWAMP_EINVAL;
	}
	return 0;
}

/* The name, in the abstract namespace, is the kernel's choice; without one nobody could answer. */
static int open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, saved_errno;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX},
		 sizeof(sa_family_t)) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

/* A FIFO, or a terminal without a carrier, must not keep anybody waiting. */
static int open_device(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISCHR(status.st_mode))
		return fd;
	close(fd);
	errno = ENODEV;
	return -1;
}

int owamp_clock_open_path(enum owamp_clock_object object, const char *path)
{
	return object == OWAMP_CLOCK_OBJECT_SOCKET ? open_socket(path) : open_device(path);
}
