/* One JSON document with everything; its fields are in docs/owping-json.md. */
#ifndef OWPING_REPORT_JSON_H
#define OWPING_REPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <owamp/clock.h>

#include "owping/archive.h"
#include "owping/options.h"
#include "owping/report.h"

/* What the whole run came to. */
struct owping_json_run {
	const char *version;
	const struct sockaddr *peer; /* of the control connection, or NULL */
	uint32_t mode;               /* 0: none was agreed on */
	int64_t server_start_ns;     /* 0: not known */
	int64_t connect_ns;          /* -1: not known */
	int64_t setup_ns;            /* -1: not known */
	bool interrupted;
	int exit_status;
	int error; /* 0, or why the run as a whole failed */
	const char *reason;
	const struct owamp_clock_status *clock;     /* of this host; NULL: nobody asked it */
	const struct owamp_engine_granted *granted; /* NULL: nothing was asked of this host */
	const struct owping_archive *archive;       /* NULL, or without a path: not asked for */
};

/* Writes the document; a report that is NULL is left out. Returns 0, OWAMP_ENOMEM or OWAMP_ESYSTEM. */
int owping_report_json(FILE *out, const struct owping_json_run *run, const struct owping_options *options,
		       struct owping_report *const *reports, unsigned report_count);

#endif
