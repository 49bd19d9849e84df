/*
 * gpsd, by libgps: it connects and cuts what comes into lines, which gps_json.c
 * reads and gps_receivers.c judges.
 *
 * libgps has no way to connect without waiting: somebody else looks first whether
 * there is anybody, and who, and then it waits on a thread of its own. Nor is gps_waiting() used: it overruns
 * an fd_set where descriptors are beyond 1023, as they can be here.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <gps.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "gps_opening.h"
#include "gps_receivers.h"
#include "listener.h"
#include "owner.h"

#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)

#define RETRY_NS SECOND_NS

/* What is left then is read at the next sample: ten receivers that report ten times a second send less. */
#define DRAIN_NS    (CLOCK_SOURCE_WAIT_NS / 2)
#define DRAIN_LINES 1000

/* gpsd speaks only when its receivers do: after so much silence it is asked for something, */
#define ASK_NS (5 * SECOND_NS)
/* then not believed to be there, */
#define MISSED_NS (12 * SECOND_NS)
/* and then given up. It may take seconds to open a device, in which it does nothing else. */
#define GIVE_UP_NS (20 * SECOND_NS)

#define WATCH "?WATCH={\"enable\":true,\"json\":true,\"pps\":true,\"timing\":true};\n"
#define ASK   "?DEVICES;\n"

struct gps {
	const struct owamp_clock_source_config *config;
	char host[sizeof((struct owamp_clock_source_config *)0)->gps.host];
	char port[8];
	char where[80];
	struct clock_owner owner;
	struct gps_receivers receivers;

	struct gps_opening *opening;    /* NULL: none is under way */
	struct clock_listener listener; /* to whom, where that can be told */
	struct gps_data_t *data;        /* NULL: not connected */
	bool greeted;                   /* it is gpsd */
	bool asked;                     /* since it was last heard */
	int64_t drained_mono;           /* all that had come was read */
	int64_t heard_mono;
	int64_t retry_mono;
	char trouble[OWAMP_CLOCK_TEXT_SIZE]; /* why it is not connected */
	bool stranger;                       /* there is somebody, who is not believed */

	bool set;          /* the clock was */
	int64_t void_mono; /* what comes until then was measured before; 0: as of the next sample */

	char line[GPS_JSON_LINE_SIZE];
};

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

static void name_peer(struct gps *gps, const char *host)
{
	(void)snprintf(gps->host, sizeof gps->host, "%s", host);
	(void)snprintf(gps->port, sizeof gps->port, "%u", (unsigned)gps->config->gps.port);
	(void)snprintf(gps->where, sizeof gps->where, strchr(host, ':') ? "[%s]:%s" : "%s:%s", gps->host,
		       gps->port);
}

/* 0, or errno. */
static int wait_connected(int fd, int64_t until)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	int64_t left = until - owamp_mono_ns();
	int error = 0;
	socklen_t size = sizeof error;

	if (poll(&poll_fd, 1, left > 0 ? (int)(left / MS_NS) : 0) <= 0)
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return errno;
	return error;
}

/* 0, or errno. */
static int try_address(const struct addrinfo *address, int64_t until)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen))
		error = errno == EINPROGRESS ? wait_connected(fd, until) : errno;
	close(fd);
	return error;
}

/* Whether somebody listens, without waiting for long; no look-up of names. */
static bool probe(struct gps *gps, int64_t until)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	int error;

	if (getaddrinfo(gps->host, gps->port, &hints, &address)) {
		(void)snprintf(
			gps->trouble, sizeof gps->trouble,
			"host \"%s\" is not an address in figures, nor localhost: names are not looked up",
			gps->host);
		return false;
	}
	error = try_address(address, until);
	freeaddrinfo(address);
	if (error == ECONNREFUSED)
		(void)snprintf(gps->trouble, sizeof gps->trouble, "nothing listens at %s: is gpsd running?",
			       gps->where);
	else if (error == ETIMEDOUT)
		(void)snprintf(gps->trouble, sizeof gps->trouble, "%s does not answer", gps->where);
	else if (error)
		(void)snprintf(gps->trouble, sizeof gps->trouble, "%s: %s", gps->where, strerror(error));
	return error == 0;
}

