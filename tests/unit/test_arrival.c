/* What the kernel says of a datagram, from control messages made by hand, and batches. */
#include "reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/arrival.h"

#define SECOND INT64_C(1000000000)

/* 2026-01-01 and some, in ns. */
#define KERNEL_NS   (1767225600 * SECOND + 123456789)
#define HARDWARE_NS (1767225637 * SECOND + 987654321)

struct control {
	_Alignas(struct cmsghdr) uint8_t octets[512];
	size_t size;
};

/* Appends a control message with as many octets of value as are said, which may be wrong. */
static void add(struct control *control, int level, int type, const void *value, size_t size)
{
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};

	assert_true(control->size + CMSG_SPACE(size) <= sizeof control->octets);
	memcpy(control->octets + control->size, &head, sizeof head);
	memcpy(control->octets + control->size + CMSG_LEN(0), value, size);
	control->size += CMSG_SPACE(size);
}

static struct timespec time_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static void add_stamps(struct control *control, struct timespec software, struct timespec hardware)
{
	struct timespec stamps[3] = {[0] = software, [2] = hardware};

	add(control, SOL_SOCKET, SO_TIMESTAMPING, stamps, sizeof stamps);
}

static void add_interface(struct control *control, uint32_t index)
{
	uint32_t info[4] = {index, 60};

	add(control, SOL_SOCKET, 58, info, sizeof info);
}

static struct arrival_facts facts_of(struct control *control)
{
	struct msghdr message = {.msg_control = control->octets, .msg_controllen = control->size};
	struct arrival_facts facts;

	memset(&facts, 0xa5, sizeof facts);
	arrival_read_control(&message, &facts);
	return facts;
}

static void assert_facts(const struct arrival_facts *facts, int64_t kernel_ns, int64_t hardware_ns,
			 unsigned ifindex, uint32_t drops, uint8_t ttl)
{
	assert_true(facts->kernel_ns == kernel_ns);
	assert_true(facts->hardware_ns == hardware_ns);
	assert_int_equal(facts->ifindex, ifindex);
	assert_int_equal(facts->drops, drops);
	assert_int_equal(facts->ttl, ttl);
}

static void test_nothing(void **state)
{
	struct control control = {.size = 0};
	struct arrival_facts facts = facts_of(&control);

	(void)state;
	assert_facts(&facts, 0, 0, 0, 0, 255);
}

static void test_everything(void **state)
{
	struct control control = {.size = 0};
	struct arrival_facts facts;
	uint32_t drops = 0xfffffffe;

	(void)state;
	add_interface(&control, 7);
	add_stamps(&control, time_of(KERNEL_NS), time_of(HARDWARE_NS));
	add(&control, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof drops);
	add(&control, IPPROTO_IP, IP_TTL, &(int){64}, sizeof(int));
	facts = facts_of(&control);
	assert_facts(&facts, KERNEL_NS, HARDWARE_NS, 7, 0xfffffffe, 64);
}

static void test_one_stamp(void **state)
{
	struct control control = {.size = 0};
	struct arrival_facts facts;

	(void)state;
	add_stamps(&control, time_of(KERNEL_NS), time_of(0));
	facts = facts_of(&control);
	assert_facts(&facts, KERNEL_NS, 0, 0, 0, 255);
	control.size = 0;
	add_stamps(&control, time_of(0), time_of(HARDWARE_NS));
	facts = facts_of(&control);
	assert_facts(&facts, 0, HARDWARE_NS, 0, 0, 255);
	control.size = 0;
	add_stamps(&control, time_of(0), time_of(0));
	facts = facts_of(&control);
	assert_facts(&facts, 0, 0, 0, 0, 255);
}

