/*
 * Leap seconds: when they were and will be, from a leap-seconds.list (the
 * format of IERS and NIST, as in tzdata), and what smearing makes of them. Pure
 * but for leap_load().
 */
#ifndef CLOCK_LEAP_H
#define CLOCK_LEAP_H

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

/* OWAMP_EINVAL: error says which line. OWAMP_ESYSTEM with errno. */
int leap_load(struct leap_table *table, const char *path, char *error, size_t error_size);
int leap_parse(struct leap_table *table, const char *text, const char *name, char *error, size_t error_size);

/* TAI - UTC in s at a time; 0: before the table or after it expired. */
int32_t leap_tai_utc(const struct leap_table *table, int64_t utc_ns);

/* How far a clock that smears linearly over smear_ns, centred on the leap second, is from UTC: signed. */
int64_t leap_smear(const struct leap_table *table, int64_t smear_ns, int64_t utc_ns);

#endif
