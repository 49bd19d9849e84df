#include "bare.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "process.h"

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool bare_pbkdf2(double *per_s, unsigned count, double seconds)
{
	static const uint8_t salt[16] = {1, 2, 3};
	double begin = seconds_now();
	unsigned long derived = 0;
	uint8_t key[16];

	while (seconds_now() - begin < seconds && !process_interrupted()) {
		if (PKCS5_PBKDF2_HMAC_SHA1("secret", 6, salt, sizeof salt, (int)count, sizeof key, key) !=
		    1) {
			fputs("bench: FAILED: PBKDF2\n", stderr);
			return false;
		}
		derived++;
	}
	*per_s = (double)derived / (seconds_now() - begin);
	return derived > 0;
}
