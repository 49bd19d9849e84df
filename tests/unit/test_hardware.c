/* Interfaces that answer what the test wants, and those that the kernel really has. */
#include "reference.h"

#include <pthread.h>
#include <sched.h>

#include <owamp/engine.h>

#include "engine/hardware.c"

#define SECOND INT64_C(1000000000)
#define PHCS   3

#define FILTER(name) (1U << HWTSTAMP_FILTER_##name)

struct card {
	const char *name;
	unsigned index;
	int ts_info_errno;
	struct ethtool_ts_info info;
	const char *lower;
	int get_errno;
	int set_errno;
	struct hwtstamp_config config; /* as it is set */
	int chooses;                   /* this filter instead of the one asked for; 0: none */
	int sets;
};

static struct {
	struct card cards[4];
	int order; /* of requests */
	int first_set;
	int last_examined;
	int open_error;
	int opens;
	int closes;
	int64_t ahead[PHCS]; /* of CLOCK_REALTIME */
} fake;

static struct card *card(const char *name)
{
	for (int i = 0; i < 4; i++) {
		if (fake.cards[i].name && strcmp(fake.cards[i].name, name) == 0)
			return &fake.cards[i];
	}
	return NULL;
}

static unsigned fake_index(const char *name)
{
	return card(name) ? card(name)->index : 0;
}

static bool fake_stacked(const char *name, char lower[IFNAMSIZ])
{
	if (!card(name)->lower)
		return false;
	snprintf(lower, IFNAMSIZ, "%s", card(name)->lower);
	return true;
}

static int answer(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int set(struct card *c, struct hwtstamp_config *config)
{
	if (fake.first_set == 0)
		fake.first_set = fake.order;
	c->sets++;
	if (c->set_errno)
		return answer(c->set_errno);
	if (c->chooses && config->rx_filter == HWTSTAMP_FILTER_ALL)
		config->rx_filter = c->chooses;
	c->config = *config;
	return 0;
}

static int fake_control(int fd, unsigned long request, struct ifreq *ifreq)
{
	struct card *c = card(ifreq->ifr_name);

	assert_true(fd >= 0);
	assert_non_null(c);
	fake.order++;
	if (request == SIOCETHTOOL) {
		struct ethtool_ts_info *info = (void *)ifreq->ifr_data;

		assert_int_equal(info->cmd, ETHTOOL_GET_TS_INFO);
		fake.last_examined = fake.order;
		*info = c->info;
		return answer(c->ts_info_errno);
	}
	if (request == SIOCGHWTSTAMP) {
		memcpy(ifreq->ifr_data, &c->config, sizeof c->config);
		return answer(c->get_errno);
	}
	assert_int_equal(request, SIOCSHWTSTAMP);
	return set(c, (void *)ifreq->ifr_data);
}

static int phc_read(void *context, struct clock_phc_reading *reading)
{
	reading->before_ns = owamp_real_ns();
	reading->after_ns = reading->before_ns + 1000;
	reading->phc_ns = reading->before_ns + 500 + *(int64_t *)context;
	return 0;
}

static void phc_close(void *context)
{
	assert_non_null(context);
	fake.closes++;
}

static int fake_open(struct clock_phc **phc, unsigned index, char *error, size_t error_size)
{
	static const struct clock_phc_operations phc_operations = {.read = phc_read, .close = phc_close};

	assert_true(index < PHCS);
	if (fake.open_error) {
		snprintf(error, error_size, "/dev/ptp%u: %s", index, strerror(fake.open_error));
		return OWAMP_ESYSTEM;
	}
	fake.opens++;
	return clock_phc_new(phc, &phc_operations, &fake.ahead[index], error, error_size);
}

static const struct hardware_operations fakes = {
	.index = fake_index, .stacked = fake_stacked, .control = fake_control, .open = fake_open};

static struct card good(const char *name, unsigned index, int phc)
{
	return (struct card){
		.name = name,
		.index = index,
		.info = {.so_timestamping = SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE,
			 .phc_index = phc,
			 .tx_types = 1 << HWTSTAMP_TX_OFF | 1 << HWTSTAMP_TX_ON,
			 .rx_filters = FILTER(NONE) | FILTER(ALL)},
	};
}

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof fake);
	fake.cards[0] = good("eth0", 12, 1);
	fake.cards[1] = good("eth1", 13, 1);
	fake.cards[2] = good("eth2", 2000000000, 2);
	fake.ahead[1] = 37 * SECOND;
	fake.ahead[2] = -1771000000 * SECOND;
	return owamp_clock_new((struct owamp_clock **)state, NULL, NULL, 0);
}

static int tear_down(void **state)
{
	owamp_clock_free(*state);
	/* Whatever happened, all that was opened was closed. */
	return fake.opens != fake.closes;
}

