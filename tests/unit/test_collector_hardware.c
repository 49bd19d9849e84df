/*
 * Stamps by the interface, from a kernel and a piece of hardware that this test
 * makes up: no machine that builds this has them. And how often the kernel is asked.
 */
#include "engine_fixture.h"

#include <string.h>
#include <sys/syscall.h>

#include "engine/collector_internal.h"

/* The clock of the hardware is 37 s ahead, and its stamps are taken that much earlier. */
#define AHEAD_NS (37000 * MS)
#define GAP_NS   40000
#define ERROR_NS 1000
#define FIRST_NS 100000 /* the error of the kernel's stamp */
#define IFINDEX  3

struct hardware {
	atomic_uint notes;
	_Atomic int64_t noted_ns;
};

/* What the test makes of what the kernel says; changed only while nothing is received. */
static struct fake {
	struct hardware hardware;
	atomic_uint reads;
	atomic_bool stamps;    /* by the hardware */
	atomic_bool converted; /* they can be */
	atomic_bool no_kernel; /* and the kernel gives none */
	atomic_uint cold;      /* so many reads are yet to come before the kernel stamps anything */
} fake;

int hardware_new(struct hardware **hardware, const char *const *interfaces, struct owamp_clock *clock,
		 char *error, size_t error_size)
{
	(void)interfaces;
	(void)clock;
	(void)error;
	(void)error_size;
	*hardware = &fake.hardware;
	return 0;
}

void hardware_free(struct hardware *hardware)
{
	(void)hardware;
}

bool hardware_convert(const struct hardware *hardware, unsigned ifindex, int64_t stamp_ns, int64_t *real_ns,
		      int64_t *error_ns)
{
	(void)hardware;
	*real_ns = stamp_ns - AHEAD_NS;
	*error_ns = ERROR_NS;
	return fake.converted && ifindex == IFINDEX;
}

void hardware_note_gap(struct hardware *hardware, unsigned ifindex, int64_t gap_ns)
{
	assert_int_equal(ifindex, IFINDEX);
	hardware->notes++;
	hardware->noted_ns = gap_ns;
}

int64_t hardware_gap(const struct hardware *hardware, unsigned ifindex)
{
	(void)hardware;
	(void)ifindex;
	return FIRST_NS;
}

/* Puts the hardware's stamp beside the kernel's, as a driver has the kernel do. */
static void stamp(struct msghdr *message)
{
	struct scm_ts_pktinfo info = {.if_index = IFINDEX};
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(sizeof info),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_TIMESTAMPING_PKTINFO};
	uint8_t *end = (uint8_t *)message->msg_control + message->msg_controllen;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct scm_timestamping stamps;
		int64_t ns;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPING)
			continue;
		memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
		ns = stamps.ts[0].tv_sec * (1000 * MS) + stamps.ts[0].tv_nsec - GAP_NS + AHEAD_NS;
		stamps.ts[2] = (struct timespec){.tv_sec = ns / (1000 * MS), .tv_nsec = ns % (1000 * MS)};
		if (fake.no_kernel)
			stamps.ts[0] = (struct timespec){0};
		memcpy(CMSG_DATA(c), &stamps, sizeof stamps);
	}
	memcpy(end, &head, sizeof head);
	memcpy(end + CMSG_LEN(0), &info, sizeof info);
	message->msg_controllen += CMSG_SPACE(sizeof info);
}

/* In place of the C library's. */
int recvmmsg(int fd, struct mmsghdr *headers, unsigned size, int flags, struct timespec *timeout)
{
	size_t room = headers[0].msg_hdr.msg_controllen;
	int count = (int)syscall(SYS_recvmmsg, fd, headers, size, flags, timeout);

	fake.reads++;
	if (fake.cold > 0) {
		fake.cold--;
		for (int i = 0; i < count; i++)
			headers[i].msg_hdr.msg_controllen = 0;
	}
	for (int i = 0; fake.stamps && i < count; i++) {
		stamp(&headers[i].msg_hdr);
		assert_true(headers[i].msg_hdr.msg_controllen <= room);
	}
	return count;
}

static int set_up(void **state)
{
	const char *const interfaces[] = {"eth0", NULL};
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;

	fake.stamps = fake.no_kernel = false;
	fake.converted = true;
	fake.hardware.notes = 0;
	config.hardware_interfaces = interfaces;
	return link_set_up_with(state, &config);
}

/* One packet; between before and after is when the kernel stamped it. */
static void receive_one(struct link *link, int64_t *before, int64_t *after)
{
	unsigned had = link->record_count;

	*before = owamp_real_ns();
	*after = link_send_packet(link, link->sender_fd, had);
	link_until(link->record_count == had + 1);
}

static void assert_received(const struct link *link, int64_t before, int64_t after, int64_t error_ns)
{
	const struct owamp_record *record = &link->records[link->record_count - 1];
	int64_t estimate = owamp_error_estimate_ns(record->receive_error);

	assert_true(owamp_ntp_diff_ns(record->receive_time, owamp_ntp_from_unix_ns(before)) >= -1);
	assert_true(owamp_ntp_diff_ns(record->receive_time, owamp_ntp_from_unix_ns(after)) <= 1);
	/* The clock of these tests is perfect, and the estimate has eight bits. */
	assert_in_range(estimate, error_ns, error_ns + error_ns / 64 + 16);
}

