/* What the parts of the synchronous layer share: one connection and its statements. */
#ifndef STORAGE_ARCHIVE_INTERNAL_H
#define STORAGE_ARCHIVE_INTERNAL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "archive.h"

enum archive_statement {
	ARCHIVE_ST_BEGIN,
	ARCHIVE_ST_COMMIT,
	ARCHIVE_ST_ENDPOINT_ADD,
	ARCHIVE_ST_ENDPOINT_NAME,
	ARCHIVE_ST_ENDPOINT_FIND,
	ARCHIVE_ST_SESSION_ADD,
	ARCHIVE_ST_SESSION_FIND,
	ARCHIVE_ST_SESSION_CUT,
	ARCHIVE_ST_SESSION_COUNT,
	ARCHIVE_ST_SESSION_FINISH,
	ARCHIVE_ST_SESSION_MARK,
	ARCHIVE_ST_SESSION_DROP,
	ARCHIVE_ST_SESSION_LOAD,
	ARCHIVE_ST_SESSION_LOAD_ALL,
	ARCHIVE_ST_SLOT_ADD,
	ARCHIVE_ST_SLOT_LOAD,
	ARCHIVE_ST_SKIP_ADD,
	ARCHIVE_ST_SKIP_DROP,
	ARCHIVE_ST_SKIP_LOAD,
	ARCHIVE_ST_HEALTH_ADD,
	ARCHIVE_ST_CLOCK_ADD,
	ARCHIVE_ST_CLOCK_SOURCE_ADD,
	ARCHIVE_ST_PACKET_ADD,
	ARCHIVE_ST_PACKETS_ADD,
	ARCHIVE_ST_PACKET_SEEK,
	ARCHIVE_ST_PACKET_READ,
	ARCHIVE_ST_MINUTE_ADD,
	ARCHIVE_ST_HISTOGRAM_ADD,
	ARCHIVE_ST_LOSS_FIND,
	ARCHIVE_ST_LOSS_DROP,
	ARCHIVE_ST_LOSS_PUT,
	ARCHIVE_ST_SUMMED_LOAD,
	ARCHIVE_ST_SUMMED_MARK,
	ARCHIVE_ST_REMOVE, /* and those that follow: one for each table */
	ARCHIVE_STATEMENTS = ARCHIVE_ST_REMOVE + 6,
};

struct archive {
	sqlite3 *db;
	char *path;
	bool in_memory;
	dev_t device; /* of the file as opened */
	ino_t inode;
	sqlite3_stmt *statements[ARCHIVE_STATEMENTS];
	int code; /* SQLite's, of the last failure */
	char reason[256];
};

/* Notes why the last call of SQLite failed and returns the code for it. */
int archive_failed(struct archive *archive);

/* The statement, prepared once and without bindings; NULL: archive_failed() is due. */
sqlite3_stmt *archive_statement(struct archive *archive, enum archive_statement statement, const char *sql);

/* Runs a statement that gives no rows. */
int archive_run(struct archive *archive, sqlite3_stmt *statement);

/* Copied; NULL stays NULL. */
void archive_bind_text(sqlite3_stmt *st, int column, const char *text);

int archive_exec(struct archive *archive, const char *sql);

/* The one integer of a query; *value stays if there is no row. */
int archive_integer(struct archive *archive, const char *sql, int64_t *value);

/* A time that wraps, as ns of its era and what ns cannot say of it. */
void archive_split_time(owamp_ntp time, int64_t near_ns, int64_t *ns, int64_t *residue);
owamp_ntp archive_join_time(int64_t ns, int64_t residue);

/* ARCHIVE_INVALID for what is none. */
enum archive_outcome archive_outcome_parse(const char *text);

#endif
