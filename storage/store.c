#include "store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#define CHUNK_FIRST 32
#define CHUNK_LAST  8192
#define BUCKETS     1024

/* Records in blocks that never move, each twice as large as the one before up to a bound. */
struct chunk {
	struct chunk *next;
	uint64_t first; /* number of its first record */
	uint32_t count;
	uint32_t capacity;
	uint8_t records[];
};

struct store_session {
	struct store_session *next; /* in its bucket */
	struct store_info info;
	enum store_outcome outcome;
	uint32_t next_seq;
	uint32_t skip_count;
	struct owamp_skip_range *skips;
	int64_t finished_mono;
	unsigned holds;
	bool removed;

	pthread_mutex_t lock; /* for what follows */
	struct chunk *first, *last;
	uint64_t count;
	uint64_t dropped;
};

struct store {
	struct store_session *buckets[BUCKETS];
};

int store_new(struct store **store)
{
	*store = calloc(1, sizeof **store);
	return *store ? 0 : OWAMP_ENOMEM;
}

static void free_chunks(struct store_session *session)
{
	while (session->first) {
		struct chunk *chunk = session->first;

		session->first = chunk->next;
		free(chunk);
	}
	session->last = NULL;
	session->count = 0;
}

static void session_free(struct store_session *session)
{
	free_chunks(session);
	pthread_mutex_destroy(&session->lock);
	free(session->info.request.slots);
	free((char *)session->info.key_id);
	free(session->skips);
	free(session);
}

void store_free(struct store *store, void (*release)(void *grant))
{
	if (!store)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (store->buckets[i]) {
			struct store_session *session = store->buckets[i];

			store->buckets[i] = session->next;
			release(session->info.grant);
			session_free(session);
		}
	}
	free(store);
}

uint64_t store_octets_wanted(uint32_t packets)
{
	/* An eighth more, and some: duplicates are results too. */
	return ((uint64_t)packets + packets / 8 + 16) * OWAMP_RECORD_SIZE;
}

uint64_t store_overhead(uint32_t slot_count, uint32_t skip_count)
{
	return sizeof(struct store_session) + sizeof(struct chunk) + slot_count * sizeof(struct owamp_slot) +
	       skip_count * sizeof(struct owamp_skip_range);
}

/* The random octets of the SID. */
static struct store_session **bucket(struct store *store, const uint8_t sid[OWAMP_SID_SIZE])
{
	return &store->buckets[(sid[14] << 8 | sid[15]) % BUCKETS];
}

struct store_session *store_find(struct store *store, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct store_session *session = *bucket(store, sid);

	while (session && memcmp(session->info.request.sid, sid, OWAMP_SID_SIZE) != 0)
		session = session->next;
	return session;
}

int store_open(struct store *store, const struct store_info *info, struct store_session **session)
{
	const struct owamp_request *request = &info->request;
	struct store_session **head = bucket(store, request->sid), *s;

	*session = NULL;
	if (store_find(store, request->sid))
		return OWAMP_EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return OWAMP_ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->info = *info;
	s->info.key_id = info->key_id ? strdup(info->key_id) : NULL;
	s->info.request.slots = calloc((size_t)request->slot_count + 1, sizeof *request->slots);
	if (!s->info.request.slots || !s->info.key_id != !info->key_id) {
		session_free(s);
		return OWAMP_ENOMEM;
	}
	if (request->slot_count > 0)
		memcpy(s->info.request.slots, request->slots, request->slot_count * sizeof *request->slots);
	s->next = *head;
	*head = s;
	*session = s;
	return 0;
}

static struct chunk *add_chunk(struct store_session *session)
{
	uint32_t capacity = session->last ? 2 * session->last->capacity : CHUNK_FIRST;
	struct chunk *chunk;

	if (capacity > CHUNK_LAST)
		capacity = CHUNK_LAST;
	chunk = malloc(sizeof *chunk + (size_t)capacity * OWAMP_RECORD_SIZE);
	if (!chunk)
		return NULL;
	*chunk = (struct chunk){.first = session->count, .capacity = capacity};
	if (session->last)
		session->last->next = chunk;
	else
		session->first = chunk;
	session->last = chunk;
	return chunk;
}

static void append(struct store_session *session, const uint8_t wire[OWAMP_RECORD_SIZE])
{
	struct chunk *chunk = session->last;

	if ((session->count + 1) * OWAMP_RECORD_SIZE > session->info.octets_max) {
		session->dropped++;
		return;
	}
	if (!chunk || chunk->count == chunk->capacity)
		chunk = add_chunk(session);
	if (!chunk) {
		session->dropped++;
		return;
	}
	memcpy(chunk->records + (size_t)chunk->count * OWAMP_RECORD_SIZE, wire, OWAMP_RECORD_SIZE);
	chunk->count++;
	session->count++;
}

void store_append(struct store_session *session, const struct owamp_record *record)
{
	uint8_t wire[OWAMP_RECORD_SIZE];

	owamp_record_encode(record, wire);
	pthread_mutex_lock(&session->lock);
	append(session, wire);
	pthread_mutex_unlock(&session->lock);
}

static uint32_t seq_of(const uint8_t *wire)
{
	return (uint32_t)wire[0] << 24 | (uint32_t)wire[1] << 16 | (uint32_t)wire[2] << 8 | wire[3];
}

