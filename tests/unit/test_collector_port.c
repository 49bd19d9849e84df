/* Many sessions at one port: RFC 8545 has one for all receivers of a host. */
#include "collector_port_fixture.h"

#include <arpa/inet.h>

static void test_told_apart(void **state)
{
	struct site site = open_site(*state);
	struct peer *peers[3], *stranger = new_peer(&site);

	for (int i = 0; i < 3; i++)
		peers[i] = start_peer(&site, 100, 10000 * MS);
	for (uint32_t seq = 0; seq < 3; seq++) {
		for (uint32_t i = 0; i <= seq; i++)
			send_one(peers[i], 10 * i + seq);
		send_one(stranger, seq);
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct link *link = &peers[i]->link;

		link_until(link_received(link) == 3 - i);
		assert_int_equal(link->record_count, 3 - i);
		for (uint32_t n = 0; n < 3 - i; n++)
			assert_int_equal(link->records[n].seq, 10 * i + i + n);
		assert_int_equal(link_receive_health(link).strangers, 0);
	}
	link_until(owamp_collector_port_strangers(site.port) == 3);
	for (int i = 0; i < 3; i++)
		leave(peers[i]);
	leave(stranger);
	owamp_collector_port_close(site.port);
}

/* The same port at another address of this host is another sender. */
static void test_told_apart_by_address(void **state)
{
	struct site site = open_site(*state);
	struct peer *peer = start_peer(&site, 10, 10000 * MS), *other = new_peer(&site);
	struct sockaddr_in address = peer->link.sender_address;

	close(other->link.sender_fd);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	other->link.sender_address = address;
	other->link.sender_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other->link.sender_fd, (struct sockaddr *)&address, sizeof address), 0);
	link_plan(&other->link, 10, 1 * MS, 10000 * MS, 0);
	take(&site, other);
	assert_int_equal(start_at(other), 0);
	send_one(other, 3);
	send_one(peer, 5);
	link_until(link_received(&peer->link) == 1 && link_received(&other->link) == 1);
	assert_int_equal(peer->link.records[0].seq, 5);
	assert_int_equal(other->link.records[0].seq, 3);
	leave(peer);
	leave(other);
	owamp_collector_port_close(site.port);
}

/* A place is kept for its sender: what comes while no session is there is dropped, and no stranger's. */
static void test_before_and_after(void **state)
{
	struct site site = open_site(*state);
	struct peer *peer = new_peer(&site), *other = start_peer(&site, 10, 10000 * MS);
	uint32_t cut;

	link_plan(&peer->link, 10, 1 * MS, 10000 * MS, 0);
	take(&site, peer);
	send_one(peer, 0);
	send_one(other, 0);
	link_until(link_received(&other->link) == 1);
	assert_int_equal(start_at(peer), 0);
	send_one(peer, 1);
	link_until(link_received(&peer->link) == 1);
	assert_int_equal(owamp_collector_stop(peer->link.collecting, NULL, &cut), 0);
	assert_int_equal(cut, 2);
	send_one(peer, 2);
	send_one(other, 1);
	link_until(link_received(&other->link) == 2);
	assert_int_equal(link_received(&peer->link), 1);
	/* Another session at the same place is not told of what was before. */
	owamp_collector_end(peer->link.collecting);
	peer->link.record_count = 0;
	assert_int_equal(start_at(peer), 0);
	send_one(peer, 3);
	link_until(link_received(&peer->link) == 1);
	assert_int_equal(peer->link.records[0].seq, 3);
	assert_int_equal(owamp_collector_port_strangers(site.port), 0);
	leave(peer);
	leave(other);
	owamp_collector_port_close(site.port);
}

static void test_places(void **state)
{
	struct site site = open_site(*state);
	struct sockaddr_in address = site.link->sender_address;
	struct sockaddr_storage no_family = {.ss_family = AF_UNIX};
	struct owamp_collector_place *place, *second;
	struct owamp_collector_session *session, *none;
	struct owamp_receiver *receiver;

	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&address, &place), 0);
	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&address, &second),
			 OWAMP_EINVAL);
	assert_null(second);
	owamp_collector_place_leave(place);
	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&address, &place), 0);
	address.sin_port = 0;
	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&address, &second),
			 OWAMP_EINVAL);
	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&no_family, &second),
			 OWAMP_EINVAL);
	link_plan(site.link, 10, 1 * MS, 10000 * MS, 0);
	receiver = link_receiver(site.link);
	assert_int_equal(
		owamp_collector_start_at(place, receiver, link_receiver_finished, site.link, &session), 0);
	receiver = link_receiver(site.link);
	assert_int_equal(owamp_collector_start_at(place, receiver, link_receiver_finished, site.link, &none),
			 OWAMP_ESTATE);
	assert_null(none);
	owamp_receiver_free(receiver);
	owamp_collector_end(session);
	owamp_collector_place_leave(place);
	owamp_collector_place_leave(NULL);
	owamp_collector_port_close(site.port);
}

