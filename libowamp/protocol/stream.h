/*
 * One control connection's octets in both directions, with the encryption and
 * integrity protection of RFC 4656 sections 3.2 and 3.4. Before stream_secure()
 * and in open mode octets pass as they are and HMAC fields are zero and ignored.
 */
#ifndef PROTOCOL_STREAM_H
#define PROTOCOL_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"

struct stream {
	uint8_t *in;
	size_t in_start; /* octets before this have been taken */
	size_t in_plain; /* octets before this are readable */
	size_t in_end;
	size_t in_capacity;
	uint8_t *out;
	size_t out_start; /* octets before this have been sent */
	size_t out_ready; /* octets before this may be sent */
	size_t out_end;
	size_t out_capacity;
	struct crypto_cipher *decrypt; /* NULL: in the clear */
	struct crypto_cipher *encrypt;
	struct crypto_hmac *hmac_in;
	struct crypto_hmac *hmac_out;
};

void stream_free(struct stream *stream);

/*
 * From here on octets read are decrypted with in_iv and octets written are
 * encrypted with out_iv. Octets already received but not taken count as
 * encrypted; all octets written before are in the clear.
 */
int stream_secure(struct stream *stream, const struct owamp_keys *keys, const uint8_t in_iv[16],
		  const uint8_t out_iv[16]);

int stream_input(struct stream *stream, const uint8_t *octets, size_t size);
size_t stream_input_size(const struct stream *stream);

/*
 * The next size octets, decrypted, or NULL in *octets if they have not all
 * arrived. When secured, size is a multiple of 16. Valid until the next input.
 */
int stream_peek(struct stream *stream, size_t size, const uint8_t **octets);

/* Takes octets that were peeked at, into the running HMAC. */
int stream_take(struct stream *stream, size_t size);

/* Takes an HMAC field that was peeked at; OWAMP_EAUTH if it does not match. */
int stream_check_hmac(struct stream *stream);

/* Takes size octets and the HMAC after them: 1, 0 if they have not all arrived, or an error. */
int stream_take_message(struct stream *stream, size_t size);

/* Likewise the slots of a request, slot_count of them, into slots that it allocates. */
int stream_read_slots(struct stream *stream, struct owamp_request *request);

/* When secured, octets leave in whole blocks: end each message by pad or hmac. */
int stream_write(struct stream *stream, const void *octets, size_t size);
int stream_pad(struct stream *stream, size_t written);
int stream_write_hmac(struct stream *stream);

/* Request-Session with slots and both HMACs, as command and in a Fetch answer. */
int stream_write_request(struct stream *stream, const struct owamp_request *request);

const uint8_t *stream_output(const struct stream *stream, size_t *size);
void stream_sent(struct stream *stream, size_t size);

#endif
