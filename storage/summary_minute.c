/* The minutes of a summary that may still change, and what follows from their delays. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "summary_internal.h"

/* What the tree takes for a node of its own. */
#define NODE_OCTETS 48

static int by_begin(const void *left, const void *right)
{
	const struct minute *a = left;
	const struct minute *b = right;

	return (a->row.minute_ns > b->row.minute_ns) - (a->row.minute_ns < b->row.minute_ns);
}

struct minute *minute_tree_get(struct minute_tree *tree, int64_t minute_ns)
{
	struct minute probe = {.row.minute_ns = minute_ns};
	struct minute **found;

	/* Nearly all packets go where the one before them went. */
	if (tree->latest && tree->latest->row.minute_ns == minute_ns)
		return tree->latest;
	found = tfind(&probe, &tree->root, by_begin);
	if (!found) {
		struct minute *minute = calloc(1, sizeof *minute);

		if (!minute)
			return NULL;
		minute->row.minute_ns = minute_ns;
		found = tsearch(minute, &tree->root, by_begin);
		if (!found) {
			free(minute);
			return NULL;
		}
		tree->octets += sizeof *minute + NODE_OCTETS;
	}
	tree->latest = *found;
	return tree->latest;
}

/* A key that is below every minute, and remembers the last it was compared with. */
struct below_all {
	const struct minute *last;
};

static int go_left(const void *key, const void *minute)
{
	((struct below_all *)(uintptr_t)key)->last = minute;
	return -1;
}

struct minute *minute_tree_take(struct minute_tree *tree, int64_t before_ns)
{
	struct below_all key = {NULL};
	struct minute *first;

	(void)tfind(&key, &tree->root, go_left);
	if (!key.last || key.last->row.minute_ns >= before_ns)
		return NULL;
	first = (struct minute *)(uintptr_t)key.last;
	(void)tdelete(first, &tree->root, by_begin);
	tree->octets -= sizeof *first + NODE_OCTETS + first->capacity * sizeof *first->delays;
	if (tree->latest == first)
		tree->latest = NULL;
	return first;
}

static void free_node(void *minute)
{
	minute_free(minute);
}

void minute_tree_free(struct minute_tree *tree)
{
	tdestroy(tree->root, free_node);
}

int minute_add_delay(struct minute_tree *tree, struct minute *minute, int64_t delay_ns)
{
	if (minute->row.received == minute->capacity) {
		/* By a half: most of what is held is delays. */
		size_t capacity = minute->capacity + minute->capacity / 2 + 4;
		int64_t *delays = reallocarray(minute->delays, capacity, sizeof *delays);

		if (!delays)
			return OWAMP_ENOMEM;
		tree->octets += (capacity - minute->capacity) * sizeof *delays;
		minute->delays = delays;
		minute->capacity = capacity;
	}
	minute->delays[minute->row.received++] = delay_ns;
	return 0;
}

void minute_free(struct minute *minute)
{
	free(minute->delays);
	free(minute);
}

static int by_value(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* Below this qsort() is as quick. */
#define RADIX_MIN 256

/* In the order of the values, as unsigned numbers. */
static uint64_t key_of(int64_t value)
{
	return (uint64_t)value ^ UINT64_C(1) << 63;
}

/* By one octet of the keys, those with the same one in the order in which they are. */
static void sort_octet(const int64_t *from, int64_t *to, size_t count, unsigned shift)
{
	size_t places[256] = {0}, place = 0;

	for (size_t i = 0; i < count; i++)
		places[key_of(from[i]) >> shift & 255]++;
	for (unsigned i = 0; i < 256; i++) {
		size_t n = places[i];

		places[i] = place;
		place += n;
	}
	for (size_t i = 0; i < count; i++)
		to[places[key_of(from[i]) >> shift & 255]++] = from[i];
}

/* Delays of a minute differ in few octets: several times as quick as comparing them, a million a minute. */
static void sort_delays(struct minute *minute)
{
	size_t count = minute->row.received;
	int64_t *from = minute->delays, *to = NULL;
	uint64_t differ = 0;

	if (count >= RADIX_MIN)
		to = reallocarray(NULL, count, sizeof *to);
	if (!to) {
		qsort(minute->delays, count, sizeof *minute->delays, by_value);
		return;
	}
	for (size_t i = 1; i < count; i++)
		differ |= key_of(from[i]) ^ key_of(from[0]);
	for (unsigned shift = 0; shift < 64; shift += 8) {
		int64_t *sorted = to;

		if ((differ >> shift & 255) == 0)
			continue;
		sort_octet(from, to, count, shift);
		to = from;
		from = sorted;
	}
	if (from != minute->delays) {
		memcpy(minute->delays, from, count * sizeof *from);
		to = from;
	}
	free(to);
}

/* RFC 2330 section 11.3. */
static int64_t nearest_rank(const struct minute *minute, unsigned permille)
{
	return minute->delays[(minute->row.received * permille + 999) / 1000 - 1];
}

void minute_finish(struct minute *minute)
{
	struct minute_row *row = &minute->row;

	if (row->received == 0)
		return;
	sort_delays(minute);
	row->delay_min_ns = minute->delays[0];
	row->delay_p50_ns = nearest_rank(minute, 500);
	row->delay_p95_ns = nearest_rank(minute, 950);
	row->delay_p99_ns = nearest_rank(minute, 990);
	row->delay_p999_ns = nearest_rank(minute, 999);
	row->delay_max_ns = minute->delays[row->received - 1];
}
