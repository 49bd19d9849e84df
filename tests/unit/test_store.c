/* The index of sessions: whose they are, what they are charged, and what is left of them. */
#include "store_fixture.h"

#include <sqlite3.h>

static void test_octets(void **state)
{
	(void)state;
	/* 100 packets and 100 / 8 + 16 duplicates of 48 octets. */
	assert_int_equal(store_octets_wanted(100), 6144);
	assert_int_equal(store_octets_wanted(UINT32_MAX), UINT64_C(4831838222) * 48);
	assert_int_equal(store_overhead(0, 0), 1024);
	assert_int_equal(store_overhead(2, 3), 1024 + 2 * 32 + 3 * 32);
}

static void test_open_and_find(void **state)
{
	struct place *place = *state;
	struct store_info info = {.owner = "x"};
	struct store_session *first, *second, *same;
	uint8_t other[OWAMP_SID_SIZE] = {3};

	place_open(place, true);
	first = agree(place, 1, "alice");
	second = agree(place, 2, NULL);
	info.sid[0] = 1;
	assert_int_equal(store_open(place->store, &info, &same), OWAMP_EINVAL);
	assert_null(same);
	assert_ptr_equal(store_find(place->store, store_sid(first)), first);
	assert_ptr_equal(store_find(place->store, store_sid(second)), second);
	assert_null(store_find(place->store, other));
	assert_string_equal(store_owner(first), "alice");
	assert_null(store_peer(first));
	assert_null(store_owner(second));
	assert_int_equal(store_peer(second)->sa_family, AF_INET);
	assert_int_equal(store_outcome(first), ARCHIVE_RUNNING);
	assert_false(store_is_started(first));
	start(first, 10, "a");
	assert_true(store_is_started(first));
	assert_int_equal(finish(first, ARCHIVE_FINISHED, 0), ARCHIVE_FINISHED);
	store_let_go(first);
	store_let_go(second);
	assert_ptr_equal(store_find(place->store, store_sid(first)), first);
}

