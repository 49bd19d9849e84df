#include "test_packet.h"

#include <string.h>

#include <owamp/error.h>

#include "crypto.h"
#include "wire.h"

int test_packet_cipher_init(struct test_packet_cipher *cipher, uint32_t mode,
			    const struct owamp_keys *control_keys, const uint8_t sid[OWAMP_SID_SIZE],
			    bool sending)
{
	struct owamp_keys keys;
	int error;

	*cipher = (struct test_packet_cipher){.mode = mode};
	if (mode == OWAMP_MODE_OPEN)
		return 0;
	if ((mode != OWAMP_MODE_AUTHENTICATED && mode != OWAMP_MODE_ENCRYPTED) || !control_keys)
		return OWAMP_EINVAL;
	error = owamp_derive_test_keys(control_keys, sid, &keys);
	if (!error)
		error = crypto_cipher_new(&cipher->aes, sending ? CRYPTO_ENCRYPT : CRYPTO_DECRYPT, keys.aes,
					  NULL);
	if (!error)
		error = crypto_hmac_new(&cipher->hmac, keys.hmac);
	if (error)
		test_packet_cipher_free(cipher);
	owamp_wipe(&keys, sizeof keys);
	return error;
}

void test_packet_cipher_free(struct test_packet_cipher *cipher)
{
	crypto_cipher_free(cipher->aes);
	crypto_hmac_free(cipher->hmac);
	*cipher = (struct test_packet_cipher){0};
}

size_t test_packet_base_size(uint32_t mode)
{
	return mode == OWAMP_MODE_OPEN ? OWAMP_PACKET_OPEN : OWAMP_PACKET_SECURE;
}

static int put_hmac(struct test_packet_cipher *cipher, uint8_t *packet, size_t covered)
{
	int error = crypto_hmac_update(cipher->hmac, packet, covered);

	return error ? error : crypto_hmac_final(cipher->hmac, packet + 32);
}

int test_packet_prepare(struct test_packet_cipher *cipher, uint8_t *packet, uint32_t seq)
{
	int error;

	put_u32(packet, seq);
	if (cipher->mode == OWAMP_MODE_OPEN)
		return 0;
	memset(packet + 4, 0, 12);
	memset(packet + 26, 0, 6);
	if (cipher->mode == OWAMP_MODE_ENCRYPTED)
		return 0;
	error = put_hmac(cipher, packet, OWAMP_BLOCK_SIZE);
	return error ? error : crypto_cipher_run(cipher->aes, packet, packet, OWAMP_BLOCK_SIZE);
}

int test_packet_stamp(struct test_packet_cipher *cipher, uint8_t *packet, uint32_t seq, owamp_ntp time,
		      uint16_t error_estimate)
{
	uint8_t *stamp = packet + (cipher->mode == OWAMP_MODE_OPEN ? 4 : 16);
	int error;

	put_u64(stamp, time);
	put_u16(stamp + 8, error_estimate);
	if (cipher->mode != OWAMP_MODE_ENCRYPTED)
		return 0;

	/* Written anew: a second stamp of the same packet finds the encrypted blocks of the first. */
	put_u32(packet, seq);
	memset(packet + 4, 0, 12);
	memset(packet + 26, 0, 6);
	error = put_hmac(cipher, packet, 2 * OWAMP_BLOCK_SIZE);
	/* CBC with IV 0 over two blocks, done by hand on a context that needs no reset. */
	if (!error)
		error = crypto_cipher_run(cipher->aes, packet, packet, OWAMP_BLOCK_SIZE);
	for (int i = 0; i < OWAMP_BLOCK_SIZE; i++)
		packet[16 + i] ^= packet[i];
	if (!error)
		error = crypto_cipher_run(cipher->aes, packet + 16, packet + 16, OWAMP_BLOCK_SIZE);
	return error;
}

int test_packet_open(struct test_packet_cipher *cipher, const uint8_t *packet, size_t size,
		     struct test_packet *opened)
{
	uint8_t plain[2 * OWAMP_BLOCK_SIZE], mac[16];
	size_t covered;
	int error;

	if (size < test_packet_base_size(cipher->mode))
		return OWAMP_EPROTO;
	if (cipher->mode == OWAMP_MODE_OPEN) {
		opened->seq = get_u32(packet);
		opened->time = get_u64(packet + 4);
		opened->error_estimate = get_u16(packet + 12);
		return 0;
	}
	covered = cipher->mode == OWAMP_MODE_AUTHENTICATED ? OWAMP_BLOCK_SIZE : 2 * OWAMP_BLOCK_SIZE;
	memcpy(plain, packet, sizeof plain);
	error = crypto_cipher_run(cipher->aes, packet, plain, covered);
	if (error)
		return error;
	if (cipher->mode == OWAMP_MODE_ENCRYPTED) {
		for (int i = 0; i < OWAMP_BLOCK_SIZE; i++)
			plain[16 + i] ^= packet[i];
	}
	error = crypto_hmac_update(cipher->hmac, plain, covered);
	if (!error)
		error = crypto_hmac_final(cipher->hmac, mac);
	if (error)
		return error;
	if (!crypto_equal(mac, packet + 32, sizeof mac))
		return OWAMP_EAUTH;
	opened->seq = get_u32(plain);
	opened->time = get_u64(plain + 16);
	opened->error_estimate = get_u16(plain + 24);
	return 0;
}
