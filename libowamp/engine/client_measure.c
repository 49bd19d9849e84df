/* Test sessions from Request-Session to Stop-Sessions. */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/crypto.h>
#include <owamp/error.h>

/* How long a receiver may go on after the server's Stop-Sessions, beyond its Timeout. */
#define SETTLE_NS INT64_C(2000000000)

static bool sends(const struct client_item *item)
{
	return item->test.direction == OWAMP_TO_SERVER;
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
		.dscp = item->test.dscp,
	};
	int error = owamp_socket_test(&item->fd, &config, port);

	if (error == OWAMP_ELIMIT)
		client_item_error(item, error, "no free test port from %u to %u", config.port_low,
				  config.port_high);
	else if (error)
		client_item_error(item, error, "opening a test socket: %s", strerror(errno));
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
	unsigned tests = 0;

	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];
		int error;

		if (item->is_fetch)
			continue;
		if (tests++ == 0)
			client_state(client, OWAMP_CLIENT_REQUESTING);
		error = request(item, now_ns);
		if (error) {
			client_item_error(item, error, "%s", owamp_error_text(error));
			client_done(client, error, "%s", item->result.reason);
			return;
		}
	}
	if (tests == 0) {
		client_fetch_next(client, 0);
		return;
	}
	client_expect(client, "Accept-Session", client->config.step_timeout_ns);
	client_flush(client);
}

static struct client_item *next_unanswered(struct owamp_client *client)
{
	unsigned tests = 0;

	for (unsigned i = 0; i < client->item_count; i++) {
		if (!client->items[i]->is_fetch && tests++ == client->answers)
			return client->items[i];
	}
	return NULL;
}

static unsigned test_count(const struct owamp_client *client)
{
	unsigned tests = 0;

	for (unsigned i = 0; i < client->item_count; i++)
		tests += !client->items[i]->is_fetch;
	return tests;
}

static void record_sink(void *context, const struct owamp_record *record)
{
	client_item_record(context, record);
}

static void receiver_finished(void *context)
{
	struct client_item *item = context;

	item->complete = true;
	client_settle(item->client);
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
	if (client->answers == test_count(client))
		all_answered(client);
	else
		client_expect(client, "Accept-Session", client->config.step_timeout_ns);
}

static bool all_complete(const struct owamp_client *client)
{
	for (unsigned i = 0; i < client->item_count; i++) {
		if (client->items[i]->accepted && !client->items[i]->complete)
			return false;
	}
	return true;
}

static void sender_complete(struct owamp_timer *timer)
{
	struct client_item *item = timer->context;

	item->complete = true;
	client_settle(item->client);
}

/* All packets left: complete when Timeout and a margin have passed (section 3.8). */
static void sender_finished(void *context)
{
	struct client_item *item = context;
	owamp_ntp now = owamp_ntp_from_unix_ns(owamp_real_ns());
	int64_t wait = owamp_ntp_diff_ns(owamp_pacer_last(item->pacing) + item->result.request.timeout, now);

	if (wait < 0)
		wait = 0;
	item->complete_timer.expired = sender_complete;
	item->complete_timer.context = item;
	(void)owamp_loop_set_timer(item->client->loop, &item->complete_timer,
				   owamp_mono_ns() + wait + item->test.end_delay_ns);
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

/* Stops the senders and says how far they came. */
void client_send_stop(struct owamp_client *client)
{
	struct owamp_stop_session *sessions;
	size_t count = 0;
	int error = OWAMP_ENOMEM;

	if (client->stop_sent)
		return;
	sessions = calloc(client->item_count, sizeof *sessions);
	if (!sessions)
		goto cleanup;
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];

		if (!item->pacing)
			continue;
		owamp_pacer_stop(item->pacing);
		owamp_loop_cancel_timer(client->loop, &item->complete_timer);
		owamp_pacer_state(item->pacing, &sessions[count]);
		error = client_item_set_stop(item, sessions[count].next_seq, sessions[count].skips,
					     sessions[count].skip_count);
		if (error)
			goto cleanup;
		count++;
	}
	error = owamp_control_client_stop(client->control, OWAMP_ACCEPT_OK, sessions, count);
	client->stop_sent = true;
cleanup:
	free(sessions);
	if (error) {
		client_done(client, error, "sending Stop-Sessions: %s", owamp_error_text(error));
		return;
	}
	client_state(client, OWAMP_CLIENT_STOPPING);
	if (!client->stop_received)
		client_expect(client, "the server's Stop-Sessions", client->config.step_timeout_ns);
	client_flush(client);
}

