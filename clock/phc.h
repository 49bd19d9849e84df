/*
 * A hardware clock of a network interface (PHC, /dev/ptpN) against the system
 * clock: what its time was on CLOCK_REALTIME, and within what.
 *
 * Sampled once a second by the clock's thread; converting takes no lock and no
 * system call, so it can be done for every packet.
 */
#ifndef CLOCK_PHC_H
#define CLOCK_PHC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
};

/*
 * Opens /dev/ptpINDEX (PTP_SYS_OFFSET_EXTENDED, or PTP_SYS_OFFSET where the
 * driver knows only that), takes first readings, and refuses a clock that does
 * not advance. error gets one line.
 */
int clock_phc_open(struct clock_phc **phc, unsigned index, char *error, size_t error_size);
int clock_phc_new(struct clock_phc **phc, const struct clock_phc_operations *operations, void *context,
		  char *error, size_t error_size);
void clock_phc_free(struct clock_phc *phc);

/* Takes a reading. One thread at a time. */
void clock_phc_sample(struct clock_phc *phc);

/*
 * The time on CLOCK_REALTIME at which the hardware clock showed phc_ns, and
 * how far that may be off. Any thread. False: not known (the clock stands
 * still, cannot be read, or the last good reading is too old).
 */
bool clock_phc_convert(const struct clock_phc *phc, int64_t phc_ns, int64_t *real_ns, int64_t *error_ns);

/*
 * Has the clock's thread sample it once a second. The phc stays the caller's
 * and must live until clock_forget_phc() or owamp_clock_free().
 */
int clock_watch_phc(struct owamp_clock *clock, struct clock_phc *phc);
void clock_forget_phc(struct owamp_clock *clock, struct clock_phc *phc);

#endif
