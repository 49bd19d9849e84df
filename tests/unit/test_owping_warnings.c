#include "owping_fixture.h"

static bool has_warning(const struct owping_report *report, const char *text)
{
	for (unsigned i = 0; i < report->warning_count; i++) {
		if (strcmp(report->warnings[i], text) == 0)
			return true;
	}
	return false;
}

static void assert_warnings(struct fixture *f, unsigned count, const char *text)
{
	fixture_report(f);
	if (f->report->warning_count != count || !has_warning(f->report, text)) {
		for (unsigned i = 0; i < f->report->warning_count; i++)
			print_error("got: %s\n", f->report->warnings[i]);
		fail_msg("expected %u warnings, one of them: %s", count, text);
	}
	fixture_end(f);
}

static void test_warnings_delay(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.record_count = 1;
	f.result.next_seq = f.result.request.packets = 1;
	/* One s earlier: 1 ms - 1 s. */
	f.records[0].receive_time -= OWAMP_SECOND;
	assert_warnings(
		&f, 1,
		"the minimum delay is -999 ms, which the stated clock error of 1.47 ms does not explain: "
		"at least one clock is wrong");
	f.records[0].send_error = 0x1fff;
	assert_warnings(
		&f, 1,
		"the minimum delay is negative, -999 ms: the clocks differ, within their stated error of "
		"128 s");
	f.records[0].receive_time += 4 * OWAMP_SECOND;
	assert_warnings(&f, 1,
			"the minimum delay, 3.001 s, is above the timeout: at least one clock is wrong");
}

/* By whichever end of the session this host was. */
static void test_clock_set(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_send_health = true;
	f.result.send_health.clock_steps = 1;
	f.result.send_health.clock_step_ns = 5000000000;
	assert_warnings(
		&f, 1,
		"this host's clock was set by +5 s while the session ran: delays before and after cannot be "
		"compared");
	f.result.has_send_health = false;
	fixture_report(&f);
	assert_int_equal(f.report->warning_count, 0);
	fixture_end(&f);
	f.result.has_receive_health = true;
	f.result.receive_health.clock_steps = 3;
	f.result.receive_health.clock_step_ns = -1500000;
	assert_warnings(
		&f, 1,
		"this host's clock was set 3 times while the session ran, by -1.5 ms in sum: delays before "
		"and after cannot be compared");
}

static void test_warnings_receiver(void **state)
{
	struct fixture f;
	struct owamp_receive_health *health = &f.result.receive_health;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_receive_health = true;
	health->counters.results[OWAMP_RECEIVE_OK] = 9;
	health->counters.results[OWAMP_RECEIVE_TIME] = 90;
	health->counters.time_offset_ns = -37000000000;
	assert_warnings(
		&f, 1,
		"90 packets were discarded: stamped more than the timeout of 2 s away from their arrival; "
		"the clocks of the two hosts differ by about 37 s; probably the sender's was set in "
		"mid-session");
	health->counters.results[OWAMP_RECEIVE_OK] = 10;
	assert_warnings(
		&f, 1,
		"90 packets were discarded: stamped more than the timeout of 2 s away from their arrival, "
		"such as 37 s; they came later than the timeout, or the clocks of the two hosts differ, or "
		"the sender's was set in mid-session");
	/* Nothing else came, but a network can do this too. */
	health->counters.results[OWAMP_RECEIVE_OK] = 0;
	health->counters.time_offset_ns = -2500000000;
	assert_warnings(
		&f, 1,
		"90 packets were discarded: stamped more than the timeout of 2 s away from their arrival, "
		"such as 2.5 s; they came later than the timeout, or the clocks of the two hosts differ");
	/* Before it was sent no packet arrives. */
	health->counters.time_offset_ns = 2500000000;
	assert_warnings(
		&f, 1,
		"90 packets were discarded: stamped more than the timeout of 2 s away from their arrival; "
		"the clocks of the two hosts differ by about 2.5 s");
	health->counters.results[OWAMP_RECEIVE_HMAC] = 1;
	assert_warnings(&f, 2, "1 packet was discarded: failed authentication");
	health->unstamped = 4;
	assert_warnings(&f, 3,
			"4 packets were not stamped by the kernel: their receive times are less exact");
	health->strangers = 2;
	assert_warnings(&f, 4, "2 packets were discarded: not from the sender's address and port");
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_COMPLETE);
	fixture_end(&f);
	health->socket_drops = 7;
	assert_warnings(
		&f, 5,
		"7 packets were dropped at this host's own socket: loss may be ours, not the network's");
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
}

