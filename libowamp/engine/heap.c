#include "heap.h"

#include <stdlib.h>

#include <owamp/error.h>

#define CHILDREN 4

/* Indexes start at 0, a node's place at 1. The children of i are CHILDREN * i + 1 and those that follow. */
static void put(struct heap *heap, struct heap_entry entry, size_t index)
{
	heap->entries[index] = entry;
	entry.node->place = index + 1;
}

/* The earliest child of index, which may lie beyond the end: there is none. */
static size_t first_child(const struct heap *heap, size_t index)
{
	size_t first = CHILDREN * index + 1;
	size_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;

	for (size_t child = first + 1; child < end; child++) {
		if (heap->entries[child].ns < heap->entries[first].ns)
			first = child;
	}
	return first;
}

static void sift(struct heap *heap, struct heap_entry entry, size_t index)
{
	size_t child;

	while (index > 0 && entry.ns < heap->entries[(index - 1) / CHILDREN].ns) {
		put(heap, heap->entries[(index - 1) / CHILDREN], index);
		index = (index - 1) / CHILDREN;
	}
	while ((child = first_child(heap, index)) < heap->count && heap->entries[child].ns < entry.ns) {
		put(heap, heap->entries[child], index);
		index = child;
	}
	put(heap, entry, index);
}

void heap_free(struct heap *heap)
{
	free(heap->entries);
	*heap = (struct heap){0};
}

struct owamp_due *heap_first(const struct heap *heap)
{
	return heap->count ? heap->entries[0].node : NULL;
}

int64_t heap_second_ns(const struct heap *heap)
{
	return heap->count > 1 ? heap->entries[first_child(heap, 0)].ns : INT64_MAX;
}

static int grow(struct heap *heap)
{
	size_t capacity = heap->capacity ? 2 * heap->capacity : 16;
	struct heap_entry *larger = realloc(heap->entries, capacity * sizeof *larger);

	if (!larger)
		return OWAMP_ENOMEM;
	heap->entries = larger;
	heap->capacity = capacity;
	return 0;
}

int heap_set(struct heap *heap, struct owamp_due *node, int64_t ns)
{
	if (node->place == 0) {
		if (heap->count == heap->capacity && grow(heap))
			return OWAMP_ENOMEM;
		node->place = ++heap->count;
	}
	node->ns = ns;
	sift(heap, (struct heap_entry){ns, node}, node->place - 1);
	return 0;
}

void heap_remove(struct heap *heap, struct owamp_due *node)
{
	size_t place = node->place;
	struct heap_entry last;

	if (place == 0)
		return;
	last = heap->entries[--heap->count];
	node->place = 0;
	if (last.node != node)
		sift(heap, last, place - 1);
}