static struct hardware *new_hardware(void **state, const char *const *interfaces)
{
	struct hardware *hardware;
	char error[200] = "x";

	if (new_with(&hardware, interfaces, *state, &fakes, error, sizeof error))
		fail_msg("%s", error);
	assert_string_equal(error, "");
	return hardware;
}

static void assert_refused(void **state, const char *const *interfaces, const char *line)
{
	struct hardware *hardware = (struct hardware *)1;
	char error[200] = "";

	assert_int_equal(new_with(&hardware, interfaces, *state, &fakes, error, sizeof error), OWAMP_ESYSTEM);
	assert_null(hardware);
	assert_string_equal(error, line);
	/* No more than there is room for. */
	assert_int_equal(new_with(&hardware, interfaces, *state, &fakes, error, 10), OWAMP_ESYSTEM);
	assert_int_equal(strlen(error), 9);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_converts(const struct hardware *hardware, unsigned index, int64_t ahead)
{
	int64_t now = owamp_real_ns(), real, error;

	assert_true(hardware_convert(hardware, index, now + ahead, &real, &error));
	assert_true(llabs(real - now) <= error);
	assert_true(error >= 500);
}

static void test_several(void **state)
{
	struct hardware *hardware = new_hardware(state, NAMES("eth2", "eth0", "eth1", "eth0"));
	int64_t real, error;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(fake.cards[i].config.rx_filter, HWTSTAMP_FILTER_ALL);
		assert_int_equal(fake.cards[i].sets, 1);
	}
	assert_int_equal(fake.opens, 2);
	assert_int_equal(hardware->count, 3);
	assert_true(fake.first_set > fake.last_examined);
	assert_converts(hardware, 12, 37 * SECOND);
	assert_converts(hardware, 13, 37 * SECOND);
	assert_converts(hardware, 2000000000, -1771000000 * SECOND);
	assert_false(hardware_convert(hardware, 0, owamp_real_ns(), &real, &error));
	assert_false(hardware_convert(hardware, 14, owamp_real_ns() + 37 * SECOND, &real, &error));
	/* Not of that interface's clock. */
	assert_false(hardware_convert(hardware, 12, owamp_real_ns(), &real, &error));
	hardware_free(hardware);
	assert_int_equal(fake.closes, 2);
	/* What was switched on stays so. */
	assert_int_equal(fake.cards[0].config.rx_filter, HWTSTAMP_FILTER_ALL);
}

static void test_none(void **state)
{
	struct hardware *hardware = new_hardware(state, (const char *const[]){NULL});
	int64_t real, error;

	assert_false(hardware_convert(hardware, 1, 0, &real, &error));
	hardware_free(hardware);
	hardware_free(NULL);
}

/* Whoever watches it a second time is told. */
static void test_watched(void **state)
{
	struct hardware *hardware = new_hardware(state, NAMES("eth0"));

	assert_int_equal(clock_watch_phc(*state, hardware->devices[0].phc), OWAMP_EINVAL);
	hardware_free(hardware);
}

/* What is sent is stamped as before. */
static void test_keeps_tx(void **state)
{
	struct card *c = &fake.cards[0];

	for (int tx = HWTSTAMP_TX_OFF; tx <= HWTSTAMP_TX_ONESTEP_SYNC; tx++) {
		c->config =
			(struct hwtstamp_config){.tx_type = tx, .rx_filter = HWTSTAMP_FILTER_PTP_V2_EVENT};
		hardware_free(new_hardware(state, NAMES("eth0")));
		assert_int_equal(c->config.tx_type, tx);
		assert_int_equal(c->config.rx_filter, HWTSTAMP_FILTER_ALL);
	}
	/* Nobody knows: on does no harm, where there is such a thing. */
	c->get_errno = EOPNOTSUPP;
	c->config = (struct hwtstamp_config){.tx_type = HWTSTAMP_TX_OFF};
	hardware_free(new_hardware(state, NAMES("eth0")));
	assert_int_equal(c->config.tx_type, HWTSTAMP_TX_ON);
	c->info.tx_types = 1 << HWTSTAMP_TX_OFF;
	hardware_free(new_hardware(state, NAMES("eth0")));
	assert_int_equal(c->config.tx_type, HWTSTAMP_TX_OFF);
	assert_int_equal(c->config.rx_filter, HWTSTAMP_FILTER_ALL);
}

/* Somebody with the right to has switched them on: no such right is needed. */
static void test_on_already(void **state)
{
	fake.cards[0].config.rx_filter = HWTSTAMP_FILTER_ALL;
	fake.cards[0].set_errno = EPERM;
	hardware_free(new_hardware(state, NAMES("eth0")));
	assert_int_equal(fake.cards[0].sets, 0);
}

