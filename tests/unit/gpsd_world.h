/* The source "gps" and a gpsd that says what a test wants, over TCP; the time is the test's. */
#ifndef GPSD_WORLD_H
#define GPSD_WORLD_H

#include "reference.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock/source.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

#define BOOT_S INT64_C(1795286000)

#define VERSION                                                                                              \
	"{\"class\":\"VERSION\",\"release\":\"3.22\",\"rev\":\"3.22\",\"proto_major\":3,\"proto_minor\":14}" \
	"\r\n"
#define DEVICES                                                                                              \
	"{\"class\":\"DEVICES\",\"devices\":[{\"class\":\"DEVICE\",\"path\":\"/dev/pts/0\","                 \
	"\"activated\":\"2026-11-21T18:33:30.751Z\"}]}\r\n"
#define TPV "{\"class\":\"TPV\",\"device\":\"/dev/pts/0\",\"mode\":3,\"leapseconds\":18,\"ept\":0.005}\r\n"

#define WATCH "?WATCH={\"enable\":true,\"json\":true,\"pps\":true,\"timing\":true};\n"

struct world {
	struct owamp_clock_source_config config;
	struct clock_source source;
	struct clock_now now;
	int listener;
	int peer; /* the connection, gpsd's end */
	char where[40];
};

static inline int new_listener(uint16_t *port, int backlog)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* user: the one that is believed as well. */
static inline void begin_for(struct world *w, const char *user)
{
	*w = (struct world){
		.now = {.mono_ns = 100 * S, .real_ns = (BOOT_S + 100) * S},
		.peer = -1,
	};
	owamp_clock_source_default(&w->config, OWAMP_CLOCK_KIND_GPS);
	w->config.gps.port = 0;
	strcpy(w->config.gps.user, user);
	w->listener = new_listener(&w->config.gps.port, 10);
	snprintf(w->where, sizeof w->where, "127.0.0.1:%u", w->config.gps.port);
	assert_int_equal(clock_gps_new(&w->source, &w->config), 0);
}

static inline void begin(struct world *w)
{
	begin_for(w, "");
}

static inline void end(struct world *w)
{
	w->source.ops->free(w->source.self);
	if (w->peer >= 0)
		close(w->peer);
	if (w->listener >= 0)
		close(w->listener);
}

static inline void pass(struct world *w, int64_t ns)
{
	w->now.mono_ns += ns;
	w->now.real_ns += ns;
}

static inline struct clock_reading sample(struct world *w)
{
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};

	w->source.ops->sample(w->source.self, &w->now, &reading);
	assert_true(memchr(reading.text, '\0', sizeof reading.text));
	assert_int_not_equal(reading.text[0], '\0');
	return reading;
}

/* ... of the text stands for the address. */
static inline void assert_state(struct world *w, enum owamp_clock_state state, const char *format)
{
	struct clock_reading reading = sample(w);
	const char *rest = strstr(format, "...");
	char text[200];

	if (rest)
		snprintf(text, sizeof text, "%.*s%s%s", (int)(rest - format), format, w->where, rest + 3);
	else
		snprintf(text, sizeof text, "%s", format);
	assert_string_equal(reading.text, text);
	assert_int_equal(reading.state, state);
}

static inline bool is_connected_to(struct world *w)
{
	struct pollfd fd = {.fd = w->listener, .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

static inline void expect_text(struct world *w, const char *text)
{
	char received[200];
	struct pollfd fd = {.fd = w->peer, .events = POLLIN};
	ssize_t size;

	assert_int_equal(poll(&fd, 1, 10000), 1);
	size = recv(w->peer, received, sizeof received - 1, 0);
	assert_true(size >= 0);
	received[size] = '\0';
	assert_string_equal(received, text);
}

/* The first connection only looks whether there is somebody. */
static inline void accept_it(struct world *w)
{
	int probe = accept(w->listener, NULL, NULL);

	assert_true(probe >= 0);
	close(probe);
	assert_true(is_connected_to(w));
	w->peer = accept(w->listener, NULL, NULL);
	assert_true(w->peer >= 0);
	assert_false(is_connected_to(w));
	expect_text(w, WATCH);
}

static inline void say(struct world *w, const char *text)
{
	assert_int_equal(send(w->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void say_mark(struct world *w, const char *class, int64_t offset_ns, const char *more)
{
	int64_t reference = w->now.real_ns - offset_ns;
	char text[300];

	snprintf(text, sizeof text,
		 "{\"class\":\"%s\",\"device\":\"/dev/pts/0\",\"real_sec\":%lld, \"real_nsec\":%lld,"
		 "\"clock_sec\":%lld,\"clock_nsec\":%lld%s}\r\n",
		 class, (long long)(reference / S), (long long)(reference % S),
		 (long long)(w->now.real_ns / S), (long long)(w->now.real_ns % S), more);
	say(w, text);
}

/* It may take more than one sample where the machine is busy. */
static inline void open_it(struct world *w)
{
	for (int i = 0; i < 300 && strstr(sample(w).text, "does not accept connections"); i++)
		(void)poll(NULL, 0, 100);
	assert_state(w, OWAMP_CLOCK_ABSENT, "connected to ..., which has yet to say that it is gpsd");
	accept_it(w);
}

/* Connected, and gpsd has said what it is. */
static inline void connect_it(struct world *w)
{
	open_it(w);
	say(w, VERSION DEVICES);
	pass(w, S / 4);
	assert_int_equal(sample(w).state, OWAMP_CLOCK_DOUBTFUL);
}

#endif
