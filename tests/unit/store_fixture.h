/*
 * A store over a real archive with a loop of its own, sessions whose records
 * follow from their numbers, and an account of what is charged.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "reference.h"

#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include <owamp/engine.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#include "storage/store.h"

#define SECOND   INT64_C(1000000000)
#define PATIENCE (30 * SECOND)

/* The octets of a record on the wire, RFC 4656 section 3.9. */
#define RECORD 25

#define GRANTS 8

/* What is charged for one session; its address is the grant. */
struct grant {
	bool used;
	char class_name[16];
	uint64_t octets;
	int settled;
	int released;
};

struct place {
	char folder[32];
	char path[64];
	struct owamp_loop *loop;
	struct owamp_timer guard;
	struct store *store;
	struct store_count count;
	struct writer_retention retention;
	struct grant grants[GRANTS];
	char error[300];
};

static inline void place_log(void *context, int priority, const char *line)
{
	(void)context;
	(void)priority;
	(void)line;
}

static inline struct grant *place_grant(struct place *place)
{
	for (int i = 0; i < GRANTS; i++) {
		if (!place->grants[i].used) {
			place->grants[i].used = true;
			return &place->grants[i];
		}
	}
	fail_msg("more grants than there is room for");
	return NULL;
}

static inline int place_charge(void *context, const char *class_name, uint64_t octets, void **grant)
{
	struct grant *charged = place_grant(context);

	snprintf(charged->class_name, sizeof charged->class_name, "%s", class_name ? class_name : "(none)");
	charged->octets = octets;
	*grant = charged;
	return 0;
}

static inline void place_settle(void *grant, uint64_t octets)
{
	((struct grant *)grant)->octets = octets;
	((struct grant *)grant)->settled++;
}

static inline void place_release(void *grant)
{
	((struct grant *)grant)->released++;
}

static inline int place_try(struct place *place, bool in_memory, const char *program)
{
	const struct store_config config = {
		.path = in_memory ? NULL : place->path,
		.program = program,
		.retention = place->retention,
		.loop = place->loop,
		.log = place_log,
		.charge = place_charge,
		.settle = place_settle,
		.release = place_release,
		.context = place,
	};

	memset(place->grants, 0, sizeof place->grants);
	return store_new(&place->store, &config, &place->count, place->error, sizeof place->error);
}

static inline void place_open(struct place *place, bool in_memory)
{
	if (place_try(place, in_memory, "tester"))
		fail_msg("%s", place->error);
}

static inline void place_reopen(struct place *place)
{
	store_free(place->store);
	place_open(place, false);
}

static inline int place_set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	*state = place;
	snprintf(place->folder, sizeof place->folder, "/tmp/test-store-XXXXXX");
	if (!place || !mkdtemp(place->folder) || owamp_loop_new(&place->loop))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/archive", place->folder);
	return 0;
}

static inline int place_tear_down(void **state)
{
	struct place *place = *state;
	char command[80];
	int status;

	store_free(place->store);
	owamp_loop_free(place->loop);
	snprintf(command, sizeof command, "rm -r %s", place->folder);
	status = system(command);
	free(place);
	return status;
}

static inline void place_never(struct owamp_timer *timer)
{
	(void)timer;
	fail_msg("not done in time");
}

/* Until somebody quits the loop. */
static inline void place_run(struct place *place)
{
	place->guard = (struct owamp_timer){.expired = place_never};
	assert_int_equal(owamp_loop_set_timer(place->loop, &place->guard, owamp_mono_ns() + PATIENCE), 0);
	assert_int_equal(owamp_loop_run(place->loop), 0);
	owamp_loop_cancel_timer(place->loop, &place->guard);
}

static inline void place_quit(struct owamp_timer *timer)
{
	owamp_loop_quit(timer->context);
}

/* Lets the loop do its work until the condition holds, which nothing tells of. */
static inline void place_until(struct place *place, bool (*condition)(struct place *place))
{
	struct owamp_timer pause = {.expired = place_quit, .context = place->loop};
	int64_t end = owamp_mono_ns() + PATIENCE;

	while (!condition(place)) {
		assert_true(owamp_mono_ns() < end);
		assert_int_equal(owamp_loop_set_timer(place->loop, &pause, owamp_mono_ns() + SECOND / 100),
				 0);
		assert_int_equal(owamp_loop_run(place->loop), 0);
	}
}

static struct owamp_slot two_slots[2] = {{OWAMP_SLOT_FIXED, OWAMP_SECOND}, {OWAMP_SLOT_EXPONENTIAL, 7}};

