/*
 * A hardware clock of a network interface (PHC, /dev/ptpN) against the system
 * clock: what its time was on CLOCK_REALTIME, and within what.
 *
 * Its time scale does not matter (TAI, UTC, time since the machine started):
 * the offset to CLOCK_REALTIME is measured, as is its rate. Sampled once a
 * second by the clock's thread; converting takes no lock and no system call
 * (clock_gettime() is none where the kernel has it in the vDSO; three are
 * needed, in all some 150 ns), so it can be done for every packet.
 */
#ifndef CLOCK_PHC_H
#define CLOCK_PHC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct owamp_clock;
struct clock_phc;

/*
 * One reading: the hardware clock read between two readings of
 * CLOCK_REALTIME. For tests others than the system's can be given.
 */
struct clock_phc_reading {
	int64_t before_ns;
	int64_t phc_ns;
	int64_t after_ns;
};

struct clock_phc_operations {
	/* The best of several readings, the one with the smallest window. 0, or OWAMP_ESYSTEM with errno. */
	int (*read)(void *context, struct clock_phc_reading *reading);
	void (*close)(void *context);
	/* CLOCK_REALTIME or CLOCK_MONOTONIC_RAW in ns; any thread. NULL: the system's. */
	int64_t (*time)(void *context, clockid_t id);
};

/*
 * Opens /dev/ptpINDEX (PTP_SYS_OFFSET_EXTENDED, or PTP_SYS_OFFSET where the
 * driver knows only that), takes first readings, and refuses a clock that does
 * not advance or whose rate is more than 1 % off. error gets one line.
 */
int clock_phc_open(struct clock_phc **phc, unsigned index, char *error, size_t error_size);

/* As clock_phc_open(), of one that is open: fd is taken over, and closed on failure. error gets the reason
 * alone. */
int clock_phc_adopt(struct clock_phc **phc, int fd, char *error, size_t error_size);

/* context is taken over: closed by clock_phc_free(), and at once on failure. error gets the reason alone. */
int clock_phc_new(struct clock_phc **phc, const struct clock_phc_operations *operations, void *context,
		  char *error, size_t error_size);
void clock_phc_free(struct clock_phc *phc);

/* Takes a reading. One thread at a time. */
void clock_phc_sample(struct clock_phc *phc);

/* The latest reading is no use for stamps further away than this, nor after this time. */
#define CLOCK_PHC_MAX_AGE_NS INT64_C(5000000000)

/*
 * A larger change of CLOCK_REALTIME against CLOCK_MONOTONIC_RAW than expected
 * since the latest reading is a step; a smaller one goes into the error.
 */
#define CLOCK_PHC_STEP_NS 10000

/*
 * The time on CLOCK_REALTIME at which the hardware clock showed phc_ns, and
 * how far that may be off. Any thread.
 *
 * The error is a bound: half the window of the latest reading, the uncertainty
 * of the measured rate and of its changes times the distance from that
 * reading, and what the system clock is seen to have done since. It takes for
 * granted that the hardware clock was not set between the latest reading and
 * the stamp (a clock set to the future is noticed all the same), and that its
 * rate changes no faster than it was seen to do of late.
 *
 * False: not known. The clock stands still, runs at an absurd rate or cannot
 * be read; the latest good reading is too old; the system clock was stepped
 * since; one of the clocks was set and two readings since do not yet agree;
 * the stamp is from before that, or from the future.
 */
bool clock_phc_convert(const struct clock_phc *phc, int64_t phc_ns, int64_t *real_ns, int64_t *error_ns);

/* The latest reading, if it still holds: what the clock showed when CLOCK_REALTIME was *real_ns. Any thread.
 */
bool clock_phc_latest(const struct clock_phc *phc, int64_t *phc_ns, int64_t *real_ns, int64_t *error_ns);

/*
 * Has the clock's thread sample it: at once, and then once a second. The phc
 * stays the caller's and must live until clock_forget_phc() or
 * owamp_clock_free(). OWAMP_EINVAL: it is watched already.
 */
int clock_watch_phc(struct owamp_clock *clock, struct clock_phc *phc);

/* Waits for a reading of this clock that is being taken, for nothing else. */
void clock_forget_phc(struct owamp_clock *clock, struct clock_phc *phc);

#endif
