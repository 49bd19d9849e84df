#include "wire.h"

#include <owamp/error.h>

void wire_greeting_encode(const struct wire_greeting *greeting, uint8_t wire[WIRE_GREETING_SIZE])
{
	memset(wire, 0, WIRE_GREETING_SIZE);
	put_u32(wire + 12, greeting->modes);
	memcpy(wire + 16, greeting->challenge, 16);
	memcpy(wire + 32, greeting->salt, 16);
	put_u32(wire + 48, greeting->count);
}

void wire_greeting_decode(const uint8_t wire[WIRE_GREETING_SIZE], struct wire_greeting *greeting)
{
	greeting->modes = get_u32(wire + 12);
	memcpy(greeting->challenge, wire + 16, 16);
	memcpy(greeting->salt, wire + 32, 16);
	greeting->count = get_u32(wire + 48);
}

void wire_setup_encode(const struct wire_setup *setup, uint8_t wire[WIRE_SETUP_SIZE])
{
	put_u32(wire, setup->mode);
	memcpy(wire + 4, setup->key_id, OWAMP_KEYID_SIZE);
	memcpy(wire + 84, setup->token, WIRE_TOKEN_SIZE);
	memcpy(wire + 148, setup->client_iv, 16);
}

void wire_setup_decode(const uint8_t wire[WIRE_SETUP_SIZE], struct wire_setup *setup)
{
	setup->mode = get_u32(wire);
	memcpy(setup->key_id, wire + 4, OWAMP_KEYID_SIZE);
	memcpy(setup->token, wire + 84, WIRE_TOKEN_SIZE);
	memcpy(setup->client_iv, wire + 148, 16);
}

