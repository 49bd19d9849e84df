#include "writer_fixture.h"

#define RUNNING "SELECT count(*) FROM sessions WHERE outcome = 'running'"

static void records_and_sessions_are_stored(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 12000), *b = open_session(fixture, 2, 600);

	for (uint32_t seq = 0; seq < 12000; seq++) {
		append(a, seq, 1);
		if (seq % 20 == 0)
			append(b, seq / 20, 1);
	}
	assert_int_equal(flush(fixture), 0);
	/* Running, and there already. */
	assert_int_equal(expect_records(fixture->path, 1, 0, 12000), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 600), 0);
	expect_answer(fixture->path, RUNNING, "2");
	finish(a, 12000);
	finish(b, 600);
	assert_int_equal(flush(fixture), 0);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path,
		      "SELECT group_concat(outcome || ' ' || records || ' ' || records_lost, ', ')"
		      " FROM sessions",
		      "finished 12000 0, finished 600 0");
	expect_answer(fixture->path, "SELECT max(reason IS NOT NULL) FROM sessions", "0");
	/*
	 * 100 packets a second, a tenth missing, half of these for the network's sake:
	 * two minutes of one session, six seconds of the other.
	 */
	expect_answer(
		fixture->path,
		"SELECT group_concat(sent || ' ' || received || ' ' || lost || ' ' || dropped, ', ') FROM"
		" (SELECT * FROM minutes ORDER BY session_id, minute_ns)",
		"6000 5400 300 300, 6000 5400 300 300, 600 540 30 30");
	/* Delays of 1 ms and 1 us more for each packet. */
	expect_answer(fixture->path,
		      "SELECT delay_min_ns || ' ' || delay_max_ns FROM minutes"
		      " WHERE minute_ns = 2000030460000000000",
		      "7000000 12998000");
	expect_answer(fixture->path, "SELECT sum(packets) FROM histograms", "11340");
	expect_answer(fixture->path, "SELECT count(*) FROM losses", "630");
	assert_int_equal(fixture->line_count, 0);
}

static void records_beyond_the_end_are_cut(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 1000), *b = open_session(fixture, 2, 1000);
	struct writer_session *c = open_session(fixture, 3, 1000);

	append(a, 0, 900);
	append(c, 0, 101);
	append(b, 0, 500);
	assert_int_equal(flush(fixture), 0);
	/* One lost its records in the file, the other some that were still on the way too. */
	append(b, 500, 400);
	finish(a, 250);
	finish(b, 450);
	finish(c, 100);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 250), 0);
	assert_int_equal(expect_records(fixture->path, 2, 0, 450), 0);
	assert_int_equal(expect_records(fixture->path, 3, 0, 100), 0);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT group_concat(outcome || ' ' || records, ', ') FROM sessions",
		      "finished 250, finished 450, finished 100");
	expect_answer(fixture->path,
		      "SELECT group_concat(sent || ' ' || lost || ' ' || dropped, ', ') FROM"
		      " (SELECT * FROM minutes ORDER BY session_id, minute_ns)",
		      "250 13 12, 450 23 22, 100 5 5");
	expect_answer(fixture->path, "SELECT sum(packets) FROM histograms", "720");
}

static void minutes_are_there_while_the_session_runs(void **state)
{
	struct fixture *fixture = *state;
	struct archive_session session = {
		.request = {.ipvn = 4, .packets = 1000, .timeout = OWAMP_SECOND, .sid = {1}},
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = "192.0.2.1",
		.program = "owampd",
		.created_ns = 1000000000 * SECOND,
	};
	const struct archive_end end = {.outcome = ARCHIVE_FINISHED, .end_ns = NOON};
	struct writer_session *handle;

	session.request.start = owamp_ntp_from_unix_ns(1000000020 * SECOND);
	assert_int_equal(writer_open_session(fixture->writer, &session, &handle), 0);
	for (uint32_t seq = 0; seq < 100; seq++) {
		struct owamp_record record = {.seq = seq};

		record.send_time = owamp_ntp_from_unix_ns((1000000020 + seq) * SECOND);
		record.receive_time = record.send_time + OWAMP_SECOND / 2;
		writer_append(handle, &record);
	}
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path, "SELECT group_concat(sent) FROM minutes", "60,40");
	/* The second minute had not been over: it is summed up again. */
	for (uint32_t seq = 100; seq < 120; seq++) {
		struct owamp_record record = {.seq = seq};

		record.send_time = owamp_ntp_from_unix_ns((1000000020 + seq) * SECOND);
		writer_append(handle, &record);
	}
	assert_int_equal(writer_finish_session(handle, &end, 1000), 0);
	assert_int_equal(flush(fixture), 0);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT group_concat(sent || ' ' || lost) FROM minutes", "60 0,60 20");
}