/* Anybody may listen at an unprivileged port of this host. Of another host nothing can be told. */
static bool vet(struct gps *gps)
{
	int error;

	gps->listener = (struct clock_listener){0};
	if (!clock_listener_is_local(gps->host))
		return true;
	error = clock_listener_find(gps->host, gps->config->gps.port, &gps->listener);
	if (!error && clock_owner_believes(&gps->owner, gps->listener.uid))
		return true;
	gps->stranger = true;
	if (error)
		(void)snprintf(gps->trouble, sizeof gps->trouble,
			       "there is somebody at %s, but /proc/net does not tell who: %s", gps->where,
			       error == ENOENT ? "nobody listens there" : strerror(error));
	else
		clock_owner_refuse(gps->where, gps->listener.uid, gps->trouble, sizeof gps->trouble);
	return false;
}

/* Whoever was vetted listens still: it was not another that took the connection. */
static bool is_same_listener(const struct gps *gps)
{
	struct clock_listener now;

	if (!clock_listener_is_local(gps->host))
		return true;
	return clock_listener_find(gps->host, gps->config->gps.port, &now) == 0 &&
	       now.uid == gps->listener.uid && now.inode == gps->listener.inode;
}

static bool find(struct gps *gps, int64_t until)
{
	gps->stranger = false;
	if (strcmp(gps->config->gps.host, "localhost") != 0) {
		name_peer(gps, gps->config->gps.host);
		return probe(gps, until) && vet(gps);
	}
	name_peer(gps, "::1");
	if (probe(gps, until) && vet(gps))
		return true;
	gps->stranger = false;
	name_peer(gps, "127.0.0.1");
	return probe(gps, until) && vet(gps);
}

static void drop(struct gps *gps, const struct clock_now *now)
{
	gps_opening_close(gps->data);
	gps->data = NULL;
	gps->retry_mono = now->mono_ns + RETRY_NS;
}

