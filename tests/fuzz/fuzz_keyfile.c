/* Any octets as a key file: refused with one line, or all entries can be found again. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owamp/keyfile.h"
#include "owamp/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entries(const struct owamp_keyfile *keyfile)
{
	for (size_t i = 0; i < owamp_keyfile_count(keyfile); i++) {
		const char *key_id = owamp_keyfile_identity(keyfile, i);
		size_t secret_size = 0;
		const uint8_t *secret = owamp_keyfile_find(keyfile, key_id, &secret_size);

		assert(strlen(key_id) >= 1 && strlen(key_id) <= OWAMP_KEYID_SIZE);
		assert(secret && secret_size >= 1);
		assert(!memchr(secret, '\n', secret_size));
	}
	assert(!owamp_keyfile_identity(keyfile, owamp_keyfile_count(keyfile)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("keys", MFD_CLOEXEC);
	struct owamp_keyfile *keyfile;
	char path[64], error[512] = "";

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (owamp_keyfile_load(&keyfile, path, error, sizeof(error)) == 0) {
		check_entries(keyfile);
	} else {
		assert(!keyfile);
		assert(error[0] && !strpbrk(error, "\n\r\x1b"));
	}
	owamp_keyfile_free(keyfile);
	close(fd);
	return 0;
}
