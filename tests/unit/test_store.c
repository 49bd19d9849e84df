#include "reference.h"

#include <pthread.h>

#include <owamp/error.h>

#include "storage/store.h"

#define SECOND INT64_C(1000000000)

/* The octets of a record on the wire, RFC 4656 section 3.9. */
#define RECORD 25

/* How often a grant was released; its address is the grant. */
struct grant {
	int released;
};

static void release(void *grant)
{
	((struct grant *)grant)->released++;
}

static int set_up(void **state)
{
	struct store *store;

	assert_int_equal(store_new(&store), 0);
	*state = store;
	return 0;
}

static int tear_down(void **state)
{
	store_free(*state, release);
	return 0;
}

static struct grant shared_grant;
static struct owamp_slot one_slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND};

static struct store_info info_of(uint8_t number, uint64_t records)
{
	struct store_info info = {
		.request = {.ipvn = 4, .packets = 100, .slot_count = 1, .slots = &one_slot},
		.mode = OWAMP_MODE_ENCRYPTED,
		.key_id = "alice",
		.octets_max = records * RECORD,
		.grant = &shared_grant,
	};

	info.request.sid[0] = number;
	return info;
}

static struct store_session *open_session(struct store *store, uint8_t number, uint64_t records)
{
	struct store_info info = info_of(number, records);
	struct store_session *session;

	assert_int_equal(store_open(store, &info, &session), 0);
	assert_non_null(session);
	return session;
}

/* All fields follow from the number of the record, and the sequence number is given. */
static struct owamp_record record_of(uint32_t number, uint32_t seq)
{
	return (struct owamp_record){
		.send_time = 0x100000000000 + number,
		.receive_time = 0x200000000000 + number,
		.seq = seq,
		.send_error = (uint16_t)(number % 65536),
		.receive_error = (uint16_t)(number % 251),
		.ttl = (uint8_t)(number % 256),
	};
}

static void append(struct store_session *session, uint32_t number, uint32_t seq)
{
	struct owamp_record record = record_of(number, seq);

	store_append(session, &record);
}

static uint32_t read_all(struct store_session *session, uint32_t begin, uint32_t end, uint32_t at_once,
			 struct owamp_record *records, uint32_t max)
{
	uint8_t wire[64 * RECORD];
	struct store_cursor cursor;
	uint32_t expected = store_seek(session, begin, end, &cursor), count = 0, got;

	while ((got = store_read(session, &cursor, wire, at_once)) > 0) {
		assert_in_range(got, 1, at_once);
		for (uint32_t i = 0; i < got; i++) {
			assert_true(count < max);
			owamp_record_decode(wire + (size_t)i * RECORD, &records[count++]);
		}
	}
	assert_int_equal(count, expected);
	return count;
}