/* Those that are known are told as such, not as what loss may be. */
static void test_dropped(void **state)
{
	static const char *const dropped =
		"1 packet was dropped at this host's own socket: not counted as lost";
	struct fixture f;
	struct owamp_receive_health *health = &f.result.receive_health;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.records[7].dropped = true;
	f.result.has_receive_health = true;
	health->counters.results[OWAMP_RECEIVE_OK] = 9;
	health->socket_drops = 1;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 10);
	assert_int_equal(f.report->summary.lost, 0);
	assert_int_equal(f.report->summary.dropped, 1);
	assert_int_equal(f.report->missing, 0);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
	assert_warnings(&f, 1, dropped);
	health->socket_drops = 4;
	assert_warnings(&f, 2, dropped);
	assert_warnings(
		&f, 2,
		"3 more packets were dropped at this host's own socket: loss may be ours, not the network's");
	health->socket_drops = 2;
	assert_warnings(
		&f, 2,
		"1 more packet was dropped at this host's own socket: loss may be ours, not the network's");
	/* The records alone are enough to know that something is missing. */
	health->socket_drops = 0;
	assert_warnings(&f, 1, dropped);
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
}

static void test_receive_buffer(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_receive_health = true;
	f.result.receive_buffer_wanted = 4194305;
	f.result.receive_buffer_octets = 212992;
	assert_warnings(&f, 1,
			"the receive buffer has 212992 octets where this rate wants 4194305: packets may be "
			"dropped at this host's own socket unless net.core.rmem_max is 2097153");
	f.result.receive_buffer_octets = 4194306;
	fixture_report(&f);
	assert_int_equal(f.report->warning_count, 0);
	assert_int_equal(f.report->outcome, OWPING_COMPLETE);
	fixture_end(&f);
}

static void test_warnings_sender(void **state)
{
	struct fixture f;
	struct owamp_send_health *health = &f.result.send_health;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_send_health = true;
	/* One packet that is late disturbs no schedule. */
	health->lateness_p99_ns = 9999999;
	health->lateness_max_ns = 99999999;
	health->stamp_gap_max_ns = 999999;
	health->kernel_gap_max_ns = 999999;
	fixture_report(&f);
	assert_int_equal(f.report->warning_count, 0);
	fixture_end(&f);
	health->lateness_p99_ns = 10000001;
	assert_warnings(&f, 1,
			"this host is busy: packets left up to 100 ms after their scheduled time, one in a "
			"hundred 10.1 ms or more");
	/* Unless it is a very long time. */
	health->lateness_p99_ns = 5000;
	health->lateness_max_ns = 100000000;
	assert_warnings(&f, 1, "this host is busy: a packet left 100 ms after its scheduled time");
	health->kernel_stamps = 3;
	health->kernel_gap_max_ns = 1000000;
	assert_warnings(
		&f, 2,
		"this host's own queue held a packet for up to 1 ms, which is part of its delay (of 3 "
		"that were looked at)");
	health->stamp_gap_max_ns = 1000000;
	assert_warnings(
		&f, 2,
		"this host is busy: a packet left up to 1 ms after its time stamp, which is part of its "
		"delay");
	health->send_errors = 1;
	health->last_errno = 101;
	assert_warnings(&f, 3, "1 packet was not accepted by this host's network: Network is unreachable");
}

