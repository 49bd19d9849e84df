/*
 * Over worlds that chance makes: what is stated of the clock is true.
 *
 * Each seed is one world; a failure prints its seed, and OWAMP_CLOCK_SEED=N
 * runs that one alone and tells what happens in it.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock_world.h"

#define CASES       12000
#define FIRST_SEED  1
#define SECOND      INT64_C(1000000000)
#define MINUTE      60
#define QUIET_AFTER 10 /* rounds, as select.h has it */

struct run {
	struct world world;
	struct select *select;
	struct owamp_clock_snapshot snapshot;
	struct select_facts facts;
	struct clock_reading readings[WORLD_SOURCES];
	uint64_t seed;
	bool verbose;
	/* The largest true error in each of the last seconds. */
	double worst[MINUTE];
	int64_t worst_second[MINUTE];
	unsigned contradicted; /* rounds in which a liar and an honest one were valid, of late */
	/* What the worlds held, so that none of it is missing. */
	struct tally {
		uint64_t rounds, looks, synchronized, steady, disagreements, steps, holdovers, leaps, smears;
		double ratio;
	} * tally;
};

static void print_source(const struct world *world, size_t index,
			 const struct owamp_clock_source_status *status)
{
	const struct world_source *source = &world->sources[index];

	print_error("%zu: in common %.0f of %.0f, noise %.0f, outliers %.0f, lie %.0f, every %.3f s%s%s; %s: "
		    "%" PRId64 " +-%" PRId64 ", %" PRId64 " ppb, %.3f s old; %s\n",
		    index, source->common_ns, source->error_ns, source->noise_ns, source->outlier_ns,
		    source->lie_ns, (double)source->interval_ns / 1e9, source->filtered ? ", filtered" : "",
		    source->steers ? ", steers" : "", owamp_clock_state_name(status->state),
		    status->offset_ns, status->error_ns, status->drift_ppb, (double)status->age_ns / 1e9,
		    status->text);
}

static void fail_run(const struct run *run, const char *what)
{
	const struct world *world = &run->world;
	struct owamp_clock_status status;

	print_error("seed %" PRIu64 ", %.3f s: %s\n", run->seed,
		    (double)(world->now_ns - world->begin_ns) / 1e9, what);
	print_error("offset %.1f, bound %" PRId64 " (%s, S=%d, %" PRId64 " at %.3f s, %" PRId64 " ppb)\n",
		    world->offset_ns, owamp_clock_bound(&run->snapshot, world->now_ns), run->snapshot.source,
		    run->snapshot.synchronized, run->snapshot.bound_ns,
		    (double)(run->snapshot.sampled_at_mono - world->begin_ns) / 1e9, run->snapshot.drift_ppb);
	select_status(run->select, &status);
	for (size_t i = 0; i < status.count; i++)
		print_source(world, i, &status.sources[i]);
	fail();
}

static double worst_of_minute(struct run *run)
{
	int64_t second = run->world.now_ns / SECOND;
	double worst = 0;

	if (run->worst_second[second % MINUTE] != second) {
		run->worst_second[second % MINUTE] = second;
		run->worst[second % MINUTE] = 0;
	}
	run->worst[second % MINUTE] = fmax(run->worst[second % MINUTE], fabs(run->world.offset_ns));
	for (int i = 0; i < MINUTE; i++) {
		if (second - run->worst_second[i] < MINUTE)
			worst = fmax(worst, run->worst[i]);
	}
	return worst;
}

/*
 * Steady state: a world in which nothing but steering, wander and noise has
 * happened for a minute, whose source has all of its error in each reading (see
 * clock_world.c). The truth then really was as far out within that minute as
 * its largest error tells, and the bound may be three times that.
 */
static void check_tightness(struct run *run)
{
	struct world *world = &run->world;
	double worst = worst_of_minute(run), ratio;

	if (!world->steady || world->now_ns < world->begin_ns + (MINUTE + 5) * SECOND)
		return;
	ratio = (double)owamp_clock_bound(&run->snapshot, world->now_ns) / worst;
	run->tally->steady++;
	run->tally->ratio = fmax(run->tally->ratio, ratio);
	if (ratio > 3)
		fail_run(run, "the bound is more than three times what the truth was in the last minute");
}

/* At any time. */
static void check(struct run *run)
{
	const struct world *world = &run->world;
	bool true_bound = (double)owamp_clock_bound(&run->snapshot, world->now_ns) >= fabs(world->offset_ns);

	run->tally->looks++;
	if (run->verbose)
		printf("%9.3f %15.1f %15" PRId64 " %s%s\n", (double)(world->now_ns - world->begin_ns) / 1e9,
		       world->offset_ns, owamp_clock_bound(&run->snapshot, world->now_ns),
		       run->snapshot.source, run->snapshot.synchronized ? " S" : "");
	if (world->liars)
		return;
	if (!true_bound)
		fail_run(run, run->snapshot.synchronized ? "S, and the bound is not true"
							 : "the bound is not true");
	if (run->snapshot.disagreement)
		fail_run(run, "nobody lies, and there is a disagreement");
	check_tightness(run);
}

static bool is_confirmed(const struct world *world, const struct owamp_clock_source_status *status)
{
	return status->state == OWAMP_CLOCK_VALID && !strstr(status->text, "to be confirmed") &&
	       world->config.count > 1;
}

