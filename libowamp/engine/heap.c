#include "heap.h"

#include <stdlib.h>

#include <owamp/error.h>

/* Place p (1 up) is nodes[p - 1]; its children are 2p and 2p + 1. */
static void put(struct heap *heap, struct owamp_due *node, size_t place)
{
	heap->nodes[place - 1] = node;
	node->place = place;
}

static struct owamp_due *at(const struct heap *heap, size_t place)
{
	return heap->nodes[place - 1];
}

static void sift(struct heap *heap, struct owamp_due *node, size_t place)
{
	while (place > 1 && node->ns < at(heap, place / 2)->ns) {
		put(heap, at(heap, place / 2), place);
		place /= 2;
	}
	for (;;) {
		size_t child = 2 * place;

		if (child > heap->count)
			break;
		if (child < heap->count && at(heap, child + 1)->ns < at(heap, child)->ns)
			child++;
		if (node->ns <= at(heap, child)->ns)
			break;
		put(heap, at(heap, child), place);
		place = child;
	}
	put(heap, node, place);
}

void heap_free(struct heap *heap)
{
	free(heap->nodes);
	*heap = (struct heap){0};
}

struct owamp_due *heap_first(const struct heap *heap)
{
	return heap->count ? at(heap, 1) : NULL;
}

int heap_set(struct heap *heap, struct owamp_due *node, int64_t ns)
{
	if (node->place == 0) {
		if (heap->count == heap->capacity) {
			size_t capacity = heap->capacity ? 2 * heap->capacity : 16;
			struct owamp_due **larger =
				realloc(heap->nodes, capacity * sizeof(struct owamp_due *));

			if (!larger)
				return OWAMP_ENOMEM;
			heap->nodes = larger;
			heap->capacity = capacity;
		}
		node->place = ++heap->count;
	}
	node->ns = ns;
	sift(heap, node, node->place);
	return 0;
}

void heap_remove(struct heap *heap, struct owamp_due *node)
{
	size_t place = node->place;
	struct owamp_due *last;

	if (place == 0)
		return;
	last = at(heap, heap->count--);
	node->place = 0;
	if (last != node)
		sift(heap, last, place);
}
