#include "engine_fixture.h"

/* A packet as section 4.1.2 has it, stamped now; returns the time after it was sent. */
static int64_t send_packet(const struct link *link, int fd, uint32_t seq)
{
	struct packet packet = {.seq = seq, .time = link_now(), .error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	size_t size = packet_seal(link->mode, &packet, octets);

	assert_int_equal(sendto(fd, octets, size, 0, (const struct sockaddr *)&link->receiver_address,
				sizeof link->receiver_address),
			 (ssize_t)size);
	return owamp_real_ns();
}

static uint64_t received(const struct link *link)
{
	return link_receive_health(link).counters.results[OWAMP_RECEIVE_OK];
}

/* The receive time is that of the arrival, however long nobody looked. */
static void test_kernel_stamp(void **state)
{
	struct link *link = *state;
	int64_t before, after;

	link_plan(link, 1, 1 * MS, 10000 * MS, 0);
	before = owamp_real_ns();
	after = send_packet(link, link->sender_fd, 0);
	link_run_for(link, 50 * MS);
	link_start_receiver(link);
	link_until(received(link) == 1);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	assert_true(owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(before)) >= 0);
	assert_true(owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(after)) <= 0);
	assert_in_range(owamp_error_estimate_ns(link->records[0].receive_error), 1, 10);
}

/* Without the kernel's stamp it is the time of the reading, and the error covers the wait. */
static void test_no_kernel_stamp(void **state)
{
	struct link *link = *state;
	int64_t after, late;

	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_TIMESTAMPING, &(int){0}, sizeof(int)),
			 0);
	link_plan(link, 1, 1 * MS, 10000 * MS, 0);
	after = send_packet(link, link->sender_fd, 0);
	link_run_for(link, 50 * MS);
	link_start_receiver(link);
	link_until(received(link) == 1);
	assert_int_equal(link_receive_health(link).unstamped, 1);
	late = owamp_ntp_diff_ns(link->records[0].receive_time, owamp_ntp_from_unix_ns(after));
	assert_true(late >= 50 * MS);
	assert_true(owamp_error_estimate_ns(link->records[0].receive_error) >= late);
}

static void test_ttl(void **state)
{
	struct link *link = *state;

	link_plan(link, 2, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	assert_int_equal(setsockopt(link->sender_fd, IPPROTO_IP, IP_TTL, &(int){77}, sizeof(int)), 0);
	send_packet(link, link->sender_fd, 0);
	link_until(received(link) == 1);
	assert_int_equal(link->records[0].ttl, 77);
	/* What the kernel does not tell is 255, section 4.2. */
	assert_int_equal(setsockopt(link->receiver_fd, IPPROTO_IP, IP_RECVTTL, &(int){0}, sizeof(int)), 0);
	send_packet(link, link->sender_fd, 1);
	link_until(received(link) == 2);
	assert_int_equal(link->records[1].ttl, 255);
}

/* Section 6.2: only what comes from the sender's address and port is taken in. */
static void test_strangers(void **state)
{
	struct link *link = *state;
	struct sockaddr_in address;
	int stranger = link_socket(link, false, &address);

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	send_packet(link, stranger, 0);
	send_packet(link, stranger, 1);
	send_packet(link, link->sender_fd, 2);
	link_until(received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 2);
	assert_int_equal(link->record_count, 1);
	assert_int_equal(link->records[0].seq, 2);
	close(stranger);
}

/* Another address of the same host, with the port that is expected. */
static void test_stranger_with_right_port(void **state)
{
	struct link *link = *state;
	struct sockaddr_in address = link->sender_address;
	int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(bind(stranger, (struct sockaddr *)&address, sizeof address), 0);
	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	send_packet(link, stranger, 0);
	send_packet(link, link->sender_fd, 1);
	link_until(received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 1);
	close(stranger);
}

static void test_any_port(void **state)
{
	struct link *link = *state;

	link->sender_address.sin_port = 0;
	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	send_packet(link, link->sender_fd, 0);
	link_until(received(link) == 1);
	assert_int_equal(link_receive_health(link).strangers, 0);
}

/* Nobody sends: all are lost, in order, with the time they were due, and then it is over. */
static void test_all_lost(void **state)
{
	struct link *link = *state;

	link_plan(link, 5, 10 * MS, 30 * MS, 0);
	link_start_receiver(link);
	link_run(link, 1);
	assert_int_equal(link->receiver_finished, 1);
	assert_int_equal(link->record_count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(link->records[i].seq, i);
		assert_true(owamp_record_lost(&link->records[i]));
		assert_int_equal(link->records[i].send_time, link_due(link, i));
	}
	assert_int_equal(link_receive_health(link).counters.lost, 5);
	assert_true(owamp_ntp_diff_ns(owamp_ntp_from_unix_ns(link->receiver_finished_at),
				      link_due(link, 4)) >= 30 * MS);
}

/* What waits in the socket's buffer when the collector first looks is in time if it arrived in time. */
static void test_arrived_in_time(void **state)
{
	struct link *link = *state;

	link_plan(link, 1000, 1, 20 * MS, 0);
	for (uint32_t i = 0; i < 1000; i++)
		send_packet(link, link->sender_fd, i);
	link_run_for(link, 60 * MS);
	link_start_receiver(link);
	link_run(link, 1);
	assert_int_equal(link_receive_health(link).counters.lost, 0);
	assert_int_equal(received(link), 1000);
	assert_int_equal(link->record_count, 1000);
}

/* Datagrams that do not fit into the socket's buffer are ours to report, not the network's. */
static void test_socket_drops(void **state)
{
	struct link *link = *state;
	uint64_t drops;

	assert_int_equal(setsockopt(link->receiver_fd, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)), 0);
	link_plan(link, 1000, 1, 10000 * MS, 0);
	for (uint32_t i = 0; i < 1000; i++)
		send_packet(link, link->sender_fd, i);
	link_start_receiver(link);
	link_until(received(link) > 0);
	drops = link_receive_health(link).socket_drops;
	assert_in_range(drops, 1, 999);
	link_until(received(link) == 1000 - drops);
}

