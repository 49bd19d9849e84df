/*
 * A clock, what is done to it, and sources that measure it, out of one seed: a
 * world in which the truth is known, for the selection to bound.
 *
 * What it keeps to, because nobody could bound a clock that does not:
 *   - the clock is never off by more than drift_max in frequency, steered or
 *     not, and the crystal's wander stays within WORLD_WANDER_PPB either way of
 *     its mean: two moments differ by less than the allowance for the oscillator;
 *   - what all readings of a source have in common is at most its error, and
 *     constant until it falls silent; noise is at most as much again until
 *     a dozen readings have shown how large it is, when rare outliers begin;
 *   - who steers follows the source with the smallest error, whose noise is a
 *     quarter of it at most, begins with a frequency that is nearly right, and
 *     does something about it no more often than every 2 s.
 *     A program that drives the clock away from UTC is noticed at the next
 *     round, not before.
 */
#ifndef CLOCK_WORLD_H
#define CLOCK_WORLD_H

#include "clock/select.h"

#define WORLD_SOURCES    4
#define WORLD_WANDER_PPB 490

struct world_source {
	/* Fixed. */
	const char *token;
	double error_ns;
	double noise_ns;
	double outlier_ns; /* 0: none */
	double lie_ns;     /* added to what it says; 0: it tells the truth */
	int64_t interval_ns;
	bool filtered;
	bool states_drift;
	bool steers;
	bool adversarial; /* what its readings have in common is all of its error */
	/* Now. */
	double common_ns;
	int64_t next_ns;
	int64_t silent_from_ns;
	int64_t silent_to_ns;
	enum owamp_clock_state silence; /* VALID: it does not measure, and does not know */
	unsigned seen;                  /* readings that rounds saw since it came (back), or since a step */
	int64_t seen_ns;
	struct clock_reading reading;
};

struct world {
	uint64_t random;
	int64_t now_ns; /* CLOCK_MONOTONIC */
	int64_t begin_ns;
	int64_t end_ns;
	double offset_ns; /* the truth */
	double natural_ppb;
	double freq_ppb; /* the correction in force */
	double integral_ppb;
	/* The crystal: a wave, or jumps. */
	double wander_ppb;
	int64_t wander_ns; /* period; of jumps, on average */
	bool wander_jumps;
	double wander_now;
	int64_t next_jump_ns;
	/* A leap second, if any, and when the kernel does it. */
	int64_t leap_ns;
	int64_t kernel_leap_ns;
	bool leap_begun;
	bool kernel_leapt;
	/* Smearing: s of the leap second's surroundings, if any. */
	int64_t smear_ns;
	int64_t smear_middle_ns;
	bool smearing; /* when it was last looked at */
	/* Nothing ever happens, and the truth is known to be as far out as it can be. */
	bool steady;
	bool liars;
	struct owamp_clock_config config;
	struct world_source sources[WORLD_SOURCES];
	int64_t next_step_ns; /* INT64_MAX: no more */
	int64_t real_less_mono_ns;
};

void world_create(struct world *world, uint64_t seed);

/* On to a time; steps are the caller's. */
void world_go(struct world *world, int64_t mono_ns);

/* The clock is set; returns by how much. */
int64_t world_step(struct world *world);

void world_look(struct world *world, struct select_facts *facts, struct clock_reading *readings);

double world_chance(struct world *world, double low, double high);

#endif
