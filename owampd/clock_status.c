#include "owampd/clock_status.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock/report.h"
#include "owamp/engine.h"
#include "owamp/error.h"

#define MS INT64_C(1000000)

#define ANSWER_NS  (5000 * MS)
#define ANSWER_MAX ((size_t)256 << 10)

/* After so many rounds of samples, about 2 s, sources have had the time to convince. */
#define ROUNDS    9
#define ROUNDS_NS (5000 * MS)
#define LOOK_MS   20

__attribute__((format(printf, 3, 4))) static int fail(char *why, size_t why_size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, why_size, format, arguments);
	va_end(arguments);
	return -1;
}

/* A descriptor, or -1. */
static int reach(const char *path, char *why, size_t why_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail(why, why_size, "%s", strerror(errno));
	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)fail(why, why_size, "%s", errno == EAGAIN ? "too many ask already" : strerror(errno));
	close(fd);
	return -1;
}

/* Reads to the end of the stream. text is terminated. */
static int read_all(int fd, char *text, size_t size, char *why, size_t why_size)
{
	int64_t deadline = owamp_mono_ns() + ANSWER_NS;
	size_t used = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - owamp_mono_ns();
		ssize_t got;

		if (left <= 0)
			return fail(why, why_size, "no answer in time");
		if (poll(&ready, 1, (int)(left / MS) + 1) <= 0)
			continue;
		got = recv(fd, text + used, size - 1 - used, 0);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return fail(why, why_size, "%s", strerror(errno));
		if (got > 0)
			used += (size_t)got;
		text[used] = '\0';
		if (got == 0)
			return 0;
		if (used == size - 1)
			return fail(why, why_size, "the answer is too long");
	}
}

/* What is there must be understood, or it is not passed on. */
static int understand(const char *text, struct owamp_clock_status *status, char *why, size_t why_size)
{
	json_error_t error;
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	int result;

	if (!document)
		return text[0] ? fail(why, why_size, "the answer is not JSON, or cut: %s", error.text)
			       : fail(why, why_size, "the answer is empty");
	result = clock_report_parse(json_object_get(document, "clock"), status);
	json_decref(document);
	return result ? fail(why, why_size, "the answer says nothing of a clock") : 0;
}

/* The document as it came, to be freed, or NULL. */
static char *ask(const char *path, struct owamp_clock_status *status, char *why, size_t why_size)
{
	char *text = malloc(ANSWER_MAX);
	int fd = reach(path, why, why_size), result = -1;

	if (fd >= 0 && text)
		result = read_all(fd, text, ANSWER_MAX, why, why_size);
	if (fd >= 0)
		close(fd);
	if (!result)
		result = understand(text, status, why, why_size);
	if (!result)
		return text;
	free(text);
	return NULL;
}

/* With our own privileges, which may be others than the server's. */
static int look(const struct config *config, struct owamp_clock_status *status)
{
	int64_t deadline = owamp_mono_ns() + ROUNDS_NS;
	struct owamp_clock *clock;
	char error[256];
	int result = owamp_clock_new(&clock, &config->clock, error, sizeof(error));

	if (result) {
		fprintf(stderr, "owampd: clock: %s\n",
			error[0]                  ? error
			: result == OWAMP_ESYSTEM ? strerror(errno)
						  : owamp_error_text(result));
		return -1;
	}
	while (owamp_clock_rounds(clock) < ROUNDS && owamp_mono_ns() < deadline)
		(void)poll(NULL, 0, LOOK_MS);
	owamp_clock_status(clock, status);
	owamp_clock_free(clock);
	return 0;
}

static bool wants_colour(void)
{
	const char *terminal = getenv("TERM"), *refused = getenv("NO_COLOR");

	if (refused && refused[0])
		return false;
	return isatty(STDOUT_FILENO) && terminal && terminal[0] && strcmp(terminal, "dumb") != 0;
}

/* text: the status as JSON, if it is known as such. */
static int print(const struct config *config, const struct owamp_clock_status *status, const char *text)
{
	json_t *document = NULL;
	int result = 0;

	if (config->json && text) {
		fputs(text, stdout);
	} else if (config->json) {
		document = json_pack("{s:o}", "clock", clock_report_json(status));
		result = document ? json_dumpf(document, stdout, JSON_COMPACT) : -1;
		fputc('\n', stdout);
	} else {
		clock_report_text(stdout, status, wants_colour());
	}
	json_decref(document);
	if (!result && !fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "owampd: writing the status: %s\n", strerror(errno));
	return -1;
}

int clock_status_show(const struct config *config)
{
	struct owamp_clock_status status;
	char why[200] = "out of memory", *text = NULL;
	int result;

	if (config->status_socket)
		text = ask(config->status_socket, &status, why, sizeof(why));
	if (!text && config->status_socket)
		fprintf(stderr, "owampd: status_socket %s: %s; ", config->status_socket, why);
	else if (!text)
		fprintf(stderr, "owampd: no status_socket is configured; ");
	if (!text)
		fprintf(stderr, "taking samples for about 2 s instead of asking the server\n");
	result = !text && look(config, &status) ? -1 : print(config, &status, text);
	free(text);
	return result ? 1 : 0;
}
