/* The begin of a writer: the file is its alone, and what a process before it left is put in order. */
#include "writer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "archive_internal.h"

/* The process that has the lock, as it wrote it; 0: it could not. */
static long holder(int fd)
{
	char text[24] = "";
	ssize_t length = pread(fd, text, sizeof text - 1, 0);

	return length > 0 ? strtol(text, NULL, 10) : 0;
}

/* For whoever finds it locked; a full disk does not matter. */
static void sign(int fd)
{
	char text[24];
	int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)length, 0) != length)
		return;
}

/* The archive's owner must be able to open it next time. */
static void give_to_owner(int fd, const char *archive)
{
	struct stat status;

	if (geteuid() == 0 && stat(archive, &status) == 0 && fchown(fd, status.st_uid, status.st_gid))
		return;
}

static int lock_name(struct writer *writer, const char *name, char *error, size_t error_size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int saved;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		sign(fd);
		give_to_owner(fd, writer->path);
		writer->lock_fd = fd;
		return 0;
	}
	saved = errno;
	if (fd >= 0 && saved == EWOULDBLOCK) {
		long pid = holder(fd);
		char who[40] = "";

		if (pid > 0)
			snprintf(who, sizeof who, " (pid %ld)", pid);
		snprintf(error, error_size, "%s: in use by another %s%s", writer->path, writer->program, who);
	} else {
		snprintf(error, error_size, "%s: %s", name, strerror(saved));
	}
	if (fd >= 0)
		close(fd);
	return OWAMP_ESYSTEM;
}

/*
 * Beside the file and not on it: SQLite's own locks would go with any
 * descriptor of the file that is closed.
 */
int writer_lock(struct writer *writer, char *error, size_t error_size)
{
	char *path, *name;
	int result;

	if (writer_in_memory(writer))
		return 0;
	path = realpath(writer->path, NULL);
	if (!path) {
		snprintf(error, error_size, "%s: %s", writer->path, strerror(errno));
		return OWAMP_ESYSTEM;
	}
	if (asprintf(&name, "%s-lock", path) < 0) {
		free(path);
		snprintf(error, error_size, "%s: out of memory", writer->path);
		return OWAMP_ENOMEM;
	}
	result = lock_name(writer, name, error, error_size);
	free(name);
	free(path);
	return result;
}

/* Sessions that are named in the log, so that it stays readable after a crash under load. */
#define NAMED_MAX 20

struct dead {
	int64_t session_id;
	char what[160]; /* SID, addresses and identity, for the log */
	int64_t created_ns;
	int64_t records;
	int64_t last_ns; /* 0: nothing tells when it was last alive */
};

static int find_dead(struct writer *writer, struct dead *dead)
{
	static const char sql[] =
		"SELECT session_id, created_ns, (SELECT count(*) FROM packet_rows AS p WHERE p.session_id = "
		"s.session_id),"
		" (SELECT max(send_time_ns + coalesce(delay_ns, 0)) FROM packet_rows AS p"
		" WHERE p.session_id = s.session_id),"
		" sid || ' from ' || (SELECT address FROM endpoints WHERE endpoint_id = sender_id) ||"
		" coalesce(' (user \"' || identity || '\")', '')"
		" FROM sessions AS s WHERE outcome = 'running' AND program = ? ORDER BY session_id LIMIT 1";
	sqlite3_stmt *st;
	int step, error = 0;

	*dead = (struct dead){0};
	if (sqlite3_prepare_v2(writer->archive->db, sql, -1, &st, NULL) != SQLITE_OK)
		return archive_failed(writer->archive);
	(void)sqlite3_bind_text(st, 1, writer->program, -1, SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		const char *what = (const char *)sqlite3_column_text(st, 4);

		dead->session_id = sqlite3_column_int64(st, 0);
		dead->created_ns = sqlite3_column_int64(st, 1);
		dead->records = sqlite3_column_int64(st, 2);
		dead->last_ns = sqlite3_column_int64(st, 3);
		snprintf(dead->what, sizeof dead->what, "%s", what ? what : "");
	} else if (step != SQLITE_DONE)
		error = archive_failed(writer->archive);
	(void)sqlite3_finalize(st);
	return error;
}

static int end_dead(struct writer *writer, const struct dead *dead, const char *reason)
{
	struct archive_end end = {.outcome = ARCHIVE_BROKEN, .reason = reason, .summaries_due = true};
	int64_t now_ns = owamp_real_ns();
	int error;

	/* The sender's clock may be ahead. */
	end.end_ns = dead->last_ns != 0 && dead->last_ns < now_ns ? dead->last_ns : now_ns;
	if (end.end_ns < dead->created_ns)
		end.end_ns = dead->created_ns;
	error = archive_begin(writer->archive);
	if (!error)
		error = archive_session_finish(writer->archive, dead->session_id, &end,
					       (uint64_t)dead->records);
	return error ? error : archive_commit(writer->archive);
}

int writer_settle_dead(struct writer *writer, char *error, size_t error_size)
{
	struct dead dead;
	char reason[120];
	uint64_t count = 0;
	int result;

	snprintf(reason, sizeof reason, "%s ended while the session was running", writer->program);
	do {
		result = find_dead(writer, &dead);
		if (!result && dead.session_id != 0)
			result = end_dead(writer, &dead, reason);
		if (!result && dead.session_id != 0 && count++ < NAMED_MAX)
			writer_log(writer, LOG_WARNING,
				   "session %s is broken: %s; %lld records of it are there", dead.what,
				   reason, (long long)dead.records);
	} while (!result && dead.session_id != 0);
	if (count > NAMED_MAX)
		writer_log(writer, LOG_WARNING, "%llu more sessions are broken for the same reason",
			   (unsigned long long)(count - NAMED_MAX));
	if (result) {
		archive_rollback(writer->archive);
		snprintf(error, error_size, "%s: ending the sessions that were left running: %s",
			 writer->path, archive_reason(writer->archive));
	}
	writer->settling = true;
	return result;
}
