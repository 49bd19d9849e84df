#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

/* The archive's thread writes to the log too. */
static atomic_bool to_stderr = true;
static atomic_int max_level = LOG_INFO;

void log_open(bool foreground, int level)
{
	to_stderr = foreground;
	max_level = level;
	if (!foreground)
		openlog("owampd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_level(int level)
{
	max_level = level;
}

static const char *level_name(int priority)
{
	static const char *const names[] = {
		"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug",
	};

	return names[priority & 7];
}

void log_write(int priority, const char *format, ...)
{
	struct timespec now;
	struct tm utc;
	char line[1024], stamp[32];
	va_list arguments;

	if (priority > max_level)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	/* Parts of it may come from a peer: nothing in it may look like another line. */
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	if (!to_stderr) {
		syslog(priority, "%s", line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(stderr, "%s.%03ldZ owampd %s: %s\n", stamp, now.tv_nsec / 1000000, level_name(priority),
		line);
}

char *log_octets(uint64_t octets, char text[LOG_OCTETS])
{
	if (octets < 1 << 20)
		snprintf(text, LOG_OCTETS, "%.0f KiB", (double)octets / 1024);
	else
		snprintf(text, LOG_OCTETS, "%.1f MiB", (double)octets / (1 << 20));
	return text;
}
