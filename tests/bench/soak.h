/*
 * soak: an owampd with an archive under a steady load for hours.
 *
 *	soak.c          the server, the rounds of bench_sessions that follow each other
 *	soak_options.c  the command line
 *	soak_watch.c    what is seen of owampd each minute
 *	soak_verdict.c  was memory flat?
 *	soak_report.c   text and JSON
 */
#ifndef BENCH_SOAK_H
#define BENCH_SOAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server.h"

struct soak_options {
	double hours;
	double rate; /* packets/s of all sessions together */
	unsigned sessions;
	double minutes;  /* of a round */
	double keep;     /* minutes that the archive keeps a session */
	double interval; /* s from sample to sample */
	double growth;   /* percent that memory may grow by */
	bool both;
	bool encrypted;
	bool json;
};

/* What was seen at a time, and since the sample before. */
struct soak_sample {
	double minutes; /* since the start */
	double resident_mib;
	double cpu_percent; /* of one CPU */
	double archive_mib; /* of the file and its write-ahead log */
	uint64_t packets;   /* rounds that ended meanwhile, as the clients saw them */
	uint64_t lost;
	uint64_t dropped;
	double late_p50_us; /* of the round that ended last; NAN: none did */
	double late_p99_us;
	double late_max_us;
};

struct soak_samples {
	struct soak_sample *list;
	size_t count;
	size_t capacity;
};

/* Medians of the second quarter of the run and of the last. */
struct soak_growth {
	double before_mib;
	double after_mib;
	double percent;
	bool known; /* there is enough to compare */
	bool flat;
};

struct soak_verdict {
	struct soak_growth memory;
	/* Of the file, which holds all of what is kept only after a while. */
	struct soak_growth archive;
};

void soak_judge(const struct soak_options *options, const struct soak_samples *samples,
		struct soak_verdict *verdict);

bool soak_parse(struct soak_options *options, int argc, char **argv);
void soak_print_usage(void);

void soak_print_sample(const struct soak_options *options, const struct soak_sample *sample, bool first);
/* rounds, complete: how many there were, and how many accounted for all their packets. */
void soak_report(const struct soak_options *options, const struct soak_samples *samples,
		 const struct soak_verdict *verdict, unsigned rounds, unsigned complete);

struct soak_watch {
	const struct server *server;
	double begin_s;
	double last_s;
	uint64_t last_cpu_ns;
};

void soak_watch_begin(struct soak_watch *watch, const struct server *server);
void soak_watch_sample(struct soak_watch *watch, struct soak_sample *sample);
double soak_now_s(void);

#endif
