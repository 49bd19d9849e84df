#include "owampd/opener_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "owampd/relay.h"

/* The opener's only descriptor beside the standard ones, until there are relays. */
#define FD 3

/* False: there is no such index. */
static bool get_target(const struct opener_targets *targets, uint32_t index, struct opener_target *target)
{
	if (index < targets->count) {
		*target = targets->list[index];
		return true;
	}
	if (!targets->devices || index < OWAMP_CLOCK_SOURCES_MAX ||
	    index - OWAMP_CLOCK_SOURCES_MAX >= OPENER_DEVICES_MAX)
		return false;
	target->object = OWAMP_CLOCK_OBJECT_DEVICE;
	(void)snprintf(target->path, sizeof(target->path), OPENER_DEVICE_PREFIX "%u",
		       index - OWAMP_CLOCK_SOURCES_MAX);
	return true;
}

/*
 * Looks at what is there before it is opened: opening can have effects, and the
 * folder of a socket may be another user's. udev's names for devices are links.
 */
static int open_target(const struct opener_target *target)
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
	struct opener_reply reply = {.number = number, .error = error};
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
	(void)sendmsg(FD, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
}

/*
 * A relay for each socket. Sources can share one, and so its relays; one that is
 * not in use is taken first.
 */
static struct relay *find_relay(const struct opener_targets *targets, uint32_t index, struct relay *relays)
{
	for (uint32_t i = 0; i < targets->count; i++) {
		if (relays[i].server < 0 && targets->list[i].object == OWAMP_CLOCK_OBJECT_SOCKET &&
		    strcmp(targets->list[i].path, targets->list[index].path) == 0)
			return &relays[i];
	}
	return &relays[index];
}

/* -1 with errno. */
static int open_index(const struct opener_targets *targets, uint32_t index, struct relay *relays)
{
	struct opener_target target;
	int fd;

	if (!get_target(targets, index, &target)) {
		errno = EACCES;
		return -1;
	}
	fd = open_target(&target);
	if (fd < 0 || target.object != OWAMP_CLOCK_OBJECT_SOCKET)
		return fd;
	return relay_start(find_relay(targets, index, relays), fd);
}

/* False: the server is gone, or is not itself any more. */
static bool take_request(const struct opener_targets *targets, struct relay *relays)
{
	struct opener_request request;
	ssize_t size = recv(FD, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);
	int fd;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (size != sizeof(request))
		return false;
	fd = open_index(targets, request.index, relays);
	answer(request.number, fd, fd < 0 ? errno : 0);
	return true;
}

/* A source closes what it has before it asks again: so relays are polled after requests, and served before.
 */
static void serve(const struct opener_targets *targets)
{
	struct relay relays[OWAMP_CLOCK_SOURCES_MAX];
	struct pollfd fds[1 + 2 * OWAMP_CLOCK_SOURCES_MAX];

	for (size_t i = 0; i < OWAMP_CLOCK_SOURCES_MAX; i++)
		relays[i] = RELAY_NONE;
	for (;;) {
		fds[0] = (struct pollfd){.fd = FD, .events = POLLIN};
		for (size_t i = 0; i < targets->count; i++) {
			fds[1 + 2 * i] = (struct pollfd){.fd = relays[i].server, .events = POLLIN};
			fds[2 + 2 * i] = (struct pollfd){.fd = relays[i].ptp, .events = POLLIN};
		}
		if (poll(fds, 1 + 2 * targets->count, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		for (size_t i = 0; i < targets->count; i++)
			relay_pass(&relays[i], fds[1 + 2 * i].revents, fds[2 + 2 * i].revents);
		if (fds[0].revents && !take_request(targets, relays))
			return;
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

void opener_process(const struct opener_targets *targets, int fd, pid_t parent)
{
	int error = shrink(fd, parent) ? errno : 0;

	answer(0, -1, error);
	if (!error)
		serve(targets);
	_exit(error ? 1 : 0);
}
