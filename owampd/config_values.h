/*
 * Values of the configuration as text.
 * Internal to config_keys.c.
 */
#ifndef OWAMPD_CONFIG_VALUES_H
#define OWAMPD_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NUMBER[k|m|g|t] in octets, powers of 1024; -1: not of that form, or above most. */
int64_t value_octets(const char *text, int64_t most);

/* A CPU that this process may run on, in cpu; otherwise false, and list says which there are: "0-3,6". */
bool value_cpu(const char *text, int *cpu, char *list, size_t list_size);

#endif
