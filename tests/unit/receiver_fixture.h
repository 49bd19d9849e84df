/* A receiver of packets sent every 10 ms from 10 ms after PACKET_START on, and what it recorded. */
#ifndef RECEIVER_FIXTURE_H
#define RECEIVER_FIXTURE_H

#include "packet_wire.h"

#include "owamp/error.h"
#include "owamp/receiver.h"

#define MS      ((owamp_interval)4294967)
#define TIMEOUT (100 * MS)
#define STEP    (10 * MS)

struct fixture {
	uint32_t mode;
	struct owamp_receiver *receiver;
	struct owamp_record records[4096];
	size_t count;
};

static inline owamp_ntp due_of(uint32_t seq)
{
	return PACKET_START + (seq + (owamp_ntp)1) * STEP;
}

static inline void fixture_sink(void *context, const struct owamp_record *record)
{
	struct fixture *fixture = context;

	if (fixture->count < 4096)
		fixture->records[fixture->count] = *record;
	fixture->count++;
}

static inline struct fixture *fixture_of(uint32_t mode, const struct owamp_request *request)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct owamp_receiver_config config = {
		.mode = mode,
		.request = request,
		.control_keys = mode == OWAMP_MODE_OPEN ? NULL : &packet_control_keys,
	};

	assert_non_null(fixture);
	fixture->mode = mode;
	assert_int_equal(owamp_receiver_new(&fixture->receiver, &config, fixture_sink, fixture), 0);
	return fixture;
}

static inline struct fixture *fixture_new(uint32_t mode, uint32_t packets)
{
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, STEP};
	struct owamp_request request = packet_request(&slot, packets, TIMEOUT);

	return fixture_of(mode, &request);
}

static inline void fixture_free(struct fixture *fixture)
{
	owamp_receiver_free(fixture->receiver);
	free(fixture);
}

static inline int arrives(struct fixture *fixture, uint32_t seq, owamp_ntp sent, owamp_ntp received)
{
	const struct packet packet = {seq, sent, 0x8142};
	uint8_t octets[48];
	size_t size = packet_seal(fixture->mode, &packet, octets);

	return owamp_receiver_packet(fixture->receiver, octets, size, received, 0x8233, 251);
}

/* Sent on schedule, 1 ms under way. */
static inline void arrives_well(struct fixture *fixture, uint32_t seq)
{
	assert_int_equal(arrives(fixture, seq, due_of(seq), due_of(seq) + MS), OWAMP_RECEIVE_OK);
}

static inline void expire(struct fixture *fixture, owamp_ntp now)
{
	assert_int_equal(owamp_receiver_expire(fixture->receiver, now, 0x0507), 0);
}

static inline uint64_t counter(const struct fixture *fixture, int result)
{
	return owamp_receiver_counters(fixture->receiver)->results[result];
}

static inline void assert_lost(const struct owamp_record *record, uint32_t seq)
{
	assert_int_equal(record->seq, seq);
	assert_int_equal(record->send_time, due_of(seq));
	assert_int_equal(record->receive_time, 0);
	assert_int_equal(record->send_error, 0x0001);
	assert_int_equal(record->receive_error, 0x0507);
	assert_int_equal(record->ttl, 255);
}

#endif
