#include "stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

#include "wire.h"

void stream_free(struct stream *stream)
{
	if (stream->in)
		owamp_wipe(stream->in, stream->in_capacity);
	free(stream->in);
	free(stream->out);
	crypto_cipher_free(stream->decrypt);
	crypto_cipher_free(stream->encrypt);
	crypto_hmac_free(stream->hmac_in);
	crypto_hmac_free(stream->hmac_out);
	*stream = (struct stream){0};
}

int stream_secure(struct stream *stream, const struct owamp_keys *keys, const uint8_t in_iv[16],
		  const uint8_t out_iv[16])
{
	int error = crypto_cipher_new(&stream->decrypt, CRYPTO_DECRYPT, keys->aes, in_iv);

	if (!error)
		error = crypto_cipher_new(&stream->encrypt, CRYPTO_ENCRYPT, keys->aes, out_iv);
	if (!error)
		error = crypto_hmac_new(&stream->hmac_in, keys->hmac);
	if (!error)
		error = crypto_hmac_new(&stream->hmac_out, keys->hmac);
	stream->in_plain = stream->in_start;
	return error;
}

/* Makes room for size octets at *end, moving what is left to the front first. */
static int make_room(uint8_t **buffer, size_t *capacity, size_t start, size_t end, size_t size, size_t *shift)
{
	size_t wanted;
	uint8_t *larger;

	*shift = 0;
	if (start == end || (end + size > *capacity && start >= *capacity / 2)) {
		if (start < end)
			memmove(*buffer, *buffer + start, end - start);
		*shift = start;
		end -= start;
	}
	if (end + size <= *capacity)
		return 0;
	wanted = *capacity ? *capacity : 256;
	while (wanted < end + size)
		wanted *= 2;
	larger = realloc(*buffer, wanted);
	if (!larger)
		return OWAMP_ENOMEM;
	*buffer = larger;
	*capacity = wanted;
	return 0;
}

/* A buffer that has been large does not stay so: most connections are idle most of the time. */
#define KEEP_CAPACITY 4096

static void shrink(uint8_t **buffer, size_t *capacity)
{
	if (*capacity <= KEEP_CAPACITY)
		return;
	free(*buffer);
	*buffer = NULL;
	*capacity = 0;
}

int stream_input(struct stream *stream, const uint8_t *octets, size_t size)
{
	size_t shift;
	int error =
		make_room(&stream->in, &stream->in_capacity, stream->in_start, stream->in_end, size, &shift);

	stream->in_start -= shift;
	stream->in_plain -= shift;
	stream->in_end -= shift;
	if (error || size == 0)
		return error;
	memcpy(stream->in + stream->in_end, octets, size);
	stream->in_end += size;
	if (!stream->decrypt)
		stream->in_plain = stream->in_end;
	return 0;
}

size_t stream_input_size(const struct stream *stream)
{
	return stream->in_end - stream->in_start;
}

int stream_peek(struct stream *stream, size_t size, const uint8_t **octets)
{
	size_t wanted = stream->in_start + size;

	*octets = NULL;
	if (stream->in_end < wanted)
		return 0;
	if (stream->in_plain < wanted) {
		uint8_t *secret = stream->in + stream->in_plain;
		int error = crypto_cipher_run(stream->decrypt, secret, secret, wanted - stream->in_plain);

		if (error)
			return error;
		stream->in_plain = wanted;
	}
	*octets = stream->in + stream->in_start;
	return 0;
}

static void advance(struct stream *stream, size_t size)
{
	assert(stream->in_start + size <= stream->in_plain);
	stream->in_start += size;
	if (stream->in_start == stream->in_end) {
		stream->in_start = stream->in_plain = stream->in_end = 0;
		shrink(&stream->in, &stream->in_capacity);
	}
}

int stream_take(struct stream *stream, size_t size)
{
	if (stream->hmac_in && size > 0) {
		int error = crypto_hmac_update(stream->hmac_in, stream->in + stream->in_start, size);

		if (error)
			return error;
	}
	advance(stream, size);
	return 0;
}