/* What cannot be a time is none. */
static void test_impossible_stamps(void **state)
{
	const struct timespec impossible[] = {
		{.tv_sec = -1, .tv_nsec = 5},
		{.tv_sec = 1767225600, .tv_nsec = -1},
		{.tv_sec = 1767225600, .tv_nsec = 1000000000},
		{.tv_sec = INT64_MAX, .tv_nsec = 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
		struct control control = {.size = 0};
		struct arrival_facts facts;

		add_stamps(&control, impossible[i], time_of(HARDWARE_NS));
		facts = facts_of(&control);
		assert_facts(&facts, 0, HARDWARE_NS, 0, 0, 255);
	}
}

static void test_hop_limit(void **state)
{
	struct control control = {.size = 0};
	struct arrival_facts facts;

	(void)state;
	add(&control, IPPROTO_IPV6, IPV6_HOPLIMIT, &(int){0}, sizeof(int));
	facts = facts_of(&control);
	assert_int_equal(facts.ttl, 0);
	/* The same numbers mean other things on other levels. */
	control.size = 0;
	add(&control, SOL_SOCKET, IP_TTL, &(int){9}, sizeof(int));
	add(&control, IPPROTO_IP, IPV6_HOPLIMIT, &(int){9}, sizeof(int));
	add(&control, IPPROTO_IP, SO_RXQ_OVFL, &(int){9}, sizeof(int));
	facts = facts_of(&control);
	assert_facts(&facts, 0, 0, 0, 0, 255);
}

/* Messages that are too short or too long for what they claim to be; the good one after them counts. */
static void test_wrong_lengths(void **state)
{
	const size_t lengths[] = {0, 1, 3, 5, 8, 15, 17, 24, 47, 49, 64};
	const struct timespec stamps[8] = {{.tv_sec = 1, .tv_nsec = 1}, {0}, {.tv_sec = 1, .tv_nsec = 1}};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct control control = {.size = 0};
		struct arrival_facts facts;

		add(&control, SOL_SOCKET, SO_TIMESTAMPING, stamps, lengths[i]);
		add(&control, SOL_SOCKET, 58, stamps, lengths[i]);
		add(&control, SOL_SOCKET, SO_RXQ_OVFL, stamps, lengths[i]);
		add(&control, IPPROTO_IP, IP_TTL, stamps, lengths[i]);
		facts = facts_of(&control);
		assert_facts(&facts, 0, 0, 0, 0, 255);
		add(&control, IPPROTO_IPV6, IPV6_HOPLIMIT, &(int){33}, sizeof(int));
		facts = facts_of(&control);
		assert_facts(&facts, 0, 0, 0, 0, 33);
	}
}

/* MSG_CTRUNC: the kernel wrote as much as fitted, and shortened the last one's length. */
static void test_cut_short(void **state)
{
	struct control whole = {.size = 0};
	size_t first, second;

	(void)state;
	add_stamps(&whole, time_of(KERNEL_NS), time_of(HARDWARE_NS));
	first = whole.size;
	add_interface(&whole, 7);
	second = whole.size;
	add(&whole, IPPROTO_IP, IP_TTL, &(int){64}, sizeof(int));
	for (size_t size = 0; size <= whole.size; size++) {
		struct control control = whole;
		struct arrival_facts facts;
		size_t begin = size < first ? 0 : size < second ? first : second;
		struct cmsghdr *last = (struct cmsghdr *)(control.octets + begin);

		control.size = size;
		if (size - begin >= sizeof *last && last->cmsg_len > size - begin)
			last->cmsg_len = size - begin;
		facts = facts_of(&control);
		assert_facts(&facts, size >= first ? KERNEL_NS : 0, size >= first ? HARDWARE_NS : 0,
			     size >= second ? 7 : 0, 0, size >= second + CMSG_LEN(sizeof(int)) ? 64 : 255);
	}
}

/* The same with lengths that point beyond the end, and with octets of chance: nothing beyond it is read. */
static void test_lies(void **state)
{
	uint64_t seed = 4656;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t size = ref_below(&seed, 200);
		uint64_t *octets = malloc(size + 8);
		struct msghdr message = {.msg_control = octets, .msg_controllen = size};
		struct arrival_facts facts;

		assert_non_null(octets);
		for (size_t i = 0; i < size / 8 + 1; i++)
			octets[i] = ref_below(&seed, 3) ? ref_below(&seed, 80) : ref_below(&seed, 1U << 31);
		/* Exactly as much memory as there is said to be, for the sanitizer. */
		octets = realloc(octets, size ? size : 1);
		message.msg_control = octets;
		arrival_read_control(&message, &facts);
		free(octets);
	}
}

