/*
 * One end of an OWAMP-Control connection by hand: octets put together and
 * taken apart as the figures of RFC 4656 section 3 have them, the stream
 * encrypted and authenticated by section 3.2 and 3.4 with the tests' own code.
 *
 * The same end plays the client against the server machine and the other way
 * round; only who writes which message differs.
 */
#ifndef CONTROL_WIRE_H
#define CONTROL_WIRE_H

#include "reference.h"

#include "owamp/control_client.h"
#include "owamp/control_server.h"

#define WIRE_MAX (1 << 19)

/* Plain octets since the last HMAC: what the next one covers. */
struct wire_cover {
	uint8_t octets[WIRE_MAX];
	size_t size;
};

struct wire {
	uint32_t mode;
	struct owamp_keys keys;
	uint8_t write_iv[16];
	uint8_t read_iv[16];
	bool encrypting; /* from the block after the IVs on */

	uint8_t out[WIRE_MAX];
	size_t out_size;
	size_t out_sealed;
	struct wire_cover out_cover;

	uint8_t in[WIRE_MAX]; /* decrypted */
	size_t in_size;
	size_t in_at;
	struct wire_cover in_cover;
};

/* Fixed values that the tests set the connection up with. */
extern const uint8_t wire_challenge[16];
extern const uint8_t wire_salt[16];
extern const uint8_t wire_server_iv[16];
extern const uint8_t wire_client_iv[16];
extern const uint8_t wire_key[16]; /* derived from the shared secret */
extern const struct owamp_keys wire_keys;
#define WIRE_COUNT      2048
#define WIRE_START_TIME 0xe4a1b2c3d4e5f607

struct wire *wire_new(uint32_t mode);
void wire_free(struct wire *wire);

/* Writing. */
void wire_put(struct wire *wire, uint64_t value, int size);
void wire_put_octets(struct wire *wire, const void *octets, size_t size);
void wire_put_zeros(struct wire *wire, size_t size);
/* Zeros up to the next block, counted from the last HMAC. */
void wire_pad(struct wire *wire);
/* The HMAC over all since the last one; zeros in open mode. */
void wire_put_hmac(struct wire *wire);
/* No HMAC covers what was put so far (greeting, Set-Up-Response, ...). */
void wire_put_uncovered(struct wire *wire);
/* Encrypts what was put; the octets to transmit are out[0..out_size). */
void wire_seal(struct wire *wire);
void wire_clear(struct wire *wire);

/* Reading. */
void wire_receive(struct wire *wire, const void *octets, size_t size);
uint64_t wire_get(struct wire *wire, int size);
const uint8_t *wire_get_octets(struct wire *wire, size_t size);
void wire_get_zeros(struct wire *wire, size_t size);
void wire_get_pad(struct wire *wire);
void wire_get_hmac(struct wire *wire);
void wire_get_uncovered(struct wire *wire);
/* Nothing may be left. */
void wire_assert_end(const struct wire *wire);

/* Whole messages; put_* do not seal. */
void wire_put_setup(struct wire *wire, uint32_t mode, const void *key_id, size_t key_id_size);
void wire_put_request(struct wire *wire, const struct owamp_request *request);
void wire_get_request(struct wire *wire, const struct owamp_request *request);
void wire_put_accept_session(struct wire *wire, uint8_t accept, uint16_t port, const uint8_t sid[16]);
void wire_get_accept_session(struct wire *wire, uint8_t accept, uint16_t port, const uint8_t sid[16]);
void wire_put_start(struct wire *wire);
void wire_put_start_ack(struct wire *wire, uint8_t accept);
void wire_put_stop(struct wire *wire, uint8_t accept, const struct owamp_stop_session *sessions,
		   size_t count);
void wire_get_stop(struct wire *wire, uint8_t accept, const struct owamp_stop_session *sessions,
		   size_t count);
void wire_put_fetch(struct wire *wire, const uint8_t sid[16], uint32_t begin, uint32_t end);

#endif
