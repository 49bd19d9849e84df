#include "store.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/socket.h>

#include "store_internal.h"

#define BUCKETS 65536

/* What rows take in the file, indexes and what is derived from them included. */
#define RECORD_OCTETS  48
#define SESSION_OCTETS 1024
#define SLOT_OCTETS    32
#define SKIP_OCTETS    32

struct store {
	struct store_config config;
	char *path;
	struct writer *writer;
	struct owamp_worker *worker;
	struct store_reader reader;
	struct store_session *buckets[BUCKETS];
};

uint64_t store_octets_wanted(uint32_t packets)
{
	/* Duplicates are results too: as many as writer_append() takes. */
	return ((uint64_t)packets + packets / 8 + 16) * RECORD_OCTETS;
}

uint64_t store_overhead(uint32_t slot_count, uint32_t skip_count)
{
	return SESSION_OCTETS + (uint64_t)slot_count * SLOT_OCTETS + (uint64_t)skip_count * SKIP_OCTETS;
}

__attribute__((format(printf, 3, 4))) static void say(const struct store *store, int priority,
						      const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	store->config.log(store->config.context, priority, line);
}

/* The random octets of the SID. */
static struct store_session **bucket(struct store *store, const uint8_t sid[OWAMP_SID_SIZE])
{
	return &store->buckets[(sid[14] << 8 | sid[15]) % BUCKETS];
}

struct store_session *store_find(struct store *store, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct store_session *session = *bucket(store, sid);

	while (session && memcmp(session->sid, sid, OWAMP_SID_SIZE) != 0)
		session = session->next;
	return session;
}

static void session_free(struct store_session *session)
{
	free(session->owner);
	free(session->peer);
	free(session);
}

static void free_unused(struct store_session *session)
{
	if (!session->there && session->references == 0 && session->fetches == 0)
		session_free(session);
}

static void release(struct store_session *session)
{
	if (session->grant)
		session->store->config.release(session->grant);
	session->grant = NULL;
}

/* Out of the index; the caller looks after the memory. */
static void detach(struct store_session *session)
{
	struct store_session **link = bucket(session->store, session->sid);

	if (!session->there)
		return;
	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	session->there = false;
}

static struct store_session *session_new(struct store *store, const uint8_t sid[OWAMP_SID_SIZE],
					 const char *owner)
{
	struct store_session *session = calloc(1, sizeof *session), **head = bucket(store, sid);

	if (!session)
		return NULL;
	session->store = store;
	memcpy(session->sid, sid, OWAMP_SID_SIZE);
	session->owner = owner ? strdup(owner) : NULL;
	if (owner && !session->owner) {
		free(session);
		return NULL;
	}
	session->next = *head;
	*head = session;
	session->there = true;
	return session;
}

/* On the loop: it is the archive that says what it has removed. */
static void removed(void *context, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct store_session *session = store_find(context, sid);
	char text[33];

	if (!session || session->handle)
		return;
	say(session->store, LOG_INFO,
	    "session %s: its packets are removed from the archive, it was kept long enough",
	    owamp_sid_text(sid, text));
	detach(session);
	release(session);
	free_unused(session);
}

/* On the loop: what the old file holds is no longer ours to offer, or to charge. */
static void replaced(void *context)
{
	struct store *store = context;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct store_session *next;

		for (struct store_session *s = store->buckets[i]; s; s = next) {
			next = s->next;
			if (s->handle || !s->archived)
				continue;
			detach(s);
			release(s);
			free_unused(s);
		}
	}
}

struct loading {
	struct store *store;
	struct store_count *count;
};

static int load(void *context, const struct archive_stored *stored)
{
	struct loading *loading = context;
	struct store *store = loading->store;
	struct store_session *session;

	/* Others may keep theirs in the same file. */
	if (!stored->packets_kept || !stored->received || strcmp(stored->program, store->config.program) != 0)
		return 0;
	session = session_new(store, stored->request.sid, stored->identity);
	if (!session)
		return OWAMP_ENOMEM;
	session->outcome = stored->outcome;
	session->archived = session->written = true;
	session->overhead = store_overhead(stored->request.slot_count, stored->stop.skip_count);
	if (stored->identity && stored->outcome != ARCHIVE_INVALID) {
		loading->count->sessions++;
		loading->count->records += stored->records;
	}
	return store->config.charge(store->config.context, stored->class_name,
				    session->overhead + stored->records * RECORD_OCTETS, &session->grant);
}