/* The callback waits on the loop when the session ends: it must not come. */
static void test_end_before_callback(void **state)
{
	struct link *link = *state;

	link_plan(link, 1, 1 * MS, 1 * MS, 0);
	link_start_receiver(link);
	link_until(link_receive_health(link).counters.lost == 1);
	owamp_collector_end(link->collecting);
	link->collecting = NULL;
	link_run_for(link, 10 * MS);
	assert_int_equal(link->receiver_finished, 0);
}

/* Without a Stop-Sessions, what comes after the last packet that arrived says nothing (section 3.8). */
static void test_stop_without_stop_sessions(void **state)
{
	struct link *link = *state;
	uint32_t cut;

	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
	send_packet(link, link->sender_fd, 0);
	send_packet(link, link->sender_fd, 4);
	link_until(received(link) == 2);
	assert_int_equal(owamp_collector_stop(link->collecting, NULL, &cut), 0);
	assert_int_equal(cut, 5);
	/* What comes now is not taken in. */
	send_packet(link, link->sender_fd, 5);
	link_run_for(link, 10 * MS);
	assert_int_equal(received(link), 2);
}

/* What has arrived before the stop is taken in, although the collector had no time for it yet. */
static void test_stop_takes_in(void **state)
{
	struct link *link = *state;
	uint32_t cut;

	link_plan(link, RECORDS, 1, 10000 * MS, 0);
	for (uint32_t i = 0; i < RECORDS; i++)
		send_packet(link, link->sender_fd, i);
	link_start_receiver(link);
	assert_int_equal(owamp_collector_stop(link->collecting, NULL, &cut), 0);
	assert_int_equal(cut, RECORDS);
	assert_int_equal(link->record_count, RECORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_kernel_stamp),
		LINK_TEST(test_no_kernel_stamp),
		LINK_TEST(test_ttl),
		LINK_TEST(test_strangers),
		LINK_TEST(test_stranger_with_right_port),
		LINK_TEST(test_any_port),
		LINK_TEST(test_all_lost),
		LINK_TEST(test_arrived_in_time),
		LINK_TEST(test_socket_drops),
		LINK_TEST(test_end_before_callback),
		LINK_TEST(test_stop_without_stop_sessions),
		LINK_TEST(test_stop_takes_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
