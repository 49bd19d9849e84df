/* The parts of the selection, for each other. */
#ifndef CLOCK_SELECT_PARTS_H
#define CLOCK_SELECT_PARTS_H

#include "interval.h"
#include "select.h"
#include "track.h"

#define SELECT_NOBODY SIZE_MAX

/* Measurements after a step until a source vouches again: one could still be of the time before. */
#define SELECT_CONFIRMATIONS 2

struct member {
	struct clock_reading reading; /* of the last round */
	struct track track;           /* of valid readings */
	bool broken;                  /* what comes next does not continue what is in track */
	bool valid;                   /* vouches, by a measurement since the last step */
	bool holdover;                /* its last word vouches */
	unsigned confirmations;       /* measurements since the last step */
	int64_t smear_ns;             /* that its latest measurement may be off for it */
	struct interval interval;     /* what track says, if it has anything */
	int64_t bound_ns;             /* of interval, at the last round */
	int64_t limit_ns;             /* of bound_ns, in holdover */
	int64_t valid_mono;           /* the last round in which it was valid */
	size_t refuted_by;            /* the valid source that ended its holdover; else SELECT_NOBODY */
	/* Rounds in a row, up to now. */
	unsigned better; /* than the used one, by a good part */
	unsigned equal;  /* to the used one or better */
};

/* conflict.c: who contradicts whom. */

/* Rounds without a contradiction that end one. */
#define CONFLICT_ROUNDS 10

struct conflict {
	uint8_t left[OWAMP_CLOCK_SOURCES_MAX]
		    [OWAMP_CLOCK_SOURCES_MAX]; /* rounds until it is over; [i][j]: i < j */
};

struct select {
	struct owamp_clock_config config;
	struct member members[OWAMP_CLOCK_SOURCES_MAX];
	struct conflict conflict;
	struct select_facts facts;
	bool heard; /* there was a round */
	size_t chosen;
	size_t stated; /* whose claim the snapshot has; SELECT_NOBODY: nobody's, but rest */
	/* What is known without anybody's word: what was known at a step, and the step. */
	bool rest_known;
	struct interval rest;
	int64_t rest_smear_ns;
	int64_t extra_ns;        /* in the snapshot's bound because of smearing and leaping */
	int64_t smear_ns;        /* of it because of smearing */
	int64_t smear_before_ns; /* the facts' of the round before */
	int64_t freq_before_ppb;
	int64_t leap_from_mono; /* the last leap second's surroundings; leap_to_mono 0: there was none */
	int64_t leap_to_mono;
	struct owamp_clock_snapshot snapshot;
	int64_t now_mono;
	int64_t step_ns;
	int64_t step_mono;
};

/* A valid source that has been confirmed since the last step. */
bool member_counts(const struct select *select, size_t index);

bool conflict_between(const struct select *select, size_t a, size_t b);
/* One of a contradicting pair. */
bool conflict_has(const struct select *select, size_t index);
bool conflict_is(const struct select *select);
void conflict_look(struct select *select);
/* Ends the holdover of those that a valid source contradicts. */
void conflict_refute(struct select *select);
/* The first pair in order; false: there is none. *pairs: how many there are. */
bool conflict_first(const struct select *select, size_t *a, size_t *b, unsigned *pairs);

/* Rounds since the pair contradicted each other. */
unsigned conflict_calm(const struct select *select, size_t a, size_t b);

/* choice.c: who is used. */
bool choice_is_open_to(const struct select *select, size_t index);
void choice_make(struct select *select);

/* words.c: numbers for people; text has room for WORDS_SIZE. */
#define WORDS_SIZE 32
const char *words_bound(char *text, int64_t ns);  /* "2.1 us", rounded up */
const char *words_offset(char *text, int64_t ns); /* "+2.1 us" */
const char *words_age(char *text, int64_t ns);    /* "12 s" */
const char *words_time(char *text, int64_t ns);   /* "500 ms", "10 min" */

/* select_status.c: a valid source of a kind that says it steers the clock, or SELECT_NOBODY. */
size_t select_steering_source(const struct select *select, enum owamp_clock_kind kind);

/* select_text.c */
void select_source_text(const struct select *select, size_t index, char *text, size_t size);
void select_alarm_text(const struct select *select, char *text, size_t size);

#endif
