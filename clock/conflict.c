/*
 * Who contradicts whom. Two valid sources cannot both be right if their
 * intervals have nothing in common, and which of them is wrong nobody can tell:
 * a third one that agrees with one of them decides nothing either, for two of
 * three can be wrong together (two daemons that follow the same bad server).
 *
 * One in holdover is no second witness: it cannot be asked again, and what it
 * said may have been the first sign of its failing. The one that is heard counts.
 */
#include "select_parts.h"

static unsigned left(const struct select *select, size_t a, size_t b)
{
	return a < b ? select->conflict.left[a][b] : select->conflict.left[b][a];
}

bool conflict_between(const struct select *select, size_t a, size_t b)
{
	return left(select, a, b) > 0;
}

unsigned conflict_calm(const struct select *select, size_t a, size_t b)
{
	return CONFLICT_ROUNDS - left(select, a, b);
}

bool conflict_has(const struct select *select, size_t index)
{
	for (size_t i = 0; i < select->config.count; i++) {
		if (i != index && conflict_between(select, i, index))
			return true;
	}
	return false;
}

bool conflict_first(const struct select *select, size_t *a, size_t *b, unsigned *pairs)
{
	*pairs = 0;
	for (size_t i = 0; i < select->config.count; i++) {
		for (size_t j = i + 1; j < select->config.count; j++) {
			if (!conflict_between(select, i, j))
				continue;
			if ((*pairs)++ == 0) {
				*a = i;
				*b = j;
			}
		}
	}
	return *pairs > 0;
}

bool conflict_is(const struct select *select)
{
	size_t a, b;
	unsigned pairs;

	return conflict_first(select, &a, &b, &pairs);
}

/* Of two that may differ by a smeared leap second, one smearing and the other not, no more is asked. */
static bool miss_each_other(const struct select *select, size_t a, size_t b)
{
	const struct member *first = &select->members[a], *second = &select->members[b];
	int64_t smear_ns = select->facts.smear_ns;

	if (smear_ns < first->smear_ns)
		smear_ns = first->smear_ns;
	if (smear_ns < second->smear_ns)
		smear_ns = second->smear_ns;
	return interval_gap(&first->interval, &second->interval, select->now_mono) > smear_ns;
}

static bool contradict(const struct select *select, size_t a, size_t b)
{
	return member_counts(select, a) && member_counts(select, b) && miss_each_other(select, a, b);
}

static size_t refuter(const struct select *select, size_t index)
{
	for (size_t i = 0; i < select->config.count; i++) {
		if (member_counts(select, i) && miss_each_other(select, i, index))
			return i;
	}
	return SELECT_NOBODY;
}

void conflict_refute(struct select *select)
{
	for (size_t i = 0; i < select->config.count; i++) {
		struct member *member = &select->members[i];

		if (!member->holdover)
			continue;
		member->refuted_by = refuter(select, i);
		member->holdover = member->refuted_by == SELECT_NOBODY;
	}
}

void conflict_look(struct select *select)
{
	for (size_t i = 0; i < select->config.count; i++) {
		for (size_t j = i + 1; j < select->config.count; j++) {
			uint8_t *rounds = &select->conflict.left[i][j];

			if (contradict(select, i, j))
				*rounds = CONFLICT_ROUNDS;
			else if (*rounds > 0)
				(*rounds)--;
		}
	}
}