static void start(struct link *link)
{
	link_plan(link, 1000, 1 * MS, 10000 * MS, 0);
	link_start_receiver(link);
}

static void test_asked_for(void **state)
{
	struct link *link = *state;
	int flags = 0, fd;
	socklen_t size = sizeof flags;
	struct sockaddr_in address;
	struct owamp_collector_port *port;
	const int all = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
			SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE |
			SOF_TIMESTAMPING_OPT_PKTINFO;

	start(link);
	assert_int_equal(getsockopt(link->receiver_fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, &size), 0);
	assert_int_equal(flags, all);
	fd = link_socket(link, true, &address);
	assert_int_equal(owamp_collector_port_open(owamp_engine_collector(link->engine), fd, &port), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, &size), 0);
	assert_int_equal(flags, all);
	owamp_collector_port_close(port);
	close(fd);
}

static void test_hardware_stamp(void **state)
{
	struct link *link = *state;
	int64_t before, after;

	start(link);
	fake.stamps = true;
	receive_one(link, &before, &after);
	assert_received(link, before - GAP_NS, after - GAP_NS, ERROR_NS);
	assert_int_equal(link_receive_health(link).hardware_stamped, 1);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	assert_int_equal(fake.hardware.notes, 1);
	assert_int_equal(fake.hardware.noted_ns, GAP_NS);
	fake.no_kernel = true;
	receive_one(link, &before, &after);
	assert_received(link, before - GAP_NS, after - GAP_NS, ERROR_NS);
	assert_int_equal(link_receive_health(link).hardware_stamped, 2);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	assert_int_equal(fake.hardware.notes, 1);
}

static void test_no_hardware_stamp(void **state)
{
	struct link *link = *state;
	int64_t before, after;

	start(link);
	receive_one(link, &before, &after);
	assert_received(link, before, after, FIRST_NS);
	fake.stamps = true;
	fake.converted = false;
	receive_one(link, &before, &after);
	assert_received(link, before, after, FIRST_NS);
	assert_int_equal(link_receive_health(link).hardware_stamped, 0);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	assert_int_equal(fake.hardware.notes, 0);
	/* Neither: then it is the time of reading it. */
	fake.no_kernel = true;
	receive_one(link, &before, &after);
	assert_true(owamp_ntp_diff_ns(link->records[2].receive_time, owamp_ntp_from_unix_ns(before)) >= 0);
	assert_int_equal(link_receive_health(link).unstamped, 1);
	assert_int_equal(link_receive_health(link).hardware_stamped, 0);
}

/* One system call reads what there is, and none is spent on finding out that there is no more. */
static void test_reads(void **state)
{
	struct link *link = *state;
	struct owamp_collector *collector = owamp_engine_collector(link->engine);
	int64_t before, after;
	unsigned reads;

	start(link);
	receive_one(link, &before, &after);
	reads = fake.reads;
	for (int i = 0; i < 100; i++)
		receive_one(link, &before, &after);
	assert_int_equal(fake.reads - reads, 100);
	/* Eight full batches and a short one. */
	collector_lock(collector);
	reads = fake.reads;
	for (uint32_t i = 0; i < 8 * ARRIVALS_AT_ONCE + 1; i++)
		link_send_packet(link, link->sender_fd, 200 + i);
	collector_unlock(collector);
	link_until(link->record_count == 101 + 8 * ARRIVALS_AT_ONCE + 1);

	assert_int_equal(fake.reads - reads, 9);
}

/* A kernel that takes its time to begin with stamps: the first packet has one all the same. */
static void test_warm_up(void **state)
{
	struct link *link;
	int64_t before, after;
	void *fresh;

	(void)state;
	fake.stamps = false;
	fake.cold = 3;
	link_set_up(&fresh);
	link = fresh;
	assert_int_equal(fake.cold, 0);
	start(link);
	receive_one(link, &before, &after);
	assert_received(link, before, after, 1);
	assert_int_equal(link_receive_health(link).unstamped, 0);
	link_tear_down(&fresh);
}

/* One that never does is not waited for for long: a try each fifth of a millisecond, for 50 ms. */
static void test_no_warm_up(void **state)
{
	struct link *link;
	int64_t before, after;
	unsigned reads = fake.reads;
	void *fresh;

	(void)state;
	fake.cold = 100000;
	link_set_up(&fresh);
	link = fresh;
	assert_in_range(fake.reads - reads, 1, 250);
	start(link);
	receive_one(link, &before, &after);
	assert_int_equal(link_receive_health(link).unstamped, 1);
	link_tear_down(&fresh);
	fake.cold = 0;
}

#define HARDWARE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, link_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARDWARE_TEST(test_asked_for),         HARDWARE_TEST(test_hardware_stamp),
		HARDWARE_TEST(test_no_hardware_stamp), HARDWARE_TEST(test_reads),
		cmocka_unit_test(test_warm_up),        cmocka_unit_test(test_no_warm_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
