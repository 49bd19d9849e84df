/* Opening an archive: is it one, of which version, and can it be used? */
#include "archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/error.h>

#include "archive_internal.h"
#include "schema.h"

/* For another process to end its transaction. */
#define BUSY_MS 5000

int archive_failed(struct archive *archive)
{
	int code = sqlite3_errcode(archive->db) & 0xff;
	int system = sqlite3_system_errno(archive->db);

	archive->code = code;
	if ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_FULL) && system != 0)
		snprintf(archive->reason, sizeof archive->reason, "%s (%s)", sqlite3_errmsg(archive->db),
			 strerror(system));
	else
		snprintf(archive->reason, sizeof archive->reason, "%s", sqlite3_errmsg(archive->db));
	/* Names in a damaged file can be anything. */
	for (char *c = archive->reason; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	return code == SQLITE_NOMEM ? OWAMP_ENOMEM : OWAMP_ESYSTEM;
}

const char *archive_reason(const struct archive *archive)
{
	return archive->reason;
}

sqlite3_stmt *archive_statement(struct archive *archive, enum archive_statement statement, const char *sql)
{
	sqlite3_stmt **slot = &archive->statements[statement];

	if (*slot) {
		(void)sqlite3_clear_bindings(*slot);
		return *slot;
	}
	if (sqlite3_prepare_v3(archive->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
		return NULL;
	return *slot;
}

int archive_run(struct archive *archive, sqlite3_stmt *statement)
{
	int result;

	if (!statement)
		return archive_failed(archive);
	result = sqlite3_step(statement) == SQLITE_DONE ? 0 : archive_failed(archive);
	(void)sqlite3_reset(statement);
	return result;
}

int archive_exec(struct archive *archive, const char *sql)
{
	return sqlite3_exec(archive->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : archive_failed(archive);
}

int archive_integer(struct archive *archive, const char *sql, int64_t *value)
{
	sqlite3_stmt *statement;
	int result = 0, step;

	if (sqlite3_prepare_v2(archive->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return archive_failed(archive);
	step = sqlite3_step(statement);
	if (step == SQLITE_ROW)
		*value = sqlite3_column_int64(statement, 0);
	else if (step != SQLITE_DONE)
		result = archive_failed(archive);
	(void)sqlite3_finalize(statement);
	return result;
}

void archive_bind_text(sqlite3_stmt *st, int column, const char *text)
{
	if (text)
		(void)sqlite3_bind_text(st, column, text, -1, SQLITE_TRANSIENT);
}

int archive_version(void)
{
	int version = 0;

	while (schema_migrations[version])
		version++;
	return version;
}

/* What the file says it is. */
struct identity {
	int64_t application;
	int64_t version;
	int64_t tables;
};

static int identify(struct archive *archive, struct identity *identity)
{
	int error = archive_integer(archive, "PRAGMA application_id", &identity->application);

	if (!error)
		error = archive_integer(archive, "PRAGMA user_version", &identity->version);
	if (!error)
		error = archive_integer(archive, "SELECT count(*) FROM sqlite_schema", &identity->tables);
	return error;
}

static bool is_empty(const struct identity *identity)
{
	return identity->application == 0 && identity->version == 0 && identity->tables == 0;
}

/* Is it ours to use? */
static int judge(struct archive *archive, const struct identity *identity)
{
	if (identity->application != ARCHIVE_APPLICATION_ID && !is_empty(identity))
		snprintf(archive->reason, sizeof archive->reason,
			 "is an SQLite database of something else (application_id %lld)",
			 (long long)identity->application);
	else if (identity->version > archive_version())
		snprintf(archive->reason, sizeof archive->reason,
			 "is of schema version %lld, written by a newer release; this one knows %d",
			 (long long)identity->version, archive_version());
	else if (identity->version < 0)
		snprintf(archive->reason, sizeof archive->reason, "has a schema version of %lld",
			 (long long)identity->version);
	else
		return 0;
	return OWAMP_EINVAL;
}

static int migrate_from(struct archive *archive, int64_t version)
{
	char text[120];
	int error = 0;

	for (; !error && schema_migrations[version]; version++)
		error = archive_exec(archive, schema_migrations[version]);
	if (!error)
		error = archive_exec(archive, schema_views);
	snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 ARCHIVE_APPLICATION_ID, archive_version());
	return error ? error : archive_exec(archive, text);
}

/* All steps or none; somebody else may have been quicker. */
static int migrate(struct archive *archive)
{
	struct identity identity = {0};
	int error = archive_begin(archive);

	if (error)
		return error;
	error = identify(archive, &identity);
	if (!error)
		error = judge(archive, &identity);
	if (!error && (identity.version < archive_version() || is_empty(&identity)))
		error = migrate_from(archive, identity.version);
	if (!error)
		error = archive_commit(archive);
	if (error)
		archive_rollback(archive);
	return error;
}

/* What does not last in the file, and what only an empty file takes. */
static int set_up(struct archive *archive, enum archive_mode mode)
{
	static const char both[] = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
				   "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16384";
	static const char write[] = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
				    "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864";
	struct identity identity = {0};
	int error = archive_exec(archive, both), code;

	/* Looked at before it is touched. */
	if (!error)
		error = identify(archive, &identity);
	code = sqlite3_errcode(archive->db) & 0xff;
	if (error && (code == SQLITE_READONLY || (code == SQLITE_CANTOPEN && mode == ARCHIVE_READ)))
		snprintf(archive->reason, sizeof archive->reason, "%s",
			 mode == ARCHIVE_WRITE
				 ? "cannot be written without write permission to its folder (SQLite's WAL)"
				 : "cannot be read: while no program writes to it, readers need write "
				   "permission "
				   "to its folder (SQLite's WAL)");
	if (!error)
		error = judge(archive, &identity);
	if (error)
		return error;
	if (mode == ARCHIVE_WRITE) {
		error = archive_exec(archive, write);
		if (!error && identity.version < archive_version())
			error = migrate(archive);
		/* A file that cannot be written is found out now, not at the first result. */
		if (!error)
			error = archive_begin(archive);
		if (!error)
			error = archive_exec(archive,
					     "UPDATE sessions SET packets = packets WHERE session_id = -1");
		archive_rollback(archive);
		return error;
	}
	if (identity.version == archive_version())
		return 0;
	if (is_empty(&identity))
		snprintf(archive->reason, sizeof archive->reason, "is empty, no results were stored yet");
	else
		snprintf(archive->reason, sizeof archive->reason,
			 "is of schema version %lld; the first program of this release that writes to it, "
			 "such "
			 "as owstats prune --max-size 1t, brings it to %d",
			 (long long)identity.version, archive_version());
	return OWAMP_EINVAL;
}

/* Why no file of this name could be made; "" if it can. */
static void check_folder(struct archive *archive, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? strdup("/")
		       : slash       ? strndup(path, (size_t)(slash - path))
				     : strdup(".");

	if (!folder || access(folder, W_OK | X_OK) != 0)
		snprintf(archive->reason, sizeof archive->reason, "cannot be created: %s: %s",
			 folder ? folder : path, strerror(errno));
	free(folder);
}

/* Better words than SQLite's for what is wrong with the path itself. */
static int check_path(struct archive *archive, const char *path, enum archive_mode mode)
{
	struct stat status;

	if (path[0] == '\0')
		snprintf(archive->reason, sizeof archive->reason, "the name of the archive is empty");
	else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		snprintf(archive->reason, sizeof archive->reason, "is not a regular file");
	else if (mode == ARCHIVE_WRITE && access(path, F_OK) != 0 && errno == ENOENT)
		check_folder(archive, path);
	else if (access(path, mode == ARCHIVE_WRITE ? R_OK | W_OK : R_OK) != 0)
		snprintf(archive->reason, sizeof archive->reason, "%s", strerror(errno));
	return archive->reason[0] == '\0' ? 0 : OWAMP_ESYSTEM;
}

static int open_file(struct archive *archive, const char *path, enum archive_mode mode)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	/* A name that SQLite would take for something else. */
	const char *prefix = archive->in_memory || path[0] == '/' ? "" : "./";
	struct stat status;
	char *name;
	int error;

	flags |= mode == ARCHIVE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	flags |= archive->in_memory ? SQLITE_OPEN_URI : 0;
	if (asprintf(&name, "%s%s", prefix, path) < 0)
		return OWAMP_ENOMEM;
	error = sqlite3_open_v2(name, &archive->db, flags, NULL) == SQLITE_OK ? 0 : archive_failed(archive);
	free(name);
	if (!error && sqlite3_busy_timeout(archive->db, BUSY_MS) != SQLITE_OK)
		error = archive_failed(archive);
	if (!error)
		error = set_up(archive, mode);
	if (!error && !archive->in_memory && stat(path, &status) == 0) {
		archive->device = status.st_dev;
		archive->inode = status.st_ino;
	}
	return error;
}

int archive_open(struct archive **archive, const char *path, enum archive_mode mode, char *error,
		 size_t error_size)
{
	struct archive *a = calloc(1, sizeof *a);
	int result = OWAMP_ENOMEM;

	*archive = NULL;
	snprintf(error, error_size, "%s: out of memory", path);
	if (!a)
		return result;
	a->in_memory = strcmp(path, ARCHIVE_MEMORY) == 0;
	a->path = strdup(path);
	if (a->path)
		result = a->in_memory ? 0 : check_path(a, path, mode);
	if (a->path && !result)
		result = open_file(a, path, mode);
	if (result == 0) {
		error[0] = '\0';
		*archive = a;
		return 0;
	}
	if (a->reason[0])
		snprintf(error, error_size, "%s: %s", path, a->reason);
	archive_close(a);
	return result;
}

void archive_close(struct archive *archive)
{
	if (!archive)
		return;
	for (size_t i = 0; i < ARCHIVE_STATEMENTS; i++)
		(void)sqlite3_finalize(archive->statements[i]);
	(void)sqlite3_close(archive->db);
	free(archive->path);
	free(archive);
}

bool archive_is_gone(const struct archive *archive)
{
	struct stat status;

	if (archive->in_memory)
		return false;
	return stat(archive->path, &status) != 0 || status.st_dev != archive->device ||
	       status.st_ino != archive->inode;
}

struct sqlite3 *archive_sqlite(const struct archive *archive)
{
	return archive->db;
}

int archive_begin(struct archive *archive)
{
	return archive_run(archive, archive_statement(archive, ARCHIVE_ST_BEGIN, "BEGIN IMMEDIATE"));
}

int archive_commit(struct archive *archive)
{
	return archive_run(archive, archive_statement(archive, ARCHIVE_ST_COMMIT, "COMMIT"));
}

void archive_rollback(struct archive *archive)
{
	/* Some failures have rolled back already. */
	if (!sqlite3_get_autocommit(archive->db))
		(void)sqlite3_exec(archive->db, "ROLLBACK", NULL, NULL, NULL);
}

int archive_octets(struct archive *archive, uint64_t *all, uint64_t *used)
{
	int64_t count = 0, unused = 0, size = 0;
	int error = archive_integer(archive, "PRAGMA page_count", &count);

	if (!error)
		error = archive_integer(archive, "PRAGMA freelist_count", &unused);
	if (!error)
		error = archive_integer(archive, "PRAGMA page_size", &size);
	*all = (uint64_t)(count * size);
	*used = (uint64_t)((count - unused) * size);
	return error;
}
