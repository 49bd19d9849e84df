/*
 * The command lines of owping, owfetch and owup. They share letters and
 * meanings, so one table serves the three.
 */
#ifndef OWPING_OPTIONS_H
#define OWPING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <owamp/session.h>

#define OWPING_PERCENTILES_MAX 64

enum owping_program {
	OWPING_PING = 1,
	OWPING_FETCH = 2,
	OWPING_UP = 4,
};

enum owping_format {
	OWPING_TEXT,
	OWPING_RAW,     /* -R */
	OWPING_MACHINE, /* -M */
	OWPING_JSON,
};

/* A session to fetch, and where its records go (NULL: nowhere). */
struct owping_fetch {
	uint8_t sid[OWAMP_SID_SIZE];
	const char *save_file;
};

/* Strings point into argv. */
struct owping_options {
	enum owping_program program;
	bool help;
	bool version;

	/* This host's clock. */
	bool clock;             /* only look at it: there is no server */
	uint32_t clock_seconds; /* watch it for so long; 0: print it once */
	const char *clock_config;

	/* The server and the way to it. */
	const char *target; /* as given */
	char host[256];
	uint16_t port; /* 0: the default */
	int family;
	const char *source;
	const char *interface;
	const char *mode_letters;   /* as given with -A, or NULL */
	uint32_t modes;             /* allowed; complete after the parse */
	uint32_t preference[4];     /* 0-ended */
	const char *user;           /* NULL with a key file: its only identity */
	const char *key_file;       /* NULL: no key */
	uint32_t pbkdf2_max;        /* bound for the server's Count */
	int64_t connect_timeout_ns; /* 0: only the step timeout */
	int64_t step_timeout_ns;

	/* The test sessions. */
	bool to_server;
	bool from_server;
	const char *save_to;
	const char *save_from;
	uint32_t packets;
	struct owamp_slot *slots;
	uint32_t slot_count;
	int64_t timeout_ns;
	uint32_t padding;
	bool zero_padding;
	uint8_t dscp;
	uint16_t port_low;
	uint16_t port_high;
	int64_t start_delay_ns;
	int64_t end_delay_ns;

	/* What is asked of this machine. */
	int realtime_priority; /* 0: ordinary scheduling */
	bool realtime_given;   /* asked for by name, so that a refusal is worth a warning */
	int64_t spin_ns;       /* or OWAMP_SPIN_AUTO */
	int pacer_cpu;         /* -1: any */
	int collector_cpu;
	const char **hardware_interfaces; /* ended by NULL; NULL: none */

	/* What to fetch. */
	struct owping_fetch *fetches;
	unsigned fetch_count;
	uint32_t begin_seq;
	uint32_t end_seq; /* inclusive */
	bool range_given; /* either of them */

	/* The output. */
	enum owping_format format;
	bool quiet;
	bool records; /* all records, in JSON */
	bool verbose; /* all records, in text */
	uint32_t verbose_limit;
	bool unix_time;
	char unit; /* n, u, m or s */
	double percentiles[OWPING_PERCENTILES_MAX];
	size_t percentile_count;
	int64_t bucket_ns;
	bool bucket_given;
	bool print_files; /* summaries into files whose names are printed */
	const char *directory;
	const char *archive; /* NULL: nothing is archived */
};

/*
 * Reads a command line and completes it with the defaults. OWAMP_EINVAL with
 * one line in error if it is wrong. Help and version stop the reading.
 * owping_options_free() is due in any case.
 */
int owping_options_parse(struct owping_options *options, enum owping_program program, int argc, char **argv,
			 char *error, size_t error_size);
void owping_options_free(struct owping_options *options);

const char *owping_program_name(enum owping_program program);
void owping_usage(FILE *out, enum owping_program program);

/* How long the sessions take by their schedule, until results are there. */
int64_t owping_options_duration_ns(const struct owping_options *options);

#endif
