/*
 * Records on their way to the writer: two buffers of fixed size, of which one
 * is being filled while the other is being written. Nothing is allocated after
 * queue_new(); memory is taken as it is used and given back after a burst.
 *
 * No locking of its own: push, take and done belong under the caller's lock.
 * The entries taken are the taker's alone until queue_done().
 */
#ifndef STORAGE_QUEUE_H
#define STORAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/session.h>

struct queue;

struct queue_entry {
	void *session;
	struct owamp_record record;
};

/* Room for max entries, those taken and not yet done included. */
int queue_new(struct queue **queue, uint32_t max);
void queue_free(struct queue *queue);

/* False: it is full. */
bool queue_push(struct queue *queue, void *session, const struct owamp_record *record);

/* Entries that wait, not those taken. */
uint32_t queue_count(const struct queue *queue);

/* All that wait, in their order. What was taken before must be done. */
const struct queue_entry *queue_take(struct queue *queue, uint32_t *count);

/* Before queue_done(), and the taker's without a lock: returns memory that was last used in a burst. */
void queue_give_back(struct queue *queue);

/* The entries taken are no longer needed. */
void queue_done(struct queue *queue);

/* Octets that both buffers have touched and not given back. */
size_t queue_memory(const struct queue *queue);

#endif
