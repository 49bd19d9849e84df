/* A session summed up again from its rows: the same, in any steps, however often it was interrupted. */
#include "summary_fixture.h"

static const struct story_kind kinds[] = {
	{.packets = 600,
	 .begin_ns = BASE_NS - 5 * SECOND,
	 .interval_ns = 500 * MS,
	 .lost = 20,
	 .dropped = 30,
	 .duplicates = 10,
	 .swapped = 30,
	 .losses_anywhere = true,
	 .skips = true},
	{.packets = 400,
	 .begin_ns = -HOUR,
	 .interval_ns = MINUTE,
	 .lost = 10,
	 .duplicates = 5,
	 .swapped = 50,
	 .losses_anywhere = true},
	{.packets = 6000,
	 .begin_ns = BASE_NS,
	 .interval_ns = 2 * SECOND,
	 .lost = 5,
	 .duplicates = 5,
	 .swapped = 10,
	 .skips = true},
	{.packets = 6000,
	 .begin_ns = BASE_NS,
	 .interval_ns = 2 * SECOND,
	 .lost = 5,
	 .dropped = 50,
	 .duplicates = 5},
	{.packets = 0, .begin_ns = BASE_NS, .interval_ns = SECOND},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* The session of a process that died: rows, skip ranges, and what had been derived so far. */
static void put_rows(struct place *place, const struct story *story)
{
	char sql[160];

	assert_int_equal(archive_begin(place->archive), 0);
	for (uint32_t i = 0; i < story->count; i++) {
		struct owamp_record record = record_of(&story->packets[i]);

		assert_int_equal(archive_packet_insert(place->archive, place->session_id, 3 * i, &record,
						       place->created_ns),
				 0);
	}
	for (uint32_t i = 0; i < story->skip_count; i++) {
		snprintf(sql, sizeof sql,
			 "INSERT INTO skip_ranges (session_id, first_seq, last_seq) VALUES (%lld, %u, %u)",
			 (long long)place->session_id, story->skips[i].first, story->skips[i].last);
		run_sql(place->archive, sql);
	}
	assert_int_equal(archive_commit(place->archive), 0);
}

/* Half of it was summed up live. */
static void put_half(struct place *place, const struct story *story)
{
	struct summary *summary = new_summary(place->created_ns);

	for (size_t i = 0; i < story->count / 2; i++)
		put(summary, &story->packets[i]);
	close_and_store(summary, place);
	summary_free(summary);
}

static struct summary_rebuild *new_rebuild(struct place *place)
{
	struct summary_rebuild *rebuild;

	assert_int_equal(summary_rebuild_new(&rebuild, place->archive, place->session_id), 0);
	return rebuild;
}

/* At most steps of them; returns whether it came to the end. */
static bool run_steps(struct place *place, unsigned max, unsigned steps)
{
	struct summary_rebuild *rebuild = new_rebuild(place);
	bool more = true;

	for (unsigned i = 0; more && i < steps; i++) {
		int before = sqlite3_total_changes(archive_sqlite(place->archive));

		assert_int_equal(summary_rebuild_step(rebuild, max, &more), 0);
		/*
		 * A row read or removed changes a bucket and two rows of losses at most, and what
		 * it closes of a minute is no more than that minute's.
		 */
		assert_true(sqlite3_total_changes(archive_sqlite(place->archive)) - before <=
			    4 * (int64_t)max + 400);
		/* Each step is done with its transaction. */
		assert_int_equal(sqlite3_get_autocommit(archive_sqlite(place->archive)), 1);
		assert_int_equal(ask(place->archive, "SELECT summaries_due FROM sessions"), more);
	}
	summary_rebuild_free(rebuild);
	return !more;
}

static void test_same_in_any_steps(void **state)
{
	(void)state;
	const unsigned steps[] = {1, 7, 1000, 1025, UINT32_MAX / 8};
	struct place place;

	for (size_t k = 0; k < KINDS; k++) {
		struct story story;

		make_story(&story, &kinds[k], k + 1);
		open_place(&place, kinds[k].begin_ns);
		put_rows(&place, &story);
		put_half(&place, &story);
		for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
			assert_true(run_steps(&place, steps[i], UINT32_MAX));
			assert_summed_up(&place, &story);
			/* Its packets are all still there. */
			assert_int_equal(ask(place.archive, "SELECT count(*) FROM packets"), story.count);
		}
		close_place(&place);
		free(story.packets);
	}
}

