#include "client_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <owamp/error.h>

#define DEFAULT_STEP_TIMEOUT_NS INT64_C(10000000000)
#define DEFAULT_COUNT_MAX       65536
#define SKIPS_MAX               (1 << 22)
#define SLOTS_MAX               (1 << 20)
#define READ_SIZE               65536

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void step_expired(struct owamp_timer *timer)
{
	struct owamp_client *client = timer->context;

	if (client->connected)
		client_done(client, OWAMP_ETIMEOUT, "no answer in time while waiting for %s", client->step);
	else
		client_connect_timed_out(client);
}

static void settle_expired(struct owamp_timer *timer)
{
	client_settle(timer->context);
}

int owamp_client_new(struct owamp_client **client, struct owamp_engine *engine,
		     const struct owamp_client_config *config, const struct owamp_client_callbacks *callbacks)
{
	const struct owamp_control_client_config control = {.skips_max = SKIPS_MAX, .slots_max = SLOTS_MAX};
	struct owamp_client *c;

	*client = NULL;
	if (!config->host || !(config->modes & OWAMP_MODE_MASK) ||
	    (config->modes & ~(uint32_t)OWAMP_MODE_OPEN & OWAMP_MODE_MASK &&
	     (!config->key_id || !config->secret)))
		return OWAMP_EINVAL;
	c = calloc(1, sizeof *c);
	if (!c)
		return OWAMP_ENOMEM;
	c->engine = engine;
	c->loop = owamp_engine_loop(engine);
	c->callbacks = *callbacks;
	c->fd = -1;
	c->step_timer = (struct owamp_timer){.expired = step_expired, .context = c};
	c->settle_timer = (struct owamp_timer){.expired = settle_expired, .context = c};
	c->config = *config;
	if (c->config.port == 0)
		c->config.port = OWAMP_PORT;
	if (c->config.pbkdf2_count_max == 0)
		c->config.pbkdf2_count_max = DEFAULT_COUNT_MAX;
	if (c->config.step_timeout_ns == 0)
		c->config.step_timeout_ns = DEFAULT_STEP_TIMEOUT_NS;
	if (c->config.preference[0] == 0) {
		c->config.preference[0] = OWAMP_MODE_ENCRYPTED;
		c->config.preference[1] = OWAMP_MODE_AUTHENTICATED;
		c->config.preference[2] = OWAMP_MODE_OPEN;
	}
	snprintf(c->service, sizeof c->service, "%u", c->config.port);
	c->config.host = copy(config->host);
	c->config.source = copy(config->source);
	c->config.interface = copy(config->interface);
	c->config.key_id = copy(config->key_id);
	if (config->secret) {
		c->secret = malloc(config->secret_size + 1);
		if (c->secret)
			memcpy(c->secret, config->secret, config->secret_size);
	}
	c->config.secret = c->secret;
	if (!c->config.host || !c->config.source != !config->source ||
	    !c->config.interface != !config->interface || !c->config.key_id != !config->key_id ||
	    !c->secret != !config->secret || owamp_control_client_new(&c->control, &control)) {
		owamp_client_free(c);
		return OWAMP_ENOMEM;
	}
	*client = c;
	return 0;
}

static void close_connection(struct owamp_client *client)
{
	if (client->fd < 0)
		return;
	owamp_loop_unwatch(client->loop, &client->watch);
	close(client->fd);
	client->fd = -1;
	client->connected = false;
}

static void destroy(struct owamp_client *client)
{
	for (unsigned i = 0; i < client->item_count; i++)
		client_item_free(client->items[i]);
	free(client->items);
	if (client->addresses)
		freeaddrinfo(client->addresses);
	owamp_control_client_free(client->control);
	free((char *)client->config.host);
	free((char *)client->config.source);
	free((char *)client->config.interface);
	free((char *)client->config.key_id);
	if (client->secret)
		owamp_wipe(client->secret, client->config.secret_size);
	free(client->secret);
	owamp_wipe(client->key, sizeof client->key);
	free(client);
}

void owamp_client_free(struct owamp_client *client)
{
	if (!client)
		return;
	owamp_loop_cancel_timer(client->loop, &client->step_timer);
	owamp_loop_cancel_timer(client->loop, &client->settle_timer);
	owamp_loop_unpost(client->loop, &client->done_post);
	close_connection(client);
	/* The worker still uses the object: its completion frees it. */
	if (client->job_running)
		client->freed_in_job = true;
	else
		destroy(client);
}

static void job_done(struct owamp_job *job)
{
	struct owamp_client *client = job->context;

	client->job_running = false;
	if (client->freed_in_job)
		destroy(client);
	else if (client->state != OWAMP_CLIENT_DONE)
		client->job_then(client);
}

