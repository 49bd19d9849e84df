/*
 * From what the sources say to one bound: history, selection with hysteresis,
 * holdover, disagreement, steps. Pure: readings and times in, a snapshot and a
 * status out. No clock, socket, file or thread, so that it can be run over
 * simulated years.
 *
 * Each source's latest reading is an interval for (CLOCK_REALTIME - UTC),
 * offset +- (error + scatter), that widens with age by drift. For a source that
 * is not filtered, scatter is how far its recent readings lie from the line
 * through them, and as long as there are few, not less than the error; drift,
 * where the source does not state it, is the slope of that line, its
 * uncertainty, how much the kernel's frequency correction has changed over
 * these readings, and an allowance for the oscillator. With too few readings
 * for a line, drift_max_ppb. track.h has the numbers.
 *
 * The bound is true if each source's readings are within what it states; if the
 * oscillator keeps to its allowance, and all clocks to drift_max_ppb; and if
 * who steers the clock steers it towards UTC: what he does to its frequency
 * is known at the next round, not before.
 *
 * A source's bound is the far end of its interval. The smallest bound of a valid
 * source is taken; another takes over at once when the current one is no longer
 * valid, and otherwise only if its bound is smaller by a good part for several
 * rounds (or as good, and earlier in the configuration's order, if that lasts).
 *
 * Holdover: what the used source said last remains a candidate when it is no
 * longer valid, and vouches until its bound is beyond holdover_ns (or twice what
 * it was when it was last valid, if that is more), until holdover_time_ns have
 * passed since then, or until a valid source contradicts it: who is heard counts.
 * After that it is stated as long as nobody knows better, but not synchronized.
 *
 * All that is synchronized is so for SELECT_VOUCHED_NS after the sources were
 * asked, and for no longer than a holdover: if there are no more rounds, nobody
 * knows what became of them.
 *
 * Disagreement: two valid sources whose intervals have nothing in common. The
 * bound is then the largest of all valid ones, and nothing is synchronized until
 * ten rounds have passed in which they agreed or were not both valid.
 *
 * A step: all history is void. The bound before it, enlarged by the step, is
 * stated as nobody's (OWAMP_CLOCK_NONE) and grows by drift_max_ppb; nothing is
 * synchronized until a valid source has measured twice since.
 *
 * A leap second: what is measured within seconds of it is not taken; what was
 * known before counts, and a second is added.
 */
#ifndef CLOCK_SELECT_H
#define CLOCK_SELECT_H

#include "source.h"

struct select;

/* Of whom nothing is known, the kernel's words. */
#define SELECT_UNKNOWN_BOUND_NS  INT64_C(16000000000)
#define SELECT_UNKNOWN_DRIFT_PPB 500000

/* A few rounds; one that takes longer is none. */
#define SELECT_VOUCHED_NS INT64_C(5000000000)

/* config is needed only for names, order and limits, and copied. */
int select_new(struct select **select, const struct owamp_clock_config *config);
void select_free(struct select *select);

struct select_facts {
	int64_t mono_ns;
	int64_t real_ns;
	int64_t real_less_mono_ns;
	int64_t took_ns; /* to ask all sources: what the first one said is so old */
	struct clock_kernel_facts kernel;
	/* How far the sources' time is from UTC because of a smeared leap second: at most, until the next
	 * round. */
	int64_t smear_ns;
	/* It is the most there can be, as the file that says when there is a leap second has expired. */
	bool smear_unknown;
	/* A leap second is due within two seconds or was less than that ago: stamps are ambiguous. */
	bool leaping;
};

/* One reading a source, in the configuration's order. */
void select_round(struct select *select, const struct select_facts *facts,
		  const struct clock_reading *readings);

/*
 * The clock was set by step_ns (not by a leap second), before the next round. 0:
 * nobody knows by how much, as after the machine slept.
 */
void select_stepped(struct select *select, int64_t mono_ns, int64_t step_ns);

/* As of the last round, or of the step after it. */
void select_snapshot(const struct select *select, struct owamp_clock_snapshot *snapshot);
void select_status(const struct select *select, struct owamp_clock_status *status);

#endif
