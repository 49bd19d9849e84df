#include "engine_fixture.h"

#include <errno.h>

/* It does not matter that nobody listens: an ICMP error must not cost the next packet. */
static void test_nobody_listens(void **state)
{
	struct link *link = *state;

	close(link->receiver_fd);
	link->receiver_fd = link_socket(link, true, &link->receiver_address);
	link_plan(link, 50, 1 * MS, 1000 * MS, 0);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 50);
	assert_int_equal(link_send_health(link).send_errors, 0);
}

/* What the system refuses is counted, with the reason, and is a hole in the sending. */
static void test_send_errors(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;

	link_plan(link, 5, 1 * MS, 1000 * MS, 0);
	assert_int_equal(shutdown(link->sender_fd, SHUT_WR), 0);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 0);
	assert_int_equal(link_send_health(link).send_errors, 5);
	assert_int_equal(link_send_health(link).last_errno, EPIPE);
	owamp_pacer_state(link->pacing, &stop);
	assert_int_equal(stop.next_seq, 5);
	assert_int_equal(stop.skip_count, 1);
	assert_int_equal(stop.skips[0].first, 0);
	assert_int_equal(stop.skips[0].last, 4);
}

/* Packets that were due more than Timeout before the start are never sent. */
static void test_late_start(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;

	link_plan(link, 30, 100 * MS, 1000 * MS, -2050 * MS);
	link_start_sender(link);
	link_run(link, 1);
	owamp_pacer_state(link->pacing, &stop);
	assert_int_equal(stop.next_seq, 30);
	assert_int_equal(stop.skip_count, 1);
	assert_int_equal(stop.skips[0].first, 0);
	/* Due at -1950, -1850, ... -1050 ms, if we were that fast. */
	assert_in_range(stop.skips[0].last, 9, 20);
	assert_int_equal(link_send_health(link).sent, 29 - stop.skips[0].last);
	assert_true(link_send_health(link).lateness_max_ns >= 900 * MS);
}

/* The callback waits on the loop when the session ends: it must not come. */
static void test_end_before_callback(void **state)
{
	struct link *link = *state;

	link_plan(link, 1, 1 * MS, 1000 * MS, -10 * MS);
	link_start_sender(link);
	link_until(link_send_health(link).sent == 1);
	owamp_pacer_end(link->pacing);
	link->pacing = NULL;
	link_run_for(link, 10 * MS);
	assert_int_equal(link->sender_finished, 0);
}

static void test_stop_before_first(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;
	uint8_t octet;

	link_plan(link, 10, 1 * MS, 1000 * MS, 20 * MS);
	link_start_sender(link);
	owamp_pacer_stop(link->pacing);
	owamp_pacer_stop(link->pacing);
	owamp_pacer_state(link->pacing, &stop);
	assert_int_equal(stop.next_seq, 0);
	assert_int_equal(stop.skip_count, 0);
	link_run_for(link, 50 * MS);
	assert_int_equal(link_send_health(link).sent, 0);
	assert_int_equal(link->sender_finished, 0);
	assert_int_equal(recv(link->receiver_fd, &octet, 1, MSG_DONTWAIT), -1);
}

/* A stamp is taken last thing before the send: the kernel has the packet right after. */
static void test_stamp(void **state)
{
	struct link *link = *state;
	struct owamp_send_health health;

	link_plan(link, 20, 2 * MS, 1000 * MS, 10 * MS);
	link_start_receiver(link);
	link_start_sender(link);
	link_until(link->record_count == 20);
	health = link_send_health(link);
	for (uint32_t i = 0; i < 20; i++) {
		const struct owamp_record *record = &link->records[i];
		int64_t late = owamp_ntp_diff_ns(record->send_time, link_due(link, i));

		/* What the health says holds for each; both clocks were read one after the other. */
		assert_true(late <= health.lateness_max_ns + MS);
		assert_true(owamp_ntp_diff_ns(record->receive_time, record->send_time) <=
			    health.stamp_gap_max_ns + MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_nobody_listens),    LINK_TEST(test_send_errors),
		LINK_TEST(test_late_start),        LINK_TEST(test_end_before_callback),
		LINK_TEST(test_stop_before_first), LINK_TEST(test_stamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
