/*
 * The settings by name: what the file and the command line have in common.
 * Internal to config.c and options.c.
 */
#ifndef OWAMPD_CONFIG_KEYS_H
#define OWAMPD_CONFIG_KEYS_H

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>

#include "owampd/config.h"

/* A configuration with the defaults, except those that config_finish() gives. */
struct config *config_new(void);

/*
 * Sets one key, named as in the file, from text; a list gets one more value.
 * Relative paths are taken from directory. OWAMP_EINVAL, and why it is, as
 * "'VALUE', expected ..."; or OWAMP_ENOMEM.
 */
int config_set(struct config *config, const char *directory, const char *key, const char *value, char *why,
	       size_t why_size);

/* The names of the keys, index 0 up; NULL beyond the last. */
const char *config_key_name(size_t index);

bool config_key_is_list(const char *name);

/* name is that of a list. */
void config_clear_list(struct config *config, const char *name);

/* Adds all addresses of both families. */
int config_listen_all(struct config *config, uint16_t port);

/* path, or directory/path if it is relative; NULL if out of memory. The caller frees it. */
char *config_absolute(const char *directory, const char *path);

/* Lays a file over config. error is one line, "FILE:LINE: KEY: ..." or "FILE: ...". */
int config_read(struct config *config, const char *directory, const char *path, char *error,
		size_t error_size);

/* The section "clock", which was parsed without an error. OWAMP_EINVAL: why says what does not fit. */
int config_take_clock(struct config *config, cfg_t *section, char *why, size_t why_size);

/* Gives the defaults that depend on other keys and checks what must fit together. */
int config_finish(struct config *config, char *why, size_t why_size);

#endif
