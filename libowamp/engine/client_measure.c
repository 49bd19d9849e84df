/* Test sessions from Request-Session until they run. */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/crypto.h>
#include <owamp/error.h>
#include <owamp/schedule.h>

static bool sends(const struct client_item *item)
{
	return item->test.direction == OWAMP_TO_SERVER;
}

/*
 * For the busiest half second of the schedule, the time that owamp_receive_buffer()
 * has in mind, and not for more packets than there are.
 */
static uint32_t receive_buffer(const struct client_item *item)
{
	uint32_t peak = owamp_schedule_peak(item->slots, item->test.slot_count, OWAMP_SECOND / 2);
	bool open = item->client->mode == OWAMP_MODE_OPEN;

	if (peak > item->test.packets)
		peak = item->test.packets;
	return owamp_receive_buffer(2.0 * peak,
				    item->test.padding + (open ? OWAMP_PACKET_OPEN : OWAMP_PACKET_SECURE));
}

static int open_socket(struct client_item *item, uint16_t *port)
{
	struct owamp_client *client = item->client;
	struct owamp_test_socket_config config = {
		.local = (const struct sockaddr *)&client->local,
		.port_low = item->test.port_low,
		.port_high = item->test.port_high,
		.interface = client->config.interface,
		.receive = !sends(item),
		.receive_buffer = receive_buffer(item),
		.dscp = item->test.dscp,
	};
	int error = owamp_socket_test(&item->fd, &config, port);

	if (error == OWAMP_ELIMIT)
		client_item_error(item, error, "no free test port from %u to %u", config.port_low,
				  config.port_high);
	else if (error)
		client_item_error(item, error, "opening a test socket: %s", strerror(errno));
	if (error == 0 && config.receive) {
		item->result.receive_buffer_wanted = config.receive_buffer;
		item->result.receive_buffer_octets = owamp_socket_receive_buffer(item->fd);
	}
	return error;
}

static int request(struct client_item *item, int64_t now_ns)
{
	struct owamp_client *client = item->client;
	struct owamp_request *request = &item->result.request;
	uint8_t local[16], peer[16];
	uint16_t port;
	int error;

	*request = (struct owamp_request){
		.ipvn = (uint8_t)owamp_address_to_request((const struct sockaddr *)&client->local, local),
		.conf_sender = !sends(item),
		.conf_receiver = sends(item),
		.packets = item->test.packets,
		.padding = item->test.padding,
		.start = owamp_ntp_from_unix_ns(now_ns + item->test.start_delay_ns),
		.timeout = owamp_interval_from_ns((uint64_t)item->test.timeout_ns),
		.type_p = owamp_type_p_from_dscp(item->test.dscp),
		.slot_count = item->test.slot_count,
		.slots = item->slots,
	};
	(void)owamp_address_to_request((const struct sockaddr *)&client->peer, peer);
	memcpy(request->sender_address, sends(item) ? local : peer, 16);
	memcpy(request->receiver_address, sends(item) ? peer : local, 16);
	item->result.mode = client->mode;
	error = open_socket(item, &port);
	if (error)
		return error;
	if (sends(item)) {
		request->sender_port = port;
	} else {
		request->receiver_port = port;
		error = owamp_make_sid((const struct sockaddr *)&client->local, request->sid);
		if (error)
			return error;
	}
	return owamp_control_client_request(client->control, request);
}

void client_request_all(struct owamp_client *client)
{
	int64_t now_ns = owamp_real_ns();

	if (client->tests == 0) {
		client_fetch_next(client, 0);
		return;
	}
	client_state(client, OWAMP_CLIENT_REQUESTING);
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];
		int error;

		if (item->is_fetch)
			continue;
		error = request(item, now_ns);
		if (error) {
			client_item_error(item, error, "%s", owamp_error_text(error));
			client_done(client, error, "%s", item->result.reason);
			return;
		}
	}
	client_expect(client, "Accept-Session", client->config.step_timeout_ns);
	client_flush(client);
}

/* Answers come in the order of the requests; the machine lets no other through. */
static struct client_item *next_unanswered(struct owamp_client *client)
{
	while (client->items[client->unanswered]->is_fetch)
		client->unanswered++;
	return client->items[client->unanswered++];
}

static void complete(struct client_item *item)
{
	item->complete = true;
	item->client->complete++;
	client_settle(item->client);
}

static void record_sink(void *context, const struct owamp_record *record)
{
	client_item_record(context, record);
}

static void receiver_finished(void *context)
{
	complete(context);
}

