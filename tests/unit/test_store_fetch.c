/* Sessions read back while the loop goes on: every octet, at any time, given up at any time. */
#include "store_fixture.h"

#include <pthread.h>

static void test_head(void **state)
{
	struct owamp_skip_range skips[2] = {{3, 4}, {9, 9}};
	const struct owamp_stop_session stop = {.next_seq = 12, .skip_count = 2, .skips = skips};
	const struct archive_end end = {
		.outcome = ARCHIVE_FINISHED, .stop = &stop, .end_ns = owamp_real_ns()};
	struct place *place = *state;
	const struct store_head *head;
	struct store_session *session;
	struct store_fetch *fetch;

	place_open(place, false);
	session = begin(place, 1, 20);
	for (uint32_t i = 0; i < 12; i++)
		append(session, i, i);
	store_finish(session, &end, 12);
	memset(skips, 0xff, sizeof skips);
	fetch = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, fetch);
	head = store_fetch_head(fetch);
	assert_ptr_equal(store_fetch_session(fetch), session);
	assert_int_equal(head->outcome, ARCHIVE_FINISHED);
	assert_string_equal(head->reason, "");
	assert_int_equal(head->count, 12);
	assert_int_equal(head->stop.next_seq, 12);
	assert_int_equal(head->stop.skip_count, 2);
	assert_int_equal(head->stop.skips[0].first, 3);
	assert_int_equal(head->stop.skips[0].last, 4);
	assert_int_equal(head->stop.skips[1].first, 9);
	assert_int_equal(head->stop.skips[1].last, 9);
	assert_memory_equal(head->request.sid, store_sid(session), OWAMP_SID_SIZE);
	assert_int_equal(head->request.packets, 20);
	assert_int_equal(head->request.sender_port, 5000);
	assert_int_equal(head->request.receiver_port, 6000);
	assert_int_equal(head->request.timeout, OWAMP_SECOND + 3);
	assert_int_equal(head->request.slot_count, 2);
	assert_int_equal(head->request.slots[0].type, OWAMP_SLOT_FIXED);
	assert_int_equal(head->request.slots[0].interval, OWAMP_SECOND);
	assert_int_equal(head->request.slots[1].type, OWAMP_SLOT_EXPONENTIAL);
	assert_int_equal(head->request.slots[1].interval, 7);
	store_fetch_free(fetch);
	store_let_go(session);
}

/* Several batches; all octets come back, in order, also from a file that is opened again. */
static void test_many_records(void **state)
{
	const uint32_t count = 10000;
	struct place *place = *state;
	struct store_session *session;
	uint8_t sid[OWAMP_SID_SIZE] = {1};

	place_open(place, false);
	session = begin(place, 1, count);
	for (uint32_t i = 0; i < count; i++)
		append(session, i, i ^ 5);
	finish(session, ARCHIVE_FINISHED, count);
	store_let_go(session);
	for (int turn = 0; turn < 2; turn++) {
		struct store_fetch *fetch = fetch_begin(place, store_find(place->store, sid), 0, UINT32_MAX);
		uint32_t got;
		uint8_t *wire;

		fetch_wait(place, fetch);
		assert_int_equal(store_fetch_head(fetch)->count, count);
		wire = fetch_rest(place, fetch, &got);
		for (uint32_t i = 0; i < count; i++) {
			const struct owamp_record expected = record_of(i, i ^ 5);
			const uint8_t *at = wire + (size_t)i * RECORD;

			assert_int_equal(ref_get(at, 4), expected.seq);
			assert_int_equal(ref_get(at + 4, 2), expected.send_error);
			assert_int_equal(ref_get(at + 6, 2), expected.receive_error);
			assert_int_equal(ref_get(at + 8, 8), expected.send_time);
			assert_int_equal(ref_get(at + 16, 8), expected.receive_time);
			assert_int_equal(at[24], expected.ttl);
		}
		free(wire);
		store_fetch_free(fetch);
		place_reopen(place);
	}
}

