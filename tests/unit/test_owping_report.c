#include "owping_fixture.h"

#include "owping/format.h"
#include "owping/report_clock.h"
#include "owping/report_raw.h"
#include "owping/report_text.h"

typedef void print_fn(FILE *out, struct fixture *f);

static void as_text(FILE *out, struct fixture *f)
{
	owping_report_text(out, f->report, &f->options, f->granted, false);
}

static void as_raw(FILE *out, struct fixture *f)
{
	owping_report_raw(out, f->report);
}

static void as_machine(FILE *out, struct fixture *f)
{
	owping_report_machine(out, f->report, &f->options);
}

static void as_save(FILE *out, struct fixture *f)
{
	owping_report_save(out, f->report);
}

static void assert_printed(struct fixture *f, print_fn *print, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out, f);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
}

/*
 * Delays in ms: 1, 1.2, 1.1, 1.4, 150.3, 1.5, 1.6, 1.7, 1.8 of nine received.
 * Differences of neighbours: .2 .1 148.9 148.8 .1 .1 .1, mean 298.3 / 7.
 * Bounds: 488282 + 976563 ns.
 */
#define HEAD                                                                                                 \
	"--- owping statistics from [192.0.2.1]:9308 to [192.0.2.2]:18809 ---\n"                             \
	"SID:\t7f000001eeab696ece8dda48b9ec3619\n"                                                           \
	"first:\t2026-11-21T00:50:55.794\n"                                                                  \
	"last:\t2026-11-21T00:50:56.694\n"

static void test_text(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.options.percentiles[0] = 5;
	f.options.percentiles[1] = 99.9;
	f.options.percentile_count = 2;
	fixture_report(&f);
	assert_printed(&f, as_text,
		       HEAD
		       "10 sent, 1 lost (10.000%), 1 duplicates\n"
		       "one-way delay min/median/max = 1/1.5/150.3 ms, (err=1.47 ms)\n"
		       "one-way jitter = 148.8 ms (P95-P50)\n"
		       "hops takes 2 values; min hops = 5, max hops = 6\n"
		       "1-reordering = 12.500%\n"
		       "no 2-reordering\n"
		       "Percentiles:\n"
		       "\t5: 1 ms\n"
		       "\t99.9: 150.3 ms\n"
		       "delay variation mean/max = 42.614/148.9 ms (IPDV of 7 pairs)\n"
		       "clocks: within 0.489 ms of UTC here (PTP), within 0.977 ms of UTC there; the delay "
		       "can be wrong by 1.47 ms, more than its minimum: at this accuracy the one-way delay "
		       "means nothing, its variation does\n"
		       "mode: encrypted\n"
		       "warning: the receiver has no record of 1 packet: counted as lost\n");
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
}

static void test_text_complete(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.records[9].ttl = 250;
	f.result.mode = OWAMP_MODE_OPEN;
	f.options.unit = 'u';
	f.options.unix_time = true;
	fixture_report(&f);
	assert_printed(&f, as_text,
		       "--- owping statistics from [192.0.2.1]:9308 to [192.0.2.2]:18809 ---\n"
		       "SID:\t7f000001eeab696ece8dda48b9ec3619\n"
		       "first:\t1795222255.794\n"
		       "last:\t1795222256.694\n"
		       "10 sent, 1 lost (10.000%), 0 duplicates\n"
		       "one-way delay min/median/max = 1000/1500/150300 us, (err=1470 us)\n"
		       "one-way jitter = 148800 us (P95-P50)\n"
		       "hops = 5 (consistently)\n"
		       "1-reordering = 12.500%\n"
		       "no 2-reordering\n"
		       "delay variation mean/max = 42614/148900 us (IPDV of 7 pairs)\n"
		       "clocks: within 0.489 ms of UTC here (PTP), within 0.977 ms of UTC there; the delay "
		       "can be wrong by 1.47 ms, more than its minimum: at this accuracy the one-way delay "
		       "means nothing, its variation does\n"
		       "mode: unauthenticated\n");
	assert_int_equal(f.report->outcome, OWPING_COMPLETE);
	fixture_end(&f);
}