/* gps_stream() and gps_send() would end the program by SIGPIPE where gpsd has just closed. */
static bool tell(struct gps *gps, const char *command)
{
	size_t size = strlen(command);

	return send(gps->data->gps_fd, command, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static void lose(struct gps *gps, const struct clock_now *now)
{
	drop(gps, now);
	(void)snprintf(gps->trouble, sizeof gps->trouble, "gpsd at %s closed the connection", gps->where);
}

/* The opening is over. */
static void connected(struct gps *gps, const struct clock_now *now)
{
	gps->data = gps_opening_take(gps->opening);
	gps->opening = NULL;
	if (!gps->data || !is_same_listener(gps)) {
		drop(gps, now);
		(void)snprintf(gps->trouble, sizeof gps->trouble, "%s was there, but then was not",
			       gps->where);
		return;
	}
	gps->greeted = gps->asked = false;
	gps->drained_mono = gps->heard_mono = now->mono_ns;
	gps_receivers_begin(&gps->receivers, gps->config, now->mono_ns);
	if (gps->set)
		gps_receivers_distrust(&gps->receivers);
	(void)fcntl(gps->data->gps_fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(gps->data->gps_fd, F_SETFL, fcntl(gps->data->gps_fd, F_GETFL) | O_NONBLOCK);
	if (!tell(gps, WATCH))
		lose(gps, now);
}

/* Only one that has just begun is waited for: mostly it is over at once. */
static void reach(struct gps *gps, const struct clock_now *now)
{
	int64_t until = 0;

	if (!gps->opening) {
		if (now->mono_ns < gps->retry_mono)
			return;
		gps->retry_mono = now->mono_ns + RETRY_NS;
		until = owamp_mono_ns() + CLOCK_SOURCE_WAIT_NS;
		if (!find(gps, until))
			return;
		gps->opening = gps_opening_new(gps->host, gps->port);
	}
	if (!gps->opening)
		(void)snprintf(gps->trouble, sizeof gps->trouble,
			       "no memory or thread to connect to gpsd at %s with", gps->where);
	else if (gps_opening_is_over(gps->opening, until))
		connected(gps, now);
	else
		(void)snprintf(gps->trouble, sizeof gps->trouble, "gpsd at %s does not accept connections",
			       gps->where);
}

static void take_line(struct gps *gps, const struct clock_now *now)
{
	struct gps_json_message message;
	const char *text = gps->line;
	size_t size = strlen(text);
	int result;

	while ((result = gps_json_next(&text, &size, &message)) != 0) {
		if (result < 0)
			gps_receivers_wonder(&gps->receivers, message.text, now->mono_ns);
		else
			gps_receivers_take(&gps->receivers, &message, now, gps->drained_mono);
		gps->greeted |= result > 0 && message.class == GPS_JSON_VERSION;
	}
	gps->heard_mono = now->mono_ns;
	gps->asked = false;
}

/*
 * All that has come. False: the connection is lost. gps_read() hands a line at a
 * time and keeps the beginning of another; 0 without a line: it needs more.
 */
static bool drain(struct gps *gps, const struct clock_now *now)
{
	int64_t end = owamp_mono_ns() + DRAIN_NS;

	for (int i = 0; i < DRAIN_LINES && owamp_mono_ns() < end; i++) {
		int result;

		gps->line[0] = '\0';
		gps->data->set = 0;
		result = gps_read(gps->data, gps->line, sizeof gps->line);
		if (gps->line[0]) {
			take_line(gps, now);
		} else if (result < 0) {
			lose(gps, now);
			return false;
		} else if (!is_readable(gps->data->gps_fd)) {
			gps->drained_mono = now->mono_ns;
			return true;
		}
	}
	return true;
}

/* False: it has not answered for too long. */
static bool keep_alive(struct gps *gps, const struct clock_now *now)
{
	int64_t silence_ns = now->mono_ns - gps->heard_mono;

	if (silence_ns > GIVE_UP_NS) {
		drop(gps, now);
	} else if (silence_ns > ASK_NS && !gps->asked) {
		gps->asked = true;
		if (!tell(gps, ASK)) {
			lose(gps, now);
			return false;
		}
	}
	if (silence_ns <= MISSED_NS)
		return true;
	(void)snprintf(gps->trouble, sizeof gps->trouble, "gpsd at %s has not answered for %d s", gps->where,
		       (int)(silence_ns / SECOND_NS));
	return false;
}

/* Only what came after all that can have been measured before the clock was set is believed. */
static void mind_step(struct gps *gps, const struct clock_now *now)
{
	if (!gps->set)
		return;
	if (gps->void_mono == 0)
		gps->void_mono = now->mono_ns + CLOCK_MARK_VOID_NS;
	if (gps->drained_mono < gps->void_mono)
		return;
	gps->set = false;
	gps_receivers_trust(&gps->receivers);
}

static bool listen_to(struct gps *gps, const struct clock_now *now)
{
	if (!gps->data) {
		reach(gps, now);
		return gps->data;
	}
	return drain(gps, now) && keep_alive(gps, now);
}

static void sample(void *source, const struct clock_now *now, struct clock_reading *reading)
{
	struct gps *gps = source;
	bool heard = listen_to(gps, now);

	mind_step(gps, now);
	reading->source = OWAMP_CLOCK_GPS_SERIAL;
	reading->state = gps->stranger ? OWAMP_CLOCK_DOUBTFUL : OWAMP_CLOCK_ABSENT;
	reading->drift_ppb = -1;
	if (!heard)
		(void)snprintf(reading->text, sizeof reading->text, "%s", gps->trouble);
	else if (!gps->greeted)
		(void)snprintf(reading->text, sizeof reading->text,
			       "connected to %s, which has yet to say that it is gpsd", gps->where);
	else
		gps_receivers_judge(&gps->receivers, now, reading);
}

static void stepped(void *source)
{
	struct gps *gps = source;

	gps->set = true;
	gps->void_mono = 0;
	gps_receivers_distrust(&gps->receivers);
}

static void gps_free(void *source)
{
	struct gps *gps = source;

	if (gps->opening)
		gps_opening_abandon(gps->opening);
	gps_opening_close(gps->data);
	free(gps);
}

int clock_gps_new(struct clock_source *source, const struct owamp_clock_source_config *config)
{
	static const struct clock_source_ops ops = {.sample = sample, .stepped = stepped, .free = gps_free};
	struct gps *gps = calloc(1, sizeof *gps);

	if (!gps)
		return OWAMP_ENOMEM;
	if (clock_owner_find(&gps->owner, config->gps.user)) {
		free(gps);
		return OWAMP_EINVAL;
	}
	gps->config = config;
	gps->retry_mono = INT64_MIN;
	*source = (struct clock_source){.ops = &ops, .self = gps};
	return 0;
}