static void assert_wish(struct fixture *f, const struct owamp_engine_granted *granted, const char *text)
{
	unsigned expected = text != NULL;

	fixture_report(f);
	owping_report_wishes(f->report, &f->options, granted);
	assert_int_equal(f->report->warning_count, expected);
	if (expected)
		assert_string_equal(f->report->warnings[0], text);
	fixture_end(f);
}

/* What was asked for by name and did not come. */
static void test_wishes(void **state)
{
	static const char *interfaces[] = {"eth0", NULL};
	static const char *const refused =
		"real-time scheduling with priority 50 was asked for and refused: Operation not permitted";
	struct owamp_engine_granted granted = {.realtime_errno = 1};
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_send_health = true;
	f.options.to_server = f.options.from_server = true;
	f.options.realtime_priority = 50;
	assert_wish(&f, &granted, NULL);
	f.options.realtime_given = true;
	assert_wish(&f, &granted, refused);
	assert_wish(&f, NULL, NULL);
	/* Once is enough. */
	f.result.has_send_health = false;
	assert_wish(&f, &granted, NULL);
	f.options.to_server = false;
	assert_wish(&f, &granted, refused);
	granted = (struct owamp_engine_granted){.realtime = true};
	assert_wish(&f, &granted, NULL);
	granted.realtime = false;
	f.options.realtime_priority = 0;
	assert_wish(&f, &granted, NULL);

	f.result.has_receive_health = true;
	f.result.receive_health.counters.results[OWAMP_RECEIVE_OK] = 9;
	f.result.receive_health.hardware_stamped = 7;
	assert_wish(&f, &granted, NULL);
	f.options.hardware_interfaces = interfaces;
	assert_wish(
		&f, &granted,
		"2 of 9 packets were not stamped by an interface's clock, but by the kernel: their receive "
		"times are less exact");
	f.result.receive_health.hardware_stamped = 9;
	assert_wish(&f, &granted, NULL);
	/* Those that were discarded have stamps too, which are not those of the others. */
	f.result.receive_health.counters.results[OWAMP_RECEIVE_LATE] = 3;
	fixture_report(&f);
	owping_report_wishes(f.report, &f.options, &granted);
	assert_true(has_warning(f.report, "3 of 12 packets were not stamped by an interface's clock, but by "
					  "the kernel: their receive times are less exact"));
	fixture_end(&f);
}

/* Skipped packets are neither sent nor lost, even where a lost record exists. */
static void test_skipped(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.skips[0] = (struct owamp_skip_range){3, 3};
	f.result.skip_count = 1;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 9);
	assert_int_equal(f.report->summary.lost, 0);
	assert_int_equal(f.report->summary.skipped, 1);
	assert_int_equal(f.report->missing, 0);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	assert_true(has_warning(f.report, "1 packet was skipped by the sender: never sent, not lost"));
	fixture_end(&f);
	/* The same without a record of it. */
	f.records[7] = f.records[6];
	fixture_report(&f);
	assert_int_equal(f.report->missing, 0);
	fixture_end(&f);
	f.skips[0] = (struct owamp_skip_range){4, 3};
	assert_int_equal(owping_report_new(&f.report, &f.result, false, 0, UINT32_MAX, FIXTURE_START_NS),
			 OWAMP_EDATA);
	fixture_end(&f);
}

/* A huge skip range costs neither time nor memory. */
static void test_skipped_many(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.request.packets = UINT32_MAX;
	f.result.next_seq = UINT32_MAX;
	f.skips[0] = (struct owamp_skip_range){3, 3};
	f.skips[1] = (struct owamp_skip_range){10, UINT32_MAX - 1};
	f.result.skip_count = 2;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 9);
	assert_int_equal(f.report->summary.skipped, UINT32_MAX - 9);
	assert_int_equal(f.report->missing, 0);
	fixture_end(&f);
}

