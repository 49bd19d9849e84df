#include "packet_wire.h"

const struct owamp_keys packet_control_keys = {
	.aes = {0x21, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x2e},
	.hmac = {0x31, 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
		 16,   17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 0x3e},
};
const uint8_t packet_sid[16] = {0x7f, 0, 0, 1, 0xe5, 0, 0, 0, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef};

size_t packet_least(uint32_t mode)
{
	return mode == OWAMP_MODE_OPEN ? 14 : 48;
}

static size_t protected_size(uint32_t mode)
{
	return mode == OWAMP_MODE_AUTHENTICATED ? 16 : 32;
}

size_t packet_seal(uint32_t mode, const struct packet *packet, uint8_t *octets)
{
	uint8_t aes[16];
	uint8_t hmac[32];
	uint8_t iv[16] = {0};

	if (mode == OWAMP_MODE_OPEN) {
		ref_put(octets, packet->seq, 4);
		ref_put(octets + 4, packet->time, 8);
		ref_put(octets + 12, packet->error, 2);
		return 14;
	}
	memset(octets, 0, 48);
	ref_put(octets, packet->seq, 4);
	ref_put(octets + 16, packet->time, 8);
	ref_put(octets + 24, packet->error, 2);
	ref_test_keys(packet_control_keys.aes, packet_control_keys.hmac, packet_sid, aes, hmac);
	ref_hmac(hmac, octets, protected_size(mode), octets + 32);
	/* One block of CBC with IV 0 is ECB. */
	ref_aes_cbc_encrypt(aes, iv, octets, protected_size(mode));
	return 48;
}

struct packet packet_open_session(uint32_t mode, const struct owamp_keys *control_keys, const uint8_t sid[16],
				  const uint8_t *octets)
{
	static const uint8_t zeros[12];
	struct packet packet;
	uint8_t aes[16];
	uint8_t hmac[32];
	uint8_t iv[16] = {0};
	uint8_t mac[16];
	uint8_t plain[48];

	if (mode == OWAMP_MODE_OPEN) {
		packet.seq = (uint32_t)ref_get(octets, 4);
		packet.time = ref_get(octets + 4, 8);
		packet.error = (uint16_t)ref_get(octets + 12, 2);
		return packet;
	}
	memcpy(plain, octets, 48);
	ref_test_keys(control_keys->aes, control_keys->hmac, sid, aes, hmac);
	ref_aes_cbc_decrypt(aes, iv, plain, protected_size(mode));
	ref_hmac(hmac, plain, protected_size(mode), mac);
	assert_memory_equal(plain + 32, mac, 16);
	assert_memory_equal(plain + 4, zeros, 12);
	assert_memory_equal(plain + 26, zeros, 6);
	packet.seq = (uint32_t)ref_get(plain, 4);
	packet.time = ref_get(plain + 16, 8);
	packet.error = (uint16_t)ref_get(plain + 24, 2);
	return packet;
}

struct packet packet_open(uint32_t mode, const uint8_t *octets)
{
	return packet_open_session(mode, &packet_control_keys, packet_sid, octets);
}

struct owamp_request packet_request(struct owamp_slot *slot, uint32_t packets, owamp_interval timeout)
{
	struct owamp_request request = {
		.ipvn = 4,
		.conf_sender = true,
		.packets = packets,
		.start = PACKET_START,
		.timeout = timeout,
		.slot_count = 1,
		.slots = slot,
	};

	memcpy(request.sid, packet_sid, 16);
	return request;
}
