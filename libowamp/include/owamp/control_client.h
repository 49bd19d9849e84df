/*
 * The client side of OWAMP-Control (RFC 4656 section 3) as a state machine.
 *
 * Used like the server side (see control_server.h): input, poll, output. The
 * calls that send a command return OWAMP_ESTATE if RFC 4656 does not allow the
 * command now (for example anything but Stop-Sessions while measuring).
 *
 * An object is used by one thread at a time.
 */
#ifndef OWAMP_CONTROL_CLIENT_H
#define OWAMP_CONTROL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "export.h"
#include "session.h"

struct owamp_control_client;

struct owamp_control_client_config {
	uint32_t skips_max; /* skip ranges accepted in one message */
	uint32_t slots_max; /* slots accepted in a fetched request */
};

enum owamp_control_client_event_type {
	/* Answer with owamp_control_client_setup() or _decline(). */
	OWAMP_CLIENT_GREETING = 1,
	/* Server-Start; accept 0: commands can follow. */
	OWAMP_CLIENT_SETUP_DONE,
	/* Accept-Session, the answer to the oldest open request. */
	OWAMP_CLIENT_ACCEPT_SESSION,
	OWAMP_CLIENT_START_ACK,
	/* The server stops; send the own owamp_control_client_stop() if not yet done. */
	OWAMP_CLIENT_STOP,
	/* Fetch-Ack. If accept is 0 the four events below follow. */
	OWAMP_CLIENT_FETCH_ACK,
	OWAMP_CLIENT_FETCH_REQUEST, /* request, authenticated */
	OWAMP_CLIENT_FETCH_SKIPS,   /* skips, authenticated */
	/* Some records, NOT yet authenticated: keep them apart until FETCH_DONE. */
	OWAMP_CLIENT_FETCH_RECORDS,
	OWAMP_CLIENT_FETCH_DONE, /* all records are authentic */
};

/* What the pointers show is valid until the next call on the object. */
struct owamp_control_client_event {
	enum owamp_control_client_event_type type;
	uint32_t modes;              /* GREETING */
	uint32_t pbkdf2_count;       /* GREETING: unchecked, see owamp_control_client_setup() */
	uint8_t salt[16];            /* GREETING */
	uint8_t accept;              /* SETUP_DONE, ACCEPT_SESSION, START_ACK, STOP, FETCH_ACK */
	owamp_ntp server_start_time; /* SETUP_DONE */
	uint16_t port;               /* ACCEPT_SESSION */
	uint8_t sid[OWAMP_SID_SIZE]; /* ACCEPT_SESSION */
	const struct owamp_stop_session *sessions; /* STOP: the server's send sessions */
	size_t session_count;
	bool finished; /* FETCH_ACK */
	uint32_t next_seq;
	uint32_t skip_total;
	uint32_t record_total;
	const struct owamp_request *request;  /* FETCH_REQUEST */
	const struct owamp_skip_range *skips; /* FETCH_SKIPS */
	size_t skip_count;
	const struct owamp_record *records; /* FETCH_RECORDS */
	size_t record_count;
};

OWAMP_API int owamp_control_client_new(struct owamp_control_client **client,
				       const struct owamp_control_client_config *config);
OWAMP_API void owamp_control_client_free(struct owamp_control_client *client);

OWAMP_API int owamp_control_client_input(struct owamp_control_client *client, const uint8_t *octets,
					 size_t size);
OWAMP_API int owamp_control_client_poll(struct owamp_control_client *client,
					struct owamp_control_client_event *event);
OWAMP_API size_t owamp_control_client_input_size(const struct owamp_control_client *client);
OWAMP_API const uint8_t *owamp_control_client_output(struct owamp_control_client *client, size_t *size);
OWAMP_API void owamp_control_client_sent(struct owamp_control_client *client, size_t size);
OWAMP_API const char *owamp_control_client_reason(const struct owamp_control_client *client);

/*
 * Answers GREETING with mode, which must be one bit the server offered (else
 * OWAMP_EMODE). Open mode ignores the other arguments. key is what
 * owamp_derive_key() made of the shared secret; the caller must have checked
 * that the Count is a power of two within its bounds. keys are fresh random
 * session keys, client_iv fresh random octets. key_id has 1 to 80 octets.
 */
OWAMP_API int owamp_control_client_setup(struct owamp_control_client *client, uint32_t mode,
					 const char *key_id, const uint8_t key[OWAMP_AES_KEY_SIZE],
					 const struct owamp_keys *keys, const uint8_t client_iv[16]);

/* Answers GREETING with mode 0: the client goes away (section 3.1). */
OWAMP_API int owamp_control_client_decline(struct owamp_control_client *client);

/* Sends Request-Session. Several may be open at once; they are answered in order. */
OWAMP_API int owamp_control_client_request(struct owamp_control_client *client,
					   const struct owamp_request *request);

OWAMP_API int owamp_control_client_start(struct owamp_control_client *client);

/* Sends Stop-Sessions: sessions must be exactly the client's send sessions. */
OWAMP_API int owamp_control_client_stop(struct owamp_control_client *client, uint8_t accept,
					const struct owamp_stop_session *sessions, size_t session_count);

/* begin 0 and end UINT32_MAX ask for the complete session. */
OWAMP_API int owamp_control_client_fetch(struct owamp_control_client *client,
					 const uint8_t sid[OWAMP_SID_SIZE], uint32_t begin_seq,
					 uint32_t end_seq);

/* Test-session keys come from these; NULL in open mode or before set-up. */
OWAMP_API const struct owamp_keys *owamp_control_client_keys(const struct owamp_control_client *client);

#endif
