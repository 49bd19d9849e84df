#include "owping/archive.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

#include "owping/format.h"
#include "owping/run.h"
#include "storage/import.h"

#define PROGRESS_AFTER_NS 1000000000

/* What it takes to store one result. */
struct storing {
	const struct owping_archive *archive;
	const struct owping_run *run;
	const struct owping_report *report;
	struct owamp_stop_session stop;
	char peer[OWPING_TEXT_SIZE];
	int64_t started_mono;
	bool shown; /* a line of progress is on the screen */
};

const char *owping_archive_result_name(enum owping_archive_result result)
{
	static const char *const names[] = {"stored", "replaced", "kept", "failed"};

	return names[result];
}

enum archive_outcome owping_archive_outcome(const struct owping_report *report)
{
	const struct owamp_result *result = report->result;

	if (result->error == OWAMP_EDATA)
		return ARCHIVE_INVALID;
	if (!result->stopped || report->missing > 0)
		return ARCHIVE_BROKEN;
	if (result->error == 0)
		return ARCHIVE_FINISHED;
	/* Of the last packets before an early stop there are no records by RFC 4656 section 3.8. */
	if (result->error == OWAMP_EPARTIAL && (report->ended_early || report->unknown == 0))
		return ARCHIVE_FINISHED;
	return ARCHIVE_BROKEN;
}

int owping_archive_open(struct owping_archive *archive, const char *path)
{
	*archive = (struct owping_archive){.path = path};
	if (path == NULL)
		return 0;
	return archive_open(&archive->archive, path, ARCHIVE_WRITE, archive->error, sizeof(archive->error));
}

void owping_archive_close(struct owping_archive *archive)
{
	archive_close(archive->archive);
	free(archive->sessions);
	archive->archive = NULL;
	archive->sessions = NULL;
}

static void show_progress(void *context, uint32_t done)
{
	struct storing *storing = context;

	if (storing->run->options->quiet || !owping_terminal(stderr) ||
	    owamp_mono_ns() - storing->started_mono < PROGRESS_AFTER_NS)
		return;
	fprintf(stderr, "\r\033[Karchive %s: %" PRIu32 " of %" PRIu32 " records", storing->archive->path,
		done, storing->report->result->record_count);
	fflush(stderr);
	storing->shown = true;
}

/* When the last packet was accounted for: a server does not tell when a session ended. */
static int64_t accounted_ns(const struct owamp_result *result, int64_t near_ns)
{
	int64_t last_ns = near_ns;

	for (uint32_t i = 0; i < result->record_count; i++) {
		const struct owamp_record *record = &result->records[i];
		owamp_ntp time = owamp_record_lost(record) ? record->send_time + result->request.timeout
							   : record->receive_time;
		int64_t ns = owamp_ntp_to_unix_ns(time, near_ns);

		if (ns > last_ns)
			last_ns = ns;
	}
	return last_ns;
}

/* A name that the user gave to the server, if it is one, belongs to the server's end only. */
static const char *end_name(const struct owping_run *run, const struct sockaddr_storage *end)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	const struct sockaddr *peer = owamp_client_peer(run->client);
	struct addrinfo *numeric;

	if (peer == NULL || !owamp_address_equal(peer, (const struct sockaddr *)end))
		return NULL;
	if (getaddrinfo(run->options->host, NULL, &hints, &numeric) != 0)
		return run->options->host;
	freeaddrinfo(numeric);
	return NULL;
}

static void describe_session(struct storing *storing, struct archive_session *session)
{
	const struct owping_run *run = storing->run;
	const struct owamp_result *result = storing->report->result;
	const struct sockaddr *peer = owamp_client_peer(run->client);

	*session = (struct archive_session){
		.request = result->request,
		.mode = result->mode,
		.received = result->direction == OWAMP_FROM_SERVER,
		.identity = result->mode == OWAMP_MODE_OPEN ? NULL : run->credentials.key_id,
		.peer = peer != NULL ? owamp_address_text(peer, false, storing->peer) : "",
		.sender_name = end_name(run, &result->sender),
		.receiver_name = end_name(run, &result->receiver),
		.program = owping_program_name(run->options->program),
		/* Of an older session the start of its schedule comes next to it. */
		.created_ns = storing->report->fetched
				      ? owamp_ntp_to_unix_ns(result->request.start, storing->report->near_ns)
				      : run->agreed_ns,
	};
}

