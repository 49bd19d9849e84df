/*
 * ptp4l's management messages. The octets are those of ptp4l and pmc 3.1.1 (Debian 12); what they mean is
 * pmc's own account of them, or worked out by hand.
 */
#include "reference.h"

#include <stdbool.h>
#include <stdio.h>

#include "clock/ptp_wire.h"

static const char defaults_octets[] =
	"0d02004a00000000000000000000000000000000629c75fffe51cf470000e301047f000000000000"
	"0000330f000002000001001620000300000180fffeffff80629c75fffe51cf470000";
static const char current_octets[] =
	"0d02004800000000000000000000000000000000629c75fffe51cf470000e302047f0000000000000"
	"000330f000002000001001420010001fffffffffa1700000000000008190000";
static const char parent_octets[] =
	"0d02005600000000000000000000000000000000629c75fffe51cf470000e303047f00000000000000"
	"00330f000002000001002220020245d6fffee0a5a800010000ffff7fffffff0a0621ffff800245d6ff"
	"fee0a5a8";
static const char properties_octets[] =
	"0d02003a00000000000000000000000000000000629c75fffe51cf470000e401047f0000000000"
	"0000004ce50000020000010006200300253c20";
static const char port_octets[] =
	"0d02005000000000000000000000000000000000629c75fffe51cf470001e305047f0000000000000000"
	"330f000002000001001c2004629c75fffe51cf47000108fd00000000000000000103fd010002";
static const char status_octets[] =
	"0d02006800000000000000000000000000000000629c75fffe51cf470000e306047f00000000000000"
	"00330f0000020000010034c000fffffffffffffeec18ea22f6858e2d18000000000000000000000000"
	"00000000000000000000000000010245d6fffee0a5a8";
static const char port_properties_octets[] =
	"0d02004800000000000000000000000000000000629c75fffe51cf470001e309047f00000"
	"00000000000330f0000020000010014c004629c75fffe51cf470001080004636c76620"
	"0";
/* pmc -d 3 'GET PORT_PROPERTIES_NP', by process 896. */
static const char pmc_get_octets[] =
	"0d02003603000000000000000000000000000000000000000000000003800000047ffffffffffffff"
	"fffffff0000000000010002c004";

struct octets {
	size_t size;
	uint8_t data[256];
};

static struct octets unhex(const char *hex)
{
	struct octets octets = {.size = strlen(hex) / 2};

	assert_true(octets.size <= sizeof octets.data);
	for (size_t i = 0; i < octets.size; i++) {
		const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};

		octets.data[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return octets;
}

/* From memory that ends where the octets do. */
static bool decode(const struct octets *octets, uint8_t domain, struct ptp_answer *answer)
{
	uint8_t *copy = malloc(octets->size + 1);
	bool good;

	assert_non_null(copy);
	memcpy(copy + 1, octets->data, octets->size);
	good = ptp_wire_decode(copy + 1, octets->size, domain, answer);
	free(copy);
	return good;
}

static struct ptp_answer good(const char *hex)
{
	struct octets octets = unhex(hex);
	struct ptp_answer answer;

