/* Whole measurements by pacer and collector. */
#include "engine_fixture.h"

#define MANY 40

static void measure(struct link *link, uint32_t packets)
{
	link_plan(link, packets, 1 * MS, 1000 * MS, 20 * MS);
	link_start_receiver(link);
	link_start_sender(link);
	link_run(link, 2);
	assert_int_equal(link->sender_finished, 1);
	assert_int_equal(link->receiver_finished, 1);
}

static void assert_all_sent(const struct link *link)
{
	struct owamp_send_health health = link_send_health(link);
	struct owamp_stop_session stop;

	assert_int_equal(health.sent, link->request.packets);
	assert_int_equal(health.send_errors, 0);
	assert_true(health.lateness_mean_ns > 0);
	assert_true(health.lateness_mean_ns <= (double)health.lateness_max_ns);
	assert_true(health.stamp_gap_max_ns > 0);
	owamp_pacer_state(link->pacing, &stop);
	assert_int_equal(stop.next_seq, link->request.packets);
	assert_int_equal(stop.skip_count, 0);
	assert_memory_equal(stop.sid, link->request.sid, OWAMP_SID_SIZE);
	assert_int_equal(owamp_pacer_last(link->pacing), link_due(link, link->request.packets - 1));
}

static void assert_all_received(const struct link *link)
{
	struct owamp_receive_health health = link_receive_health(link);

	assert_int_equal(health.counters.results[OWAMP_RECEIVE_OK], link->request.packets);
	for (int i = OWAMP_RECEIVE_OK + 1; i < OWAMP_RECEIVE_RESULTS; i++)
		assert_int_equal(health.counters.results[i], 0);
	assert_int_equal(health.counters.duplicates, 0);
	assert_int_equal(health.counters.lost, 0);
	assert_int_equal(health.socket_drops, 0);
	assert_int_equal(health.strangers, 0);
	assert_int_equal(health.unstamped, 0);
	assert_false(health.failed);
}

/*
 * Loopback keeps the order. A packet leaves when it is due, not before (but
 * for what the clock was slewed meanwhile), and arrives after that.
 */
static void assert_records(const struct link *link)
{
	assert_int_equal(link->record_count, link->request.packets);
	for (uint32_t i = 0; i < link->record_count; i++) {
		const struct owamp_record *record = &link->records[i];

		assert_int_equal(record->seq, i);
		assert_true(owamp_ntp_diff_ns(record->send_time, link_due(link, i)) > -MS);
		assert_true(owamp_ntp_diff(record->receive_time, record->send_time) >= 0);
		assert_int_equal(record->ttl, 255);
		assert_true(owamp_error_estimate_synchronized(record->send_error));
		assert_true(owamp_error_estimate_synchronized(record->receive_error));
		/* The kernel's stamp has no error of its own; a departure takes its time. */
		assert_in_range(owamp_error_estimate_ns(record->receive_error), 1, 10);
		if (i > 0)
			assert_true(owamp_error_estimate_ns(record->send_error) > 10);
	}
}

static void test_open(void **state)
{
	struct link *link = *state;

	measure(link, 200);
	assert_all_sent(link);
	assert_all_received(link);
	assert_records(link);
	/* What was due last may arrive until Timeout has passed. */
	assert_true(owamp_ntp_diff_ns(owamp_ntp_from_unix_ns(link->receiver_finished_at),
				      link_due(link, 199)) >= 1000 * MS);
}

static void test_encrypted(void **state)
{
	struct link *link = *state;

	link->mode = OWAMP_MODE_ENCRYPTED;
	measure(link, 200);
	assert_all_sent(link);
	assert_all_received(link);
	assert_records(link);
}

/* The packets due within Timeout of a time between before and after are those from cut on. */
static void assert_cut(const struct link *link, uint32_t cut, owamp_ntp before, owamp_ntp after)
{
	if (cut > 0)
		assert_true(owamp_ntp_diff(after, link_due(link, cut - 1) + link->request.timeout) >= 0);
	assert_true(owamp_ntp_diff(before, link_due(link, cut) + link->request.timeout) <= 0);
}

