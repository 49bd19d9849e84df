/* Thousands of sessions at one port, and ports that come and go. */
#include "collector_port_fixture.h"

#define MANY         5000
#define MANY_PACKETS 4

/* One of very many, told apart by addresses of 127/8: only what a test of this size can keep. */
struct small {
	struct sockaddr_in address;
	struct owamp_collector_place *place;
	struct owamp_collector_session *session;
	atomic_uint received, lost;
	unsigned sent, finished;
};

static void small_sink(void *context, const struct owamp_record *record)
{
	struct small *small = context;

	if (owamp_record_lost(record))
		small->lost++;
	else
		small->received++;
}

static void small_finished(void *context)
{
	struct small *small = context;

	small->finished++;
}

static void small_start(const struct site *site, struct small *small, int n)
{
	struct owamp_receiver_config config = {.mode = OWAMP_MODE_OPEN, .request = &site->link->request};
	struct owamp_receiver *receiver;

	small->address = (struct sockaddr_in){.sin_family = AF_INET,
					      .sin_port = site->link->sender_address.sin_port,
					      .sin_addr.s_addr = htonl(0x7f020000 + (uint32_t)n)};
	assert_int_equal(
		owamp_collector_place_take(site->port, (struct sockaddr *)&small->address, &small->place), 0);
	assert_int_equal(owamp_receiver_new(&receiver, &config, small_sink, small), 0);
	assert_int_equal(
		owamp_collector_start_at(small->place, receiver, small_finished, small, &small->session), 0);
}

/* From the address of that session, by one socket that is bound to none. */
static void small_send(int fd, const struct site *site, const struct small *small, uint32_t seq)
{
	struct packet packet = {.seq = seq, .time = link_now(), .error = 0x8001};
	uint8_t octets[OWAMP_PACKET_SECURE];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	struct in_pktinfo info = {.ipi_spec_dst = small->address.sin_addr};
	struct iovec part = {.iov_base = octets, .iov_len = packet_seal(OWAMP_MODE_OPEN, &packet, octets)};
	struct msghdr message = {.msg_name = &site->link->receiver_address,
				 .msg_namelen = sizeof site->link->receiver_address,
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(c), &info, sizeof info);
	assert_int_equal(sendmsg(fd, &message, 0), (ssize_t)part.iov_len);
}

/* Each of thousands gets what is its own; every seventh leaves while packets come for all. */
static void test_many(void **state)
{
	struct site site = open_site(*state);
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct small *smalls = calloc(MANY, sizeof *smalls);
	struct sockaddr_in *from = &site.link->sender_address;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof any;
	unsigned all = 0;

	assert_non_null(smalls);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
	from->sin_port = any.sin_port;
	link_plan(site.link, MANY_PACKETS, 1 * MS, 60000 * MS, 0);
	for (int i = 0; i < MANY; i++)
		small_start(&site, &smalls[i], i);
	for (uint32_t seq = 0; seq < MANY_PACKETS; seq++) {
		for (int i = 0; i < MANY; i++) {
			if (seq == 1 && i % 2 == 1)
				continue;
			small_send(fd, &site, &smalls[i], seq);
			smalls[i].sent++;
			/* No more at a time than the port's buffer holds. */
			if (i % 500 == 498 && smalls[i].session)
				link_until(smalls[i].received == smalls[i].sent);
		}
		for (int i = 0; seq == 1 && i < MANY; i += 7) {
			owamp_collector_end(smalls[i].session);
			owamp_collector_place_leave(smalls[i].place);
			smalls[i].session = NULL;
		}
	}
	for (int i = 0; i < MANY; i++) {
		if (!smalls[i].session)
			continue;
		link_until(smalls[i].received == (i % 2 == 0 ? MANY_PACKETS : MANY_PACKETS - 1));
		all += smalls[i].received;
		assert_int_equal(smalls[i].lost, 0);
	}
	assert_true(all > 0);
	for (int i = MANY - 1; i >= 0; i--) {
		if (!smalls[i].session)
			continue;
		owamp_collector_end(smalls[i].session);
		owamp_collector_place_leave(smalls[i].place);
	}
	owamp_collector_port_close(site.port);
	close(fd);
	free(smalls);
}

