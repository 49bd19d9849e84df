#include "reference.h"

#include "owamp/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* PBKDF2 with HMAC-SHA1, RFC 2898 section 5.2, first block only. */
static void pbkdf2(const void *secret, size_t secret_size, const void *salt, size_t salt_size, uint32_t count,
		   uint8_t out[20])
{
	uint8_t u[64];
	unsigned int length = 20;

	memcpy(u, salt, salt_size);
	ref_put(u + salt_size, 1, 4);
	assert_non_null(HMAC(EVP_sha1(), secret, (int)secret_size, u, salt_size + 4, u, &length));
	memcpy(out, u, 20);
	for (uint32_t i = 1; i < count; i++) {
		assert_non_null(HMAC(EVP_sha1(), secret, (int)secret_size, u, 20, u, &length));
		for (size_t j = 0; j < 20; j++)
			out[j] ^= u[j];
	}
}

/* The library takes salts of 16 octets only: this ties the reference to RFC 6070. */
static void test_reference_against_rfc6070(void **state)
{
	(void)state;
	static const struct {
		const char *secret;
		size_t secret_size;
		const char *salt;
		size_t salt_size;
		uint32_t count;
		const char *key;
	} cases[] = {
		{"password", 8, "salt", 4, 1, "0c60c80f961f0e71f3a9b524af601206"},
		{"password", 8, "salt", 4, 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0"},
		{"password", 8, "salt", 4, 4096, "4b007901b765489abead49d926f721d0"},
		{"passwordPASSWORDpassword", 24, "saltSALTsaltSALTsaltSALTsaltSALTsalt", 36, 4096,
		 "3d2eec4fe41c849b80c8d83662c0e44a"},
		{"pass\0word", 9, "sa\0lt", 5, 4096, "56fa6aa75548099dcc37d7f03425e0c3"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t out[20];
		uint8_t key[16];

		ref_hex(cases[i].key, key, 16);
		pbkdf2(cases[i].secret, cases[i].secret_size, cases[i].salt, cases[i].salt_size,
		       cases[i].count, out);
		assert_memory_equal(out, key, 16);
	}
}

static void test_derived_key(void **state)
{
	(void)state;
	uint64_t seed = 21;

	for (int round = 0; round < 40; round++) {
		/* Up to beyond the 64 octets from which HMAC hashes its key; NUL may occur. */
		size_t size = 1 + ref_below(&seed, 100);
		uint32_t count = round < 4 ? 1U << round : 1024U << round % 3;
		uint8_t secret[100];
		uint8_t salt[16];
		uint8_t expected[20];
		uint8_t key[16];

		ref_fill(&seed, secret, sizeof(secret));
		ref_fill(&seed, salt, sizeof(salt));
		secret[size / 2] = 0;
		pbkdf2(secret, size, salt, 16, count, expected);
		assert_int_equal(owamp_derive_key(secret, size, salt, count, key), 0);
		assert_memory_equal(key, expected, 16);
	}
}

static void test_session_keys(void **state)
{
	(void)state;
	uint64_t seed = 22;

	for (int round = 0; round < 100; round++) {
		struct owamp_keys control;
		struct owamp_keys test;
		uint8_t sid[16];
		uint8_t aes[16];
		uint8_t hmac[32];

		ref_fill(&seed, &control, sizeof(control));
		ref_fill(&seed, sid, sizeof(sid));
		ref_test_keys(control.aes, control.hmac, sid, aes, hmac);
		assert_int_equal(owamp_derive_test_keys(&control, sid, &test), 0);
		assert_memory_equal(test.aes, aes, 16);
		assert_memory_equal(test.hmac, hmac, 32);
	}
}

/* FIPS 197 appendix C.1: the SID is the cipher key, the control key the plaintext. */
static void test_session_key_of_fips197(void **state)
{
	(void)state;
	static const uint8_t cipher[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
					   0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
	struct owamp_keys control = {0};
	struct owamp_keys test;
	uint8_t sid[16];

	for (uint8_t i = 0; i < 16; i++) {
		sid[i] = i;
		control.aes[i] = (uint8_t)(i * 0x11);
		control.hmac[i] = (uint8_t)(i * 0x11);
	}
	/* With this second half, CBC makes both blocks' inputs the same. */
	for (uint8_t i = 0; i < 16; i++)
		control.hmac[16 + i] = cipher[i] ^ control.hmac[i];
	assert_int_equal(owamp_derive_test_keys(&control, sid, &test), 0);
	assert_memory_equal(test.aes, cipher, 16);
	assert_memory_equal(test.hmac, cipher, 16);
	assert_memory_equal(test.hmac + 16, cipher, 16);
}

static void test_random_and_wipe(void **state)
{
	(void)state;
	uint8_t a[64] = {0};
	uint8_t b[64] = {0};
	const uint8_t zeros[64] = {0};

	assert_int_equal(owamp_random(a, sizeof(a)), 0);
	assert_int_equal(owamp_random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, 64);
	/* 16 zeros at the end happen once in 2^128 runs. */
	assert_memory_not_equal(a + 48, zeros, 16);
	owamp_wipe(a, 63);
	assert_memory_equal(a, zeros, 63);
	assert_int_equal(owamp_random(a, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_against_rfc6070),
		cmocka_unit_test(test_derived_key),
		cmocka_unit_test(test_session_keys),
		cmocka_unit_test(test_session_key_of_fips197),
		cmocka_unit_test(test_random_and_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
