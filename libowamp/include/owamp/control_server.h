/*
 * The server side of OWAMP-Control (RFC 4656 section 3) as a state machine.
 *
 * It does no I/O: the caller feeds it what arrived, asks for events, answers
 * them, and sends the output. The order of use is
 *
 *	owamp_control_server_input()      octets from the peer
 *	owamp_control_server_poll()       until it returns no event
 *	owamp_control_server_output()     octets for the peer
 *	owamp_control_server_sent()       as many as were taken
 *
 * While an event waits for its answer poll() returns none, and input is kept.
 * The caller should stop reading from its socket while
 * owamp_control_server_input_size() is large. Any negative return value of
 * input() or poll() means that the connection must be dropped (after what is
 * in the output has been sent); owamp_control_server_reason() says why.
 *
 * An object is used by one thread at a time.
 */
#ifndef OWAMP_CONTROL_SERVER_H
#define OWAMP_CONTROL_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "export.h"
#include "session.h"

struct owamp_control_server;

struct owamp_control_server_config {
	uint32_t modes;        /* what the greeting offers; 0 turns the peer away */
	uint32_t pbkdf2_count; /* power of two, >= OWAMP_PBKDF2_COUNT_MIN */
	uint8_t challenge[16]; /* fresh random octets for each connection */
	uint8_t salt[16];
	uint8_t server_iv[16];
	owamp_ntp start_time;  /* when this server started (Server-Start) */
	uint32_t slots_max;    /* a request with more slots is refused, 4 */
	uint32_t skips_max;    /* skip ranges in one Stop-Sessions */
	uint32_t sessions_max; /* accepted and not yet stopped on this connection */
};

enum owamp_control_server_event_type {
	/*
	 * The peer chose a mode. Open: answer with owamp_control_server_accept()
	 * or _refuse(). Otherwise look key_id up, derive the key with salt and
	 * count of the configuration and answer with
	 * owamp_control_server_authenticate() or _refuse().
	 */
	OWAMP_SERVER_SETUP = 1,
	/* Answer with owamp_control_server_accept_session(). */
	OWAMP_SERVER_REQUEST,
	/* Answer with owamp_control_server_start_ack(). */
	OWAMP_SERVER_START,
	/* The peer stops; send the own owamp_control_server_stop() if not yet done. */
	OWAMP_SERVER_STOP,
	/* Answer with owamp_control_server_fetch_refuse() or _fetch_begin(). */
	OWAMP_SERVER_FETCH,
	/* The peer chose mode 0: it goes away (section 3.1). */
	OWAMP_SERVER_DECLINED,
	/* The machine itself refused a request with accept (see reason()); no answer is due. */
	OWAMP_SERVER_REFUSED,
};

/* What the pointers show is valid until the next call on the object. */
struct owamp_control_server_event {
	enum owamp_control_server_event_type type;
	uint32_t mode;                             /* SETUP: one of enum owamp_mode */
	char key_id[OWAMP_KEYID_SIZE + 1];         /* SETUP: UTF-8, terminated */
	const struct owamp_request *request;       /* REQUEST */
	uint8_t accept;                            /* STOP, REFUSED */
	const struct owamp_stop_session *sessions; /* STOP: the peer's send sessions */
	size_t session_count;
	uint8_t sid[OWAMP_SID_SIZE]; /* FETCH */
	uint32_t begin_seq;
	uint32_t end_seq;
};

OWAMP_API int owamp_control_server_new(struct owamp_control_server **server,
				       const struct owamp_control_server_config *config);
OWAMP_API void owamp_control_server_free(struct owamp_control_server *server);

/* Keeps a copy of the octets. */
OWAMP_API int owamp_control_server_input(struct owamp_control_server *server, const uint8_t *octets,
					 size_t size);

/* 1: event was filled; 0: nothing to do for now; negative: drop the connection. */
OWAMP_API int owamp_control_server_poll(struct owamp_control_server *server,
					struct owamp_control_server_event *event);

/* The peer has begun a message and owes the rest of it. */
OWAMP_API bool owamp_control_server_mid_message(const struct owamp_control_server *server);

/* Octets received and not yet understood. */
OWAMP_API size_t owamp_control_server_input_size(const struct owamp_control_server *server);

/* Octets to send; *size is 0 if there are none. Valid until the next call. */
OWAMP_API const uint8_t *owamp_control_server_output(struct owamp_control_server *server, size_t *size);
OWAMP_API void owamp_control_server_sent(struct owamp_control_server *server, size_t size);

/* Why poll() or input() failed, or why the machine itself refused; "" if it did not. */
OWAMP_API const char *owamp_control_server_reason(const struct owamp_control_server *server);

/* Answers SETUP in open mode: Server-Start with Accept 0. */
OWAMP_API int owamp_control_server_accept(struct owamp_control_server *server);

/*
 * Answers SETUP in the other modes. Opens the Token with key; if the challenge
 * in it is not ours, sends Server-Start with Accept 1 and returns OWAMP_EAUTH:
 * the connection must be dropped. An unknown KeyID should be put through this
 * with a random key, so that it cannot be told from a wrong passphrase.
 */
OWAMP_API int owamp_control_server_authenticate(struct owamp_control_server *server,
						const uint8_t key[OWAMP_AES_KEY_SIZE]);

/* Answers SETUP: Server-Start with a non-zero Accept. The connection is over. */
OWAMP_API int owamp_control_server_refuse(struct owamp_control_server *server, uint8_t accept);

/*
 * Answers REQUEST. With accept 0, sid is the session's SID: the server's own
 * if it is the receiver, else that of the request; port is the server's port.
 * Both are sent as zeros on refusal.
 */
OWAMP_API int owamp_control_server_accept_session(struct owamp_control_server *server, uint8_t accept,
						  uint16_t port, const uint8_t sid[OWAMP_SID_SIZE]);

OWAMP_API int owamp_control_server_start_ack(struct owamp_control_server *server, uint8_t accept);

/* Sends Stop-Sessions: sessions must be exactly the server's send sessions. */
OWAMP_API int owamp_control_server_stop(struct owamp_control_server *server, uint8_t accept,
					const struct owamp_stop_session *sessions, size_t session_count);

/* True between Start-Ack (accepted) and the moment both sides have stopped. */
OWAMP_API bool owamp_control_server_active(const struct owamp_control_server *server);

/* Test-session keys come from these; NULL in open mode or before set-up. */
OWAMP_API const struct owamp_keys *owamp_control_server_keys(const struct owamp_control_server *server);

/* Answers FETCH with a non-zero Accept. */
OWAMP_API int owamp_control_server_fetch_refuse(struct owamp_control_server *server, uint8_t accept);

/*
 * Answers FETCH: Fetch-Ack, the request and the skip ranges. Then exactly
 * record_count records follow through owamp_control_server_fetch_records(), in
 * as many calls as the caller likes (so that the output stays small); the last
 * one ends the answer. request must hold the ports that were really used.
 * next_seq and skips are sent only if finished, as section 3.9 demands.
 */
OWAMP_API int owamp_control_server_fetch_begin(struct owamp_control_server *server,
					       const struct owamp_request *request, bool finished,
					       uint32_t next_seq, const struct owamp_skip_range *skips,
					       uint32_t skip_count, uint32_t record_count);

/* record_count records of OWAMP_RECORD_SIZE octets each, as owamp_record_encode() writes them. */
OWAMP_API int owamp_control_server_fetch_records(struct owamp_control_server *server, const uint8_t *records,
						 uint32_t record_count);

#endif