/* These share a bucket, whichever octets choose it, unless it is the first one. */
static void test_remove(void **state)
{
	struct place *place = *state;
	struct store_session *sessions[3];
	uint8_t sids[3][OWAMP_SID_SIZE];

	place_open(place, true);
	for (uint8_t i = 0; i < 3; i++) {
		sessions[i] = agree(place, i, "alice");
		memcpy(sids[i], store_sid(sessions[i]), OWAMP_SID_SIZE);
	}
	store_remove(sessions[1]);
	assert_int_equal(place->grants[1].released, 1);
	assert_false(store_is_there(sessions[1]));
	store_remove(sessions[1]);
	assert_ptr_equal(store_find(place->store, sids[0]), sessions[0]);
	assert_null(store_find(place->store, sids[1]));
	assert_ptr_equal(store_find(place->store, sids[2]), sessions[2]);
	store_remove(sessions[2]);
	assert_null(store_find(place->store, sids[2]));
	assert_ptr_equal(store_find(place->store, sids[0]), sessions[0]);
	for (int i = 0; i < 3; i++)
		store_let_go(sessions[i]);
	sessions[1] = agree(place, 1, "alice");
	store_let_go(sessions[1]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(place->grants[i].released, i > 0);
}

/* What is charged in the end is what is there. */
static void test_settle(void **state)
{
	static const struct owamp_skip_range skips[2] = {{3, 4}, {7, 7}};
	const struct owamp_stop_session stop = {.next_seq = 8, .skip_count = 2, .skips = skips};
	struct archive_end end = {.outcome = ARCHIVE_FINISHED, .stop = &stop, .end_ns = owamp_real_ns()};
	struct place *place = *state;
	struct store_session *session, *invalid, *broken;

	place_open(place, false);
	session = begin(place, 1, 100);
	for (uint32_t i = 0; i < 20; i++)
		append(session, i, i);
	assert_int_equal(store_finish(session, &end, 8), ARCHIVE_FINISHED);
	assert_int_equal(place->grants[0].octets, 8 * 48 + 1024 + 2 * 32 + 2 * 32);
	invalid = begin(place, 2, 100);
	append(invalid, 0, 0);
	assert_int_equal(finish(invalid, ARCHIVE_INVALID, 100), ARCHIVE_INVALID);
	assert_int_equal(place->grants[1].octets, 1024 + 2 * 32);
	broken = begin(place, 3, 100);
	for (uint32_t i = 0; i < 20; i++)
		append(broken, i, i);
	assert_int_equal(finish(broken, ARCHIVE_BROKEN, 30), ARCHIVE_BROKEN);
	assert_int_equal(place->grants[2].octets, 20 * 48 + 1024 + 2 * 32);
	store_let_go(session);
	store_let_go(invalid);
	store_let_go(broken);
	for (int i = 0; i < 3; i++)
		assert_int_equal(place->grants[i].settled, 1);
	/* The next process comes to the same. */
	place_reopen(place);
	for (int i = 0; i < 3; i++) {
		static const uint64_t octets[] = {8 * 48 + 1024 + 128, 1024 + 64, 20 * 48 + 1024 + 64};

		assert_true(place->grants[i].used);
		assert_string_equal(place->grants[i].class_name, "a");
		assert_int_equal(place->grants[i].octets, octets[i]);
	}
	assert_false(place->grants[3].used);
	assert_int_equal(place->count.sessions, 2);
	assert_int_equal(place->count.records, 28);
}

/* The writer takes 3 / 8 + 16 duplicates of a session of 3 packets. */
static void test_duplicates(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	struct owamp_record record = record_of(1, 1);

	place_open(place, true);
	session = begin(place, 1, 3);
	store_append(session, &record);
	record.duplicate = true;
	for (int i = 0; i < 20; i++)
		store_append(session, &record);
	assert_int_equal(store_left_out(session), 4);
	assert_int_equal(store_lost(session), 0);
	assert_int_equal(finish(session, ARCHIVE_FINISHED, 3), ARCHIVE_FINISHED);
	assert_int_equal(store_left_out(session), 4);
	assert_int_equal(place->grants[0].octets, 17 * 48 + 1024 + 64);
	store_let_go(session);
}

static void test_reopen(void **state)
{
	struct place *place = *state;
	uint8_t alices[OWAMP_SID_SIZE] = {1}, open[OWAMP_SID_SIZE] = {2}, running[OWAMP_SID_SIZE] = {3};
	struct store_session *sessions[3], *found;

	place_open(place, false);
	assert_int_equal(place->count.sessions, 0);
	sessions[0] = begin(place, 1, 10);
	sessions[1] = agree(place, 2, NULL);
	start(sessions[1], 10, NULL);
	sessions[2] = begin(place, 3, 10);
	for (int i = 0; i < 3; i++)
		append(sessions[i], 0, 0);
	assert_int_equal(finish(sessions[0], ARCHIVE_FINISHED, 10), ARCHIVE_FINISHED);
	assert_int_equal(finish(sessions[1], ARCHIVE_FINISHED, 10), ARCHIVE_FINISHED);
	for (int i = 0; i < 3; i++)
		store_let_go(sessions[i]);
	/* As if the process had ended: nobody finished the third. */
	place_reopen(place);
	assert_int_equal(place->count.sessions, 2);
	assert_int_equal(place->count.records, 2);
	found = store_find(place->store, alices);
	assert_non_null(found);
	assert_string_equal(store_owner(found), "alice");
	assert_int_equal(store_outcome(found), ARCHIVE_FINISHED);
	assert_seqs(place, found, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	/* Charged, and nobody's. */
	found = store_find(place->store, open);
	assert_non_null(found);
	assert_null(store_owner(found));
	assert_null(store_peer(found));
	found = store_find(place->store, running);
	assert_non_null(found);
	assert_int_equal(store_outcome(found), ARCHIVE_BROKEN);
	for (int i = 0; i < 3; i++)
		assert_int_equal(place->grants[i].octets, 48 + 1024 + 64);
	assert_string_equal(place->grants[1].class_name, "(none)");
	/* Another program's are another program's. */
	store_free(place->store);
	assert_int_equal(place_try(place, false, "somebody"), 0);
	assert_int_equal(place->count.sessions, 0);
	assert_null(store_find(place->store, alices));
	assert_false(place->grants[0].used);
}

/* Nothing of a session that never started is left, once it is known that it will not. */
static void test_never_started(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	uint8_t sid[OWAMP_SID_SIZE] = {1};

	place_open(place, false);
	session = agree(place, 1, "alice");
	assert_int_equal(finish(session, ARCHIVE_BROKEN, 0), ARCHIVE_INVALID);
	assert_null(store_find(place->store, sid));
	assert_int_equal(place->grants[0].released, 1);
	store_let_go(session);
	place_reopen(place);
	assert_false(place->grants[0].used);
}

static void test_cannot_open(void **state)
{
	struct place *place = *state;

	snprintf(place->path, sizeof place->path, "%s/no/archive", place->folder);
	assert_int_not_equal(place_try(place, false, "tester"), 0);
	assert_null(place->store);
	assert_non_null(strstr(place->error, "/no/archive: "));
}

static int64_t count_rows(struct place *place, const char *table)
{
	struct archive *archive;
	sqlite3_stmt *st;
	char sql[80];
	int64_t rows;

	assert_int_equal(archive_open(&archive, place->path, ARCHIVE_READ, place->error, sizeof place->error),
			 0);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	rows = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	archive_close(archive);
	return rows;
}

static bool no_sessions(struct place *place)
{
	return count_rows(place, "sessions") == 0 && count_rows(place, "packets") == 0;
}

static void test_removed_from_the_archive(void **state)
{
	struct place *place = *state;
	struct store_session *session, *never;

	place_open(place, false);
	session = begin(place, 1, 10);
	append(session, 0, 0);
	finish(session, ARCHIVE_FINISHED, 10);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	assert_int_equal(count_rows(place, "packets"), 1);
	store_remove(session);
	assert_int_equal(place->grants[0].released, 1);
	store_let_go(session);
	/* Started, and given up before it ended. */
	never = begin(place, 2, 10);
	append(never, 0, 0);
	store_remove(never);
	store_let_go(never);
	place_until(place, no_sessions);
}

static void test_disown(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	uint8_t sid[OWAMP_SID_SIZE] = {1};

	place_open(place, false);
	session = agree(place, 1, NULL);
	start(session, 10, "a");
	append(session, 0, 0);
	finish(session, ARCHIVE_FINISHED, 10);
	store_disown(session);
	assert_null(store_peer(session));
	assert_true(store_is_there(session));
	store_let_go(session);
	assert_int_equal(place->grants[0].released, 0);
	store_free(place->store);
	place_open(place, true);
	session = agree(place, 1, NULL);
	start(session, 10, "a");
	finish(session, ARCHIVE_FINISHED, 10);
	store_disown(session);
	assert_null(store_find(place->store, sid));
	assert_int_equal(place->grants[0].released, 1);
	store_let_go(session);
}

static bool first_is_released(struct place *place)
{
	return place->grants[0].released == 1;
}

/* The archive says when packets are gone; somebody may still hold the session then. */
static void expire(struct place *place, bool in_memory)
{
	const struct writer_retention short_time = {.packets_ns = 1, .summaries_ns = 1};
	struct store_session *session, *running;
	uint8_t sid[OWAMP_SID_SIZE] = {1};

	place->retention = (struct writer_retention){.packets_ns = 3600 * SECOND};
	place_open(place, in_memory);
	session = begin(place, 1, 10);
	running = begin(place, 2, 10);
	append(session, 0, 0);
	finish(session, ARCHIVE_FINISHED, 10);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	assert_int_equal(place->grants[0].released, 0);
	store_set_retention(place->store, &short_time);
	place_until(place, first_is_released);
	assert_null(store_find(place->store, sid));
	assert_false(store_is_there(session));
	store_let_go(session);
	assert_true(store_is_there(running));
	assert_int_equal(place->grants[1].released, 0);
	finish(running, ARCHIVE_BROKEN, 0);
	store_let_go(running);
}

static void test_expire(void **state)
{
	expire(*state, false);
}

static void test_expire_in_memory(void **state)
{
	expire(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets),
		STORE_TEST(test_open_and_find),
		STORE_TEST(test_remove),
		STORE_TEST(test_settle),
		STORE_TEST(test_duplicates),
		STORE_TEST(test_reopen),
		STORE_TEST(test_never_started),
		STORE_TEST(test_cannot_open),
		STORE_TEST(test_removed_from_the_archive),
		STORE_TEST(test_disown),
		STORE_TEST(test_expire),
		STORE_TEST(test_expire_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
