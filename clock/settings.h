/* What clock.c needs of settings.c beside the public functions. */
#ifndef CLOCK_SETTINGS_H
#define CLOCK_SETTINGS_H

#include <owamp/clock.h>

/* OWAMP_EINVAL: error says what cannot be. */
int clock_config_check(const struct owamp_clock_config *config, char *error, size_t size);

#endif