	assert_true(decode(&octets, 0, &answer));
	assert_false(answer.refused);
	return answer;
}

static void assert_refused(const struct octets *octets)
{
	struct ptp_answer answer;

	assert_false(decode(octets, 0, &answer));
}

/* pmc sends its process ID for a port number; nothing here depends on that. */
static void test_get(void **state)
{
	struct octets expected = unhex(pmc_get_octets);
	uint8_t get[PTP_GET_SIZE];

	(void)state;
	assert_int_equal(expected.size, PTP_GET_SIZE);
	expected.data[28] = expected.data[29] = 0;
	ptp_wire_get(get, 3, 0, PTP_PORT_PROPERTIES_NP);
	assert_memory_equal(get, expected.data, PTP_GET_SIZE);
	expected.data[4] = 127;
	expected.data[30] = 0xab;
	expected.data[31] = 0xcd;
	expected.data[52] = 0x20;
	expected.data[53] = 0x01;
	ptp_wire_get(get, 127, 0xabcd, PTP_CURRENT_DATA_SET);
	assert_memory_equal(get, expected.data, PTP_GET_SIZE);
}

static void test_data_sets(void **state)
{
	struct ptp_answer answer = good(defaults_octets);
	const uint8_t grandmaster[] = {0x02, 0x45, 0xd6, 0xff, 0xfe, 0xe0, 0xa5, 0xa8};

	(void)state;
	assert_int_equal(answer.id, PTP_DEFAULT_DATA_SET);
	assert_int_equal(answer.sequence, 0xe301);
	assert_int_equal(answer.defaults.ports, 1);
	answer = good(current_octets);
	assert_int_equal(answer.id, PTP_CURRENT_DATA_SET);
	assert_int_equal(answer.sequence, 0xe302);
	assert_int_equal(answer.current.steps_removed, 1);
	assert_int_equal(answer.current.path_delay_ns, 0x0819);
	answer = good(parent_octets);
	assert_int_equal(answer.id, PTP_PARENT_DATA_SET);
	assert_memory_equal(answer.parent.grandmaster, grandmaster, sizeof grandmaster);
	assert_int_equal(answer.parent.clock_class, 6);
	assert_int_equal(answer.parent.clock_accuracy, 0x21);
	answer = good(status_octets);
	assert_int_equal(answer.id, PTP_TIME_STATUS_NP);
	assert_int_equal(answer.status.master_offset_ns, -276);
	/* 2026-11-21 18:30:43.658550552 UTC */
	assert_int_equal(answer.status.ingress_ns, INT64_C(1795285843658550552));
}

static void test_ports(void **state)
{
	struct ptp_answer answer = good(port_octets);
	struct octets octets = unhex(port_octets);

	(void)state;
	assert_int_equal(answer.id, PTP_PORT_DATA_SET);
	assert_int_equal(answer.port.number, 1);
	assert_int_equal(answer.port.state, PTP_UNCALIBRATED);
	assert_int_equal(answer.port.peer_delay_ns, 0);
	assert_int_equal(answer.port.log_sync_interval, -3);
	octets.data[54 + 8] = 0x12;
	octets.data[54 + 9] = 0x34;
	octets.data[54 + 10] = 9;
	octets.data[54 + 12 + 4] = 0x02; /* 512 ns */
	octets.data[54 + 12 + 7] = 0x01; /* and a little */
	octets.data[54 + 22] = 1;
	assert_true(decode(&octets, 0, &answer));
	assert_int_equal(answer.port.number, 0x1234);
	assert_int_equal(answer.port.state, PTP_SLAVE);
	assert_int_equal(answer.port.peer_delay_ns, 513);
	assert_int_equal(answer.port.log_sync_interval, 1);
	answer = good(port_properties_octets);
	assert_int_equal(answer.id, PTP_PORT_PROPERTIES_NP);
	assert_int_equal(answer.port_properties.number, 1);
	assert_int_equal(answer.port_properties.state, PTP_UNCALIBRATED);
	assert_int_equal(answer.port_properties.timestamping, PTP_SOFTWARE);
	assert_string_equal(answer.port_properties.interface, "clvb");
}

/* pmc: currentUtcOffset 37, leap61 0, leap59 0, valid, ptpTimescale, timeTraceable and frequencyTraceable 1.
 */
static void test_properties(void **state)
{
	static const struct {
		uint8_t flags;
		bool leap61, leap59, valid, timescale, traceable;
	} cases[] = {
		{0x3c, false, false, true, true, true},    {0x01, true, false, false, false, false},
		{0x02, false, true, false, false, false},  {0x04, false, false, true, false, false},
		{0x08, false, false, false, true, false},  {0x10, false, false, false, false, true},
		{0x20, false, false, false, false, false}, {0xff, true, true, true, true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct octets octets = unhex(properties_octets);
		struct ptp_answer answer;

		octets.data[56] = cases[i].flags;
		assert_true(decode(&octets, 0, &answer));
		assert_int_equal(answer.id, PTP_TIME_PROPERTIES_DATA_SET);
		assert_int_equal(answer.properties.utc_offset, 37);
		assert_int_equal(answer.properties.leap61, cases[i].leap61);
		assert_int_equal(answer.properties.leap59, cases[i].leap59);
		assert_int_equal(answer.properties.utc_offset_valid, cases[i].valid);
		assert_int_equal(answer.properties.ptp_timescale, cases[i].timescale);
		assert_int_equal(answer.properties.time_traceable, cases[i].traceable);
	}
}

/* TimeInterval counts 2^-16 ns; a bound has to be rounded away from 0. */
static void test_rounding(void **state)
{
	static const struct {
		const char *interval;
		int64_t ns;
	} cases[] = {
		{"0000000000000000", 0},
		{"0000000000000001", 1},
		{"0000000000010000", 1},
		{"0000000000010001", 2},
		{"ffffffffffffffff", -1},
		{"ffffffffffff0000", -1},
		{"fffffffffffeffff", -2},
		{"7fffffffffffffff", INT64_C(0x800000000000)},
		{"8000000000000000", -INT64_C(0x800000000000)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct octets octets = unhex(current_octets), interval = unhex(cases[i].interval);
		struct ptp_answer answer;

		memcpy(octets.data + 54 + 10, interval.data, 8);
		assert_true(decode(&octets, 0, &answer));
		assert_int_equal(answer.current.path_delay_ns, cases[i].ns);
	}
}

/* linuxptp 4 says version 2.1; flags of the domain or of the profile may stand above the type. */
static void test_linuxptp_4(void **state)
{
	struct octets octets = unhex(status_octets);
	struct ptp_answer answer;

	(void)state;
	octets.data[1] = 0x12;
	assert_true(decode(&octets, 0, &answer));
	assert_int_equal(answer.status.master_offset_ns, -276);
	octets.data[0] = 0x1d;
	assert_true(decode(&octets, 0, &answer));
}

/* Data sets may grow at their end; what follows the message is not its. */
static void test_longer(void **state)
{
	struct octets octets = unhex(current_octets);
	struct ptp_answer answer;

	(void)state;
	octets.size += 2;
	assert_true(decode(&octets, 0, &answer));
	octets.data[3] = (uint8_t)(octets.data[3] + 2);
	octets.data[51] = (uint8_t)(octets.data[51] + 2);
	assert_true(decode(&octets, 0, &answer));
	assert_int_equal(answer.current.path_delay_ns, 0x0819);
}

/* At whatever octet it ends. */
static void test_short(void **state)
{
	static const char *const all[] = {defaults_octets,       current_octets, parent_octets,
					  properties_octets,     port_octets,    status_octets,
					  port_properties_octets};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const struct octets whole = unhex(all[i]);

		for (size_t size = 0; size < whole.size; size++) {
			struct octets octets = whole;

			octets.size = size;
			assert_refused(&octets);
			/* As well if it says so itself. */
			octets.data[2] = (uint8_t)(size >> 8);
			octets.data[3] = (uint8_t)size;
			assert_refused(&octets);
			/* Down to the TLV; one octet of the last set's is padding, as its length has to be
			 * even. */
			if (size < 54 || size + 1 == whole.size)
				continue;
			octets.data[50] = 0;
			octets.data[51] = (uint8_t)(size - 52);
			assert_refused(&octets);
		}
	}
}

static void test_not_an_answer(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{0, 0x0b},  /* Announce */
		{1, 0x01},  /* version 1 */
		{4, 1},     /* another domain */
		{46, 0},    /* GET */
		{46, 1},    /* SET */
		{46, 4},    /* ACKNOWLEDGE */
		{49, 3},    /* another TLV */
		{51, 0},    /* without an ID */
		{51, 1},    /* with half of one */
		{52, 0x20}, /* 0x2000, which is larger */
		{53, 0x01}, /* 0xC001, which nobody asked for */
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct octets octets = unhex(changes[i].at == 52 ? properties_octets : status_octets);

		octets.data[changes[i].at] = changes[i].value;
		if (changes[i].at == 52)
			octets.data[53] = 0;
		assert_refused(&octets);
	}
}

static void test_domain(void **state)
{
	struct octets octets = unhex(status_octets);
	struct ptp_answer answer;

	(void)state;
	octets.data[4] = 44;
	assert_false(decode(&octets, 0, &answer));
	assert_true(decode(&octets, 44, &answer));
}

/* A management error status: NOT_SUPPORTED for PORT_PROPERTIES_NP, with an empty text. */
static void test_refusal(void **state)
{
	struct octets octets =
		unhex("0d02003e00000000000000000000000000000000629c75fffe51cf470000e309047f0000000000000000"
		      "330f0000020000020008"
		      "0006c00400000000");
	struct ptp_answer answer;

	(void)state;
	octets.data[3] = (uint8_t)octets.size;
	assert_true(decode(&octets, 0, &answer));
	assert_true(answer.refused);
	assert_int_equal(answer.id, PTP_PORT_PROPERTIES_NP);
	assert_int_equal(answer.sequence, 0xe309);
	octets.data[51] = 3;
	assert_refused(&octets);
	octets.data[51] = 9;
	assert_refused(&octets);
	octets.data[51] = 8;
	octets.size = octets.data[3] = 55;
	assert_refused(&octets);
}

/* A name comes from another process, and ends up in a line for people and in an ioctl(). */
static void assert_interface(const char *name, size_t size, const char *expected)
{
	struct octets octets = unhex(port_properties_octets);
	struct ptp_answer answer;
	size_t length = size + (size + 1) % 2;

	memset(octets.data + 67, 0, 64);
	memcpy(octets.data + 67, name, size);
	octets.data[66] = (uint8_t)size;
	octets.size = 67 + length;
	octets.data[3] = (uint8_t)octets.size;
	octets.data[51] = (uint8_t)(octets.size - 52);
	assert_true(decode(&octets, 0, &answer));
	assert_string_equal(answer.port_properties.interface, expected);
}

static void test_interfaces(void **state)
{
	struct octets octets = unhex(port_properties_octets);

	(void)state;
	assert_interface("eth0", 4, "eth0");
	assert_interface("enp3s0f1.4094~x", 15, "enp3s0f1.4094~x");
	assert_interface("enp3s0f1.4094~xy", 16, "");
	assert_interface("", 0, "");
	assert_interface("e h0", 4, "");
	assert_interface("eth\n", 4, "");
	assert_interface("eth\x1b", 4, "");
	assert_interface("e\0h0", 4, "");
	assert_interface("../x", 4, "");
	assert_interface("\xc3\xa4", 2, "");
	octets.data[66] = 6;
	assert_refused(&octets);
	octets.data[66] = 0xff;
	assert_refused(&octets);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(ptp_port_state_name(1), "INITIALIZING");
	assert_string_equal(ptp_port_state_name(2), "FAULTY");
	assert_string_equal(ptp_port_state_name(3), "DISABLED");
	assert_string_equal(ptp_port_state_name(4), "LISTENING");
	assert_string_equal(ptp_port_state_name(5), "PRE_MASTER");
	assert_string_equal(ptp_port_state_name(6), "MASTER");
	assert_string_equal(ptp_port_state_name(7), "PASSIVE");
	assert_string_equal(ptp_port_state_name(8), "UNCALIBRATED");
	assert_string_equal(ptp_port_state_name(9), "SLAVE");
	assert_string_equal(ptp_port_state_name(10), "GRAND_MASTER");
	assert_string_equal(ptp_port_state_name(0), "in an unknown state");
	assert_string_equal(ptp_port_state_name(11), "in an unknown state");
	assert_string_equal(ptp_port_state_name(255), "in an unknown state");
}

/* IEEE 1588-2008, table 6, and the finer ones of 2019; in ns, rounded up. */
static void test_accuracy(void **state)
{
	static const struct {
		uint8_t code;
		int64_t ns;
	} table[] = {
		{0x17, 1},          {0x18, 1},           {0x19, 1},         {0x1a, 1},
		{0x1b, 1},          {0x1c, 1},           {0x1d, 1},         {0x1e, 3},
		{0x1f, 10},         {0x20, 25},          {0x21, 100},       {0x22, 250},
		{0x23, 1000},       {0x24, 2500},        {0x25, 10000},     {0x26, 25000},
		{0x27, 100000},     {0x28, 250000},      {0x29, 1000000},   {0x2a, 2500000},
		{0x2b, 10000000},   {0x2c, 25000000},    {0x2d, 100000000}, {0x2e, 250000000},
		{0x2f, 1000000000}, {0x30, 10000000000},
	};
	size_t at = 0;

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		bool known = at < sizeof table / sizeof table[0] && table[at].code == code;

		assert_int_equal(ptp_accuracy_ns((uint8_t)code), known ? table[at].ns : 0);
		at += known;
	}
	assert_int_equal(at, sizeof table / sizeof table[0]);
}

static void test_clock_id(void **state)
{
	const uint8_t id[] = {0x02, 0x45, 0xd6, 0xff, 0xfe, 0xe0, 0xa5, 0xa8};
	char text[PTP_CLOCK_ID_TEXT_SIZE];

	(void)state;
	assert_string_equal(ptp_clock_id_text(text, id), "0245d6.fffe.e0a5a8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),      cmocka_unit_test(test_data_sets),
		cmocka_unit_test(test_ports),    cmocka_unit_test(test_properties),
		cmocka_unit_test(test_rounding), cmocka_unit_test(test_linuxptp_4),
		cmocka_unit_test(test_longer),   cmocka_unit_test(test_short),
		cmocka_unit_test(test_domain),   cmocka_unit_test(test_not_an_answer),
		cmocka_unit_test(test_refusal),  cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_names),    cmocka_unit_test(test_accuracy),
		cmocka_unit_test(test_clock_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