static void test_text_unsync(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	/* Scale 31, Multiplier 255: 127.5 s. */
	f.records[0].send_error = 0x1fff;
	f.records[1] = f.records[9];
	f.records[1].seq = 1;
	f.records[1].ttl = 250;
	f.result.record_count = 2;
	f.result.next_seq = f.result.request.packets = 2;
	strcpy(f.clock.alarm, "gps contradicts ptp");
	fixture_report(&f);
	/* Packet 1 has the stamps of packet 9: sent at .694 of the next second, 1.8 ms. */
	assert_printed(&f, as_text,
		       HEAD "2 sent, 0 lost (0.000%), 0 duplicates\n"
			    "one-way delay min/median/max = 1/1/1.8 ms, (unsync)\n"
			    "one-way jitter = 0.8 ms (P95-P50)\n"
			    "hops = 5 (consistently)\n"
			    "no reordering\n"
			    "delay variation mean/max = 0.8/0.8 ms (IPDV of 1 pairs)\n"
			    "clocks: not synchronized here (gps contradicts ptp), within 0.977 ms of UTC "
			    "there; by how much the delay is wrong is not known, its variation holds\n"
			    "mode: encrypted\n");
	fixture_end(&f);
	f.records[0].send_error = FIXTURE_SEND_ERROR;
	f.records[0].receive_error = 0x1501;
	f.options.program = OWPING_FETCH;
	fixture_report(&f);
	assert_false(f.report->synchronized);
	assert_true(f.report->summary.send_synchronized);
	assert_printed(&f, as_text,
		       HEAD "2 sent, 0 lost (0.000%), 0 duplicates\n"
			    "one-way delay min/median/max = 1/1/1.8 ms, (unsync)\n"
			    "one-way jitter = 0.8 ms (P95-P50)\n"
			    "hops = 5 (consistently)\n"
			    "no reordering\n"
			    "delay variation mean/max = 0.8/0.8 ms (IPDV of 1 pairs)\n"
			    "clocks: within 0.489 ms of UTC at the sender, not synchronized at the receiver; "
			    "by how much the delay is wrong is not known, its variation holds\n"
			    "mode: encrypted\n");
	fixture_end(&f);
}

static void print_clocks(FILE *out, struct fixture *f)
{
	owping_report_clocks(out, f->report);
}

static void print_sources(FILE *out, struct fixture *f)
{
	owping_report_sources(out, &f->clock);
}

/* Sources quote what they hear. */
static void test_hostile(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.records[0].send_error = 0x1501;
	strcpy(f.clock.alarm, "gps\033[2J");
	f.clock.count = 1;
	f.clock.sources[0] = (struct owamp_clock_source_status){
		.name = "gps", .source = OWAMP_CLOCK_NONE, .text = "no\033c fix\r"};
	fixture_report(&f);
	assert_printed(&f, print_clocks,
		       "clocks: not synchronized here (gps?[2J), within 0.977 ms of UTC there; by how much "
		       "the delay "
		       "is wrong is not known, its variation holds\n");
	assert_printed(&f, print_sources, "clock source gps: absent: no?c fix?\n");
	owping_report_doubt(f.report);
	assert_string_equal(f.report->warnings[f.report->warning_count - 1],
			    "this host's clock: ALARM: gps?[2J; what vouched for it may be wrong");
	fixture_end(&f);
}

