#include "owampd/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owamp/error.h"

struct pidfile {
	char *path;
	int fd; /* with the lock */
};

/* Whoever held the lock before may have removed what we have opened. */
static bool is_still_there(const struct pidfile *pidfile)
{
	struct stat opened, named;

	return fstat(pidfile->fd, &opened) == 0 && stat(pidfile->path, &named) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static int held_by(const struct pidfile *pidfile, char *error, size_t error_size)
{
	char text[24] = "";
	ssize_t size = pread(pidfile->fd, text, sizeof(text) - 1, 0);
	long pid = size > 0 ? strtol(text, NULL, 10) : 0;

	if (pid > 0)
		snprintf(error, error_size, "a server runs already, process %ld", pid);
	else
		snprintf(error, error_size, "a server runs already");
	return OWAMP_ELIMIT;
}

/* A number, or nothing: whoever wrote it, it is lost with no harm. */
static bool is_pid(const struct pidfile *pidfile)
{
	char text[24];
	ssize_t size = pread(pidfile->fd, text, sizeof(text) - 1, 0);

	if (size < 0 || (size_t)size == sizeof(text) - 1)
		return false;
	text[size] = '\0';
	return strspn(text, "0123456789\n") == (size_t)size;
}

static int write_pid(const struct pidfile *pidfile)
{
	char text[24];
	int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(pidfile->fd, 0) || pwrite(pidfile->fd, text, (size_t)size, 0) != size)
		return OWAMP_ESYSTEM;
	return 0;
}

/* With privileges still: a link could lead anywhere. Positive: once more. */
static int take(struct pidfile *pidfile, char *error, size_t error_size)
{
	pidfile->fd = open(pidfile->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (pidfile->fd < 0 && errno == ELOOP) {
		snprintf(error, error_size, "is a symbolic link");
		return OWAMP_EINVAL;
	}
	if (pidfile->fd < 0)
		return OWAMP_ESYSTEM;
	if (flock(pidfile->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? held_by(pidfile, error, error_size) : OWAMP_ESYSTEM;
	if (!is_still_there(pidfile)) {
		close(pidfile->fd);
		return 1;
	}
	if (is_pid(pidfile))
		return write_pid(pidfile);
	snprintf(error, error_size, "holds something else than a process id");
	return OWAMP_EINVAL;
}

int pidfile_take(struct pidfile **pidfile, const char *path, char *error, size_t error_size)
{
	struct pidfile *made = calloc(1, sizeof(*made));
	int result = OWAMP_ENOMEM;

	*pidfile = NULL;
	snprintf(error, error_size, "out of memory");
	if (!made)
		return result;
	made->fd = -1;
	made->path = strdup(path);
	if (!made->path)
		goto cleanup;
	do {
		result = take(made, error, error_size);
	} while (result > 0);
	if (result == OWAMP_ESYSTEM)
		snprintf(error, error_size, "%s", strerror(errno));
	if (!result) {
		*pidfile = made;
		return 0;
	}
cleanup:
	if (made->fd >= 0)
		close(made->fd);
	free(made->path);
	free(made);
	return result;
}

const char *pidfile_release(struct pidfile *pidfile)
{
	const char *reason = NULL;

	if (!pidfile)
		return NULL;
	/* After the drop of privileges the folder may not be ours: then at least it names no process. */
	if (unlink(pidfile->path) && ftruncate(pidfile->fd, 0))
		reason = strerror(errno);
	close(pidfile->fd);
	free(pidfile->path);
	free(pidfile);
	return reason;
}