static int start_receiver(struct client_item *item)
{
	struct owamp_client *client = item->client;
	const struct owamp_receiver_config config = {
		.mode = client->mode,
		.request = &item->result.request,
		.control_keys = owamp_control_client_keys(client->control),
	};
	struct owamp_receiver *receiver;
	int error = owamp_receiver_new(&receiver, &config, record_sink, item);

	if (error)
		return error;
	error = owamp_collector_start(owamp_engine_collector(client->engine), receiver, item->fd,
				      (const struct sockaddr *)&item->result.sender, receiver_finished, item,
				      &item->collecting);
	if (error)
		owamp_receiver_free(receiver);
	return error;
}

static int accepted(struct client_item *item, const struct owamp_control_client_event *event)
{
	struct owamp_client *client = item->client;
	struct owamp_request *request = &item->result.request;

	item->accepted = true;
	client->accepted++;
	memcpy(request->sid, event->sid, OWAMP_SID_SIZE);
	if (sends(item))
		request->receiver_port = event->port;
	else
		request->sender_port = event->port;
	owamp_address_from_request(request->ipvn, request->sender_address, request->sender_port,
				   &item->result.sender);
	owamp_address_from_request(request->ipvn, request->receiver_address, request->receiver_port,
				   &item->result.receiver);
	client_add_zone(client, &item->result.sender);
	client_add_zone(client, &item->result.receiver);
	if (event->port == 0)
		return OWAMP_EPROTO;
	if (!sends(item))
		return start_receiver(item);
	/* The peer's address as the control connection has it, with its zone. */
	item->result.receiver = client->peer;
	owamp_address_set_port((struct sockaddr *)&item->result.receiver, event->port);
	if (connect(item->fd, (const struct sockaddr *)&item->result.receiver,
		    owamp_address_size((const struct sockaddr *)&item->result.receiver)))
		return OWAMP_ESYSTEM;
	return 0;
}

static void all_answered(struct owamp_client *client)
{
	client_expect_nothing(client);
	if (client->accepted == 0) {
		client_fetch_next(client, 0);
		return;
	}
	if (owamp_control_client_start(client->control)) {
		client_done(client, OWAMP_ESTATE, "could not send Start-Sessions");
		return;
	}
	client_expect(client, "Start-Ack", client->config.step_timeout_ns);
	client_flush(client);
}

void client_accept_session(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	struct client_item *item = next_unanswered(client);
	int error = 0;

	client->answers++;
	if (event->accept == OWAMP_ACCEPT_OK) {
		error = accepted(item, event);
	} else {
		item->result.accept = event->accept;
		client_item_error(item, OWAMP_EREFUSED, "the server refused the session: %s",
				  owamp_accept_text(event->accept));
		item->settled = true;
	}
	if (error) {
		client_done(client, error, "setting a session up: %s",
			    error == OWAMP_ESYSTEM ? strerror(errno) : owamp_error_text(error));
		return;
	}
	if (client->answers == client->tests)
		all_answered(client);
	else
		client_expect(client, "Accept-Session", client->config.step_timeout_ns);
}

static void sender_complete(struct owamp_timer *timer)
{
	complete(timer->context);
}

/* All packets left: complete when Timeout and a margin have passed (section 3.8). */
static void sender_finished(void *context)
{
	struct client_item *item = context;
	int64_t over = owamp_pacer_last_mono_ns(item->pacing) + item->test.timeout_ns;
	int64_t now = owamp_mono_ns();

	item->complete_timer.expired = sender_complete;
	item->complete_timer.context = item;
	(void)owamp_loop_set_timer(item->client->loop, &item->complete_timer,
				   (over > now ? over : now) + item->test.end_delay_ns);
}

static int start_sender(struct client_item *item)
{
	struct owamp_client *client = item->client;
	struct owamp_sender_config config = {
		.mode = client->mode,
		.request = &item->result.request,
		.control_keys = owamp_control_client_keys(client->control),
		.zero_padding = item->test.zero_padding,
	};
	struct owamp_sender *sender;
	int error = owamp_random(config.padding_seed, sizeof config.padding_seed);

	if (!error)
		error = owamp_sender_new(&sender, &config);
	if (error)
		return error;
	error = owamp_pacer_start(owamp_engine_pacer(client->engine), sender, item->fd, sender_finished, item,
				  &item->pacing);
	if (error)
		owamp_sender_free(sender);
	return error;
}

void client_start_ack(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	client_expect_nothing(client);
	if (event->accept != OWAMP_ACCEPT_OK) {
		client_done(client, OWAMP_EREFUSED, "the server refused to start: %s",
			    owamp_accept_text(event->accept));
		return;
	}
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];
		int error = item->accepted && sends(item) ? start_sender(item) : 0;

		if (error) {
			client_done(client, error, "starting to send: %s", owamp_error_text(error));
			return;
		}
	}
	client_state(client, OWAMP_CLIENT_MEASURING);
	if (client->stopping)
		client_send_stop(client);
}