static void test_no_such(void **state)
{
	assert_refused(state, NAMES("eth7"), "eth7: no such interface");
	assert_refused(state, NAMES("eth0", ""), ": no such interface");
	/* Longer than the kernel's, whatever if_nametoindex() makes of it. */
	fake.cards[3] = good("eth0xxxxxxxxxxxxxxxx", 9, 1);
	assert_refused(state, NAMES("eth0xxxxxxxxxxxxxxxx"), "eth0xxxxxxxxxxxxxxxx: no such interface");
	assert_int_equal(fake.first_set, 0);
}

static void test_no_clock(void **state)
{
	fake.cards[1].info.phc_index = -1;
	assert_refused(state, NAMES("eth0", "eth1"), "eth1: has no hardware clock");
	fake.cards[1].ts_info_errno = EOPNOTSUPP;
	assert_refused(state, NAMES("eth1"),
		       "eth1: Operation not supported asking what its hardware can stamp");
	fake.cards[1].ts_info_errno = ENODEV;
	assert_refused(state, NAMES("eth1"), "eth1: No such device asking what its hardware can stamp");
	fake.open_error = EACCES;
	assert_refused(state, NAMES("eth0"), "eth0: /dev/ptp1: Permission denied");
	assert_int_equal(fake.first_set, 0);
}

static void test_not_all_packets(void **state)
{
	struct card *c = &fake.cards[0];

	c->info.rx_filters = FILTER(NONE) | FILTER(PTP_V2_L4_EVENT);
	assert_refused(state, NAMES("eth0"),
		       "eth0: hardware cannot stamp all packets (it offers: ptpv2-l4-event)");
	c->info.rx_filters = FILTER(PTP_V1_L4_EVENT) | FILTER(PTP_V2_EVENT) | FILTER(NTP_ALL);
	assert_refused(
		state, NAMES("eth0"),
		"eth0: hardware cannot stamp all packets (it offers: ptpv1-l4-event, ptpv2-event, ntp-all)");
	c->info.rx_filters = FILTER(NONE);
	assert_refused(state, NAMES("eth0"), "eth0: hardware cannot stamp all packets (it offers: none)");
	c->info.rx_filters = ~FILTER(ALL);
	{
		struct hardware *hardware;
		char error[512];

		assert_int_equal(new_with(&hardware, NAMES("eth0"), *state, &fakes, error, sizeof error),
				 OWAMP_ESYSTEM);
		assert_string_equal(error, "eth0: hardware cannot stamp all packets (it offers: some, "
					   "ptpv1-l4-event, ptpv1-l4-sync, ptpv1-l4-delay-req, "
					   "ptpv2-l4-event, ptpv2-l4-sync, ptpv2-l4-delay-req, "
					   "ptpv2-l2-event, ptpv2-l2-sync, ptpv2-l2-delay-req, "
					   "ptpv2-event, ptpv2-sync, ptpv2-delay-req, ntp-all)");
	}
	c->info.so_timestamping = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
	assert_refused(state, NAMES("eth0"), "eth0: hardware does not stamp what it receives");
	assert_int_equal(fake.first_set, 0);
}

/* The answer to the request is another filter: that of before is put back. */
static void test_other_filter(void **state)
{
	struct card *c = &fake.cards[1];

	c->chooses = HWTSTAMP_FILTER_PTP_V2_EVENT;
	c->config = (struct hwtstamp_config){.tx_type = 1, .rx_filter = HWTSTAMP_FILTER_PTP_V2_L4_SYNC};
	assert_refused(state, NAMES("eth0", "eth1"),
		       "eth1: hardware cannot stamp all packets (asked to, it chose: ptpv2-event)");
	assert_int_equal(c->config.rx_filter, HWTSTAMP_FILTER_PTP_V2_L4_SYNC);
	assert_int_equal(c->config.tx_type, 1);
	c->chooses = HWTSTAMP_FILTER_SOME;
	assert_refused(state, NAMES("eth1"),
		       "eth1: hardware cannot stamp all packets (asked to, it chose: some)");
	c->chooses = 99;
	assert_refused(state, NAMES("eth1"),
		       "eth1: hardware cannot stamp all packets (asked to, it chose: a filter unknown here)");
	c->chooses = -1;
	assert_refused(state, NAMES("eth1"),
		       "eth1: hardware cannot stamp all packets (asked to, it chose: a filter unknown here)");
}

static void test_not_permitted(void **state)
{
	fake.cards[0].set_errno = EPERM;
	assert_refused(state, NAMES("eth0"),
		       "eth0: Operation not permitted switching hardware stamps on (CAP_NET_ADMIN)");
	fake.cards[0].set_errno = ERANGE;
	assert_refused(state, NAMES("eth0"),
		       "eth0: Numerical result out of range switching hardware stamps on");
}

