/* A session of the writer: copies of what it was told, and its end in words. */
#include "writer_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

/* Duplicates are stored too, but never so many that first arrivals lack the room. */
#define DUPLICATES_SHARE 8
#define DUPLICATES_MIN   16

static void copy_text(const char **text)
{
	if (*text)
		*text = strdup(*text);
}

static bool copied(const char *copy, const char *text)
{
	return !copy == !text;
}

static int copy_slots(struct owamp_request *copy, const struct owamp_request *request)
{
	copy->slots = calloc((size_t)request->slot_count + 1, sizeof *copy->slots);
	if (!copy->slots)
		return OWAMP_ENOMEM;
	if (request->slot_count > 0)
		memcpy(copy->slots, request->slots, request->slot_count * sizeof *copy->slots);
	return 0;
}

struct writer_session *writer_session_new(const struct archive_session *session)
{
	struct writer_session *s = calloc(1, sizeof *s);
	struct archive_session *row;

	if (!s)
		return NULL;
	row = &s->row;
	*row = *session;
	s->duplicates_max = session->request.packets / DUPLICATES_SHARE + DUPLICATES_MIN;
	copy_text(&row->identity);
	copy_text(&row->class_name);
	copy_text(&row->peer);
	copy_text(&row->sender_name);
	copy_text(&row->receiver_name);
	copy_text(&row->program);
	if (copy_slots(&row->request, &session->request) || !copied(row->identity, session->identity) ||
	    !copied(row->class_name, session->class_name) || !copied(row->peer, session->peer) ||
	    !copied(row->sender_name, session->sender_name) ||
	    !copied(row->receiver_name, session->receiver_name) || !copied(row->program, session->program)) {
		writer_session_free(s);
		return NULL;
	}
	return s;
}

void writer_session_free(struct writer_session *session)
{
	if (!session)
		return;
	summary_free(session->summary);
	free((char *)session->row.identity);
	free((char *)session->row.class_name);
	free((char *)session->row.peer);
	free((char *)session->row.sender_name);
	free((char *)session->row.receiver_name);
	free((char *)session->row.program);
	free(session->row.request.slots);
	free((struct owamp_skip_range *)session->stop.skips);
	free(session);
}

static int copy_stop(struct writer_session *session, const struct owamp_stop_session *stop)
{
	struct owamp_skip_range *skips = calloc((size_t)stop->skip_count + 1, sizeof *skips);

	if (!skips)
		return OWAMP_ENOMEM;
	if (stop->skip_count > 0)
		memcpy(skips, stop->skips, stop->skip_count * sizeof *skips);
	session->stop = *stop;
	session->stop.skips = skips;
	session->end.stop = &session->stop;
	return 0;
}

int writer_session_end(struct writer_session *session, const struct archive_end *end, uint32_t cut)
{
	int error = 0;

	session->end = *end;
	session->end.stop = NULL;
	session->cut = end->outcome == ARCHIVE_INVALID ? 0 : cut;
	if (end->send_health) {
		session->send_health = *end->send_health;
		session->end.send_health = &session->send_health;
	}
	if (end->receive_health) {
		session->receive_health = *end->receive_health;
		session->end.receive_health = &session->receive_health;
	}
	snprintf(session->reason, sizeof session->reason, "%s", end->reason ? end->reason : "");
	if (end->stop)
		error = copy_stop(session, end->stop);
	if (error) {
		/* Without the skip ranges, packets that were never sent would pass for lost. */
		session->end.outcome = ARCHIVE_INVALID;
		session->cut = 0;
		snprintf(session->reason, sizeof session->reason, "out of memory when it ended");
	}
	return error;
}

static void add(char *text, size_t size, const char *part)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s%s", length > 0 ? "; " : "", part);
}

struct archive_end writer_session_outcome(const struct writer_session *session, char *text, size_t size)
{
	struct archive_end end = session->end;
	char part[320];

	snprintf(text, size, "%s", session->reason);
	end.records_lost += session->lost;
	end.duplicates_left_out += session->left_out;
	if (end.records_lost > 0) {
		snprintf(part, sizeof part, "%" PRIu64 " record%s could not be stored%s%s", end.records_lost,
			 end.records_lost == 1 ? "" : "s", session->lost_why[0] ? ": " : "",
			 session->lost_why);
		add(text, size, part);
	}
	if (session->replaced)
		add(text, size,
		    "the archive was replaced while the session was running: what came before is not in it");
	if (end.duplicates_left_out > 0) {
		snprintf(part, sizeof part, "%" PRIu64 " duplicate%s left out", end.duplicates_left_out,
			 end.duplicates_left_out == 1 ? " was" : "s were");
		add(text, size, part);
	}
	if (end.outcome == ARCHIVE_FINISHED && (end.records_lost > 0 || session->replaced))
		end.outcome = ARCHIVE_BROKEN;
	end.reason = text[0] ? text : NULL;
	return end;
}
