/*
 * Stop-Sessions (RFC 4656 section 3.8), which both sides send and receive, and
 * the list of sessions it must account for.
 */
#ifndef PROTOCOL_STOP_H
#define PROTOCOL_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/session.h>

#include "stream.h"

/* A session that was accepted on this connection and not yet stopped. */
struct stop_entry {
	uint8_t sid[OWAMP_SID_SIZE];
	uint32_t packets;
	bool peer_sends; /* the peer accounts for it; else we do */
	bool seen;
};

struct stop_list {
	struct stop_entry *entries;
	size_t count;
	size_t capacity;  /* a power of two */
	uint32_t *places; /* twice the capacity, by the SIDs: 1 + the entry's number, or 0 */
};

void stop_list_free(struct stop_list *list);
void stop_list_clear(struct stop_list *list);
int stop_list_add(struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE], uint32_t packets,
		  bool peer_sends);
bool stop_list_has(const struct stop_list *list, const uint8_t sid[OWAMP_SID_SIZE]);

/* A received Stop-Sessions; all memory is its own. */
struct stop_message {
	uint8_t accept;
	struct owamp_stop_session *sessions;
	size_t session_count;
	struct owamp_skip_range *skips; /* what the sessions point into */
};

void stop_message_free(struct stop_message *message);

/*
 * Reads a whole message if it has arrived: returns 1 with *message filled, 0
 * if more octets are needed, OWAMP_EPROTO with *reason (static text) if it is
 * not valid or has more than skips_max skip ranges, or OWAMP_EAUTH.
 */
int stop_read(struct stream *stream, struct stop_list *list, uint32_t skips_max, struct stop_message *message,
	      const char **reason);

/*
 * Writes a message. OWAMP_EINVAL if sessions are not exactly those of the list
 * that we send.
 */
int stop_write(struct stream *stream, struct stop_list *list, uint8_t accept,
	       const struct owamp_stop_session *sessions, size_t session_count);

#endif
