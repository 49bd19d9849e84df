/*
 * What the tests compare the library with: plain arithmetic and cryptography
 * written from the RFC's text, sharing nothing with the library's own.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* splitmix64: the state is the seed. */
static inline uint64_t ref_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline uint32_t ref_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((ref_random(state) >> 32) * bound >> 32);
}

static inline void ref_fill(uint64_t *state, void *octets, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)octets)[i] = (uint8_t)(ref_random(state) >> 56);
}

/* Network byte order. */
static inline void ref_put(uint8_t *octets, uint64_t value, int size)
{
	for (int i = size - 1; i >= 0; i--) {
		octets[i] = (uint8_t)value;
		value >>= 8;
	}
}

static inline uint64_t ref_get(const uint8_t *octets, int size)
{
	uint64_t value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | octets[i];
	return value;
}

static inline void ref_hex(const char *text, uint8_t *octets, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], 0};

		octets[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

/* numerator / denominator, to the nearest; both positive. */
static inline __int128 ref_round(__int128 numerator, __int128 denominator)
{
	return (numerator + denominator / 2) / denominator;
}

/* ns as 32.32 seconds: 1 ns is 4.29 units, so that reading it back is exact. */
static inline int64_t ref_units(int64_t ns)
{
	__int128 units = ref_round((__int128)llabs(ns) << 32, 1000000000);

	return (int64_t)(ns < 0 ? -units : units);
}

/* What an Error Estimate says, in ns rounded up (RFC 4656 section 4.1.2). */
static inline int64_t ref_error_ns(uint16_t estimate)
{
	unsigned __int128 scaled = (unsigned __int128)(estimate & 0xff) << (estimate >> 8 & 0x3f);
	unsigned __int128 ns = (scaled * 1000000000 + 0xffffffff) >> 32;

	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

void ref_aes_ecb_encrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]);

/* size is a multiple of 16; iv is replaced by the last block of ciphertext. */
void ref_aes_cbc_encrypt(const uint8_t key[16], uint8_t iv[16], uint8_t *octets, size_t size);
void ref_aes_cbc_decrypt(const uint8_t key[16], uint8_t iv[16], uint8_t *octets, size_t size);

/* HMAC-SHA1 with a 32-octet key, cut to 128 bits. */
void ref_hmac(const uint8_t key[32], const void *octets, size_t size, uint8_t mac[16]);

/* Test-session keys, RFC 4656 section 4.1.2. */
void ref_test_keys(const uint8_t aes[16], const uint8_t hmac[32], const uint8_t sid[16], uint8_t test_aes[16],
		   uint8_t test_hmac[32]);

/* Algorithms Unif and S of RFC 4656 sections 5.1 to 5.3. */
struct ref_exponential {
	uint8_t seed[16];
	uint8_t block[16];
	uint64_t counter;
};

uint64_t ref_exponential_next(struct ref_exponential *generator);

#endif
