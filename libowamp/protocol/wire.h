/*
 * Octets of the OWAMP-Control messages: encoding and decoding of the fixed
 * parts, RFC 4656 sections 3.1 to 3.9. HMAC fields are not touched here; the
 * stream fills and checks them. Sizes include no HMAC unless said so.
 */
#ifndef PROTOCOL_WIRE_H
#define PROTOCOL_WIRE_H

#include <stdint.h>
#include <string.h>

#include <owamp/session.h>

#define WIRE_HMAC_SIZE         16
#define WIRE_GREETING_SIZE     64
#define WIRE_SETUP_SIZE        164
#define WIRE_TOKEN_SIZE        64
#define WIRE_START_CLEAR_SIZE  32 /* Server-Start up to Server-IV */
#define WIRE_START_SECRET_SIZE 16 /* Start-Time and MBZ */
#define WIRE_REQUEST_SIZE      96
#define WIRE_SLOT_SIZE         16
#define WIRE_ACCEPT_SIZE       32
#define WIRE_SIMPLE_SIZE       16 /* Start-Sessions, Start-Ack, Stop-Sessions, Fetch-Ack */
#define WIRE_FETCH_SIZE        32
#define WIRE_STOP_SESSION_SIZE 24
#define WIRE_SKIP_SIZE         8

enum wire_command {
	WIRE_REQUEST_SESSION = 1,
	WIRE_START_SESSIONS = 2,
	WIRE_STOP_SESSIONS = 3,
	WIRE_FETCH_SESSION = 4,
};

static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)(v >> 16));
	put_u16(p + 2, (uint16_t)v);
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static inline uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

/* size rounded up to whole blocks: descriptions are padded with zeros to that. */
static inline size_t wire_padded(size_t size)
{
	return (size + OWAMP_BLOCK_SIZE - 1) / OWAMP_BLOCK_SIZE * OWAMP_BLOCK_SIZE;
}

struct wire_greeting {
	uint32_t modes;
	uint8_t challenge[16];
	uint8_t salt[16];
	uint32_t count;
};

void wire_greeting_encode(const struct wire_greeting *greeting, uint8_t wire[WIRE_GREETING_SIZE]);
void wire_greeting_decode(const uint8_t wire[WIRE_GREETING_SIZE], struct wire_greeting *greeting);

struct wire_setup {
	uint32_t mode;
	uint8_t key_id[OWAMP_KEYID_SIZE];
	uint8_t token[WIRE_TOKEN_SIZE];
	uint8_t client_iv[16];
};

void wire_setup_encode(const struct wire_setup *setup, uint8_t wire[WIRE_SETUP_SIZE]);
void wire_setup_decode(const uint8_t wire[WIRE_SETUP_SIZE], struct wire_setup *setup);

/*
 * KeyID as text: the octets up to the zero padding, which must be well-formed
 * UTF-8 of 1 to 80 octets. OWAMP_EPROTO otherwise.
 */
int wire_key_id_decode(const uint8_t wire[OWAMP_KEYID_SIZE], char key_id[OWAMP_KEYID_SIZE + 1]);

/* Is text well-formed UTF-8 (RFC 3629)? */
bool wire_utf8_valid(const uint8_t *text, size_t size);

/* Without the slots, which are left alone by both. */
void wire_request_encode(const struct owamp_request *request, uint8_t wire[WIRE_REQUEST_SIZE]);
void wire_request_decode(const uint8_t wire[WIRE_REQUEST_SIZE], struct owamp_request *request);

void wire_slot_encode(const struct owamp_slot *slot, uint8_t wire[WIRE_SLOT_SIZE]);
void wire_slot_decode(const uint8_t wire[WIRE_SLOT_SIZE], struct owamp_slot *slot);

struct wire_accept {
	uint8_t accept;
	uint16_t port;
	uint8_t sid[OWAMP_SID_SIZE];
};

void wire_accept_encode(const struct wire_accept *accept, uint8_t wire[WIRE_ACCEPT_SIZE]);
void wire_accept_decode(const uint8_t wire[WIRE_ACCEPT_SIZE], struct wire_accept *accept);

struct wire_fetch {
	uint32_t begin_seq;
	uint32_t end_seq;
	uint8_t sid[OWAMP_SID_SIZE];
};

void wire_fetch_encode(const struct wire_fetch *fetch, uint8_t wire[WIRE_FETCH_SIZE]);
void wire_fetch_decode(const uint8_t wire[WIRE_FETCH_SIZE], struct wire_fetch *fetch);

struct wire_fetch_ack {
	uint8_t accept;
	bool finished;
	uint32_t next_seq;
	uint32_t skip_count;
	uint32_t record_count;
};

void wire_fetch_ack_encode(const struct wire_fetch_ack *ack, uint8_t wire[WIRE_SIMPLE_SIZE]);
void wire_fetch_ack_decode(const uint8_t wire[WIRE_SIMPLE_SIZE], struct wire_fetch_ack *ack);

void wire_skip_encode(const struct owamp_skip_range *skip, uint8_t wire[WIRE_SKIP_SIZE]);

/*
 * Decodes count skip ranges. OWAMP_EPROTO if one is reversed, overlaps its
 * predecessor or is out of order (section 3.9: the data is invalid).
 */
int wire_skips_decode(const uint8_t *wire, size_t count, struct owamp_skip_range *skips);

#endif