static void what_was_never_sent_is_not_lost(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 100);
	const struct owamp_skip_range skips[] = {{9, 9}, {39, 39}};
	struct owamp_stop_session stop = {.next_seq = 100, .skip_count = 2, .skips = skips};
	const struct owamp_receive_health health = {.socket_drops = 7, .strangers = 3};
	const struct archive_end end = {
		.outcome = ARCHIVE_FINISHED, .end_ns = NOON, .stop = &stop, .receive_health = &health};

	append(session, 0, 100);
	assert_int_equal(writer_finish_session(session, &end, 100), 0);
	assert_int_equal(flush(fixture), 0);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT outcome || ' ' || next_seq || ' ' || records FROM sessions",
		      "finished 100 100");
	expect_answer(fixture->path, "SELECT group_concat(first_seq || '-' || last_seq) FROM skip_ranges",
		      "9-9,39-39");
	expect_answer(fixture->path,
		      "SELECT sent || ' ' || received || ' ' || lost || ' ' || dropped FROM minutes",
		      "98 90 4 4");
	expect_answer(fixture->path,
		      "SELECT socket_drops || ' ' || strangers || ' ' || (sent IS NULL) FROM health",
		      "7 3 1");
}

static void duplicates_leave_room_for_the_rest(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 80);
	struct owamp_record record = record_of(3);

	append(session, 0, 4);
	record.duplicate = true;
	for (int i = 0; i < 30; i++)
		writer_append(session, &record);
	append(session, 4, 76);
	/* An eighth of 80 and 16. */
	assert_int_equal(writer_left_out(session), 4);
	assert_int_equal(writer_lost(session), 0);
	finish(session, 80);
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path, "SELECT count(*) || ' ' || sum(duplicate) FROM packets", "106 26");
	expect_answer(fixture->path,
		      "SELECT outcome || ' ' || records || ' ' || records_lost || ' ' ||"
		      " duplicates_left_out || ' ' || reason FROM sessions",
		      "finished 106 0 4 4 duplicates were left out");
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT sent || ' ' || duplicates FROM minutes", "80 26");
}

static void an_invalid_session_keeps_no_packets(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 1000);
	const struct archive_end end = {
		.outcome = ARCHIVE_INVALID, .reason = "it is all wrong", .end_ns = NOON};

	append(session, 0, 500);
	assert_int_equal(flush(fixture), 0);
	append(session, 500, 100);
	assert_int_equal(writer_finish_session(session, &end, 1000), 0);
	assert_int_equal(flush(fixture), 0);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT outcome || ' ' || records || ' ' || reason FROM sessions",
		      "invalid 0 it is all wrong");
	expect_answer(fixture->path,
		      "SELECT (SELECT count(*) FROM packets) + (SELECT count(*) FROM minutes) +"
		      " (SELECT count(*) FROM histograms) + (SELECT count(*) FROM losses)",
		      "0");
}

/* Too many to go at once: hidden at once, gone soon. */
static void a_large_invalid_session_goes_in_steps(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 20000);
	const struct archive_end end = {.outcome = ARCHIVE_INVALID, .reason = "no", .end_ns = NOON};

	append(session, 0, 20000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(writer_finish_session(session, &end, 0), 0);
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path,
		      "SELECT outcome || packets_kept || records || summaries_due ||"
		      " (SELECT count(*) FROM minutes) || (SELECT count(*) FROM histograms) FROM sessions",
		      "invalid00000");
	await_answer(fixture, "SELECT count(*) FROM packets", "0");
}