/* The interfaces' clocks, as the tests want them: 7 has one that is 37 s ahead. */
struct hardware {
	unsigned notes;
	unsigned noted_ifindex;
	int64_t noted_ns;
};

bool hardware_convert(const struct hardware *hardware, unsigned ifindex, int64_t stamp_ns, int64_t *real_ns,
		      int64_t *error_ns)
{
	(void)hardware;
	*real_ns = stamp_ns - 37 * SECOND;
	*error_ns = 250;
	return ifindex == 7;
}

void hardware_note_gap(struct hardware *hardware, unsigned ifindex, int64_t gap_ns)
{
	hardware->notes++;
	hardware->noted_ifindex = ifindex;
	hardware->noted_ns = gap_ns;
}

int64_t hardware_gap(const struct hardware *hardware, unsigned ifindex)
{
	(void)hardware;
	return 30000 + (int64_t)ifindex;
}

static void assert_stamp(const struct arrival_stamp *stamp, int64_t real_ns, int64_t error_ns, bool hardware)
{
	assert_true(stamp->real_ns == real_ns);
	assert_int_equal(stamp->error_ns, error_ns);
	assert_int_equal(stamp->hardware, hardware);
}

static void test_both_stamps(void **state)
{
	struct hardware hardware = {0};
	const struct arrival_facts facts = {
		.kernel_ns = KERNEL_NS, .hardware_ns = KERNEL_NS + 37 * SECOND - 4321, .ifindex = 7};
	struct arrival_stamp stamp;

	(void)state;
	assert_true(arrival_stamp(&facts, &hardware, &stamp));
	assert_stamp(&stamp, KERNEL_NS - 4321, 250, true);
	assert_int_equal(hardware.notes, 1);
	assert_int_equal(hardware.noted_ifindex, 7);
	assert_int_equal(hardware.noted_ns, 4321);
}

static void test_hardware_alone(void **state)
{
	struct hardware hardware = {0};
	const struct arrival_facts facts = {.hardware_ns = HARDWARE_NS, .ifindex = 7};
	struct arrival_stamp stamp;

	(void)state;
	assert_true(arrival_stamp(&facts, &hardware, &stamp));
	assert_stamp(&stamp, HARDWARE_NS - 37 * SECOND, 250, true);
	assert_int_equal(hardware.notes, 0);
}

/* It cannot be converted, or there is none: the kernel's, which was taken later. */
static void test_fall_back(void **state)
{
	struct hardware hardware = {0};
	struct arrival_facts facts = {.kernel_ns = KERNEL_NS, .hardware_ns = HARDWARE_NS, .ifindex = 8};
	struct arrival_stamp stamp;

	(void)state;
	assert_true(arrival_stamp(&facts, &hardware, &stamp));
	assert_stamp(&stamp, KERNEL_NS, 30008, false);
	facts.ifindex = 0;
	facts.hardware_ns = 0;
	assert_true(arrival_stamp(&facts, &hardware, &stamp));
	assert_stamp(&stamp, KERNEL_NS, 30000, false);
	assert_int_equal(hardware.notes, 0);
	facts.kernel_ns = 0;
	assert_false(arrival_stamp(&facts, &hardware, &stamp));
	facts.hardware_ns = HARDWARE_NS;
	assert_false(arrival_stamp(&facts, &hardware, &stamp));
}

/* Where hardware stamps were not asked for, the kernel's is the one, and no other is looked at. */
static void test_no_hardware(void **state)
{
	struct arrival_facts facts = {.kernel_ns = KERNEL_NS, .hardware_ns = HARDWARE_NS, .ifindex = 7};
	struct arrival_stamp stamp;

	(void)state;
	assert_true(arrival_stamp(&facts, NULL, &stamp));
	assert_stamp(&stamp, KERNEL_NS, 0, false);
	facts.kernel_ns = 0;
	assert_false(arrival_stamp(&facts, NULL, &stamp));
}

struct wire {
	struct arrivals arrivals;
	union arrival_address address; /* of fd */
	int fd;
};

