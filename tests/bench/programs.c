#include "programs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *programs_path(const char *name, char path[PATH_MAX])
{
	size_t room = strlen(name) + sizeof "/../../";
	ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - room);

	path[size > 0 ? size : 0] = '\0';
	/* This one is in tests/bench. */
	if (strrchr(path, '/'))
		snprintf(strrchr(path, '/'), room, "/../../%s", name);
	else
		snprintf(path, PATH_MAX, "%s", strrchr(name, '/') + 1);
	return path;
}
