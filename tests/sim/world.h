/* The parts of the simulator, for each other. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "account.h"
#include "reference.h"
#include "sim.h"

#include "owamp/control_client.h"
#include "owamp/control_server.h"
#include "owamp/error.h"
#include "owamp/sender.h"

/* The queue: what happens, in the order of time and, within an instant, of asking. */
typedef void sim_fire(struct sim_world *world, void *context);

struct sim_event {
	int64_t at_ns;
	uint64_t order;
	sim_fire *fire;
	void *context;
};

struct sim_session {
	struct sim_world *world;
	const struct sim_session_script *script;
	unsigned round;
	unsigned index;
	struct owamp_request request; /* as the client sent it, then with SID and ports */
	sim_units start;
	bool accepted;
	struct sim_account account;
	struct sim_outcome outcome;

	struct owamp_sender *sender;
	int64_t schedule_offset_ns; /* the sender's clock when it started: schedules do not step */
	bool sent_all;
	bool send_complete;
	bool send_stopped;

	struct owamp_receiver *receiver;
	int64_t receive_offset_ns; /* the receiver's clock when it started: decisions do not step */
	bool receive_complete;
	uint32_t drops; /* at the receiver's socket, that it has not been told of */
	struct owamp_record *records;
	uint32_t record_count;
	uint32_t record_capacity;
	owamp_ntp deadline;
	uint64_t tick; /* the one expected next; others are stale */
	struct owamp_stop_session stop;
	struct owamp_skip_range *stop_skips;

	bool broken; /* off, by the end of the connection */
	uint16_t server_port;
	struct owamp_stats *stats;
};

/* One end of the control connection, from Start-Sessions to the final results. */
struct sim_side {
	bool active;
	bool stop_sent;
	bool stop_received;
	unsigned round;
};

/* Of the client. */
enum sim_phase { SIM_SETUP, SIM_REQUESTING, SIM_STARTING, SIM_MEASURING, SIM_FETCHING, SIM_DONE };

struct sim_client {
	struct owamp_control_client *machine;
	enum sim_phase phase;
	unsigned requested;
	unsigned answered;
	bool again; /* connected anew after a break */
	/* The fetch under way. */
	unsigned fetch_round;
	unsigned fetch_index;
	unsigned fetch_step; /* complete, then a part */
	uint32_t begin_seq;
	uint32_t end_seq;
	uint32_t records_expected;
	struct owamp_record *records;
	uint32_t record_count;
};

struct sim_server {
	struct owamp_control_server *machine;
	struct owamp_control_server_config config;
	unsigned requested;
	bool fetch_waiting;
	struct owamp_control_server_event fetch;
	/* The answer under way. */
	struct sim_session *fetching;
	uint32_t fetch_at;
};

struct sim_world {
	const struct sim_script *script;
	uint64_t random;
	int64_t now_ns; /* true time */
	struct sim_event *queue;
	size_t queue_size;
	size_t queue_capacity;
	uint64_t order;
	int64_t offset_ns[SIM_HOSTS];

	unsigned connection; /* counts them, so that octets of an old one are known */
	bool connected;
	int64_t last_piece_ns[SIM_HOSTS];
	struct owamp_keys keys;

	struct sim_client client;
	struct sim_server server;
	struct sim_side sides[SIM_HOSTS];
	struct sim_session sessions[SIM_ROUNDS_MAX][SIM_SESSIONS_MAX];
};

/* world.c */
void sim_fail(const struct sim_world *world, const char *file, int line, const char *condition,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));
#define SIM_CHECK(world, condition, ...)                                                                     \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			sim_fail((world), __FILE__, __LINE__, #condition, __VA_ARGS__);                      \
	} while (0)
void sim_trace(const struct sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_chance(struct sim_world *world, uint32_t thousandths);
/* 0 to max_ns in quanta. */
int64_t sim_span(struct sim_world *world, int64_t max_ns);
int64_t sim_clock_ns(const struct sim_world *world, enum sim_host host);
sim_units sim_clock(const struct sim_world *world, enum sim_host host);
/* The library's number for a time, which must be ours. */
owamp_ntp sim_ntp(const struct sim_world *world, int64_t unix_ns);
uint16_t sim_error_estimate(struct sim_world *world);

/* queue.c */
void sim_at(struct sim_world *world, int64_t at_ns, sim_fire *fire, void *context);
bool sim_next(struct sim_world *world, struct sim_event *event);

/* link.c */
void link_connect(struct sim_world *world);
void link_flush(struct sim_world *world, enum sim_host from);
void link_break(struct sim_world *world);

/* client.c, server.c */
void client_arrived(struct sim_world *world);
void client_closed(struct sim_world *world);
void client_settled(struct sim_world *world);
void client_fetched(struct sim_world *world);
void server_arrived(struct sim_world *world);
void server_closed(struct sim_world *world);
void server_settled(struct sim_world *world);
void server_refill(struct sim_world *world);
void server_check_request(const struct sim_session *session, const struct owamp_request *request);

/* fetch.c: the client's side of it. */
void fetch_next(struct sim_world *world);
void fetch_event(struct sim_world *world, const struct owamp_control_client_event *event);

/* side.c */
enum sim_host session_sender(const struct sim_session *session);
enum sim_host session_receiver(const struct sim_session *session);
void side_start_receivers(struct sim_world *world, enum sim_host host);
void side_start(struct sim_world *world, enum sim_host host);
void side_stop(struct sim_world *world, enum sim_host host);
void side_stop_received(struct sim_world *world, enum sim_host host,
			const struct owamp_stop_session *sessions, size_t session_count);
/* Something became complete. */
void side_look(struct sim_world *world, enum sim_host host);
void side_settle(struct sim_world *world, enum sim_host host);
void side_closed(struct sim_world *world, enum sim_host host);

/* sending.c, receiving.c, network.c, verdict.c */
void sending_start(struct sim_session *session);
void sending_stop(struct sim_session *session);
void receiving_start(struct sim_session *session);
void receiving_arrival(struct sim_session *session, const struct sim_read *read, const uint8_t *octets,
		       size_t size);
void receiving_drop(struct sim_session *session);
void receiving_end(struct sim_session *session);
void network_send(struct sim_session *session, const struct sim_read *read, const uint8_t *octets,
		  size_t size);
void verdict(struct sim_session *session, const struct owamp_record *records, uint32_t record_count);

#endif