static void a_session_without_records_is_fine(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *third;

	finish(open_session(fixture, 1, 10), 0);
	assert_int_equal(flush(fixture), 0);
	finish(open_session(fixture, 2, 10), 10);
	assert_int_equal(flush(fixture), 0);
	/* Its end is all there is to write. */
	third = open_session(fixture, 3, 10);
	assert_int_equal(flush(fixture), 0);
	finish(third, 10);
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path,
		      "SELECT group_concat(outcome || ' ' || records || ' ' || summaries_due, ', ')"
		      " FROM sessions",
		      "finished 0 0, finished 0 0, finished 0 0");
}

static void a_session_is_removed_with_all_of_it(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *a = open_session(fixture, 1, 20000), *b = open_session(fixture, 2, 10);
	uint8_t sid[OWAMP_SID_SIZE];

	append(a, 0, 20000);
	append(b, 0, 10);
	finish(a, 20000);
	finish(b, 10);
	memset(sid, 1, sizeof sid);
	assert_int_equal(writer_remove_session(fixture->writer, sid), 0);
	memset(sid, 99, sizeof sid);
	assert_int_equal(writer_remove_session(fixture->writer, sid), 0);
	assert_int_equal(flush(fixture), 0);
	await_answer(fixture, "SELECT group_concat(sid) FROM sessions", "02020202020202020202020202020202");
	expect_answer(fixture->path, "SELECT count(*) FROM packets", "10");
	expect_answer(fixture->path, "SELECT count(*) FROM minutes", "1");
	await_answer(fixture, "SELECT group_concat(address) FROM (SELECT * FROM endpoints ORDER BY address)",
		     "192.0.2.1,192.0.2.2");
	assert_int_equal(fixture->line_count, 0);
}

static void a_second_session_with_a_sid_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *first = open_session(fixture, 1, 100), *second;

	append(first, 0, 50);
	assert_int_equal(flush(fixture), 0);
	second = open_session(fixture, 1, 100);
	append(second, 10, 20);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(writer_lost(second), 20);
	append(second, 30, 5);
	finish(second, 100);
	append(first, 50, 50);
	finish(first, 100);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 1, 0, 100), 0);
	await_line(fixture, 0, LOG_ERR, "01010101010101010101010101010101");
	assert_int_equal(fixture->line_count, 1);
}

static void what_was_appended_is_written_at_the_end(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session = open_session(fixture, 1, 100000);

	append(session, 0, 100000);
	finish(session, 100000);
	stop_writer(fixture);
	assert_int_equal(expect_records(fixture->path, 1, 0, 100000), 0);
	expect_answer(fixture->path, "SELECT outcome FROM sessions", "finished");
	assert_int_equal(fixture->line_count, 0);
}

static void a_cancelled_flush_is_not_called(void **state)
{
	struct fixture *fixture = *state;
	struct writer_flush flushes[100] = {0};

	/* Some still wait, some are being written, some have been posted. */
	for (int i = 0; i < 100; i++) {
		flushes[i] = (struct writer_flush){.done = unexpected, .context = fixture};
		writer_flush(fixture->writer, &flushes[i]);
		if (i % 10 == 9)
			(void)usleep(500);
	}
	for (int i = 0; i < 100; i++)
		writer_flush_cancel(&flushes[i]);
	assert_int_equal(flush(fixture), 0);
}

/* A session as a process that died left it. */
static void leave_running(struct fixture *fixture, uint8_t number, const char *program, uint32_t records)
{
	struct owamp_slot slot = {OWAMP_SLOT_FIXED, OWAMP_SECOND};
	struct archive_session session = {
		.request = {.ipvn = 4,
			    .packets = 100,
			    .start = owamp_ntp_from_unix_ns(1000000020 * SECOND),
			    .timeout = OWAMP_SECOND,
			    .slot_count = 1,
			    .slots = &slot},
		.mode = OWAMP_MODE_OPEN,
		.received = true,
		.peer = "192.0.2.1",
		.program = program,
		.created_ns = 1000000000 * SECOND,
	};
	struct archive *archive;
	int64_t session_id;
	char error[400];

	memset(session.request.sid, number, OWAMP_SID_SIZE);
	assert_int_equal(archive_open(&archive, fixture->path, ARCHIVE_WRITE, error, sizeof error), 0);
	assert_int_equal(archive_begin(archive), 0);
	assert_int_equal(archive_session_insert(archive, &session, &session_id), 0);
	for (uint32_t seq = 0; seq < records; seq++) {
		owamp_ntp sent = owamp_ntp_from_unix_ns((1000000020 + seq) * SECOND);
		struct owamp_record record = {.seq = seq,
					      .send_time = sent,
					      .receive_time = sent + owamp_interval_from_ns(500 * MS)};

		assert_int_equal(archive_packet_insert(archive, session_id, seq, &record, session.created_ns),
				 0);
	}
	assert_int_equal(archive_commit(archive), 0);
	archive_close(archive);
}