/* Before there are other threads that read. */
static int load_all(struct store *store, struct store_count *count, char *error, size_t error_size)
{
	struct loading loading = {.store = store, .count = count};
	struct archive *archive;
	int result = archive_open(&archive, store->reader.path, ARCHIVE_READ, error, error_size);

	if (result)
		return result;
	result = archive_session_load(archive, NULL, load, &loading);
	if (result)
		snprintf(error, error_size, "%s: reading the sessions: %s", store->reader.path,
			 result == OWAMP_ENOMEM ? owamp_error_text(result) : archive_reason(archive));
	archive_close(archive);
	return result;
}

static void adjust(const struct store *store, const struct writer_retention *wanted,
		   struct writer_retention *retention)
{
	*retention = *wanted;
	/* Nobody reads summaries in memory. */
	if (!store->path)
		retention->summaries_ns = retention->packets_ns;
}

static void log_line(void *context, int priority, const char *line)
{
	const struct store *store = context;

	store->config.log(store->config.context, priority, line);
}

static int open_writer(struct store *store, char *error, size_t error_size)
{
	struct writer_config config = {
		.path = store->reader.path,
		.program = store->config.program,
		.loop = store->config.loop,
		.clock = store->config.clock,
		.log = log_line,
		.removed = removed,
		.replaced = replaced,
		.context = store,
	};

	adjust(store, &store->config.retention, &config.retention);
	return writer_new(&store->writer, &config, error, error_size);
}

int store_new(struct store **store, const struct store_config *config, struct store_count *count, char *error,
	      size_t error_size)
{
	struct store *s = calloc(1, sizeof *s);
	int result = OWAMP_ENOMEM;

	*store = NULL;
	*count = (struct store_count){0};
	snprintf(error, error_size, "%s", owamp_error_text(result));
	if (!s)
		return result;
	s->config = *config;
	s->path = config->path ? strdup(config->path) : NULL;
	if (config->path && !s->path)
		goto cleanup;
	s->reader.path = s->path ? s->path : ARCHIVE_MEMORY;
	result = open_writer(s, error, error_size);
	if (!result)
		result = load_all(s, count, error, error_size);
	if (result)
		goto cleanup;
	/* A fetch has one job at a time: connections bound the queue. */
	result = owamp_worker_new(&s->worker, config->loop, UINT_MAX);
	if (result) {
		snprintf(error, error_size, "starting a thread: %s", owamp_error_text(result));
		goto cleanup;
	}
	*store = s;
	s = NULL;
cleanup:
	(void)store_free(s);
	return result;
}

int store_free(struct store *store)
{
	int error;

	if (!store)
		return 0;
	owamp_worker_free(store->worker);
	archive_close(store->reader.archive);
	error = writer_free(store->writer);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (store->buckets[i]) {
			struct store_session *session = store->buckets[i];

			store->buckets[i] = session->next;
			release(session);
			session_free(session);
		}
	}
	free(store->path);
	free(store);
	return error;
}

void store_set_retention(struct store *store, const struct writer_retention *wanted)
{
	struct writer_retention retention;

	adjust(store, wanted, &retention);
	writer_set_retention(store->writer, &retention);
}

int store_open(struct store *store, const struct store_info *info, struct store_session **session)
{
	size_t size = owamp_address_size((const struct sockaddr *)&info->peer);
	struct store_session *s;

	*session = NULL;
	if (store_find(store, info->sid))
		return OWAMP_EINVAL;
	s = session_new(store, info->sid, info->owner);
	if (!s)
		return OWAMP_ENOMEM;
	s->peer = info->owner ? NULL : malloc(size);
	if (!info->owner && !s->peer) {
		detach(s);
		session_free(s);
		return OWAMP_ENOMEM;
	}
	if (s->peer)
		memcpy(s->peer, &info->peer, size);
	s->overhead = store_overhead(info->slot_count, 0);
	s->grant = info->grant;
	s->references = 1;
	*session = s;
	return 0;
}

void store_let_go(struct store_session *session)
{
	session->references--;
	free_unused(session);
}

