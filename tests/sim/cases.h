/*
 * A script of one session whose outcome is known beforehand, in each mode and
 * direction. The control connection is immediate: packet k is due 1 s + (k + 1)
 * times 50 ms after the beginning.
 */
#ifndef SIM_CASES_H
#define SIM_CASES_H

#include "reference.h"
#include "sim.h"

/* Looks at what came of the script's only session. */
typedef void case_check(const struct sim_outcome *outcome);

struct clocks {
	int64_t ahead_ns; /* the receiver's */
	int64_t step_after_ns;
	int64_t receiver_by_ns;
	int64_t sender_by_ns;
};

static inline struct sim_script plain(const char *name)
{
	struct sim_script script;

	sim_script_plain(&script, name);
	script.latency_ns = 0;
	return script;
}

static inline void run_with(struct sim_script *script, const struct clocks *clocks, case_check *check)
{
	static const uint32_t modes[] = {OWAMP_MODE_OPEN, OWAMP_MODE_AUTHENTICATED, OWAMP_MODE_ENCRYPTED};

	for (int i = 0; i < 6; i++) {
		enum sim_host receiver = i % 2 ? SIM_SERVER : SIM_CLIENT;
		enum sim_host sender = i % 2 ? SIM_CLIENT : SIM_SERVER;
		struct sim_world *world;

		script->seed = (uint64_t)i;
		script->mode = modes[i / 2];
		script->sessions[0][0].to_server = receiver == SIM_SERVER;
		script->offset_ns[SIM_CLIENT] = script->offset_ns[SIM_SERVER] = 0;
		script->offset_ns[receiver] = clocks->ahead_ns;
		script->step_count = 2;
		script->steps[0] = (struct sim_step){clocks->step_after_ns, receiver, clocks->receiver_by_ns};
		script->steps[1] = (struct sim_step){clocks->step_after_ns, sender, clocks->sender_by_ns};
		world = sim_run(script);
		check(sim_outcome(world, 0, 0));
		sim_free(world);
	}
}

static inline void run(struct sim_script *script, case_check *check)
{
	const struct clocks right = {0};

	run_with(script, &right, check);
}

static inline int64_t percentile(const struct sim_outcome *outcome, double percent)
{
	int64_t delay_ns;

	assert_int_equal(owamp_stats_percentile(outcome->stats, percent, &delay_ns), 0);
	return delay_ns;
}

static inline void assert_counts(const struct sim_outcome *outcome, uint32_t sent, uint32_t received,
				 uint32_t skipped)
{
	assert_true(outcome->measured);
	assert_int_equal(outcome->summary.sent, sent);
	assert_int_equal(outcome->summary.received, received);
	assert_int_equal(outcome->summary.lost, sent - received);
	assert_int_equal(outcome->summary.skipped, skipped);
}

#endif