static void describe_end(struct storing *storing, struct archive_end *end, int64_t created_ns)
{
	const struct owping_run *run = storing->run;
	const struct owamp_result *result = storing->report->result;

	storing->stop = (struct owamp_stop_session){
		.next_seq = result->next_seq, .skip_count = result->skip_count, .skips = result->skips};
	*end = (struct archive_end){
		.outcome = owping_archive_outcome(storing->report),
		.reason = storing->report->error != 0 ? storing->report->reason : NULL,
		.stop = result->stopped ? &storing->stop : NULL,
		.end_ns = storing->report->fetched ? accounted_ns(result, created_ns) : run->ended_ns,
		.send_health = result->has_send_health ? &result->send_health : NULL,
		.receive_health = result->has_receive_health ? &result->receive_health : NULL,
	};
}

static void store(struct owping_archive *archive, struct storing *storing, struct owping_archived *archived)
{
	static const enum owping_archive_result results[] = {
		[IMPORT_STORED] = OWPING_ARCHIVE_STORED,
		[IMPORT_REPLACED] = OWPING_ARCHIVE_REPLACED,
		[IMPORT_KEPT] = OWPING_ARCHIVE_KEPT,
	};
	const struct owamp_result *result = storing->report->result;
	struct import import = {
		.records = result->records,
		.record_count = result->record_count,
		.progress = show_progress,
		.context = storing,
	};
	enum import_result how;
	int error;

	describe_session(storing, &import.session);
	describe_end(storing, &import.end, import.session.created_ns);
	storing->started_mono = owamp_mono_ns();
	error = archive_import(archive->archive, &import, &how, archived->reason, sizeof(archived->reason));
	if (storing->shown)
		fputs("\r\033[K", stderr);
	memcpy(archived->sid, result->request.sid, OWAMP_SID_SIZE);
	archived->outcome = import.end.outcome;
	archived->result = error == 0 ? results[how] : OWPING_ARCHIVE_FAILED;
	if (error == 0 && how != IMPORT_KEPT && import.end.reason != NULL)
		snprintf(archived->reason, sizeof(archived->reason), "%s", import.end.reason);
}

static void tell(const struct owping_archive *archive, const struct owping_options *options,
		 const struct owping_archived *archived)
{
	char sid[33];

	owamp_sid_text(archived->sid, sid);
	if (archived->result == OWPING_ARCHIVE_FAILED)
		owping_complain(options->program, "archive %s: session %s: %s", archive->path, sid,
				archived->reason);
	else if (archived->result == OWPING_ARCHIVE_KEPT && !options->quiet)
		owping_complain(options->program, "archive %s: session %s is left as it is: %s",
				archive->path, sid, archived->reason);
}

/* At the start and at the end. */
static int put_clocks(struct archive *archive, const struct owping_run *run)
{
	const char *program = owping_program_name(run->options->program);
	struct owamp_clock_status now;
	int error = archive_begin(archive);

	owping_clock_read(&now, owamp_engine_clock(run->engine));
	if (error == 0)
		error = archive_clock_status_insert(archive, program, &run->clock, 0);
	if (error == 0)
		error = archive_clock_status_insert(archive, program, &now,
						    owping_clock_step(&run->clock, &now));
	if (error == 0)
		error = archive_commit(archive);
	return error;
}

static bool unusable(struct owping_archive *archive, const struct owping_options *options, const char *reason)
{
	snprintf(archive->error, sizeof(archive->error), "%s: %s", archive->path, reason);
	owping_complain(options->program, "archive %s", archive->error);
	return false;
}

static bool worth_storing(const struct owping_report *report)
{
	return report != NULL && report->outcome != OWPING_FAILED;
}

bool owping_archive_write(struct owping_archive *archive, const struct owping_run *run,
			  struct owping_report *const *reports, unsigned report_count)
{
	bool whole = true;
	unsigned wanted = 0;

	for (unsigned i = 0; i < report_count; i++)
		wanted += worth_storing(reports[i]);
	if (archive->archive == NULL || wanted == 0)
		return true;
	archive->sessions = calloc(wanted, sizeof(*archive->sessions));
	if (archive->sessions == NULL)
		return unusable(archive, run->options, "out of memory");
	if (archive_is_gone(archive->archive))
		return unusable(archive, run->options, "removed or replaced while we measured");
	if (put_clocks(archive->archive, run) < 0) {
		archive_rollback(archive->archive);
		return unusable(archive, run->options, archive_reason(archive->archive));
	}
	for (unsigned i = 0; i < report_count; i++) {
		struct storing storing = {.archive = archive, .run = run, .report = reports[i]};
		struct owping_archived *archived = &archive->sessions[archive->session_count];

		if (!worth_storing(reports[i]))
			continue;
		archive->session_count++;
		store(archive, &storing, archived);
		tell(archive, run->options, archived);
		whole &= archived->result != OWPING_ARCHIVE_FAILED;
	}
	return whole;
}
