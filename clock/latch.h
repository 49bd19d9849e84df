/*
 * A small struct that one thread writes and any number read, without a lock.
 *
 * There are two copies, and while the writer changes one, readers take the
 * other: a reader never waits for a writer that lost its CPU half-way, which a
 * reader with real-time priority might do for good.
 */
#ifndef CLOCK_LATCH_H
#define CLOCK_LATCH_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define LATCH_WORDS 20

struct latch {
	/* Odd while the first copy changes, even while the second does. */
	atomic_uint sequence;
	_Atomic int64_t words[2][LATCH_WORDS];
};

static inline void latch_write(struct latch *latch, const void *value, size_t size)
{
	int64_t words[LATCH_WORDS] = {0};

	assert(size <= sizeof words);
	memcpy(words, value, size);
	for (unsigned copy = 0; copy < 2; copy++) {
		latch->sequence++;
		for (size_t i = 0; i * sizeof words[0] < size; i++)
			latch->words[copy][i] = words[i];
	}
}

/*
 * All accesses are sequentially consistent: whoever reads a word that is new
 * in its copy also finds a new sequence. All zeros before the first write.
 */
static inline void latch_read(const struct latch *latch, void *value, size_t size)
{
	int64_t words[LATCH_WORDS];
	unsigned before;

	assert(size <= sizeof words);
	do {
		before = latch->sequence;
		for (size_t i = 0; i * sizeof words[0] < size; i++)
			words[i] = latch->words[before % 2][i];
	} while (latch->sequence != before);
	memcpy(value, words, size);
}

#endif
