/* Fetch-Session, RFC 4656 section 3.9, both machines. */
#include "control_machine.h"

static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};
static const struct owamp_skip_range skips[] = {{0, 9}, {11, 11}, {20, 29}, {31, 31}};

#define RECORDS 1000

static void record_octets(uint32_t i, uint8_t octets[25])
{
	uint64_t seed = i;

	ref_fill(&seed, octets, 25);
	ref_put(octets, i, 4);
}

static void all_records(uint8_t *octets, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		record_octets(i, octets + 25 * i);
}

static void get_fetch_event(struct wire *wire, struct owamp_control_server *server, uint32_t begin,
			    uint32_t end)
{
	struct owamp_control_server_event event;

	wire_put_fetch(wire, machine_sids[1], begin, end);
	machine_server_send(wire, server);
	event = machine_server_event(server, OWAMP_SERVER_FETCH);
	assert_int_equal(event.begin_seq, begin);
	assert_int_equal(event.end_seq, end);
	assert_memory_equal(event.sid, machine_sids[1], 16);
	machine_server_assert_idle(server);
}

static void get_ack(struct wire *wire, bool finished, uint32_t next_seq, uint32_t skip_count,
		    uint32_t records)
{
	assert_int_equal(wire_get(wire, 1), 0);
	assert_int_equal(wire_get(wire, 1) != 0, finished);
	wire_get_zeros(wire, 2);
	assert_int_equal(wire_get(wire, 4), next_seq);
	assert_int_equal(wire_get(wire, 4), skip_count);
	assert_int_equal(wire_get(wire, 4), records);
	wire_get_hmac(wire);
}

static void get_skips(struct wire *wire, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(wire_get(wire, 4), skips[i].first);
		assert_int_equal(wire_get(wire, 4), skips[i].last);
	}
	wire_get_pad(wire);
	wire_get_hmac(wire);
}

static void get_records(struct wire *wire, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t expected[25];

		record_octets(i, expected);
		assert_memory_equal(wire_get_octets(wire, 25), expected, 25);
	}
	wire_get_pad(wire);
	wire_get_hmac(wire);
	wire_assert_end(wire);
}

/* One answer, its records handed over in calls of up to batch. */
static void serve(struct wire *wire, struct owamp_control_server *server, bool finished, uint32_t skip_count,
		  uint32_t records, uint32_t batch)
{
	static uint8_t octets[RECORDS * 25];
	struct owamp_request request = machine_request(false, true, machine_sids[1]);
	bool partial = skip_count % 2;

	all_records(octets, records);
	get_fetch_event(wire, server, partial ? 5 : 0, partial ? 77 : UINT32_MAX);
	assert_int_equal(owamp_control_server_fetch_begin(server, &request, finished, 4321, skips, skip_count,
							  records),
			 0);
	for (uint32_t i = 0; i < records; i += batch) {
		uint32_t count = records - i < batch ? records - i : batch;

		machine_server_assert_idle(server);
		assert_int_equal(owamp_control_server_fetch_records(server, octets + 25 * i, count), 0);
		machine_server_drain(wire, server);
	}
	machine_server_drain(wire, server);
	get_ack(wire, finished, finished ? 4321 : 0, finished ? skip_count : 0, records);
	wire_get_request(wire, &request);
	get_skips(wire, finished ? skip_count : 0);
	get_records(wire, records);
}

/* Both last HMACs are there even if nothing stands before them. */
static void test_server_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);

		serve(wire, server, true, 0, 0, 1);
		serve(wire, server, false, 0, 0, 1);
		for (uint32_t skip_count = 0; skip_count <= 4; skip_count++)
			serve(wire, server, true, skip_count, 1 + skip_count, 1);
		for (uint32_t records = 1; records < 40; records++)
			serve(wire, server, true, records % 5, records, 7);
		serve(wire, server, true, 3, RECORDS, 64);
		serve(wire, server, true, 2, 96, 96);
		/* Not finished: neither Next Seqno nor skip ranges are told. */
		serve(wire, server, false, 2, 3, 2);
		machine_server_accept(wire, server, true, false, machine_sids[0]);
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

static void test_server_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_server *server = machine_server(wire);

		for (uint8_t accept = 1; accept < 6; accept++) {
			get_fetch_event(wire, server, 0, UINT32_MAX);
			assert_int_equal(owamp_control_server_fetch_refuse(server, accept), 0);
			machine_server_drain(wire, server);
			assert_int_equal(wire_get(wire, 1), accept);
			wire_get_zeros(wire, 15);
			wire_get_hmac(wire);
			wire_assert_end(wire);
		}
		owamp_control_server_free(server);
		wire_free(wire);
	}
}