static void test_interrupted_at_each_step(void **state)
{
	(void)state;
	struct place place;

	for (size_t k = 0; k < 2; k++) {
		bool done = false;
		struct story story;

		make_story(&story, &kinds[k], 77);
		open_place(&place, kinds[k].begin_ns);
		put_rows(&place, &story);
		put_half(&place, &story);
		for (unsigned steps = 0; !done; steps++) {
			done = run_steps(&place, 40, steps);
			/* The process is another one. */
			archive_close(place.archive);
			open_archive(&place);
			if (steps % 5)
				continue;
			assert_true(run_steps(&place, 100, UINT32_MAX));
			assert_summed_up(&place, &story);
		}
		assert_summed_up(&place, &story);
		close_place(&place);
		free(story.packets);
	}
}

/* Minutes are stored on the way: what is held does not grow with the session. */
static void test_stores_on_the_way(void **state)
{
	(void)state;
	struct summary_rebuild *rebuild;
	struct place place;
	struct story story;
	int64_t minutes, most = 0, all;
	bool more = true;

	make_story(&story, &kinds[3], 5);
	open_place(&place, BASE_NS);
	put_rows(&place, &story);
	assert_true(run_steps(&place, 500, UINT32_MAX));
	all = ask(place.archive, "SELECT count(*) FROM minutes");
	assert_true(all > 100);
	rebuild = new_rebuild(&place);
	for (minutes = all; more;) {
		int64_t now;

		assert_int_equal(summary_rebuild_step(rebuild, 100, &more), 0);
		now = ask(place.archive, "SELECT count(*) FROM minutes");
		if (now - minutes > most)
			most = now - minutes;
		minutes = now;
	}
	assert_int_equal(minutes, all);
	/* 100 rows are about 3 minutes. */
	assert_true(most < 12);
	summary_rebuild_free(rebuild);
	close_place(&place);
	free(story.packets);
}

static void test_another_session_is_left_alone(void **state)
{
	(void)state;
	struct story story, other_story;
	struct place place, other;

	make_story(&story, &kinds[0], 8);
	make_story(&other_story, &kinds[0], 9);
	open_place(&place, kinds[0].begin_ns);
	other = place;
	other.session_id = add_session(place.archive, kinds[0].begin_ns);
	put_rows(&place, &story);
	put_rows(&other, &other_story);
	for (int i = 0; i < 2; i++) {
		struct place *which = i ? &other : &place;
		struct summary_rebuild *rebuild = new_rebuild(which);
		bool more = true;

		while (more)
			assert_int_equal(summary_rebuild_step(rebuild, 300, &more), 0);
		summary_rebuild_free(rebuild);
	}
	assert_summed_up(&place, &story);
	assert_summed_up(&other, &other_story);
	assert_int_equal(ask(place.archive, "SELECT sum(summaries_due) FROM sessions"), 0);
	close_place(&place);
	free(story.packets);
	free(other_story.packets);
}

/* Without packets there is nothing better than what is there. */
static void test_pruned(void **state)
{
	(void)state;
	struct place place;
	struct story story;
	bool more;

	make_story(&story, &kinds[1], 3);
	open_place(&place, kinds[1].begin_ns);
	put_rows(&place, &story);
	assert_true(run_steps(&place, 1000, UINT32_MAX));
	assert_int_equal(archive_begin(place.archive), 0);
	assert_int_equal(archive_session_remove(place.archive, place.session_id, false, 1000000, &more), 0);
	assert_int_equal(archive_commit(place.archive), 0);
	assert_false(more);
	run_sql(place.archive, "UPDATE sessions SET summaries_due = 1");
	assert_true(run_steps(&place, 1000, 2));
	assert_summed_up(&place, &story);
	close_place(&place);
	free(story.packets);
}

static int rest_of(struct summary_rebuild *rebuild)
{
	bool more = true;
	int error = 0;

	while (more && !error)
		error = summary_rebuild_step(rebuild, 25, &more);
	return error;
}

