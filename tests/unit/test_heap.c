#include "reference.h"

#include "engine/heap.h"

#define NODES 200

static void assert_sound(const struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		assert_int_equal(heap->entries[i].node->place, i + 1);
		assert_int_equal(heap->entries[i].node->ns, heap->entries[i].ns);
		if (i > 0)
			assert_true(heap->entries[(i - 1) / 4].ns <= heap->entries[i].ns);
	}
}

static void test_empty(void **state)
{
	struct heap heap = {0};
	struct owamp_due node = {0};

	(void)state;
	assert_null(heap_first(&heap));
	assert_int_equal(heap_second_ns(&heap), INT64_MAX);
	heap_remove(&heap, &node);
	assert_int_equal(heap.count, 0);
	assert_int_equal(node.place, 0);
	heap_free(&heap);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Few different times, so that many are equal; some are negative. */
static void test_order(void **state)
{
	struct heap heap = {0};
	struct owamp_due nodes[NODES] = {{0}};
	int64_t times[NODES];
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		times[i] = (int64_t)ref_below(&seed, NODES / 2) - NODES / 4;
		assert_int_equal(heap_set(&heap, &nodes[i], times[i]), 0);
		assert_sound(&heap);
	}
	assert_int_equal(heap.count, NODES);
	qsort(times, NODES, sizeof times[0], compare);
	for (size_t i = 0; i < NODES; i++) {
		struct owamp_due *first = heap_first(&heap);

		assert_int_equal(first->ns, times[i]);
		heap_remove(&heap, first);
		assert_int_equal(first->place, 0);
		assert_sound(&heap);
	}
	assert_null(heap_first(&heap));
	heap_free(&heap);
}

static void test_extremes(void **state)
{
	struct heap heap = {0};
	struct owamp_due late = {0}, early = {0}, now = {0};

	(void)state;
	assert_int_equal(heap_set(&heap, &late, INT64_MAX), 0);
	assert_int_equal(heap_set(&heap, &now, 0), 0);
	assert_int_equal(heap_set(&heap, &early, INT64_MIN), 0);
	assert_ptr_equal(heap_first(&heap), &early);
	heap_remove(&heap, &early);
	assert_ptr_equal(heap_first(&heap), &now);
	heap_remove(&heap, &now);
	assert_ptr_equal(heap_first(&heap), &late);
	heap_free(&heap);
}

static void test_move(void **state)
{
	struct heap heap = {0};
	struct owamp_due nodes[10] = {{0}};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(heap_set(&heap, &nodes[i], 10 * i), 0);
	assert_int_equal(heap_set(&heap, &nodes[7], -1), 0);
	assert_ptr_equal(heap_first(&heap), &nodes[7]);
	assert_int_equal(heap_set(&heap, &nodes[7], 95), 0);
	assert_ptr_equal(heap_first(&heap), &nodes[0]);
	assert_int_equal(heap.count, 10);
	assert_sound(&heap);
	heap_remove(&heap, &nodes[0]);
	heap_remove(&heap, &nodes[0]);
	assert_int_equal(heap.count, 9);
	assert_ptr_equal(heap_first(&heap), &nodes[1]);
	assert_int_equal(heap_set(&heap, &nodes[0], 5), 0);
	assert_ptr_equal(heap_first(&heap), &nodes[0]);
	heap_free(&heap);
}

/* Of the nodes in the heap, without the one given. */
static int64_t earliest(const struct owamp_due *nodes, const struct owamp_due *without)
{
	int64_t ns = INT64_MAX;

	for (size_t i = 0; i < NODES; i++) {
		if (nodes[i].place && &nodes[i] != without && nodes[i].ns < ns)
			ns = nodes[i].ns;
	}
	return ns;
}

/* Any mixture of adding, moving and removing, compared with a plain search. */
static void test_against_search(void **state)
{
	struct heap heap = {0};
	struct owamp_due nodes[NODES] = {{0}};
	uint64_t seed = 2;
	size_t count = 0;

	(void)state;
	for (int step = 0; step < 20000; step++) {
		struct owamp_due *node = &nodes[ref_below(&seed, NODES)];

		if (ref_below(&seed, 2)) {
			count += node->place == 0;
			assert_int_equal(heap_set(&heap, node, ref_below(&seed, 1000)), 0);
		} else {
			count -= node->place != 0;
			heap_remove(&heap, node);
		}
		assert_int_equal(heap.count, count);
		if (count > 0)
			assert_int_equal(heap_first(&heap)->ns, earliest(nodes, NULL));
		else
			assert_null(heap_first(&heap));
		assert_int_equal(heap_second_ns(&heap), earliest(nodes, heap_first(&heap)));
		assert_sound(&heap);
	}
	heap_free(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),          cmocka_unit_test(test_order),
		cmocka_unit_test(test_extremes),       cmocka_unit_test(test_move),
		cmocka_unit_test(test_against_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