int store_start(struct store_session *session, const struct archive_session *description)
{
	int error = writer_open_session(session->store->writer, description, &session->handle);

	session->archived = error == 0;
	return error;
}

void store_append(struct store_session *session, const struct owamp_record *record)
{
	session->duplicates += record->duplicate;
	session->appended++;
	writer_append(session->handle, record);
}

/*
 * The records that stay, or some duplicates too many: each packet below cut has
 * one record at most that is no duplicate. Only the writer will know better.
 */
static uint64_t records_kept(const struct store_session *session, uint32_t cut)
{
	uint64_t stored = session->appended - session->lost - session->left_out;
	uint64_t below = cut + session->duplicates - session->left_out;

	if (session->outcome == ARCHIVE_INVALID)
		return 0;
	return stored < below ? stored : below;
}

enum archive_outcome store_finish(struct store_session *session, const struct archive_end *end, uint32_t cut)
{
	char sid[33];
	int error;

	if (!session->archived) {
		session->outcome = ARCHIVE_INVALID;
		store_remove(session);
	}
	if (!session->handle)
		return session->outcome;
	session->lost = writer_lost(session->handle);
	session->left_out = writer_left_out(session->handle);
	session->outcome = end->outcome;
	if (end->outcome == ARCHIVE_FINISHED && session->lost > 0)
		session->outcome = ARCHIVE_BROKEN;
	if (end->stop)
		session->overhead += store_overhead(0, end->stop->skip_count) - store_overhead(0, 0);
	error = writer_finish_session(session->handle, end, cut);
	session->handle = NULL;
	if (error) {
		say(session->store, LOG_ERR, "session %s ends as invalid: %s",
		    owamp_sid_text(session->sid, sid), owamp_error_text(error));
		session->outcome = ARCHIVE_INVALID;
	}
	if (session->grant)
		session->store->config.settle(session->grant,
					      session->overhead + records_kept(session, cut) * RECORD_OCTETS);
	return session->outcome;
}

enum archive_outcome store_outcome(const struct store_session *session)
{
	return session->outcome;
}

const uint8_t *store_sid(const struct store_session *session)
{
	return session->sid;
}

uint64_t store_lost(const struct store_session *session)
{
	return session->handle ? writer_lost(session->handle) : session->lost;
}

uint64_t store_left_out(const struct store_session *session)
{
	return session->handle ? writer_left_out(session->handle) : session->left_out;
}

bool store_is_started(const struct store_session *session)
{
	return session->archived;
}

bool store_is_there(const struct store_session *session)
{
	return session->there;
}

const char *store_owner(const struct store_session *session)
{
	return session->owner;
}

const struct sockaddr *store_peer(const struct store_session *session)
{
	return session->peer;
}

static void remove_from_archive(struct store_session *session)
{
	char sid[33];
	int error = 0;

	session->removal_due = false;
	if (session->archived)
		error = writer_remove_session(session->store->writer, session->sid);
	if (error)
		say(session->store, LOG_ERR, "session %s could not be removed from the archive: %s",
		    owamp_sid_text(session->sid, sid), owamp_error_text(error));
	release(session);
}

void store_remove(struct store_session *session)
{
	const struct archive_end end = {.outcome = ARCHIVE_INVALID, .end_ns = owamp_real_ns()};

	if (!session->there)
		return;
	if (session->handle)
		(void)store_finish(session, &end, 0);
	detach(session);
	session->removal_due = true;
	if (session->fetches == 0)
		remove_from_archive(session);
	free_unused(session);
}

void store_disown(struct store_session *session)
{
	if (!session->store->path) {
		store_remove(session);
		return;
	}
	free(session->peer);
	session->peer = NULL;
}

struct store_reader *store_reader(struct store_session *session)
{
	return &session->store->reader;
}

struct owamp_worker *store_worker(struct store_session *session)
{
	return session->store->worker;
}

struct writer *store_writer(struct store_session *session)
{
	return session->store->writer;
}

void store_begin_fetch(struct store_session *session)
{
	session->fetches++;
}

void store_end_fetch(struct store_session *session)
{
	session->fetches--;
	if (session->fetches == 0 && session->removal_due)
		remove_from_archive(session);
	free_unused(session);
}
