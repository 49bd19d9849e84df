#include "owampd/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owamp/engine.h"
#include "owamp/error.h"

#define MS INT64_C(1000000)

/* For an answer, and for the process to begin or to end. */
#define ANSWER_MS 1000
#define START_MS  10000

/* The opener's only descriptor beside the standard ones. */
#define FD 3

#define DEVICE_PREFIX "/dev/ptp"
#define DEVICES_MAX   1024

/* What can be asked for: an index of targets, or for /dev/ptpN OWAMP_CLOCK_SOURCES_MAX + N. */
struct targets {
	struct target {
		enum owamp_clock_object object;
		char path[OWAMP_CLOCK_PATH_SIZE];
	} list[OWAMP_CLOCK_SOURCES_MAX];
	uint32_t count;
	bool devices; /* any /dev/ptpN: which one ptp4l uses, only ptp4l knows */
};

struct opener {
	struct targets targets;
	pid_t pid;
	int fd;
	uint32_t number; /* of the last request */
};

struct request {
	uint32_t number;
	uint32_t index;
};

/* With the descriptor, if error is 0. */
struct reply {
	uint32_t number; /* of the request: one that came too late must not be taken for the next one's */
	int32_t error;
};

static void add(struct targets *targets, enum owamp_clock_object object, const char *path)
{
	struct target *target = &targets->list[targets->count++];

	target->object = object;
	(void)snprintf(target->path, sizeof(target->path), "%s", path);
}

static void list_targets(struct targets *targets, const struct owamp_clock_config *config)
{
	*targets = (struct targets){.count = 0};
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
	struct targets targets;

	list_targets(&targets, config);
	return targets.count > 0;
}

/* -1: not one of them. */
static int64_t find_target(const struct targets *targets, enum owamp_clock_object object, const char *path)
{
	static const size_t prefix = sizeof(DEVICE_PREFIX) - 1;
	char canonical[OWAMP_CLOCK_PATH_SIZE];
	unsigned long number;

	for (uint32_t i = 0; i < targets->count; i++) {
		if (targets->list[i].object == object && strcmp(targets->list[i].path, path) == 0)
			return i;
	}
	if (!targets->devices || object != OWAMP_CLOCK_OBJECT_DEVICE ||
	    strncmp(path, DEVICE_PREFIX, prefix) != 0)
		return -1;
	number = strtoul(path + prefix, NULL, 10);
	(void)snprintf(canonical, sizeof(canonical), DEVICE_PREFIX "%lu", number);
	return number < DEVICES_MAX && strcmp(path, canonical) == 0
		       ? OWAMP_CLOCK_SOURCES_MAX + (int64_t)number
		       : -1;
}

/* The other process: from here to serve(). */

/* False: there is no such index. */
static bool get_target(const struct targets *targets, uint32_t index, struct target *target)
{
	if (index < targets->count) {
		*target = targets->list[index];
		return true;
	}
	if (!targets->devices || index < OWAMP_CLOCK_SOURCES_MAX ||
	    index - OWAMP_CLOCK_SOURCES_MAX >= DEVICES_MAX)
		return false;
	target->object = OWAMP_CLOCK_OBJECT_DEVICE;
	(void)snprintf(target->path, sizeof(target->path), DEVICE_PREFIX "%u",
		       index - OWAMP_CLOCK_SOURCES_MAX);
	return true;
}

/*
 * Looks at what is there before it is opened: opening can have effects, and the
 * folder of a socket may be another user's. udev's names for devices are links.
 */
static int open_target(const struct target *target)
{
	bool is_device = target->object == OWAMP_CLOCK_OBJECT_DEVICE;
	int place = open(target->path, O_PATH | O_CLOEXEC | (is_device ? 0 : O_NOFOLLOW));
	struct stat status;
	char same[40];
	int fd = -1, error = 0;

	if (place < 0)
		return -1;
	if (fstat(place, &status))
		error = errno;
	else if (is_device && !S_ISCHR(status.st_mode))
		error = ENODEV;
	else if (!is_device && !S_ISSOCK(status.st_mode))
		error = ENOTSOCK;
	(void)snprintf(same, sizeof(same), "/proc/self/fd/%d", place);
	if (!error) {
		fd = owamp_clock_open_path(target->object, same);
		error = errno;
	}
	close(place);
	errno = error;
	return fd;
}

