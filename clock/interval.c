#include "interval.h"

#define PPB 1000000000

static int64_t limited(__int128 ns)
{
	if (ns > INTERVAL_LIMIT_NS)
		return INTERVAL_LIMIT_NS;
	return ns < -INTERVAL_LIMIT_NS ? -INTERVAL_LIMIT_NS : (int64_t)ns;
}

int64_t interval_add(int64_t a, int64_t b)
{
	return limited((__int128)a + b);
}

int64_t interval_magnitude(int64_t ns)
{
	return limited(ns < 0 ? -(__int128)ns : ns);
}

int64_t interval_growth(int64_t age_ns, int64_t drift_ppb)
{
	if (age_ns <= 0 || drift_ppb <= 0)
		return 0;
	return limited(((__int128)age_ns * drift_ppb + PPB - 1) / PPB);
}

int64_t interval_error(const struct interval *interval, int64_t mono_ns)
{
	int64_t age_ns = limited((__int128)mono_ns - interval->mono_ns);

	return interval_add(interval->error_ns, interval_growth(age_ns, interval->drift_ppb));
}

int64_t interval_bound(const struct interval *interval, int64_t mono_ns)
{
	return interval_add(interval_magnitude(interval->offset_ns), interval_error(interval, mono_ns));
}

int64_t interval_within_until(const struct interval *interval, int64_t bound_ns)
{
	int64_t room_ns = interval_add(bound_ns, -interval_bound(interval, interval->mono_ns));

	if (room_ns < 0)
		return interval->mono_ns - 1;
	if (interval->drift_ppb <= 0)
		return INTERVAL_LIMIT_NS;
	return limited(interval->mono_ns + (__int128)room_ns * PPB / interval->drift_ppb);
}

int64_t interval_gap(const struct interval *a, const struct interval *b, int64_t mono_ns)
{
	__int128 apart = (__int128)a->offset_ns - b->offset_ns;

	return limited((apart < 0 ? -apart : apart) - interval_error(a, mono_ns) -
		       interval_error(b, mono_ns));
}
