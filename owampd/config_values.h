/*
 * Values of the configuration as text.
 * Internal to config_keys.c.
 */
#ifndef OWAMPD_CONFIG_VALUES_H
#define OWAMPD_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits at *text, which moves behind them; -1 if there are none or too many. */
int64_t value_number(const char **text);

/* NUMBER[.DECIMALS][UNIT] in ns; what is below 1 ns is dropped. -1: not of that form. */
int64_t value_duration(const char *text);

/* A CPU that this process may run on, in cpu; otherwise false, and list says which there are: "0-3,6". */
bool value_cpu(const char *text, int *cpu, char *list, size_t list_size);

#endif
