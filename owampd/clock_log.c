/* What the log says of the clock, and of who opens its sources. */
#include "server.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include <owamp/error.h>

#include "clock/report.h"
#include "log.h"
#include "opener.h"
#include "repeats.h"

#define INTERVAL_NS INT64_C(1000000000)

struct clock_log {
	struct server *server;
	struct repeats *repeats;
	struct owamp_clock_status last;
	struct owamp_timer timer;
	struct owamp_watch opener; /* for its end; no fd: it was never there, or has ended */
};

static void write_line(void *context, int level, const char *text)
{
	(void)context;
	log_write(level, "%s", text);
}

static void say(void *context, int level, const char *text)
{
	repeats_say(context, owamp_mono_ns(), level, text);
}

static void say_steering(struct repeats *repeats, enum owamp_clock_steering steering)
{
	char text[120];

	snprintf(text, sizeof text, "clock: steered by %s", owamp_clock_steering_words(steering));
	repeats_say(repeats, owamp_mono_ns(), LOG_INFO, text);
}

static void look(struct owamp_timer *timer)
{
	struct clock_log *log = timer->context;
	struct server *server = log->server;
	struct owamp_clock_status now;

	owamp_clock_status(owamp_engine_clock(server->engine), &now);
	clock_report_changes(&log->last, &now, say, log->repeats);
	if (now.steering != log->last.steering)
		say_steering(log->repeats, now.steering);
	log->last = now;
	repeats_tell(log->repeats, owamp_mono_ns());
	(void)owamp_loop_set_timer(server->loop, timer, owamp_mono_ns() + INTERVAL_NS);
}

static void opener_ended(struct owamp_watch *watch, uint32_t events)
{
	struct clock_log *log = watch->context;
	struct server *server = log->server;

	(void)events;
	owamp_loop_unwatch(server->loop, watch);
	watch->fd = -1;
	log_write(LOG_ERR,
		  "the process that opens clock sources as root is gone (%s): ptp4l cannot be asked, and "
		  "hardware clocks are lost when they restart, until owampd is started again",
		  opener_end(server->opener));
}

int clock_log_start(struct server *server)
{
	struct clock_log *log = calloc(1, sizeof *log);

	server->clock_log = log;
	if (!log)
		return OWAMP_ENOMEM;
	log->server = server;
	log->opener = (struct owamp_watch){.fd = -1, .ready = opener_ended, .context = log};
	log->timer = (struct owamp_timer){.expired = look, .context = log};
	log->repeats = repeats_new(write_line, NULL);
	if (!log->repeats)
		return OWAMP_ENOMEM;
	owamp_clock_status(owamp_engine_clock(server->engine), &log->last);
	clock_report_changes(NULL, &log->last, say, log->repeats);
	say_steering(log->repeats, log->last.steering);
	if (server->opener) {
		log->opener.fd = opener_fd(server->opener);
		if (owamp_loop_watch(server->loop, &log->opener, 0))
			return OWAMP_ESYSTEM;
	}
	return owamp_loop_set_timer(server->loop, &log->timer, owamp_mono_ns() + INTERVAL_NS);
}

void clock_log_stop(struct server *server)
{
	struct clock_log *log = server->clock_log;

	if (!log)
		return;
	owamp_loop_cancel_timer(server->loop, &log->timer);
	if (log->opener.fd >= 0)
		owamp_loop_unwatch(server->loop, &log->opener);
	repeats_free(log->repeats);
	free(log);
}
