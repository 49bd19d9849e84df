/* What an answering ptp4l is worth. */
#include "reference.h"

#include <stdio.h>

#include "clock/ptp_view.h"

#define SECOND INT64_C(1000000000)
#define NOW    INT64_C(1795285844000000000)

static const uint8_t grandmaster[] = {0x02, 0x45, 0xd6, 0xff, 0xfe, 0xe0, 0xa5, 0xa8};

struct situation {
	struct ptp_view view;
	struct owamp_clock_source_config config;
	struct clock_now now;
	struct clock_reading reading;
	struct ptp_measurement measurement;
};

static void add_port(struct ptp_view *view, uint16_t number, uint8_t state, const char *interface)
{
	struct ptp_answer data = {.id = PTP_PORT_DATA_SET, .port = {.number = number, .state = state}};
	struct ptp_answer properties = {.id = PTP_PORT_PROPERTIES_NP,
					.port_properties = {.number = number, .state = state}};

	snprintf(properties.port_properties.interface, PTP_INTERFACE_SIZE, "%s", interface);
	ptp_view_take(view, &data);
	ptp_view_take(view, &properties);
	view->defaults.ports = (uint16_t)view->port_count;
}

/* A slave, with software stamps, of a grandmaster with a receiver for satellites: nothing is amiss. */
static struct situation plain(void)
{
	struct situation s = {
		.view = {.has_defaults = true,
			 .has_current = true,
			 .has_parent = true,
			 .has_properties = true,
			 .has_status = true,
			 .current = {.steps_removed = 1, .path_delay_ns = 2073},
			 .parent = {.clock_class = 6, .clock_accuracy = 0x21},
			 .properties = {.utc_offset = 37,
					.utc_offset_valid = true,
					.ptp_timescale = true,
					.time_traceable = true},
			 .status = {.master_offset_ns = -276, .ingress_ns = NOW - SECOND / 8}},
		.now = {.mono_ns = 4711 * SECOND, .real_ns = NOW},
	};

	memcpy(s.view.parent.grandmaster, grandmaster, sizeof grandmaster);
	owamp_clock_source_default(&s.config, OWAMP_CLOCK_KIND_PTP);
	add_port(&s.view, 1, PTP_SLAVE, "eth0");
	return s;
}

static void judge(struct situation *s)
{
	s->reading = (struct clock_reading){.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	ptp_view_judge(&s->view, &s->config, &s->now, &s->reading, &s->measurement);
}

static void assert_valid(struct situation *s)
{
	judge(s);
	if (s->reading.state != OWAMP_CLOCK_VALID)
		fail_msg("not valid: %s", s->reading.text);
	assert_non_null(s->measurement.port);
}

/* measures: there is a figure, which nobody vouches for. */
static void assert_doubtful(struct situation *s, bool measures, const char *text)
{
	judge(s);
	assert_int_equal(s->reading.state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(s->reading.text, text);
	assert_int_equal(s->measurement.port != NULL, measures);
}

static void test_plain(void **state)
{
	struct situation s = plain();

	(void)state;
	assert_valid(&s);
	assert_string_equal(
		s.reading.text,
		"grandmaster 0245d6.fffe.e0a5a8, class 6, within 100 ns; path 2073 ns, 1 step; eth0 SLAVE");
	assert_string_equal(s.reading.source, "ptp");
	assert_true(s.reading.steers);
	assert_int_equal(s.reading.tai_utc, 37);
	assert_int_equal(s.reading.leap, 0);
	/* The whole path, and what 0x21 stands for. */
	assert_int_equal(s.reading.error_ns, 2073 + 100);
	assert_false(s.reading.filtered);
	assert_false(s.measurement.hardware);
	assert_int_equal(s.measurement.master_offset_ns, -276);
	assert_int_equal(s.measurement.ingress_ns, NOW - SECOND / 8);
	assert_int_equal(s.measurement.fresh_ns, 4 * SECOND);
}

static void test_error(void **state)
{
	struct situation s = plain();

	(void)state;
	/* Three boundary clocks between. */
	s.view.current.steps_removed = 4;
	s.config.ptp.hop_error_ns = 1;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 2073 + 100 + 3);
	s.config.ptp.hop_error_ns = 1000;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 2073 + 100 + 3 * 1000);
	s.view.current.steps_removed = 0;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 2073 + 100);
	/* A path of a negative length is at least as wrong. */
	s.view.current.path_delay_ns = -3000;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 3000 + 100);
	/* Peer to peer: the longer of the two. */
	s.view.ports[0].data.peer_delay_ns = 4000;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 4000 + 100);
	s.view.current.path_delay_ns = 5000;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 5000 + 100);
	s.view.parent.clock_accuracy = 0x25;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 5000 + 10000);
	/* What the configuration says is for who does not say it himself. */
	s.config.ptp.accuracy_ns = 7;
	assert_valid(&s);
	assert_int_equal(s.reading.error_ns, 5000 + 10000);
}

