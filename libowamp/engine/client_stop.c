/* The end of test sessions: Stop-Sessions both ways, and what results are left. */
#include "client_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

/* How long a receiver may go on after the server's Stop-Sessions, beyond its Timeout. */
#define SETTLE_NS INT64_C(2000000000)

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

static int compare_items(const void *a, const void *b)
{
	const struct client_item *const *one = a, *const *other = b;

	return memcmp((*one)->result.request.sid, (*other)->result.request.sid, OWAMP_SID_SIZE);
}

static int compare_sid(const void *sid, const void *element)
{
	const struct client_item *const *item = element;

	return memcmp(sid, (*item)->result.request.sid, OWAMP_SID_SIZE);
}

/* The receivers in the order of their SIDs: there can be thousands to find. */
static struct client_item **sort_receivers(const struct owamp_client *client, size_t *count)
{
	struct client_item **receivers = calloc(client->item_count, sizeof(struct client_item *));

	*count = 0;
	if (!receivers)
		return NULL;
	for (unsigned i = 0; i < client->item_count; i++) {
		if (client->items[i]->collecting)
			receivers[(*count)++] = client->items[i];
	}
	qsort(receivers, *count, sizeof(struct client_item *), compare_items);
	return receivers;
}

/* What the server's senders say of where they ended, and the longest Timeout of theirs. */
static int keep_stops(struct owamp_client *client, const struct owamp_control_client_event *event,
		      int64_t *longest_ns)
{
	size_t count;
	struct client_item **receivers = sort_receivers(client, &count);
	int error = receivers ? 0 : OWAMP_ENOMEM;

	for (size_t i = 0; i < event->session_count && !error; i++) {
		const struct owamp_stop_session *session = &event->sessions[i];
		/* The machine has checked that the SIDs are those of our receivers. */
		struct client_item *item = *(struct client_item **)bsearch(
			session->sid, receivers, count, sizeof(struct client_item *), compare_sid);

		error = client_item_set_stop(item, session->next_seq, session->skips, session->skip_count);
		if (item->test.timeout_ns > *longest_ns)
			*longest_ns = item->test.timeout_ns;
	}
	free(receivers);
	return error;
}

void client_stop_received(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	int64_t longest = 0;

	client_expect_nothing(client);
	client->stop_received = true;
	if (keep_stops(client, event, &longest)) {
		client_done(client, OWAMP_ENOMEM, "out of memory");
		return;
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
	if (client->state == OWAMP_CLIENT_MEASURING && client->complete == client->accepted)
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
