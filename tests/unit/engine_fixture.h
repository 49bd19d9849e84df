/*
 * A pacer and a collector with a pair of loopback sockets, and a clock whose
 * error is known: none. So an error estimate shows what the act of stamping adds.
 */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include "packet_wire.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include <owamp/collector.h>
#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/loop.h>
#include <owamp/pacer.h>
#include <owamp/socket.h>

#include "perfect_clock.h"

#define MS       INT64_C(1000000)
#define PATIENCE (30000 * MS)

#define RECORDS 2048

struct link {
	struct owamp_engine *engine;
	struct owamp_loop *loop;
	struct owamp_timer guard;
	int sender_fd;   /* connected to the receiver */
	int receiver_fd; /* with kernel timestamps */
	struct sockaddr_in sender_address, receiver_address;
	struct owamp_slot slot;
	struct owamp_request request;
	uint32_t mode;

	struct owamp_pacer_session *pacing;
	struct owamp_collector_session *collecting;
	int sender_finished, receiver_finished;
	int64_t receiver_finished_at; /* CLOCK_REALTIME */
	int quit_at;                  /* so many callbacks end the loop */
	struct owamp_record records[RECORDS];
	atomic_uint record_count;
};

static inline void link_never(struct owamp_timer *timer)
{
	(void)timer;
	fail_msg("not done in time");
}

static inline int link_socket(struct link *link, bool receive, struct sockaddr_in *address)
{
	struct owamp_test_socket_config config = {.local = (struct sockaddr *)address, .receive = receive};
	uint16_t port;
	int fd;

	(void)link;
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(owamp_socket_test(&fd, &config, &port), 0);
	address->sin_port = htons(port);
	return fd;
}

/* config NULL: nothing out of the ordinary. */
static inline int link_set_up_with(void **state, const struct owamp_engine_config *config)
{
	const struct owamp_engine_config ordinary = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine_config wanted = config ? *config : ordinary;
	struct link *link = calloc(1, sizeof *link);
	char error[200];

	assert_non_null(link);
	wanted.clock = perfect_config();
	if (owamp_engine_new(&link->engine, &wanted, error, sizeof error))
		fail_msg("no engine: %s", error);
	link->loop = owamp_engine_loop(link->engine);
	link->guard.expired = link_never;
	assert_int_equal(owamp_loop_set_timer(link->loop, &link->guard, owamp_mono_ns() + PATIENCE), 0);
	link->mode = OWAMP_MODE_OPEN;
	link->sender_fd = link_socket(link, false, &link->sender_address);
	link->receiver_fd = link_socket(link, true, &link->receiver_address);
	assert_int_equal(connect(link->sender_fd, (struct sockaddr *)&link->receiver_address,
				 sizeof link->receiver_address),
			 0);
	*state = link;
	return 0;
}

static inline int link_set_up(void **state)
{
	return link_set_up_with(state, NULL);
}

static inline int link_tear_down(void **state)
{
	struct link *link = *state;

	owamp_pacer_end(link->pacing);
	owamp_collector_end(link->collecting);
	owamp_engine_free(link->engine);
	close(link->sender_fd);
	close(link->receiver_fd);
	free(link);
	return 0;
}

#define LINK_TEST(test) cmocka_unit_test_setup_teardown(test, link_set_up, link_tear_down)

static inline owamp_ntp link_now(void)
{
	return owamp_ntp_from_unix_ns(owamp_real_ns());
}

/* Packets of one fixed distance, the first one that distance after the start. */
static inline void link_plan(struct link *link, uint32_t packets, int64_t distance_ns, int64_t timeout_ns,
			     int64_t delay_ns)
{
	link->slot = (struct owamp_slot){OWAMP_SLOT_FIXED, owamp_interval_from_ns((uint64_t)distance_ns)};
	link->request = packet_request(&link->slot, packets, owamp_interval_from_ns((uint64_t)timeout_ns));
	link->request.start = owamp_ntp_from_unix_ns(owamp_real_ns() + delay_ns);
}

static inline owamp_ntp link_due(const struct link *link, uint32_t seq)
{
	return link->request.start + (seq + 1) * link->slot.interval;
}

