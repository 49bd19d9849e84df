/*
 * The fuzzer's octets as a source of decisions. When they run out everything
 * is 0, so a harness stops when input_left() is.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *octets;
	size_t left;
};

static inline size_t input_left(const struct input *in)
{
	return in->left;
}

static inline void input_fill(struct input *in, void *octets, size_t size)
{
	size_t some = size < in->left ? size : in->left;

	memset(octets, 0, size);
	if (some > 0)
		memcpy(octets, in->octets, some);
	in->octets += some;
	in->left -= some;
}

static inline uint8_t input_u8(struct input *in)
{
	uint8_t octet;

	input_fill(in, &octet, 1);
	return octet;
}

/* Big-endian, of size octets. */
static inline uint64_t input_uint(struct input *in, int size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | input_u8(in);
	return value;
}

/* Small numbers for the most part, and those where arithmetic goes wrong. */
static inline uint32_t input_count(struct input *in)
{
	uint8_t octet = input_u8(in);

	if (octet < 240)
		return octet;
	if (octet < 248)
		return UINT32_MAX - (octet & 7U);
	if (octet < 252)
		return 0x7ffffffeU + (octet & 3U);
	return (uint32_t)input_uint(in, 4);
}

#endif
