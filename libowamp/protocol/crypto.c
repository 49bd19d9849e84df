#include "crypto.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <owamp/error.h>

/*
 * The EVP_CIPHER_CTX and EVP_MAC_CTX are what these types are; the casts keep
 * OpenSSL out of the other modules' view without a second allocation.
 */
static EVP_CIPHER_CTX *cipher_context(struct crypto_cipher *cipher)
{
	return (EVP_CIPHER_CTX *)cipher;
}

static EVP_MAC_CTX *hmac_context(struct crypto_hmac *hmac)
{
	return (EVP_MAC_CTX *)hmac;
}

static EVP_CIPHER_CTX *cipher_new(const EVP_CIPHER *type, enum crypto_direction direction, const uint8_t *key,
				  const uint8_t *iv)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context && EVP_CipherInit_ex2(context, type, key, iv, direction == CRYPTO_ENCRYPT, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(context, 0) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

static int cipher_run(EVP_CIPHER_CTX *context, const uint8_t *in, uint8_t *out, size_t size)
{
	while (size > 0) {
		int part = size > 1U << 20 ? 1 << 20 : (int)size;
		int written;

		if (EVP_CipherUpdate(context, out, &written, in, part) != 1 || written != part)
			return OWAMP_ECRYPTO;
		in += part;
		out += part;
		size -= (size_t)part;
	}
	return 0;
}

int crypto_cipher_new(struct crypto_cipher **cipher, enum crypto_direction direction,
		      const uint8_t key[OWAMP_AES_KEY_SIZE], const uint8_t iv[16])
{
	*cipher = (struct crypto_cipher *)cipher_new(iv ? EVP_aes_128_cbc() : EVP_aes_128_ecb(), direction,
						     key, iv);
	return *cipher ? 0 : OWAMP_ECRYPTO;
}

void crypto_cipher_free(struct crypto_cipher *cipher)
{
	EVP_CIPHER_CTX_free(cipher_context(cipher));
}

int crypto_cipher_run(struct crypto_cipher *cipher, const uint8_t *in, uint8_t *out, size_t size)
{
	return cipher_run(cipher_context(cipher), in, out, size);
}

int crypto_hmac_new(struct crypto_hmac **hmac, const uint8_t key[OWAMP_HMAC_KEY_SIZE])
{
	char digest[] = "SHA1";
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (context && EVP_MAC_init(context, key, OWAMP_HMAC_KEY_SIZE, parameters) == 1) {
		*hmac = (struct crypto_hmac *)context;
		return 0;
	}
	EVP_MAC_CTX_free(context);
	*hmac = NULL;
	return OWAMP_ECRYPTO;
}

void crypto_hmac_free(struct crypto_hmac *hmac)
{
	EVP_MAC_CTX_free(hmac_context(hmac));
}

int crypto_hmac_update(struct crypto_hmac *hmac, const uint8_t *octets, size_t size)
{
	return EVP_MAC_update(hmac_context(hmac), octets, size) == 1 ? 0 : OWAMP_ECRYPTO;
}

int crypto_hmac_final(struct crypto_hmac *hmac, uint8_t mac[16])
{
	uint8_t full[20];
	size_t size;

	if (EVP_MAC_final(hmac_context(hmac), full, &size, sizeof full) != 1 ||
	    EVP_MAC_init(hmac_context(hmac), NULL, 0, NULL) != 1)
		return OWAMP_ECRYPTO;
	memcpy(mac, full, 16);
	return 0;
}

bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

int crypto_cbc_once(enum crypto_direction direction, const uint8_t key[OWAMP_AES_KEY_SIZE], const uint8_t *in,
		    uint8_t *out, size_t size)
{
	static const uint8_t zero_iv[16];
	EVP_CIPHER_CTX *context = cipher_new(EVP_aes_128_cbc(), direction, key, zero_iv);
	int error = context ? cipher_run(context, in, out, size) : OWAMP_ECRYPTO;

	EVP_CIPHER_CTX_free(context);
	return error;
}

int crypto_random_stream_new(struct crypto_random_stream **stream, const uint8_t seed[16])
{
	static const uint8_t zero_counter[16];

	*stream = (struct crypto_random_stream *)cipher_new(EVP_aes_128_ctr(), CRYPTO_ENCRYPT, seed,
							    zero_counter);
	return *stream ? 0 : OWAMP_ECRYPTO;
}

void crypto_random_stream_free(struct crypto_random_stream *stream)
{
	EVP_CIPHER_CTX_free((EVP_CIPHER_CTX *)stream);
}

int crypto_random_stream_fill(struct crypto_random_stream *stream, uint8_t *octets, size_t size)
{
	/* What is in the buffer is overlaid with the key stream: random either way. */
	return cipher_run((EVP_CIPHER_CTX *)stream, octets, octets, size);
}

int owamp_derive_key(const uint8_t *secret, size_t secret_size, const uint8_t salt[16], uint32_t count,
		     uint8_t key[OWAMP_AES_KEY_SIZE])
{
	if (count == 0 || count > INT32_MAX || secret_size > INT32_MAX)
		return OWAMP_EINVAL;
	if (PKCS5_PBKDF2_HMAC((const char *)secret, (int)secret_size, salt, 16, (int)count, EVP_sha1(),
			      OWAMP_AES_KEY_SIZE, key) != 1)
		return OWAMP_ECRYPTO;
	return 0;
}

int owamp_derive_test_keys(const struct owamp_keys *control, const uint8_t sid[OWAMP_SID_SIZE],
			   struct owamp_keys *test)
{
	/* One block of CBC with IV 0 is the ECB that the RFC asks for. */
	int error = crypto_cbc_once(CRYPTO_ENCRYPT, sid, control->aes, test->aes, OWAMP_AES_KEY_SIZE);

	if (!error)
		error = crypto_cbc_once(CRYPTO_ENCRYPT, sid, control->hmac, test->hmac, OWAMP_HMAC_KEY_SIZE);
	return error;
}

int owamp_random(void *octets, size_t size)
{
	if (size > INT32_MAX)
		return OWAMP_EINVAL;
	return RAND_bytes(octets, (int)size) == 1 ? 0 : OWAMP_ECRYPTO;
}

void owamp_wipe(void *octets, size_t size)
{
	OPENSSL_cleanse(octets, size);
}