/* Rewrites the list without the records from cut on; their order stays. */
static void cut_records(struct store_session *session, uint32_t cut)
{
	struct chunk *old = session->first;
	bool any = false;

	for (const struct chunk *chunk = old; chunk && !any; chunk = chunk->next) {
		for (uint32_t i = 0; i < chunk->count && !any; i++)
			any = seq_of(chunk->records + (size_t)i * OWAMP_RECORD_SIZE) >= cut;
	}
	if (!any)
		return;
	session->first = session->last = NULL;
	session->count = 0;
	while (old) {
		struct chunk *chunk = old;

		for (uint32_t i = 0; i < chunk->count; i++) {
			const uint8_t *wire = chunk->records + (size_t)i * OWAMP_RECORD_SIZE;

			if (seq_of(wire) < cut)
				append(session, wire);
		}
		old = chunk->next;
		free(chunk);
	}
}

int store_finish(struct store_session *session, enum store_outcome outcome,
		 const struct owamp_stop_session *stop, uint32_t cut, int64_t now_mono)
{
	if (stop) {
		session->skips = calloc((size_t)stop->skip_count + 1, sizeof *session->skips);
		if (!session->skips)
			return OWAMP_ENOMEM;
		if (stop->skip_count > 0)
			memcpy(session->skips, stop->skips, stop->skip_count * sizeof *stop->skips);
		session->skip_count = stop->skip_count;
	}
	session->next_seq = stop ? stop->next_seq : cut;
	pthread_mutex_lock(&session->lock);
	if (outcome == STORE_INVALID)
		free_chunks(session);
	else
		cut_records(session, cut);
	session->outcome = outcome == STORE_NORMAL && session->dropped > 0 ? STORE_BROKEN : outcome;
	pthread_mutex_unlock(&session->lock);
	session->finished_mono = now_mono;
	return 0;
}

const struct store_info *store_info(const struct store_session *session)
{
	return &session->info;
}

enum store_outcome store_outcome(const struct store_session *session)
{
	return session->outcome;
}

void store_stop(const struct store_session *session, struct owamp_stop_session *stop)
{
	memcpy(stop->sid, session->info.request.sid, OWAMP_SID_SIZE);
	stop->next_seq = session->next_seq;
	stop->skip_count = session->skip_count;
	stop->skips = session->skips;
}

uint64_t store_octets(struct store_session *session)
{
	uint64_t octets;

	pthread_mutex_lock(&session->lock);
	octets = session->count * OWAMP_RECORD_SIZE;
	pthread_mutex_unlock(&session->lock);
	return octets;
}

uint64_t store_dropped(struct store_session *session)
{
	uint64_t dropped;

	pthread_mutex_lock(&session->lock);
	dropped = session->dropped;
	pthread_mutex_unlock(&session->lock);
	return dropped;
}

static bool in_range(const struct store_cursor *cursor, const uint8_t *wire)
{
	uint32_t seq = seq_of(wire);

	return seq >= cursor->begin_seq && seq <= cursor->end_seq;
}

/* Copies to wire if it is not NULL, only counts otherwise. */
static uint32_t walk(struct store_session *session, struct store_cursor *cursor, uint8_t *wire, uint32_t max)
{
	const struct chunk *chunk = session->first;
	uint32_t found = 0;

	while (chunk && chunk->first + chunk->count <= cursor->next)
		chunk = chunk->next;
	for (; chunk && found < max && cursor->next < cursor->limit; chunk = chunk->next) {
		while (cursor->next < cursor->limit && cursor->next < chunk->first + chunk->count &&
		       found < max) {
			const uint8_t *record =
				chunk->records + (size_t)(cursor->next - chunk->first) * OWAMP_RECORD_SIZE;

			cursor->next++;
			if (!in_range(cursor, record))
				continue;
			if (wire)
				memcpy(wire + (size_t)found * OWAMP_RECORD_SIZE, record, OWAMP_RECORD_SIZE);
			found++;
		}
	}
	return found;
}

uint32_t store_seek(struct store_session *session, uint32_t begin_seq, uint32_t end_seq,
		    struct store_cursor *cursor)
{
	struct store_cursor counting;
	uint32_t count;

	pthread_mutex_lock(&session->lock);
	*cursor = (struct store_cursor){.begin_seq = begin_seq, .end_seq = end_seq, .limit = session->count};
	counting = *cursor;
	count = walk(session, &counting, NULL, UINT32_MAX);
	pthread_mutex_unlock(&session->lock);
	return count;
}

uint32_t store_read(struct store_session *session, struct store_cursor *cursor, uint8_t *wire, uint32_t max)
{
	uint32_t count;

	pthread_mutex_lock(&session->lock);
	count = walk(session, cursor, wire, max);
	pthread_mutex_unlock(&session->lock);
	return count;
}

void store_hold(struct store_session *session)
{
	session->holds++;
}

void store_let_go(struct store_session *session)
{
	if (--session->holds == 0 && session->removed)
		session_free(session);
}

static void detach(struct store_session **link)
{
	struct store_session *session = *link;

	*link = session->next;
	session->removed = true;
	if (session->holds == 0)
		session_free(session);
}

void store_remove(struct store *store, struct store_session *session)
{
	struct store_session **link = bucket(store, session->info.request.sid);

	while (*link && *link != session)
		link = &(*link)->next;
	if (*link)
		detach(link);
}

void store_expire(struct store *store, int64_t before_mono, void (*release)(void *grant))
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct store_session **link = &store->buckets[i];

		while (*link) {
			if ((*link)->outcome == STORE_RUNNING || !(*link)->info.key_id ||
			    (*link)->finished_mono >= before_mono) {
				link = &(*link)->next;
				continue;
			}
			release((*link)->info.grant);
			detach(link);
		}
	}
}
