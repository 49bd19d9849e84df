/*
 * Values of a configuration as text.
 */
#ifndef CLOCK_VALUES_H
#define CLOCK_VALUES_H

#include <stdint.h>

/* Digits at *text, which moves behind them; -1 if there are none or too many. */
int64_t value_number(const char **text);

/* NUMBER[.DECIMALS][UNIT] in ns; what is below 1 ns is dropped. -1: not of that form. */
int64_t value_duration(const char *text);

/* NUMBER[.DECIMALS] of parts per million, in ppb; what is below is dropped. -1: not of that form. */
int64_t value_ppm(const char *text);

#endif
