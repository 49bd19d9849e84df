/* Datagrams that our own socket dropped: how many, of which packets, and whose. */
#include "engine_fixture.h"

#include <linux/sock_diag.h>
#include <sys/syscall.h>

#include "engine/collector_internal.h"

#define BURST 200

/* A packet takes some hundred octets of a buffer: this one holds more packets than one read takes. */
#define SEVERAL_READS (ARRIVALS_AT_ONCE * 2 * 1024)
#define LONG_BURST    1000

/* What happens between a look at the clock and the next read; changed with the collector's lock held. */
static struct {
	const struct link *link; /* NULL: nothing */
	uint32_t first, count;
} meanwhile;

static uint32_t kernel_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS];

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &(socklen_t){sizeof info}), 0);
	return info[SK_MEMINFO_DROPS];
}

/* In place of the C library's. */
int recvmmsg(int fd, struct mmsghdr *headers, unsigned size, int flags, struct timespec *timeout)
{
	const struct link *link = meanwhile.link;

	if (link && fd == link->receiver_fd) {
		meanwhile.link = NULL;
		for (uint32_t i = 0; i < meanwhile.count; i++)
			link_send_packet(link, link->sender_fd, meanwhile.first + i);
		link_until(kernel_drops(fd) > 0);
	}
	return (int)syscall(SYS_recvmmsg, fd, headers, size, flags, timeout);
}

static struct owamp_collector *collector(const struct link *link)
{
	return owamp_engine_collector(link->engine);
}

/* The kernel doubles it. */
static void set_buffer(const struct link *link, int octets)
{
	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets), 0);
}

/* As small as the kernel allows: a few packets. */
static void shrink(const struct link *link)
{
	set_buffer(link, 1);
}

/* Datagrams whose fate is known: each is received or dropped. */
static uint64_t accounted(const struct link *link)
{
	struct owamp_receive_health health = link_receive_health(link);

	return health.counters.results[OWAMP_RECEIVE_OK] + health.socket_drops;
}

/* More than the socket holds, while nobody can read. Returns how many got in: the first ones. */
static uint32_t overflow(const struct link *link, int fd, uint32_t first, uint32_t count)
{
	uint64_t before = link_received(link), known = accounted(link);
	uint32_t in;

	collector_lock(collector(link));
	for (uint32_t i = 0; i < count; i++)
		link_send_packet(link, fd, first + i);
	collector_unlock(collector(link));
	link_until(accounted(link) == known + count);
	in = (uint32_t)(link_received(link) - before);
	assert_in_range(in, 1, count - 1);
	return in;
}

/* Records of arrivals, of losses, and of drops of ours; each packet has one. */
static void assert_records(const struct link *link, const char *fates)
{
	assert_int_equal(link->record_count, strlen(fates));
	for (unsigned i = 0; i < link->record_count; i++) {
		const struct owamp_record *record = &link->records[i];

		assert_int_equal(owamp_record_lost(record) ? record->dropped ? 'd' : 'l' : 'a',
				 fates[record->seq]);
	}
}

static char *fates(uint32_t packets, uint32_t arrived)
{
	char *text = calloc(packets + 1, 1);

	assert_non_null(text);
	memset(text, 'd', packets);
	memset(text, 'a', arrived);
	return text;
}

/* The next packet that gets in tells how many did not: they are the ones missing before it. */
static void test_gap(void **state)
{
	struct link *link = *state;
	uint32_t in;
	char *expected;

	shrink(link);
	link_plan(link, BURST + 1, 1, 300 * MS, 0);
	link_start_receiver(link);
	in = overflow(link, link->sender_fd, 0, BURST);
	link_send_packet(link, link->sender_fd, BURST);
	link_until(link_received(link) == in + 1);
	assert_int_equal(link_receive_health(link).socket_drops, BURST - in);
	link_run(link, 1);
	assert_int_equal(link_receive_health(link).counters.dropped, BURST - in);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	expected = fates(BURST + 1, in);
	expected[BURST] = 'a';
	assert_records(link, expected);
	free(expected);
}

/* Nothing comes after them: the socket itself is asked before they are declared lost. */
static void test_tail(void **state)
{
	struct link *link = *state;
	uint32_t in;
	char *expected;

	shrink(link);
	link_plan(link, BURST, 1, 300 * MS, 0);
	link_start_receiver(link);
	in = overflow(link, link->sender_fd, 0, BURST);
	link_run(link, 1);
	assert_int_equal(link_receive_health(link).counters.dropped, BURST - in);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	expected = fates(BURST, in);
	assert_records(link, expected);
	free(expected);
}

