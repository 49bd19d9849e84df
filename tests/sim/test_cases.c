/*
 * Sessions whose outcome is known beforehand, in each mode and direction. The
 * control connection is immediate: packet k is due 1 s + (k + 1) times 50 ms
 * after the beginning.
 */
#include "cases.h"

#include "owamp/error.h"

#define ERA_BOUNDARY_NS (INT64_C(2085978496) * SIM_S)
#define GRID_SLOT       (OWAMP_SECOND / 32) /* 31250000 ns */

static void all_10500_us(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 100, 100, 0);
	for (double percent = 0.5; percent <= 100; percent += 0.5)
		assert_int_equal(percentile(outcome, percent), 10500000);
	assert_int_equal(outcome->summary.delay_min_ns, 10500000);
	assert_int_equal(outcome->summary.delay_max_ns, 10500000);
	assert_int_equal(outcome->summary.jitter_ns, 0);
	assert_int_equal(outcome->summary.ipdv_count, 99);
	assert_int_equal(outcome->summary.ipdv_max_ns, 0);
	assert_int_equal(outcome->summary.duplicates, 0);
	assert_int_equal(outcome->summary.reordered, 0);
	assert_int_equal(outcome->cut, 100);
	assert_int_equal(outcome->next_seq, 100);
}

static void test_constant_path(void **state)
{
	(void)state;
	const struct clocks clocks = {.ahead_ns = SIM_MS / 2};
	struct sim_script script = plain("constant path");

	run_with(&script, &clocks, all_10500_us);
	/* Late packets are stamped when they leave. */
	script.sessions[0][0].late_ns = SIM_S;
	run_with(&script, &clocks, all_10500_us);
}

static void all_15625_us(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 100, 100, 0);
	assert_int_equal(percentile(outcome, 100), 15625000);
	assert_int_equal(outcome->summary.delay_min_ns, 15625000);
	assert_int_equal(outcome->record_count, 100);
}

/* Received at the instant that looks like "lost". */
static void received_at_the_boundary(const struct sim_outcome *outcome)
{
	all_15625_us(outcome);
	assert_true(outcome->records[49].receive_time == 1);
	assert_true(outcome->records[48].receive_time == (owamp_ntp)0 - GRID_SLOT);
}

static void sent_at_the_boundary(const struct sim_outcome *outcome)
{
	all_15625_us(outcome);
	assert_true(outcome->records[49].send_time == 0);
	assert_true(outcome->records[48].send_time == (owamp_ntp)0 - GRID_SLOT);
}

static void test_era_boundary(void **state)
{
	(void)state;
	struct sim_script script = plain("era boundary");

	script.sessions[0][0].slots[0].interval = GRID_SLOT;
	script.sessions[0][0].path.delay_ns = 15625000;
	script.begin_ns = ERA_BOUNDARY_NS - SIM_S - 50 * INT64_C(31250000);
	run(&script, sent_at_the_boundary);
	script.begin_ns -= 15625000;
	run(&script, received_at_the_boundary);
	/* The boundary between a packet and its Timeout. */
	script.begin_ns = ERA_BOUNDARY_NS - 5 * SIM_S;
	run(&script, all_15625_us);
}

/* The last packet is due at 6 s; 3 s ahead it is 8 s, and the end, at 5 s. */
static void all_discarded_ahead(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 80, 0, 0);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_TIME], 79);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_OK], 0);
	assert_int_equal(outcome->counters.time_offset_ns, -3010 * SIM_MS);
	assert_int_equal(outcome->record_count, 80);
}

static void all_discarded_behind(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 100, 0, 0);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_TIME], 100);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_OK], 0);
	assert_int_equal(outcome->counters.time_offset_ns, 2990 * SIM_MS);
	assert_int_equal(outcome->counters.lost, 100);
	assert_int_equal(outcome->record_count, 100);
}

static void test_offset_beyond_timeout(void **state)
{
	(void)state;
	const struct clocks ahead = {.ahead_ns = 3 * SIM_S};
	const struct clocks behind = {.ahead_ns = -3 * SIM_S};
	struct sim_script script = plain("offset beyond Timeout");

	run_with(&script, &ahead, all_discarded_ahead);
	run_with(&script, &behind, all_discarded_behind);
}

static void exactly_timeout(uint32_t seq, struct sim_fate *fate)
{
	fate->copies = 1;
	fate->delay_ns[0] = 250 * SIM_MS + seq % 2;
}