static void test_broken_off(void **state)
{
	struct fixture f;

	(void)state;
	/* Without the sender's word there is evidence up to the last record only. */
	fixture_begin(&f);
	f.result.stopped = false;
	f.result.error = OWAMP_ECLOSED;
	f.result.record_count = 3;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 3);
	assert_int_equal(f.report->summary.lost, 0);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
	f.result.record_count = 0;
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_FAILED);
	fixture_end(&f);
	/* A sender that reached nothing has measured nothing. */
	f.result.error = 0;
	f.result.stopped = true;
	f.result.next_seq = 0;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 0);
	assert_int_equal(f.report->outcome, OWPING_FAILED);
	fixture_end(&f);
}

/* What the receiver dropped before the stop is no loss. */
static void test_unknown(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.error = OWAMP_EPARTIAL;
	f.result.next_seq = 7;
	f.result.record_count = 3;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 3);
	assert_int_equal(f.report->summary.lost, 0);
	assert_int_equal(f.report->unknown, 4);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	assert_true(has_warning(f.report, "of the last 4 packets sent the receiver has no valid record: "
					  "neither sent nor lost here"));
	fixture_end(&f);
	/* What was skipped is known. */
	f.skips[0] = (struct owamp_skip_range){4, 5};
	f.result.skip_count = 1;
	fixture_report(&f);
	assert_int_equal(f.report->summary.sent, 4);
	assert_int_equal(f.report->summary.skipped, 2);
	assert_int_equal(f.report->missing, 1);
	assert_int_equal(f.report->unknown, 1);
	fixture_end(&f);
	/* Of a part only that part, also if it lies behind all evidence. */
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 0, 4, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->unknown, 0);
	fixture_end(&f);
	f.result.skip_count = 0;
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 5, 20, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->unknown, 2);
	assert_int_equal(f.report->summary.sent, 0);
	fixture_end(&f);
}

/* Records alone are no measurement: those of packets that were skipped say nothing. */
static void test_nothing_measured(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.records[0] = fixture_lost;
	f.result.record_count = 1;
	f.skips[0] = (struct owamp_skip_range){0, 9};
	f.result.skip_count = 1;
	f.result.error = OWAMP_EPARTIAL;
	snprintf(f.result.reason, sizeof(f.result.reason), "10 of 10 packets were never sent");
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_FAILED);
	assert_int_equal(f.report->error, OWAMP_EPARTIAL);
	assert_string_equal(f.report->reason, "10 of 10 packets were never sent");
	fixture_end(&f);
	/* One packet that was sent and lost is enough. */
	f.skips[0].first = 4;
	f.result.next_seq = f.result.request.packets = 4;
	f.result.skip_count = 0;
	fixture_report(&f);
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
}

/* A part that is none. */
static void test_beyond(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.options.program = OWPING_FETCH;
	f.result.record_count = 0;
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 10, UINT32_MAX, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->outcome, OWPING_FAILED);
	assert_int_equal(f.report->error, OWAMP_EINVAL);
	assert_string_equal(f.report->reason,
			    "nothing from packet 10 on: the session has 10 packets, the last of them is 9");
	fixture_end(&f);
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 9, UINT32_MAX, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->outcome, OWPING_FAILED);
	assert_int_equal(f.report->error, OWAMP_EPARTIAL);
	assert_string_equal(f.report->reason,
			    "nothing was measured: there is no record of a packet that was sent");
	fixture_end(&f);
	f.result.request.packets = 0;
	f.result.next_seq = 0;
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 0, UINT32_MAX, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->error, OWAMP_EPARTIAL);
	fixture_end(&f);
}

