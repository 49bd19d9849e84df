#include <owamp/timestamp.h>

#define NS_PER_SECOND 1000000000
#define NTP_TO_UNIX   2208988800U /* seconds from 1900 to 1970 */
#define ERA_NS        (INT64_C(4294967296) * NS_PER_SECOND)

typedef unsigned __int128 wide;

owamp_ntp owamp_ntp_from_unix_ns(int64_t unix_ns)
{
	int64_t seconds = unix_ns / NS_PER_SECOND;
	int64_t ns = unix_ns % NS_PER_SECOND;

	if (ns < 0) {
		ns += NS_PER_SECOND;
		seconds--;
	}
	/* A fraction that rounds up to a whole second carries into the seconds. */
	return ((uint64_t)(seconds + NTP_TO_UNIX) << 32) + owamp_interval_from_ns((uint64_t)ns);
}

int64_t owamp_ntp_to_unix_ns(owamp_ntp time, int64_t near_unix_ns)
{
	/* In era 0; then as many eras on as bring it nearest. */
	int64_t unix_ns = ((int64_t)(time >> 32) - NTP_TO_UNIX) * NS_PER_SECOND +
			  owamp_interval_to_ns(time & UINT32_MAX);
	int64_t apart = near_unix_ns / 2 - unix_ns / 2; /* halved: it always fits */
	int64_t eras = (apart + (apart < 0 ? -ERA_NS / 4 : ERA_NS / 4)) / (ERA_NS / 2);

	__int128 found = unix_ns + (__int128)eras * ERA_NS;

	/* The nearest may be beyond what fits. */
	if (found > INT64_MAX)
		found -= ERA_NS;
	if (found < INT64_MIN)
		found += ERA_NS;
	return (int64_t)found;
}

int64_t owamp_ntp_diff(owamp_ntp later, owamp_ntp earlier)
{
	return (int64_t)(later - earlier);
}

int64_t owamp_ntp_diff_ns(owamp_ntp later, owamp_ntp earlier)
{
	int64_t diff = (int64_t)(later - earlier);

	/* Halves round away from zero, so that swapping the arguments only changes the sign. */
	if (diff < 0)
		return -(int64_t)(((((wide)(-(diff + 1))) + 1) * NS_PER_SECOND + (1U << 31)) >> 32);
	return (int64_t)(((wide)diff * NS_PER_SECOND + (1U << 31)) >> 32);
}

owamp_interval owamp_interval_from_ns(uint64_t ns)
{
	wide interval = (((wide)ns << 32) + NS_PER_SECOND / 2) / NS_PER_SECOND;

	return interval > OWAMP_INTERVAL_MAX ? OWAMP_INTERVAL_MAX : (owamp_interval)interval;
}

int64_t owamp_interval_to_ns(owamp_interval interval)
{
	wide ns = ((wide)interval * NS_PER_SECOND + (1U << 31)) >> 32;

	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

uint16_t owamp_error_estimate(uint64_t bound_ns, bool synchronized)
{
	wide units = (((wide)bound_ns << 32) + NS_PER_SECOND - 1) / NS_PER_SECOND;
	unsigned scale = 0;

	while (units > 255U) {
		units = (units + 1) >> 1;
		scale++;
	}
	if (units == 0)
		units = 1;
	return (uint16_t)((synchronized ? OWAMP_ERROR_S : 0U) | scale << 8 | (unsigned)units);
}

int64_t owamp_error_estimate_ns(uint16_t estimate)
{
	wide units = (wide)(estimate & 0xffU) << (estimate >> 8 & 0x3fU);
	wide ns = (units * NS_PER_SECOND + UINT32_MAX) >> 32;

	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

bool owamp_error_estimate_synchronized(uint16_t estimate)
{
	return (estimate & OWAMP_ERROR_S) != 0;
}

bool owamp_error_estimate_valid(uint16_t estimate)
{
	return (estimate & 0xffU) != 0;
}
