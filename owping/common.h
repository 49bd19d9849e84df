/* What owping, owfetch and owup share: exit status, keys, messages. */
#ifndef OWPING_COMMON_H
#define OWPING_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include <owamp/client.h>
#include <owamp/keyfile.h>

#include "owping/options.h"

enum owping_exit {
	OWPING_EXIT_OK = 0,      /* all that was asked, complete */
	OWPING_EXIT_FAILED = 1,  /* refused or failed */
	OWPING_EXIT_USAGE = 2,   /* the command line is wrong */
	OWPING_EXIT_PARTIAL = 3, /* something was measured, something is missing */
};

/* The key of a run. */
struct owping_credentials {
	struct owamp_keyfile *keyfile;
	const char *key_id; /* NULL: none */
	const uint8_t *secret;
	size_t secret_size;
};

/*
 * Reads the key that the options name, if they name one. Without an identity
 * the file's only one is taken, which *chosen then tells. On failure error
 * holds a line for the user.
 */
int owping_credentials_load(struct owping_credentials *credentials, const struct owping_options *options,
			    bool *chosen, char *error, size_t error_size);
void owping_credentials_free(struct owping_credentials *credentials);

/* Shows options and credentials as the library wants them; nothing is copied. */
void owping_client_config(struct owamp_client_config *config, const struct owping_options *options,
			  const struct owping_credentials *credentials);
void owping_engine_config(struct owamp_engine_config *config, const struct owping_options *options,
			  const struct owamp_clock_config *clock);
void owping_test_config(struct owamp_test_config *test, const struct owping_options *options,
			enum owamp_direction direction);

/* "PROGRAM: MESSAGE" on stderr. */
__attribute__((format(printf, 2, 3))) void owping_complain(enum owping_program program, const char *format,
							   ...);

/*
 * Reads the command line. Returns -1 to go on, or the exit status: help and
 * version were printed, or what is wrong was said.
 */
int owping_begin(struct owping_options *options, enum owping_program program, int argc, char **argv);

#endif