/* Closes fd, which may be -1. */
static void answer(uint32_t number, int fd, int error)
{
	struct reply reply = {.number = number, .error = error};
	struct iovec part = {.iov_base = &reply, .iov_len = sizeof(reply)};
	union {
		struct cmsghdr header;
		char octets[CMSG_SPACE(sizeof(int))];
	} control = {.octets = {0}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = control.octets;
		message.msg_controllen = sizeof(control.octets);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	/* Nobody waits for what cannot be sent. */
	(void)sendmsg(FD, &message, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void serve(const struct targets *targets)
{
	struct request request;
	struct target target;
	ssize_t size;

	for (;;) {
		size = recv(FD, &request, sizeof(request), 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size != sizeof(request))
			return;
		if (get_target(targets, request.index, &target)) {
			int fd = open_target(&target);

			answer(request.number, fd, fd < 0 ? errno : 0);
		} else {
			answer(request.number, -1, EACCES);
		}
	}
}

/* What comes from the terminal, or from a service manager to all processes, is for the other one. */
static void ignore_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_IGN);
}

static int keep_descriptor(int fd)
{
	int null;

	/* It may be in the place of a standard one that was closed. */
	fd = fcntl(fd, F_DUPFD, FD);
	if (fd < 0)
		return -1;
	null = open("/dev/null", O_RDWR);
	for (int standard = 0; standard < FD; standard++) {
		if (null < 0 || dup2(null, standard) < 0)
			close(standard);
	}
	if (fd != FD && dup2(fd, FD) < 0)
		return -1;
	closefrom(FD + 1);
	return fcntl(FD, F_SETFD, FD_CLOEXEC);
}

/* All that it takes to open a file of another user. */
static int keep_capability(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -1;
	/* Without CAP_SETPCAP it stays; nothing is ever executed here. */
	for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
		if (capability != CAP_DAC_OVERRIDE)
			(void)prctl(PR_CAPBSET_DROP, capability, 0L, 0L, 0L);
	}
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= i == 0 ? CAP_TO_MASK(CAP_DAC_OVERRIDE) : 0;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}

/* Of root only what is needed. */
static int shrink(int fd, pid_t parent)
{
	ignore_signals();
	if (keep_descriptor(fd) || chdir("/") || setgroups(0, NULL))
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) || prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) || keep_capability())
		return -1;
	(void)prctl(PR_SET_NAME, "owampd-opener", 0L, 0L, 0L);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L))
		return -1;
	errno = ESRCH;
	return getppid() == parent ? 0 : -1;
}

__attribute__((noreturn)) static void be_opener(const struct targets *targets, int fd, pid_t parent)
{
	int error = shrink(fd, parent) ? errno : 0;

	answer(0, -1, error);
	if (!error)
		serve(targets);
	_exit(error ? 1 : 0);
}

/* Of a reply: its descriptor, or -1 with errno. False: it is another request's. */
static bool take_reply(const struct reply *reply, struct msghdr *message, uint32_t number, int *fd)
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

/* 0, with the descriptor or -1 in fd; or an error's number: nothing was answered. */
static int wait_reply(int socket, uint32_t number, int limit_ms, int *fd)
{
	int64_t deadline = owamp_mono_ns() + limit_ms * MS;
	union {
		struct cmsghdr header;
		char octets[CMSG_SPACE(sizeof(int))];
	} control;

	for (;;) {
		struct reply reply;
		struct iovec part = {.iov_base = &reply, .iov_len = sizeof(reply)};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control.octets,
					 .msg_controllen = sizeof(control.octets)};
		struct pollfd ready = {.fd = socket, .events = POLLIN};
		int64_t left = deadline - owamp_mono_ns();
		ssize_t size;

		if (left < 0)
			return ETIMEDOUT;
		if (poll(&ready, 1, (int)(left / MS) + 1) <= 0)
			continue;
		size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (size != sizeof(reply))
			return EPIPE;
		if (take_reply(&reply, &message, number, fd))
			return 0;
	}
}

int opener_open(void *context, enum owamp_clock_object object, const char *path)
{
	struct opener *opener = context;
	int64_t index = find_target(&opener->targets, object, path);
	struct request request = {.index = (uint32_t)index};
	int fd = -1, error;

	if (index < 0) {
		errno = EACCES;
		return -1;
	}
	request.number = ++opener->number;
	if (send(opener->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(request))
		error = wait_reply(opener->fd, request.number, ANSWER_MS, &fd);
	else
		error = errno == EAGAIN ? ETIMEDOUT : EPIPE;
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
		be_opener(&made->targets, ends[1], parent);
	error = errno;
	close(ends[1]);
	made->fd = ends[0];
	if (made->pid > 0) {
		error = wait_reply(made->fd, 0, START_MS, &fd);
		if (!error)
			error = errno;
	}
	if (error && made->pid >= 0) {
		opener_stop(made);
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

/* It cannot be killed by who is not root any more: it goes when we hang up. */
void opener_stop(struct opener *opener)
{
	struct pollfd gone;

	if (!opener)
		return;
	(void)shutdown(opener->fd, SHUT_WR);
	gone = (struct pollfd){.fd = opener->fd, .events = 0};
	if (opener->pid > 0 && poll(&gone, 1, START_MS) > 0)
		(void)waitpid(opener->pid, NULL, 0);
	close(opener->fd);
	free(opener);
}
