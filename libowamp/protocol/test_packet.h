/*
 * OWAMP-Test packets of all three modes (RFC 4656 section 4.1.2).
 */
#ifndef PROTOCOL_TEST_PACKET_H
#define PROTOCOL_TEST_PACKET_H

#include <owamp/crypto.h>
#include <owamp/session.h>

/* The cryptographic contexts of one direction of one test session. */
struct test_packet_cipher {
	uint32_t mode;
	struct crypto_cipher *aes; /* ECB; NULL in open mode */
	struct crypto_hmac *hmac;
};

/* sending: encrypts, else decrypts. control_keys NULL in open mode. */
int test_packet_cipher_init(struct test_packet_cipher *cipher, uint32_t mode,
			    const struct owamp_keys *control_keys, const uint8_t sid[OWAMP_SID_SIZE],
			    bool sending);
void test_packet_cipher_free(struct test_packet_cipher *cipher);

/* Octets before padding: 14 or 48. */
size_t test_packet_base_size(uint32_t mode);

/*
 * What can be done before the time is known: the sequence number, and in
 * authenticated mode its encryption and the HMAC.
 */
int test_packet_prepare(struct test_packet_cipher *cipher, uint8_t *packet, uint32_t seq);

/* The rest, over a prepared packet; in encrypted mode needs seq again. */
int test_packet_stamp(struct test_packet_cipher *cipher, uint8_t *packet, uint32_t seq, owamp_ntp time,
		      uint16_t error_estimate);

struct test_packet {
	uint32_t seq;
	owamp_ntp time;
	uint16_t error_estimate;
};

/*
 * Opens a received packet. OWAMP_EPROTO: too short; OWAMP_EAUTH: the HMAC does
 * not match; OWAMP_ECRYPTO.
 */
int test_packet_open(struct test_packet_cipher *cipher, const uint8_t *packet, size_t size,
		     struct test_packet *opened);

#endif
