/*
 * Shared secrets from a key file in perfSONAR's .pfs format: a line an
 * identity, a tab (or blanks), and the passphrase in hexadecimal. Lines that
 * are empty or begin with '#' are skipped.
 */
#ifndef OWAMP_KEYFILE_H
#define OWAMP_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

struct owamp_keyfile;

/*
 * Reads the whole file or nothing. On failure *keyfile is NULL and error holds
 * one line, "FILE:LINE: what is wrong and what was expected". OWAMP_ESYSTEM if
 * the file cannot be read, OWAMP_EINVAL if its content is wrong (a KeyID that
 * is not 1 to 80 octets of UTF-8, odd or foreign hex digits, an empty secret,
 * a newline in the secret, an identity given twice).
 */
OWAMP_API int owamp_keyfile_load(struct owamp_keyfile **keyfile, const char *path, char *error,
				 size_t error_size);

/* Wipes the secrets. */
OWAMP_API void owamp_keyfile_free(struct owamp_keyfile *keyfile);

/* The secret of an identity, or NULL. Lives as long as the keyfile. */
OWAMP_API const uint8_t *owamp_keyfile_find(const struct owamp_keyfile *keyfile, const char *key_id,
					    size_t *secret_size);

OWAMP_API size_t owamp_keyfile_count(const struct owamp_keyfile *keyfile);

/* The identity of entry index (0 up), in the file's order; NULL beyond the last. */
OWAMP_API const char *owamp_keyfile_identity(const struct owamp_keyfile *keyfile, size_t index);

#endif