/* What waits in the port's buffer when a session's deadline has passed came in time if it arrived in time. */
static void test_arrived_in_time(void **state)
{
	struct site site = open_site(*state);
	struct owamp_collector *collector = owamp_engine_collector(site.link->engine);
	struct peer *peers[2] = {start_burst(&site, 500, 1, 100 * MS), start_burst(&site, 500, 1, 100 * MS)};

	/* Nobody can read while the lock is held. */
	collector_lock(collector);
	for (uint32_t seq = 0; seq < 500; seq++)
		for (int i = 0; i < 2; i++)
			send_one(peers[i], seq);
	link_until(owamp_ntp_diff_ns(link_now(), link_due(&peers[1]->link, 499)) > 110 * MS);
	collector_unlock(collector);
	for (int i = 0; i < 2; i++)
		peers[i]->link.quit_at = 1;
	while (peers[0]->link.receiver_finished + peers[1]->link.receiver_finished < 2)
		assert_int_equal(owamp_loop_run(site.link->loop), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(link_received(&peers[i]->link), 500);
		assert_int_equal(link_receive_health(&peers[i]->link).counters.lost, 0);
		leave(peers[i]);
	}
	owamp_collector_port_close(site.port);
}

/* Stopping one session reads the port for it, and what it reads for the others is theirs. */
static void test_stop_takes_in(void **state)
{
	struct site site = open_site(*state);
	struct peer *peers[2] = {start_peer(&site, 1000, 10000 * MS), start_peer(&site, 1000, 10000 * MS)};
	uint32_t cut;

	for (uint32_t seq = 0; seq < 1000; seq++)
		for (int i = 0; i < 2; i++)
			send_one(peers[i], seq);
	assert_int_equal(owamp_collector_stop(peers[0]->link.collecting, NULL, &cut), 0);
	assert_int_equal(cut, 1000);
	link_until(link_received(&peers[1]->link) == 1000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(peers[i]->link.record_count, 1000);
		leave(peers[i]);
	}
	owamp_collector_port_close(site.port);
}

static bool open_ipv6(int *fd, bool receive, const struct in6_addr *address, struct sockaddr_in6 *bound)
{
	const struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = *address};
	const struct owamp_test_socket_config config = {.local = (const struct sockaddr *)&local,
							.receive = receive};
	uint16_t port;

	if (owamp_socket_test(fd, &config, &port))
		return false;
	*bound = local;
	bound->sin6_addr = in6addr_loopback;
	bound->sin6_port = htons(port);
	return true;
}

