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

/*
 * A full buffer is no reason to lose a packet: it is tried again. (With a
 * local socket, for one that is full until somebody reads, and stamps nothing.)
 */
static void test_full_buffer(void **state)
{
	struct link *link = *state;
	uint8_t packet[100];
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	close(link->sender_fd);
	link->sender_fd = ends[0];
	link_plan(link, 300, 1000, 1000000 * MS, 0);
	link_start_sender(link);
	link_until(link_send_health(link).sent > 0);
	link_run_for(link, 10 * MS);
	assert_in_range(link_send_health(link).sent, 1, 299);
	assert_int_equal(link_send_health(link).send_errors, 0);
	for (uint32_t i = 0; i < 300; i++) {
		link_until(recv(ends[1], packet, sizeof packet, 0) == OWAMP_PACKET_OPEN);
		assert_int_equal(ref_get(packet, 4), i);
	}
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 300);
	assert_int_equal(link_send_health(link).send_errors, 0);
	assert_int_equal(link_send_health(link).kernel_stamps, 0);
	close(ends[1]);
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

/* More packets than any machine sends, each due long before it can leave. */
static void flood(struct link *link)
{
	link_plan(link, UINT32_MAX, 100, 1000000 * MS, 0);
	link_start_sender(link);
	link_until(link_send_health(link).sent > 1000);
}

/* A second session of the same engine, to the same receiver. */
static void join(struct link *link, const struct link *first)
{
	*link = (struct link){.engine = first->engine, .loop = first->loop, .mode = OWAMP_MODE_OPEN};
	link->sender_fd = link_socket(link, false, &link->sender_address);
	assert_int_equal(connect(link->sender_fd, (const struct sockaddr *)&first->receiver_address,
				 sizeof first->receiver_address),
			 0);
}

static void leave(struct link *link)
{
	owamp_pacer_end(link->pacing);
	close(link->sender_fd);
}

/* Who is earlier than all that is waited for is served first. */
static void test_earlier(void **state)
{
	struct link *later = *state, earlier;

	link_plan(later, 10, 20000 * MS, 1000 * MS, 0);
	link_start_sender(later);
	join(&earlier, later);
	link_plan(&earlier, 5, 1 * MS, 1000 * MS, 0);
	link_start_sender(&earlier);
	link_run(&earlier, 1);
	assert_int_equal(link_send_health(&earlier).sent, 5);
	assert_int_equal(link_send_health(later).sent, 0);
	leave(&earlier);
}

/* However busy the pacer is, nobody on the loop's thread waits for long, and no packet leaves after a stop.
 */
static void busy(struct link *link)
{
	struct owamp_stop_session stop;
	char packet[100];

	flood(link);
	for (int i = 0; i < 200; i++) {
		uint64_t sent = link_send_health(link).sent;
		struct link other;

		join(&other, link);
		link_plan(&other, UINT32_MAX, 100, 1000000 * MS, 0);
		link_start_sender(&other);
		owamp_pacer_state(link->pacing, &stop);
		assert_true(stop.next_seq >= sent);
		leave(&other);
	}
	owamp_pacer_stop(link->pacing);
	while (recv(link->receiver_fd, packet, sizeof packet, MSG_DONTWAIT) >= 0)
		;
	link_run_for(link, 5 * MS);
	assert_int_equal(recv(link->receiver_fd, packet, sizeof packet, MSG_DONTWAIT), -1);
}

static void test_busy(void **state)
{
	busy(*state);
}

/*
 * One session that asks for more than there is makes itself late, not the
 * other: that one's packets leave when they are due.
 */
static void test_fair(void **state)
{
	struct link *fast = *state, slow;

	flood(fast);
	join(&slow, fast);
	link_plan(&slow, 60, 5 * MS, 1000 * MS, 0);
	link_start_sender(&slow);
	link_run(&slow, 1);
	assert_int_equal(link_send_health(&slow).sent, 60);
	assert_true(4 * link_send_health(&slow).lateness_p50_ns < link_send_health(fast).lateness_p50_ns);
	leave(&slow);
}

static int set_up_spinning(void **state)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine_granted granted;
	struct link *link;

	config.spin_ns = OWAMP_SPIN_MAX;
	(void)link_set_up_with(state, &config);
	link = *state;
	owamp_engine_granted(link->engine, &granted);
	assert_int_equal(granted.spin_ns, OWAMP_SPIN_MAX);
	assert_false(granted.realtime);
	return 0;
}

/* The pacer spins nearly all the time: sessions come and go as ever, and so does the engine. */
static void test_spinning(void **state)
{
	struct link *first = *state;

	link_plan(first, UINT32_MAX, MS / 2, 1000000 * MS, 0);
	link_start_sender(first);
	for (int i = 0; i < 20; i++) {
		struct link other;

		join(&other, first);
		link_plan(&other, 3, MS / 4, 1000 * MS, 0);
		link_start_sender(&other);
		link_run(&other, 1);
		assert_int_equal(link_send_health(&other).sent, 3);
		leave(&other);
	}
	assert_true(link_send_health(first).sent > 0);
	assert_true(link_send_health(first).lateness_max_ns >= 0);
	assert_true(owamp_ntp_diff(link_now(), owamp_pacer_last(first->pacing)) <
		    (int64_t)(OWAMP_SECOND * 10));
}

/*
 * Nothing leaves early, however the pacer waits. The stamp is UTC and the
 * schedule is not, so what the clock is slewed by meanwhile is forgiven.
 */
