/* chronyd, asked over its command protocol: how far it knows the clock to be off. */
#include "source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "chrony_judge.h"
#include "chrony_wire.h"

#define MS INT64_C(1000000)

/* As a UDP datagram may be larger than a reply, so that what is no reply is not taken for one cut short. */
#define BUFFER_SIZE 1024

struct chrony {
	struct owamp_clock_source_config config;
	char where[72]; /* for people: the end of a long path has to go */
	int fd;
	char own_path[OWAMP_CLOCK_PATH_SIZE]; /* of a Unix socket, to which chronyd answers; "": none */
	struct chrony_memory memory;
};

static void disconnect(struct chrony *chrony)
{
	if (chrony->fd >= 0)
		close(chrony->fd);
	chrony->fd = -1;
	if (chrony->own_path[0])
		(void)unlink(chrony->own_path);
	chrony->own_path[0] = '\0';
}

static bool is_local(const struct chrony *chrony)
{
	return chrony->config.chrony.host[0] == '\0';
}

static const char *host_of(const struct chrony *chrony)
{
	const char *host = chrony->config.chrony.host;

	return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

/* False: text says why. A name would have to be looked up, which may take for ever. */
static bool connect_udp(struct chrony *chrony, char *text, size_t size)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_DGRAM};
	struct addrinfo *address;
	char port[8];

	(void)snprintf(port, sizeof port, "%u", chrony->config.chrony.port);
	if (getaddrinfo(host_of(chrony), port, &hints, &address)) {
		(void)snprintf(text, size, "'%s' is no address: a numeric one or localhost is expected",
			       chrony->config.chrony.host);
		return false;
	}
	chrony->fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (chrony->fd < 0 || connect(chrony->fd, address->ai_addr, address->ai_addrlen)) {
		(void)snprintf(text, size, "%s: %s", chrony->where, strerror(errno));
		disconnect(chrony);
	}
	freeaddrinfo(address);
	return chrony->fd >= 0;
}

static bool set_path(struct sockaddr_un *address, const char *path)
{
	size_t length = strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (length >= sizeof address->sun_path)
		return false;
	memcpy(address->sun_path, path, length);
	return true;
}

/*
 * The directory belongs to chronyd's user, who may have put something else
 * there meanwhile: a link, or another name of a socket that is not ours.
 */
static bool open_to_all(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), saved_errno;
	char self[32];
	struct stat status;
	bool done = false;

	if (fd < 0)
		return false;
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fstat(fd, &status) == 0) {
		errno = S_ISSOCK(status.st_mode) ? EMLINK : ENOTSOCK;
		done = S_ISSOCK(status.st_mode) && status.st_nlink == 1 && chmod(self, 0666) == 0;
	}
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return done;
}

/*
 * chronyd answers only to a socket that has a path. It is made beside chronyd's
 * own: chronyd can reach that place whatever it is confined to. chronyd runs as
 * another user, who must be allowed to write to it.
 */
