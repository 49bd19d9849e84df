#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <owamp/engine.h>

#include "owping/format.h"
#include "owping/progress.h"

#define PERIOD_NS    200000000
#define SECOND_NS    1000000000
#define LINE_SIZE    256
#define COLUMNS_ELSE 80

struct line {
	char text[LINE_SIZE];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->length;
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line->text + line->length, room, format, list);
	va_end(list);
	if (length > 0)
		line->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void add_session(struct line *line, const struct owping_progress *progress, unsigned index,
			bool to_server)
{
	struct owamp_client_progress now;
	char delay[OWPING_TEXT_SIZE];

	memset(&now, 0, sizeof(now));
	owamp_client_progress(progress->client, index, &now);
	if (line->length > 0)
		add(line, " | ");
	if (to_server) {
		add(line, "to server: %" PRIu64 "/%" PRIu32 " sent", now.sent, progress->options->packets);
		return;
	}
	add(line, "from server: %" PRIu64 "/%" PRIu32 " received, %" PRIu64 " lost", now.received,
	    progress->options->packets, now.lost);
	if (now.delay_known)
		add(line, ", %s", owping_format_delay_auto(delay, now.delay_ns));
}

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_ELSE;
	return size.ws_col;
}

static void show(struct owping_progress *progress)
{
	struct line line = {.length = 0};
	unsigned index = 0;
	size_t width = columns() - 1;

	if (progress->options->to_server)
		add_session(&line, progress, index++, true);
	if (progress->options->from_server)
		add_session(&line, progress, index, false);
	fprintf(stderr, "\r\033[K%.*s", (int)(line.length < width ? line.length : width), line.text);
	fflush(stderr);
	progress->shown = true;
}

static void tick(struct owamp_timer *timer)
{
	struct owping_progress *progress = timer->context;

	show(progress);
	owamp_loop_set_timer(progress->loop, timer, owamp_mono_ns() + PERIOD_NS);
}

static void announce(const struct owping_progress *progress)
{
	const struct sockaddr *peer = owamp_client_peer(progress->client);
	int64_t duration_ns = owping_options_duration_ns(progress->options);
	char endpoint[OWPING_TEXT_SIZE] = "";

	if (duration_ns <= SECOND_NS)
		return;
	if (peer != NULL)
		owping_format_endpoint(endpoint, peer);
	fprintf(stderr, "owping: %s %s, %s mode, results in about %" PRId64 ".%" PRId64 " s\n",
		progress->options->target, endpoint, owamp_mode_name(owamp_client_mode(progress->client)),
		duration_ns / SECOND_NS, duration_ns % SECOND_NS / (SECOND_NS / 10));
}

void owping_progress_start(struct owping_progress *progress, const struct owping_options *options,
			   struct owamp_loop *loop, struct owamp_client *client)
{
	progress->options = options;
	progress->loop = loop;
	progress->client = client;
	if (options->quiet || (options->format != OWPING_TEXT && !isatty(STDERR_FILENO)))
		return;
	announce(progress);
	if (!owping_terminal(stderr))
		return;
	progress->timer.expired = tick;
	progress->timer.context = progress;
	owamp_loop_set_timer(loop, &progress->timer, owamp_mono_ns() + PERIOD_NS);
}

void owping_progress_end(struct owping_progress *progress)
{
	if (progress->loop != NULL)
		owamp_loop_cancel_timer(progress->loop, &progress->timer);
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
