/* Summaries live: what is stored is what plain counting gives, whatever comes in between. */
#include "summary_fixture.h"

static void test_by_hand(void **state)
{
	(void)state;
	/* Three received of which one late, a duplicate, one lost; then a minute with a loss only. */
	const struct packet packets[] = {
		{.seq = 0,
		 .send_ns = BASE_NS,
		 .delay_ns = 30,
		 .send_error = SYNCED | ERROR(24),
		 .receive_error = SYNCED | ERROR(25)},
		{.seq = 2,
		 .send_ns = BASE_NS + 2,
		 .delay_ns = -10,
		 .send_error = SYNCED | ERROR(26),
		 .receive_error = SYNCED | ERROR(22)},
		{.seq = 1,
		 .send_ns = BASE_NS + 1,
		 .delay_ns = 20,
		 .send_error = SYNCED | ERROR(20),
		 .receive_error = SYNCED | ERROR(24)},
		{.seq = 1,
		 .send_ns = BASE_NS + 1,
		 .delay_ns = 99,
		 .send_error = ERROR(30),
		 .duplicate = true},
		{.seq = 3, .send_ns = BASE_NS + MINUTE - 1, .lost = true, .send_error = OWAMP_ERROR_LOST},
		{.seq = 4, .send_ns = BASE_NS + MINUTE, .lost = true, .send_error = OWAMP_ERROR_LOST},
	};
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	assert_false(summary_is_ready(summary));
	for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
		put(summary, &packets[i]);
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM minutes"), 2);
	assert_int_equal(ask(place.archive,
			     "SELECT count(*) FROM minutes WHERE minute_ns = 1795168800000000000"
			     " AND sent = 4 AND received = 3 AND lost = 1 AND dropped = 0 AND duplicates = 1 "
			     "AND reordered = 1"
			     " AND delay_min_ns = -10 AND delay_p50_ns = 20 AND delay_p95_ns = 30"
			     " AND delay_p99_ns = 30 AND delay_p999_ns = 30 AND delay_max_ns = 30"
			     " AND jitter_ns = 10 AND send_error_ns = 15625000 AND receive_error_ns = 7812500"
			     " AND synchronized = 1"),
			 1);
	assert_int_equal(
		ask(place.archive,
		    "SELECT count(*) FROM minutes WHERE minute_ns = 1795168860000000000"
		    " AND sent = 1 AND received = 0 AND lost = 1 AND duplicates = 0 AND reordered = 0"
		    " AND coalesce(delay_min_ns, delay_p50_ns, delay_p95_ns, delay_p99_ns,"
		    " delay_p999_ns, delay_max_ns, jitter_ns, send_error_ns, receive_error_ns,"
		    " synchronized) IS NULL"),
		1);
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM histograms"), 3);
	assert_int_equal(ask(place.archive, "SELECT sum(delay_ns) FROM histograms WHERE packets = 1"
					    " AND hour_ns = 1795168800000000000"),
			 40);
	/* In a row although they are in two minutes. */
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM losses WHERE first_seq = 3 AND last_seq = 4"
					    " AND begin_ns = 1795168859999999999"
					    " AND end_ns = 1795168860000000000"),
			 1);
	summary_free(summary);
	close_place(&place);
}

/* What our own socket dropped is no loss, and no part of a run of losses: it had come through the network. */
static void test_dropped(void **state)
{
	(void)state;
	const struct packet packets[] = {
		{.seq = 0, .send_ns = BASE_NS, .lost = true},
		{.seq = 1, .send_ns = BASE_NS + 1, .lost = true, .dropped = true},
		{.seq = 2, .send_ns = BASE_NS + 2, .lost = true},
		{.seq = 3, .send_ns = BASE_NS + 3, .lost = true},
		{.seq = 4, .send_ns = BASE_NS + 4, .delay_ns = 50},
		/* Of no account: a further record of its packet. */
		{.seq = 4, .send_ns = BASE_NS + 4, .lost = true, .dropped = true, .duplicate = true},
		/* A minute of its own. */
		{.seq = 5, .send_ns = BASE_NS + MINUTE, .lost = true, .dropped = true},
		/* Never sent. */
		{.seq = 6, .send_ns = BASE_NS + MINUTE, .lost = true, .dropped = true},
	};
	const struct owamp_skip_range skip = {6, 6};
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	assert_int_equal(summary_skips(summary, &skip, 1), 0);
	for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
		put(summary, &packets[i]);
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive,
			     "SELECT count(*) FROM minutes WHERE minute_ns = 1795168800000000000"
			     " AND sent = 5 AND received = 1 AND lost = 3 AND dropped = 1"
			     " AND duplicates = 0"),
			 1);
	assert_int_equal(ask(place.archive,
			     "SELECT count(*) FROM minutes WHERE minute_ns = 1795168860000000000"
			     " AND sent = 1 AND received = 0 AND lost = 0 AND dropped = 1"
			     " AND delay_min_ns IS NULL"),
			 1);
	assert_int_equal(ask(place.archive, "SELECT count(*) FROM minutes"), 2);
	assert_int_equal(
		ask(place.archive, "SELECT group_concat(first_seq || last_seq) = '00,23' FROM losses"), 1);
	summary_free(summary);
	close_place(&place);
}

