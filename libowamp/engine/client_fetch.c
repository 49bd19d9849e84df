/* Results from the server: of the sessions we sent, and of older ones. */
#include "client_internal.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>

static bool wants_fetch(const struct client_item *item)
{
	return !item->settled &&
	       (item->is_fetch || (item->accepted && item->test.direction == OWAMP_TO_SERVER));
}

void client_fetch_next(struct owamp_client *client, unsigned from)
{
	for (unsigned i = from; i < client->item_count; i++) {
		struct client_item *item = client->items[i];
		uint32_t begin = item->is_fetch ? item->begin_seq : 0;
		uint32_t end = item->is_fetch ? item->end_seq : UINT32_MAX;

		if (!wants_fetch(item))
			continue;
		client_state(client, OWAMP_CLIENT_FETCHING);
		client->fetching = i;
		if (owamp_control_client_fetch(client->control, item->result.request.sid, begin, end)) {
			client_done(client, OWAMP_ESTATE, "could not send Fetch-Session");
			return;
		}
		client_expect(client, "the session's data",
			      client->config.step_timeout_ns + item->test.timeout_ns);
		client_flush(client);
		return;
	}
	client_done(client, 0, "finished");
}

/* The result of a fetch describes itself; that of our own test is known better. */
static int take_request(struct client_item *item, const struct owamp_request *request)
{
	struct owamp_result *result = &item->result;

	if (!item->is_fetch)
		return 0;
	item->slots = calloc((size_t)request->slot_count + 1, sizeof *item->slots);
	if (!item->slots)
		return OWAMP_ENOMEM;
	memcpy(item->slots, request->slots, request->slot_count * sizeof *item->slots);
	result->request = *request;
	result->request.slots = item->slots;
	/* What was asked for names the session; a server that is the receiver may leave the field unused. */
	memcpy(result->request.sid, item->sid, OWAMP_SID_SIZE);
	result->direction =
		request->conf_sender && !request->conf_receiver ? OWAMP_FROM_SERVER : OWAMP_TO_SERVER;
	result->mode = item->client->mode;
	owamp_address_from_request(request->ipvn, request->sender_address, request->sender_port,
				   &result->sender);
	owamp_address_from_request(request->ipvn, request->receiver_address, request->receiver_port,
				   &result->receiver);
	client_add_zone(item->client, &result->sender);
	client_add_zone(item->client, &result->receiver);
	return 0;
}

/* A server may send duplicates, but not without end: they are not authenticated yet. */
static bool too_many_records(const struct client_item *item, const struct owamp_request *request)
{
	return item->record_total > 4 * (uint64_t)request->packets + 1024;
}

static void fetch_ack(struct client_item *item, const struct owamp_control_client_event *event)
{
	if (event->accept != OWAMP_ACCEPT_OK) {
		item->result.accept = event->accept;
		client_item_error(item, OWAMP_EREFUSED, "the server refused the fetch: %s",
				  owamp_accept_text(event->accept));
		item->settled = true;
		client_fetch_next(item->client, item->client->fetching + 1);
		return;
	}
	item->record_total = event->record_total;
	if (item->is_fetch) {
		item->result.stopped = event->finished;
		item->result.next_seq = event->next_seq;
	}
	client_expect(item->client, "the session's data", item->client->config.step_timeout_ns);
}

static void fetch_done(struct client_item *item)
{
	bool whole = !item->is_fetch || (item->begin_seq == 0 && item->end_seq == UINT32_MAX);

	/* A range of a session is complete as it is. */
	if (whole && item->is_fetch && !item->result.stopped)
		client_item_error(item, OWAMP_EPARTIAL, "the session has not finished");
	if (whole) {
		client_item_check_complete(item);
	} else {
		item->result.records = item->records;
		item->result.record_count = item->record_count;
		if (item->out_of_memory)
			client_item_error(item, OWAMP_ENOMEM, "out of memory after %u records",
					  item->record_count);
	}
	item->settled = true;
	client_fetch_next(item->client, item->client->fetching + 1);
}

void client_fetch_event(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	struct client_item *item = client->items[client->fetching];
	int error = 0;

	switch (event->type) {
	case OWAMP_CLIENT_FETCH_ACK:
		fetch_ack(item, event);
		break;
	case OWAMP_CLIENT_FETCH_REQUEST:
		error = too_many_records(item, item->is_fetch ? event->request : &item->result.request)
				? OWAMP_ELIMIT
				: take_request(item, event->request);
		break;
	case OWAMP_CLIENT_FETCH_SKIPS:
		if (item->is_fetch && item->result.stopped)
			error = client_item_set_stop(item, item->result.next_seq, event->skips,
						     (uint32_t)event->skip_count);
		break;
	case OWAMP_CLIENT_FETCH_RECORDS:
		for (size_t i = 0; i < event->record_count; i++)
			client_item_record(item, &event->records[i]);
		client_expect(client, "the session's data", client->config.step_timeout_ns);
		break;
	case OWAMP_CLIENT_FETCH_DONE:
		fetch_done(item);
		break;
	default:
		break;
	}
	if (error)
		client_done(client, error, "fetching: %s", owamp_error_text(error));
}