/* What is here and what is there, and what is known of why. */
static void test_clocks(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.direction = OWAMP_FROM_SERVER;
	f.records[0].send_error = 0x1501;
	fixture_report(&f);
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.977 ms of UTC here (PTP), not synchronized there; by how much the delay is "
		"wrong is not known, its variation holds\n");
	f.clock.snapshot.source = OWAMP_CLOCK_CHRONY;
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.977 ms of UTC here (NTP), not synchronized there; by how much the delay is "
		"wrong is not known, its variation holds\n");
	fixture_end(&f);
	f.records[0].send_error = FIXTURE_SEND_ERROR;
	f.records[0].receive_error = 0x1501;
	fixture_report(&f);
	assert_printed(
		&f, print_clocks,
		"clocks: not synchronized here (not for all packets; by now it is), within 0.489 ms of UTC "
		"there; by how much the delay is wrong is not known, its variation holds\n");
	f.clock.snapshot.synchronized = false;
	assert_printed(
		&f, print_clocks,
		"clocks: not synchronized here (no source vouches for this host's clock), within 0.489 ms of "
		"UTC there; by how much the delay is wrong is not known, its variation holds\n");
	f.report->clock = NULL;
	assert_printed(
		&f, print_clocks,
		"clocks: not synchronized here, within 0.489 ms of UTC there; by how much the delay is wrong "
		"is not known, its variation holds\n");
	fixture_end(&f);
}

/* One clock or the other may not say more than the delay allows. */
static void test_clocks_meaning(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.record_count = 1;
	f.result.next_seq = f.result.request.packets = 1;
	/* The minimum delay is 1 ms; Scale 20, Multiplier 1 and 2: 244141 + 488282 ns. */
	f.records[0].send_error = 0x9401;
	f.records[0].receive_error = 0x9402;
	fixture_report(&f);
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.245 ms of UTC here (PTP), within 0.489 ms of UTC there; the delay can be "
		"wrong by 0.733 ms\n");
	fixture_end(&f);
	/* Together 5/4096 s, and that is more. */
	f.records[0].receive_error = 0x9404;
	fixture_report(&f);
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.245 ms of UTC here (PTP), within 0.977 ms of UTC there; the delay can be "
		"wrong by 1.23 ms, more than its minimum: at this accuracy the one-way delay means nothing, "
		"its variation does\n");
	fixture_end(&f);
}

/* What the clock is worth is told from what stamping adds: 488282 and 976563 ns are both together. */
static void test_clocks_stamping(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.has_send_health = true;
	f.result.send_health.clock_bound_max_ns = 21000;
	fixture_report(&f);
	/* 467282 of 1464845 ns: less than a third. */
	assert_printed(
		&f, print_clocks,
		"clocks: within 21 us of UTC here (PTP), within 0.977 ms of UTC there; the delay can be "
		"wrong "
		"by 1.47 ms, more than its minimum: at this accuracy the one-way delay means nothing, its "
		"variation does\n");
	/* As of a host that was perhaps neither. */
	f.report->fetched = true;
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.489 ms of UTC at the sender, within 0.977 ms of UTC at the receiver; "
		"the delay can be wrong by 1.47 ms, more than its minimum: at this accuracy the "
		"one-way delay means nothing, its variation does\n");
	fixture_end(&f);
	f.result.direction = OWAMP_FROM_SERVER;
	f.result.has_receive_health = true;
	f.result.receive_health.clock_bound_max_ns = 100000;
	fixture_report(&f);
	/* 876563 of 1464845 ns. */
	assert_printed(&f, print_clocks,
		       "clocks: within 0.1 ms of UTC here (PTP), within 0.489 ms of UTC there; the delay can "
		       "be wrong "
		       "by 1.47 ms (of which 0.877 ms is stamping here), more than its minimum: at this "
		       "accuracy the "
		       "one-way delay means nothing, its variation does\n");
	fixture_end(&f);
	/* Of packets that were lost it may be larger. */
	f.result.receive_health.clock_bound_max_ns = 2000000;
	fixture_report(&f);
	assert_printed(
		&f, print_clocks,
		"clocks: within 0.977 ms of UTC here (PTP), within 0.489 ms of UTC there; the delay can be "
		"wrong by 1.47 ms, more than its minimum: at this accuracy the one-way delay means nothing, "
		"its variation does\n");
	fixture_end(&f);
}

