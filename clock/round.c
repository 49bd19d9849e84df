/* What the clock's thread does once a second: asks everybody, weighs it, and says what came of it. */
#include "clock_internal.h"

#include <stdlib.h>

#include <owamp/engine.h>

#define SECOND_NS INT64_C(1000000000)

/* Stamps of a leap second's surroundings are ambiguous; rounds are a second apart. */
#define LEAPING_NS (2 * SECOND_NS)
#define DAY_S      86400

/* Between two looks at whether the file of leap seconds has changed. */
#define LEAP_FILE_NS (60 * SECOND_NS)

/* A round in which the clock was set is begun anew, but not for ever. */
#define ROUND_TRIES 5

/*
 * After the snapshot: whoever finds the clock where it should be must not find
 * what was said before it was set. The larger error holds for either shift.
 */
static void publish_shift(struct owamp_clock *clock)
{
	if (clock->offsets.uncertainty_ns > clock->shift_error_ns)
		clock->shift_error_ns = clock->offsets.uncertainty_ns;
	clock->shift_ns = clock->offsets.real_less_mono_ns;
	clock->leap_shift_ns = clock->offsets.real_less_mono_ns + clock->leap_move_ns;
	clock->shift_error_ns = clock->offsets.uncertainty_ns;
}

static void publish(struct owamp_clock *clock)
{
	struct owamp_clock_snapshot snapshot;

	select_snapshot(clock->select, &snapshot);
	snapshot.real_less_mono_ns = clock->offsets.real_less_mono_ns;
	latch_write(&clock->latch, &snapshot, sizeof snapshot);
	publish_shift(clock);
	pthread_mutex_lock(&clock->lock);
	select_status(clock->select, &clock->status);
	clock->status.snapshot.real_less_mono_ns = snapshot.real_less_mono_ns;
	pthread_mutex_unlock(&clock->lock);
}

static void forget_history(struct owamp_clock *clock)
{
	for (size_t i = 0; i < clock->source_count; i++) {
		if (clock->sources[i].ops->stepped)
			clock->sources[i].ops->stepped(clock->sources[i].self);
	}
	clock->hurry = CLOCK_HURRY_ROUNDS;
}

/* As long as nothing is set the offsets are the same: the closest reading of them is the best. */
static bool says_more(const struct step_reading *before, const struct step_reading *now)
{
	return now->uncertainty_ns < before->uncertainty_ns ||
	       llabs(now->tai_less_mono_ns - before->tai_less_mono_ns) > SECOND_NS / 2;
}

enum step_kind clock_look_for_step(struct owamp_clock *clock, struct step_reading *now)
{
	int64_t step_ns = 0;
	enum step_kind kind;

	step_read(now);
	kind = step_judge(&clock->offsets, now, &step_ns);
	if (kind != STEP_NONE || says_more(&clock->offsets, now))
		clock->offsets = *now;
	now->real_less_mono_ns = clock->offsets.real_less_mono_ns;
	if (kind == STEP_NONE)
		return kind;
	clock->leap_move_ns = kind == STEP_LEAP ? -step_ns : 0;
	if (kind == STEP_LEAP)
		clock->leap_mono = now->mono_ns;
	else
		select_stepped(clock->select, now->mono_ns, step_ns);
	publish(clock);
	if (kind != STEP_LEAP)
		forget_history(clock);
	return kind;
}

/* The kernel's word, or else a source's: some daemons keep a leap second from the kernel. */
static int32_t announced(const struct owamp_clock *clock, int32_t kernel)
{
	struct owamp_clock_snapshot snapshot;

	if (kernel != 0)
		return kernel;
	select_snapshot(clock->select, &snapshot);
	return snapshot.leap;
}

/* One that the kernel does not do goes by without a step: it is over two seconds after midnight as well. */
static bool is_leaping(struct owamp_clock *clock, const struct step_reading *now, int32_t leap)
{
	int64_t to_midnight = DAY_S * SECOND_NS - now->real_ns % (DAY_S * SECOND_NS);

	if (clock->leap_mono && now->mono_ns - clock->leap_mono < LEAPING_NS)
		return true;
	if (leap == 0 || to_midnight >= LEAPING_NS)
		return false;
	clock->leap_mono = now->mono_ns + to_midnight;
	return true;
}

/* tzdata is renewed twice a year, and nobody starts anew for that. */
static void reread_leap_seconds(struct owamp_clock *clock, int64_t mono_ns)
{
	if (!clock->config.leap_file[0] || mono_ns - clock->leap_looked_mono < LEAP_FILE_NS)
		return;
	clock->leap_looked_mono = mono_ns;
	leap_reload(&clock->leap, clock->config.leap_file, &clock->leap_stamp);
}

static void ask_kernel(struct owamp_clock *clock, const struct step_reading *now, struct select_facts *facts)
{
	*facts = (struct select_facts){
		.mono_ns = now->mono_ns,
		.real_ns = now->real_ns,
		.real_less_mono_ns = now->real_less_mono_ns,
	};
	(void)clock_kernel_facts(&facts->kernel);
	reread_leap_seconds(clock, now->mono_ns);
	facts->leaping = is_leaping(clock, now, announced(clock, facts->kernel.leap));
	/* With the second that is added to the bound meanwhile, a stamp may be of before or after. */
	if (!facts->leaping)
		clock->leap_move_ns = 0;
	else if (now->mono_ns < clock->leap_mono)
		clock->leap_move_ns = -facts->kernel.leap * SECOND_NS;
	facts->smear_unknown = clock->config.smear_ns > 0 &&
			       !leap_smear_is_known(&clock->leap, clock->config.smear_ns, now->real_ns);
	facts->smear_ns = leap_smear_most(&clock->leap, clock->config.smear_ns, now->real_ns);
	if (facts->kernel.tai_utc == 0)
		facts->kernel.tai_utc = leap_tai_utc(&clock->leap, now->real_ns);
}

/* What the sources say, all of it since the clock was last set. */
void clock_sample(struct owamp_clock *clock)
{
	struct clock_reading readings[OWAMP_CLOCK_SOURCES_MAX];
	struct step_reading now;
	struct select_facts facts;
	int64_t begun_mono;
	int tries = 0;

	(void)clock_look_for_step(clock, &now);
	do {
		ask_kernel(clock, &now, &facts);
		begun_mono = now.mono_ns;
		for (size_t i = 0; i < clock->source_count; i++) {
			struct clock_now look = {
				.tai_utc = facts.kernel.tai_utc,
				.leap_file_tai_utc = leap_tai_utc(&clock->leap, now.real_ns),
			};

			look.mono_ns = owamp_mono_ns();
			look.real_ns = look.mono_ns + now.real_less_mono_ns;
			readings[i] = (struct clock_reading){.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
			clock->sources[i].ops->sample(clock->sources[i].self, &look, &readings[i]);
		}
	} while (clock_look_for_step(clock, &now) != STEP_NONE && ++tries < ROUND_TRIES);
	facts.mono_ns = now.mono_ns;
	facts.took_ns = now.mono_ns - begun_mono;
	facts.real_ns = now.real_ns;
	facts.real_less_mono_ns = now.real_less_mono_ns;
	select_round(clock->select, &facts, readings);
	publish(clock);
	clock->rounds++;
}
