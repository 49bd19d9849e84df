/*
 * Sessions by chance: test_sim runs the first SEEDS, test_sim N one with all
 * that happens in it, test_sim N-M a range.
 */
#include "reference.h"
#include "sim.h"

#include <stdio.h>

#define SEEDS 3000

struct range {
	uint64_t first;
	uint64_t last;
	bool verbose;
	bool all; /* enough of them for each thing to have happened */
};

/* What chance brought about, so that nothing is missing without being missed. */
struct tally {
	uint64_t sessions[2]; /* from and to the server */
	uint64_t results[OWAMP_RECEIVE_RESULTS];
	uint64_t duplicates;
	uint64_t lost;
	uint64_t dropped;
	uint64_t dropped_known; /* to the client */
	uint64_t skipped;
	uint64_t reordered;
	uint64_t far_reordered; /* by 3 or more */
	uint64_t contradictory;
	uint64_t cut_short; /* of those that were stopped */
	uint64_t broken;    /* not stopped, yet something is kept */
	uint64_t measured;
};

static void count_session(struct tally *tally, const struct sim_session_script *script,
			  const struct sim_outcome *outcome)
{
	const struct owamp_receiver_counters *counters = &outcome->counters;

	if (!outcome->ended)
		return;
	tally->sessions[script->to_server]++;
	for (int i = 0; i < OWAMP_RECEIVE_RESULTS; i++)
		tally->results[i] += counters->results[i];
	tally->duplicates += counters->duplicates;
	tally->lost += counters->lost;
	tally->dropped += counters->dropped;
	tally->contradictory += outcome->contradictory;
	tally->cut_short += outcome->stopped && !outcome->contradictory && outcome->cut < script->packets;
	tally->broken += !outcome->stopped && outcome->record_count > 0;
	if (!outcome->measured)
		return;
	tally->measured++;
	tally->dropped_known += outcome->summary.dropped;
	tally->skipped += outcome->summary.skipped;
	tally->reordered += outcome->summary.reordered;
	tally->far_reordered += outcome->summary.n_reordered[2];
}

static void count_world(struct tally *tally, const struct sim_script *script, const struct sim_world *world)
{
	for (unsigned round = 0; round < script->round_count; round++) {
		for (unsigned i = 0; i < script->session_count[round]; i++)
			count_session(tally, &script->sessions[round][i], sim_outcome(world, round, i));
	}
}

static void assert_all_happened(const struct tally *tally)
{
	const uint64_t *counts = (const uint64_t *)tally;

	for (size_t i = 0; i < sizeof(*tally) / sizeof(*counts); i++)
		assert_true(counts[i] >= 40);
}

static void test_seeds(void **state)
{
	const struct range *range = *state;
	struct tally tally = {0};
	struct sim_script script;

	for (uint64_t seed = range->first; seed <= range->last; seed++) {
		struct sim_world *world;

		sim_script_random(&script, seed);
		script.verbose = range->verbose;
		world = sim_run(&script);
		count_world(&tally, &script, world);
		sim_free(world);
	}
	if (range->all)
		assert_all_happened(&tally);
}

static bool read_range(const char *text, struct range *range)
{
	char *end;

	range->first = range->last = strtoull(text, &end, 10);
	if (end != text && *end == '-') {
		text = end + 1;
		range->last = strtoull(text, &end, 10);
	} else {
		range->verbose = true;
	}
	return end != text && *end == '\0' && range->first <= range->last && range->last < UINT64_MAX;
}

int main(int argc, char **argv)
{
	struct range range = {.first = 1, .last = SEEDS, .all = argc == 1};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_seeds, &range),
	};

	if (argc > 2 || (argc == 2 && !read_range(argv[1], &range))) {
		fprintf(stderr, "usage: test_sim [SEED | FROM-TO]\n");
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