/* A port for all addresses, over IPv6; and what another IPv6 sender sends is a stranger's. */
static void test_ipv6_wildcard(void **state)
{
	struct link *link = *state;
	struct sockaddr_in6 to, from, other;
	struct owamp_collector_port *port;
	struct owamp_collector_place *place;
	struct packet packet = {.error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	int receiver = -1, sender = -1, stranger = -1;
	size_t size;

	if (!open_ipv6(&receiver, true, &in6addr_any, &to) ||
	    !open_ipv6(&sender, false, &in6addr_loopback, &from) ||
	    !open_ipv6(&stranger, false, &in6addr_loopback, &other))
		skip();
	link_plan(link, 10, 1 * MS, 10000 * MS, 0);
	assert_int_equal(owamp_collector_port_open(owamp_engine_collector(link->engine), receiver, &port), 0);
	assert_int_equal(owamp_collector_place_take(port, (struct sockaddr *)&from, &place), 0);
	assert_int_equal(owamp_collector_start_at(place, link_receiver(link), link_receiver_finished, link,
						  &link->collecting),
			 0);
	packet.time = link_now();
	size = packet_seal(link->mode, &packet, octets);
	assert_int_equal(sendto(stranger, octets, size, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)size);
	assert_int_equal(sendto(sender, octets, size, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)size);
	link_until(link_received(link) == 1);
	assert_int_equal(owamp_collector_port_strangers(port), 1);
	assert_int_equal(link->records[0].ttl, 255);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	owamp_collector_end(link->collecting);
	link->collecting = NULL;
	owamp_collector_place_leave(place);
	owamp_collector_port_close(port);
	close(receiver);
	close(sender);
	close(stranger);
}

/* An IPv4 port for all addresses. */
static void test_ipv4_wildcard(void **state)
{
	struct link *link = *state;
	struct sockaddr_in any = {.sin_family = AF_INET};
	const struct owamp_test_socket_config config = {.local = (struct sockaddr *)&any, .receive = true};
	struct site site;
	struct peer *peer;
	uint16_t port;

	close(link->receiver_fd);
	assert_int_equal(owamp_socket_test(&link->receiver_fd, &config, &port), 0);
	link->receiver_address.sin_port = htons(port);
	site = open_site(link);
	peer = start_peer(&site, 10, 10000 * MS);
	send_one(peer, 4);
	link_until(link_received(&peer->link) == 1);
	leave(peer);
	owamp_collector_port_close(site.port);
}

static union arrival_address ipv6(const char *text, uint16_t port, uint32_t scope)
{
	union arrival_address address = {.in6 = {.sin6_family = AF_INET6,
						 .sin6_port = htons(port),
						 .sin6_flowinfo = htonl(0x12345),
						 .sin6_scope_id = scope}};

	assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
	return address;
}

struct scoped {
	union arrival_address address;
	struct owamp_collector_place *place;
	struct owamp_collector_session *session;
};

static struct owamp_collector_session *who(const struct site *site, const char *text, uint16_t port,
					   uint32_t scope)
{
	struct owamp_collector *collector = owamp_engine_collector(site->link->engine);
	union arrival_address source = ipv6(text, port, scope);
	struct owamp_collector_session *session;

	collector_lock(collector);
	session = collector_port_session(site->port, &source);
	collector_unlock(collector);
	return session;
}

/* Link-local addresses are the same on every link; all others are not. */
static void test_scopes(void **state)
{
	struct site site = open_site(*state);
	struct scoped scoped[] = {
		{.address = ipv6("fe80::1", 7000, 2)},
		{.address = ipv6("fe80::1", 7000, 3)},
		{.address = ipv6("fe80::1", 7001, 0)},
		{.address = ipv6("2001:db8::1", 7000, 4)},
	};
	struct sockaddr_in6 again = ipv6("2001:db8::1", 7000, 9).in6;
	struct owamp_collector_place *none;

	link_plan(site.link, 10, 1 * MS, 10000 * MS, 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(
			owamp_collector_place_take(site.port, &scoped[i].address.any, &scoped[i].place), 0);
		assert_int_equal(owamp_collector_start_at(scoped[i].place, link_receiver(site.link),
							  link_receiver_finished, site.link,
							  &scoped[i].session),
				 0);
	}
	assert_int_equal(owamp_collector_place_take(site.port, (struct sockaddr *)&again, &none),
			 OWAMP_EINVAL);
	assert_ptr_equal(who(&site, "fe80::1", 7000, 2), scoped[0].session);
	assert_ptr_equal(who(&site, "fe80::1", 7000, 3), scoped[1].session);
	assert_null(who(&site, "fe80::1", 7000, 4));
	assert_ptr_equal(who(&site, "fe80::1", 7001, 4), scoped[2].session);
	assert_ptr_equal(who(&site, "2001:db8::1", 7000, 0), scoped[3].session);
	assert_null(who(&site, "2001:db8::1", 7001, 0));
	assert_null(who(&site, "2001:db8::2", 7000, 0));
	assert_int_equal(owamp_collector_port_strangers(site.port), 3);
	for (size_t i = 0; i < 4; i++) {
		owamp_collector_end(scoped[i].session);
		owamp_collector_place_leave(scoped[i].place);
	}
	owamp_collector_port_close(site.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_told_apart),       LINK_TEST(test_told_apart_by_address),
		LINK_TEST(test_before_and_after), LINK_TEST(test_places),
		LINK_TEST(test_arrived_in_time),  LINK_TEST(test_stop_takes_in),
		LINK_TEST(test_ipv6_wildcard),    LINK_TEST(test_ipv4_wildcard),
		LINK_TEST(test_scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