/* However far apart the delays of a minute are, and on which side of zero. */
static void test_order_of_delays(void **state)
{
	(void)state;
	for (int64_t step = 1; step < 10 * SECOND; step *= 7) {
		for (int64_t first = -300; first <= 0; first += 150) {
			struct summary *summary = new_summary(BASE_NS);
			struct place place;
			char sql[400];

			open_place(&place, BASE_NS);
			for (uint32_t i = 0; i < 300; i++) {
				struct packet packet = {
					.seq = i,
					.send_ns = BASE_NS + i,
					.delay_ns = (first + i * INT64_C(77) % 300) * step,
				};

				put(summary, &packet);
			}
			close_and_store(summary, &place);
			snprintf(sql, sizeof sql,
				 "SELECT delay_min_ns = %lld AND delay_p50_ns = %lld AND delay_p95_ns = %lld"
				 " AND delay_p99_ns = %lld AND delay_p999_ns = %lld AND delay_max_ns = %lld"
				 " FROM minutes",
				 (long long)(first * step), (long long)((first + 149) * step),
				 (long long)((first + 284) * step), (long long)((first + 296) * step),
				 (long long)((first + 299) * step), (long long)((first + 299) * step));
			assert_int_equal(ask(place.archive, sql), 1);
			summary_free(summary);
			close_place(&place);
		}
	}
}

static const struct story_kind kinds[] = {
	{.packets = 400, .begin_ns = BASE_NS, .interval_ns = 20 * MS},
	{.packets = 3000,
	 .begin_ns = BASE_NS + 30 * MINUTE,
	 .interval_ns = 2 * SECOND,
	 .lost = 5,
	 .duplicates = 5,
	 .swapped = 10},
	{.packets = 2000,
	 .begin_ns = BASE_NS - 5 * SECOND,
	 .interval_ns = 100 * MS,
	 .lost = 30,
	 .dropped = 40,
	 .duplicates = 10,
	 .swapped = 30,
	 .losses_anywhere = true},
	{.packets = 2000,
	 .begin_ns = BASE_NS - 5 * SECOND,
	 .interval_ns = 300 * MS,
	 .lost = 10,
	 .dropped = 20,
	 .duplicates = 5,
	 .swapped = 20,
	 .skips = true},
	/* Before 1970, over it, and over the end of the NTP era in 2036. */
	{.packets = 1000, .begin_ns = -90 * 86400 * SECOND - 1, .interval_ns = 10 * SECOND, .lost = 10},
	{.packets = 1000, .begin_ns = -HOUR, .interval_ns = 7 * SECOND, .lost = 10, .swapped = 20},
	{.packets = 1000,
	 .begin_ns = INT64_C(2085978496) * SECOND - HOUR,
	 .interval_ns = 7 * SECOND,
	 .lost = 10,
	 .swapped = 20},
	/* A minute or more between packets. */
	{.packets = 300,
	 .begin_ns = BASE_NS,
	 .interval_ns = 5 * MINUTE,
	 .lost = 20,
	 .dropped = 30,
	 .duplicates = 20,
	 .swapped = 40,
	 .losses_anywhere = true},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* When all that is sent before packet i and those that follow it can be closed, with a Timeout of 10 s. */
static int64_t settled_ns(const struct story *story, size_t i)
{
	int64_t first_ns = INT64_MAX - 12 * SECOND;

	for (; i < story->count; i++)
		if (story->packets[i].send_ns < first_ns)
			first_ns = story->packets[i].send_ns;
	return first_ns + 12 * SECOND;
}

/* Stored now and then; minutes are closed when no more of them is to come. */
static void feed(struct summary *summary, struct place *place, const struct story *story, uint64_t *seed)
{
	assert_int_equal(summary_skips(summary, story->skips, story->skip_count), 0);
	for (size_t i = 0; i < story->count; i++) {
		put(summary, &story->packets[i]);
		if (ref_below(seed, 300) > 0)
			continue;
		assert_int_equal(summary_close(summary, settled_ns(story, i + 1)), 0);
		store(summary, place);
	}
	close_and_store(summary, place);
	assert_false(summary_is_stale(summary));
}

static void test_as_counted_plainly(void **state)
{
	(void)state;
	struct place place;

	for (uint64_t seed = 1; seed <= 6; seed++)
		for (size_t k = 0; k < KINDS; k++) {
			uint64_t random = seed;
			struct summary *summary = new_summary(kinds[k].begin_ns);
			struct story story;

			make_story(&story, &kinds[k], seed * 100 + k);
			open_place(&place, kinds[k].begin_ns);
			feed(summary, &place, &story, &random);
			assert_summed_up(&place, &story);
			summary_free(summary);
			close_place(&place);
			free(story.packets);
		}
}

static void test_closes_at_timeout_and_two_seconds(void **state)
{
	(void)state;
	struct packet packet = {.seq = 0, .send_ns = BASE_NS + 59 * SECOND, .delay_ns = MS};
	struct summary *summary = new_summary(BASE_NS);
	int64_t end_ns = BASE_NS + MINUTE + 10 * SECOND + 2 * SECOND;
	struct place place;

	open_place(&place, BASE_NS);
	put(summary, &packet);
	assert_int_equal(summary_close(summary, INT64_MIN), 0);
	assert_int_equal(summary_close(summary, INT64_MIN + 13 * SECOND + MINUTE), 0);
	assert_int_equal(summary_close(summary, end_ns - 1), 0);
	assert_false(summary_is_ready(summary));
	/* Still open. */
	packet.seq = 1;
	put(summary, &packet);
	assert_int_equal(summary_close(summary, end_ns), 0);
	assert_true(summary_is_ready(summary));
	/* The next minute's first moment is not closed by that. */
	packet = (struct packet){.seq = 2, .send_ns = BASE_NS + MINUTE, .delay_ns = MS};
	put(summary, &packet);
	assert_false(summary_is_stale(summary));
	/* A clock that goes back opens nothing again. */
	assert_int_equal(summary_close(summary, BASE_NS), 0);
	packet = (struct packet){.seq = 3, .send_ns = BASE_NS + MINUTE - 1, .delay_ns = MS};
	put(summary, &packet);
	assert_true(summary_is_stale(summary));
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive, "SELECT sum(received) FROM minutes"), 3);
	assert_int_equal(ask(place.archive, "SELECT received FROM minutes"
					    " WHERE minute_ns = 1795168800000000000"),
			 2);
	assert_int_equal(ask(place.archive, "SELECT sum(packets) FROM histograms"), 3);
	summary_free(summary);
	close_place(&place);
}