/* All lost, for thousands at once: each is told so, and ends. */
static void test_many_lost(void **state)
{
	struct site site = open_site(*state);
	struct small *smalls = calloc(MANY, sizeof *smalls);
	unsigned finished = 0;

	assert_non_null(smalls);
	link_plan(site.link, MANY_PACKETS, 10 * MS, 50 * MS, 0);
	for (int i = 0; i < MANY; i++)
		small_start(&site, &smalls[i], i);
	while (finished < MANY) {
		link_run_for(site.link, 10 * MS);
		finished = 0;
		for (int i = 0; i < MANY; i++)
			finished += smalls[i].finished;
	}
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(smalls[i].lost, MANY_PACKETS);
		assert_int_equal(smalls[i].finished, 1);
		owamp_collector_end(smalls[i].session);
		owamp_collector_place_leave(smalls[i].place);
	}
	owamp_collector_port_close(site.port);
	free(smalls);
}

/* Ports come and go while their packets arrive: the thread may still have an event of one that is gone. */
static void test_come_and_go(void **state)
{
	struct link *link = *state;

	for (int round = 0; round < 300; round++) {
		struct site site;
		struct peer *peers[2];

		close(link->receiver_fd);
		link->receiver_fd = link_socket(link, true, &link->receiver_address);
		site = open_site(link);
		for (int i = 0; i < 2; i++)
			peers[i] = start_peer(&site, 10, 1 * MS);
		for (uint32_t seq = 0; seq < 10; seq++)
			send_one(peers[seq % 2], seq);
		if (round % 3 == 0)
			sched_yield();
		leave(peers[round % 2]);
		send_one(peers[1 - round % 2], 9);
		leave(peers[1 - round % 2]);
		owamp_collector_port_close(site.port);
	}
}

/*
 * The thread has events of a session, of another one and of a port. While it is
 * with the first, the second is ended, and before it is there, the port is
 * closed: nothing of them is touched any more.
 */
struct crowd {
	struct owamp_collector *collector;
	atomic_int stage;
	atomic_bool ended;
};

enum {
	TO_WAIT, /* the thread, in the sink of the first */
	WAITS,
	HAS_ALL, /* it may go on: now there are events of all */
	GOES     /* it is with the first again; what is to go may go */
};

static void first_sink(void *context, const struct owamp_record *record)
{
	struct crowd *crowd = context;

	(void)record;
	if (crowd->stage == TO_WAIT) {
		crowd->stage = WAITS;
		link_until(crowd->stage == HAS_ALL);
	} else if (crowd->stage == HAS_ALL) {
		crowd->stage = GOES;
		/* Whoever ends the second wants the lock, and gets it before the next event is looked at. */
		link_until(crowd->collector->waiting > 0);
	}
}

static void second_sink(void *context, const struct owamp_record *record)
{
	struct crowd *crowd = context;

	(void)record;
	assert_false(crowd->ended);
}

static struct link *one_more(const struct link *link, struct crowd *crowd, owamp_record_fn *sink)
{
	struct link *more = calloc(1, sizeof *more);
	const struct owamp_receiver_config config = {.mode = OWAMP_MODE_OPEN, .request = &more->request};
	struct owamp_receiver *receiver;

	assert_non_null(more);
	more->engine = link->engine;
	more->mode = OWAMP_MODE_OPEN;
	more->sender_fd = link_socket(more, false, &more->sender_address);
	more->receiver_fd = link_socket(more, true, &more->receiver_address);
	link_plan(more, 10, 1 * MS, 10000 * MS, 0);
	assert_int_equal(owamp_receiver_new(&receiver, &config, sink, crowd), 0);
	assert_int_equal(owamp_collector_start(crowd->collector, receiver, more->receiver_fd,
					       (struct sockaddr *)&more->sender_address,
					       link_receiver_finished, more, &more->collecting),
			 0);
	return more;
}

static void test_gone_with_an_event(void **state)
{
	struct link *link = *state;
	struct site site = open_site(link);
	struct crowd crowd = {.collector = owamp_engine_collector(link->engine)};
	struct link *first = one_more(link, &crowd, first_sink);
	struct link *second = one_more(link, &crowd, second_sink);

	link_send_packet(first, first->sender_fd, 0);
	link_until(crowd.stage == WAITS);
	link_send_packet(first, first->sender_fd, 1);
	link_send_packet(second, second->sender_fd, 0);
	link_send_packet(link, link->sender_fd, 0);
	crowd.stage = HAS_ALL;
	link_until(crowd.stage == GOES);
	owamp_collector_end(second->collecting);
	crowd.ended = true;
	owamp_collector_port_close(site.port);
	/* The thread has been through all of them when it hears of this one. */
	link_send_packet(first, first->sender_fd, 2);
	link_until(link_received(first) == 3);
	owamp_collector_end(first->collecting);
	close(first->sender_fd);
	close(first->receiver_fd);
	close(second->sender_fd);
	close(second->receiver_fd);
	free(first);
	free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_many),
		LINK_TEST(test_many_lost),
		LINK_TEST(test_come_and_go),
		LINK_TEST(test_gone_with_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
