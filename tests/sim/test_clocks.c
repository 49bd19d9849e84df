/* The clock of one host, or of both, is set while a session is under way. */
#include "cases.h"

/*
 * The step is at 3.02 s; packet 39 arrives at 3.01 s. Of a schedule that does not
 * step the last packet, if there are 200, is due at 11 s, or 6 s if there are 100.
 * The end is when it was looked for just after its Timeout.
 */
static void assert_ends(const struct sim_outcome *outcome, int64_t after_ns)
{
	assert_true(outcome->complete_ns > after_ns);
	assert_true(outcome->complete_ns <= after_ns + 3 * SIM_MS);
}

static void none_lost(const struct sim_outcome *outcome, uint32_t packets)
{
	assert_counts(outcome, packets, packets, 0);
	assert_int_equal(outcome->next_seq, packets);
	assert_int_equal(outcome->cut, packets);
	assert_int_equal(outcome->record_count, packets);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_OK], packets);
	assert_int_equal(outcome->counters.lost, 0);
	for (uint32_t seq = 0; seq < packets; seq++)
		assert_int_equal(outcome->records[seq].seq, seq);
}

static void all_200_after_a_step_ahead(const struct sim_outcome *outcome)
{
	none_lost(outcome, 200);
	assert_ends(outcome, 13 * SIM_S);
	assert_int_equal(percentile(outcome, 20), 10 * SIM_MS);
	assert_int_equal(percentile(outcome, 20.5), 5010 * SIM_MS);
	assert_int_equal(percentile(outcome, 100), 5010 * SIM_MS);
}

static void all_200_after_a_step_back(const struct sim_outcome *outcome)
{
	none_lost(outcome, 200);
	assert_ends(outcome, 13 * SIM_S);
	assert_int_equal(outcome->summary.delay_min_ns, -4990 * SIM_MS);
	assert_int_equal(percentile(outcome, 80), -4990 * SIM_MS);
	assert_int_equal(percentile(outcome, 80.5), 10 * SIM_MS);
	assert_int_equal(percentile(outcome, 100), 10 * SIM_MS);
}

static void recorded_after_a_step_ahead(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_int_equal(percentile(outcome, 40), 10 * SIM_MS);
	assert_int_equal(percentile(outcome, 41), 5010 * SIM_MS);
	assert_int_equal(percentile(outcome, 100), 5010 * SIM_MS);
	assert_int_equal(outcome->summary.ipdv_max_ns, 5 * SIM_S);
}

static void recorded_after_a_step_back(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_int_equal(outcome->summary.delay_min_ns, -4990 * SIM_MS);
	assert_int_equal(percentile(outcome, 60), -4990 * SIM_MS);
	assert_int_equal(percentile(outcome, 61), 10 * SIM_MS);
}

/* Stopped at 8.08 s, when the receiver's clock shows 3.08 s: yet all were due more than 2 s before. */
static void all_of_100(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
}

/* The receiver's clock. */
static void test_clock_step(void **state)
{
	(void)state;
	const struct clocks ahead = {.step_after_ns = 3020 * SIM_MS, .receiver_by_ns = 5 * SIM_S};
	const struct clocks back = {.step_after_ns = 3020 * SIM_MS, .receiver_by_ns = -5 * SIM_S};
	struct sim_script script = plain("clock step");

	script.settle_ns = 10 * SIM_S;
	script.sessions[0][0].packets = 200;
	run_with(&script, &ahead, all_200_after_a_step_ahead);
	run_with(&script, &back, all_200_after_a_step_back);
	script.sessions[0][0].packets = 100;
	script.sessions[0][0].timeout_ns = 10 * SIM_S;
	run_with(&script, &ahead, recorded_after_a_step_ahead);
	run_with(&script, &back, recorded_after_a_step_back);
	/* Without the patience to wait for a clock that is behind. */
	script.settle_ns = 0;
	script.end_delay_ns = 80 * SIM_MS;
	script.sessions[0][0].timeout_ns = 2 * SIM_S;
	run_with(&script, &back, all_of_100);
}

/* 5 s is more than Timeout: section 4.2. But they leave when they should, and it ends when it should. */
static void discarded_after_a_step(const struct sim_outcome *outcome, int64_t time_offset_ns)
{
	assert_counts(outcome, 200, 40, 0);
	assert_ends(outcome, 13 * SIM_S);
	assert_int_equal(outcome->next_seq, 200);
	assert_int_equal(percentile(outcome, 100), 10 * SIM_MS);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_TIME], 160);
	assert_int_equal(outcome->counters.time_offset_ns, time_offset_ns);
}