static void test_stacked(void **state)
{
	fake.cards[0].lower = "enp1s0";
	assert_refused(state, NAMES("eth0"), "eth0: lies on another interface, which is to be named: enp1s0");
	/* The longest that there can be. */
	fake.cards[0].lower = "abcdefghijklmno";
	assert_refused(state, NAMES("eth0"),
		       "eth0: lies on another interface, which is to be named: abcdefghijklmno");
	assert_int_equal(fake.first_set, 0);
}

static void test_gap(void **state)
{
	struct hardware *hardware = new_hardware(state, NAMES("eth0", "eth2"));

	assert_int_equal(hardware_gap(hardware, 12), 100000);
	assert_int_equal(hardware_gap(hardware, 99), 100000);
	hardware_note_gap(hardware, 99, 5000000);
	/* At most one fading since the start, of 1/64. */
	hardware_note_gap(hardware, 12, 2000);
	assert_in_range(hardware_gap(hardware, 12), 100000 - 1563, 100000);
	hardware_note_gap(hardware, 12, 250000);
	hardware_note_gap(hardware, 12, -300000);
	assert_in_range(hardware_gap(hardware, 12), 300000 - 4688, 300000);
	assert_int_equal(hardware_gap(hardware, 2000000000), 100000);
	hardware_note_gap(hardware, 2000000000, 1000000000);
	assert_in_range(hardware_gap(hardware, 2000000000), 1000000000 - 15625000, 1000000000);
	hardware_free(hardware);
}

/* In each second that has packets 1/64 less, computed by a plain loop. */
static void test_gap_fades(void **state)
{
	struct interface interface = {.gap_ns = 100000};
	int64_t expected = 100000;

	(void)state;
	for (int64_t second = 5; second < 1000; second++) {
		int64_t loss = expected / 64;

		if (loss * 64 < expected)
			loss++;
		expected -= loss;
		if (expected < 700)
			expected = 700;
		/* As often as you like, and in whatever order. */
		note(&interface, -700, second);
		note(&interface, 1, second);
		note(&interface, 699, second);
		assert_int_equal(interface.gap_ns, expected);
	}
	assert_int_equal(interface.gap_ns, 700);
	/* After a long silence it is one second's. */
	note(&interface, 1, 1000000);
	assert_int_equal(interface.gap_ns, 689);
	/* These are no gaps. */
	note(&interface, 1000000001, 1000000);
	note(&interface, -1000000001, 1000000);
	note(&interface, INT64_MIN, 1000000);
	note(&interface, INT64_MAX, 1000000);
	assert_int_equal(interface.gap_ns, 689);
}

/* One thread converts and notes, another asks: for ThreadSanitizer. */
static void *ask(void *context)
{
	const struct hardware *hardware = context;

	for (int i = 0; i < 20000; i++) {
		int64_t gap = hardware_gap(hardware, 12), real, error;

		if (gap < 1 || gap > 100000)
			return NULL;
		hardware_convert(hardware, 12, owamp_real_ns() + 37 * SECOND, &real, &error);
	}
	return context;
}

static void test_threads(void **state)
{
	struct hardware *hardware = new_hardware(state, NAMES("eth0"));
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, ask, hardware), 0);
	for (int i = 0; i < 20000; i++) {
		assert_converts(hardware, 12, 37 * SECOND);
		hardware_note_gap(hardware, 12, i);
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, hardware);
	hardware_free(hardware);
}

/* The kernel's own answers, for a loopback interface of an empty network namespace. */
static void test_kernel(void **state)
{
	struct hardware *hardware;
	char error[200];

	if (unshare(CLONE_NEWNET)) {
		print_message("no network namespace: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(hardware_new(&hardware, NAMES("lo"), *state, error, sizeof error), OWAMP_ESYSTEM);
	assert_string_equal(error, "lo: has no hardware clock");
	assert_int_equal(hardware_new(&hardware, NAMES("eth0"), *state, error, sizeof error), OWAMP_ESYSTEM);
	assert_string_equal(error, "eth0: no such interface");
}

#define HARDWARE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARDWARE_TEST(test_several),      HARDWARE_TEST(test_none),
		HARDWARE_TEST(test_watched),      HARDWARE_TEST(test_keeps_tx),
		HARDWARE_TEST(test_on_already),   HARDWARE_TEST(test_no_such),
		HARDWARE_TEST(test_no_clock),     HARDWARE_TEST(test_not_all_packets),
		HARDWARE_TEST(test_other_filter), HARDWARE_TEST(test_not_permitted),
		HARDWARE_TEST(test_stacked),      HARDWARE_TEST(test_gap),
		HARDWARE_TEST(test_gap_fades),    HARDWARE_TEST(test_threads),
		HARDWARE_TEST(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
