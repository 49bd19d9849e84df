#include "stop.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "wire.h"

void stop_list_free(struct stop_list *list)
{
	free(list->entries);
	free(list->places);
	*list = (struct stop_list){0};
}

void stop_list_clear(struct stop_list *list)
{
	if (list->count > 0)
		memset(list->places, 0, 2 * list->capacity * sizeof *list->places);
	list->count = 0;
}

/*
 * The place of an entry with this SID, or the free one that ends the search.
 * Thousands of sessions are looked up by their SIDs; a peer that chooses SIDs
 * to collide only makes the search through his own sessions a linear one.
 */
static uint32_t *find_place(const struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE])
{
	uint64_t mixed = (get_u64(sid) ^ get_u64(sid + 8)) * UINT64_C(0x9e3779b97f4a7c15);
	size_t place = (size_t)(mixed >> 32);

	for (;; place++) {
		uint32_t *found = &list->places[place & (2 * list->capacity - 1)];

		if (*found == 0 || memcmp(list->entries[*found - 1].sid, sid, OWAMP_SID_SIZE) == 0)
			return found;
	}
}

/* Of two with one SID the first is found. */
static void index_entry(struct stop_list *list, size_t entry)
{
	uint32_t *place = find_place(list, list->entries[entry].sid);

	if (*place == 0)
		*place = (uint32_t)entry + 1;
}

static int grow(struct stop_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 4;
	struct stop_entry *entries = realloc(list->entries, capacity * sizeof *entries);
	uint32_t *places = calloc(2 * capacity, sizeof *places);

	if (entries)
		list->entries = entries;
	if (!entries || !places) {
		free(places);
		return OWAMP_ENOMEM;
	}
	free(list->places);
	list->places = places;
	list->capacity = capacity;
	for (size_t i = 0; i < list->count; i++)
		index_entry(list, i);
	return 0;
}

int stop_list_add(struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE], uint32_t packets,
		  bool peer_sends)
{
	struct stop_entry *entry;

	if (list->count == list->capacity && grow(list))
		return OWAMP_ENOMEM;
	entry = &list->entries[list->count++];
	*entry = (struct stop_entry){.packets = packets, .peer_sends = peer_sends};
	memcpy(entry->sid, sid, OWAMP_SID_SIZE);
	index_entry(list, list->count - 1);
	return 0;
}

static struct stop_entry *find(const struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE])
{
	const uint32_t *place = list->count > 0 ? find_place(list, sid) : NULL;

	return place && *place > 0 ? &list->entries[*place - 1] : NULL;
}

bool stop_list_has(const struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE])
{
	return find(list, sid) != NULL;
}

static void forget_seen(const struct stop_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->entries[i].seen = false;
}

static size_t list_count(const struct stop_list *list, bool peer_sends)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->entries[i].peer_sends == peer_sends;
	return count;
}

void stop_message_free(struct stop_message *message)
{
	free(message->sessions);
	free(message->skips);
	*message = (struct stop_message){0};
}

/* The whole message's size without HMAC, and its number of skip ranges; 0 if not all is there. */
static int measure(struct stream *stream, uint32_t session_count, uint32_t skips_max, size_t *size,
		   uint32_t *skip_total, const char **reason)
{
	/* The smallest description, 24 octets padded, is where each count is found. */
	const size_t least = wire_padded(WIRE_STOP_SESSION_SIZE);
	size_t end = WIRE_SIMPLE_SIZE;
	const uint8_t *octets;

	*size = 0;
	*skip_total = 0;
	for (uint32_t i = 0; i < session_count; i++) {
		uint32_t skips;
		int error = stream_peek(stream, end + least, &octets);

		if (error || !octets)
			return error;
		skips = get_u32(octets + end + 20);
		if (skips > skips_max - *skip_total) {
			*reason = "Stop-Sessions with too many skip ranges";
			return OWAMP_ELIMIT;
		}
		*skip_total += skips;
		end += wire_padded(WIRE_STOP_SESSION_SIZE + (size_t)skips * WIRE_SKIP_SIZE);
	}
	if (stream_input_size(stream) >= end + WIRE_HMAC_SIZE)
		*size = end;
	return 0;
}