static void discarded_after_a_step_ahead(const struct sim_outcome *outcome)
{
	discarded_after_a_step(outcome, 4990 * SIM_MS);
}

static void discarded_after_a_step_back(const struct sim_outcome *outcome)
{
	discarded_after_a_step(outcome, -5010 * SIM_MS);
}

static void test_sender_step(void **state)
{
	(void)state;
	const struct clocks ahead = {.step_after_ns = 3020 * SIM_MS, .sender_by_ns = 5 * SIM_S};
	const struct clocks back = {.step_after_ns = 3020 * SIM_MS, .sender_by_ns = -5 * SIM_S};
	struct sim_script script = plain("step of the sender");

	script.settle_ns = 10 * SIM_S;
	script.sessions[0][0].packets = 200;
	run_with(&script, &ahead, discarded_after_a_step_ahead);
	run_with(&script, &back, discarded_after_a_step_back);
	/* Delays are the other way round. */
	script.sessions[0][0].packets = 100;
	script.sessions[0][0].timeout_ns = 10 * SIM_S;
	run_with(&script, &ahead, recorded_after_a_step_back);
	run_with(&script, &back, recorded_after_a_step_ahead);
}

static void all_10_ms(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_ends(outcome, 6500 * SIM_MS);
	assert_int_equal(outcome->summary.delay_min_ns, 10 * SIM_MS);
	assert_int_equal(outcome->summary.delay_max_ns, 10 * SIM_MS);
}

/* Packet 39 is on its way. */
static void one_second_less(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_ends(outcome, 6500 * SIM_MS);
	assert_int_equal(outcome->summary.delay_min_ns, -990 * SIM_MS);
	assert_int_equal(percentile(outcome, 2), 10 * SIM_MS);
	assert_int_equal(outcome->summary.delay_max_ns, 10 * SIM_MS);
}

static void one_second_more(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_ends(outcome, 6500 * SIM_MS);
	assert_int_equal(outcome->summary.delay_min_ns, 10 * SIM_MS);
	assert_int_equal(percentile(outcome, 99), 10 * SIM_MS);
	assert_int_equal(outcome->summary.delay_max_ns, 1010 * SIM_MS);
}

/* Both clocks; a Timeout of less than a second does not make it a loss. */
static void test_leap_second(void **state)
{
	(void)state;
	struct clocks inserted = {.receiver_by_ns = -SIM_S, .sender_by_ns = -SIM_S};
	struct clocks deleted = {.receiver_by_ns = SIM_S, .sender_by_ns = SIM_S};
	struct sim_script script = plain("leap second");

	script.sessions[0][0].timeout_ns = SIM_S / 2;
	inserted.step_after_ns = deleted.step_after_ns = 3020 * SIM_MS;
	run_with(&script, &inserted, all_10_ms);
	run_with(&script, &deleted, all_10_ms);
	inserted.step_after_ns = deleted.step_after_ns = 3005 * SIM_MS;
	run_with(&script, &inserted, one_second_less);
	run_with(&script, &deleted, one_second_more);
}

/* A receiver 5 s behind is set right before the first packet comes: as if it had always been. */
static void corrected(const struct sim_outcome *outcome)
{
	none_lost(outcome, 100);
	assert_ends(outcome, 8 * SIM_S);
	assert_int_equal(percentile(outcome, 100), 10 * SIM_MS);
}

/* Or ahead: by then it shows 5.5 s, and what was due before 3.5 s, up to packet 48, is given up. */
static void corrected_late(const struct sim_outcome *outcome)
{
	assert_counts(outcome, 100, 51, 0);
	assert_ends(outcome, 8 * SIM_S);
	assert_int_equal(outcome->counters.results[OWAMP_RECEIVE_LATE], 49);
}

/* The client's clock makes the schedule; the server's is wrong. */
static void test_corrected(void **state)
{
	(void)state;
	for (int ahead = 0; ahead < 2; ahead++) {
		struct sim_script script = plain("corrected");
		int64_t off_ns = ahead ? 5 * SIM_S : -5 * SIM_S;
		struct sim_world *world;

		script.settle_ns = 10 * SIM_S;
		script.sessions[0][0].to_server = true;
		script.offset_ns[SIM_SERVER] = off_ns;
		script.step_count = 1;
		script.steps[0] = (struct sim_step){500 * SIM_MS, SIM_SERVER, -off_ns};
		world = sim_run(&script);
		(ahead ? corrected_late : corrected)(sim_outcome(world, 0, 0));
		sim_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_step),
		cmocka_unit_test(test_sender_step),
		cmocka_unit_test(test_leap_second),
		cmocka_unit_test(test_corrected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