/* If they go while they are summed up, half of them is not taken for all. */
static void test_pruned_meanwhile(void **state)
{
	(void)state;
	struct place place;
	struct story story;

	make_story(&story, &kinds[1], 3);
	/* By then the rows were looked at once, and the second time has begun. */
	unsigned surveyed = 3 + ((unsigned)story.count + 24) / 25 + 2;

	for (unsigned before = 1; before <= surveyed; before++) {
		struct summary_rebuild *rebuild;
		bool more = true;

		open_place(&place, kinds[1].begin_ns);
		put_rows(&place, &story);
		rebuild = new_rebuild(&place);
		for (unsigned i = 0; i < before; i++)
			assert_int_equal(summary_rebuild_step(rebuild, 25, &more), 0);
		assert_true(more);
		run_sql(place.archive, before == surveyed ? "DELETE FROM packet_rows WHERE arrival > 600"
							  : "UPDATE sessions SET packets_kept = 0");
		assert_int_equal(rest_of(rebuild), OWAMP_ESTATE);
		assert_int_equal(ask(place.archive, "SELECT summaries_due FROM sessions"), 1);
		assert_int_equal(summary_rebuild_step(rebuild, 25, &more), OWAMP_ESTATE);
		assert_true(more);
		summary_rebuild_free(rebuild);
		close_place(&place);
	}
	free(story.packets);
}

/* A single row keeps all minutes open to the end; they are not stored at once even so. */
static void test_one_row_keeps_all_open(void **state)
{
	(void)state;
	struct packet *packets = calloc(2001, sizeof *packets);
	struct story story = {.packets = packets, .count = 2001};
	struct place place;

	for (uint32_t i = 0; i < story.count; i++)
		packets[i] = (struct packet){
			.seq = i,
			.send_ns = BASE_NS + (i < 2000 ? i * MINUTE : 0),
			.delay_ns = MS + i * 1000,
		};
	open_place(&place, BASE_NS);
	put_rows(&place, &story);
	assert_true(run_steps(&place, 50, UINT32_MAX));
	assert_summed_up(&place, &story);
	close_place(&place);
	free(packets);
}