/* Packets 4 to 6 of a session: what lies outside is not loss. */
static void test_range(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.options.program = OWPING_FETCH;
	f.skips[0] = (struct owamp_skip_range){0, 1};
	f.skips[1] = (struct owamp_skip_range){9, 9};
	f.result.skip_count = 2;
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 4, 6, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->summary.sent, 3);
	assert_int_equal(f.report->summary.received, 3);
	assert_int_equal(f.report->summary.skipped, 0);
	assert_int_equal(f.report->summary.delay_min_ns, 1400000);
	assert_int_equal(f.report->summary.delay_max_ns, 150300000);
	assert_int_equal(f.report->summary.reordered, 1);
	assert_int_equal(f.report->outcome, OWPING_COMPLETE);
	fixture_end(&f);
	/* 2, 3, 4 with 3 skipped and then clipped at either end. */
	f.skips[0] = (struct owamp_skip_range){0, 3};
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 2, 20, FIXTURE_START_NS), 0);
	assert_int_equal(f.report->summary.skipped, 3);
	assert_int_equal(f.report->summary.sent, 5);
	assert_int_equal(f.report->missing, 0);
	fixture_end(&f);
}

#define CONTRADICTED                                                                                         \
	"this host's clock: its sources contradicted each other during the session; what vouched for it "    \
	"may be wrong"
#define ALARM                                                                                                \
	"this host's clock: ALARM: ptp says +3.0 s +-1 us, gps says +10 us +-21 us: they contradict each "   \
	"other; what vouched for it may be wrong"

/* What was stamped before the sources were known to contradict each other has S all the same. */
static void test_clock_doubt(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	fixture_report(&f);
	owping_report_doubt(f.report);
	assert_int_equal(f.report->warning_count, 0);
	strcpy(f.clock.alarm, "ptp says +3.0 s +-1 us, gps says +10 us +-21 us: they contradict each other");
	owping_report_doubt(f.report);
	assert_int_equal(f.report->warning_count, 1);
	assert_string_equal(f.report->warnings[0], ALARM);
	fixture_end(&f);
	/* It is over by now. */
	f.clock.alarm[0] = '\0';
	f.result.has_receive_health = true;
	f.result.receive_health.clock_contradiction = true;
	fixture_report(&f);
	owping_report_doubt(f.report);
	assert_int_equal(f.report->warning_count, 1);
	assert_string_equal(f.report->warnings[0], CONTRADICTED);
	fixture_end(&f);
	f.result.has_receive_health = false;
	f.result.has_send_health = f.result.send_health.clock_contradiction = true;
	fixture_report(&f);
	f.report->clock = NULL;
	owping_report_doubt(f.report);
	assert_int_equal(f.report->warning_count, 1);
	assert_string_equal(f.report->warnings[0], CONTRADICTED);
	fixture_end(&f);
}

/* The longest alarm has room, and is no business of what another host measured. */
static void test_clock_doubt_limits(void **state)
{
	static const char end[] = "; what vouched for it may be wrong";
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	memset(f.clock.alarm, 'x', sizeof(f.clock.alarm) - 1);
	fixture_report(&f);
	owping_report_doubt(f.report);
	assert_string_equal(f.report->warnings[0] + strlen(f.report->warnings[0]) - strlen(end), end);
	fixture_end(&f);
	f.options.program = OWPING_FETCH;
	fixture_report(&f);
	owping_report_doubt(f.report);
	assert_int_equal(f.report->warning_count, 0);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warnings_delay),   cmocka_unit_test(test_warnings_receiver),
		cmocka_unit_test(test_warnings_sender),  cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_skipped_many),     cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_unknown),          cmocka_unit_test(test_range),
		cmocka_unit_test(test_nothing_measured), cmocka_unit_test(test_beyond),
		cmocka_unit_test(test_dropped),          cmocka_unit_test(test_receive_buffer),
		cmocka_unit_test(test_wishes),           cmocka_unit_test(test_clock_set),
		cmocka_unit_test(test_clock_doubt),      cmocka_unit_test(test_clock_doubt_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
