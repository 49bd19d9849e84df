#include "owampd/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock/report.h"
#include "owamp/engine.h"
#include "owamp/error.h"

#define BACKLOG 16

/* More than the document ever is, so that nobody's reading is waited for. */
#define BUFFER (256 << 10)

#define ACCEPT_PAUSE_NS INT64_C(1000000000)

/* Beside the errors' numbers. */
enum {
	FOLDER_OF_ANOTHER = 1 << 16,
	FOLDER_OF_MANY,
};

struct status {
	int fd;
	struct sockaddr_un address;
	struct stat made; /* what is at the address, if it is still ours */
	struct owamp_loop *loop;
	struct owamp_clock *clock;
	struct owamp_watch watch;
	struct owamp_timer pause; /* for want of descriptors */
};

static int try_connect(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		error = errno;
	close(fd);
	return error;
}

/* 0, or an error's number: EADDRINUSE if it is a server's that lives, EEXIST if it is no socket. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat there;
	int error;

	if (lstat(address->sun_path, &there))
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(there.st_mode))
		return EEXIST;
	error = try_connect(address);
	/* EAGAIN: so many wait already. */
	if (error == 0 || error == EAGAIN || error == EPROTOTYPE)
		return EADDRINUSE;
	if (error == ECONNREFUSED && unlink(address->sun_path))
		return errno == ENOENT ? 0 : errno;
	return error == ECONNREFUSED || error == ENOENT ? 0 : error;
}

/* Returns 0 or an error's number. */
static int make_socket(void *context)
{
	struct status *status = context;
	int error = remove_stale(&status->address);
	mode_t mask;

	if (error)
		return error;
	mask = umask(0117);
	if (bind(status->fd, (const struct sockaddr *)&status->address, sizeof(status->address)))
		error = errno;
	(void)umask(mask);
	if (!error && (lstat(status->address.sun_path, &status->made) || listen(status->fd, BACKLOG)))
		error = errno;
	return error;
}

static int open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof((struct sockaddr_un *)NULL)->sun_path] = ".";

	if (slash)
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * For a folder in which the server's user may not make it: whether root should.
 * In another's, what is removed and made there would be the other's choice.
 * Returns 0 or an error's number.
 */
static int judge_folder(const char *path, const struct privileges *privileges)
{
	int fd = open_folder(path), error = 0;
	struct stat folder;

	if (fd < 0)
		return errno;
	if (fstat(fd, &folder))
		error = errno;
	else if (folder.st_uid != 0)
		error = folder.st_uid == privileges->uid ? EACCES : FOLDER_OF_ANOTHER;
	else if (folder.st_mode & (S_IWGRP | S_IWOTH))
		error = FOLDER_OF_MANY;
	close(fd);
	return error;
}

/* Nobody but root can have put anything else there since. */
static int make_socket_for(struct status *status, const struct privileges *privileges)
{
	int error = judge_folder(status->address.sun_path, privileges);

	if (!error)
		error = make_socket(status);
	if (!error && lchown(status->address.sun_path, privileges->uid, privileges->gid))
		error = errno;
	return error;
}

static void explain(int number, const char *path, char *error, size_t error_size)
{
	const char *why = strerror(number);

	if (number == EADDRINUSE)
		why = "a server answers there already";
	else if (number == EEXIST)
		why = "is something else than a socket";
	else if (number == FOLDER_OF_ANOTHER)
		why = "its folder is neither root's nor the server's user's";
	else if (number == FOLDER_OF_MANY)
		why = "its folder is root's, but others can write to it, if not the server's user";
	snprintf(error, error_size, "status_socket %s: %s", path, why);
}

