#include "peer.h"

#include <assert.h>
#include <stdlib.h>

const struct owamp_keys peer_keys = {{0x20, 1, 2, 3}, {0x30, 4, 5, 6}};
const uint8_t peer_key[OWAMP_AES_KEY_SIZE] = {0x10, 7, 8, 9};
const uint8_t peer_client_iv[16] = {0xa0, 10, 11};
const uint8_t peer_server_iv[16] = {0x90, 12, 13};

void peer_init(struct peer *peer, struct input *in)
{
	static const size_t chunks[] = {SIZE_MAX, 1, 7, 16, 17, 48, 64, 1000};

	*peer = (struct peer){.chunk = chunks[input_u8(in) & 7U]};
}

void peer_free(struct peer *peer)
{
	stream_free(&peer->to);
	stream_free(&peer->expected);
}

/* Only the outgoing halves are used, and contexts are not cheap. */
static void secure(struct stream *stream, const uint8_t iv[16])
{
	assert(crypto_cipher_new(&stream->encrypt, CRYPTO_ENCRYPT, peer_keys.aes, iv) == 0);
	assert(crypto_hmac_new(&stream->hmac_out, peer_keys.hmac) == 0);
}

void peer_secure_to(struct peer *peer, const uint8_t iv[16])
{
	if (!peer->to.encrypt)
		secure(&peer->to, iv);
}

void peer_secure_expected(struct peer *peer, const uint8_t iv[16])
{
	secure(&peer->expected, iv);
	peer->secured = true;
}

void peer_put(struct peer *peer, const void *octets, size_t size)
{
	assert(stream_write(&peer->to, octets, size) == 0);
}

void peer_put_pad(struct peer *peer, size_t written)
{
	assert(stream_pad(&peer->to, written) == 0);
}

void peer_put_hmac(struct peer *peer)
{
	assert(stream_write_hmac(&peer->to) == 0);
}

void peer_deliver(struct peer *peer, struct input *in, peer_feed_fn *feed, void *context)
{
	const uint8_t *octets;
	size_t size, chunk;

	octets = stream_output(&peer->to, &size);
	/* Else a long message costs more time than it is worth. */
	chunk = peer->chunk < size / 256 ? size / 256 : peer->chunk;
	if (peer->tamper_next && size > 0) {
		size_t bit = input_uint(in, 3) % (size * 8);

		peer->to.out[peer->to.out_start + bit / 8] ^= (uint8_t)(1U << (bit & 7));
		peer->tampered |= peer->secured;
		peer->tamper_next = false;
	}
	while (size > 0) {
		size_t some = chunk < size ? chunk : size;

		/* A copy of exactly this size: reading beyond it is seen. */
		uint8_t *copy = malloc(some);

		assert(copy);
		memcpy(copy, octets, some);
		feed(context, copy, some);
		free(copy);
		stream_sent(&peer->to, some);
		octets = stream_output(&peer->to, &size);
	}
}

void peer_expect(struct peer *peer, const void *octets, size_t size)
{
	assert(stream_write(&peer->expected, octets, size) == 0);
}

void peer_expect_hmac(struct peer *peer)
{
	assert(stream_write_hmac(&peer->expected) == 0);
}

void peer_check(const struct peer *peer, const uint8_t *octets, size_t size)
{
	size_t expected_size;
	const uint8_t *expected = stream_output(&peer->expected, &expected_size);

	assert(size == expected_size);
	assert(size == 0 || memcmp(octets, expected, size) == 0);
}

void peer_check_off(struct peer *peer, size_t size)
{
	stream_sent(&peer->expected, size);
}

uint32_t peer_make_skips(struct input *in, struct owamp_skip_range *skips, uint32_t limit, uint32_t next_seq)
{
	uint32_t wanted = input_u8(in) % (limit + 1);
	uint32_t count = 0, first = 0;

	while (count < wanted && first < next_seq) {
		uint32_t gap = input_u8(in) & 15U, length = input_u8(in) & 15U;

		if (gap >= next_seq - first)
			break;
		first += gap;
		if (length >= next_seq - first)
			length = next_seq - first - 1;
		skips[count++] = (struct owamp_skip_range){first, first + length};
		first += length + 1;
	}
	return count;
}

void peer_make_sid(struct input *in, uint8_t sid[OWAMP_SID_SIZE])
{
	memset(sid, 0x55, OWAMP_SID_SIZE);
	sid[OWAMP_SID_SIZE - 1] = input_u8(in) & 7U;
}

void peer_make_request(struct input *in, struct owamp_request *request)
{
	uint8_t flags = input_u8(in);

	*request = (struct owamp_request){
		.ipvn = flags & 16U ? 6 : 4,
		.conf_sender = flags & 1U,
		.conf_receiver = flags & 2U,
		.packets = flags & 4U ? (uint32_t)input_uint(in, 4) : input_u8(in),
		.sender_port = 1000,
		.receiver_port = 2000,
		.start = UINT64_C(0xe4a1b2c3d4e5f607),
		.timeout = 2 * OWAMP_SECOND,
		.type_p = owamp_type_p_from_dscp(46),
	};
	if (flags & 8U) {
		input_fill(in, request->sender_address, request->ipvn == 4 ? 4 : 16);
		request->padding = (uint32_t)input_uint(in, 4);
		request->timeout = input_uint(in, 8);
		request->type_p = (uint32_t)input_uint(in, 4);
	}
	peer_make_sid(in, request->sid);
}
