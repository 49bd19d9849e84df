#include "world.h"

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event held = *a;

	*a = *b;
	*b = held;
}

void sim_at(struct sim_world *world, int64_t at_ns, sim_fire *fire, void *context)
{
	size_t at = world->queue_size++;

	if (at == world->queue_capacity) {
		world->queue_capacity = 2 * world->queue_capacity + 256;
		world->queue = realloc(world->queue, world->queue_capacity * sizeof(*world->queue));
		assert_non_null(world->queue);
	}
	world->queue[at] = (struct sim_event){at_ns, world->order++, fire, context};
	if (at_ns < world->now_ns)
		world->queue[at].at_ns = world->now_ns;
	while (at > 0 && before(&world->queue[at], &world->queue[(at - 1) / 2])) {
		swap(&world->queue[at], &world->queue[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

bool sim_next(struct sim_world *world, struct sim_event *event)
{
	struct sim_event *queue = world->queue;
	size_t at = 0;

	if (world->queue_size == 0)
		return false;
	*event = queue[0];
	queue[0] = queue[--world->queue_size];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < world->queue_size && before(&queue[child + 1], &queue[child]))
			child++;
		if (child >= world->queue_size || !before(&queue[child], &queue[at]))
			return true;
		swap(&queue[child], &queue[at]);
		at = child;
	}
}
