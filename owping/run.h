/* One run of a client: engine, control connection, signals, progress. */
#ifndef OWPING_RUN_H
#define OWPING_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include <owamp/client.h>
#include <owamp/engine.h>
#include <owamp/loop.h>

#include "owping/archive.h"
#include "owping/common.h"
#include "owping/options.h"
#include "owping/progress.h"
#include "owping/timeline.h"

struct owping_run {
	const struct owping_options *options;
	struct owping_credentials credentials;
	struct owamp_engine *engine;
	struct owamp_engine_granted granted; /* once there is an engine */
	struct owamp_client *client;
	struct owping_archive archive;
	struct owping_progress progress;
	struct owamp_timer connect_timer;
	enum owamp_client_state state;
	bool connect_timeout;
	bool done;
	unsigned interrupts;
	int signal; /* the last of them */

	/* 0, or why the run as a whole failed. */
	int error;
	char reason[512];

	/* CLOCK_MONOTONIC; 0: not reached. */
	int64_t started_mono;
	int64_t connected_mono;
	int64_t ready_mono;
	int64_t agreed_mono;

	struct owamp_clock_status clock; /* before the run */
	int64_t agreed_ns;               /* Unix: the sessions started */
	int64_t ended_ns;                /* and were stopped */
};

/* owping_run_close() is due from now on. */
void owping_run_init(struct owping_run *run, const struct owping_options *options);

/*
 * Makes everything ready for owamp_client_add_test() and _fetch(). A failure
 * is also in run->error and run->reason.
 */
int owping_run_open(struct owping_run *run);

/* Runs the client to its end. A failure is in run->error as well. */
int owping_run_go(struct owping_run *run);

void owping_run_close(struct owping_run *run);

/* Notes a failure, with the text of error if reason is NULL. Returns error. */
int owping_run_fail(struct owping_run *run, int error, const char *reason);

#endif
