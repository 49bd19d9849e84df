/*
 * Lines of a log that come again and again: each kind is written at most once
 * in REPEATS_NS, and of those left out the last one and how many they were.
 * Lines are of a kind if they differ in amounts only.
 */
#ifndef OWAMPD_REPEATS_H
#define OWAMPD_REPEATS_H

#include <stdint.h>

#define REPEATS_NS INT64_C(10000000000)

struct repeats;

/* NULL: out of memory. write gets syslog's level. */
struct repeats *repeats_new(void (*write)(void *context, int level, const char *text), void *context);
void repeats_free(struct repeats *repeats);

/* Writes the line now, or keeps it for repeats_tell(). */
void repeats_say(struct repeats *repeats, int64_t now_ns, int level, const char *text);

/* Writes what is due of what was left out, in the order in which it was said last; to be called often. */
void repeats_tell(struct repeats *repeats, int64_t now_ns);

#endif
