/*
 * Whose bound is taken. Of those that vouch the smallest one is; but bounds of
 * sources about as good cross each other all the time, and who reads the
 * archive wants one source over a session, not the luck of each second.
 */
#include "select_parts.h"

/* To be better is to have 7/10 of the used one's bound, for so many rounds. */
#define BETTER_TENTHS 7
#define BETTER_ROUNDS 3

/* To be as good is to have 11/10 of it; the earlier in order is then taken, after so many. */
#define EQUAL_TENTHS 11
#define EQUAL_ROUNDS 10

/* bound is at most tenths of the other. */
static bool within(int64_t bound_ns, int64_t tenths, int64_t other_ns)
{
	return (__int128)bound_ns * 10 <= (__int128)other_ns * tenths;
}

bool choice_is_open_to(const struct select *select, size_t index)
{
	return select->members[index].holdover || member_counts(select, index);
}

static size_t smallest(const struct select *select, unsigned better)
{
	size_t best = SELECT_NOBODY;

	for (size_t i = 0; i < select->config.count; i++) {
		if (!choice_is_open_to(select, i) || select->members[i].better < better)
			continue;
		if (best == SELECT_NOBODY || select->members[i].bound_ns < select->members[best].bound_ns)
			best = i;
	}
	return best;
}

/* The first in order of those that are as good as the best. */
static size_t afresh(const struct select *select)
{
	size_t best = smallest(select, 0);

	for (size_t i = 0; best != SELECT_NOBODY && i < best; i++) {
		if (choice_is_open_to(select, i) &&
		    within(select->members[i].bound_ns, EQUAL_TENTHS, select->members[best].bound_ns))
			return i;
	}
	return best;
}

static void compare(struct select *select, size_t index)
{
	struct member *member = &select->members[index];
	int64_t used_ns = select->members[select->chosen].bound_ns;
	bool open = index != select->chosen && choice_is_open_to(select, index);

	member->better = open && (__int128)member->bound_ns * 10 < (__int128)used_ns * BETTER_TENTHS
				 ? member->better + 1
				 : 0;
	member->equal = open && !member->holdover && within(member->bound_ns, EQUAL_TENTHS, used_ns)
				? member->equal + 1
				: 0;
}

/* One that is heard no more gives way at once: its bound only grows, so they will not take turns. */
static size_t rival_of_silent(const struct select *select)
{
	size_t best = SELECT_NOBODY;

	for (size_t i = 0; i < select->config.count; i++) {
		if (!choice_is_open_to(select, i) || select->members[i].holdover)
			continue;
		if (select->members[i].bound_ns >= select->members[select->chosen].bound_ns)
			continue;
		if (best == SELECT_NOBODY || select->members[i].bound_ns < select->members[best].bound_ns)
			best = i;
	}
	return best;
}

static size_t successor(const struct select *select)
{
	size_t next = SELECT_NOBODY;

	if (select->members[select->chosen].holdover)
		next = rival_of_silent(select);
	if (next == SELECT_NOBODY)
		next = smallest(select, BETTER_ROUNDS);
	for (size_t i = 0; next == SELECT_NOBODY && i < select->chosen; i++) {
		if (select->members[i].equal >= EQUAL_ROUNDS)
			next = i;
	}
	return next == SELECT_NOBODY ? select->chosen : next;
}

static void take(struct select *select, size_t index)
{
	if (index == select->chosen)
		return;
	select->chosen = index;
	for (size_t i = 0; i < select->config.count; i++)
		select->members[i].better = select->members[i].equal = 0;
}

void choice_make(struct select *select)
{
	if (select->chosen == SELECT_NOBODY || !choice_is_open_to(select, select->chosen)) {
		take(select, afresh(select));
		return;
	}
	for (size_t i = 0; i < select->config.count; i++)
		compare(select, i);
	take(select, successor(select));
}