/* Two that sum up the same session: one of them does. */
static void test_two_at_once(void **state)
{
	(void)state;
	struct summary_rebuild *first, *second;
	struct place place;
	struct story story;
	bool more = true;

	make_story(&story, &kinds[0], 6);
	open_place(&place, kinds[0].begin_ns);
	put_rows(&place, &story);
	first = new_rebuild(&place);
	second = new_rebuild(&place);
	/* Both have removed what was there. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(summary_rebuild_step(first, 25, &more), 0);
		assert_int_equal(summary_rebuild_step(second, 25, &more), 0);
	}
	assert_int_equal(rest_of(first), 0);
	assert_int_equal(rest_of(second), OWAMP_ESTATE);
	assert_summed_up(&place, &story);
	summary_rebuild_free(first);
	summary_rebuild_free(second);
	close_place(&place);
	free(story.packets);
}

static void test_no_such_session(void **state)
{
	(void)state;
	struct summary_rebuild *rebuild;
	struct place place;
	bool more;

	open_place(&place, BASE_NS);
	assert_int_equal(summary_rebuild_new(&rebuild, place.archive, place.session_id + 1), OWAMP_EDATA);
	assert_null(rebuild);
	rebuild = new_rebuild(&place);
	assert_int_equal(summary_rebuild_step(rebuild, 0, &more), OWAMP_EINVAL);
	run_sql(place.archive, "DELETE FROM sessions");
	assert_int_equal(summary_rebuild_step(rebuild, 1, &more), OWAMP_EDATA);
	assert_int_equal(sqlite3_get_autocommit(archive_sqlite(place.archive)), 1);
	summary_rebuild_free(rebuild);
	summary_rebuild_free(NULL);
	close_place(&place);
}

/* Whoever changed the file by hand has to live with the result, but there is one. */
static void test_file_changed_by_hand(void **state)
{
	(void)state;
	const struct packet packets[] = {
		{.seq = 1, .send_ns = BASE_NS, .delay_ns = MS},
		{.seq = 4, .send_ns = BASE_NS, .delay_ns = MS},
		{.seq = 9, .send_ns = BASE_NS, .delay_ns = MS},
		{.seq = 10, .send_ns = BASE_NS, .delay_ns = MS},
		{.seq = 30, .send_ns = BASE_NS, .delay_ns = MS},
	};
	const struct story story = {.packets = (struct packet *)packets, .count = 5};
	static const char *const created[] = {"1795168800000000000", "9223372036854775807",
					      "-9223372036854775808"};
	struct place place;

	for (size_t i = 0; i < 3; i++) {
		char sql[100];

		open_place(&place, BASE_NS);
		put_rows(&place, &story);
		run_sql(place.archive, "INSERT INTO skip_ranges SELECT session_id, a.column1, a.column2 FROM"
				       " sessions, (VALUES (2, 9), (3, 4), (5, 10), (-7, 1),"
				       " (20, 9000000000000), (5000000000, 5000000001)) AS a");
		snprintf(sql, sizeof sql, "UPDATE sessions SET created_ns = %s", created[i]);
		run_sql(place.archive, sql);
		assert_true(run_steps(&place, 10, UINT32_MAX));
		assert_int_equal(ask(place.archive, "SELECT sum(received) FROM minutes"), 1);
		close_place(&place);
	}
}

/* Somebody else writes: it goes on where it was when they are done. */
static void test_locked(void **state)
{
	(void)state;
	struct summary_rebuild *rebuild;
	struct archive *writer;
	struct place place;
	struct story story;
	char text[300];
	bool more = true;
	unsigned only_read = 0;

	make_story(&story, &kinds[0], 4);
	open_place(&place, kinds[0].begin_ns);
	put_rows(&place, &story);
	assert_int_equal(archive_open(&writer, place.path, ARCHIVE_WRITE, text, sizeof text), 0);
	assert_int_equal(sqlite3_busy_timeout(archive_sqlite(place.archive), 0), SQLITE_OK);
	rebuild = new_rebuild(&place);
	while (more) {
		int error;

		assert_int_equal(archive_begin(writer), 0);
		error = summary_rebuild_step(rebuild, 50, &more);
		archive_rollback(writer);
		if (!error) {
			only_read++;
			continue;
		}
		assert_int_equal(error, OWAMP_ESYSTEM);
		assert_non_null(strstr(archive_reason(place.archive), "locked"));
		assert_int_equal(summary_rebuild_step(rebuild, 50, &more), 0);
	}
	assert_summed_up(&place, &story);
	/* The first walk over the rows. */
	assert_true(only_read >= story.count / 50);
	summary_rebuild_free(rebuild);
	archive_close(writer);
	close_place(&place);
	free(story.packets);
}

/* What was not stored is not left out: it has to begin anew. */
static void test_store_fails(void **state)
{
	(void)state;
	struct summary_rebuild *rebuild;
	struct place place;
	struct story story;
	bool more = true;

	make_story(&story, &kinds[0], 5);
	open_place(&place, kinds[0].begin_ns);
	put_rows(&place, &story);
	rebuild = new_rebuild(&place);
	for (int i = 0; i < 4; i++)
		assert_int_equal(summary_rebuild_step(rebuild, 100, &more), 0);
	run_sql(place.archive, "PRAGMA legacy_alter_table = ON; ALTER TABLE minutes RENAME TO away");
	assert_int_equal(rest_of(rebuild), OWAMP_ESYSTEM);
	assert_int_equal(sqlite3_get_autocommit(archive_sqlite(place.archive)), 1);
	run_sql(place.archive, "ALTER TABLE away RENAME TO minutes");
	assert_int_equal(rest_of(rebuild), OWAMP_ESTATE);
	assert_int_equal(ask(place.archive, "SELECT summaries_due FROM sessions"), 1);
	summary_rebuild_free(rebuild);
	assert_true(run_steps(&place, 100, UINT32_MAX));
	assert_summed_up(&place, &story);
	close_place(&place);
	free(story.packets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_in_any_steps),
		cmocka_unit_test(test_interrupted_at_each_step),
		cmocka_unit_test(test_stores_on_the_way),
		cmocka_unit_test(test_another_session_is_left_alone),
		cmocka_unit_test(test_pruned),
		cmocka_unit_test(test_pruned_meanwhile),
		cmocka_unit_test(test_one_row_keeps_all_open),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_no_such_session),
		cmocka_unit_test(test_file_changed_by_hand),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_store_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
