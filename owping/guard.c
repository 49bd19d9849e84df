#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owping/guard.h"

static bool is_same(const struct stat *file, const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && status.st_dev == file->st_dev && status.st_ino == file->st_ino;
}

static bool is_archive(const struct stat *file, const char *archive)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	/* SQLite names the files beside the database after what links lead to. */
	char *base = realpath(archive, NULL);
	char path[PATH_MAX + 16];
	bool found = false;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && !found; i++) {
		snprintf(path, sizeof(path), "%s%s", base != NULL ? base : archive, suffixes[i]);
		found = is_same(file, path);
	}
	free(base);
	return found;
}

static bool is_database(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char start[sizeof(magic)];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool found = fd >= 0 && pread(fd, start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
		     memcmp(start, magic, sizeof(magic)) == 0;

	if (fd >= 0)
		close(fd);
	return found;
}

const char *owping_guard(const char *path, const char *archive)
{
	struct stat status;

	if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return NULL;
	/* First: to open and close an archive in use would give up SQLite's locks on it. */
	if (archive != NULL && is_archive(&status, archive))
		return "belongs to the archive: it is not overwritten";
	return is_database(path) ? "is an SQLite database: it is not overwritten" : NULL;
}
