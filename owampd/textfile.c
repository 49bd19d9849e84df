#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owamp/error.h"
#include "owampd/textfile.h"

/* Far more than anybody has; a wrong path (a log, a device) must not eat the memory. */
#define SIZE_MAX_OCTETS ((size_t)4 << 20)

int textfile_read(const char *path, char **text, size_t *size, char *error, size_t error_size)
{
	FILE *file = fopen(path, "re");
	char *octets = malloc(SIZE_MAX_OCTETS + 1);
	int result = 0;

	*text = NULL;
	*size = file && octets ? fread(octets, 1, SIZE_MAX_OCTETS + 1, file) : 0;
	if (!file || ferror(file)) {
		snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
		result = OWAMP_ESYSTEM;
	} else if (!octets) {
		snprintf(error, error_size, "%s: out of memory", path);
		result = OWAMP_ENOMEM;
	} else if (*size > SIZE_MAX_OCTETS) {
		snprintf(error, error_size, "%s: the file is larger than 4 MiB", path);
		result = OWAMP_EINVAL;
	} else if (memchr(octets, '\0', *size)) {
		snprintf(error, error_size, "%s: the file holds a NUL octet, expected text", path);
		result = OWAMP_EINVAL;
	}
	if (file)
		fclose(file);
	if (result) {
		free(octets);
		return result;
	}
	octets[*size] = '\0';
	*text = octets;
	return 0;
}
