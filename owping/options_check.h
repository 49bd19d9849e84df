/* What options must not be together, and the defaults that depend on others. */
#ifndef OWPING_OPTIONS_CHECK_H
#define OWPING_OPTIONS_CHECK_H

#include "owping/options.h"

/*
 * The last part of owping_options_parse(), arguments aside. formats has bit
 * 1 << enum owping_format for each format that was asked for.
 */
int owping_options_complete(struct owping_options *options, unsigned formats, char *error, size_t error_size);

#endif
