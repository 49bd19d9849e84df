/* The programs that were built together with this one. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <limits.h>

/* name: from the build directory, such as "owampd/owampd". Returns path. */
char *programs_path(const char *name, char path[PATH_MAX]);

#endif
