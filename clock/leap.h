/*
 * Leap seconds: when they were and will be, from a leap-seconds.list (the
 * format of IERS and NIST, as in tzdata), and what smearing makes of them. Pure
 * but for leap_load().
 */
#ifndef CLOCK_LEAP_H
#define CLOCK_LEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAP_MAX 128

struct leap_table {
	size_t count;
	struct leap_entry {
		int64_t utc_s;   /* Unix; from here on */
		int32_t tai_utc; /* s */
	} entries[LEAP_MAX];
	int64_t expires_s; /* Unix */
};

/*
 * OWAMP_EINVAL: error says which line, or that the file's hash does not fit what
 * is in it. OWAMP_ESYSTEM with errno; OWAMP_ECRYPTO: the hash cannot be worked
 * out. If it fails, the table is empty.
 */
int leap_load(struct leap_table *table, const char *path, char *error, size_t error_size);
/* What a file was like when it was read; all 0: it was not. */
struct leap_stamp {
	int64_t mtime_ns;
	int64_t size;
	uint64_t inode;
};

/* Reads it if it has changed since; one that cannot be read, or is damaged, leaves the table as it is. */
void leap_reload(struct leap_table *table, const char *path, struct leap_stamp *stamp);

int leap_parse(struct leap_table *table, const char *text, const char *name, char *error, size_t error_size);

/* TAI - UTC in s at a time; 0: before the table or after it expired. */
int32_t leap_tai_utc(const struct leap_table *table, int64_t utc_ns);

/*
 * How far a clock that smears linearly over smear_ns, centred on the leap second,
 * is from UTC, of which utc_ns is a time as POSIX counts it: signed, positive if
 * the clock is ahead, rounded away from 0. Before an inserted second the clock is
 * behind, by up to half a second; after it, ahead. In the second that POSIX counts
 * twice, the first time is meant.
 */
int64_t leap_smear(const struct leap_table *table, int64_t smear_ns, int64_t utc_ns);

/* The table says whether there is a leap second of which something is smeared a second from now. */
bool leap_smear_is_known(const struct leap_table *table, int64_t smear_ns, int64_t smeared_ns);

/*
 * By how much at most, unsigned, at any time until a second after the smearing
 * clock itself shows smeared_ns, or since a second before that. If it is not
 * known, the most there can be: about half a second.
 */
int64_t leap_smear_most(const struct leap_table *table, int64_t smear_ns, int64_t smeared_ns);

#endif
