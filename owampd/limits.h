/*
 * The limits file as it was written: classes, their limits, and who is
 * assigned to them. Internal to policy.c, and to the tests of the parser.
 */
#ifndef OWAMPD_LIMITS_H
#define OWAMPD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "owampd/subnet.h"

/* A session must pass the limits of its class and of every class above. */
enum limits_kind {
	/* In aggregate, over all sessions of a class and of the classes below it. */
	LIMITS_BANDWIDTH, /* bit/s */
	LIMITS_DISK,      /* octets of stored results */
	LIMITS_SESSIONS,  /* at a time */
	/* Of each session. */
	LIMITS_PACKET_RATE, /* packets/s */
	LIMITS_TIMEOUT,     /* s */
	LIMITS_DURATION,    /* s */
	LIMITS_KINDS
};
#define LIMITS_AGGREGATE LIMITS_PACKET_RATE /* how many of the kinds are in aggregate */

/* So that a sum of many still fits into 64 bits. */
#define LIMITS_VALUE_MAX UINT64_C(1000000000000000000)

struct limits_class {
	char *name;
	size_t parent;                /* index; the root (0) is its own */
	uint64_t value[LIMITS_KINDS]; /* 0: this class sets no limit */
	bool delete_on_fetch;         /* inherited already */
	bool allow_open_mode;
	unsigned line;
};

struct limits_net {
	struct subnet subnet;
	size_t klass;
	unsigned line;
};

struct limits_user {
	char *name;
	size_t klass;
	unsigned line;
};

struct limits {
	struct limits_class *classes; /* a parent comes before its children */
	size_t class_count;
	struct limits_net *nets;
	size_t net_count;
	struct limits_user *users;
	size_t user_count;
	bool has_default;
	size_t default_class;
	unsigned default_line;
};

/*
 * Parses the text of a limits file; name stands for it in messages. On failure
 * OWAMP_EINVAL or OWAMP_ENOMEM and one line in error.
 */
int limits_parse(struct limits **limits, const char *text, size_t size, const char *name, char *error,
		 size_t error_size);

/* The same, from a file; OWAMP_ESYSTEM if it cannot be read. */
int limits_load(struct limits **limits, const char *path, char *error, size_t error_size);

/* What holds without a file: everybody in "root", with the root's defaults. */
int limits_default(struct limits **limits, char *error, size_t error_size);

void limits_free(struct limits *limits);

/* "bandwidth", as in the file, and the unit for messages, "bit/s". */
const char *limits_name(enum limits_kind kind);
const char *limits_unit(enum limits_kind kind);

#endif