static void test_sources(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.clock.count = 2;
	f.clock.sources[0] = (struct owamp_clock_source_status){.name = "eth0",
								.state = OWAMP_CLOCK_VALID,
								.used = true,
								.measured = true,
								.offset_ns = -310,
								.bound_ns = 3200,
								.age_ns = 412000000,
								.text = "class 6"};
	f.clock.sources[1] = (struct owamp_clock_source_status){.name = "gps", .contradicted = true};
	assert_printed(&f, print_sources,
		       "clock source eth0: valid, in use, offset -310 ns, bound 3.2 us, 0.4 s old: class 6\n"
		       "clock source gps: absent, contradicted\n");
}

static void test_text_nothing_received(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.records[0] = fixture_lost;
	f.records[0].seq = 0;
	f.records[0].send_time = fixture_records[0].send_time;
	f.result.record_count = 1;
	f.result.next_seq = 1;
	fixture_report(&f);
	assert_printed(&f, as_text,
		       "--- owping statistics from [192.0.2.1]:9308 to [192.0.2.2]:18809 ---\n"
		       "SID:\t7f000001eeab696ece8dda48b9ec3619\n"
		       "first:\t2026-11-21T00:50:55.794\n"
		       "last:\t2026-11-21T00:50:55.794\n"
		       "1 sent, 1 lost (100.000%), 0 duplicates\n"
		       "no packet was received: no delay\n"
		       "mode: encrypted\n"
		       "warning: the session ended early, after 1 of 10 packets\n");
	assert_int_equal(f.report->outcome, OWPING_PARTIAL);
	fixture_end(&f);
}

static void test_text_records(void **state)
{
	struct fixture f;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.records[1] = fixture_lost;
	f.options.verbose = true;
	f.options.verbose_limit = 2;
	fixture_report(&f);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	as_text(out, &f);
	fclose(out);
	*strstr(text, "---") = '\0';
	assert_string_equal(text, "seq_no=0\tdelay=1 ms\t(sync, err=1.47 ms)\t"
				  "sent=2026-11-21T00:50:55.794000\tttl=250\n"
				  "seq_no=3\t*LOST*\tsent=2026-11-21T00:50:56.094000\n");
	free(text);
	fixture_end(&f);
}

static void assert_has(struct fixture *f, print_fn *print, const char *expected, bool wanted)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out, f);
	assert_int_equal(fclose(out), 0);
	if ((strstr(text, expected) != NULL) != wanted)
		fail_msg("%s: %s\nin: %s", wanted ? "missing" : "there", expected, text);
	free(text);
}

/* What we dropped ourselves is told apart in every format that has room for it. */
static void test_dropped(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.records[7].dropped = true;
	f.result.has_receive_health = true;
	f.options.verbose = true;
	f.options.verbose_limit = UINT32_MAX;
	fixture_report(&f);
	assert_has(&f, as_text,
		   "\n10 sent, 0 lost (0.000%), 0 duplicates\n"
		   "one-way delay min/median/max = 1/1.5/150.3 ms, (err=1.47 ms)\n",
		   true);
	assert_has(&f, as_text,
		   "\nmode: encrypted\n"
		   "warning: 1 packet was dropped at this host's own socket: not counted as lost\n",
		   true);
	assert_has(&f, as_text, "\nseq_no=3\t*DROPPED*\tsent=2026-11-21T00:50:56.094000\n", true);
	assert_has(&f, as_text, "*LOST*", false);
	assert_has(&f, as_machine, "SENT 10\nDUPS 0\nLOST 0\nSKIPPED 0\nUNKNOWN 0\nDROPPED 1\nSYNC 1\n",
		   true);
	assert_has(&f, as_raw, "\n3 17197955532205351502 0 1e-09 0 1 0.000976563 255\n", true);
	assert_has(&f, as_save, "\n# dropped 3 3\n# complete no\n", true);
	fixture_end(&f);
	/* Numbers in a row are one range. */
	for (uint32_t i = 2; i < 7; i++) {
		f.records[i] = fixture_lost;
		f.records[i].seq = i;
		f.records[i].dropped = i != 4;
	}
	fixture_report(&f);
	assert_has(&f, as_save, "\n# dropped 2 3\n# dropped 5 6\n# dropped 3 3\n# complete no\n", true);
	fixture_end(&f);
}

