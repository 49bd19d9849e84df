/*
 * A moment that both a reference and CLOCK_REALTIME have dated: a pulse, the
 * arrival of a message. Pure.
 *
 * What others write may be any number: what cannot be is refused, and no
 * arithmetic overflows.
 */
#ifndef CLOCK_MARK_H
#define CLOCK_MARK_H

#include "source.h"

struct clock_mark {
	bool set;
	int64_t mono_ns;
	int64_t offset_ns; /* CLOCK_REALTIME less the reference */
	int64_t error_ns;
};

/* A mark older than this says nothing of now. */
#define CLOCK_MARK_FRESH_NS INT64_C(5000000000)

/*
 * After the clock was set, marks may come for so long that were made before: of
 * a message, when all that belongs to it has come.
 */
#define CLOCK_MARK_VOID_NS INT64_C(2000000000)

/* False: not from 1970 to 2106, or not within a second. */
bool clock_mark_time(int64_t sec, int64_t nsec, int64_t *ns);

/* What 2^exponent seconds are, rounded up. False: more than an hour. */
bool clock_mark_precision(int64_t exponent, int64_t *ns);

/*
 * clock_ns as clock_mark_time() makes it. False, and the mark is as it was: on
 * this clock it was not in the last CLOCK_MARK_FRESH_NS, or the offset is none.
 */
bool clock_mark_set(struct clock_mark *mark, const struct clock_now *now, int64_t clock_ns,
		    int64_t reference_ns, int64_t error_ns);

bool clock_mark_is_fresh(const struct clock_mark *mark, const struct clock_now *now);

/* Into measured, mono_ns, offset_ns and error_ns. */
void clock_mark_report(const struct clock_mark *mark, struct clock_reading *reading);

/* a + b; what would overflow stays at the end. */
int64_t clock_mark_add(int64_t a, int64_t b);

#endif
