/*
 * A heap of owamp_due, the earliest first. The nodes are embedded in their
 * owners and know their place, so each can be moved or removed. The times are
 * kept beside the pointers and each node has four children: with thousands of
 * nodes most of the cost is memory that has to be fetched.
 */
#ifndef ENGINE_HEAP_H
#define ENGINE_HEAP_H

#include <owamp/loop.h>

struct heap_entry {
	int64_t ns;
	struct owamp_due *node;
};

struct heap {
	struct heap_entry *entries;
	size_t count;
	size_t capacity;
};

void heap_free(struct heap *heap);

/* The earliest node, or NULL. */
struct owamp_due *heap_first(const struct heap *heap);

/* The time of the earliest but for the first, or INT64_MAX. */
int64_t heap_second_ns(const struct heap *heap);

/* Adds the node, or moves it if it is in the heap already. OWAMP_ENOMEM. */
int heap_set(struct heap *heap, struct owamp_due *node, int64_t ns);

/* Does nothing if the node is in no heap. */
void heap_remove(struct heap *heap, struct owamp_due *node);

#endif
