#include <owamp/error.h>
#include <owamp/session.h>

#include <stdio.h>
#include <string.h>

#include "wire.h"

const char *owamp_mode_name(uint32_t mode)
{
	switch (mode) {
	case OWAMP_MODE_OPEN:
		return "unauthenticated";
	case OWAMP_MODE_AUTHENTICATED:
		return "authenticated";
	case OWAMP_MODE_ENCRYPTED:
		return "encrypted";
	default:
		return "none";
	}
}

static const char *mode_bit_name(unsigned bit)
{
	switch (bit) {
	case 0:
	case 1:
	case 2:
		return owamp_mode_name(1U << bit);
	case 3:
		return "reserved (bit 3)";
	case 4:
		return "IKEv2-derived";
	default:
		return NULL;
	}
}

char *owamp_modes_text(uint32_t modes, char *text, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return text;
	snprintf(text, size, "none");
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = mode_bit_name(bit);
		char number[8];
		int n;

		if (!(modes >> bit & 1U))
			continue;
		if (!name) {
			snprintf(number, sizeof number, "bit %u", bit);
			name = number;
		}
		n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	return text;
}

const char *owamp_accept_text(uint8_t accept)
{
	switch (accept) {
	case OWAMP_ACCEPT_OK:
		return "accepted";
	case OWAMP_ACCEPT_INTERNAL:
		return "internal error";
	case OWAMP_ACCEPT_UNSUPPORTED:
		return "some aspect of the request is not supported";
	case OWAMP_ACCEPT_PERMANENT_RESOURCES:
		return "permanent resource limitation";
	case OWAMP_ACCEPT_TEMPORARY_RESOURCES:
		return "temporary resource limitation";
	case OWAMP_ACCEPT_NO_IKE_SA:
		return "no such IKEv2 SA";
	default:
		return "failure, reason unspecified";
	}
}

uint32_t owamp_type_p_from_dscp(uint8_t dscp)
{
	return (uint32_t)(dscp & 0x3fU) << 24;
}

int owamp_type_p_dscp(uint32_t type_p)
{
	/* 00, then six bits of DSCP; what follows has no meaning and must be zero. */
	return type_p & 0xc0ffffffU ? -1 : (int)(type_p >> 24);
}

void owamp_record_encode(const struct owamp_record *record, uint8_t wire[OWAMP_RECORD_SIZE])
{
	put_u32(wire, record->seq);
	put_u16(wire + 4, record->send_error);
	put_u16(wire + 6, record->receive_error);
	put_u64(wire + 8, record->send_time);
	put_u64(wire + 16, record->receive_time);
	wire[24] = record->ttl;
}

void owamp_record_decode(const uint8_t wire[OWAMP_RECORD_SIZE], struct owamp_record *record)
{
	*record = (struct owamp_record){
		.seq = get_u32(wire),
		.send_error = get_u16(wire + 4),
		.receive_error = get_u16(wire + 6),
		.send_time = get_u64(wire + 8),
		.receive_time = get_u64(wire + 16),
		.ttl = wire[24],
	};
}

bool owamp_skips_valid(const struct owamp_skip_range *skips, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (skips[i].first > skips[i].last)
			return false;
		if (i > 0 && skips[i].first <= skips[i - 1].last)
			return false;
	}
	return true;
}

bool owamp_skips_contain(const struct owamp_skip_range *skips, size_t count, uint32_t seq)
{
	while (count > 0) {
		const struct owamp_skip_range *middle = &skips[count / 2];

		if (seq >= middle->first && seq <= middle->last)
			return true;
		if (seq > middle->last) {
			skips = middle + 1;
			count -= count / 2 + 1;
		} else {
			count /= 2;
		}
	}
	return false;
}

uint32_t owamp_skips_below(const struct owamp_skip_range *skips, size_t count, uint32_t limit)
{
	uint32_t skipped = 0;

	for (size_t i = 0; i < count && skips[i].first < limit; i++)
		skipped += (skips[i].last < limit ? skips[i].last + 1 : limit) - skips[i].first;
	return skipped;
}

char *owamp_sid_text(const uint8_t sid[OWAMP_SID_SIZE], char text[33])
{
	for (int i = 0; i < OWAMP_SID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", sid[i]);
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int owamp_sid_parse(const char *text, uint8_t sid[OWAMP_SID_SIZE])
{
	uint8_t parsed[OWAMP_SID_SIZE];

	for (int i = 0; i < OWAMP_SID_SIZE; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return OWAMP_EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	if (text[2 * OWAMP_SID_SIZE] != '\0')
		return OWAMP_EINVAL;
	memcpy(sid, parsed, sizeof parsed);
	return 0;
}
