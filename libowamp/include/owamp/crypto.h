/*
 * What programs need of OWAMP's cryptography: keys and randomness.
 */
#ifndef OWAMP_CRYPTO_H
#define OWAMP_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "session.h"

/* Session keys, from the Token or derived for a test session. */
struct owamp_keys {
	uint8_t aes[OWAMP_AES_KEY_SIZE];
	uint8_t hmac[OWAMP_HMAC_KEY_SIZE];
};

/* Count below this, or no power of two, is against section 3.1. */
#define OWAMP_PBKDF2_COUNT_MIN 1024

/*
 * The 16-octet key that protects the Token: PBKDF2 with HMAC-SHA1 over the
 * shared secret (section 3.1). Slow on purpose (about 0.5 us a count): not for
 * an event loop. The secret is octets, it may hold NUL.
 */
OWAMP_API int owamp_derive_key(const uint8_t *secret, size_t secret_size, const uint8_t salt[16],
			       uint32_t count, uint8_t key[OWAMP_AES_KEY_SIZE]);

/* The keys of one test session from the control keys and its SID (section 4.1.2). */
OWAMP_API int owamp_derive_test_keys(const struct owamp_keys *control, const uint8_t sid[OWAMP_SID_SIZE],
				     struct owamp_keys *test);

/* Octets from the system's cryptographically secure generator. */
OWAMP_API int owamp_random(void *octets, size_t size);

/* Overwrites memory in a way the compiler keeps. */
OWAMP_API void owamp_wipe(void *octets, size_t size);

#endif