static struct client_item *find_receiver(struct owamp_client *client, const uint8_t sid[OWAMP_SID_SIZE])
{
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];

		if (item->collecting && memcmp(item->result.request.sid, sid, OWAMP_SID_SIZE) == 0)
			return item;
	}
	return NULL;
}

void client_stop_received(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	int64_t longest = 0;

	client_expect_nothing(client);
	client->stop_received = true;
	for (size_t i = 0; i < event->session_count; i++) {
		const struct owamp_stop_session *session = &event->sessions[i];
		struct client_item *item = find_receiver(client, session->sid);

		/* The machine has checked that the SIDs are those of our receivers. */
		if (client_item_set_stop(item, session->next_seq, session->skips, session->skip_count)) {
			client_done(client, OWAMP_ENOMEM, "out of memory");
			return;
		}
		if (item->test.timeout_ns > longest)
			longest = item->test.timeout_ns;
	}
	if (event->accept != OWAMP_ACCEPT_OK) {
		for (unsigned i = 0; i < client->item_count; i++) {
			client->items[i]->result.accept = event->accept;
			if (client->items[i]->accepted)
				client_item_error(
					client->items[i], OWAMP_EDATA,
					"the server stopped with a failure, the results are invalid: %s",
					owamp_accept_text(event->accept));
		}
	}
	client_send_stop(client);
	if (client->state == OWAMP_CLIENT_DONE)
		return;
	(void)owamp_loop_set_timer(client->loop, &client->settle_timer,
				   owamp_mono_ns() + longest + SETTLE_NS);
	client_settle(client);
}

/* The results of a receiving session as section 3.8 leaves them. stop NULL: there was none. */
static void settle_receiver(struct client_item *item, const struct owamp_stop_session *stop)
{
	uint32_t cut = 0;
	int error = owamp_collector_stop(item->collecting, stop, &cut);

	if (error == OWAMP_EDATA)
		client_item_error(
			item, error,
			"packets arrived that the sender says it never sent: the session is invalid");
	else if (error)
		client_item_error(item, error, "receiving: %s", owamp_error_text(error));
	client_item_cut(item, cut);
}

static void capture_health(struct client_item *item)
{
	struct owamp_result *result = &item->result;

	owamp_clock_read(owamp_engine_clock(item->client->engine), &result->clock);
	if (item->pacing) {
		result->has_send_health = true;
		owamp_pacer_health(item->pacing, &result->send_health);
		owamp_pacer_end(item->pacing);
		item->pacing = NULL;
	}
	if (item->collecting) {
		result->has_receive_health = true;
		owamp_collector_health(item->collecting, &result->receive_health);
		owamp_collector_end(item->collecting);
		item->collecting = NULL;
	}
	if (item->fd >= 0)
		close(item->fd);
	item->fd = -1;
}

/*
 * The sender reached its end, but by our clock packets may still be on their
 * way: until then the server's Stop-Sessions is taken as not yet read, so that
 * a clock that is behind costs no records.
 */
static bool may_still_arrive(const struct client_item *item)
{
	return item->collecting && !item->complete && item->result.next_seq == item->result.request.packets &&
	       item->client->settle_timer.due.place != 0;
}

/* Called whenever something changed: goes on to stop, settle and fetch when that is possible. */
void client_settle(struct owamp_client *client)
{
	if (client->state == OWAMP_CLIENT_MEASURING && all_complete(client))
		client_send_stop(client);
	if (client->state != OWAMP_CLIENT_STOPPING || !client->stop_sent || !client->stop_received)
		return;
	for (unsigned i = 0; i < client->item_count; i++) {
		if (may_still_arrive(client->items[i]))
			return;
	}
	owamp_loop_cancel_timer(client->loop, &client->settle_timer);
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];

		if (item->collecting) {
			struct owamp_stop_session stop = {
				.next_seq = item->result.next_seq,
				.skip_count = item->result.skip_count,
				.skips = item->skips,
			};

			settle_receiver(item, &stop);
			capture_health(item);
			client_item_check_complete(item);
			item->settled = true;
		}
		capture_health(item);
	}
	client_fetch_next(client, 0);
}

void client_settle_rest(struct owamp_client *client, int error, const char *reason)
{
	for (unsigned i = 0; i < client->item_count; i++) {
		struct client_item *item = client->items[i];

		if (item->settled)
			continue;
		item->settled = true;
		if (item->collecting) {
			settle_receiver(item, NULL);
		} else {
			/* What was fetched is not authenticated; without it what we sent is neither lost nor
			 * not. */
			item->record_count = 0;
			item->result.stopped = false;
			item->result.next_seq = 0;
			item->result.skip_count = 0;
		}
		client_item_error(item, error, "%s", reason);
		capture_health(item);
		client_item_check_complete(item);
	}
}