static bool open_wire(struct wire *wire, int family)
{
	socklen_t size = sizeof wire->address;

	memset(&wire->address, 0, sizeof wire->address);
	wire->address.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		wire->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		wire->address.in6.sin6_addr = in6addr_loopback;
	wire->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (wire->fd < 0)
		return false;
	if (bind(wire->fd, &wire->address.any,
		 family == AF_INET ? sizeof wire->address.in : sizeof wire->address.in6)) {
		close(wire->fd);
		return false;
	}
	assert_int_equal(getsockname(wire->fd, &wire->address.any, &size), 0);
	return true;
}

/* A datagram to itself: size octets, all of them value. */
static void send_to_self(const struct wire *wire, uint8_t value, size_t size)
{
	socklen_t length =
		wire->address.any.sa_family == AF_INET ? sizeof wire->address.in : sizeof wire->address.in6;
	uint8_t octets[200];

	memset(octets, value, sizeof octets);
	assert_int_equal(sendto(wire->fd, octets, size, 0, &wire->address.any, length), (ssize_t)size);
}

static void test_batches(void **state)
{
	struct wire *wire = calloc(1, sizeof *wire);

	(void)state;
	assert_non_null(wire);
	arrivals_init(&wire->arrivals);
	assert_true(open_wire(wire, AF_INET));
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 0);
	for (unsigned i = 0; i < ARRIVALS_AT_ONCE + 3; i++)
		send_to_self(wire, (uint8_t)i, i % 3 == 0 ? 14 : i % 3 == 1 ? 48 : 200);
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), ARRIVALS_AT_ONCE);
	for (unsigned i = 0; i < ARRIVALS_AT_ONCE; i++) {
		assert_int_equal(wire->arrivals.headers[i].msg_len, i % 3 == 0 ? 14 : 48);
		assert_int_equal(wire->arrivals.octets[i][0], i);
		assert_int_equal(wire->arrivals.octets[i][13], i);
		assert_memory_equal(&wire->arrivals.sources[i].in, &wire->address.in,
				    sizeof wire->address.in);
	}
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 3);
	assert_int_equal(wire->arrivals.octets[0][0], ARRIVALS_AT_ONCE);
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 0);
	close(wire->fd);
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), -1);
	assert_int_equal(errno, EBADF);
	free(wire);
}

/* What one batch left does not narrow the next: control messages, and the longer addresses of IPv6. */
static void test_batches_of_different_sockets(void **state)
{
	struct wire *wire = calloc(1, sizeof *wire);
	struct arrival_facts facts;
	struct msghdr *message;

	(void)state;
	assert_non_null(wire);
	message = &wire->arrivals.headers[0].msg_hdr;
	arrivals_init(&wire->arrivals);
	assert_true(open_wire(wire, AF_INET));
	send_to_self(wire, 1, 14);
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 1);
	arrival_read_control(message, &facts);
	assert_int_equal(facts.ttl, 255);
	assert_int_equal(setsockopt(wire->fd, IPPROTO_IP, IP_RECVTTL, &(int){1}, sizeof(int)), 0);
	assert_int_equal(setsockopt(wire->fd, IPPROTO_IP, IP_TTL, &(int){99}, sizeof(int)), 0);
	send_to_self(wire, 2, 14);
	assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 1);
	arrival_read_control(message, &facts);
	assert_int_equal(facts.ttl, 99);
	close(wire->fd);
	if (open_wire(wire, AF_INET6)) {
		send_to_self(wire, 3, 14);
		assert_int_equal(arrivals_receive(&wire->arrivals, wire->fd), 1);
		assert_memory_equal(&wire->arrivals.sources[0].in6, &wire->address.in6,
				    sizeof wire->address.in6);
		close(wire->fd);
	}
	free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),     cmocka_unit_test(test_everything),
		cmocka_unit_test(test_one_stamp),   cmocka_unit_test(test_impossible_stamps),
		cmocka_unit_test(test_hop_limit),   cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_cut_short),   cmocka_unit_test(test_lies),
		cmocka_unit_test(test_both_stamps), cmocka_unit_test(test_hardware_alone),
		cmocka_unit_test(test_fall_back),   cmocka_unit_test(test_no_hardware),
		cmocka_unit_test(test_batches),     cmocka_unit_test(test_batches_of_different_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