/* Length of the well-formed sequence at the start of text, 0 if there is none. */
static size_t utf8_sequence(const uint8_t *text, size_t size)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf) {
		length = 2;
	} else if ((text[0] & 0xf0) == 0xe0) {
		length = 3;
		if (text[0] == 0xe0)
			low = 0xa0;
		if (text[0] == 0xed)
			high = 0x9f;
	} else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
		length = 4;
		if (text[0] == 0xf0)
			low = 0x90;
		if (text[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (size < length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

bool wire_utf8_valid(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t length = utf8_sequence(text + i, size - i);

		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

int wire_key_id_decode(const uint8_t wire[OWAMP_KEYID_SIZE], char key_id[OWAMP_KEYID_SIZE + 1])
{
	size_t size = strnlen((const char *)wire, OWAMP_KEYID_SIZE);

	if (size == 0 || !wire_utf8_valid(wire, size))
		return OWAMP_EPROTO;
	for (size_t i = size; i < OWAMP_KEYID_SIZE; i++) {
		if (wire[i] != 0)
			return OWAMP_EPROTO;
	}
	memcpy(key_id, wire, size);
	key_id[size] = '\0';
	return 0;
}

void wire_request_encode(const struct owamp_request *request, uint8_t wire[WIRE_REQUEST_SIZE])
{
	size_t address_size = request->ipvn == 4 ? 4 : 16;

	memset(wire, 0, WIRE_REQUEST_SIZE);
	wire[0] = WIRE_REQUEST_SESSION;
	wire[1] = request->ipvn & 0x0f;
	wire[2] = request->conf_sender;
	wire[3] = request->conf_receiver;
	put_u32(wire + 4, request->slot_count);
	put_u32(wire + 8, request->packets);
	put_u16(wire + 12, request->sender_port);
	put_u16(wire + 14, request->receiver_port);
	memcpy(wire + 16, request->sender_address, address_size);
	memcpy(wire + 32, request->receiver_address, address_size);
	memcpy(wire + 48, request->sid, OWAMP_SID_SIZE);
	put_u32(wire + 64, request->padding);
	put_u64(wire + 68, request->start);
	put_u64(wire + 76, request->timeout);
	put_u32(wire + 84, request->type_p);
}

void wire_request_decode(const uint8_t wire[WIRE_REQUEST_SIZE], struct owamp_request *request)
{
	size_t address_size;

	*request = (struct owamp_request){
		.ipvn = wire[1] & 0x0f,
		.conf_sender = wire[2] != 0,
		.conf_receiver = wire[3] != 0,
		.slot_count = get_u32(wire + 4),
		.packets = get_u32(wire + 8),
		.sender_port = get_u16(wire + 12),
		.receiver_port = get_u16(wire + 14),
		.padding = get_u32(wire + 64),
		.start = get_u64(wire + 68),
		.timeout = get_u64(wire + 76),
		.type_p = get_u32(wire + 84),
	};
	address_size = request->ipvn == 4 ? 4 : 16;
	memcpy(request->sender_address, wire + 16, address_size);
	memcpy(request->receiver_address, wire + 32, address_size);
	memcpy(request->sid, wire + 48, OWAMP_SID_SIZE);
}

void wire_slot_encode(const struct owamp_slot *slot, uint8_t wire[WIRE_SLOT_SIZE])
{
	memset(wire, 0, WIRE_SLOT_SIZE);
	wire[0] = slot->type;
	put_u64(wire + 8, slot->interval);
}

void wire_slot_decode(const uint8_t wire[WIRE_SLOT_SIZE], struct owamp_slot *slot)
{
	slot->type = wire[0];
	slot->interval = get_u64(wire + 8);
}

void wire_accept_encode(const struct wire_accept *accept, uint8_t wire[WIRE_ACCEPT_SIZE])
{
	memset(wire, 0, WIRE_ACCEPT_SIZE);
	wire[0] = accept->accept;
	put_u16(wire + 2, accept->port);
	memcpy(wire + 4, accept->sid, OWAMP_SID_SIZE);
}

void wire_accept_decode(const uint8_t wire[WIRE_ACCEPT_SIZE], struct wire_accept *accept)
{
	accept->accept = wire[0];
	accept->port = get_u16(wire + 2);
	memcpy(accept->sid, wire + 4, OWAMP_SID_SIZE);
}

void wire_fetch_encode(const struct wire_fetch *fetch, uint8_t wire[WIRE_FETCH_SIZE])
{
	memset(wire, 0, WIRE_FETCH_SIZE);
	wire[0] = WIRE_FETCH_SESSION;
	put_u32(wire + 8, fetch->begin_seq);
	put_u32(wire + 12, fetch->end_seq);
	memcpy(wire + 16, fetch->sid, OWAMP_SID_SIZE);
}

void wire_fetch_decode(const uint8_t wire[WIRE_FETCH_SIZE], struct wire_fetch *fetch)
{
	fetch->begin_seq = get_u32(wire + 8);
	fetch->end_seq = get_u32(wire + 12);
	memcpy(fetch->sid, wire + 16, OWAMP_SID_SIZE);
}

void wire_fetch_ack_encode(const struct wire_fetch_ack *ack, uint8_t wire[WIRE_SIMPLE_SIZE])
{
	memset(wire, 0, WIRE_SIMPLE_SIZE);
	wire[0] = ack->accept;
	wire[1] = ack->finished;
	put_u32(wire + 4, ack->next_seq);
	put_u32(wire + 8, ack->skip_count);
	put_u32(wire + 12, ack->record_count);
}

void wire_fetch_ack_decode(const uint8_t wire[WIRE_SIMPLE_SIZE], struct wire_fetch_ack *ack)
{
	ack->accept = wire[0];
	ack->finished = wire[1] != 0;
	ack->next_seq = get_u32(wire + 4);
	ack->skip_count = get_u32(wire + 8);
	ack->record_count = get_u32(wire + 12);
}

void wire_skip_encode(const struct owamp_skip_range *skip, uint8_t wire[WIRE_SKIP_SIZE])
{
	put_u32(wire, skip->first);
	put_u32(wire + 4, skip->last);
}

int wire_skips_decode(const uint8_t *wire, size_t count, struct owamp_skip_range *skips)
{
	for (size_t i = 0; i < count; i++) {
		skips[i].first = get_u32(wire + i * WIRE_SKIP_SIZE);
		skips[i].last = get_u32(wire + i * WIRE_SKIP_SIZE + 4);
	}
	return owamp_skips_valid(skips, count) ? 0 : OWAMP_EPROTO;
}
