#include "control_wire.h"

const uint8_t wire_challenge[16] = {0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xcf};
const uint8_t wire_salt[16] = {0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x5f};
const uint8_t wire_server_iv[16] = {0x90, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x9f};
const uint8_t wire_client_iv[16] = {0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xaf};
const uint8_t wire_key[16] = {0x10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x1f};
const struct owamp_keys wire_keys = {
	.aes = {0x20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x2f},
	.hmac = {0x30, 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
		 16,   17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 0x3f},
};

struct wire *wire_new(uint32_t mode)
{
	struct wire *wire = calloc(1, sizeof(*wire));

	assert_non_null(wire);
	wire->mode = mode;
	wire->keys = wire_keys;
	return wire;
}

void wire_free(struct wire *wire)
{
	free(wire);
}

static void cover(struct wire_cover *cover, const void *octets, size_t size)
{
	assert_true(cover->size + size <= WIRE_MAX);
	memcpy(cover->octets + cover->size, octets, size);
	cover->size += size;
}

static void cover_end(const struct wire *wire, struct wire_cover *cover, uint8_t mac[16])
{
	memset(mac, 0, 16);
	if (wire->encrypting)
		ref_hmac(wire->keys.hmac, cover->octets, cover->size, mac);
	cover->size = 0;
}

static void append(struct wire *wire, const void *octets, size_t size)
{
	assert_true(wire->out_size + size <= WIRE_MAX);
	memcpy(wire->out + wire->out_size, octets, size);
	wire->out_size += size;
}

void wire_put_octets(struct wire *wire, const void *octets, size_t size)
{
	append(wire, octets, size);
	cover(&wire->out_cover, octets, size);
}

void wire_put(struct wire *wire, uint64_t value, int size)
{
	uint8_t octets[8];

	ref_put(octets, value, size);
	wire_put_octets(wire, octets, (size_t)size);
}

void wire_put_zeros(struct wire *wire, size_t size)
{
	while (size-- > 0)
		wire_put(wire, 0, 1);
}

void wire_pad(struct wire *wire)
{
	while (wire->out_cover.size % 16 != 0)
		wire_put(wire, 0, 1);
}

void wire_put_hmac(struct wire *wire)
{
	uint8_t mac[16];

	cover_end(wire, &wire->out_cover, mac);
	append(wire, mac, 16);
}

void wire_put_uncovered(struct wire *wire)
{
	wire->out_cover.size = 0;
}

void wire_seal(struct wire *wire)
{
	if (wire->encrypting)
		ref_aes_cbc_encrypt(wire->keys.aes, wire->write_iv, wire->out + wire->out_sealed,
				    wire->out_size - wire->out_sealed);
	wire->out_sealed = wire->out_size;
}

void wire_clear(struct wire *wire)
{
	wire->out_size = 0;
	wire->out_sealed = 0;
}

void wire_receive(struct wire *wire, const void *octets, size_t size)
{
	memmove(wire->in, wire->in + wire->in_at, wire->in_size - wire->in_at);
	wire->in_size -= wire->in_at;
	wire->in_at = 0;
	assert_true(wire->in_size + size <= WIRE_MAX);
	memcpy(wire->in + wire->in_size, octets, size);
	if (wire->encrypting)
		ref_aes_cbc_decrypt(wire->keys.aes, wire->read_iv, wire->in + wire->in_size, size);
	wire->in_size += size;
}

static const uint8_t *consume(struct wire *wire, size_t size)
{
	const uint8_t *octets = wire->in + wire->in_at;

	assert_true(wire->in_at + size <= wire->in_size);
	wire->in_at += size;
	return octets;
}

const uint8_t *wire_get_octets(struct wire *wire, size_t size)
{
	const uint8_t *octets = consume(wire, size);

	cover(&wire->in_cover, octets, size);
	return octets;
}

uint64_t wire_get(struct wire *wire, int size)
{
	return ref_get(wire_get_octets(wire, (size_t)size), size);
}

