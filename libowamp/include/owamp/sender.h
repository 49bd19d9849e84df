/*
 * One sending test session: RFC 4656 sections 4.1 and 3.6.
 *
 * Pure: the caller supplies the time and sends the octets. Memory is constant
 * but for the skip ranges. An object is used by one thread at a time.
 */
#ifndef OWAMP_SENDER_H
#define OWAMP_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "export.h"
#include "session.h"

struct owamp_sender;

struct owamp_sender_config {
	uint32_t mode;                         /* one of enum owamp_mode's first three */
	const struct owamp_request *request;   /* sid, slots, packets, start, timeout, padding; copied */
	const struct owamp_keys *control_keys; /* of the control connection; NULL in open mode */
	bool zero_padding;                     /* section 4.1.2: MUST be possible */
	uint8_t padding_seed[16];              /* random, independent of all else */
};

enum owamp_sender_action {
	OWAMP_SENDER_WAIT = 0, /* nothing is due before *due */
	OWAMP_SENDER_SEND,     /* send the current packet now */
	OWAMP_SENDER_AGAIN,    /* many packets were skipped; call again soon */
	OWAMP_SENDER_DONE,     /* all packets were sent or skipped */
};

OWAMP_API int owamp_sender_new(struct owamp_sender **sender, const struct owamp_sender_config *config);
OWAMP_API void owamp_sender_free(struct owamp_sender *sender);

/*
 * What to do at time now. Packets late by more than Timeout are skipped. *due
 * is the scheduled time of the current packet (of the last one if DONE).
 * Negative: the packet could not be prepared (OWAMP_ECRYPTO).
 */
OWAMP_API int owamp_sender_poll(struct owamp_sender *sender, owamp_ntp now, owamp_ntp *due);

/*
 * Does ahead of time what does not need the timestamp: padding, and in
 * authenticated mode the encrypted first block. Called by stamp() if it was not.
 */
OWAMP_API int owamp_sender_prepare(struct owamp_sender *sender);

/*
 * Completes the current packet with its real departure time and error
 * estimate. *size octets at the returned address, valid until the next call;
 * NULL if the cryptographic library failed. May be called again for the same
 * packet with a newer time.
 */
OWAMP_API const uint8_t *owamp_sender_stamp(struct owamp_sender *sender, owamp_ntp now,
					    uint16_t error_estimate, size_t *size);

/* The current packet left (or, with sent false, will never): go to the next. OWAMP_ESTATE if there is none.
 */
OWAMP_API int owamp_sender_next(struct owamp_sender *sender, bool sent);

/*
 * For Stop-Sessions: SID, Next Seqno and skip ranges so far. The pointer in it
 * is valid until the next call on the object.
 */
OWAMP_API void owamp_sender_state(const struct owamp_sender *sender, struct owamp_stop_session *state);

/* Packets really sent. */
OWAMP_API uint32_t owamp_sender_sent(const struct owamp_sender *sender);

#endif