#define FIGURES                                                                                              \
	"\nmode: encrypted\n"                                                                                \
	"meter: packets left 3.1/48/90 us late (p50/p99/max), 2.2/6.2/26 us between stamp and kernel "       \
	"(p50/p99/max of 7)\n"

/* The meter's own figures are for those who ask. */
static void test_meter(void **state)
{
	struct owamp_engine_granted granted = {.realtime = true, .memory_locked = true, .spin_ns = 50000};
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.result.has_send_health = true;
	f.result.send_health = (struct owamp_send_health){
		.sent = 10,
		.lateness_p50_ns = 3100,
		.lateness_p99_ns = 48000,
		.lateness_max_ns = 90000,
		.kernel_stamps = 7,
		.kernel_gap_p50_ns = 2200,
		.kernel_gap_p99_ns = 6200,
		.kernel_gap_max_ns = 26000,
	};
	f.options.realtime_priority = 10;
	f.granted = &granted;
	fixture_report(&f);
	assert_has(&f, as_text, "meter:", false);
	f.options.verbose = true;
	assert_has(&f, as_text, FIGURES "meter: real-time priority 10, spinning 50 us, memory locked\n",
		   true);
	granted = (struct owamp_engine_granted){.realtime_errno = 1, .memory_errno = 12};
	assert_has(&f, as_text,
		   FIGURES "meter: ordinary scheduling (real-time: Operation not permitted), no spinning, "
			   "memory not locked (Cannot allocate memory)\n",
		   true);
	granted = (struct owamp_engine_granted){.spin_ns = 1000};
	assert_has(&f, as_text, FIGURES "meter: ordinary scheduling, spinning 1 us, memory not locked\n",
		   true);
	fixture_end(&f);
	/* Milliseconds where there are many, and nothing that is not known. */
	f.result.send_health = (struct owamp_send_health){.sent = 10,
							  .lateness_p50_ns = 20000,
							  .lateness_p99_ns = 3000000,
							  .lateness_max_ns = 250000000};
	f.granted = NULL;
	f.result.has_receive_health = true;
	f.result.receive_health.counters.results[OWAMP_RECEIVE_OK] = 10;
	f.result.receive_health.hardware_stamped = 8;
	fixture_report(&f);
	assert_has(&f, as_text,
		   "\nmode: encrypted\n"
		   "meter: packets left 0.02/3/250 ms late (p50/p99/max)\n"
		   "meter: 8 of 10 packets stamped by an interface's clock\n"
		   "warning: this host is busy",
		   true);
	fixture_end(&f);
}

/* 2^-11 s rounded up to ns and %g: 0.000488282; 2^-10: 0.000976563. */
static void test_raw(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.records[1] = fixture_lost;
	f.records[2].send_error = 0x1501;
	f.result.record_count = 3;
	fixture_report(&f);
	assert_printed(&f, as_raw,
		       "0 17197955530916861313 1 0.000488282 17197955530921156280 1 0.000976563 250\n"
		       "3 17197955532205351502 0 1e-09 0 1 0.000976563 255\n"
		       "2 17197955531775854772 0 0.000488282 17197955531780579236 1 0.000976563 250\n");
	fixture_end(&f);
}