static void assert_seqs(struct store_session *session, uint32_t begin, uint32_t end, const uint32_t *seqs,
			uint32_t count)
{
	struct owamp_record records[16];

	assert_int_equal(read_all(session, begin, end, 3, records, 16), count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(records[i].seq, seqs[i]);
}

static void test_open_and_find(void **state)
{
	struct store *store = *state;
	struct store_session *first = open_session(store, 1, 10), *second = open_session(store, 2, 10), *same;
	struct store_info info = info_of(1, 10);
	uint8_t other[OWAMP_SID_SIZE] = {3};

	assert_int_equal(store_open(store, &info, &same), OWAMP_EINVAL);
	assert_null(same);
	assert_ptr_equal(store_find(store, store_info(first)->request.sid), first);
	assert_ptr_equal(store_find(store, store_info(second)->request.sid), second);
	assert_null(store_find(store, other));
	assert_int_equal(store_outcome(first), STORE_RUNNING);
	assert_int_equal(store_octets(first), 0);
	assert_int_equal(store_dropped(first), 0);
}

static void test_info_is_copied(void **state)
{
	struct store *store = *state;
	struct owamp_slot slots[2] = {{OWAMP_SLOT_FIXED, 7}, {OWAMP_SLOT_EXPONENTIAL, 8}};
	char key_id[] = "carol";
	struct store_info info = info_of(1, 10);
	struct store_session *session;

	info.key_id = key_id;
	info.request.slots = slots;
	info.request.slot_count = 2;
	assert_int_equal(store_open(store, &info, &session), 0);
	memset(slots, 0, sizeof slots);
	memset(key_id, 'x', 5);
	assert_string_equal(store_info(session)->key_id, "carol");
	assert_int_equal(store_info(session)->request.slot_count, 2);
	assert_int_equal(store_info(session)->request.slots[0].type, OWAMP_SLOT_FIXED);
	assert_int_equal(store_info(session)->request.slots[0].interval, 7);
	assert_int_equal(store_info(session)->request.slots[1].interval, 8);
	assert_int_equal(store_info(session)->mode, OWAMP_MODE_ENCRYPTED);
}

static void test_octets_wanted(void **state)
{
	(void)state;
	assert_true(store_octets_wanted(1) >= RECORD);
	assert_true(store_octets_wanted(1000000) > UINT64_C(1000000) * RECORD);
	assert_true(store_octets_wanted(1000000) < UINT64_C(1200000) * RECORD);
	assert_true(store_octets_wanted(UINT32_MAX) > (uint64_t)UINT32_MAX * RECORD);
}

/* More than the blocks of any size hold; all fields come back, in order, however many at a time. */
static void test_many_records(void **state)
{
	static const uint32_t at_once[] = {1, 7, 64};
	const uint32_t count = 20000;
	struct store_session *session = open_session(*state, 1, count);
	struct owamp_record *records = calloc(count, sizeof *records);

	assert_non_null(records);
	for (uint32_t i = 0; i < count; i++)
		append(session, i, i ^ 5);
	assert_int_equal(store_octets(session), (uint64_t)count * RECORD);
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(read_all(session, 0, UINT32_MAX, at_once[turn], records, count), count);
		for (uint32_t i = 0; i < count; i++) {
			struct owamp_record expected = record_of(i, i ^ 5);

			assert_int_equal(records[i].seq, expected.seq);
			assert_int_equal(records[i].send_time, expected.send_time);
			assert_int_equal(records[i].receive_time, expected.receive_time);
			assert_int_equal(records[i].send_error, expected.send_error);
			assert_int_equal(records[i].receive_error, expected.receive_error);
			assert_int_equal(records[i].ttl, expected.ttl);
		}
	}
	free(records);
}

static void test_ranges(void **state)
{
	static const uint32_t all[] = {3, 1, 2, 1, 0, UINT32_MAX, 4};
	struct store_session *session = open_session(*state, 1, 10);

	for (uint32_t i = 0; i < 7; i++)
		append(session, i, all[i]);
	assert_seqs(session, 0, UINT32_MAX, all, 7);
	assert_seqs(session, 1, 2, (const uint32_t[]){1, 2, 1}, 3);
	assert_seqs(session, 1, 1, (const uint32_t[]){1, 1}, 2);
	assert_seqs(session, 3, UINT32_MAX, (const uint32_t[]){3, UINT32_MAX, 4}, 3);
	assert_seqs(session, UINT32_MAX, UINT32_MAX, (const uint32_t[]){UINT32_MAX}, 1);
	assert_seqs(session, 5, 1000, NULL, 0);
}

/* A walk yields what its count promised, whatever arrives meanwhile. */
static void test_append_during_walk(void **state)
{
	struct store_session *session = open_session(*state, 1, 100);
	struct store_cursor cursor;
	uint8_t wire[100 * RECORD];

	for (uint32_t i = 0; i < 40; i++)
		append(session, i, i);
	assert_int_equal(store_seek(session, 0, UINT32_MAX, &cursor), 40);
	assert_int_equal(store_read(session, &cursor, wire, 35), 35);
	append(session, 40, 40);
	assert_int_equal(store_read(session, &cursor, wire, 100), 5);
	assert_int_equal(store_read(session, &cursor, wire, 100), 0);
	assert_int_equal(store_seek(session, 0, UINT32_MAX, &cursor), 41);
}

/* What was granted is never exceeded, and the session says that it is not whole. */
static void test_octets_max(void **state)
{
	struct store_info info = info_of(1, 3);
	struct store_session *session;

	info.octets_max = 3 * RECORD + RECORD - 1;
	assert_int_equal(store_open(*state, &info, &session), 0);
	for (uint32_t i = 0; i < 5; i++)
		append(session, i, i);
	assert_int_equal(store_octets(session), 3 * RECORD);
	assert_int_equal(store_dropped(session), 2);
	assert_seqs(session, 0, UINT32_MAX, (const uint32_t[]){0, 1, 2}, 3);
	assert_int_equal(store_finish(session, STORE_NORMAL, NULL, UINT32_MAX, 0), 0);
	assert_int_equal(store_outcome(session), STORE_BROKEN);
}