/* A session with a number, which its SID begins with. */
static inline struct store_session *agree(struct place *place, uint8_t number, const char *owner)
{
	struct store_info info = {.slot_count = 2, .owner = owner, .grant = place_grant(place)};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	struct store_session *session;

	info.sid[0] = number;
	memcpy(&info.peer, &peer, sizeof peer);
	assert_int_equal(store_open(place->store, &info, &session), 0);
	return session;
}

static inline void start(struct store_session *session, uint32_t packets, const char *class_name)
{
	struct archive_session description = {
		.request = {.ipvn = 4,
			    .conf_receiver = true,
			    .packets = packets,
			    .sender_port = 5000,
			    .receiver_port = 6000,
			    .sender_address = {192, 0, 2, 1},
			    .receiver_address = {192, 0, 2, 2},
			    .start = owamp_ntp_from_unix_ns(owamp_real_ns()) + 12345,
			    .timeout = OWAMP_SECOND + 3,
			    .slot_count = 2,
			    .slots = two_slots},
		.mode = store_owner(session) ? OWAMP_MODE_ENCRYPTED : OWAMP_MODE_OPEN,
		.received = true,
		.identity = store_owner(session),
		.class_name = class_name,
		.peer = "192.0.2.1",
		.program = "tester",
		.created_ns = owamp_real_ns(),
	};

	memcpy(description.request.sid, store_sid(session), OWAMP_SID_SIZE);
	assert_int_equal(store_start(session, &description), 0);
}

static inline struct store_session *begin(struct place *place, uint8_t number, uint32_t packets)
{
	struct store_session *session = agree(place, number, "alice");

	start(session, packets, "a");
	return session;
}

/*
 * All fields follow from the number of the record, and the sequence number is given.
 * Each tenth packet is missing, of these each other one at our own socket.
 */
static inline struct owamp_record record_of(uint32_t number, uint32_t seq)
{
	return (struct owamp_record){
		.send_time = 0xec00000000000001 + (uint64_t)number * 0x123456789,
		.receive_time = number % 10 == 9 ? 0 : 0xec00000000abcdef + (uint64_t)number * 0x123456799,
		.dropped = number % 20 == 19,
		.seq = seq,
		.send_error = (uint16_t)(number % 65536),
		.receive_error = (uint16_t)(number % 251),
		.ttl = (uint8_t)(number % 256),
	};
}

static inline void append(struct store_session *session, uint32_t number, uint32_t seq)
{
	struct owamp_record record = record_of(number, seq);

	store_append(session, &record);
}

static inline enum archive_outcome finish(struct store_session *session, enum archive_outcome outcome,
					  uint32_t cut)
{
	const struct archive_end end = {.outcome = outcome, .end_ns = owamp_real_ns()};

	return store_finish(session, &end, cut);
}

static inline void fetch_ready(void *context)
{
	owamp_loop_quit(context);
}

static inline struct store_fetch *fetch_begin(struct place *place, struct store_session *session,
					      uint32_t first, uint32_t last)
{
	struct store_fetch *fetch;

	assert_int_equal(store_fetch_new(&fetch, session, first, last, fetch_ready, place->loop), 0);
	assert_true(store_fetch_is_busy(fetch));
	return fetch;
}

static inline void fetch_wait(struct place *place, const struct store_fetch *fetch)
{
	const char *reason;

	place_run(place);
	assert_false(store_fetch_is_busy(fetch));
	if (store_fetch_error(fetch, &reason))
		fail_msg("%s", reason);
}

/* The rest of a fetch whose head has come, as it is on the wire; malloc'ed. */
static inline uint8_t *fetch_rest(struct place *place, struct store_fetch *fetch, uint32_t *count)
{
	uint32_t wanted = store_fetch_head(fetch)->count, got;
	uint8_t *wire = malloc((size_t)wanted * RECORD + 1);

	assert_non_null(wire);
	*count = 0;
	while (*count < wanted) {
		const uint8_t *records;

		assert_int_equal(store_fetch_next(fetch), 0);
		fetch_wait(place, fetch);
		records = store_fetch_records(fetch, &got);
		assert_in_range(got, 1, wanted - *count);
		memcpy(wire + (size_t)*count * RECORD, records, (size_t)got * RECORD);
		*count += got;
	}
	return wire;
}

static inline void assert_seqs(struct place *place, struct store_session *session, uint32_t first,
			       uint32_t last, const uint32_t *seqs, uint32_t count)
{
	struct store_fetch *fetch = fetch_begin(place, session, first, last);
	uint8_t *wire;
	uint32_t got;

	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->count, count);
	wire = fetch_rest(place, fetch, &got);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(ref_get(wire + (size_t)i * RECORD, 4), seqs[i]);
	free(wire);
	store_fetch_free(fetch);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)

#endif