/* Of a part of a session only that part. */
static void test_raw_range(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 4, 6, FIXTURE_START_NS), 0);
	assert_printed(&f, as_raw,
		       "4 17197955532634848231 1 0.000488282 17197955532640861186 1 0.000976563 250\n"
		       "6 17197955533493841691 1 0.000488282 17197955533500284142 1 0.000976563 250\n"
		       "5 17197955533064344961 1 0.000488282 17197955533709878546 1 0.000976563 250\n");
	fixture_end(&f);
}

static void test_save(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.result.record_count = 1;
	f.result.skip_count = 1;
	f.skips[0] = (struct owamp_skip_range){1, 9};
	f.result.error = OWAMP_EPARTIAL;
	snprintf(f.result.reason, sizeof(f.result.reason), "the server went away");
	fixture_report(&f);
	assert_printed(&f, as_save,
		       "# sid 7f000001eeab696ece8dda48b9ec3619\n"
		       "# sender [192.0.2.1]:9308\n"
		       "# receiver [192.0.2.2]:18809\n"
		       "# mode encrypted\n"
		       "# packets 10\n"
		       "# range 0 10\n"
		       "# start 17197955530916861313\n"
		       "# schedule 0.250000000e,0.000000000f\n"
		       "# timeout 2.000000000\n"
		       "# padding 20\n"
		       "# type-p 0x2e000000\n"
		       "# next-seq 10\n"
		       "# skipped 1 9\n"
		       "# complete no\n"
		       "# error the server went away\n"
		       "# SEQ SENDTIME SYNC ERR RECVTIME SYNC ERR TTL\n"
		       "0 17197955530916861313 1 0.000488282 17197955530921156280 1 0.000976563 250\n");
	fixture_end(&f);
}

static void test_machine(void **state)
{
	struct fixture f;

	(void)state;
	fixture_begin(&f);
	f.options.percentiles[0] = 12.5;
	f.options.percentile_count = 1;
	fixture_report(&f);
	assert_printed(
		&f, as_machine,
		"SUMMARY 3.00\n"
		"SID 7f000001eeab696ece8dda48b9ec3619\n"
		"FROM_HOST 192.0.2.1\nFROM_ADDR 192.0.2.1\nFROM_PORT 9308\n"
		"TO_HOST 192.0.2.2\nTO_ADDR 192.0.2.2\nTO_PORT 18809\n"
		"START_TIME 17197955530916861313\nUNIX_START_TIME 1795222255.794000000\n"
		"END_TIME 17197955534782331879\nUNIX_END_TIME 1795222256.694000000\n"
		"DSCP 0x2e\nTIMEOUT 2.000000000\nPACKET_PADDING 20\n"
		"SESSION_PACKET_COUNT 10\nSAMPLE_PACKET_COUNT 10\nSESSION_FINISHED 0\n"
		"MODE encrypted\n"
		"SENT 10\nDUPS 1\nLOST 1\nSKIPPED 0\nUNKNOWN 0\nDROPPED 0\nSYNC 1\nMAXERR 0.001464845\n"
		"MIN 0.001000000\nMEDIAN 0.001500000\nMAX 0.150300000\n"
		"PCT12.5 0.001100000\n"
		"JITTER 0.148800000\nBUCKET_WIDTH 0.001000000\n"
		"<BUCKETS>\n\t1 8\n\t150 1\n</BUCKETS>\n"
		"MINTTL 249\nMAXTTL 250\n<TTLBUCKETS>\n\t249 1\n\t250 9\n</TTLBUCKETS>\n"
		"<NREORDERING>\n\t1 1\n</NREORDERING>\n"
		"WARNING the receiver has no record of 1 packet: counted as lost\n");
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_complete),
		cmocka_unit_test(test_text_unsync),
		cmocka_unit_test(test_text_nothing_received),
		cmocka_unit_test(test_text_records),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_raw_range),
		cmocka_unit_test(test_save),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_clocks_meaning),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_clocks_stamping),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
