/*
 * Cryptographic primitives of OWAMP over OpenSSL, with contexts that are set
 * up once and reused for every packet or message.
 */
#ifndef PROTOCOL_CRYPTO_H
#define PROTOCOL_CRYPTO_H

#include <owamp/crypto.h>

#include <stdbool.h>

struct crypto_cipher;
struct crypto_hmac;

enum crypto_direction { CRYPTO_DECRYPT = 0, CRYPTO_ENCRYPT = 1 };

/* AES-128. iv NULL: ECB (blocks are independent); otherwise a CBC stream. */
int crypto_cipher_new(struct crypto_cipher **cipher, enum crypto_direction direction,
		      const uint8_t key[OWAMP_AES_KEY_SIZE], const uint8_t iv[16]);
void crypto_cipher_free(struct crypto_cipher *cipher);

/* size is a multiple of 16; in place is allowed. */
int crypto_cipher_run(struct crypto_cipher *cipher, const uint8_t *in, uint8_t *out, size_t size);

/* HMAC-SHA1 truncated to 16 octets (section 3.2). */
int crypto_hmac_new(struct crypto_hmac **hmac, const uint8_t key[OWAMP_HMAC_KEY_SIZE]);
void crypto_hmac_free(struct crypto_hmac *hmac);
int crypto_hmac_update(struct crypto_hmac *hmac, const uint8_t *octets, size_t size);

/* The HMAC of all updates since the last final; starts anew. */
int crypto_hmac_final(struct crypto_hmac *hmac, uint8_t mac[16]);

/* Comparison in constant time. */
bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t size);

/* One CBC run with IV 0: the Token (section 3.1). */
int crypto_cbc_once(enum crypto_direction direction, const uint8_t key[OWAMP_AES_KEY_SIZE], const uint8_t *in,
		    uint8_t *out, size_t size);

/* The AES-128-CTR key stream from a random key: padding that nothing else depends on. */
struct crypto_random_stream;
int crypto_random_stream_new(struct crypto_random_stream **stream, const uint8_t seed[16]);
void crypto_random_stream_free(struct crypto_random_stream *stream);
int crypto_random_stream_fill(struct crypto_random_stream *stream, uint8_t *octets, size_t size);

#endif