static int decode_session(const uint8_t *octets, const struct stop_list *list,
			  struct owamp_stop_session *session, struct owamp_skip_range *skips,
			  const char **reason)
{
	struct stop_entry *entry;

	memcpy(session->sid, octets, OWAMP_SID_SIZE);
	session->next_seq = get_u32(octets + 16);
	session->skip_count = get_u32(octets + 20);
	session->skips = skips;
	if (wire_skips_decode(octets + WIRE_STOP_SESSION_SIZE, session->skip_count, skips)) {
		*reason = "Stop-Sessions with skip ranges that overlap or are out of order";
		return OWAMP_EPROTO;
	}
	entry = find(list, session->sid);
	if (!entry || !entry->peer_sends || entry->seen) {
		*reason = "Stop-Sessions names a session that is not the peer's to stop";
		return OWAMP_EPROTO;
	}
	entry->seen = true;
	if (session->next_seq > entry->packets ||
	    (session->skip_count > 0 && skips[session->skip_count - 1].last >= session->next_seq)) {
		*reason = "Stop-Sessions with sequence numbers beyond the session";
		return OWAMP_EPROTO;
	}
	return 0;
}

static int decode(const uint8_t *octets, const struct stop_list *list, struct stop_message *message,
		  const char **reason)
{
	struct owamp_skip_range *skips = message->skips;

	forget_seen(list);
	message->accept = octets[1];
	octets += WIRE_SIMPLE_SIZE;
	for (size_t i = 0; i < message->session_count; i++) {
		int error = decode_session(octets, list, &message->sessions[i], skips, reason);

		if (error)
			return error;
		skips += message->sessions[i].skip_count;
		octets += wire_padded(WIRE_STOP_SESSION_SIZE +
				      message->sessions[i].skip_count * WIRE_SKIP_SIZE);
	}
	return 0;
}

int stop_read(struct stream *stream, struct stop_list *list, uint32_t skips_max, struct stop_message *message,
	      const char **reason)
{
	const uint8_t *octets;
	uint32_t session_count, skip_total;
	size_t size;
	int error;

	*message = (struct stop_message){0};
	error = stream_peek(stream, WIRE_SIMPLE_SIZE, &octets);
	if (error || !octets)
		return error;
	session_count = get_u32(octets + 4);
	if (session_count != list_count(list, true)) {
		*reason = "Stop-Sessions does not account for exactly the peer's send sessions";
		return OWAMP_EPROTO;
	}
	error = measure(stream, session_count, skips_max, &size, &skip_total, reason);
	if (error || size == 0)
		return error;
	error = stream_peek(stream, size + WIRE_HMAC_SIZE, &octets);
	if (error)
		return error;

	message->session_count = session_count;
	message->sessions = calloc((size_t)session_count + 1, sizeof *message->sessions);
	message->skips = calloc((size_t)skip_total + 1, sizeof *message->skips);
	if (!message->sessions || !message->skips) {
		error = OWAMP_ENOMEM;
		goto cleanup;
	}
	/* Decoded before the HMAC is checked, but not used or shown. */
	error = decode(octets, list, message, reason);
	if (!error)
		error = stream_take(stream, size);
	if (!error)
		error = stream_check_hmac(stream);
	if (!error)
		return 1;
cleanup:
	stop_message_free(message);
	return error;
}

static int write_session(struct stream *stream, const struct owamp_stop_session *session)
{
	uint8_t octets[WIRE_STOP_SESSION_SIZE];
	int error;

	memcpy(octets, session->sid, OWAMP_SID_SIZE);
	put_u32(octets + 16, session->next_seq);
	put_u32(octets + 20, session->skip_count);
	error = stream_write(stream, octets, sizeof octets);
	for (uint32_t i = 0; !error && i < session->skip_count; i++) {
		wire_skip_encode(&session->skips[i], octets);
		error = stream_write(stream, octets, WIRE_SKIP_SIZE);
	}
	if (!error)
		error = stream_pad(stream,
				   WIRE_STOP_SESSION_SIZE + (size_t)session->skip_count * WIRE_SKIP_SIZE);
	return error;
}

int stop_write(struct stream *stream, struct stop_list *list, uint8_t accept,
	       const struct owamp_stop_session *sessions, size_t session_count)
{
	uint8_t header[WIRE_SIMPLE_SIZE] = {WIRE_STOP_SESSIONS, accept};
	int error;

	if (session_count != list_count(list, false))
		return OWAMP_EINVAL;
	forget_seen(list);
	for (size_t i = 0; i < session_count; i++) {
		struct stop_entry *entry = find(list, sessions[i].sid);

		if (!entry || entry->peer_sends || entry->seen)
			return OWAMP_EINVAL;
		entry->seen = true;
	}
	put_u32(header + 4, (uint32_t)session_count);
	error = stream_write(stream, header, sizeof header);
	for (size_t i = 0; !error && i < session_count; i++)
		error = write_session(stream, &sessions[i]);
	if (!error)
		error = stream_write_hmac(stream);
	return error;
}