static void test_cut(void **state)
{
	static const uint32_t seqs[] = {0, 5, 1, 4, 2, 5, 3};
	struct store_session *session = open_session(*state, 1, 7), *all = open_session(*state, 2, 7);

	for (uint32_t i = 0; i < 7; i++) {
		append(session, i, seqs[i]);
		append(all, i, seqs[i]);
	}
	assert_int_equal(store_finish(session, STORE_NORMAL, NULL, 4, 0), 0);
	assert_seqs(session, 0, UINT32_MAX, (const uint32_t[]){0, 1, 2, 3}, 4);
	assert_int_equal(store_octets(session), 4 * RECORD);
	assert_int_equal(store_outcome(session), STORE_NORMAL);
	/* Only the last one. */
	assert_int_equal(store_finish(session, STORE_NORMAL, NULL, 3, 0), 0);
	assert_seqs(session, 0, UINT32_MAX, (const uint32_t[]){0, 1, 2}, 3);
	assert_int_equal(store_finish(all, STORE_BROKEN, NULL, 0, 0), 0);
	assert_seqs(all, 0, UINT32_MAX, NULL, 0);
	assert_int_equal(store_octets(all), 0);
	assert_int_equal(store_outcome(all), STORE_BROKEN);
}

/* Across many blocks, with octets_max used up: what is kept keeps its order and place. */
static void test_cut_many(void **state)
{
	const uint32_t count = 30000, cut = 17777;
	struct store_session *session = open_session(*state, 1, count);
	struct owamp_record *records = calloc(cut, sizeof *records);

	assert_non_null(records);
	for (uint32_t i = 0; i < count; i++)
		append(session, i, i ^ 3);
	assert_int_equal(store_finish(session, STORE_NORMAL, NULL, cut, 0), 0);
	assert_int_equal(read_all(session, 0, UINT32_MAX, 64, records, cut), cut);
	for (uint32_t i = 0, kept = 0; i < count; i++) {
		if ((i ^ 3) < cut)
			assert_int_equal(records[kept++].seq, i ^ 3);
	}
	assert_int_equal(store_dropped(session), 0);
	free(records);
}

static void test_invalid(void **state)
{
	struct store_session *session = open_session(*state, 1, 10);

	append(session, 0, 0);
	assert_int_equal(store_finish(session, STORE_INVALID, NULL, UINT32_MAX, 0), 0);
	assert_int_equal(store_outcome(session), STORE_INVALID);
	assert_int_equal(store_octets(session), 0);
	assert_seqs(session, 0, UINT32_MAX, NULL, 0);
}

static void test_stop(void **state)
{
	struct owamp_skip_range skips[2] = {{3, 4}, {9, 9}};
	struct owamp_stop_session stop = {.next_seq = 12, .skip_count = 2, .skips = skips},
				  kept = {.next_seq = 0};
	struct store_session *session = open_session(*state, 1, 10), *without = open_session(*state, 2, 10);

	assert_int_equal(store_finish(session, STORE_NORMAL, &stop, 12, 0), 0);
	memset(skips, 0xff, sizeof skips);
	store_stop(session, &kept);
	assert_int_equal(kept.next_seq, 12);
	assert_int_equal(kept.skip_count, 2);
	assert_int_equal(kept.skips[0].first, 3);
	assert_int_equal(kept.skips[0].last, 4);
	assert_int_equal(kept.skips[1].first, 9);
	assert_int_equal(kept.skips[1].last, 9);
	assert_memory_equal(kept.sid, store_info(session)->request.sid, OWAMP_SID_SIZE);
	assert_int_equal(store_finish(without, STORE_BROKEN, NULL, 12, 0), 0);
	store_stop(without, &kept);
	assert_int_equal(kept.next_seq, 12);
	assert_int_equal(kept.skip_count, 0);
}

/* These share a bucket, whichever octets choose it, unless it is the first one. */
static void test_remove(void **state)
{
	struct store *store = *state;
	struct store_session *sessions[3];
	uint8_t sids[3][OWAMP_SID_SIZE];

	for (uint8_t i = 0; i < 3; i++) {
		sessions[i] = open_session(store, i, 10);
		memcpy(sids[i], store_info(sessions[i])->request.sid, OWAMP_SID_SIZE);
	}
	shared_grant.released = 0;
	store_remove(store, sessions[1]);
	assert_ptr_equal(store_find(store, sids[0]), sessions[0]);
	assert_null(store_find(store, sids[1]));
	assert_ptr_equal(store_find(store, sids[2]), sessions[2]);
	store_remove(store, sessions[2]);
	assert_null(store_find(store, sids[2]));
	assert_ptr_equal(store_find(store, sids[0]), sessions[0]);
	/* The grant of a session that is removed is the caller's. */
	assert_int_equal(shared_grant.released, 0);
	assert_non_null(open_session(store, 1, 10));
}