/* What a boundary clock adds no default could know. */
static void test_hops_not_stated(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.current.steps_removed = 2;
	assert_doubtful(
		&s, true,
		"1 boundary clock on the way, and nobody says what each adds; hop_error = TIME states "
		"it");
	s.view.current.steps_removed = UINT16_MAX;
	assert_doubtful(&s, true,
			"65534 boundary clocks on the way, and nobody says what each adds; hop_error = TIME "
			"states it");
	s.config.ptp.hop_error_ns = 1;
	assert_valid(&s);
	s.config.ptp.hop_error_ns = 0;
	for (uint16_t steps = 0; steps < 2; steps++) {
		s.view.current.steps_removed = steps;
		assert_valid(&s);
	}
}

/* Whatever it is told, an error is neither negative nor small. */
static void test_absurd_errors(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.current.path_delay_ns = INT64_MIN;
	s.view.current.steps_removed = UINT16_MAX;
	s.config.ptp.hop_error_ns = INT64_MAX;
	s.view.parent.clock_accuracy = 0xfe;
	s.config.ptp.accuracy_ns = INT64_MAX;
	assert_valid(&s);
	assert_true(s.reading.error_ns >= 70 * SECOND * 365 * 86400);
	assert_true(s.reading.error_ns <= INT64_MAX / 4);
	s.view.status.master_offset_ns = INT64_MIN;
	assert_doubtful(&s, false, "ptp4l tells an offset of more than 70 years");
	s.view.status.master_offset_ns = INT64_MAX;
	assert_doubtful(&s, false, "ptp4l tells an offset of more than 70 years");
}