static void test_ranges(void **state)
{
	static const uint32_t all[] = {3, 1, 2, 1, 0, UINT32_MAX, 4};
	struct place *place = *state;
	struct store_session *session;

	place_open(place, true);
	session = begin(place, 1, 10);
	for (uint32_t i = 0; i < 7; i++)
		append(session, i, all[i]);
	assert_seqs(place, session, 0, UINT32_MAX, all, 7);
	assert_seqs(place, session, 1, 2, (const uint32_t[]){1, 2, 1}, 3);
	assert_seqs(place, session, 1, 1, (const uint32_t[]){1, 1}, 2);
	assert_seqs(place, session, 3, UINT32_MAX, (const uint32_t[]){3, UINT32_MAX, 4}, 3);
	assert_seqs(place, session, UINT32_MAX, UINT32_MAX, (const uint32_t[]){UINT32_MAX}, 1);
	assert_seqs(place, session, 5, 1000, NULL, 0);
	finish(session, ARCHIVE_BROKEN, UINT32_MAX);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){3, 1, 2, 1, 0, 4}, 6);
	store_let_go(session);
}

static void test_running(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	struct store_fetch *fetch;
	uint32_t count;
	uint8_t *wire;

	place_open(place, false);
	session = begin(place, 1, 100);
	for (uint32_t i = 0; i < 40; i++)
		append(session, i, i);
	fetch = fetch_begin(place, session, 0, 98);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->outcome, ARCHIVE_RUNNING);
	assert_int_equal(store_fetch_head(fetch)->count, 40);
	/* What comes now is not in it. */
	append(session, 40, 40);
	assert_seqs(place, session, 40, 50, (const uint32_t[]){40}, 1);
	wire = fetch_rest(place, fetch, &count);
	assert_int_equal(count, 40);
	assert_int_equal(store_fetch_next(fetch), 0);
	fetch_wait(place, fetch);
	(void)store_fetch_records(fetch, &count);
	assert_int_equal(count, 0);
	free(wire);
	store_fetch_free(fetch);
	finish(session, ARCHIVE_FINISHED, 100);
	store_let_go(session);
}

/* Without the sender's account, a session ends where its records end. */
static void test_no_stop(void **state)
{
	struct archive_end end = {.outcome = ARCHIVE_BROKEN, .reason = "because", .end_ns = owamp_real_ns()};
	struct place *place = *state;
	struct store_session *session, *nothing;
	struct store_fetch *fetch;

	place_open(place, false);
	session = begin(place, 1, 100);
	for (uint32_t i = 0; i < 40; i++)
		append(session, i, 39 - i);
	assert_int_equal(store_finish(session, &end, 31), ARCHIVE_BROKEN);
	fetch = fetch_begin(place, session, 5, 7);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->outcome, ARCHIVE_BROKEN);
	assert_string_equal(store_fetch_head(fetch)->reason, "because");
	assert_int_equal(store_fetch_head(fetch)->stop.next_seq, 31);
	assert_int_equal(store_fetch_head(fetch)->stop.skip_count, 0);
	assert_int_equal(store_fetch_head(fetch)->count, 3);
	store_fetch_free(fetch);
	store_let_go(session);
	nothing = begin(place, 2, 100);
	store_finish(nothing, &end, 0);
	fetch = fetch_begin(place, nothing, 0, 7);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->stop.next_seq, 0);
	assert_int_equal(store_fetch_head(fetch)->count, 0);
	store_fetch_free(fetch);
	store_let_go(nothing);
}

static void test_invalid(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	struct store_fetch *fetch;

	place_open(place, true);
	session = begin(place, 1, 10);
	append(session, 0, 0);
	finish(session, ARCHIVE_INVALID, UINT32_MAX);
	fetch = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->outcome, ARCHIVE_INVALID);
	assert_int_equal(store_fetch_head(fetch)->count, 0);
	store_fetch_free(fetch);
	store_let_go(session);
}

/* A fetch goes on although the session was removed; the archive loses it when the last one ends. */
static void test_remove_while_fetching(void **state)
{
	const uint32_t count = 5000;
	struct place *place = *state;
	struct store_fetch *first, *second;
	struct store_session *session;
	uint8_t *wire;
	uint32_t got;

	place_open(place, true);
	session = begin(place, 1, count);
	for (uint32_t i = 0; i < count; i++)
		append(session, i, i);
	finish(session, ARCHIVE_FINISHED, count);
	first = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, first);
	second = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, second);
	store_let_go(session);
	store_remove(session);
	assert_null(store_find(place->store, store_sid(session)));
	wire = fetch_rest(place, first, &got);
	assert_int_equal(got, count);
	free(wire);
	store_fetch_free(first);
	assert_int_equal(place->grants[0].released, 0);
	wire = fetch_rest(place, second, &got);
	assert_int_equal(got, count);
	free(wire);
	store_fetch_free(second);
	assert_int_equal(place->grants[0].released, 1);
}

