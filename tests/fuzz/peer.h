/*
 * The far end of an OWAMP-Control connection, for both machines: it says what
 * the fuzzer wants, correctly encrypted and authenticated if so wanted, and
 * knows octet by octet what the machine must have written.
 */
#ifndef FUZZ_PEER_H
#define FUZZ_PEER_H

#include "input.h"

#include "protocol/stream.h"
#include "protocol/wire.h"

extern const struct owamp_keys peer_keys;
extern const uint8_t peer_key[OWAMP_AES_KEY_SIZE]; /* made of the shared secret */
extern const uint8_t peer_client_iv[16];
extern const uint8_t peer_server_iv[16];

struct peer {
	struct stream to;       /* what the peer says; the machine's input */
	struct stream expected; /* what the machine must say */
	bool secured;           /* the machine has keys */
	bool tampered;          /* an attacker changed octets after the keys were agreed on */
	bool tamper_next;
	size_t chunk;
};

/* Takes the chunk size from the input. */
void peer_init(struct peer *peer, struct input *in);
void peer_free(struct peer *peer);
void peer_secure_to(struct peer *peer, const uint8_t iv[16]);
void peer_secure_expected(struct peer *peer, const uint8_t iv[16]);

/* To the machine. Nothing is delivered before peer_deliver(). */
void peer_put(struct peer *peer, const void *octets, size_t size);
void peer_put_pad(struct peer *peer, size_t written);
void peer_put_hmac(struct peer *peer);

/*
 * Delivers in chunks what was put, with one bit flipped after tamper_next:
 * feed gives octets to the machine and lets it work.
 */
typedef void peer_feed_fn(void *context, const uint8_t *octets, size_t size);
void peer_deliver(struct peer *peer, struct input *in, peer_feed_fn *feed, void *context);

/* What the machine must have written. */
void peer_expect(struct peer *peer, const void *octets, size_t size);
void peer_expect_hmac(struct peer *peer);

/* The machine's output: all that is expected and has not been checked off. */
void peer_check(const struct peer *peer, const uint8_t *octets, size_t size);
void peer_check_off(struct peer *peer, size_t size);

/* Up to limit sorted disjoint skip ranges below next_seq; returns their number. */
uint32_t peer_make_skips(struct input *in, struct owamp_skip_range *skips, uint32_t limit, uint32_t next_seq);

/* A request with small numbers and any flags; slots are left alone. */
void peer_make_request(struct input *in, struct owamp_request *request);

/* SIDs that are likely to meet again. */
void peer_make_sid(struct input *in, uint8_t sid[OWAMP_SID_SIZE]);

#endif