/*
 * Losses are looked for while packets from before the drops wait to be read,
 * because they came after the look began. What is dropped belongs to the gap
 * behind them, not to where the reading has got to.
 */
static void test_behind_waiting_packets(void **state)
{
	struct link *link = *state;
	uint32_t in, read;
	char *expected;

	set_buffer(link, SEVERAL_READS / 2);
	link_plan(link, LONG_BURST + 2, 1, 300 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, link->sender_fd, 0);
	link_until(link_received(link) == 1);
	collector_lock(collector(link));
	meanwhile.link = link;
	meanwhile.first = 1;
	meanwhile.count = LONG_BURST;
	session_expire(link->collecting);
	read = (uint32_t)owamp_receiver_counters(link->collecting->receiver)->results[OWAMP_RECEIVE_OK];
	collector_unlock(collector(link));
	assert_int_equal(read, 1 + ARRIVALS_AT_ONCE);
	link_until(accounted(link) == LONG_BURST + 1);
	in = (uint32_t)link_received(link);
	/* Packets waited, and others were dropped. */
	assert_in_range(in, read + 1, LONG_BURST);
	link_send_packet(link, link->sender_fd, LONG_BURST + 1);
	link_run(link, 1);
	assert_int_equal(link_receive_health(link).counters.dropped, LONG_BURST + 1 - in);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	expected = fates(LONG_BURST + 2, in);
	expected[LONG_BURST + 1] = 'a';
	assert_records(link, expected);
	free(expected);
}

/* The same by stopping; and what is dropped afterwards is none of the session's affair. */
static void test_tail_at_stop(void **state)
{
	struct link *link = *state;
	struct owamp_stop_session stop = {.next_seq = BURST};
	struct owamp_receive_health health;
	uint32_t in, cut;

	shrink(link);
	link_plan(link, BURST, 1, 300 * MS, 0);
	link_start_receiver(link);
	in = overflow(link, link->sender_fd, 0, BURST);
	link_until(owamp_ntp_diff_ns(link_now(), link_due(link, BURST)) > 300 * MS);
	assert_int_equal(owamp_collector_stop(link->collecting, &stop, &cut), 0);
	assert_int_equal(cut, BURST);
	health = link_receive_health(link);
	assert_int_equal(health.socket_drops, BURST - in);
	assert_int_equal(health.counters.dropped, BURST - in);
	assert_int_equal(health.counters.lost, 0);
	for (uint32_t i = 0; i < BURST; i++)
		link_send_packet(link, link->sender_fd, 0);
	health = link_receive_health(link);
	assert_int_equal(health.socket_drops, BURST - in);
	assert_int_equal(health.counters.dropped, BURST - in);
}

/* What the network lost is the network's, before and after drops of ours. */
static void test_losses_stay_losses(void **state)
{
	struct link *link = *state;
	uint32_t in;
	char *expected;

	shrink(link);
	link_plan(link, BURST + 20, 1, 300 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, link->sender_fd, 0);
	link_send_packet(link, link->sender_fd, 5); /* 1 to 4 never left */
	link_until(link_received(link) == 2);
	in = overflow(link, link->sender_fd, 6, BURST);
	link_send_packet(link, link->sender_fd, BURST + 6);
	link_until(link_received(link) == in + 3);
	link_send_packet(link, link->sender_fd, BURST + 19);
	link_until(link_received(link) == in + 4);
	link_run(link, 1);
	expected = fates(BURST + 20, in + 6);
	memset(expected + 1, 'l', 4);
	expected[BURST + 6] = 'a';
	memset(expected + BURST + 7, 'l', 12);
	expected[BURST + 19] = 'a';
	assert_records(link, expected);
	assert_int_equal(link_receive_health(link).counters.dropped, BURST - in);
	assert_int_equal(link_receive_health(link).counters.lost, 16);
	free(expected);
}

