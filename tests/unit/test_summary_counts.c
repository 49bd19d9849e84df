/* What counts in a summary and what does not, losses in any order, and what it may take. */
#include "summary_fixture.h"

static struct packet arrival(uint32_t seq)
{
	return (struct packet){.seq = seq, .send_ns = BASE_NS + seq * SECOND, .delay_ns = MS};
}

static struct packet loss(uint32_t seq)
{
	return (struct packet){.seq = seq, .send_ns = BASE_NS + seq * SECOND, .lost = true};
}

/* The rows of losses as "first-last ...", and that each begins and ends when its packets were due. */
static void assert_losses_are(struct place *place, const char *expected)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(place->archive),
					    "SELECT group_concat(first_seq || '-' || last_seq, ' ') FROM"
					    " (SELECT * FROM losses ORDER BY first_seq)",
					    -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), expected);
	sqlite3_finalize(st);
	assert_int_equal(ask(place->archive, "SELECT count(*) FROM losses WHERE"
					     " begin_ns <> 1795168800000000000 + first_seq * 1000000000"
					     " OR end_ns <> 1795168800000000000 + last_seq * 1000000000"),
			 0);
}

/* A row that had been stored grows with the next transactions. */
static void test_losses_grow(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct place place;
	struct packet packet;

	open_place(&place, BASE_NS);
	for (uint32_t seq = 10; seq < 40; seq++) {
		char expected[40];

		packet = loss(seq);
		put(summary, &packet);
		store(summary, &place);
		snprintf(expected, sizeof expected, "10-%u", seq);
		assert_losses_are(&place, expected);
	}
	for (uint32_t seq = 41; seq < 44; seq++) {
		packet = loss(seq);
		put(summary, &packet);
	}
	packet = loss(0);
	put(summary, &packet);
	store(summary, &place);
	assert_losses_are(&place, "0-0 10-39 41-43");
	summary_free(summary);
	close_place(&place);
}

/* The last number there is has none that follows it: 0 is not next to it. */
static void test_losses_of_the_last_packets(void **state)
{
	(void)state;
	const uint32_t lost[] = {UINT32_MAX - 2, UINT32_MAX, 0, UINT32_MAX - 1};

	for (int at_once = 0; at_once < 2; at_once++) {
		struct summary *summary = new_summary(BASE_NS);
		struct place place;

		open_place(&place, BASE_NS);
		for (size_t i = 0; i < 4; i++) {
			struct packet packet = {.seq = lost[i], .send_ns = BASE_NS, .lost = true};

			put(summary, &packet);
			if (!at_once || i == 3)
				store(summary, &place);
		}
		assert_int_equal(ask(place.archive, "SELECT group_concat(first_seq || '-' || last_seq, ' ')"
						    " = '0-0 4294967293-4294967295' FROM"
						    " (SELECT * FROM losses ORDER BY first_seq)"),
				 1);
		summary_free(summary);
		close_place(&place);
	}
}

/* All orders of losses that end up as 1-3 5-5 7-8, stored after every number of them. */
static void test_losses_in_any_order(void **state)
{
	(void)state;
	const uint32_t lost[] = {1, 2, 3, 5, 7, 8};
	struct place place;

	open_place(&place, BASE_NS);
	for (unsigned order = 0; order < 720; order++) {
		struct summary *summary = new_summary(BASE_NS);
		uint32_t left[6];
		unsigned code = order;

		memcpy(left, lost, sizeof left);
		for (unsigned n = 6; n > 0; n--) {
			unsigned pick = code % n;
			struct packet packet = loss(left[pick]);

			code /= n;
			left[pick] = left[n - 1];
			put(summary, &packet);
			/* And once more, as a foreign server may. */
			put(summary, &packet);
			if ((order >> (n - 1)) & 1)
				store(summary, &place);
		}
		store(summary, &place);
		assert_losses_are(&place, "1-3 5-5 7-8");
		run_sql(place.archive, "DELETE FROM losses");
		summary_free(summary);
	}
	close_place(&place);
}

/* Two sessions' losses never touch. */
static void test_losses_of_another_session(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct packet packet = loss(5);
	struct place place;

	open_place(&place, BASE_NS);
	put(summary, &packet);
	store(summary, &place);
	place.session_id = add_session(place.archive, BASE_NS);
	packet = loss(6);
	put(summary, &packet);
	packet = loss(4);
	put(summary, &packet);
	store(summary, &place);
	assert_losses_are(&place, "4-4 5-5 6-6");
	place.session_id--;
	packet = loss(7);
	put(summary, &packet);
	packet = loss(3);
	put(summary, &packet);
	store(summary, &place);
	assert_losses_are(&place, "3-3 4-4 5-5 6-6 7-7");
	summary_free(summary);
	close_place(&place);
}

static void test_skips_given_first(void **state)
{
	(void)state;
	const struct owamp_skip_range skips[] = {{2, 3}, {4, 4}, {8, UINT32_MAX}};
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	assert_int_equal(summary_skips(summary, skips, 3), 0);
	for (uint32_t seq = 0; seq < 12; seq++) {
		struct packet packet = seq % 2 ? loss(seq) : arrival(seq);

		put(summary, &packet);
		packet.duplicate = true;
		put(summary, &packet);
	}
	assert_false(summary_is_stale(summary));
	close_and_store(summary, &place);
	/* 0 and 6 arrived, twice; 1, 5 and 7 were lost, and that was said twice. */
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM minutes WHERE sent = 5 AND received = 2"
					    " AND lost = 3 AND duplicates = 2 AND reordered = 0"),
			 1);
	assert_losses_are(&place, "1-1 5-5 7-7");
	summary_free(summary);
	close_place(&place);
}