/* A fetch goes on although the session is gone; the last one to let go frees it. */
static void test_hold(void **state)
{
	struct store *store = *state;
	struct store_session *session = open_session(store, 1, 10);
	uint8_t sid[OWAMP_SID_SIZE];

	memcpy(sid, store_info(session)->request.sid, sizeof sid);
	append(session, 0, 7);
	store_hold(session);
	store_hold(session);
	store_remove(store, session);
	assert_null(store_find(store, sid));
	assert_seqs(session, 0, UINT32_MAX, (const uint32_t[]){7}, 1);
	store_let_go(session);
	assert_seqs(session, 0, UINT32_MAX, (const uint32_t[]){7}, 1);
	store_let_go(session);
	/* One that is still in the store stays. */
	session = open_session(store, 2, 10);
	store_hold(session);
	store_let_go(session);
	assert_ptr_equal(store_find(store, store_info(session)->request.sid), session);
}

static struct store_session *open_granted(struct store *store, uint8_t number, const char *key_id,
					  struct grant *grant)
{
	struct store_info info = info_of(number, 10);
	struct store_session *session;

	info.key_id = key_id;
	info.grant = grant;
	assert_int_equal(store_open(store, &info, &session), 0);
	return session;
}

static void test_expire(void **state)
{
	struct store *store = *state;
	struct grant grants[5] = {{0}};
	struct store_session *old = open_granted(store, 1, "alice", &grants[0]);
	struct store_session *young = open_granted(store, 2, "alice", &grants[1]);
	struct store_session *anonymous = open_granted(store, 3, NULL, &grants[2]);
	struct store_session *held = open_granted(store, 4, "bob", &grants[4]);

	(void)open_granted(store, 5, "alice", &grants[3]);
	assert_int_equal(store_finish(old, STORE_NORMAL, NULL, 10, 99 * SECOND), 0);
	assert_int_equal(store_finish(young, STORE_BROKEN, NULL, 10, 100 * SECOND), 0);
	assert_int_equal(store_finish(anonymous, STORE_NORMAL, NULL, 10, 1 * SECOND), 0);
	assert_int_equal(store_finish(held, STORE_INVALID, NULL, 10, 1 * SECOND), 0);
	append(held, 0, 0);
	store_hold(held);
	store_expire(store, 100 * SECOND, release);
	assert_int_equal(grants[0].released, 1);
	assert_int_equal(grants[1].released, 0);
	assert_int_equal(grants[2].released, 0);
	assert_int_equal(grants[3].released, 0);
	assert_int_equal(grants[4].released, 1);
	assert_seqs(held, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	store_let_go(held);
	store_expire(store, 100 * SECOND + 1, release);
	assert_int_equal(grants[1].released, 1);
	/* What is left goes with the store, once. */
	store_free(store, release);
	for (int i = 0; i < 5; i++)
		assert_int_equal(grants[i].released, 1);
	assert_int_equal(set_up(state), 0);
}

#define APPENDED 50000

static void *append_many(void *context)
{
	for (uint32_t i = 0; i < APPENDED; i++)
		append(context, i, i);
	return NULL;
}

/* Records are read while the collector goes on appending. */
static void test_append_on_another_thread(void **state)
{
	struct store_session *session = open_session(*state, 1, APPENDED);
	uint8_t wire[64 * RECORD];
	struct store_cursor cursor;
	uint32_t next = 0, count, got;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, append_many, session), 0);
	do {
		count = store_seek(session, next, UINT32_MAX, &cursor);
		while ((got = store_read(session, &cursor, wire, 64)) > 0) {
			for (uint32_t i = 0; i < got; i++)
				assert_int_equal(ref_get(wire + (size_t)i * RECORD, 4), next++);
			count -= got;
		}
		assert_int_equal(count, 0);
	} while (next < APPENDED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(store_octets(session), APPENDED * RECORD);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_open_and_find),
		STORE_TEST(test_info_is_copied),
		cmocka_unit_test(test_octets_wanted),
		STORE_TEST(test_many_records),
		STORE_TEST(test_ranges),
		STORE_TEST(test_append_during_walk),
		STORE_TEST(test_octets_max),
		STORE_TEST(test_cut),
		STORE_TEST(test_cut_many),
		STORE_TEST(test_invalid),
		STORE_TEST(test_stop),
		STORE_TEST(test_remove),
		STORE_TEST(test_hold),
		STORE_TEST(test_expire),
		STORE_TEST(test_append_on_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
