#include "mark.h"

#define SECOND_NS INT64_C(1000000000)

/* Differences of two such times, and of two such differences, fit. */
#define SECONDS_MAX INT64_C(4294967295)

#define EXPONENT_MAX 11

/* A sample is asked for with the time at its start: what comes while it lasts is not from the future. */
#define AHEAD_NS SECOND_NS

bool clock_mark_time(int64_t sec, int64_t nsec, int64_t *ns)
{
	if (sec < 0 || sec > SECONDS_MAX || nsec < 0 || nsec >= SECOND_NS)
		return false;
	*ns = sec * SECOND_NS + nsec;
	return true;
}

bool clock_mark_precision(int64_t exponent, int64_t *ns)
{
	if (exponent > EXPONENT_MAX)
		return false;
	if (exponent >= 0)
		*ns = SECOND_NS << exponent;
	else if (exponent < -30)
		*ns = 1;
	else
		*ns = ((SECOND_NS - 1) >> -exponent) + 1;
	return true;
}

int64_t clock_mark_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

bool clock_mark_set(struct clock_mark *mark, const struct clock_now *now, int64_t clock_ns,
		    int64_t reference_ns, int64_t error_ns)
{
	int64_t age = now->real_ns - clock_ns;
	int64_t offset_ns;

	if (age > CLOCK_MARK_FRESH_NS || age < -AHEAD_NS)
		return false;
	if (__builtin_sub_overflow(clock_ns, reference_ns, &offset_ns))
		return false;
	/* Older than it is, rather than not yet made. */
	if (age < 0)
		age = 0;
	*mark = (struct clock_mark){
		.set = true,
		.mono_ns = now->mono_ns - age,
		.offset_ns = offset_ns,
		.error_ns = error_ns,
	};
	return true;
}

bool clock_mark_is_fresh(const struct clock_mark *mark, const struct clock_now *now)
{
	return mark->set && now->mono_ns - mark->mono_ns <= CLOCK_MARK_FRESH_NS;
}

void clock_mark_report(const struct clock_mark *mark, struct clock_reading *reading)
{
	reading->measured = true;
	reading->mono_ns = mark->mono_ns;
	reading->offset_ns = mark->offset_ns;
	reading->error_ns = mark->error_ns;
}