static void sessions_of_a_dead_process_are_ended(void **state)
{
	struct fixture *fixture = *state;

	leave_running(fixture, 1, "owampd", 100);
	leave_running(fixture, 2, "owping", 100);
	leave_running(fixture, 3, "owampd", 0);
	start_writer(fixture);
	/* At once: the rest needs nobody to be there. */
	expect_answer(fixture->path, RUNNING, "1");
	expect_answer(fixture->path,
		      "SELECT outcome || ' ' || records || ' ' || end_ns || ' ' || reason FROM sessions"
		      " WHERE sid LIKE '01%'",
		      "broken 100 1000000119500000000 owampd ended while the session was running");
	expect_answer(fixture->path,
		      "SELECT outcome || ' ' || records || ' ' ||"
		      " (end_ns / 1000000000 BETWEEN unixepoch() - 60 AND unixepoch()) FROM sessions"
		      " WHERE sid LIKE '03%'",
		      "broken 0 1");
	expect_answer(fixture->path, "SELECT outcome FROM sessions WHERE sid LIKE '02%'", "running");
	await_answer(fixture, "SELECT count(*) FROM sessions WHERE summaries_due", "1");
	/* The first packet is sent at 01:47:00. */
	expect_answer(fixture->path, "SELECT group_concat(sent || ' ' || received, ', ') FROM minutes",
		      "60 60, 40 40");
}

static void a_file_has_one_writer(void **state)
{
	struct fixture *fixture = *state;
	char error[400], expected[300];
	struct writer *second;

	snprintf(expected, sizeof expected, "%s: in use by another owampd (pid %ld)", fixture->path,
		 (long)getpid());
	assert_int_equal(writer_new(&second, &fixture->config, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(second);
	assert_string_equal(error, expected);
	stop_writer(fixture);
	start_writer(fixture);
}

static void what_cannot_be_opened_is_refused_in_words(void **state)
{
	struct fixture *fixture = *state;
	struct writer_config config = {
		.program = "owampd", .loop = fixture->loop, .log = keep_line, .context = fixture};
	struct writer *writer;
	char error[400];

	config.path = fixture->directory;
	assert_int_not_equal(writer_new(&writer, &config, error, sizeof error), 0);
	assert_null(writer);
	assert_true(strncmp(error, fixture->directory, strlen(fixture->directory)) == 0);
}

static void an_archive_in_memory_is_shared(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *session;
	uint8_t sid[OWAMP_SID_SIZE];

	snprintf(fixture->path, sizeof fixture->path, "%s", ARCHIVE_MEMORY);
	start_writer(fixture);
	session = open_session(fixture, 5, 3000);
	append(session, 0, 3000);
	finish(session, 3000);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(expect_records(fixture->path, 5, 0, 3000), 0);
	memset(sid, 5, sizeof sid);
	assert_int_equal(writer_remove_session(fixture->writer, sid), 0);
	await_answer(fixture, "SELECT count(*) FROM sessions", "0");
	stop_writer(fixture);
}

#define THREADS  4
#define SESSIONS 6
#define EACH     5000

static void *append_all(void *context)
{
	struct writer_session **sessions = context;

	for (uint32_t seq = 0; seq < EACH; seq++) {
		for (int i = 0; i < SESSIONS; i++)
			append(sessions[i], seq, 1);
	}
	return NULL;
}

static void threads_append_while_others_come_and_go(void **state)
{
	struct fixture *fixture = *state;
	struct writer_session *sessions[THREADS * SESSIONS];
	pthread_t threads[THREADS];
	uint64_t lost = 0;

	for (uint8_t i = 0; i < THREADS * SESSIONS; i++)
		sessions[i] = open_session(fixture, (uint8_t)(i + 1), EACH);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_all, sessions + i * SESSIONS), 0);
	for (uint8_t i = 0; i < 50; i++) {
		finish(open_session(fixture, (uint8_t)(i + 100), 10), 10);
		assert_int_equal(flush(fixture), 0);
		for (int k = 0; k < THREADS * SESSIONS; k++)
			lost += writer_lost(sessions[k]);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS * SESSIONS; i++)
		finish(sessions[i], EACH);
	assert_int_equal(flush(fixture), 0);
	assert_int_equal(lost, 0);
	for (uint8_t i = 0; i < THREADS * SESSIONS; i++)
		assert_int_equal(expect_records(fixture->path, (uint8_t)(i + 1), 0, EACH), 0);
	expect_answer(fixture->path, "SELECT count(*) FROM sessions WHERE outcome = 'finished'", "74");
}

