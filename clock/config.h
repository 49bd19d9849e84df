/*
 * The section clock { ... } of a configuration file (libConfuse): which sources
 * there are, in which order, and their limits. owamp-clock.conf(5) describes it.
 * For programs; libowamp does not read files of its own accord.
 */
#ifndef CLOCK_CONFIG_H
#define CLOCK_CONFIG_H

#include <confuse.h>
#include <stddef.h>

#include <owamp/clock.h>

/*
 * What may stand in the section, for CFG_SEC("clock", clock_config_options(),
 * CFGF_NONE); static. Values are checked while libConfuse knows their line:
 * what is wrong goes to cfg_error() as "KEY: 'VALUE', expected ...".
 */
cfg_opt_t *clock_config_options(void);

/*
 * A section that was parsed without an error, laid over the defaults: one that
 * names no source keeps the default ones. section NULL: there was none.
 * OWAMP_EINVAL: why says what does not fit together.
 */
int clock_config_take(cfg_t *section, struct owamp_clock_config *config, char *why, size_t why_size);

/*
 * The clock section of a file, in which all else is passed over: owampd's
 * configuration will do, if it has one. error is one line, "FILE:LINE: KEY: ..." or "FILE: ...".
 */
int clock_config_load(struct owamp_clock_config *config, const char *path, char *error, size_t error_size);

#endif