void client_submit(struct owamp_client *client, void (*work)(struct owamp_job *job),
		   void (*then)(struct owamp_client *client))
{
	client->job = (struct owamp_job){.work = work, .done = job_done, .context = client};
	client->job_then = then;
	if (owamp_worker_submit(owamp_engine_worker(client->engine), &client->job))
		client_done(client, OWAMP_ELIMIT, "too much work is waiting in this process");
	else
		client->job_running = true;
}

void client_state(struct owamp_client *client, enum owamp_client_state state)
{
	client->state = state;
	if (client->callbacks.state)
		client->callbacks.state(client->callbacks.context, state);
}

void client_expect(struct owamp_client *client, const char *step, int64_t timeout_ns)
{
	client->step = step;
	(void)owamp_loop_set_timer(client->loop, &client->step_timer, owamp_mono_ns() + timeout_ns);
}

void client_expect_nothing(struct owamp_client *client)
{
	owamp_loop_cancel_timer(client->loop, &client->step_timer);
}

static void call_done(struct owamp_post *post)
{
	struct owamp_client *client = post->context;

	client->callbacks.done(client->callbacks.context, client->done_error, client->done_reason);
}

/* The callback comes from the loop: it may free the client, which callers here still look at. */
void client_done(struct owamp_client *client, int error, const char *format, ...)
{
	va_list arguments;

	if (client->state == OWAMP_CLIENT_DONE)
		return;
	va_start(arguments, format);
	vsnprintf(client->done_reason, sizeof client->done_reason, format, arguments);
	va_end(arguments);
	client->done_error = error;
	client_expect_nothing(client);
	owamp_loop_cancel_timer(client->loop, &client->settle_timer);
	close_connection(client);
	client_settle_rest(client, error ? error : OWAMP_ECLOSED, client->done_reason);
	client_state(client, OWAMP_CLIENT_DONE);
	client->done_post = (struct owamp_post){.call = call_done, .context = client};
	owamp_loop_post(client->loop, &client->done_post);
}

void client_flush(struct owamp_client *client)
{
	const uint8_t *octets;
	size_t size;
	ssize_t sent;

	if (client->fd < 0 || !client->connected)
		return;
	for (;;) {
		octets = owamp_control_client_output(client->control, &size);
		if (size == 0)
			break;
		sent = send(client->fd, octets, size, MSG_NOSIGNAL);
		if (sent < 0) {
			/* A broken connection is reported when it is read from. */
			if (errno == EAGAIN)
				(void)owamp_loop_rewatch(client->loop, &client->watch, EPOLLIN | EPOLLOUT);
			return;
		}
		owamp_control_client_sent(client->control, (size_t)sent);
	}
	(void)owamp_loop_rewatch(client->loop, &client->watch, EPOLLIN);
}

static void setup_done(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	if (event->accept != OWAMP_ACCEPT_OK) {
		if (client->mode != OWAMP_MODE_OPEN && event->accept == OWAMP_ACCEPT_FAILURE)
			client_done(client, OWAMP_EAUTH,
				    "the server refused user \"%s\" (unknown user or wrong key)",
				    client->config.key_id);
		else
			client_done(client, OWAMP_EREFUSED, "the server refused the connection: %s",
				    owamp_accept_text(event->accept));
		return;
	}
	client->server_start_ns = owamp_ntp_to_unix_ns(event->server_start_time, owamp_real_ns());
	client_expect_nothing(client);
	client_request_all(client);
}

static void handle_event(struct owamp_client *client, const struct owamp_control_client_event *event)
{
	switch (event->type) {
	case OWAMP_CLIENT_GREETING:
		client_greeting(client, event);
		break;
	case OWAMP_CLIENT_SETUP_DONE:
		setup_done(client, event);
		break;
	case OWAMP_CLIENT_ACCEPT_SESSION:
		client_accept_session(client, event);
		break;
	case OWAMP_CLIENT_START_ACK:
		client_start_ack(client, event);
		break;
	case OWAMP_CLIENT_STOP:
		client_stop_received(client, event);
		break;
	default:
		client_fetch_event(client, event);
	}
}

/* Handles what the machine has understood. False: the client is done. */
static bool handle_events(struct owamp_client *client)
{
	struct owamp_control_client_event event;
	int result;

	while ((result = owamp_control_client_poll(client->control, &event)) > 0) {
		handle_event(client, &event);
		if (client->state == OWAMP_CLIENT_DONE)
			return false;
	}
	client_flush(client);
	if (result < 0) {
		client_done(client, result, "%s", owamp_control_client_reason(client->control));
		return false;
	}
	return true;
}

