/* The section "clock" of the configuration. */
#include <stdio.h>
#include <string.h>

#include "clock/config.h"
#include "owamp/error.h"
#include "owampd/config.h"
#include "owampd/config_keys.h"

#define same(a, b, field) (strcmp((a)->field, (b)->field) == 0)

int config_take_clock(struct config *config, cfg_t *section, char *why, size_t why_size)
{
	char reason[200];
	int result = clock_config_take(section, &config->clock, reason, sizeof(reason));

	if (result)
		snprintf(why, why_size, "clock: %s", reason);
	return result;
}

static bool same_source(const struct owamp_clock_source_config *a, const struct owamp_clock_source_config *b)
{
	if (a->kind != b->kind || !same(a, b, name))
		return false;
	switch (a->kind) {
	case OWAMP_CLOCK_KIND_PTP:
		return same(a, b, ptp.socket) && a->ptp.domain == b->ptp.domain &&
		       a->ptp.accuracy_ns == b->ptp.accuracy_ns &&
		       a->ptp.hop_error_ns == b->ptp.hop_error_ns &&
		       memcmp(a->ptp.classes, b->ptp.classes, sizeof(a->ptp.classes)) == 0 &&
		       a->ptp.free_running == b->ptp.free_running;
	case OWAMP_CLOCK_KIND_PHC:
		return same(a, b, phc.device) && a->phc.timescale == b->phc.timescale &&
		       a->phc.accuracy_ns == b->phc.accuracy_ns;
	case OWAMP_CLOCK_KIND_GPS:
		return same(a, b, gps.host) && a->gps.port == b->gps.port && same(a, b, gps.device) &&
		       a->gps.pps_error_ns == b->gps.pps_error_ns &&
		       a->gps.serial_error_ns == b->gps.serial_error_ns &&
		       a->gps.serial_offset_ns == b->gps.serial_offset_ns && same(a, b, gps.user);
	case OWAMP_CLOCK_KIND_SHM:
		return a->shm.unit == b->shm.unit && a->shm.error_ns == b->shm.error_ns &&
		       same(a, b, shm.user);
	case OWAMP_CLOCK_KIND_CHRONY:
		return same(a, b, chrony.host) && a->chrony.port == b->chrony.port &&
		       same(a, b, chrony.socket);
	case OWAMP_CLOCK_KIND_KERNEL:
	case OWAMP_CLOCK_KINDS:
		break;
	}
	return true;
}

bool config_same_clock(const struct owamp_clock_config *a, const struct owamp_clock_config *b)
{
	if (a->count != b->count || a->drift_max_ppb != b->drift_max_ppb ||
	    a->holdover_ns != b->holdover_ns || a->holdover_time_ns != b->holdover_time_ns ||
	    a->smear_ns != b->smear_ns || !same(a, b, leap_file))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_source(&a->sources[i], &b->sources[i]))
			return false;
	return true;
}
