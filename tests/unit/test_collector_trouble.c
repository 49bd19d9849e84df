/* What goes wrong between two steps of the collector: a session breaks, packets come in the meantime. */
#include "collector_port_fixture.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <sys/syscall.h>

#include <owamp/timestamp.h>

#define BURST 200
#define HELD  (50 * MS)

/* The link to whose receiver a burst is sent as soon as its socket was found empty. With the lock held. */
static const struct link *meanwhile;

/* Whose next packet takes more memory than there is. With the lock held. */
static const struct owamp_receiver *starved;

/* In place of the C library's. */
int recvmmsg(int fd, struct mmsghdr *headers, unsigned size, int flags, struct timespec *timeout)
{
	int count = (int)syscall(SYS_recvmmsg, fd, headers, size, flags, timeout), saved = errno;
	const struct link *link = meanwhile;

	if (count < 0 && link && fd == link->receiver_fd) {
		meanwhile = NULL;
		for (uint32_t seq = 0; seq < BURST; seq++)
			link_send_packet(link, link->sender_fd, seq);
	}
	errno = saved;
	return count;
}

/* The linker has the collector call this one (--wrap). */
int __real_owamp_receiver_packet(struct owamp_receiver *receiver, const uint8_t *packet, size_t size,
				 owamp_ntp receive_time, uint16_t receive_error, uint8_t ttl);
int __wrap_owamp_receiver_packet(struct owamp_receiver *receiver, const uint8_t *packet, size_t size,
				 owamp_ntp receive_time, uint16_t receive_error, uint8_t ttl);

int __wrap_owamp_receiver_packet(struct owamp_receiver *receiver, const uint8_t *packet, size_t size,
				 owamp_ntp receive_time, uint16_t receive_error, uint8_t ttl)
{
	if (receiver == starved)
		return OWAMP_ENOMEM;
	return __real_owamp_receiver_packet(receiver, packet, size, receive_time, receive_error, ttl);
}

/* One session of a port breaks and is ended: the port goes on for the others. */
static void test_port_outlives_broken_session(void **state)
{
	struct site site = open_site(*state);
	struct peer *broken = start_peer(&site, 10, 10000 * MS), *other = start_peer(&site, 10, 10000 * MS);
	struct owamp_collector *collector = owamp_engine_collector(site.link->engine);
	uint32_t cut;

	collector_lock(collector);
	starved = broken->link.collecting->receiver;
	collector_unlock(collector);
	send_one(broken, 0);
	link_until(link_receive_health(&broken->link).failed);
	collector_lock(collector);
	starved = NULL;
	collector_unlock(collector);
	assert_int_equal(owamp_collector_stop(broken->link.collecting, NULL, &cut), OWAMP_ENOMEM);
	send_one(other, 3);
	link_until(link_received(&other->link) == 1);
	assert_int_equal(other->link.records[0].seq, 3);
	leave(broken);
	leave(other);
	owamp_collector_port_close(site.port);
}

/*
 * The socket is found empty, and overflows before it is asked for its drops:
 * those are behind the packets that wait now, and are none of the network's.
 */
static void test_overflow_after_empty(void **state)
{
	struct link *link = *state;
	struct owamp_collector *collector = owamp_engine_collector(link->engine);
	struct owamp_receive_health health;
	uint64_t received;

	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)), 0);
	link_plan(link, BURST + 1, 1, 300 * MS, 0);
	link_start_receiver(link);
	collector_lock(collector);
	meanwhile = link;
	session_expire(link->collecting);
	assert_null(meanwhile);
	collector_unlock(collector);
	link_until((health = link_receive_health(link),
		    health.counters.results[OWAMP_RECEIVE_OK] + health.socket_drops == BURST));
	received = link_received(link);
	assert_in_range(received, 1, BURST - 1);
	link_send_packet(link, link->sender_fd, BURST);
	link_run(link, 1);
	health = link_receive_health(link);
	assert_int_equal(health.counters.results[OWAMP_RECEIVE_OK], received + 1);
	assert_int_equal(health.counters.dropped, BURST - received);
	assert_int_equal(health.counters.lost, 0);
}

/* It waits while the thread, which is awake, waits for the lock: its error covers that. */
static void test_unstamped_while_locked(void **state)
{
	struct link *link = *state;
	struct owamp_collector *collector = owamp_engine_collector(link->engine);
	const struct owamp_record *record = &link->records[0];
	int64_t delay, until;

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_TIMESTAMPING, &(int){0}, sizeof(int)),
			 0);
	/* The look at the start is over. */
	link_until((collector_lock(collector), until = link->collecting->due.ns, collector_unlock(collector),
		    until > owamp_mono_ns() + 100 * MS));
	collector_lock(collector);
	collector_wake(collector);
	link_until(collector->waiting == 1);
	link_send_packet(link, link->sender_fd, 0);
	until = owamp_mono_ns() + HELD;
	link_until(owamp_mono_ns() >= until);
	collector_unlock(collector);
	link_until(link->record_count == 1);
	assert_int_equal(link_receive_health(link).unstamped, 1);
	delay = owamp_ntp_diff_ns(record->receive_time, record->send_time);
	assert_true(delay >= HELD);
	assert_true(owamp_error_estimate_ns(record->receive_error) >= HELD);
}

/* A millisecond a second. */
#define DRIFT_PPB 1000000

static int set_up_drifting(void **state)
{
	perfect.reading.drift_ppb = DRIFT_PPB;
	return link_set_up(state);
}

static int tear_down_drifting(void **state)
{
	int error = link_tear_down(state);

	perfect.reading.drift_ppb = 0;
	return error;
}

static int64_t sampled_mono(const struct link *link)
{
	struct owamp_clock_snapshot snapshot;

	owamp_clock_read(owamp_engine_clock(link->engine), &snapshot);
	return snapshot.sampled_at_mono;
}

/* What waited is stamped from before the clock's latest sample: it may have been further off then. */
static void test_clock_sampled_while_locked(void **state)
{
	struct link *link = *state;
	struct owamp_collector *collector = owamp_engine_collector(link->engine);
	int64_t stamped, sampled, bound;

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	collector_lock(collector);
	link_send_packet(link, link->sender_fd, 0);
	stamped = owamp_mono_ns();
	link_until((sampled = sampled_mono(link)) > stamped + 500 * MS);
	collector_unlock(collector);
	link_until(link->record_count == 1);
	bound = (sampled - stamped) / (1000 * MS / DRIFT_PPB);
	assert_true(owamp_error_estimate_ns(link->records[0].receive_error) >= bound);
	assert_true(owamp_error_estimate_synchronized(link->records[0].receive_error));
	assert_true(link_receive_health(link).clock_bound_max_ns >= bound);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_port_outlives_broken_session),
		LINK_TEST(test_overflow_after_empty),
		LINK_TEST(test_unstamped_while_locked),
		cmocka_unit_test_setup_teardown(test_clock_sampled_while_locked, set_up_drifting,
						tear_down_drifting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
