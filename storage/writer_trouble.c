/*
 * What the log is told of trouble: when it begins, when records begin to be
 * lost, and when it is over; never for each record or each try.
 */
#include "writer_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#define TOO_SLOW "the disk is slower than the results come in"

/* Until what can wait is tried again. */
#define IDLE_RETRY_NS (60 * WRITER_SECOND_NS)

void writer_log(struct writer *writer, int priority, const char *format, ...)
{
	char text[400], line[700];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	snprintf(line, sizeof line, "archive %s: %s", writer_in_memory(writer) ? "in memory" : writer->path,
		 text);
	writer->log(writer->context, priority, line);
}

static void begin_episode(struct writer *writer, const char *why)
{
	struct writer_trouble *trouble = &writer->trouble;

	snprintf(trouble->why, sizeof trouble->why, "%s", why);
	if (trouble->on || trouble->losing)
		return;
	trouble->since_mono = owamp_mono_ns();
	trouble->episode++;
	trouble->lost_before = trouble->lost_seen;
	trouble->sessions = 0;
}

void writer_trouble_begin(struct writer *writer)
{
	struct writer_trouble *trouble = &writer->trouble;

	begin_episode(writer, writer->reason);
	if (!trouble->on)
		writer_log(writer, LOG_ERR,
			   "%s: results are kept in memory, up to %" PRIu32
			   " records, and it is tried again every second",
			   writer->reason, writer->queue_max);
	trouble->on = true;
	pthread_mutex_lock(&writer->lock);
	writer->in_trouble = true;
	snprintf(writer->trouble_why, sizeof writer->trouble_why, "%s", writer->reason);
	pthread_mutex_unlock(&writer->lock);
}

/* Whose records they were. */
static void note_sessions(struct writer *writer)
{
	struct writer_trouble *trouble = &writer->trouble;

	for (struct writer_session *s = writer->sessions; s; s = s->next) {
		if (s->lost == s->lost_noted)
			continue;
		s->lost_noted = s->lost;
		snprintf(s->lost_why, sizeof s->lost_why, "%s", trouble->why);
		trouble->sessions += s->lost_episode != trouble->episode;
		s->lost_episode = trouble->episode;
	}
}

bool writer_trouble_losses(struct writer *writer)
{
	struct writer_trouble *trouble = &writer->trouble;
	uint64_t lost;

	pthread_mutex_lock(&writer->lock);
	lost = writer->lost;
	pthread_mutex_unlock(&writer->lock);
	if (lost == trouble->lost_seen)
		return false;
	if (!trouble->on)
		begin_episode(writer, TOO_SLOW);
	if (!trouble->losing)
		writer_log(writer, LOG_ERR,
			   "%s: %" PRIu32 " records wait in memory, no more can, and records are being lost",
			   trouble->why, writer->queue_max);
	trouble->losing = true;
	trouble->lost_seen = lost;
	note_sessions(writer);
	return true;
}

void writer_trouble_end(struct writer *writer)
{
	struct writer_trouble *trouble = &writer->trouble;
	uint64_t lost = trouble->lost_seen - trouble->lost_before;
	char text[100] = "nothing was lost";

	if (!trouble->on && !trouble->losing)
		return;
	if (lost > 0)
		snprintf(text, sizeof text, "%" PRIu64 " record%s of %" PRIu64 " session%s %s lost", lost,
			 lost == 1 ? "" : "s", trouble->sessions, trouble->sessions == 1 ? "" : "s",
			 lost == 1 ? "was" : "were");
	writer_log(writer, LOG_NOTICE, "results are written again after %.1f s: %s",
		   (double)(owamp_mono_ns() - trouble->since_mono) / 1e9, text);
	trouble->on = trouble->losing = false;
	trouble->idle_due = 0;
}

void writer_trouble_idle(struct writer *writer, int error)
{
	struct writer_trouble *trouble = &writer->trouble;

	if (error) {
		trouble->idle_due = owamp_mono_ns() + IDLE_RETRY_NS;
		/* Not if it was over in a minute. */
		if (++trouble->idle_failures == 2)
			writer_log(writer, LOG_ERR,
				   "%s: results are neither summed up nor removed, "
				   "which is tried again every minute",
				   writer->reason);
		return;
	}
	if (trouble->idle_failures >= 2)
		writer_log(writer, LOG_NOTICE, "results are summed up and removed again");
	trouble->idle_failures = 0;
}

void writer_trouble_given_up(struct writer *writer)
{
	uint32_t records = writer->batch_count;
	uint64_t sessions = 0;

	pthread_mutex_lock(&writer->lock);
	records += queue_count(writer->queue);
	for (const struct writer_session *s = writer->finished; s; s = s->next_finished)
		sessions++;
	pthread_mutex_unlock(&writer->lock);
	for (const struct writer_session *s = writer->sessions; s; s = s->next)
		sessions += s->finishing;
	writer->given_up = true;
	writer_log(writer, LOG_ERR,
		   "%s: at the end %" PRIu32 " record%s and the end%s of %" PRIu64
		   " session%s were not written",
		   writer->reason, records, records == 1 ? "" : "s", sessions == 1 ? "" : "s", sessions,
		   sessions == 1 ? "" : "s");
}
