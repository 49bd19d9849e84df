/*
 * A thread for slow work (PBKDF2), with a bounded queue.
 */
#ifndef OWAMP_WORKER_H
#define OWAMP_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"
#include "loop.h"

struct owamp_worker;

/*
 * A job belongs to the caller and must stay in place until done() was called
 * on the loop's thread. work() runs on the worker's thread; it is left out for
 * jobs that still wait when the engine ends.
 */
struct owamp_job {
	void (*work)(struct owamp_job *job);
	void (*done)(struct owamp_job *job);
	void *context;
	struct owamp_job *next; /* the worker's */
	struct owamp_post post; /* the worker's */
};

/* At most queue_max jobs wait at a time. */
OWAMP_API int owamp_worker_new(struct owamp_worker **worker, struct owamp_loop *loop, unsigned queue_max);
OWAMP_API void owamp_worker_free(struct owamp_worker *worker);

/* OWAMP_ELIMIT if the queue is full. */
OWAMP_API int owamp_worker_submit(struct owamp_worker *worker, struct owamp_job *job);

#endif
