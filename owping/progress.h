/* What stderr says while a run goes on: a line before, one live line during it. */
#ifndef OWPING_PROGRESS_H
#define OWPING_PROGRESS_H

#include <stdbool.h>

#include <owamp/client.h>
#include <owamp/loop.h>

#include "owping/options.h"

struct owping_progress {
	const struct owping_options *options;
	struct owamp_loop *loop;
	struct owamp_client *client;
	struct owamp_timer timer;
	bool shown; /* the live line is on the screen */
};

/* Announces the sessions, and starts the live line if stderr is a terminal that can erase it. */
void owping_progress_start(struct owping_progress *progress, const struct owping_options *options,
			   struct owamp_loop *loop, struct owamp_client *client);

/* Erases the live line. May be called without a start, and more than once. */
void owping_progress_end(struct owping_progress *progress);

#endif