/* The next command waits until all promised records are out. */
static void test_server_counts_records(void **state)
{
	(void)state;
	struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
	struct owamp_control_server *server = machine_server(wire);
	struct owamp_request request = machine_request(false, true, machine_sids[1]);
	uint8_t octets[4 * 25];

	all_records(octets, 4);
	get_fetch_event(wire, server, 0, UINT32_MAX);
	assert_int_equal(owamp_control_server_fetch_begin(server, &request, true, 9, NULL, 0, 3), 0);
	assert_true(owamp_control_server_fetch_records(server, octets, 4) < 0);
	assert_int_equal(owamp_control_server_fetch_records(server, octets, 2), 0);
	wire_put_fetch(wire, machine_sids[0], 0, 0);
	machine_server_send(wire, server);
	machine_server_assert_idle(server);
	assert_int_equal(owamp_control_server_fetch_records(server, octets + 50, 1), 0);
	machine_server_event(server, OWAMP_SERVER_FETCH);
	machine_server_drain(wire, server);
	get_ack(wire, true, 9, 0, 3);
	wire_get_request(wire, &request);
	get_skips(wire, 0);
	get_records(wire, 3);
	owamp_control_server_free(server);
	wire_free(wire);
}

/* What a client made of an answer. */
struct fetched {
	bool acked, requested, skipped, done;
	uint32_t records;
};

static void put_answer(struct wire *wire, uint8_t finished, uint32_t next_seq, uint32_t skip_count,
		       const struct owamp_request *request, uint32_t records)
{
	wire_put(wire, 0, 1);
	wire_put(wire, finished, 1);
	wire_put_zeros(wire, 2);
	wire_put(wire, next_seq, 4);
	wire_put(wire, skip_count, 4);
	wire_put(wire, records, 4);
	wire_put_hmac(wire);
	wire_put_request(wire, request);
	for (uint32_t i = 0; i < skip_count; i++) {
		wire_put(wire, skips[i].first, 4);
		wire_put(wire, skips[i].last, 4);
	}
	wire_pad(wire);
	wire_put_hmac(wire);
	for (uint32_t i = 0; i < records; i++) {
		uint8_t octets[25];

		record_octets(i, octets);
		wire_put_octets(wire, octets, 25);
	}
	wire_pad(wire);
	wire_put_hmac(wire);
}

static void check_records(const struct owamp_control_client_event *event, struct fetched *fetched)
{
	for (size_t i = 0; i < event->record_count; i++) {
		struct owamp_record expected;
		uint8_t octets[25];

		record_octets(fetched->records++, octets);
		owamp_record_decode(octets, &expected);
		assert_int_equal(event->records[i].seq, expected.seq);
		assert_int_equal(event->records[i].send_time, expected.send_time);
		assert_int_equal(event->records[i].receive_time, expected.receive_time);
		assert_int_equal(event->records[i].send_error, expected.send_error);
		assert_int_equal(event->records[i].receive_error, expected.receive_error);
		assert_int_equal(event->records[i].ttl, expected.ttl);
	}
}

/* Takes all events there are; each in its place. Returns poll()'s last result. */
static int take(struct owamp_control_client *client, const struct owamp_request *request, uint32_t skip_count,
		uint32_t records, struct fetched *fetched)
{
	struct owamp_control_client_event event;
	int result;

	while ((result = owamp_control_client_poll(client, &event)) == 1) {
		assert_false(fetched->done);
		if (event.type == OWAMP_CLIENT_FETCH_ACK) {
			assert_false(fetched->acked);
			assert_int_equal(event.accept, 0);
			assert_int_equal(event.skip_total, skip_count);
			assert_int_equal(event.record_total, records);
			fetched->acked = true;
		} else if (event.type == OWAMP_CLIENT_FETCH_REQUEST) {
			assert_true(fetched->acked && !fetched->requested);
			machine_assert_request(event.request, request);
			fetched->requested = true;
		} else if (event.type == OWAMP_CLIENT_FETCH_SKIPS) {
			assert_true(fetched->requested && !fetched->skipped);
			assert_int_equal(event.skip_count, skip_count);
			for (size_t i = 0; i < skip_count; i++) {
				assert_int_equal(event.skips[i].first, skips[i].first);
				assert_int_equal(event.skips[i].last, skips[i].last);
			}
			fetched->skipped = true;
		} else if (event.type == OWAMP_CLIENT_FETCH_RECORDS) {
			assert_true(fetched->skipped);
			check_records(&event, fetched);
		} else {
			assert_int_equal(event.type, OWAMP_CLIENT_FETCH_DONE);
			assert_int_equal(fetched->records, records);
			fetched->done = true;
		}
	}
	return result;
}