void wire_get_zeros(struct wire *wire, size_t size)
{
	while (size-- > 0)
		assert_int_equal(wire_get(wire, 1), 0);
}

void wire_get_pad(struct wire *wire)
{
	while (wire->in_cover.size % 16 != 0)
		assert_int_equal(wire_get(wire, 1), 0);
}

void wire_get_hmac(struct wire *wire)
{
	uint8_t mac[16];

	cover_end(wire, &wire->in_cover, mac);
	assert_memory_equal(consume(wire, 16), mac, 16);
}

void wire_get_uncovered(struct wire *wire)
{
	wire->in_cover.size = 0;
}

void wire_assert_end(const struct wire *wire)
{
	assert_int_equal(wire->in_at, wire->in_size);
}

/* Set-Up-Response, section 3.1: the Token is CBC with IV 0. */
void wire_put_setup(struct wire *wire, uint32_t mode, const void *key_id, size_t key_id_size)
{
	uint8_t token[64];
	uint8_t iv[16] = {0};

	memcpy(token, wire_challenge, 16);
	memcpy(token + 16, wire->keys.aes, 16);
	memcpy(token + 32, wire->keys.hmac, 32);
	ref_aes_cbc_encrypt(wire_key, iv, token, 64);
	wire_put(wire, mode, 4);
	wire_put_octets(wire, key_id, key_id_size);
	wire_put_zeros(wire, 80 - key_id_size);
	wire_put_octets(wire, token, 64);
	wire_put_octets(wire, wire_client_iv, 16);
	wire_put_uncovered(wire);
}

/* Section 3.5, figure by figure. */
void wire_put_request(struct wire *wire, const struct owamp_request *request)
{
	wire_put(wire, 1, 1);
	wire_put(wire, request->ipvn, 1);
	wire_put(wire, request->conf_sender, 1);
	wire_put(wire, request->conf_receiver, 1);
	wire_put(wire, request->slot_count, 4);
	wire_put(wire, request->packets, 4);
	wire_put(wire, request->sender_port, 2);
	wire_put(wire, request->receiver_port, 2);
	wire_put_octets(wire, request->sender_address, 16);
	wire_put_octets(wire, request->receiver_address, 16);
	wire_put_octets(wire, request->sid, 16);
	wire_put(wire, request->padding, 4);
	wire_put(wire, request->start, 8);
	wire_put(wire, request->timeout, 8);
	wire_put(wire, request->type_p, 4);
	wire_put_zeros(wire, 8);
	wire_put_hmac(wire);
	for (uint32_t i = 0; i < request->slot_count; i++) {
		wire_put(wire, request->slots[i].type, 1);
		wire_put_zeros(wire, 7);
		wire_put(wire, request->slots[i].interval, 8);
	}
	wire_put_hmac(wire);
}

void wire_get_request(struct wire *wire, const struct owamp_request *request)
{
	assert_int_equal(wire_get(wire, 1), 1);
	assert_int_equal(wire_get(wire, 1), request->ipvn);
	assert_int_equal(wire_get(wire, 1), request->conf_sender);
	assert_int_equal(wire_get(wire, 1), request->conf_receiver);
	assert_int_equal(wire_get(wire, 4), request->slot_count);
	assert_int_equal(wire_get(wire, 4), request->packets);
	assert_int_equal(wire_get(wire, 2), request->sender_port);
	assert_int_equal(wire_get(wire, 2), request->receiver_port);
	assert_memory_equal(wire_get_octets(wire, 16), request->sender_address, 16);
	assert_memory_equal(wire_get_octets(wire, 16), request->receiver_address, 16);
	assert_memory_equal(wire_get_octets(wire, 16), request->sid, 16);
	assert_int_equal(wire_get(wire, 4), request->padding);
	assert_int_equal(wire_get(wire, 8), request->start);
	assert_int_equal(wire_get(wire, 8), request->timeout);
	assert_int_equal(wire_get(wire, 4), request->type_p);
	wire_get_zeros(wire, 8);
	wire_get_hmac(wire);
	for (uint32_t i = 0; i < request->slot_count; i++) {
		assert_int_equal(wire_get(wire, 1), request->slots[i].type);
		wire_get_zeros(wire, 7);
		assert_int_equal(wire_get(wire, 8), request->slots[i].interval);
	}
	wire_get_hmac(wire);
}

