#include "reference.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void aes(const EVP_CIPHER *cipher, int encrypt, const uint8_t *key, const uint8_t *iv,
		const uint8_t *in, uint8_t *out, size_t size)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int written = 0;

	assert_non_null(context);
	assert_int_equal(EVP_CipherInit_ex(context, cipher, NULL, key, iv, encrypt), 1);
	EVP_CIPHER_CTX_set_padding(context, 0);
	assert_int_equal(EVP_CipherUpdate(context, out, &written, in, (int)size), 1);
	assert_int_equal(written, size);
	EVP_CIPHER_CTX_free(context);
}

void ref_aes_ecb_encrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	aes(EVP_aes_128_ecb(), 1, key, NULL, in, out, 16);
}

/* CBC written out over single blocks, so that the chaining is the test's own. */
void ref_aes_cbc_encrypt(const uint8_t key[16], uint8_t iv[16], uint8_t *octets, size_t size)
{
	assert_int_equal(size % 16, 0);
	for (size_t at = 0; at < size; at += 16) {
		for (size_t i = 0; i < 16; i++)
			iv[i] ^= octets[at + i];
		aes(EVP_aes_128_ecb(), 1, key, NULL, iv, octets + at, 16);
		memcpy(iv, octets + at, 16);
	}
}

void ref_aes_cbc_decrypt(const uint8_t key[16], uint8_t iv[16], uint8_t *octets, size_t size)
{
	uint8_t plain[16];

	assert_int_equal(size % 16, 0);
	for (size_t at = 0; at < size; at += 16) {
		aes(EVP_aes_128_ecb(), 0, key, NULL, octets + at, plain, 16);
		for (size_t i = 0; i < 16; i++)
			plain[i] ^= iv[i];
		memcpy(iv, octets + at, 16);
		memcpy(octets + at, plain, 16);
	}
}

void ref_hmac(const uint8_t key[32], const void *octets, size_t size, uint8_t mac[16])
{
	uint8_t full[20];
	unsigned int length = 0;

	assert_non_null(HMAC(EVP_sha1(), key, 32, octets, size, full, &length));
	assert_int_equal(length, 20);
	memcpy(mac, full, 16);
}

void ref_test_keys(const uint8_t aes_key[16], const uint8_t hmac[32], const uint8_t sid[16],
		   uint8_t test_aes[16], uint8_t test_hmac[32])
{
	uint8_t iv[16] = {0};

	ref_aes_ecb_encrypt(sid, aes_key, test_aes);
	memcpy(test_hmac, hmac, 32);
	ref_aes_cbc_encrypt(sid, iv, test_hmac, 32);
}

/* Steps U2 to U4; the counter itself is the block that is encrypted. */
static uint32_t uniform(struct ref_exponential *generator)
{
	uint64_t i = generator->counter % 4;
	uint8_t in[16] = {0};

	if (i == 0) {
		ref_put(in + 8, generator->counter, 8);
		ref_aes_ecb_encrypt(generator->seed, in, generator->block);
	}
	generator->counter++;
	return (uint32_t)ref_get(generator->block + 4 * i, 4);
}

/* Step S of section 5.1, mean 1. */
uint64_t ref_exponential_next(struct ref_exponential *generator)
{
	static const uint64_t q[] = {
		0,          0xB17217F8, 0xEEF193F7, 0xFD271862, 0xFF9D6DD0, 0xFFF4CFD0,
		0xFFFEE819, 0xFFFFE7FF, 0xFFFFFE2B, 0xFFFFFFE0, 0xFFFFFFFE, 0xFFFFFFFF,
	};
	const uint64_t ln2 = q[1];
	uint32_t u = uniform(generator);
	uint64_t j = 0;
	uint32_t v = UINT32_MAX;

	while (j < 32 && u & 0x80000000) {
		u <<= 1;
		j++;
	}
	if (j == 32)
		return 32 * ln2;
	u <<= 1;
	if (u < ln2)
		return j * ln2 + u;
	int k = 2;
	while (k < 11 && u >= q[k])
		k++;
	for (int i = 0; i < k; i++) {
		uint32_t next = uniform(generator);

		if (next < v)
			v = next;
	}
	return (uint64_t)((((unsigned __int128)j << 32) + v) * ln2 >> 32);
}