static void retention_is_told_of(void **state)
{
	struct fixture *fixture = *state;
	const struct writer_retention policy = {.packets_ns = 3600 * SECOND};
	const struct archive_end end = {.outcome = ARCHIVE_FINISHED, .end_ns = 1000000000 * SECOND};
	struct writer_session *old = open_session(fixture, 7, 100), *new = open_session(fixture, 8, 100);

	append(old, 0, 100);
	append(new, 0, 100);
	assert_int_equal(writer_finish_session(old, &end, 100), 0);
	finish(new, 100);
	assert_int_equal(flush(fixture), 0);
	expect_answer(fixture->path, "SELECT count(*) FROM packets", "200");
	writer_set_retention(fixture->writer, &policy);
	while (fixture->gone_count == 0)
		run_loop(fixture);
	assert_int_equal(fixture->gone[0][0], 7);
	await_answer(fixture, "SELECT count(*) FROM packets", "100");
	assert_int_equal(fixture->gone_count, 1);
	await_answer(fixture, DUE, "0");
	expect_answer(fixture->path, "SELECT count(*) FROM minutes", "2");
}

static void the_clock_has_a_timeline(void **state)
{
	struct fixture *fixture = *state;
	struct owamp_clock *clock;

	assert_int_equal(owamp_clock_new(&clock, NULL, NULL, 0), 0);
	fixture->config.clock = clock;
	start_writer(fixture);
	await_answer(fixture, "SELECT count(*) >= 1 FROM clock", "1");
	stop_writer(fixture);
	owamp_clock_free(clock);
	expect_answer(fixture->path,
		      "SELECT program || ' ' || step_ns || ' ' || (bound_ns >= 0) || ' ' ||"
		      " (time_ns / 1000000000 BETWEEN unixepoch() - 60 AND unixepoch()) FROM clock"
		      " ORDER BY time_ns LIMIT 1",
		      "owampd 0 1 1");
}

#define with_writer(test)    cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define without_writer(test) cmocka_unit_test_setup_teardown(test, fixture_new, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_writer(records_and_sessions_are_stored),
		with_writer(records_beyond_the_end_are_cut),
		with_writer(minutes_are_there_while_the_session_runs),
		with_writer(what_was_never_sent_is_not_lost),
		with_writer(duplicates_leave_room_for_the_rest),
		with_writer(an_invalid_session_keeps_no_packets),
		with_writer(a_large_invalid_session_goes_in_steps),
		with_writer(a_session_without_records_is_fine),
		with_writer(a_session_is_removed_with_all_of_it),
		with_writer(a_second_session_with_a_sid_is_refused),
		with_writer(what_was_appended_is_written_at_the_end),
		with_writer(a_cancelled_flush_is_not_called),
		without_writer(sessions_of_a_dead_process_are_ended),
		with_writer(a_file_has_one_writer),
		without_writer(what_cannot_be_opened_is_refused_in_words),
		without_writer(an_archive_in_memory_is_shared),
		with_writer(threads_append_while_others_come_and_go),
		with_writer(retention_is_told_of),
		without_writer(the_clock_has_a_timeline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
