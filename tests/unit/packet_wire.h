/* OWAMP-Test packets by hand: RFC 4656 section 4.1.2, with the tests' own cryptography. */
#ifndef PACKET_WIRE_H
#define PACKET_WIRE_H

#include "reference.h"

#include "owamp/crypto.h"
#include "owamp/session.h"

extern const struct owamp_keys packet_control_keys;
extern const uint8_t packet_sid[16];

struct packet {
	uint32_t seq;
	owamp_ntp time;
	uint16_t error;
};

/* Octets before the padding. */
size_t packet_least(uint32_t mode);

/* Writes them; returns how many. */
size_t packet_seal(uint32_t mode, const struct packet *packet, uint8_t *octets);

/* Reads them, with all that must be zero and the HMAC checked. */
struct packet packet_open(uint32_t mode, const uint8_t *octets);
struct packet packet_open_session(uint32_t mode, const struct owamp_keys *control_keys, const uint8_t sid[16],
				  const uint8_t *octets);

/* A session of one fixed slot, start packet_start. */
#define PACKET_START ((owamp_ntp)0xe5000000 << 32)
struct owamp_request packet_request(struct owamp_slot *slot, uint32_t packets, owamp_interval timeout);

#endif
