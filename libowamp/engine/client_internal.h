/*
 * The client's parts: client.c (life and the control connection's octets),
 * client_setup.c (resolving, connecting, authenticating), client_measure.c
 * (requesting to measuring), client_stop.c (stopping), client_fetch.c,
 * client_result.c.
 */
#ifndef ENGINE_CLIENT_INTERNAL_H
#define ENGINE_CLIENT_INTERNAL_H

#include <netdb.h>
#include <stdatomic.h>

#include <owamp/client.h>
#include <owamp/control_client.h>
#include <owamp/socket.h>
#include <owamp/worker.h>

/* One test session or one fetch; in the order they were added. */
struct client_item {
	struct owamp_client *client;
	bool is_fetch;
	uint32_t begin_seq; /* of a fetch */
	uint32_t end_seq;
	uint32_t record_total; /* the server announced */
	uint8_t sid[OWAMP_SID_SIZE];

	struct owamp_test_config test;
	int fd;
	bool accepted;
	bool complete; /* sender: last + Timeout + end delay has passed; receiver: complete */
	bool settled;  /* nothing more will change: records and stop data are final */
	struct owamp_pacer_session *pacing;
	struct owamp_collector_session *collecting;
	struct owamp_timer complete_timer;
	_Atomic int64_t last_delay_ns;
	atomic_bool delay_known;

	struct owamp_result result;
	struct owamp_record *records; /* what result.records shows */
	uint32_t record_count;
	uint32_t record_capacity;
	atomic_bool out_of_memory;
	struct owamp_skip_range *skips; /* what result.skips shows */
	struct owamp_slot *slots;       /* of result.request */
};

struct owamp_client {
	struct owamp_engine *engine;
	struct owamp_loop *loop;
	struct owamp_client_config config; /* strings are copies */
	char service[8];
	uint8_t *secret;
	struct owamp_client_callbacks callbacks;
	enum owamp_client_state state;
	bool started;
	bool stopping; /* the user asked */
	bool freed_in_job;

	struct owamp_job job; /* resolving, key derivation: one at a time */
	void (*job_then)(struct owamp_client *client);
	bool job_running;
	struct addrinfo *addresses, *address;
	int resolve_error;
	int job_error;
	uint8_t salt[16];
	uint32_t pbkdf2_count;
	uint8_t key[OWAMP_AES_KEY_SIZE];

	int fd;
	bool connected;
	struct owamp_watch watch;
	struct owamp_timer step_timer;
	struct owamp_timer settle_timer;
	struct owamp_post done_post;
	int done_error;
	char done_reason[256];
	const char *step; /* what is being waited for, for messages */
	struct owamp_control_client *control;
	struct sockaddr_storage local, peer;
	uint32_t mode;
	int64_t server_start_ns;

	struct client_item **items;
	unsigned item_count;
	unsigned tests;      /* items that are not fetches */
	unsigned answers;    /* Accept-Session messages received */
	unsigned unanswered; /* no item before this one waits for such a message */
	unsigned accepted;   /* tests */
	unsigned complete;   /* of those accepted */
	bool stop_sent;
	bool stop_received;
	unsigned fetching; /* item whose data is coming */
};

/* client.c */
void client_done(struct owamp_client *client, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void client_state(struct owamp_client *client, enum owamp_client_state state);
void client_expect(struct owamp_client *client, const char *step,
		   int64_t timeout_ns); /* starts the step timer */
void client_expect_nothing(struct owamp_client *client);
void client_flush(struct owamp_client *client); /* sends what the machine has written */
/* work on the worker's thread, then on the loop's, unless the client is done or gone by then. */
void client_submit(struct owamp_client *client, void (*work)(struct owamp_job *job),
		   void (*then)(struct owamp_client *client));

/* client_setup.c */
void client_resolve(struct owamp_client *client);
void client_connect_result(struct owamp_client *client);
void client_connect_timed_out(struct owamp_client *client);
void client_greeting(struct owamp_client *client, const struct owamp_control_client_event *event);

/* client_measure.c */
void client_request_all(struct owamp_client *client);
void client_accept_session(struct owamp_client *client, const struct owamp_control_client_event *event);
void client_start_ack(struct owamp_client *client, const struct owamp_control_client_event *event);

/* client_stop.c */
void client_send_stop(struct owamp_client *client);
void client_stop_received(struct owamp_client *client, const struct owamp_control_client_event *event);
void client_settle(struct owamp_client *client);
/* Ends what is not settled: keeps what section 3.8 allows without a Stop-Sessions. */
void client_settle_rest(struct owamp_client *client, int error, const char *reason);

/* client_fetch.c */
void client_fetch_next(struct owamp_client *client, unsigned from);
void client_fetch_event(struct owamp_client *client, const struct owamp_control_client_event *event);

/* client_result.c */
void client_item_error(struct client_item *item, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Appends; on failure marks the item. Any thread, one at a time. */
void client_item_record(struct client_item *item, const struct owamp_record *record);
void client_item_cut(struct client_item *item, uint32_t cut); /* drops records with seq >= cut */
int client_item_set_stop(struct client_item *item, uint32_t next_seq, const struct owamp_skip_range *skips,
			 uint32_t skip_count);
void client_item_check_complete(struct client_item *item);
/* A link-local address means nothing without its zone, which those of the control connection have. */
void client_add_zone(const struct owamp_client *client, struct sockaddr_storage *address);
void client_item_free(struct client_item *item);

#endif