static void test_longest_timeout(void **state)
{
	(void)state;
	struct packet packet = {.seq = 0, .send_ns = BASE_NS, .delay_ns = MS};
	struct summary *summary;

	assert_int_equal(summary_new(&summary, INT64_MAX, BASE_NS), 0);
	put(summary, &packet);
	assert_int_equal(summary_close(summary, INT64_MIN), 0);
	assert_int_equal(summary_close(summary, INT64_MAX - 1), 0);
	assert_false(summary_is_ready(summary));
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	assert_true(summary_is_ready(summary));
	summary_free(summary);
	assert_int_equal(summary_new(&summary, -1, BASE_NS), OWAMP_EINVAL);
	assert_int_equal(summary_new(&summary, 0, INT64_MAX), OWAMP_EINVAL);
	assert_int_equal(summary_new(&summary, 0, INT64_MIN), OWAMP_EINVAL);
	assert_null(summary);
}

/* The order is carried over from minute to minute, and over closed ones. */
static void test_reordering_between_minutes(void **state)
{
	(void)state;
	const struct packet packets[] = {
		{.seq = 5, .send_ns = BASE_NS + MINUTE, .delay_ns = MS},
		{.seq = 4, .send_ns = BASE_NS + MINUTE - 1, .delay_ns = MS},
		{.seq = UINT32_MAX, .send_ns = BASE_NS + 9 * MINUTE, .delay_ns = MS},
		{.seq = 6, .send_ns = BASE_NS + MINUTE + 1, .delay_ns = MS},
		/* A further arrival is not late, nor does it move what is expected next. */
		{.seq = 5, .send_ns = BASE_NS + MINUTE, .delay_ns = MS, .duplicate = true},
	};
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
		put(summary, &packets[i]);
	close_and_store(summary, &place);
	assert_int_equal(ask(place.archive, "SELECT group_concat(reordered, '') = '110' FROM minutes"), 1);
	assert_int_equal(ask(place.archive, "SELECT sum(duplicates) FROM minutes"), 1);
	summary_free(summary);
	close_place(&place);
}