/* A stranger's datagrams may be what was dropped: a session that misses nothing has lost nothing by it. */
static void test_drops_of_a_stranger(void **state)
{
	struct link *link = *state;
	struct sockaddr_in address;
	int stranger = link_socket(link, false, &address);

	shrink(link);
	link_plan(link, 4, 1, 300 * MS, 0);
	link_start_receiver(link);
	link_send_packet(link, link->sender_fd, 0);
	link_send_packet(link, link->sender_fd, 1);
	link_until(link_received(link) == 2);
	collector_lock(collector(link));
	for (uint32_t i = 0; i < BURST; i++)
		link_send_packet(link, stranger, 0);
	collector_unlock(collector(link));
	link_until(link_receive_health(link).strangers > 0);
	/* Once it is empty again. */
	do
		link_send_packet(link, link->sender_fd, 2);
	while (link_run_for(link, 1 * MS), link_received(link) < 3);
	link_send_packet(link, link->sender_fd, 3);
	link_run(link, 1);
	assert_in_range(link_receive_health(link).socket_drops, 1, 10 * BURST);
	assert_int_equal(link_receive_health(link).counters.dropped, 0);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	close(stranger);
}

/*
 * Of a port, all its sessions are told, for nobody knows whose they were; one
 * that comes later is not.
 */
static void test_shared_port(void **state)
{
	struct link *link = *state;
	struct link *other = calloc(1, sizeof *other);
	struct owamp_collector_port *port;
	struct owamp_collector_place *place, *other_place;
	struct owamp_collector_session *late;
	struct owamp_receive_health health;
	uint32_t in, cut;

	assert_non_null(other);
	shrink(link);
	assert_int_equal(owamp_collector_port_open(collector(link), link->receiver_fd, &port), 0);
	link_plan(link, BURST, 1, 300 * MS, 0);
	*other = *link;
	other->sender_fd = link_socket(other, false, &other->sender_address);
	link_plan(other, 12, 1, 300 * MS, 0);
	assert_int_equal(owamp_collector_place_take(port, (struct sockaddr *)&link->sender_address, &place),
			 0);
	assert_int_equal(
		owamp_collector_place_take(port, (struct sockaddr *)&other->sender_address, &other_place), 0);
	assert_int_equal(owamp_collector_start_at(place, link_receiver(link), link_receiver_finished, link,
						  &link->collecting),
			 0);
	assert_int_equal(owamp_collector_start_at(other_place, link_receiver(other), link_receiver_finished,
						  other, &other->collecting),
			 0);
	link_send_packet(other, other->sender_fd, 0);
	link_until(link_received(other) == 1);
	in = overflow(link, link->sender_fd, 0, BURST);
	/* Eight are missing, and may have been dropped, or not: not the network, then. */
	link_send_packet(other, other->sender_fd, 9);
	link_until(link_received(other) == 2);
	/* But these two cannot have been. */
	link_send_packet(other, other->sender_fd, 11);
	link->quit_at = other->quit_at = 1;
	while (link->receiver_finished + other->receiver_finished < 2)
		assert_int_equal(owamp_loop_run(link->loop), 0);
	assert_records(other, "adddddddda"
			      "la");
	assert_int_equal(link_receive_health(link).counters.dropped, BURST - in);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	assert_int_equal(link_receive_health(link).socket_drops, BURST - in);
	assert_int_equal(link_receive_health(other).socket_drops, BURST - in);

	/* One that starts now. */
	owamp_collector_end(other->collecting);
	link_plan(other, 10, 1, 50 * MS, 0);
	other->record_count = 0;
	assert_int_equal(owamp_collector_start_at(other_place, link_receiver(other), link_receiver_finished,
						  other, &late),
			 0);
	other->collecting = late;
	link_run(other, 2);
	health = link_receive_health(other);
	assert_int_equal(health.socket_drops, 0);
	assert_int_equal(health.counters.dropped, 0);
	assert_int_equal(health.counters.lost, 10);
	assert_int_equal(owamp_collector_stop(late, NULL, &cut), 0);
	for (uint32_t i = 0; link_receive_health(link).socket_drops == BURST - in; i++)
		link_send_packet(link, link->sender_fd, i);
	assert_int_equal(link_receive_health(other).socket_drops, 0);
	owamp_collector_end(late);
	owamp_collector_end(link->collecting);
	link->collecting = NULL;
	owamp_collector_place_leave(place);
	owamp_collector_place_leave(other_place);
	owamp_collector_port_close(port);
	close(other->sender_fd);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_gap),
		LINK_TEST(test_tail),
		LINK_TEST(test_behind_waiting_packets),
		LINK_TEST(test_tail_at_stop),
		LINK_TEST(test_losses_stay_losses),
		LINK_TEST(test_drops_of_a_stranger),
		LINK_TEST(test_shared_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
