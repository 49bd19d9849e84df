#include "queue.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <owamp/error.h>

/* A buffer keeps room for this many, and for twice what was last in it. */
#define KEPT_MIN 4096

struct buffer {
	struct queue_entry *entries;
	uint32_t count;
	uint32_t touched; /* entries whose memory is in use */
};

struct queue {
	uint32_t max;
	struct buffer buffers[2];
	struct buffer *filling;
	struct buffer *taken;
};

static size_t buffer_size(const struct queue *queue)
{
	return (size_t)queue->max * sizeof(struct queue_entry);
}

int queue_new(struct queue **queue, uint32_t max)
{
	struct queue *q = calloc(1, sizeof *q);

	*queue = NULL;
	if (!q)
		return OWAMP_ENOMEM;
	q->max = max;
	for (int i = 0; i < 2; i++) {
		void *memory = mmap(NULL, buffer_size(q), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (memory == MAP_FAILED) {
			queue_free(q);
			return OWAMP_ENOMEM;
		}
		q->buffers[i].entries = memory;
	}
	q->filling = &q->buffers[0];
	q->taken = &q->buffers[1];
	*queue = q;
	return 0;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	for (int i = 0; i < 2; i++) {
		if (queue->buffers[i].entries)
			(void)munmap(queue->buffers[i].entries, buffer_size(queue));
	}
	free(queue);
}

bool queue_push(struct queue *queue, void *session, const struct owamp_record *record)
{
	struct buffer *buffer = queue->filling;

	if (buffer->count + queue->taken->count >= queue->max)
		return false;
	buffer->entries[buffer->count++] = (struct queue_entry){.session = session, .record = *record};
	if (buffer->touched < buffer->count)
		buffer->touched = buffer->count;
	return true;
}

uint32_t queue_count(const struct queue *queue)
{
	return queue->filling->count;
}

const struct queue_entry *queue_take(struct queue *queue, uint32_t *count)
{
	struct buffer *buffer = queue->filling;

	queue->filling = queue->taken;
	queue->taken = buffer;
	*count = buffer->count;
	return buffer->entries;
}

/* Locked memory is given back only by the newer call. */
static int give_back(void *memory, size_t size)
{
	return madvise(memory, size, MADV_DONTNEED_LOCKED) == 0 ? 0 : madvise(memory, size, MADV_DONTNEED);
}

void queue_give_back(struct queue *queue)
{
	struct buffer *buffer = queue->taken;
	uint32_t kept = buffer->count < KEPT_MIN / 2 ? KEPT_MIN : 2 * buffer->count;

	/* A multiple of a page. */
	kept = (kept + KEPT_MIN - 1) / KEPT_MIN * KEPT_MIN;
	if (buffer->touched > kept &&
	    give_back(buffer->entries + kept,
		      buffer_size(queue) - (size_t)kept * sizeof(struct queue_entry)) == 0)
		buffer->touched = kept;
}

void queue_done(struct queue *queue)
{
	queue->taken->count = 0;
}

size_t queue_memory(const struct queue *queue)
{
	return ((size_t)queue->buffers[0].touched + queue->buffers[1].touched) * sizeof(struct queue_entry);
}