static void connection_ready(struct owamp_watch *watch, uint32_t events)
{
	struct owamp_client *client = watch->context;
	static _Thread_local uint8_t buffer[READ_SIZE];
	ssize_t size;

	if (!client->connected) {
		client_connect_result(client);
		return;
	}
	if (events & EPOLLOUT)
		client_flush(client);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	size = recv(client->fd, buffer, sizeof buffer, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size > 0 && owamp_control_client_input(client->control, buffer, (size_t)size) == 0) {
		(void)handle_events(client);
		return;
	}
	if (size > 0)
		client_done(client, OWAMP_ENOMEM, "out of memory");
	else if (size == 0)
		client_done(client, OWAMP_ECLOSED, "the server closed the control connection");
	else
		client_done(client, OWAMP_ESYSTEM, "control connection: %s", strerror(errno));
}

static struct client_item *add_item(struct owamp_client *client)
{
	struct client_item **larger, *item;

	larger = realloc(client->items, (client->item_count + 1) * sizeof *larger);
	if (!larger)
		return NULL;
	client->items = larger;
	item = calloc(1, sizeof *item);
	if (!item)
		return NULL;
	item->client = client;
	item->fd = -1;
	client->items[client->item_count++] = item;
	return item;
}

int owamp_client_add_test(struct owamp_client *client, const struct owamp_test_config *test)
{
	struct client_item *item;

	if (client->started || test->packets == 0 || test->slot_count == 0 ||
	    test->port_low > test->port_high || test->dscp > 63 || test->timeout_ns < 0)
		return OWAMP_EINVAL;
	item = add_item(client);
	if (!item)
		return OWAMP_ENOMEM;
	item->test = *test;
	if (item->test.start_delay_ns == 0)
		item->test.start_delay_ns = 1000000000;
	if (item->test.end_delay_ns == 0)
		item->test.end_delay_ns = 500000000;
	item->slots = calloc(test->slot_count, sizeof *item->slots);
	if (!item->slots)
		return OWAMP_ENOMEM;
	memcpy(item->slots, test->slots, test->slot_count * sizeof *item->slots);
	item->test.slots = item->slots;
	item->result.direction = test->direction;
	client->tests++;
	return (int)client->item_count - 1;
}

int owamp_client_add_fetch(struct owamp_client *client, const uint8_t sid[OWAMP_SID_SIZE], uint32_t begin_seq,
			   uint32_t end_seq)
{
	struct client_item *item;

	if (client->started || begin_seq > end_seq)
		return OWAMP_EINVAL;
	item = add_item(client);
	if (!item)
		return OWAMP_ENOMEM;
	item->is_fetch = true;
	memcpy(item->sid, sid, OWAMP_SID_SIZE);
	memcpy(item->result.request.sid, sid, OWAMP_SID_SIZE);
	item->begin_seq = begin_seq;
	item->end_seq = end_seq;
	return (int)client->item_count - 1;
}

int owamp_client_start(struct owamp_client *client)
{
	if (client->started)
		return OWAMP_ESTATE;
	client->started = true;
	client->watch = (struct owamp_watch){.fd = -1, .ready = connection_ready, .context = client};
	client_state(client, OWAMP_CLIENT_CONNECTING);
	client_resolve(client);
	return 0;
}

void owamp_client_stop(struct owamp_client *client)
{
	bool again = client->stopping;

	client->stopping = true;
	if (client->state == OWAMP_CLIENT_MEASURING && !again)
		client_send_stop(client);
	else if (client->state != OWAMP_CLIENT_STOPPING || again)
		client_done(client, OWAMP_EPARTIAL, "interrupted");
}

unsigned owamp_client_result_count(const struct owamp_client *client)
{
	return client->item_count;
}

const struct owamp_result *owamp_client_result(const struct owamp_client *client, unsigned index)
{
	return index < client->item_count ? &client->items[index]->result : NULL;
}

void owamp_client_progress(struct owamp_client *client, unsigned index,
			   struct owamp_client_progress *progress)
{
	struct client_item *item = index < client->item_count ? client->items[index] : NULL;

	*progress = (struct owamp_client_progress){0};
	if (item && item->pacing) {
		struct owamp_send_health health;

		owamp_pacer_health(item->pacing, &health);
		progress->sent = health.sent;
	} else if (item && item->collecting) {
		struct owamp_receive_health health;

		owamp_collector_health(item->collecting, &health);
		progress->received = health.counters.results[OWAMP_RECEIVE_OK] - health.counters.duplicates;
		progress->lost = health.counters.lost;
		progress->sent = progress->received + progress->lost + health.counters.dropped;
		progress->delay_known = item->delay_known;
		progress->delay_ns = item->last_delay_ns;
	}
}

uint32_t owamp_client_mode(const struct owamp_client *client)
{
	return client->mode;
}

const struct sockaddr *owamp_client_peer(const struct owamp_client *client)
{
	return client->peer.ss_family ? (const struct sockaddr *)&client->peer : NULL;
}

int64_t owamp_client_server_start(const struct owamp_client *client)
{
	return client->server_start_ns;
}