static inline void link_sink(void *context, const struct owamp_record *record)
{
	struct link *link = context;

	unsigned count = link->record_count;

	if (count == RECORDS)
		return;
	link->records[count] = *record;
	link->record_count = count + 1;
}

static inline void link_callback(struct link *link)
{
	if (link->sender_finished + link->receiver_finished == link->quit_at)
		owamp_loop_quit(link->loop);
}

static inline void link_sender_finished(void *context)
{
	struct link *link = context;

	link->sender_finished++;
	link_callback(link);
}

static inline void link_receiver_finished(void *context)
{
	struct link *link = context;

	link->receiver_finished++;
	link->receiver_finished_at = owamp_real_ns();
	link_callback(link);
}

static inline void link_start_sender(struct link *link)
{
	const struct owamp_sender_config config = {
		.mode = link->mode,
		.request = &link->request,
		.control_keys = link->mode == OWAMP_MODE_OPEN ? NULL : &packet_control_keys,
	};
	struct owamp_sender *sender;

	assert_int_equal(owamp_sender_new(&sender, &config), 0);
	assert_int_equal(owamp_pacer_start(owamp_engine_pacer(link->engine), sender, link->sender_fd,
					   link_sender_finished, link, &link->pacing),
			 0);
}

static inline struct owamp_receiver *link_receiver(struct link *link)
{
	const struct owamp_receiver_config config = {
		.mode = link->mode,
		.request = &link->request,
		.control_keys = link->mode == OWAMP_MODE_OPEN ? NULL : &packet_control_keys,
	};
	struct owamp_receiver *receiver;

	assert_int_equal(owamp_receiver_new(&receiver, &config, link_sink, link), 0);
	return receiver;
}

static inline void link_start_receiver(struct link *link)
{
	struct owamp_receiver *receiver = link_receiver(link);

	assert_int_equal(owamp_collector_start(owamp_engine_collector(link->engine), receiver,
					       link->receiver_fd, (struct sockaddr *)&link->sender_address,
					       link_receiver_finished, link, &link->collecting),
			 0);
}

/* A packet as section 4.1.2 has it, stamped now; returns the time after it was sent. */
static inline int64_t link_send_packet(const struct link *link, int fd, uint32_t seq)
{
	struct packet packet = {.seq = seq, .time = link_now(), .error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	size_t size = packet_seal(link->mode, &packet, octets);

	assert_int_equal(sendto(fd, octets, size, 0, (const struct sockaddr *)&link->receiver_address,
				sizeof link->receiver_address),
			 (ssize_t)size);
	return owamp_real_ns();
}

/* Until so many callbacks came. */
static inline void link_run(struct link *link, int callbacks)
{
	link->quit_at = callbacks;
	assert_int_equal(owamp_loop_run(link->loop), 0);
}

static inline void link_quit(struct owamp_timer *timer)
{
	owamp_loop_quit(timer->context);
}

static inline void link_run_for(struct link *link, int64_t ns)
{
	struct owamp_timer timer = {.expired = link_quit, .context = link->loop};

	assert_int_equal(owamp_loop_set_timer(link->loop, &timer, owamp_mono_ns() + ns), 0);
	link->quit_at = -1;
	assert_int_equal(owamp_loop_run(link->loop), 0);
}

static inline struct owamp_send_health link_send_health(const struct link *link)
{
	struct owamp_send_health health;

	owamp_pacer_health(link->pacing, &health);
	return health;
}

static inline struct owamp_receive_health link_receive_health(const struct link *link)
{
	struct owamp_receive_health health;

	owamp_collector_health(link->collecting, &health);
	return health;
}

static inline uint64_t link_received(const struct link *link)
{
	return link_receive_health(link).counters.results[OWAMP_RECEIVE_OK];
}

/* Waits, outside the loop, for what the other threads do; bounded. */
#define link_until(condition)                                                                                \
	do {                                                                                                 \
		int64_t link_deadline = owamp_mono_ns() + PATIENCE;                                          \
		while (!(condition)) {                                                                       \
			if (owamp_mono_ns() > link_deadline)                                                 \
				fail_msg("not in time: %s", #condition);                                     \
			sched_yield();                                                                       \
		}                                                                                            \
	} while (0)

#endif