static void test_rolled_back(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct place place, other;
	struct story story;

	make_story(&story, &kinds[2], 1);
	open_place(&place, BASE_NS);
	open_place(&other, BASE_NS);
	for (size_t i = 0; i < story.count; i++) {
		put(summary, &story.packets[i]);
		if (i % 100 != 50)
			continue;
		/* What is lost here has to come again, with what came meanwhile. */
		assert_int_equal(archive_begin(place.archive), 0);
		assert_int_equal(summary_store(summary, place.archive, place.session_id), 0);
		archive_rollback(place.archive);
		assert_true(summary_is_ready(summary));
	}
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	assert_int_equal(archive_begin(place.archive), 0);
	assert_int_equal(summary_store(summary, place.archive, place.session_id), 0);
	archive_rollback(place.archive);
	/* The file was gone and is another one now. */
	archive_close(place.archive);
	close_and_store(summary, &other);
	assert_false(summary_is_stale(summary));
	assert_summed_up(&other, &story);
	open_archive(&place);
	assert_int_equal(ask(place.archive, "SELECT (SELECT count(*) FROM minutes)"
					    " + (SELECT count(*) FROM losses)"),
			 0);
	summary_free(summary);
	close_place(&place);
	close_place(&other);
	free(story.packets);
}

/* Between storing and the commit's success things go on. */
static void test_goes_on_while_it_is_stored(void **state)
{
	(void)state;
	struct summary *summary = new_summary(BASE_NS);
	struct story story;
	struct place place;
	uint64_t seed = 3;

	make_story(&story, &kinds[7], 1);
	open_place(&place, BASE_NS);
	for (size_t i = 0; i < story.count;) {
		size_t more = i + ref_below(&seed, 9);

		assert_int_equal(archive_begin(place.archive), 0);
		assert_int_equal(summary_store(summary, place.archive, place.session_id), 0);
		for (; i < story.count && i <= more; i++)
			put(summary, &story.packets[i]);
		assert_int_equal(summary_close(summary, settled_ns(&story, i)), 0);
		assert_int_equal(archive_commit(place.archive), 0);
		summary_stored(summary);
	}
	close_and_store(summary, &place);
	assert_false(summary_is_stale(summary));
	assert_summed_up(&place, &story);
	summary_free(summary);
	close_place(&place);
	free(story.packets);
}

/* The commit was said to have failed, but it is there. */
static void test_minute_is_there_already(void **state)
{
	(void)state;
	struct packet packet = {.seq = 0, .send_ns = BASE_NS, .delay_ns = MS};
	struct summary *summary = new_summary(BASE_NS);
	struct place place;

	open_place(&place, BASE_NS);
	put(summary, &packet);
	assert_int_equal(summary_close(summary, INT64_MAX), 0);
	assert_int_equal(archive_begin(place.archive), 0);
	assert_int_equal(summary_store(summary, place.archive, place.session_id), 0);
	assert_int_equal(archive_commit(place.archive), 0);
	assert_false(summary_is_stale(summary));
	store(summary, &place);
	assert_true(summary_is_stale(summary));
	assert_int_equal(ask(place.archive, "SELECT received FROM minutes"), 1);
	summary_free(summary);
	close_place(&place);
}

static void test_store_fails(void **state)
{
	(void)state;
	struct packet packets[] = {
		{.seq = 0, .send_ns = BASE_NS, .delay_ns = MS},
		{.seq = 1, .send_ns = BASE_NS, .lost = true},
	};
	static const char *const tables[] = {"minutes", "histograms", "losses"};

	for (size_t t = 0; t < 3; t++) {
		struct summary *summary = new_summary(BASE_NS);
		struct place place;
		char sql[80];

		open_place(&place, BASE_NS);
		snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO away", tables[t]);
		run_sql(place.archive, "PRAGMA legacy_alter_table = ON");
		run_sql(place.archive, sql);
		put(summary, &packets[0]);
		put(summary, &packets[1]);
		assert_int_equal(summary_close(summary, INT64_MAX), 0);
		assert_int_equal(archive_begin(place.archive), 0);
		assert_int_equal(summary_store(summary, place.archive, place.session_id), OWAMP_ESYSTEM);
		assert_non_null(strstr(archive_reason(place.archive), "no such table"));
		archive_rollback(place.archive);
		snprintf(sql, sizeof sql, "ALTER TABLE away RENAME TO %s", tables[t]);
		run_sql(place.archive, sql);
		close_and_store(summary, &place);
		assert_int_equal(ask(place.archive, "SELECT sent FROM minutes"), 2);
		assert_int_equal(ask(place.archive, "SELECT sum(packets) FROM histograms"), 1);
		assert_int_equal(ask(place.archive, "SELECT count(*) FROM losses"), 1);
		summary_free(summary);
		close_place(&place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_order_of_delays),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_as_counted_plainly),
		cmocka_unit_test(test_closes_at_timeout_and_two_seconds),
		cmocka_unit_test(test_longest_timeout),
		cmocka_unit_test(test_reordering_between_minutes),
		cmocka_unit_test(test_rolled_back),
		cmocka_unit_test(test_goes_on_while_it_is_stored),
		cmocka_unit_test(test_minute_is_there_already),
		cmocka_unit_test(test_store_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
