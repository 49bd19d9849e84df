#include "clock_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND     INT64_C(1000000000)
#define BEGIN      (5000 * SECOND)
#define DRIFT_MAX  100000
#define NEVER      INT64_MAX
#define SEGMENT    SECOND
#define LEAP_NEAR  (2 * SECOND)
#define LEAP_WRONG (SECOND / 2)
#define WIND_PPB   1000.0
#define NEARLY_PPB 5000.0

/* Readings before which there are no outliers. */
#define MANY 12

/* splitmix64 */
static uint64_t next_random(struct world *world)
{
	uint64_t z = world->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

double world_chance(struct world *world, double low, double high)
{
	return low + (high - low) * (double)(next_random(world) >> 11) / 9007199254740992.0;
}

static bool one_in(struct world *world, unsigned count)
{
	return next_random(world) % count == 0;
}

/* As likely between 1 and 2 as between 1000 and 2000. */
static double magnitude(struct world *world, double low, double high)
{
	return exp(world_chance(world, log(low), log(high)));
}

static double sign(struct world *world)
{
	return one_in(world, 2) ? 1 : -1;
}

static int64_t seconds(double s)
{
	return (int64_t)(s * 1e9);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static double crystal(const struct world *world, int64_t at_ns)
{
	if (world->wander_jumps)
		return world->wander_now;
	return world->wander_ppb *
	       sin(2 * M_PI * (double)(at_ns - world->begin_ns) / (double)world->wander_ns);
}

/* How far the sources' time is ahead of UTC: a ramp from 0 to 1/2 s, from -1/2 s to 0, as the leap second is
 * inserted in the middle. */
static double smear(const struct world *world, int64_t at_ns)
{
	double from_middle = (double)(at_ns - world->smear_middle_ns) / (double)world->smear_ns;

	if (world->smear_ns == 0 || fabs(from_middle) > 0.5)
		return 0;
	return from_middle < 0 ? (from_middle + 0.5) * -1e9 : (0.5 - from_middle) * 1e9;
}

static bool is_silent(const struct world_source *source, int64_t at_ns)
{
	return at_ns >= source->silent_from_ns && at_ns < source->silent_to_ns;
}

static void choose_common(struct world *world, struct world_source *source)
{
	double most = source->error_ns > 1 ? source->error_ns - 1 : 0; /* readings are rounded to 1 ns */

	source->common_ns = source->adversarial ? sign(world) * most : world_chance(world, -most, most);
	source->seen = 0;
}

static void choose_silence(struct world *world, struct world_source *source, int64_t after_ns)
{
	double length = (double)(world->end_ns - world->begin_ns) / 1e9;

	source->silent_from_ns = NEVER;
	source->silent_to_ns = NEVER;
	if (world->steady || after_ns >= world->end_ns || one_in(world, 3))
		return;
	source->silent_from_ns = after_ns + seconds(magnitude(world, 1, length));
	source->silent_to_ns = source->silent_from_ns + seconds(magnitude(world, 1, length));
	source->silence = (enum owamp_clock_state)(next_random(world) % 3);
}

static double noise(struct world *world, struct world_source *source)
{
	if (source->seen >= MANY && source->outlier_ns > 0 && one_in(world, 20))
		return world_chance(world, -source->outlier_ns, source->outlier_ns);
	return world_chance(world, -source->noise_ns, source->noise_ns);
}

/*
 * A proportional and an integral part. A jump is for the first alone: it would
 * wind the second up, and the clock would swing beyond what it is led to, in
 * less than a round.
 */
static void steer(struct world *world, const struct world_source *source)
{
	double pull = (double)source->reading.offset_ns / ((double)source->interval_ns / 1e9);
	double most = DRIFT_MAX - WORLD_WANDER_PPB - 1;

	world->integral_ppb += 0.3 * fmax(-WIND_PPB, fmin(WIND_PPB, pull));
	world->integral_ppb = fmax(-most, fmin(most, world->integral_ppb));
	world->freq_ppb = -world->integral_ppb - 0.7 * pull;
	world->freq_ppb = fmax(-most - world->natural_ppb, fmin(most - world->natural_ppb, world->freq_ppb));
	/* adjtimex() knows whole units only. */
	world->freq_ppb = rint(world->freq_ppb);
}

static bool is_leaping(const struct world *world, int64_t at_ns)
{
	int64_t first = earlier(world->leap_ns, world->kernel_leap_ns);
	int64_t last = world->leap_ns < world->kernel_leap_ns ? world->kernel_leap_ns : world->leap_ns;

	return last != NEVER && at_ns >= first - LEAP_WRONG && at_ns <= last + LEAP_WRONG;
}

/* Around the leap second nobody knows which side of it he is on; who steers knows that, and waits. */
static double leap_error(struct world *world)
{
	return is_leaping(world, world->now_ns) ? (double)(next_random(world) % 3) * 1e9 - 1e9 : 0;
}

static void measure(struct world *world, struct world_source *source)
{
	struct clock_reading *reading = &source->reading;
	double rate = world->natural_ppb + world->freq_ppb + crystal(world, world->now_ns);

	source->next_ns += source->interval_ns;
	if (is_silent(source, world->now_ns))
		return;
	if (world->now_ns >= source->silent_to_ns) {
		if (source->silence != OWAMP_CLOCK_VALID)
			choose_common(world, source);
		source->seen = 0;
		if (source->steers) /* it goes on with what has held meanwhile, if that was no jump */
			world->integral_ppb = fmax(world->natural_ppb - NEARLY_PPB,
						   fmin(world->natural_ppb + NEARLY_PPB, -world->freq_ppb));
		choose_silence(world, source, world->now_ns);
	}
	reading->measured = true;
	reading->mono_ns = world->now_ns;
	reading->offset_ns = llrint(world->offset_ns + source->common_ns + noise(world, source) +
				    source->lie_ns - smear(world, world->now_ns) + leap_error(world));
	reading->error_ns = (int64_t)source->error_ns;
	reading->drift_ppb = source->states_drift ? llrint(ceil(fabs(rate))) + 2 * WORLD_WANDER_PPB : -1;
	if (source->steers && !is_leaping(world, world->now_ns))
		steer(world, source);
}

static void happen(struct world *world)
{
	if (world->now_ns >= world->leap_ns && !world->leap_begun) {
		world->leap_begun = true;
		world->offset_ns += 1e9;
	}
	if (world->now_ns >= world->kernel_leap_ns && !world->kernel_leapt) {
		world->kernel_leapt = true;
		world->offset_ns -= 1e9;
		world->real_less_mono_ns -= SECOND;
	}
	if (world->now_ns >= world->next_jump_ns) {
		world->wander_now = world_chance(world, -world->wander_ppb, world->wander_ppb);
		world->next_jump_ns += seconds(magnitude(world, 0.1, 10) * (double)world->wander_ns / 1e9);
	}
	for (size_t i = 0; i < world->config.count; i++) {
		if (world->now_ns >= world->sources[i].next_ns)
			measure(world, &world->sources[i]);
	}
}

static int64_t next_event(const struct world *world, int64_t until_ns)
{
	int64_t next = earlier(until_ns, world->now_ns + SEGMENT);

	next = earlier(next, world->next_jump_ns);
	if (!world->leap_begun)
		next = earlier(next, world->leap_ns);
	if (!world->kernel_leapt)
		next = earlier(next, world->kernel_leap_ns);
	for (size_t i = 0; i < world->config.count; i++)
		next = earlier(next, world->sources[i].next_ns);
	return next;
}

void world_go(struct world *world, int64_t mono_ns)
{
	while (world->now_ns < mono_ns) {
		int64_t next = next_event(world, mono_ns), length = next - world->now_ns;
		double rate =
			world->natural_ppb + world->freq_ppb + crystal(world, world->now_ns + length / 2);

		world->offset_ns += rate * (double)length / 1e9;
		world->now_ns = next;
		happen(world);
	}
}

/* What the sources have shown of their noise is forgotten. */
static void history_ends(struct world *world)
{
	for (size_t i = 0; i < world->config.count; i++) {
		world->sources[i].seen = 0;
		world->sources[i].seen_ns = world->now_ns;
	}
}

int64_t world_step(struct world *world)
{
	int64_t step_ns = llrint(sign(world) * magnitude(world, 2e3, 3e9));

	world->offset_ns += (double)step_ns;
	world->real_less_mono_ns += step_ns;
	history_ends(world);
	world->next_step_ns = one_in(world, 2) ? NEVER : world->now_ns + seconds(magnitude(world, 0.1, 100));
	return step_ns;
}

/* At most, until the next round, which is no more than 2 s from now. */
static int64_t smear_at_most(const struct world *world)
{
	double most = fmax(fabs(smear(world, world->now_ns)), fabs(smear(world, world->now_ns + 2 * SECOND)));

	if (world->smear_middle_ns >= world->now_ns && world->smear_middle_ns <= world->now_ns + 2 * SECOND)
		most = world->smear_ns > 0 ? 0.5e9 : 0;
	return (int64_t)ceil(most);
}

void world_look(struct world *world, struct select_facts *facts, struct clock_reading *readings)
{
	bool leaping = world->kernel_leap_ns != NEVER && world->now_ns >= world->kernel_leap_ns - LEAP_NEAR &&
		       world->now_ns < world->kernel_leap_ns + LEAP_NEAR;

	if ((smear_at_most(world) > 0) != world->smearing)
		history_ends(world);
	world->smearing = smear_at_most(world) > 0;
	*facts = (struct select_facts){
		.mono_ns = world->now_ns,
		.real_ns = world->now_ns + world->real_less_mono_ns,
		.real_less_mono_ns = world->real_less_mono_ns,
		.kernel = {.freq_ppb = llrint(world->freq_ppb)},
		.smear_ns = smear_at_most(world),
		.leaping = leaping,
	};
	for (size_t i = 0; i < world->config.count; i++) {
		struct world_source *source = &world->sources[i];

		if (source->reading.mono_ns > source->seen_ns && !leaping)
			source->seen++;
		if (source->reading.mono_ns > source->seen_ns)
			source->seen_ns = source->reading.mono_ns;
		readings[i] = source->reading;
		readings[i].state = source->reading.measured ? OWAMP_CLOCK_VALID : OWAMP_CLOCK_ABSENT;
		/* Until it has measured again it does not vouch. */
		if (world->now_ns >= source->silent_from_ns && source->silence != OWAMP_CLOCK_VALID)
			readings[i].state = source->silence;
		if (readings[i].state == OWAMP_CLOCK_DOUBTFUL)
			readings[i].offset_ns = llrint(world_chance(world, -1e9, 1e9));
	}
}

static void create_source(struct world *world, size_t index)
{
	static const char *const tokens[] = {OWAMP_CLOCK_PTP, OWAMP_CLOCK_GPS_PPS, OWAMP_CLOCK_SHM,
					     OWAMP_CLOCK_CHRONY};
	struct world_source *source = &world->sources[index];
	double error = magnitude(world, 50, 1e7);

	*source = (struct world_source){.token = tokens[index],
					.error_ns = error,
					.filtered = one_in(world, 3),
					.adversarial = one_in(world, 2)};
	source->interval_ns =
		seconds(magnitude(world, 0.1, world->end_ns - world->begin_ns > 300 * SECOND ? 64 : 8));
	source->states_drift = source->filtered && one_in(world, 2);
	if (!source->filtered) {
		source->noise_ns = one_in(world, 2) ? error : world_chance(world, 0, error);
		source->outlier_ns = one_in(world, 4) ? 10 * error : 0;
	}
	if (world->liars && index > 0 && (index == 1 || one_in(world, 2)))
		source->lie_ns = sign(world) * magnitude(world, 5e9, 1e12);
	source->reading = (struct clock_reading){.source = source->token, .filtered = source->filtered};
	source->next_ns =
		world->begin_ns + seconds(world_chance(world, 0, (double)source->interval_ns / 1e9));
	source->silent_from_ns = NEVER;
	source->silent_to_ns = NEVER;
	choose_silence(world, source, world->begin_ns);
	choose_common(world, source);
}

/* The first source has the smallest error of all, and is followed. */
static void create_steering(struct world *world)
{
	struct world_source *leader = &world->sources[0];
	double nearly = world->steady ? NEARLY_PPB / 20 : NEARLY_PPB;

	for (size_t i = 1; i < world->config.count; i++) {
		if (world->sources[i].error_ns < 2 * leader->error_ns)
			world->sources[i].error_ns = 2 * leader->error_ns;
	}
	if (leader->interval_ns < 2 * SECOND)
		leader->interval_ns = 2 * SECOND;
	leader->steers = true;
	leader->reading.steers = true;
	leader->outlier_ns = 0;
	leader->noise_ns = fmin(leader->noise_ns, leader->error_ns / 4);
	world->freq_ppb = rint(-world->natural_ppb + world_chance(world, -nearly, nearly));
	world->integral_ppb = -world->freq_ppb;
	world->offset_ns =
		world->steady ? -leader->common_ns : world_chance(world, -leader->error_ns, leader->error_ns);
}

/*
 * The first source's readings have all of its error in common, and the truth is
 * where they say that it may be: either the clock follows them, and is off by
 * that much, or it is further away anyway. Its errors are not small beside what
 * a crystal may do between two readings (a few times the allowance), nor beside
 * its noise: there the bound would be about them.
 */
static void create_steady(struct world *world)
{
	struct world_source *leader = &world->sources[0];

	leader->adversarial = true;
	leader->interval_ns = seconds(world_chance(world, 0.5, 3));
	leader->error_ns = magnitude(world, 4e3 * (1 + (double)leader->interval_ns / 1e9), 1e7);
	if (!leader->filtered)
		leader->noise_ns = world_chance(world, 0, leader->error_ns / 20);
	choose_common(world, leader);
	for (size_t i = 1; i < world->config.count; i++)
		world->sources[i].error_ns = fmax(world->sources[i].error_ns, 2 * leader->error_ns);
	for (size_t i = 0; i < world->config.count; i++)
		world->sources[i].outlier_ns = 0;
}

static void create_leap(struct world *world)
{
	if (one_in(world, 6)) {
		world->leap_ns = world->begin_ns + seconds(world_chance(world, 5, 60));
		world->kernel_leap_ns = world->leap_ns + seconds(world_chance(world, -0.1, 0.1));
	} else if (one_in(world, 12)) {
		world->smear_ns = seconds(magnitude(world, 1000, 86400));
		world->smear_middle_ns = world->begin_ns + seconds(world_chance(world, -0.55, 0.55) *
								   (double)world->smear_ns / 1e9);
		world->config.smear_ns = world->smear_ns;
		/* The kernel is not told of it: to UTC the clock is a second off afterwards. */
		if (world->smear_middle_ns > world->begin_ns)
			world->leap_ns = world->smear_middle_ns;
	}
}

/* Free-running, further away than the error, and farther yet with each second. */
static void create_away(struct world *world)
{
	double most = DRIFT_MAX - WORLD_WANDER_PPB - 1, side = sign(world);

	world->offset_ns = side * fmax(fabs(world->offset_ns), 2 * world->sources[0].error_ns);
	world->natural_ppb = side * fmin(fabs(world->natural_ppb) + WORLD_WANDER_PPB, most);
}

void world_create(struct world *world, uint64_t seed)
{
	bool is_long;

	*world = (struct world){.random = seed, .begin_ns = BEGIN, .now_ns = BEGIN};
	is_long = one_in(world, 40);
	world->steady = !is_long && one_in(world, 4);
	world->liars = !world->steady && one_in(world, 8);
	world->end_ns =
		BEGIN + seconds(is_long ? world_chance(world, 600, 1500) : world_chance(world, 20, 110));
	world->config.count = 1 + next_random(world) % WORLD_SOURCES;
	if (world->liars && world->config.count < 2)
		world->config.count = 2;
	world->config.drift_max_ppb = DRIFT_MAX;
	world->config.holdover_ns = llrint(magnitude(world, 1e4, 1e8));
	world->config.holdover_time_ns = seed % 4 == 0 ? seconds(7) : OWAMP_CLOCK_HOLDOVER_TIME_NS;
	world->leap_ns = world->kernel_leap_ns = NEVER;
	world->natural_ppb = world_chance(world, -1, 1) * (DRIFT_MAX - WORLD_WANDER_PPB - 1);
	world->wander_ppb = one_in(world, 4) ? 0 : world_chance(world, 0, WORLD_WANDER_PPB);
	world->wander_ns = seconds(magnitude(world, 20, 5000));
	world->wander_jumps = one_in(world, 3);
	world->next_jump_ns = world->wander_jumps ? BEGIN : NEVER;
	world->next_step_ns = NEVER;
	world->real_less_mono_ns = 1000000 * SECOND;
	for (size_t i = 0; i < world->config.count; i++) {
		(void)snprintf(world->config.sources[i].name, sizeof world->config.sources[i].name, "%zu", i);
		create_source(world, i);
	}
	world->offset_ns = sign(world) * magnitude(world, 1, 2e9);
	if (world->steady)
		create_steady(world);
	else if (one_in(world, 3))
		world->next_step_ns = BEGIN + seconds(magnitude(world, 0.1, 100));
	if (!world->steady)
		create_leap(world);
	if (!one_in(world, 3))
		create_steering(world);
	else if (world->steady)
		create_away(world);
}