/*
 * Whoever says what is seconds off, while somebody says what is right, ends S
 * and raises the alarm, for that round and nine more; and the bound is then
 * that of the one furthest out, so it is true as well. If he has fallen silent
 * it is as if he had said nothing.
 */
static void check_liars(struct run *run)
{
	struct world *world = &run->world;
	struct owamp_clock_status status;
	bool liar = false, honest = false, remembered = false;

	if (!world->liars)
		return;
	select_status(run->select, &status);
	for (size_t i = 0; i < world->config.count; i++) {
		if (status.sources[i].state == OWAMP_CLOCK_HOLDOVER && world->sources[i].lie_ns != 0)
			remembered = true;
		if (!is_confirmed(world, &status.sources[i]))
			continue;
		if (world->sources[i].lie_ns != 0)
			liar = true;
		else
			honest = true;
	}
	if (remembered && honest)
		fail_run(run, "a lie outlives its liar");
	if (liar && honest) {
		run->contradicted = QUIET_AFTER;
		run->tally->disagreements++;
		if ((double)owamp_clock_bound(&run->snapshot, world->now_ns) < fabs(world->offset_ns))
			fail_run(run, "all bounds are wrong");
		if (status.alarm[0] == '\0')
			fail_run(run, "there is no alarm");
	} else if (run->contradicted > 0) {
		run->contradicted--;
	}
	if (run->contradicted > 0 && (!run->snapshot.disagreement || run->snapshot.synchronized))
		fail_run(run, "a lie goes unnoticed");
}

static void count_round(struct run *run)
{
	struct tally *tally = run->tally;
	struct owamp_clock_status status;

	tally->rounds++;
	tally->synchronized += run->snapshot.synchronized;
	tally->leaps += run->facts.leaping;
	tally->smears += run->facts.smear_ns > 0;
	if (tally->rounds % 16 == 0) {
		select_status(run->select, &status);
		tally->holdovers += status.holdover;
	}
}

static void take_round(struct run *run)
{
	world_look(&run->world, &run->facts, run->readings);
	select_round(run->select, &run->facts, run->readings);
	select_snapshot(run->select, &run->snapshot);
	count_round(run);
	check(run);
	check_liars(run);
}

static void take_step(struct run *run)
{
	int64_t step_ns = world_step(&run->world);

	select_stepped(run->select, run->world.now_ns, step_ns);
	select_snapshot(run->select, &run->snapshot);
	run->tally->steps++;
	if (run->snapshot.synchronized)
		fail_run(run, "S at once after a step");
	check(run);
}

/* With a look at a random moment or two on the way. */
static void pass(struct run *run, int64_t until_ns)
{
	while (run->world.now_ns < until_ns) {
		int64_t left = until_ns - run->world.now_ns;
		int64_t next = run->world.now_ns + (int64_t)world_chance(&run->world, 1, 1.5 * (double)left);

		world_go(&run->world, next < until_ns ? next : until_ns);
		check(run);
	}
}

static void run_world(struct run *run)
{
	struct world *world = &run->world;

	while (world->now_ns < world->end_ns) {
		int64_t round_ns =
			world->now_ns +
			(int64_t)(world_chance(world, 0, 1) < 0.05 ? world_chance(world, 0.1e9, 1.8e9) : 1e9);

		while (world->next_step_ns < round_ns) {
			pass(run, world->next_step_ns);
			take_step(run);
			/* The thread looks at once. */
			if (world_chance(world, 0, 1) < 0.8)
				take_round(run);
		}
		pass(run, round_ns);
		take_round(run);
	}
}

static void run_seed(uint64_t seed, bool verbose, struct tally *tally)
{
	struct run run = {.seed = seed, .verbose = verbose, .tally = tally};

	world_create(&run.world, seed);
	assert_int_equal(select_new(&run.select, &run.world.config), 0);
	select_snapshot(run.select, &run.snapshot);
	take_round(&run);
	run_world(&run);
	select_free(run.select);
}

static void the_stated_bound_is_true_and_not_too_large(void **state)
{
	const char *one = getenv("OWAMP_CLOCK_SEED");
	struct tally tally = {.rounds = 0};

	(void)state;
	if (one) {
		(void)setvbuf(stdout, NULL, _IOLBF, 0);
		run_seed(strtoull(one, NULL, 10), true, &tally);
		return;
	}
	for (uint64_t seed = FIRST_SEED; seed < FIRST_SEED + CASES; seed++)
		run_seed(seed, false, &tally);
	print_message("%d worlds, %" PRIu64 " rounds (%" PRIu64 " synchronized), %" PRIu64
		      " looks; steady: %" PRIu64 " looks, at most %.2f times the truth; %" PRIu64
		      " rounds with a contradiction, %" PRIu64 " steps, %" PRIu64
		      " rounds of leap seconds, %" PRIu64 " of smearing\n",
		      CASES, tally.rounds, tally.synchronized, tally.looks, tally.steady, tally.ratio,
		      tally.disagreements, tally.steps, tally.leaps, tally.smears);
	assert_true(tally.synchronized > tally.rounds / 2);
	assert_true(tally.steady > 10000);
	assert_true(tally.disagreements > 1000);
	assert_true(tally.steps > 1000);
	assert_true(tally.holdovers > 1000);
	assert_true(tally.leaps > 1000);
	assert_true(tally.smears > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stated_bound_is_true_and_not_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