static void every_other(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 100, 50, 0);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_TIME], 50);
	assert_int_equal(outcome->summary.delay_max_ns, 250 * SIM_MS);
}

static void test_delay_of_timeout(void **state)
{
	(void)state;
	struct sim_script script = plain("delay of Timeout");

	script.sessions[0][0].slots[0].interval = GRID_SLOT;
	script.sessions[0][0].timeout_ns = 250 * SIM_MS;
	script.sessions[0][0].path.fate = exactly_timeout;
	run(&script, every_other);
}

static void eleven_skipped(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 89, 89, 11);
	assert_int_equal(outcome->next_seq, 100);
	assert_int_equal(outcome->summary.delay_max_ns, 10 * SIM_MS);
	/* The receiver cannot know. */
	assert_int_equal(outcome->counters.lost, 11);
}

/* Those up to 2610 leave with less than 10 ms to go of their Timeout. */
static void many_skipped(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 499, 489, 2501);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_LATE], 10);
}

/* Packet 30 is due at 2.55 s and woken for at 5.07 s: what was due before 3.07 s, up to 40, is skipped. */
static void test_stalled_sender(void **state)
{
	(void)state;
	struct sim_script script = plain("stalled sender");
	struct sim_session_script *session = &script.sessions[0][0];

	session->stall_seq = 30;
	session->stall_ns = 2520 * SIM_MS;
	run(&script, eleven_skipped);
	/* More than are skipped in one go: from 100 on, all due within 2.5 s. */
	session->packets = 3000;
	session->slots[0].interval = (owamp_interval)ref_units(SIM_MS);
	session->stall_seq = 100;
	session->stall_ns = 3 * SIM_S + SIM_MS / 2;
	session->timeout_ns = SIM_S / 2;
	run(&script, many_skipped);
}

/* 40 had left, and arrived, at 3.02 s; 30 of them were due before 2.52 s. */
static void stopped_at_once(const struct sim_outcome *outcome)
{
	assert_int_equal(outcome->next_seq, 40);
	assert_int_equal(outcome->cut, 30);
	assert_int_equal(outcome->record_count, 30);
	assert_counts(outcome, 30, 30, 0);
}

static void stopped_and_waited(const struct sim_outcome *outcome)
{
	assert_int_equal(outcome->next_seq, 40);
	assert_int_equal(outcome->cut, 40);
	assert_int_equal(outcome->record_count, 40);
	assert_counts(outcome, 40, 40, 0);
}

static void test_stopped_early(void **state)
{
	(void)state;
	struct sim_script script = plain("stopped early");

	script.stop_ns = 3020 * SIM_MS;
	script.sessions[0][0].timeout_ns = SIM_S / 2;
	for (int host = 0; host < SIM_HOSTS; host++) {
		script.stop_host = (enum sim_host)host;
		script.settle_ns = 0;
		run(&script, stopped_at_once);
		script.settle_ns = 4 * SIM_S;
		run(&script, stopped_and_waited);
	}
}

static void last_two_lost(uint32_t seq, struct sim_fate *fate)
{
	fate->copies = seq != 20 && seq != 38 && seq != 39;
	fate->delay_ns[0] = 10 * SIM_MS;
}

/* 20 is lost for certain; of 38 and 39 nobody knows whether they were sent. */
static void kept_up_to_37(const struct sim_outcome *outcome)
{
	assert_false(outcome->stopped);
	assert_int_equal(outcome->cut, 38);
	assert_int_equal(outcome->record_count, 38);
	assert_true(outcome->counters.lost >= 2);
	assert_counts(outcome, 38, 37, 0);
}

static void test_broken_connection(void **state)
{
	(void)state;
	struct sim_script script = plain("broken connection");

	script.break_ns = 3020 * SIM_MS;
	script.sessions[0][0].timeout_ns = 20 * SIM_MS;
	script.sessions[0][0].path.fate = last_two_lost;
	run(&script, kept_up_to_37);
}

/* 0 1 2 6 7 7 8 9 9 9 3 4 5 10 */
static void out_of_order(uint32_t seq, struct sim_fate *fate)
{
	fate->copies = seq == 7 ? 2 : seq == 9 ? 3 : 1;
	fate->delay_ns[0] = 10 * SIM_MS;
	fate->delay_ns[1] = 12 * SIM_MS;
	fate->delay_ns[2] = 14 * SIM_MS;
	/* 320, 330 and 340 ms after packet 3 was due, that is after 9 and before 10. */
	if (seq >= 3 && seq <= 5)
		fate->delay_ns[0] = (int64_t)(320 - 40 * (seq - 3)) * SIM_MS;
}

