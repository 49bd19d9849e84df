#include "owampd/opener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owamp/engine.h"
#include "owamp/error.h"
#include "owampd/opener_process.h"

#define MS INT64_C(1000000)

/* For an answer, and for the process to begin and to end. */
#define ANSWER_MS 1000
#define START_MS  10000
#define STOP_MS   1000

/* One that has not answered in time is not asked again before it has, or so long. */
#define HUNG_NS (30000 * MS)

struct opener {
	struct opener_targets targets;
	pid_t pid;
	int fd;
	uint32_t number; /* of the last request */
	bool hangs;      /* that was not answered in time */
	int64_t asked_mono;
};

static void add(struct opener_targets *targets, enum owamp_clock_object object, const char *path)
{
	struct opener_target *target = &targets->list[targets->count++];

	target->object = object;
	(void)snprintf(target->path, sizeof(target->path), "%s", path);
}

static void list_targets(struct opener_targets *targets, const struct owamp_clock_config *config)
{
	*targets = (struct opener_targets){.count = 0};
	for (size_t i = 0; i < config->count && i < OWAMP_CLOCK_SOURCES_MAX; i++) {
		const struct owamp_clock_source_config *source = &config->sources[i];

		if (source->kind == OWAMP_CLOCK_KIND_PTP) {
			add(targets, OWAMP_CLOCK_OBJECT_SOCKET, source->ptp.socket);
			targets->devices = true;
		} else if (source->kind == OWAMP_CLOCK_KIND_PHC) {
			add(targets, OWAMP_CLOCK_OBJECT_DEVICE, source->phc.device);
		}
	}
}

bool opener_is_needed(const struct owamp_clock_config *config)
{
	struct opener_targets targets;

	list_targets(&targets, config);
	return targets.count > 0;
}

/* -1: not one of them. */
static int64_t find_target(const struct opener_targets *targets, enum owamp_clock_object object,
			   const char *path)
{
	static const size_t prefix = sizeof(OPENER_DEVICE_PREFIX) - 1;
	char canonical[OWAMP_CLOCK_PATH_SIZE];
	unsigned long number;

	for (uint32_t i = 0; i < targets->count; i++) {
		if (targets->list[i].object == object && strcmp(targets->list[i].path, path) == 0)
			return i;
	}
	if (!targets->devices || object != OWAMP_CLOCK_OBJECT_DEVICE ||
	    strncmp(path, OPENER_DEVICE_PREFIX, prefix) != 0)
		return -1;
	number = strtoul(path + prefix, NULL, 10);
	(void)snprintf(canonical, sizeof(canonical), OPENER_DEVICE_PREFIX "%lu", number);
	return number < OPENER_DEVICES_MAX && strcmp(path, canonical) == 0
		       ? OWAMP_CLOCK_SOURCES_MAX + (int64_t)number
		       : -1;
}

/* Of a reply: its descriptor, or -1 with errno. False: it is another request's. */
static bool take_reply(const struct opener_reply *reply, struct msghdr *message, uint32_t number, int *fd)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	*fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	if (reply->number == number) {
		errno = reply->error;
		return true;
	}
	if (*fd >= 0)
		close(*fd);
	return false;
}

/* 0, with the descriptor or -1 in fd; or an error's number: nothing was answered, if not yet. */
static int take_message(int socket, uint32_t number, int *fd)
{
	union {
		struct cmsghdr header;
		char octets[CMSG_SPACE(sizeof(int))];
	} control;

	for (;;) {
		struct opener_reply reply;
		struct iovec part = {.iov_base = &reply, .iov_len = sizeof(reply)};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control.octets,
					 .msg_controllen = sizeof(control.octets)};
		ssize_t size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return EAGAIN;
		if (size != sizeof(reply))
			return EPIPE;
		if (take_reply(&reply, &message, number, fd))
			return 0;
	}
}