static void test_port_states(void **state)
{
	static const struct {
		uint8_t state;
		const char *text;
	} cases[] = {
		{PTP_INITIALIZING, "port 1 (eth0) INITIALIZING: ptp4l starts"},
		{PTP_FAULTY, "port 1 (eth0) FAULTY: the link is down, or ptp4l cannot use it"},
		{PTP_DISABLED, "port 1 (eth0) DISABLED: it measures nothing"},
		{PTP_LISTENING, "port 1 (eth0) LISTENING: it hears no master"},
		{PTP_PRE_MASTER, "port 1 (eth0) PRE_MASTER: it is about to be a master itself"},
		{PTP_MASTER, "port 1 (eth0) MASTER: this ptp4l is a master itself: it measures nothing"},
		{PTP_GRAND_MASTER,
		 "port 1 (eth0) GRAND_MASTER: this ptp4l is a master itself: it measures nothing"},
		{PTP_PASSIVE, "port 1 (eth0) PASSIVE: it hears a master, but does not follow it"},
		{PTP_UNCALIBRATED,
		 "port 1 (eth0) UNCALIBRATED: not locked yet; if ptp4l has free_running: free_running = yes"},
		{0, "port 1 (eth0) in an unknown state: it measures nothing"},
		{77, "port 1 (eth0) in an unknown state: it measures nothing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct situation s = plain();

		s.view.ports[0].data.state = cases[i].state;
		assert_doubtful(&s, false, cases[i].text);
		assert_false(s.reading.steers);
		s.config.ptp.free_running = true;
		if (cases[i].state == PTP_UNCALIBRATED)
			assert_valid(&s);
		else
			assert_doubtful(&s, false, cases[i].text);
	}
}

/* ptp4l that only measures does not steer, in whichever state; nor does one with hardware stamps. */
static void test_steering(void **state)
{
	struct situation s = plain();

	(void)state;
	s.config.ptp.free_running = true;
	assert_valid(&s);
	assert_false(s.reading.steers);
	s.view.ports[0].data.state = PTP_UNCALIBRATED;
	assert_valid(&s);
	assert_false(s.reading.steers);
	assert_non_null(strstr(s.reading.text, "eth0 UNCALIBRATED"));
	s = plain();
	s.view.ports[0].properties.timestamping = PTP_HARDWARE;
	assert_valid(&s);
	assert_false(s.reading.steers);
}

/* The one in SLAVE counts, wherever it stands; else all are told of. */
static void test_ports(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.ports[0].data.state = PTP_MASTER;
	add_port(&s.view, 2, PTP_SLAVE, "eth1");
	add_port(&s.view, 3, PTP_FAULTY, "eth2");
	assert_valid(&s);
	assert_int_equal(s.measurement.port->number, 2);
	assert_non_null(strstr(s.reading.text, "eth1 SLAVE"));
	/* SLAVE is better than UNCALIBRATED. */
	s.config.ptp.free_running = true;
	s.view.ports[0].data.state = PTP_UNCALIBRATED;
	assert_valid(&s);
	assert_int_equal(s.measurement.port->number, 2);
	s.view.ports[0].data.state = PTP_MASTER;
	s.view.ports[1].data.state = PTP_LISTENING;
	assert_doubtful(
		&s, false,
		"port 1 (eth0) MASTER, port 2 (eth1) LISTENING, port 3 (eth2) FAULTY: this ptp4l is a "
		"master itself: it measures nothing");
	s.view.ports[0].data.state = PTP_FAULTY;
	assert_doubtful(
		&s, false,
		"port 1 (eth0) FAULTY, port 2 (eth1) LISTENING, port 3 (eth2) FAULTY: it hears no master");
	s.view.port_count = s.view.defaults.ports = 0;
	assert_doubtful(&s, false, "this ptp4l has no port");
}

/* More than the line has room for, and more than are looked at. */
static void test_many_ports(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.ports[0].data.state = PTP_LISTENING;
	for (uint16_t i = 2; i < 200; i++)
		add_port(&s.view, i, PTP_LISTENING, "enp130s0f1np15");
	s.view.defaults.ports = 199;
	assert_int_equal(s.view.port_count, PTP_PORTS_MAX);
	assert_int_equal(ptp_view_missing(&s.view), 0);
	assert_doubtful(&s, false,
			"port 1 (eth0) LISTENING, port 2 (enp130s0f1np15) LISTENING: it hears no master");
	s.view.ports[63].data.state = PTP_SLAVE;
	assert_valid(&s);
}

/* Nobody vouches for the grandmaster, unless its class is one that the configuration trusts. */
static void test_traceable(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.properties.time_traceable = false;
	assert_valid(&s); /* class 6 */
	s.view.parent.clock_class = 7;
	assert_valid(&s);
	s.view.parent.clock_class = 248;
	assert_doubtful(&s, true, "the grandmaster is not traceable to UTC (timeTraceable 0)");
	assert_int_equal(s.reading.error_ns, 2073 + 100);
	s.config.ptp.classes[248 / 64] |= UINT64_C(1) << 248 % 64;
	assert_valid(&s);
	memset(s.config.ptp.classes, 0, sizeof s.config.ptp.classes);
	s.view.parent.clock_class = 6;
	assert_doubtful(&s, true, "the grandmaster is not traceable to UTC (timeTraceable 0)");
	s.view.properties.time_traceable = true;
	assert_valid(&s);
	s.view.parent.clock_class = 255;
	s.config.ptp.classes[3] = UINT64_C(1) << 63;
	s.view.properties.time_traceable = false;
	assert_valid(&s);
}

/* A timescale of its own is UTC only if the grandmaster says that its time is traceable. */
static void test_arbitrary_timescale(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.properties = (struct ptp_properties){.utc_offset = 37, .time_traceable = true};
	assert_valid(&s);
	assert_int_equal(s.measurement.tai_utc, 0);
	assert_int_equal(s.reading.tai_utc, 0);
	s.view.properties.time_traceable = false;
	assert_doubtful(&s, true,
			"the grandmaster counts a time of its own (ptpTimescale 0) that is not traceable");
}

static void test_accuracy(void **state)
{
	static const uint8_t unknown[] = {0x00, 0x16, 0x32, 0x7f, 0x80, 0xfd, 0xfe, 0xff};
	struct situation s = plain();

	(void)state;
	for (size_t i = 0; i < sizeof unknown; i++) {
		s.view.parent.clock_accuracy = unknown[i];
		s.config.ptp.accuracy_ns = 0;
		assert_doubtful(&s, true,
				"the grandmaster does not say how accurate it is; accuracy = TIME states it");
		s.config.ptp.accuracy_ns = 500;
		assert_valid(&s);
		assert_int_equal(s.reading.error_ns, 2073 + 500);
	}
	s.view.parent.clock_accuracy = 0x31;
	assert_doubtful(&s, true, "the grandmaster says that it is off by more than 10 s");
}

static void test_leap_seconds(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.properties.leap61 = true;
	judge(&s);
	assert_int_equal(s.reading.leap, 1);
	s.view.properties.leap61 = false;
	s.view.properties.leap59 = true;
	judge(&s);
	assert_int_equal(s.reading.leap, -1);
	s.view.properties.utc_offset_valid = false;
	judge(&s);
	assert_int_equal(s.reading.leap, 0);
	assert_int_equal(s.reading.tai_utc, 0);
}

/*
 * ptp4l subtracts the announced offset only if it is valid and the time is
 * traceable, and else its own, which is 37 unless configured.
 */
static void test_own_utc_offset(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.properties.time_traceable = false; /* class 6 */
	s.view.properties.utc_offset = 38;
	assert_doubtful(&s, true,
			"the grandmaster's TAI - UTC is not traceable, so ptp4l goes by its own utc_offset");
	s.view.properties.utc_offset_valid = false;
	assert_doubtful(&s, true, "TAI - UTC is not known: neither the grandmaster nor the kernel tells it");
	s.now.tai_utc = 38;
	assert_doubtful(&s, true,
			"the grandmaster's TAI - UTC is not traceable, so ptp4l goes by its own utc_offset");
	s.now.tai_utc = 37;
	assert_valid(&s);
	s.view.properties.time_traceable = true;
	s.now.tai_utc = 38;
	assert_doubtful(&s, true,
			"the grandmaster's TAI - UTC is not traceable, so ptp4l goes by its own utc_offset");
	s.view.properties.utc_offset_valid = true;
	s.view.properties.utc_offset = 38;
	assert_valid(&s);
}

/* A wrong TAI - UTC of the grandmaster is whole seconds, whichever stamps there are. */
static void test_contradiction(void **state)
{
	struct situation s = plain();

	(void)state;
	for (uint8_t kind = PTP_SOFTWARE; kind <= PTP_HARDWARE; kind++) {
		s = plain();
		s.view.ports[0].properties.timestamping = kind;
		s.now.tai_utc = 37;
		assert_valid(&s);
		s.view.properties.utc_offset = 36;
		assert_doubtful(&s, true, "the grandmaster says TAI-UTC is 36 s, this host 37 s");
		s.view.properties.utc_offset = -1;
		assert_doubtful(&s, true, "the grandmaster says TAI-UTC is -1 s, this host 37 s");
		/* The kernel may have been told by ptp4l. */
		s.view.properties.utc_offset = 36;
		s.now.tai_utc = 36;
		s.now.leap_file_tai_utc = 37;
		assert_doubtful(&s, true, "the grandmaster says TAI-UTC is 36 s, this host 37 s");
		s.view.properties.utc_offset = 37;
		assert_valid(&s);
		/* Nothing to compare with. */
		s.now.leap_file_tai_utc = s.now.tai_utc = 0;
		s.view.properties.utc_offset = 36;
		assert_valid(&s);
	}
	/* Where nothing is converted, nothing matters; what is not valid is nobody's word. */
	s.now.tai_utc = s.now.leap_file_tai_utc = 37;
	s.view.properties.ptp_timescale = false;
	assert_valid(&s);
	s.view.properties.ptp_timescale = true;
	s.view.properties.utc_offset_valid = false;
	assert_valid(&s);
}

/* The hardware clock is on TAI: the grandmaster's account of UTC, the kernel's, or none. */
static void test_hardware(void **state)
{
	struct situation s = plain();

	(void)state;
	for (uint8_t kind = PTP_HARDWARE; kind <= PTP_P2P_ONE_STEP; kind++) {
		s.view.ports[0].properties.timestamping = kind;
		assert_valid(&s);
		assert_true(s.measurement.hardware);
		assert_string_equal(s.reading.source, "ptp-phc");
	}
	s.now.tai_utc = 36;
	judge(&s);
	assert_int_equal(s.measurement.tai_utc, 37);
	s.view.properties.utc_offset_valid = false;
	assert_valid(&s);
	assert_int_equal(s.measurement.tai_utc, 36);
	s.now.tai_utc = 0;
	assert_doubtful(&s, false, "TAI - UTC is not known: neither the grandmaster nor the kernel tells it");
	s.view.properties.ptp_timescale = false;
	assert_valid(&s);
	assert_int_equal(s.measurement.tai_utc, 0);
}

static void test_no_measurement(void **state)
{
	struct situation s = plain();

	(void)state;
	s.view.status.ingress_ns = 0;
	assert_doubtful(&s, false, "ptp4l has not measured yet");
	s.view.status.ingress_ns = -1;
	assert_doubtful(&s, false, "ptp4l has not measured yet");
	s = plain();
	s.view.current.path_delay_ns = 0;
	assert_doubtful(&s, false, "ptp4l has not measured the path's delay yet");
	s.view.ports[0].data.peer_delay_ns = 1;
	assert_valid(&s);
	s = plain();
	s.view.ports[0].properties.timestamping = 5;
	assert_doubtful(&s, false, "ptp4l does not say whether it stamps in software (PORT_PROPERTIES_NP)");
	s = plain();
	s.view.ports[0].has_properties = false;
	assert_doubtful(&s, false, "ptp4l does not say whether it stamps in software (PORT_PROPERTIES_NP)");
}

/* Four intervals between Syncs, if they are long; one that is absurd is taken for 128 s. */
static void test_fresh(void **state)
{
	static const struct {
		int8_t log;
		int64_t seconds;
	} cases[] = {{-128, 4}, {-3, 4}, {0, 4}, {1, 8}, {2, 16}, {7, 512}, {8, 512}, {127, 512}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct situation s = plain();

		s.view.ports[0].data.log_sync_interval = cases[i].log;
		judge(&s);
		assert_int_equal(s.measurement.fresh_ns, cases[i].seconds * SECOND);
	}
}

/* Nothing is judged before all there is has come. */
static void test_completeness(void **state)
{
	static const uint16_t order[] = {PTP_TIME_STATUS_NP, PTP_CURRENT_DATA_SET, PTP_PARENT_DATA_SET,
					 PTP_TIME_PROPERTIES_DATA_SET, PTP_DEFAULT_DATA_SET};
	struct ptp_view view = {.port_count = 0};
	struct ptp_answer answer = {.refused = false};

	(void)state;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		assert_int_equal(ptp_view_missing(&view), order[i]);
		assert_false(ptp_view_has(&view, (enum ptp_id)order[i]));
		answer.id = order[i];
		answer.defaults.ports = 2;
		ptp_view_take(&view, &answer);
	}
	for (uint16_t number = 1; number <= 2; number++) {
		assert_int_equal(ptp_view_missing(&view), PTP_PORT_DATA_SET);
		answer.id = PTP_PORT_DATA_SET;
		answer.port.number = number;
		ptp_view_take(&view, &answer);
		/* The same one again is no other. */
		ptp_view_take(&view, &answer);
	}
	assert_int_equal(ptp_view_missing(&view), PTP_PORT_PROPERTIES_NP);
	answer.id = PTP_PORT_PROPERTIES_NP;
	for (uint16_t number = 1; number <= 2; number++) {
		assert_int_equal(ptp_view_missing(&view), PTP_PORT_PROPERTIES_NP);
		answer.port_properties.number = number;
		ptp_view_take(&view, &answer);
	}
	assert_int_equal(ptp_view_missing(&view), 0);
}