static void test_stop_midway(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;
	uint64_t skipped = 0;
	uint32_t cut = UINT32_MAX;
	owamp_ntp before;
	uint8_t octet;

	link_plan(link, 100000, 1 * MS, 50 * MS, 0);
	link_start_receiver(link);
	link_start_sender(link);
	link_until(link->record_count >= 100);
	owamp_pacer_stop(link->pacing);
	owamp_pacer_state(link->pacing, &stop);
	assert_in_range(stop.next_seq, 100, 99999);
	for (uint32_t i = 0; i < stop.skip_count; i++)
		skipped += stop.skips[i].last - stop.skips[i].first + 1;
	assert_int_equal(link_send_health(link).sent + skipped, stop.next_seq);
	before = link_now();
	assert_int_equal(owamp_collector_stop(link->collecting, &stop, &cut), 0);
	assert_cut(link, cut, before, link_now());
	assert_int_equal(link_receive_health(link).counters.results[OWAMP_RECEIVE_OK],
			 link_send_health(link).sent);
	/* Nothing is sent or heard any more. */
	link_run_for(link, 20 * MS);
	assert_int_equal(recv(link->receiver_fd, &octet, 1, MSG_DONTWAIT), -1);
	assert_int_equal(link->sender_finished, 0);
	assert_int_equal(link->receiver_finished, 0);
}

/* A sender that says it never sent what arrived: nothing of that session is worth anything. */
static void test_stop_that_lies(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;
	uint32_t cut;

	link_plan(link, 100000, 1 * MS, 5000 * MS, 0);
	link_start_receiver(link);
	link_start_sender(link);
	link_until(link->record_count >= 10);
	owamp_pacer_stop(link->pacing);
	owamp_pacer_state(link->pacing, &stop);
	stop.next_seq = 5;
	assert_int_equal(owamp_collector_stop(link->collecting, &stop, &cut), OWAMP_EDATA);
}

struct pair {
	struct link link; /* first member */
	bool ended;
};

/* Many at a time; every third ends early, in the middle of everything, and is not heard of again. */
static void test_many(void **state)
{
	struct link *first = *state;
	struct pair *pairs = calloc(MANY, sizeof *pairs);
	int callbacks = 0;

	assert_non_null(pairs);
	for (int i = 0; i < MANY; i++) {
		struct link *link = &pairs[i].link;

		link->engine = first->engine;
		link->loop = first->loop;
		link->mode = OWAMP_MODE_OPEN;
		link->sender_fd = link_socket(link, false, &link->sender_address);
		link->receiver_fd = link_socket(link, true, &link->receiver_address);
		assert_int_equal(connect(link->sender_fd, (struct sockaddr *)&link->receiver_address,
					 sizeof link->receiver_address),
				 0);
		link_plan(link, 50, 2 * MS, 1000 * MS, 10 * MS);
		link->quit_at = 2;
		link_start_receiver(link);
		link_start_sender(link);
	}
	for (int i = 0; i < MANY; i += 3) {
		struct link *link = &pairs[i].link;

		link_until(link->record_count > (unsigned)i);
		owamp_pacer_end(link->pacing);
		owamp_collector_end(link->collecting);
		close(link->sender_fd);
		close(link->receiver_fd);
		pairs[i].ended = true;
	}
	while (callbacks < 2 * (MANY - (MANY + 2) / 3)) {
		assert_int_equal(owamp_loop_run(first->loop), 0);
		callbacks = 0;
		for (int i = 0; i < MANY; i++)
			callbacks += pairs[i].link.sender_finished + pairs[i].link.receiver_finished;
	}
	for (int i = 0; i < MANY; i++) {
		struct link *link = &pairs[i].link;

		if (pairs[i].ended) {
			assert_int_equal(link->sender_finished + link->receiver_finished, 0);
			continue;
		}
		assert_all_sent(link);
		assert_all_received(link);
		assert_records(link);
		owamp_pacer_end(link->pacing);
		owamp_collector_end(link->collecting);
		close(link->sender_fd);
		close(link->receiver_fd);
	}
	/* The collector still uses an ended session's memory for a moment, but not its sink. */
	free(pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_open),           LINK_TEST(test_encrypted), LINK_TEST(test_stop_midway),
		LINK_TEST(test_stop_that_lies), LINK_TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
