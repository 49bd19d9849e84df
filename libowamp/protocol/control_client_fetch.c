#include "control_client_internal.h"

#include <stdlib.h>

#include <owamp/error.h>

/* Records of one FETCH_RECORDS event; a multiple of 16, so that they fill whole blocks. */
#define RECORDS_AT_ONCE 512

static int poll_ack(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	struct wire_fetch_ack *ack = &client->fetch_ack;
	const uint8_t *octets;
	int result;

	result = stream_peek(&client->stream, WIRE_SIMPLE_SIZE, &octets);
	if (result || !octets)
		return result;
	wire_fetch_ack_decode(octets, ack);
	result = stream_take_message(&client->stream, WIRE_SIMPLE_SIZE);
	if (result != 1)
		return result;
	/* All but Accept is to be ignored if that is not 0 (section 3.9). */
	if (ack->accept != OWAMP_ACCEPT_OK)
		*ack = (struct wire_fetch_ack){.accept = ack->accept};
	if (ack->skip_count > client->config.skips_max) {
		client->reason = "Fetch-Ack with too many skip ranges";
		return OWAMP_ELIMIT;
	}
	event->type = OWAMP_CLIENT_FETCH_ACK;
	event->accept = ack->accept;
	event->finished = ack->finished;
	event->next_seq = ack->next_seq;
	event->skip_total = ack->skip_count;
	event->record_total = ack->record_count;
	client->records_left = ack->record_count;
	client->state = ack->accept == OWAMP_ACCEPT_OK ? STATE_FETCH_REQUEST : STATE_READY;
	return 1;
}

static int poll_request(struct owamp_control_client *client)
{
	const uint8_t *octets;
	int result;

	result = stream_peek(&client->stream, WIRE_REQUEST_SIZE, &octets);
	if (result || !octets)
		return result;
	free(client->request.slots);
	wire_request_decode(octets, &client->request);
	result = stream_take_message(&client->stream, WIRE_REQUEST_SIZE);
	if (result != 1)
		return result;
	if (client->request.slot_count > client->config.slots_max) {
		client->reason = "fetched session has too many schedule slots";
		return OWAMP_ELIMIT;
	}
	client->state = STATE_FETCH_SLOTS;
	return 1;
}

static int poll_slots(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	struct owamp_request *request = &client->request;
	int result = stream_read_slots(&client->stream, request);

	if (result != 1)
		return result;
	event->type = OWAMP_CLIENT_FETCH_REQUEST;
	event->request = request;
	client->state = STATE_FETCH_SKIPS;
	return 1;
}

static int poll_skips(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	uint32_t count = client->fetch_ack.skip_count;
	size_t size = wire_padded((size_t)count * WIRE_SKIP_SIZE);
	const uint8_t *octets;
	int result;

	result = stream_peek(&client->stream, size + WIRE_HMAC_SIZE, &octets);
	if (result || !octets)
		return result;
	free(client->skips);
	client->skips = calloc((size_t)count + 1, sizeof *client->skips);
	if (!client->skips)
		return OWAMP_ENOMEM;
	if (wire_skips_decode(octets, count, client->skips)) {
		client->reason = "fetched skip ranges overlap or are out of order";
		return OWAMP_EPROTO;
	}
	result = stream_take_message(&client->stream, size);
	if (result != 1)
		return result;
	event->type = OWAMP_CLIENT_FETCH_SKIPS;
	event->skips = client->skips;
	event->skip_count = count;
	client->state = STATE_FETCH_RECORDS;
	return 1;
}

static int poll_records(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	uint32_t count = client->records_left;
	const uint8_t *octets;
	int result;

	if (count == 0) {
		result = stream_take_message(&client->stream, 0);
		if (result != 1)
			return result;
		event->type = OWAMP_CLIENT_FETCH_DONE;
		client->state = STATE_READY;
		return 1;
	}
	if (count > RECORDS_AT_ONCE)
		count = RECORDS_AT_ONCE;
	/* The last records are padded; before that RECORDS_AT_ONCE are whole blocks. */
	result = stream_peek(&client->stream, wire_padded((size_t)count * OWAMP_RECORD_SIZE), &octets);
	if (result || !octets)
		return result;
	if (!client->records)
		client->records = calloc(RECORDS_AT_ONCE, sizeof *client->records);
	if (!client->records)
		return OWAMP_ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		owamp_record_decode(octets + (size_t)i * OWAMP_RECORD_SIZE, &client->records[i]);
	result = stream_take(&client->stream, wire_padded((size_t)count * OWAMP_RECORD_SIZE));
	if (result)
		return result;
	client->records_left -= count;
	event->type = OWAMP_CLIENT_FETCH_RECORDS;
	event->records = client->records;
	event->record_count = count;
	return 1;
}

int control_client_poll_fetch(struct owamp_control_client *client, struct owamp_control_client_event *event)
{
	switch (client->state) {
	case STATE_FETCH_ACK:
		return poll_ack(client, event);
	case STATE_FETCH_REQUEST:
		return poll_request(client);
	case STATE_FETCH_SLOTS:
		return poll_slots(client, event);
	case STATE_FETCH_SKIPS:
		return poll_skips(client, event);
	default:
		return poll_records(client, event);
	}
}