/* Stale only if one may have been counted that should not have been. */
static void test_skips_given_late(void **state)
{
	(void)state;
	struct owamp_skip_range skip = {6, 9};
	struct packet packet = arrival(5);

	for (int counted = 0; counted < 2; counted++) {
		struct summary *summary = new_summary(BASE_NS);

		packet.seq = counted ? 6 : 5;
		put(summary, &packet);
		assert_int_equal(summary_skips(summary, NULL, 0), 0);
		assert_false(summary_is_stale(summary));
		assert_int_equal(summary_skips(summary, &skip, 1), 0);
		assert_int_equal(summary_is_stale(summary), counted);
		summary_free(summary);
		summary = new_summary(BASE_NS);
		put(summary, &packet);
		summary_cut(summary, 7);
		assert_false(summary_is_stale(summary));
		summary_cut(summary, 6);
		assert_int_equal(summary_is_stale(summary), counted);
		summary_free(summary);
	}
}

static void test_skips_that_contradict(void **state)
{
	(void)state;
	const struct owamp_skip_range bad[][2] = {{{5, 4}, {8, 9}}, {{1, 4}, {4, 9}}, {{5, 6}, {1, 2}}};
	struct summary *summary = new_summary(BASE_NS);

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(summary_skips(summary, bad[i], 2), OWAMP_EDATA);
	summary_free(summary);
}

static void test_cut(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	summary_cut(summary, 3);
	for (uint32_t seq = 0; seq < 6; seq++) {
		struct packet packet = arrival(seq);

		put(summary, &packet);
	}
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive, "SELECT sum(received) FROM minutes"), 3);
	assert_false(summary_is_stale(summary));
	summary_free(summary);
	close_place(&place);
}

/* A bound that does not fit, and one clock that was not synchronized. */
static void test_bounds(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct packet packet = arrival(0);
	struct place place;

	open_place(&place, BASE_NS);
	packet.send_error = 0xffff;
	packet.receive_error = SYNCED | ERROR(10);
	put(summary, &packet);
	packet = arrival(60);
	packet.send_error = SYNCED | ERROR(10);
	packet.receive_error = ERROR(10);
	put(summary, &packet);
	packet.seq++;
	packet.receive_error |= SYNCED;
	put(summary, &packet);
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM minutes WHERE synchronized = 1"
					    " AND send_error_ns = 9223372036854775807"),
			 1);
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM minutes WHERE synchronized = 0"
					    " AND received = 2"),
			 1);
	summary_free(summary);
	close_place(&place);
}

/* About 8 octets for each packet of a minute, and next to nothing once it is stored. */
static void test_memory_of_a_busy_minute(void **state)
{
	(void)state;
	enum { N = 200000 };
	struct summary *summary = new_summary(BASE_NS);
	size_t empty = summary_memory(summary);
	struct place place;

	open_place(&place, BASE_NS);
	for (uint32_t seq = 0; seq < N; seq++) {
		struct packet packet = {.seq = seq, .send_ns = BASE_NS + seq, .delay_ns = seq * INT64_C(7)};

		put(summary, &packet);
		packet.duplicate = true;
		put(summary, &packet);
	}
	assert_true(summary_memory(summary) > N * 8);
	assert_true(summary_memory(summary) < N * 8 * 3 / 2 + 1000);
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	assert_true(summary_memory(summary) < 50000);
	store(summary, &place);
	assert_int_equal(summary_memory(summary), empty);
	assert_int_equal(ask(place.archive, "SELECT delay_p50_ns FROM minutes"), (N / 2 - 1) * 7);
	summary_free(summary);
	close_place(&place);
}

/* Each packet claims a minute of its own, far apart. Looking through all of them each time would not end. */
static void test_as_many_minutes_as_packets(void **state)
{
	(void)state;
	enum { N = 300000 };
	struct summary *summary;
	uint64_t seed = 1;
	size_t received = 0;

	assert_int_equal(summary_new(&summary, INT64_MAX, BASE_NS), 0);
	for (uint32_t seq = 0; seq < N; seq++) {
		struct owamp_record record = {.seq = seq, .send_time = ref_random(&seed)};

		record.receive_time = seq % 3 ? ref_random(&seed) : 0;
		received += seq % 3 != 0;
		assert_int_equal(summary_record(summary, &record), 0);
		assert_int_equal(summary_close(summary, BASE_NS), 0);
	}
	assert_true(summary_memory(summary) < N * 400);
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	assert_true(summary_is_ready(summary));
	assert_true(received > 0);
	summary_free(summary);
}

/* Freed with everything it may hold. */
static void test_freed_when_full(void **state)
{
	(void)state;
	const struct owamp_skip_range skip = {1000, 1001};
	struct summary *summary = new_summary(BASE_NS);

	for (uint32_t seq = 0; seq < 400; seq++) {
		struct packet packet = seq % 5 ? arrival(seq) : loss(seq);

		put(summary, &packet);
	}
	assert_int_equal(summary_skips(summary, &skip, 1), 0);
	assert_int_equal(summary_close(summary, BASE_NS + 5 * MINUTE), 0);
	assert_true(summary_is_ready(summary));
	summary_free(summary);
	summary_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_losses_grow),
		cmocka_unit_test(test_losses_of_the_last_packets),
		cmocka_unit_test(test_losses_in_any_order),
		cmocka_unit_test(test_losses_of_another_session),
		cmocka_unit_test(test_skips_given_first),
		cmocka_unit_test(test_skips_given_late),
		cmocka_unit_test(test_skips_that_contradict),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_memory_of_a_busy_minute),
		cmocka_unit_test(test_as_many_minutes_as_packets),
		cmocka_unit_test(test_freed_when_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