/* As take_message(), but ETIMEDOUT. */
static int wait_reply(int socket, uint32_t number, int limit_ms, int *fd)
{
	int64_t deadline = owamp_mono_ns() + limit_ms * MS;

	for (;;) {
		struct pollfd ready = {.fd = socket, .events = POLLIN};
		int error = take_message(socket, number, fd);
		int64_t left = deadline - owamp_mono_ns();

		if (error != EAGAIN)
			return error;
		if (left <= 0)
			return ETIMEDOUT;
		(void)poll(&ready, 1, (int)(left / MS) + 1);
	}
}

/* 0, or an error's number: it still hangs, or has ended. What it answers late is of no use any more. */
static int await_late_reply(struct opener *opener)
{
	int fd = -1, error = take_message(opener->fd, opener->number, &fd);

	if (fd >= 0)
		close(fd);
	if (error == EAGAIN && owamp_mono_ns() - opener->asked_mono < HUNG_NS)
		return ETIMEDOUT;
	if (error == EPIPE)
		return EPIPE;
	opener->hangs = false;
	return 0;
}

/* 0, with the descriptor or -1 in fd, and errno; or an error's number. */
static int ask(struct opener *opener, uint32_t index, int *fd)
{
	struct opener_request request = {.number = ++opener->number, .index = index};
	int error;

	opener->asked_mono = owamp_mono_ns();
	if (send(opener->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(request))
		error = wait_reply(opener->fd, request.number, ANSWER_MS, fd);
	else
		error = errno == EAGAIN ? ETIMEDOUT : EPIPE;
	opener->hangs = error == ETIMEDOUT;
	return error;
}

int opener_open(void *context, enum owamp_clock_object object, const char *path)
{
	struct opener *opener = context;
	int64_t index = find_target(&opener->targets, object, path);
	int fd = -1, error = 0;

	if (index < 0) {
		errno = EACCES;
		return -1;
	}
	if (opener->hangs)
		error = await_late_reply(opener);
	if (!error)
		error = ask(opener, (uint32_t)index, &fd);
	if (error)
		errno = error;
	return fd;
}

int opener_start(struct opener **opener, const struct owamp_clock_config *config)
{
	struct opener *made = calloc(1, sizeof(*made));
	pid_t parent = getpid();
	int ends[2], fd, error;

	*opener = NULL;
	if (!made)
		return OWAMP_ENOMEM;
	list_targets(&made->targets, config);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		free(made);
		return OWAMP_ESYSTEM;
	}
	made->pid = fork();
	if (made->pid == 0)
		opener_process(&made->targets, ends[1], parent);
	error = errno;
	close(ends[1]);
	made->fd = ends[0];
	if (made->pid > 0) {
		error = wait_reply(made->fd, 0, START_MS, &fd);
		if (!error)
			error = errno;
	}
	if (error && made->pid >= 0) {
		(void)opener_stop(made);
	} else if (error) {
		close(made->fd);
		free(made);
	}
	errno = error;
	if (error)
		return OWAMP_ESYSTEM;
	*opener = made;
	return 0;
}

int opener_fd(const struct opener *opener)
{
	return opener->fd;
}

const char *opener_end(struct opener *opener)
{
	int status;

	if (opener->pid <= 0 || waitpid(opener->pid, &status, 0) != opener->pid)
		return "for no known reason";
	opener->pid = 0;
	return WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended by itself";
}

static bool is_gone_within(const struct opener *opener, int limit_ms)
{
	struct pollfd gone = {.fd = opener->fd, .events = 0};

	return opener->pid <= 0 || poll(&gone, 1, limit_ms) > 0;
}

/*
 * It goes when we hang up. One that hangs can only be killed while we are root:
 * neither we nor our end, by PR_SET_PDEATHSIG, can send a signal to root's then.
 */
pid_t opener_stop(struct opener *opener)
{
	pid_t left = 0;

	if (!opener)
		return 0;
	(void)shutdown(opener->fd, SHUT_WR);
	if (!is_gone_within(opener, STOP_MS) &&
	    (kill(opener->pid, SIGKILL) || !is_gone_within(opener, STOP_MS)))
		left = opener->pid;
	else if (opener->pid > 0)
		(void)waitpid(opener->pid, NULL, 0);
	close(opener->fd);
	free(opener);
	return left;
}