void wire_put_accept_session(struct wire *wire, uint8_t accept, uint16_t port, const uint8_t sid[16])
{
	wire_put(wire, accept, 1);
	wire_put_zeros(wire, 1);
	wire_put(wire, port, 2);
	wire_put_octets(wire, sid, 16);
	wire_put_zeros(wire, 12);
	wire_put_hmac(wire);
}

void wire_get_accept_session(struct wire *wire, uint8_t accept, uint16_t port, const uint8_t sid[16])
{
	assert_int_equal(wire_get(wire, 1), accept);
	wire_get_zeros(wire, 1);
	assert_int_equal(wire_get(wire, 2), port);
	assert_memory_equal(wire_get_octets(wire, 16), sid, 16);
	wire_get_zeros(wire, 12);
	wire_get_hmac(wire);
}

void wire_put_start(struct wire *wire)
{
	wire_put(wire, 2, 1);
	wire_put_zeros(wire, 15);
	wire_put_hmac(wire);
}

void wire_put_start_ack(struct wire *wire, uint8_t accept)
{
	wire_put(wire, accept, 1);
	wire_put_zeros(wire, 15);
	wire_put_hmac(wire);
}

/* Section 3.8. */
void wire_put_stop(struct wire *wire, uint8_t accept, const struct owamp_stop_session *sessions, size_t count)
{
	wire_put(wire, 3, 1);
	wire_put(wire, accept, 1);
	wire_put_zeros(wire, 2);
	wire_put(wire, count, 4);
	wire_put_zeros(wire, 8);
	for (size_t i = 0; i < count; i++) {
		wire_put_octets(wire, sessions[i].sid, 16);
		wire_put(wire, sessions[i].next_seq, 4);
		wire_put(wire, sessions[i].skip_count, 4);
		for (uint32_t j = 0; j < sessions[i].skip_count; j++) {
			wire_put(wire, sessions[i].skips[j].first, 4);
			wire_put(wire, sessions[i].skips[j].last, 4);
		}
		wire_pad(wire);
	}
	wire_put_hmac(wire);
}

void wire_get_stop(struct wire *wire, uint8_t accept, const struct owamp_stop_session *sessions, size_t count)
{
	assert_int_equal(wire_get(wire, 1), 3);
	assert_int_equal(wire_get(wire, 1), accept);
	wire_get_zeros(wire, 2);
	assert_int_equal(wire_get(wire, 4), count);
	wire_get_zeros(wire, 8);
	for (size_t i = 0; i < count; i++) {
		assert_memory_equal(wire_get_octets(wire, 16), sessions[i].sid, 16);
		assert_int_equal(wire_get(wire, 4), sessions[i].next_seq);
		assert_int_equal(wire_get(wire, 4), sessions[i].skip_count);
		for (uint32_t j = 0; j < sessions[i].skip_count; j++) {
			assert_int_equal(wire_get(wire, 4), sessions[i].skips[j].first);
			assert_int_equal(wire_get(wire, 4), sessions[i].skips[j].last);
		}
		wire_get_pad(wire);
	}
	wire_get_hmac(wire);
}

void wire_put_fetch(struct wire *wire, const uint8_t sid[16], uint32_t begin, uint32_t end)
{
	wire_put(wire, 4, 1);
	wire_put_zeros(wire, 7);
	wire_put(wire, begin, 4);
	wire_put(wire, end, 4);
	wire_put_octets(wire, sid, 16);
	wire_put_hmac(wire);
}