static struct owamp_control_client *asking(struct wire *wire)
{
	struct owamp_control_client *client = machine_client(wire);

	assert_int_equal(owamp_control_client_fetch(client, machine_sids[1], 3, UINT32_MAX), 0);
	machine_client_drain(wire, client);
	assert_int_equal(wire_get(wire, 1), 4);
	wire_get_zeros(wire, 7);
	assert_int_equal(wire_get(wire, 4), 3);
	assert_int_equal(wire_get(wire, 4), UINT32_MAX);
	assert_memory_equal(wire_get_octets(wire, 16), machine_sids[1], 16);
	wire_get_hmac(wire);
	wire_assert_end(wire);
	return client;
}

static void fetch(uint32_t mode, uint32_t skip_count, uint32_t records, size_t piece)
{
	struct wire *wire = wire_new(mode);
	struct owamp_control_client *client = asking(wire);
	struct owamp_request request = machine_request(false, true, machine_sids[1]);
	struct fetched fetched = {0};

	put_answer(wire, 1, 55, skip_count, &request, records);
	wire_seal(wire);
	for (size_t at = 0; at < wire->out_size; at += piece) {
		size_t size = wire->out_size - at < piece ? wire->out_size - at : piece;

		assert_int_equal(owamp_control_client_input(client, wire->out + at, size), 0);
		assert_int_equal(take(client, &request, skip_count, records, &fetched), 0);
		/* The records do not wait for the end of the message. */
		assert_true(owamp_control_client_input_size(client) < 16384);
	}
	assert_true(fetched.done);
	assert_int_equal(owamp_control_client_input_size(client), 0);
	wire_clear(wire);
	machine_client_accept(wire, client, true, false, machine_sids[0]);
	owamp_control_client_free(client);
	wire_free(wire);
}

static void test_client_fetches(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		fetch(modes[i], 0, 0, 1 << 20);
		for (uint32_t skip_count = 0; skip_count <= 4; skip_count++)
			fetch(modes[i], skip_count, 3 * skip_count + 1, 13);
		for (uint32_t records = 1; records < 20; records++)
			fetch(modes[i], 1, records, 1);
		fetch(modes[i], 2, RECORDS, 333);
		fetch(modes[i], 2, RECORDS, 1 << 20);
	}
}