static void test_spinning_not_early(void **state)
{
	struct link *link = *state;

	link_plan(link, 50, 2 * MS, 1000 * MS, 10 * MS);
	link_start_receiver(link);
	link_start_sender(link);
	link_until(link->record_count == 50);
	for (uint32_t i = 0; i < 50; i++)
		assert_true(owamp_ntp_diff_ns(link->records[i].send_time, link_due(link, i)) > -MS / 2);
}

/* The kernel stamps a packet between its own stamp and the end of the send call. */
static void test_kernel_stamps(void **state)
{
	struct link *link = *state;
	struct owamp_send_health health;

	link_plan(link, 50, 2 * MS, 1000 * MS, 10 * MS);
	link_start_sender(link);
	link_run(link, 1);
	health = link_send_health(link);
	assert_int_equal(health.sent, 50);
	/* The last one is read at the end in any case. On a machine that stalls there is but the first. */
	assert_in_range(health.kernel_stamps, 1, 50);
	assert_in_range(health.kernel_gap_p50_ns, 1, health.kernel_gap_p99_ns);
	assert_in_range(health.kernel_gap_p99_ns, 1, health.kernel_gap_max_ns);
	assert_in_range(health.kernel_gap_max_ns, 1, health.stamp_gap_max_ns);
	assert_in_range(health.lateness_p50_ns, 1, health.lateness_p99_ns);
	assert_in_range(health.lateness_p99_ns, 1, health.lateness_p999_ns);
	assert_in_range(health.lateness_p999_ns, 1, health.lateness_max_ns);
}

/* Nobody reads what a peer sends to a sender's socket: it takes no room from the stamps. */
static void test_kernel_stamps_flooded_by_peer(void **state)
{
	struct link *link = *state;

	for (int i = 0; i < 2000; i++)
		(void)sendto(link->receiver_fd, "", 1, 0, (struct sockaddr *)&link->sender_address,
			     sizeof link->sender_address);
	link_plan(link, 50, 2 * MS, 1000 * MS, 10 * MS);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 50);
	/* The first one: the pacer slept before it. Others, unless the machine stalls. */
	assert_in_range(link_send_health(link).kernel_stamps, 1, 50);
}

/* The first packet may be stamped: the pacer slept before it. Then it is behind, and asks no more. */
static void test_no_stamps_behind(void **state)
{
	struct link *link = *state;

	link_plan(link, 5000, 1000, 1000000 * MS, -1000 * MS);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 5000);
	assert_in_range(link_send_health(link).kernel_stamps, 0, 1);
}

/*
 * Two sessions with the same schedule: there is always another packet due. (A
 * few, if the machine stalled between the two.)
 */
static void test_no_stamps_side_by_side(void **state)
{
	struct link *first = *state, second;

	join(&second, first);
	link_plan(first, 50, 2 * MS, 1000 * MS, 10 * MS);
	second.slot = first->slot;
	second.request = first->request;
	second.request.slots = &second.slot;
	link_start_sender(first);
	link_start_sender(&second);
	link_until(link_send_health(first).sent + link_send_health(&second).sent == 100);
	assert_in_range(link_send_health(first).kernel_stamps + link_send_health(&second).kernel_stamps, 0,
			20);
	leave(&second);
}

/* Nor when the one before was read meanwhile, as it is when its session ends. */
static void test_no_stamps_flooded(void **state)
{
	struct link *first = *state, second;
	uint64_t sent;

	flood(first);
	join(&second, first);
	flood(&second);
	owamp_pacer_stop(first->pacing);
	sent = link_send_health(&second).sent;
	link_until(link_send_health(&second).sent > sent + 1000);
	owamp_pacer_stop(second.pacing);
	assert_int_equal(link_send_health(&second).kernel_stamps, 0);
	leave(&second);
}

/* A hundred at once, and one a millisecond. */
static void test_stamps_limited(void **state)
{
	struct link *link = *state;
	int64_t before = owamp_mono_ns();

	link_plan(link, 4000, 20000, 1000000 * MS, 0);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link_send_health(link).sent, 4000);
	assert_in_range(link_send_health(link).kernel_stamps, 0, 101 + (owamp_mono_ns() - before) / MS);
}

/* All of it was due too long ago: many turns of skipping, and the end is told all the same. */
static void test_finished_at_once(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop;

	link_plan(link, 100000, 1 * MS, 1 * MS, -1000000 * MS);
	link_start_sender(link);
	link_run(link, 1);
	assert_int_equal(link->sender_finished, 1);
	owamp_pacer_state(link->pacing, &stop);
	assert_int_equal(stop.next_seq, 100000);
	assert_int_equal(stop.skip_count, 1);
	assert_int_equal(link_send_health(link).sent, 0);
	assert_int_equal(owamp_pacer_last(link->pacing), link_due(link, 99999));
}

#define SPIN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_spinning, link_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_nobody_listens),
		LINK_TEST(test_send_errors),
		LINK_TEST(test_full_buffer),
		LINK_TEST(test_late_start),
		LINK_TEST(test_end_before_callback),
		LINK_TEST(test_stop_before_first),
		LINK_TEST(test_stamp),
		LINK_TEST(test_earlier),
		LINK_TEST(test_busy),
		LINK_TEST(test_fair),
		SPIN_TEST(test_spinning),
		SPIN_TEST(test_spinning_not_early),
		LINK_TEST(test_kernel_stamps),
		LINK_TEST(test_kernel_stamps_flooded_by_peer),
		LINK_TEST(test_no_stamps_behind),
		LINK_TEST(test_stamps_limited),
		LINK_TEST(test_finished_at_once),
		LINK_TEST(test_no_stamps_flooded),
		LINK_TEST(test_no_stamps_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