/* A connection can go at any moment; the reader's thread may be at work for it just then. */
static void test_give_up(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	struct store_fetch *fetch;

	place_open(place, false);
	session = begin(place, 1, 10000);
	for (uint32_t i = 0; i < 10000; i++)
		append(session, i, i);
	/* While it is being written. */
	store_fetch_free(fetch_begin(place, session, 0, 10));
	finish(session, ARCHIVE_FINISHED, 10000);
	store_fetch_free(fetch_begin(place, session, 0, 10));
	fetch = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, fetch);
	store_fetch_free(fetch);
	/* While the head is being read: what is written is not written again. */
	for (int i = 0; i < 20; i++)
		store_fetch_free(fetch_begin(place, session, 0, UINT32_MAX));
	/* While records are. */
	fetch = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_next(fetch), 0);
	store_fetch_free(fetch);
	/* And others are served. */
	assert_seqs(place, session, 9999, 9999, (const uint32_t[]){9999}, 1);
	store_let_go(session);
}

static int refused(struct place *place, struct store_session *session, const char **reason)
{
	static char kept[400];
	struct store_fetch *fetch = fetch_begin(place, session, 0, UINT32_MAX);
	int error;

	place_run(place);
	error = store_fetch_error(fetch, reason);
	snprintf(kept, sizeof kept, "%s", *reason);
	*reason = kept;
	store_fetch_free(fetch);
	return error;
}

/* The file is read again as soon as it can be; what is not in it yet, then. */
static void test_file_in_trouble(void **state)
{
	struct place *place = *state;
	struct store_session *session, *waiting;
	char away[80];
	const char *reason;

	place_open(place, false);
	session = begin(place, 1, 10);
	append(session, 0, 0);
	finish(session, ARCHIVE_FINISHED, 10);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	/* With all that belongs to it, so that nobody can make another one in its place. */
	snprintf(away, sizeof away, "%s-away", place->folder);
	assert_int_equal(rename(place->folder, away), 0);
	assert_int_equal(refused(place, session, &reason), OWAMP_ESYSTEM);
	assert_non_null(strstr(reason, "/archive: No such file or directory"));
	waiting = begin(place, 2, 10);
	append(waiting, 1, 1);
	finish(waiting, ARCHIVE_FINISHED, 10);
	assert_int_equal(refused(place, waiting, &reason), OWAMP_ESYSTEM);
	assert_non_null(strstr(reason, "/archive: "));
	assert_int_equal(rename(away, place->folder), 0);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	store_let_go(session);
	store_let_go(waiting);
}