/* Packet 3 comes after 4 greater ones; 4 and 5 follow a smaller one. */
static void three_reordered(const struct sim_outcome *outcome)
{
	static const uint32_t order[] = {0, 1, 2, 6, 7, 7, 8, 9, 9, 9, 3, 4, 5, 10};

	assert_counts(outcome, 11, 11, 0);
	assert_int_equal(outcome->summary.duplicates, 3);
	assert_int_equal(outcome->summary.reordered, 3);
	for (int n = 1; n <= OWAMP_REORDER_DEGREES; n++)
		assert_int_equal(outcome->summary.n_reordered[n - 1], n <= 4);
	assert_int_equal(outcome->record_count, 14);
	for (int i = 0; i < 14; i++)
		assert_int_equal(outcome->records[i].seq, order[i]);
}

static void test_duplicated_and_reordered(void **state)
{
	(void)state;
	struct sim_script script = plain("duplicated and reordered");

	script.sessions[0][0].packets = 11;
	script.sessions[0][0].path.fate = out_of_order;
	run(&script, three_reordered);
}

/* 20 to 29 arrive where there is no room, 25 is lost before; so are 50, and the last. */
static void overflowing(uint32_t seq, struct sim_fate *fate)
{
	fate->copies = seq != 25 && seq != 50;
	fate->delay_ns[0] = 10 * SIM_MS;
	fate->dropped[0] = (seq >= 20 && seq < 30) || seq == 99;
}

/* Which of the ten it was that the network lost, nobody can know: the last, for the sake of the account. */
static void nine_dropped(const struct sim_outcome *outcome)
{
	uint32_t dropped = 0;

	assert_int_equal(outcome->counters.dropped, 10);
	assert_int_equal(outcome->counters.lost, 2);
	for (uint32_t i = 0; i < outcome->record_count; i++) {
		const struct owamp_record *record = &outcome->records[i];

		dropped += record->dropped;
		assert_int_equal(record->dropped,
				 (record->seq >= 20 && record->seq < 29) || record->seq == 99);
	}
	assert_int_equal(dropped, 10);
	assert_int_equal(outcome->summary.sent, 100);
	assert_int_equal(outcome->summary.received, 88);
	/* Fetched, all of them are lost. */
	if (outcome->summary.dropped > 0) {
		assert_int_equal(outcome->summary.dropped, 10);
		assert_int_equal(outcome->summary.lost, 2);
	} else {
		assert_int_equal(outcome->summary.lost, 12);
	}
}

static void test_overflowing_socket(void **state)
{
	(void)state;
	struct sim_script script = plain("overflowing socket");

	script.sessions[0][0].path.fate = overflowing;
	run(&script, nine_dropped);
}

static void invalid(const struct sim_outcome *outcome)
{
	assert_true(outcome->contradictory);
	assert_int_equal(outcome->record_count, 0);
	assert_false(outcome->measured);
}

static void test_lying_sender(void **state)
{
	(void)state;
	struct sim_script script = plain("lying sender");

	script.sessions[0][0].lie = 1;
	run(&script, invalid);
}

static void damaged(uint32_t seq, struct sim_fate *fate)
{
	fate->copies = 1;
	fate->delay_ns[0] = 10 * SIM_MS;
	fate->damaged[0] = seq % 2;
}

static void good_ones_recorded(const struct sim_outcome *outcome)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < outcome->record_count; i++)
		good += outcome->records[i].seq % 2 == 0 && outcome->records[i].receive_time != 0;
	/* In clear an odd number can become an even one, twice in this session at the most. */
	assert_in_range(good, 50, 52);
}

static void test_damaged_packets(void **state)
{
	(void)state;
	struct sim_script script = plain("damaged packets");

	script.sessions[0][0].path.fate = damaged;
	run(&script, good_ones_recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant_path),         cmocka_unit_test(test_era_boundary),
		cmocka_unit_test(test_offset_beyond_timeout), cmocka_unit_test(test_delay_of_timeout),
		cmocka_unit_test(test_stalled_sender),        cmocka_unit_test(test_stopped_early),
		cmocka_unit_test(test_broken_connection),     cmocka_unit_test(test_duplicated_and_reordered),
		cmocka_unit_test(test_overflowing_socket),    cmocka_unit_test(test_lying_sender),
		cmocka_unit_test(test_damaged_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