static bool bind_beside(struct chrony *chrony, uint32_t number)
{
	const char *path = chrony->config.chrony.socket, *slash = strrchr(path, '/');
	char own[2 * OWAMP_CLOCK_PATH_SIZE];
	struct sockaddr_un address;

	(void)snprintf(own, sizeof own, "%.*s/owamp-%08x.sock", slash ? (int)(slash - path) : 1,
		       slash ? path : ".", (unsigned)number);
	if (!set_path(&address, own)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (bind(chrony->fd, (const struct sockaddr *)&address, sizeof address))
		return false;
	(void)snprintf(chrony->own_path, sizeof chrony->own_path, "%s", address.sun_path);
	return open_to_all(own);
}

static bool connect_local(struct chrony *chrony, uint32_t number, char *text, size_t size)
{
	struct sockaddr_un address;

	if (!set_path(&address, chrony->config.chrony.socket)) {
		(void)snprintf(text, size, "the path of chronyd's socket is too long");
		return false;
	}
	chrony->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (chrony->fd < 0) {
		(void)snprintf(text, size, "socket: %s", strerror(errno));
	} else if (connect(chrony->fd, (const struct sockaddr *)&address, sizeof address)) {
		(void)snprintf(text, size, "%s: %s%s", chrony->where, strerror(errno),
			       errno == EACCES
				       ? ": only root and chronyd's user may; set host and port instead"
				       : ": is chronyd running?");
		disconnect(chrony);
	} else if (!bind_beside(chrony, number)) {
		(void)snprintf(text, size, "a socket for the answer beside %s: %s%s", chrony->where,
			       strerror(errno), errno == EACCES ? ": run as root or set host and port" : "");
		disconnect(chrony);
	}
	return chrony->fd >= 0;
}

static void say_no_answer(const struct chrony *chrony, int error, char *text, size_t size)
{
	if (error == ETIMEDOUT)
		(void)snprintf(text, size, "no answer from %s in %d ms: %s", chrony->where,
			       (int)(CLOCK_SOURCE_WAIT_NS / MS),
			       is_local(chrony) ? "chronyd is busy, or may not write to the socket beside it"
						: "chronyd is busy, or cmddeny or a firewall forbids it");
	else if (error == ECONNREFUSED)
		(void)snprintf(text, size, "nothing answers at %s: is chronyd running%s?", chrony->where,
			       is_local(chrony) ? "" : ", its cmdport not 0");
	else
		(void)snprintf(text, size, "%s: %s", chrony->where, strerror(error));
}

static void say_bad_answer(const struct chrony *chrony, enum chrony_reply kind, unsigned status, char *text,
			   size_t size)
{
	switch (kind) {
	case CHRONY_REPLY_REFUSED:
		(void)snprintf(text, size, "chronyd at %s refuses: %s (status %u)", chrony->where,
			       chrony_status_words(status), status);
		break;
	case CHRONY_REPLY_VERSION:
		(void)snprintf(text, size, "chronyd at %s answers in version %u of its protocol, not %d",
			       chrony->where, status, CHRONY_VERSION);
		break;
	case CHRONY_REPLY_CUT:
		(void)snprintf(text, size, "the answer from %s is cut short", chrony->where);
		break;
	default:
		(void)snprintf(text, size, "the answer from %s is not about tracking", chrony->where);
		break;
	}
}

/* 0, or an errno value. A full queue is that of a chronyd that does not read. */
static int send_request(int fd, const uint8_t request[CHRONY_REQUEST_SIZE])
{
	if (send(fd, request, CHRONY_REQUEST_SIZE, MSG_NOSIGNAL) == CHRONY_REQUEST_SIZE)
		return 0;
	return errno == EAGAIN ? ETIMEDOUT : errno;
}

/* 0, or an errno value: ETIMEDOUT if the answer did not come. */
static int receive_reply(int fd, uint32_t sequence, enum chrony_reply *kind, struct chrony_tracking *tracking,
			 unsigned *status)
{
	int64_t deadline = owamp_mono_ns() + CLOCK_SOURCE_WAIT_NS, left;
	uint8_t buffer[BUFFER_SIZE];

	while ((left = deadline - owamp_mono_ns()) > 0) {
		const struct timespec time = {.tv_nsec = left};
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t size;

		if (ppoll(&poll_fd, 1, &time, NULL) <= 0)
			continue;
		size = recv(fd, buffer, sizeof buffer, 0);
		if (size < 0 && errno != EAGAIN && errno != EINTR)
			return errno;
		if (size < 0)
			continue;
		*kind = chrony_reply_decode(buffer, (size_t)size, sequence, tracking, status);
		if (*kind != CHRONY_REPLY_OTHER)
			return 0;
	}
	return ETIMEDOUT;
}

/* True: tracking is what chronyd says; otherwise reading says why there is nothing. */
static bool ask(struct chrony *chrony, struct chrony_tracking *tracking, struct clock_reading *reading)
{
	uint8_t request[CHRONY_REQUEST_SIZE];
	enum chrony_reply kind = CHRONY_REPLY_OTHER;
	uint32_t sequence;
	unsigned status;
	int error;

	if (getrandom(&sequence, sizeof sequence, 0) != sizeof sequence) {
		(void)snprintf(reading->text, sizeof reading->text, "getrandom: %s", strerror(errno));
		return false;
	}
	if (chrony->fd < 0 &&
	    !(is_local(chrony) ? connect_local(chrony, sequence, reading->text, sizeof reading->text)
			       : connect_udp(chrony, reading->text, sizeof reading->text)))
		return false;
	chrony_request_encode(request, sequence);
	error = send_request(chrony->fd, request);
	if (!error)
		error = receive_reply(chrony->fd, sequence, &kind, tracking, &status);
	if (error) {
		say_no_answer(chrony, error, reading->text, sizeof reading->text);
		/* A Unix socket stays with the chronyd that is no more. One of UDP will do for the next. */
		if (error != ETIMEDOUT && (is_local(chrony) || error != ECONNREFUSED))
			disconnect(chrony);
		return false;
	}
	if (kind == CHRONY_REPLY_TRACKING)
		return true;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	say_bad_answer(chrony, kind, status, reading->text, sizeof reading->text);
	return false;
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct chrony *chrony = source;
	struct chrony_tracking tracking;
	struct clock_kernel_facts facts;

	reading->source = OWAMP_CLOCK_CHRONY;
	reading->state = OWAMP_CLOCK_ABSENT;
	if (!ask(chrony, &tracking, reading))
		return;
	(void)clock_kernel_facts(&facts);
	chrony_judge(&chrony->memory, &tracking, now, facts.freq_ppb, reading);
}

static void stepped(void *source)
{
	struct chrony *chrony = source;

	chrony_judge_stepped(&chrony->memory);
}

static void free_source(void *source)
{
	struct chrony *chrony = source;

	disconnect(chrony);
	free(chrony);
}

int clock_chrony_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {
		.sample = sample, .stepped = stepped, .free = free_source};
	struct chrony *chrony = calloc(1, sizeof *chrony);

	if (!chrony)
		return OWAMP_ENOMEM;
	chrony->config = *config;
	chrony->fd = -1;
	if (is_local(chrony))
		(void)snprintf(chrony->where, sizeof chrony->where, "%.71s", config->chrony.socket);
	else
		(void)snprintf(chrony->where, sizeof chrony->where,
			       strchr(host_of(chrony), ':') ? "[%s]:%u" : "%s:%u", host_of(chrony),
			       config->chrony.port);
	*source = (struct clock_source){.ops = &ops, .self = chrony};
	return 0;
}
