/* --archive: the results of a run into an SQLite archive, and what became of them. */
#ifndef OWPING_ARCHIVE_H
#define OWPING_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "owping/report.h"
#include "storage/archive.h"

struct owping_run;

enum owping_archive_result {
	OWPING_ARCHIVE_STORED,
	OWPING_ARCHIVE_REPLACED,
	OWPING_ARCHIVE_KEPT, /* the session was there already */
	OWPING_ARCHIVE_FAILED,
};

/* One session's way into the archive. */
struct owping_archived {
	uint8_t sid[OWAMP_SID_SIZE];
	enum owping_archive_result result;
	enum archive_outcome outcome;
	char reason[400]; /* why it was kept or failed; or why it is not finished */
};

struct owping_archive {
	const char *path; /* NULL: nothing is archived */
	struct archive *archive;
	char error[512]; /* of the file as a whole; empty: none */
	struct owping_archived *sessions;
	unsigned session_count;
};

/* Opens or creates the file, before anything is measured. A failure is in archive->error. */
int owping_archive_open(struct owping_archive *archive, const char *path);
void owping_archive_close(struct owping_archive *archive);

/*
 * Stores all results in which something was measured; a report that is NULL has
 * none. Tells the user what went wrong. False: something was not stored.
 */
bool owping_archive_write(struct owping_archive *archive, const struct owping_run *run,
			  struct owping_report *const *reports, unsigned report_count);

/* "stored", "replaced", "kept", "failed". */
const char *owping_archive_result_name(enum owping_archive_result result);

/* What the archive is to say of a result: see enum archive_outcome. */
enum archive_outcome owping_archive_outcome(const struct owping_report *report);

#endif
