/*
 * Amounts and reasons in words. Internal to clock_report_*(); all functions
 * return their text.
 */
#ifndef CLOCK_REPORT_WORDS_H
#define CLOCK_REPORT_WORDS_H

#include <owamp/clock.h>

#define CLOCK_WORDS_SIZE 32
#define CLOCK_WHY_SIZE   (2 * OWAMP_CLOCK_TEXT_SIZE)

/* "+3.2 us", "-812 ms", "0 ns": two or three digits. */
char *clock_words_offset(char text[CLOCK_WORDS_SIZE], int64_t ns);

/* "0.4 s", "59 s", "1 min 12 s", "3 h 5 min", "2 d 0 h". */
char *clock_words_time(char text[CLOCK_WORDS_SIZE], int64_t ns);

/* "is inserted at the end of the UTC day", of a leap that is not 0. Static text. */
const char *clock_words_leap(int32_t leap);

/* Why the clock is not synchronized. */
char *clock_words_why(char text[CLOCK_WHY_SIZE], const struct owamp_clock_status *status);

/* The source that the bound comes from, or NULL. */
const struct owamp_clock_source_status *clock_words_used(const struct owamp_clock_status *status);

#endif