/* Any non-zero octet says finished. */
static void test_client_reads_the_ack(void **state)
{
	(void)state;
	static const uint8_t finished[] = {0, 1, 0x80};
	struct owamp_request request = machine_request(true, true, machine_sids[1]);

	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(OWAMP_MODE_OPEN);
		struct owamp_control_client *client = asking(wire);
		struct owamp_control_client_event event;

		put_answer(wire, finished[i], 55, 1, &request, 0);
		memset(wire->out + 2, 0xff, 2);
		machine_client_send(wire, client);
		event = machine_client_event(client, OWAMP_CLIENT_FETCH_ACK);
		assert_int_equal(event.finished, i > 0);
		assert_int_equal(event.next_seq, 55);
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

/* With a non-zero Accept all other fields are ignored, and nothing follows. */
static void test_client_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire *wire = wire_new(modes[i]);
		struct owamp_control_client *client = asking(wire);

		wire_put(wire, 3, 1);
		for (int j = 1; j < 16; j++)
			wire_put(wire, 0xff, 1);
		wire_put_hmac(wire);
		machine_client_send(wire, client);
		assert_int_equal(machine_client_event(client, OWAMP_CLIENT_FETCH_ACK).accept, 3);
		machine_client_accept(wire, client, true, false, machine_sids[0]);
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

/* Each of the five HMACs; what it covers is not told as authentic. */
static void test_client_corrupt_hmacs(void **state)
{
	(void)state;
	/* Ack 16+16, request 96+16, slots 48+16, skips 16+16, records 80+16. */
	static const size_t hmacs[] = {16, 128, 192, 224, 320};

	for (size_t i = 1; i < 3; i++) {
		for (size_t j = 0; j < 5; j++) {
			for (size_t k = 0; k < 16; k++) {
				struct wire *wire = wire_new(modes[i]);
				struct owamp_control_client *client = asking(wire);
				struct owamp_request request = machine_request(false, true, machine_sids[1]);
				struct fetched fetched = {0};

				put_answer(wire, 1, 55, 2, &request, 3);
				wire_seal(wire);
				assert_int_equal(wire->out_size, 336);
				wire->out[hmacs[j] + k] ^= 4;
				owamp_control_client_input(client, wire->out, hmacs[j] + 16);
				assert_int_equal(take(client, &request, 2, 3, &fetched), OWAMP_EAUTH);
				assert_int_equal(fetched.acked, j > 0);
				assert_int_equal(fetched.requested, j > 2);
				assert_int_equal(fetched.skipped, j > 3);
				assert_false(fetched.done);
				owamp_control_client_free(client);
				wire_free(wire);
			}
		}
	}
}

/* Any octet of the answer: FETCH_DONE is never reached. */
static void test_client_corrupt_octets(void **state)
{
	(void)state;
	for (size_t at = 0; at < 336; at++) {
		struct wire *wire = wire_new(OWAMP_MODE_ENCRYPTED);
		struct owamp_control_client *client = asking(wire);
		struct owamp_request request = machine_request(false, true, machine_sids[1]);
		struct owamp_control_client_event event;
		int result;

		put_answer(wire, 1, 55, 2, &request, 3);
		wire_seal(wire);
		wire->out[at] ^= 0x10;
		owamp_control_client_input(client, wire->out, wire->out_size);
		while ((result = owamp_control_client_poll(client, &event)) == 1)
			assert_int_not_equal(event.type, OWAMP_CLIENT_FETCH_DONE);
		assert_true(result < 0);
		owamp_control_client_free(client);
		wire_free(wire);
	}
}

static int result_of_answer(const struct owamp_skip_range *ranges, uint32_t count, uint32_t slot_count)
{
	static struct owamp_slot slots[LIMIT_SLOTS + 1];
	struct wire *wire = wire_new(OWAMP_MODE_AUTHENTICATED);
	struct owamp_control_client *client = asking(wire);
	struct owamp_request request = machine_request(false, true, machine_sids[1]);
	struct owamp_control_client_event event;
	int result;

	request.slots = slots;
	request.slot_count = slot_count;
	wire_put(wire, 0, 1);
	wire_put(wire, 1, 1);
	wire_put(wire, 100, 6);
	wire_put(wire, count, 4);
	wire_put(wire, 0, 4);
	wire_put_hmac(wire);
	wire_put_request(wire, &request);
	for (uint32_t i = 0; i < count; i++) {
		wire_put(wire, ranges[i].first, 4);
		wire_put(wire, ranges[i].last, 4);
	}
	wire_pad(wire);
	wire_put_hmac(wire);
	wire_put_hmac(wire);
	machine_client_send(wire, client);
	do
		result = owamp_control_client_poll(client, &event);
	while (result == 1 && event.type != OWAMP_CLIENT_FETCH_DONE);
	owamp_control_client_free(client);
	wire_free(wire);
	return result;
}

static void test_client_bad_answers(void **state)
{
	(void)state;
	static const struct owamp_skip_range unordered[] = {{7, 8}, {1, 2}};
	static const struct owamp_skip_range overlapping[] = {{1, 5}, {5, 6}};
	static const struct owamp_skip_range backwards[] = {{3, 2}};

	assert_int_equal(result_of_answer(unordered, 2, 1), OWAMP_EPROTO);
	assert_int_equal(result_of_answer(overlapping, 2, 1), OWAMP_EPROTO);
	assert_int_equal(result_of_answer(backwards, 1, 1), OWAMP_EPROTO);
}

static void test_client_limits(void **state)
{
	(void)state;
	struct owamp_skip_range many[LIMIT_SKIPS + 1];

	for (uint32_t i = 0; i <= LIMIT_SKIPS; i++)
		many[i] = (struct owamp_skip_range){3 * i, 3 * i + 1};
	assert_int_equal(result_of_answer(many, LIMIT_SKIPS, LIMIT_SLOTS), 1);
	assert_int_equal(result_of_answer(many, LIMIT_SKIPS + 1, 1), OWAMP_ELIMIT);
	assert_int_equal(result_of_answer(many, 1, LIMIT_SLOTS + 1), OWAMP_ELIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_answers),        cmocka_unit_test(test_server_refuses),
		cmocka_unit_test(test_server_counts_records), cmocka_unit_test(test_client_fetches),
		cmocka_unit_test(test_client_reads_the_ack),  cmocka_unit_test(test_client_is_refused),
		cmocka_unit_test(test_client_corrupt_hmacs),  cmocka_unit_test(test_client_corrupt_octets),
		cmocka_unit_test(test_client_bad_answers),    cmocka_unit_test(test_client_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
