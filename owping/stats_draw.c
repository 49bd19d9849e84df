#include <assert.h>
#include <string.h>

#include "owping/stats_draw.h"

/* Buckets to each doubling, as a power of two: histogram.h. */
#define SUB_BITS 6

/* From here on each sign has one bar. */
#define LEVEL_MAX (SUB_BITS + 6)

struct span {
	uint64_t low;
	uint64_t high;
};

static unsigned log2_of(uint64_t size)
{
	return size == 0 ? 0 : (unsigned)(63 - __builtin_clzll(size));
}

/* Where a delay's magnitude falls if 2^level neighbouring buckets are one. */
static struct span span_of(uint64_t size, unsigned level)
{
	unsigned exponent = log2_of(size);
	uint64_t width;

	if (level <= SUB_BITS) {
		unsigned bits = exponent + level > SUB_BITS ? exponent + level - SUB_BITS : 0;

		width = UINT64_C(1) << bits;
		return (struct span){size & ~(width - 1), size | (width - 1)};
	}
	/* Whole doublings; 0 belongs to the lowest. */
	exponent = exponent >> (level - SUB_BITS) << (level - SUB_BITS);
	width = exponent + (1U << (level - SUB_BITS)) >= 64
			? 0
			: UINT64_C(1) << (exponent + (1U << (level - SUB_BITS)));
	return (struct span){exponent == 0 ? 0 : UINT64_C(1) << exponent, width - 1};
}

static struct stats_bar bar_of(int64_t delay_ns, unsigned level)
{
	bool is_negative = delay_ns < 0;
	struct span span = span_of(is_negative ? 0 - (uint64_t)delay_ns : (uint64_t)delay_ns, level);

	if (span.high > INT64_MAX)
		span.high = INT64_MAX;
	if (span.low > INT64_MAX)
		return (struct stats_bar){.low_ns = INT64_MIN, .high_ns = INT64_MIN};
	/* The lowest span of negative delays begins beside 0. */
	if (is_negative && span.low == 0)
		span.low = 1;
	return is_negative ? (struct stats_bar){.low_ns = -(int64_t)span.high, .high_ns = -(int64_t)span.low}
			   : (struct stats_bar){.low_ns = (int64_t)span.low, .high_ns = (int64_t)span.high};
}

struct bars {
	struct stats_bar *list;
	size_t room;
	size_t count; /* that there would be with more room */
};

static void push(struct bars *bars, const struct stats_bar *bar)
{
	if (bars->count < bars->room)
		bars->list[bars->count] = *bar;
	bars->count++;
}

static size_t merge(const struct histogram_bucket *buckets, size_t count, unsigned level,
		    struct stats_bar *list, size_t room)
{
	struct bars bars = {.list = list, .room = room};
	struct stats_bar last = {0};

	for (size_t i = 0; i < count; i++) {
		struct stats_bar bar = bar_of(buckets[i].delay_ns, level);

		if (i > 0 && bar.low_ns == last.low_ns) {
			last.packets += buckets[i].packets;
			continue;
		}
		if (i > 0)
			push(&bars, &last);
		if (i > 0 && bar.low_ns - 1 > last.high_ns)
			push(&bars,
			     &(struct stats_bar){.low_ns = last.high_ns + 1, .high_ns = bar.low_ns - 1});
		bar.packets = buckets[i].packets;
		last = bar;
	}
	if (count > 0)
		push(&bars, &last);
	return bars.count;
}

size_t stats_bars(const struct histogram_bucket *buckets, size_t count, struct stats_bar *bars, size_t rows)
{
	assert(rows >= 4);
	for (unsigned level = 0; level < LEVEL_MAX; level++) {
		size_t made = merge(buckets, count, level, bars, rows);

		if (made <= rows)
			return made;
	}
	return merge(buckets, count, LEVEL_MAX, bars, rows);
}

char *stats_bar_text(char *text, uint64_t value, uint64_t max, unsigned width, bool utf8)
{
	unsigned parts = utf8 ? 8 : 1;
	double exact = max > 0 ? (double)value / (double)max * width * parts : 0;
	unsigned eighths = (unsigned)exact;
	char *at = text;

	if (eighths == 0 && value > 0)
		eighths = 1;
	for (; eighths >= parts; eighths -= parts)
		at = stpcpy(at, utf8 ? "\u2588" : "#");
	if (eighths > 0) {
		/* From a full block down to one eighth: U+2588 to U+258f. */
		static const char *const blocks[] = {"\u258f", "\u258e", "\u258d", "\u258c",
						     "\u258b", "\u258a", "\u2589"};

		at = stpcpy(at, blocks[eighths - 1]);
	}
	*at = '\0';
	return text;
}