int status_bind(struct status **status, const char *path, const struct privileges *privileges, char *error,
		size_t error_size)
{
	struct status *made = calloc(1, sizeof(*made));
	int number;

	*status = NULL;
	if (!made || strlen(path) >= sizeof(made->address.sun_path)) {
		explain(made ? ENAMETOOLONG : ENOMEM, path, error, error_size);
		free(made);
		return OWAMP_EINVAL;
	}
	made->address.sun_family = AF_UNIX;
	memcpy(made->address.sun_path, path, strlen(path));
	made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	number = made->fd < 0 ? errno : privileges_try(privileges, make_socket, made);
	if (number == OWAMP_ESYSTEM)
		number = errno;
	if (number == EACCES && privileges->wanted && geteuid() == 0)
		number = make_socket_for(made, privileges);
	if (number) {
		explain(number, path, error, error_size);
		if (made->fd >= 0)
			close(made->fd);
		free(made);
		return OWAMP_ESYSTEM;
	}
	*status = made;
	return 0;
}

/* What make_socket() would come to, as far as looking tells; a server that answers is nothing wrong. */
static int look(void *context)
{
	const char *path = context;
	struct stat there;
	int folder = open_folder(path), error = 0;

	if (folder < 0)
		return errno;
	if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS))
		error = errno;
	close(folder);
	if (error || lstat(path, &there))
		return error || errno == ENOENT ? error : errno;
	if (!S_ISSOCK(there.st_mode))
		return EEXIST;
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) ? errno : 0;
}

int status_check(const char *path, const struct privileges *privileges, char *error, size_t error_size)
{
	char place[sizeof((struct sockaddr_un *)NULL)->sun_path];
	int number = ENAMETOOLONG;

	if ((size_t)snprintf(place, sizeof(place), "%s", path) < sizeof(place)) {
		number = privileges_try(privileges, look, place);
		if (number == OWAMP_ESYSTEM)
			number = errno;
	}
	if (number == EACCES && privileges->wanted && geteuid() == 0) {
		number = judge_folder(place, privileges);
		if (!number)
			number = look(place);
	}
	if (number)
		explain(number, path, error, error_size);
	return number ? OWAMP_EINVAL : 0;
}

static char *render(struct owamp_clock *clock)
{
	struct owamp_clock_status now;
	json_t *document;
	char *text;

	owamp_clock_status(clock, &now);
	document = json_pack("{s:o}", "clock", clock_report_json(&now));
	text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	json_decref(document);
	return text;
}

/* What does not fit into the socket's buffer does not come: who asks sees that the document is cut. */
static void answer(struct status *status, int fd)
{
	char *text = render(status->clock);
	struct iovec parts[] = {{.iov_base = text, .iov_len = text ? strlen(text) : 0},
				{.iov_base = (char[]){'\n'}, .iov_len = 1}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	int size = BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (text)
		(void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
}

static void go_on(struct owamp_timer *timer)
{
	struct status *status = timer->context;

	(void)owamp_loop_rewatch(status->loop, &status->watch, EPOLLIN);
}

static void ready(struct owamp_watch *watch, uint32_t events)
{
	struct status *status = watch->context;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		answer(status, fd);
		close(fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	(void)owamp_loop_rewatch(status->loop, watch, 0);
	(void)owamp_loop_set_timer(status->loop, &status->pause, owamp_mono_ns() + ACCEPT_PAUSE_NS);
}

int status_serve(struct status *status, struct owamp_loop *loop, struct owamp_clock *clock)
{
	status->clock = clock;
	status->watch = (struct owamp_watch){.fd = status->fd, .ready = ready, .context = status};
	status->pause = (struct owamp_timer){.expired = go_on, .context = status};
	if (owamp_loop_watch(loop, &status->watch, EPOLLIN))
		return OWAMP_ESYSTEM;
	status->loop = loop;
	return 0;
}

static bool is_still_ours(const struct status *status)
{
	struct stat there;

	return lstat(status->address.sun_path, &there) == 0 && there.st_dev == status->made.st_dev &&
	       there.st_ino == status->made.st_ino;
}

void status_close(struct status *status)
{
	if (!status)
		return;
	if (status->loop) {
		owamp_loop_unwatch(status->loop, &status->watch);
		owamp_loop_cancel_timer(status->loop, &status->pause);
	}
	/* In a folder of root's it stays, and is in nobody's way. */
	if (is_still_ours(status))
		(void)unlink(status->address.sun_path);
	close(status->fd);
	free(status);
}