int stream_check_hmac(struct stream *stream)
{
	if (stream->hmac_in) {
		uint8_t mac[WIRE_HMAC_SIZE];
		int error = crypto_hmac_final(stream->hmac_in, mac);

		if (error)
			return error;
		if (!crypto_equal(mac, stream->in + stream->in_start, sizeof mac))
			return OWAMP_EAUTH;
	}
	advance(stream, WIRE_HMAC_SIZE);
	return 0;
}

int stream_take_message(struct stream *stream, size_t size)
{
	const uint8_t *octets;
	int error = stream_peek(stream, size + WIRE_HMAC_SIZE, &octets);

	if (error || !octets)
		return error;
	error = stream_take(stream, size);
	if (!error)
		error = stream_check_hmac(stream);
	return error ? error : 1;
}

int stream_read_slots(struct stream *stream, struct owamp_request *request)
{
	size_t size = (size_t)request->slot_count * WIRE_SLOT_SIZE;
	const uint8_t *octets;
	int error = stream_peek(stream, size + WIRE_HMAC_SIZE, &octets);

	if (error || !octets)
		return error;
	request->slots = calloc((size_t)request->slot_count + 1, sizeof *request->slots);
	if (!request->slots)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < request->slot_count; i++)
		wire_slot_decode(octets + i * WIRE_SLOT_SIZE, &request->slots[i]);
	return stream_take_message(stream, size);
}

static int append(struct stream *stream, const void *octets, size_t size)
{
	size_t shift, whole;
	int error;

	error = make_room(&stream->out, &stream->out_capacity, stream->out_start, stream->out_end, size,
			  &shift);
	stream->out_start -= shift;
	stream->out_ready -= shift;
	stream->out_end -= shift;
	if (error || size == 0)
		return error;
	memcpy(stream->out + stream->out_end, octets, size);
	stream->out_end += size;
	if (!stream->encrypt) {
		stream->out_ready = stream->out_end;
		return 0;
	}
	whole = (stream->out_end - stream->out_ready) / OWAMP_BLOCK_SIZE * OWAMP_BLOCK_SIZE;
	error = crypto_cipher_run(stream->encrypt, stream->out + stream->out_ready,
				  stream->out + stream->out_ready, whole);
	if (!error)
		stream->out_ready += whole;
	return error;
}

int stream_write(struct stream *stream, const void *octets, size_t size)
{
	int error = stream->hmac_out && size > 0 ? crypto_hmac_update(stream->hmac_out, octets, size) : 0;

	return error ? error : append(stream, octets, size);
}

int stream_pad(struct stream *stream, size_t written)
{
	static const uint8_t zeros[OWAMP_BLOCK_SIZE];

	return stream_write(stream, zeros, wire_padded(written) - written);
}

int stream_write_hmac(struct stream *stream)
{
	uint8_t mac[WIRE_HMAC_SIZE] = {0};
	int error = stream->hmac_out ? crypto_hmac_final(stream->hmac_out, mac) : 0;

	return error ? error : append(stream, mac, sizeof mac);
}

const uint8_t *stream_output(const struct stream *stream, size_t *size)
{
	*size = stream->out_ready - stream->out_start;
	return *size > 0 ? stream->out + stream->out_start : NULL;
}

void stream_sent(struct stream *stream, size_t size)
{
	assert(size <= stream->out_ready - stream->out_start);
	stream->out_start += size;
	if (stream->out_start == stream->out_end) {
		stream->out_start = stream->out_ready = stream->out_end = 0;
		shrink(&stream->out, &stream->out_capacity);
	}
}

int stream_write_request(struct stream *stream, const struct owamp_request *request)
{
	uint8_t wire[WIRE_REQUEST_SIZE];
	int error;

	wire_request_encode(request, wire);
	error = stream_write(stream, wire, WIRE_REQUEST_SIZE);
	if (!error)
		error = stream_write_hmac(stream);
	for (uint32_t i = 0; !error && i < request->slot_count; i++) {
		wire_slot_encode(&request->slots[i], wire);
		error = stream_write(stream, wire, WIRE_SLOT_SIZE);
	}
	return error ? error : stream_write_hmac(stream);
}