/* PORT_PROPERTIES_NP can be missing; nothing else can. */
static void test_refusal(void **state)
{
	struct situation s = plain();
	const struct ptp_answer properties = {.id = PTP_PORT_PROPERTIES_NP, .refused = true};
	const struct ptp_answer status = {.id = PTP_TIME_STATUS_NP, .refused = true};

	(void)state;
	s.view.ports[0].has_properties = false;
	assert_int_equal(ptp_view_missing(&s.view), PTP_PORT_PROPERTIES_NP);
	ptp_view_take(&s.view, &properties);
	assert_int_equal(ptp_view_missing(&s.view), 0);
	assert_int_equal(s.view.refused, 0);
	ptp_view_take(&s.view, &status);
	assert_int_equal(s.view.refused, PTP_TIME_STATUS_NP);
}

#define CONFUSION "; that is TAI-UTC: see ptpTimescale in docs/clocks/ptp.md"

static void suspect(struct situation *s, int64_t offset_ns)
{
	judge(s);
	s->reading.offset_ns = offset_ns;
	ptp_view_suspect(&s->now, &s->reading);
}

/* 37 s, if this host knows no better: of UTC that was taken for TAI, or of the contrary. */
static void test_confusion(void **state)
{
	static const int64_t not [] = {
		0, -276, 36 * SECOND, 37 * SECOND + 1000001, -37 * SECOND + 1000001, INT64_MAX, INT64_MIN};
	struct situation s = plain();
	char text[2 * sizeof s.reading.text];

	(void)state;
	for (size_t i = 0; i < sizeof not / sizeof not [0]; i++) {
		suspect(&s, not [i]);
		assert_int_equal(s.reading.state, OWAMP_CLOCK_VALID);
		assert_null(strstr(s.reading.text, "TAI"));
	}
	suspect(&s, 37 * SECOND + 1000000);
	assert_int_equal(s.reading.state, OWAMP_CLOCK_DOUBTFUL);
	assert_string_equal(s.reading.text, "the clock seems to be off by +37 s" CONFUSION);
	suspect(&s, -37 * SECOND - 999999);
	assert_string_equal(s.reading.text, "the clock seems to be off by -37 s" CONFUSION);
	/* What else is wrong is said as well. */
	s.view.properties.time_traceable = false;
	s.view.parent.clock_class = 248;
	judge(&s);
	snprintf(text, sizeof text, "%s; the clock seems to be off by +37 s" CONFUSION, s.reading.text);
	suspect(&s, 37 * SECOND);
	assert_string_equal(s.reading.text, text);
	memset(s.reading.text, 'x', sizeof s.reading.text - 1);
	ptp_view_suspect(&s.now, &s.reading);
	assert_string_equal(s.reading.text + strlen(s.reading.text) - strlen(CONFUSION), CONFUSION);
	/* After leap seconds to come. */
	s = plain();
	s.view.properties.utc_offset = 38;
	s.now.tai_utc = 38;
	suspect(&s, 37 * SECOND);
	assert_int_equal(s.reading.state, OWAMP_CLOCK_VALID);
	suspect(&s, 38 * SECOND);
	assert_string_equal(s.reading.text, "the clock seems to be off by +38 s" CONFUSION);
	s.view.properties.utc_offset = 39;
	s.now.leap_file_tai_utc = 39;
	suspect(&s, 39 * SECOND);
	assert_string_equal(s.reading.text, "the clock seems to be off by +39 s" CONFUSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),           cmocka_unit_test(test_error),
		cmocka_unit_test(test_hops_not_stated), cmocka_unit_test(test_absurd_errors),
		cmocka_unit_test(test_port_states),     cmocka_unit_test(test_steering),
		cmocka_unit_test(test_ports),           cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_traceable),       cmocka_unit_test(test_arbitrary_timescale),
		cmocka_unit_test(test_accuracy),        cmocka_unit_test(test_leap_seconds),
		cmocka_unit_test(test_own_utc_offset),  cmocka_unit_test(test_contradiction),
		cmocka_unit_test(test_hardware),        cmocka_unit_test(test_no_measurement),
		cmocka_unit_test(test_fresh),           cmocka_unit_test(test_completeness),
		cmocka_unit_test(test_refusal),         cmocka_unit_test(test_confusion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