/* Somebody made room by hand: that is not trouble, it is just not there. */
static void test_not_in_the_file(void **state)
{
	struct place *place = *state;
	struct store_session *session;
	const char *reason;
	char command[200];

	place_open(place, false);
	session = begin(place, 1, 10);
	append(session, 0, 0);
	finish(session, ARCHIVE_FINISHED, 10);
	assert_seqs(place, session, 0, UINT32_MAX, (const uint32_t[]){0}, 1);
	snprintf(command, sizeof command,
		 "sqlite3 -bail -cmd '.timeout 9000' %s 'UPDATE sessions SET packets_kept = 0'", place->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(refused(place, session, &reason), OWAMP_EDATA);
	assert_string_equal(reason, "the session's packets are not kept any more");
	snprintf(command, sizeof command, "sqlite3 -bail -cmd '.timeout 9000' %s 'DELETE FROM sessions'",
		 place->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(refused(place, session, &reason), OWAMP_EDATA);
	assert_non_null(strstr(reason, "does not have the session"));
	store_let_go(session);
}

static void remove_from_file(struct place *place, const uint8_t sid[OWAMP_SID_SIZE])
{
	struct archive *archive;
	int64_t session_id;
	bool more = true;

	assert_int_equal(
		archive_open(&archive, place->path, ARCHIVE_WRITE, place->error, sizeof place->error), 0);
	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_find(archive, sid, &session_id, NULL), 0);
	while (more)
		assert_int_equal(archive_session_remove(archive, session_id, true, 100000, &more), 0);
	assert_int_equal(archive_commit(archive), 0);
	archive_close(archive);
}

/* Retention does not wait for a fetch, and SQLite gives the number of the last session away again. */
static void test_number_of_another_session(void **state)
{
	struct place *place = *state;
	struct store_session *session, *other;
	struct store_fetch *fetch;
	uint32_t count;

	place_open(place, false);
	session = begin(place, 1, 5000);
	for (uint32_t i = 0; i < 5000; i++)
		append(session, i, i);
	finish(session, ARCHIVE_FINISHED, 5000);
	fetch = fetch_begin(place, session, 0, UINT32_MAX);
	fetch_wait(place, fetch);
	assert_int_equal(store_fetch_head(fetch)->count, 5000);
	remove_from_file(place, store_sid(session));
	other = begin(place, 2, 5000);
	for (uint32_t i = 0; i < 5000; i++)
		append(other, i, i);
	finish(other, ARCHIVE_FINISHED, 5000);
	store_fetch_free(fetch_begin(place, other, 0, 0));
	assert_seqs(place, other, 4999, 4999, (const uint32_t[]){4999}, 1);
	assert_int_equal(store_fetch_next(fetch), 0);
	fetch_wait(place, fetch);
	(void)store_fetch_records(fetch, &count);
	assert_int_equal(count, 0);
	store_fetch_free(fetch);
	store_let_go(session);
	store_let_go(other);
}

#define GIVEN_UP 300

/* Who asks and goes, again and again, keeps nobody waiting: what nobody wants is not read. */
static void test_many_given_up(void **state)
{
	const uint32_t count = 200000;
	struct place *place = *state;
	struct store_session *session;
	int64_t begun, one_ns;

	place_open(place, true);
	session = begin(place, 1, count);
	for (uint32_t i = 0; i < count; i++)
		append(session, i, i);
	finish(session, ARCHIVE_FINISHED, count);
	assert_seqs(place, session, 5, 5, (const uint32_t[]){5}, 1);
	begun = owamp_mono_ns();
	assert_seqs(place, session, 5, 5, (const uint32_t[]){5}, 1);
	one_ns = owamp_mono_ns() - begun;
	for (int i = 0; i < GIVEN_UP; i++)
		store_fetch_free(fetch_begin(place, session, 0, UINT32_MAX));
	begun = owamp_mono_ns();
	assert_seqs(place, session, 5, 5, (const uint32_t[]){5}, 1);
	assert_true(owamp_mono_ns() - begun < GIVEN_UP / 3 * one_ns);
	store_let_go(session);
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
	struct place *place = *state;
	struct store_session *session;
	uint32_t next = 0;
	pthread_t thread;

	place_open(place, true);
	session = begin(place, 1, APPENDED);
	assert_int_equal(pthread_create(&thread, NULL, append_many, session), 0);
	while (next < APPENDED) {
		struct store_fetch *fetch = fetch_begin(place, session, next, UINT32_MAX);
		uint8_t *wire;
		uint32_t got;

		fetch_wait(place, fetch);
		wire = fetch_rest(place, fetch, &got);
		for (uint32_t i = 0; i < got; i++)
			assert_int_equal(ref_get(wire + (size_t)i * RECORD, 4), next++);
		free(wire);
		store_fetch_free(fetch);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(finish(session, ARCHIVE_FINISHED, APPENDED), ARCHIVE_FINISHED);
	store_let_go(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_head),
		STORE_TEST(test_many_records),
		STORE_TEST(test_ranges),
		STORE_TEST(test_running),
		STORE_TEST(test_no_stop),
		STORE_TEST(test_invalid),
		STORE_TEST(test_remove_while_fetching),
		STORE_TEST(test_give_up),
		STORE_TEST(test_file_in_trouble),
		STORE_TEST(test_not_in_the_file),
		STORE_TEST(test_number_of_another_session),
		STORE_TEST(test_many_given_up),
		STORE_TEST(test_append_on_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
