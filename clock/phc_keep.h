/*
 * A hardware clock that is opened when it is there, read once a round, and
 * opened again when it comes back. One thread.
 */
#ifndef CLOCK_PHC_KEEP_H
#define CLOCK_PHC_KEEP_H

#include "phc.h"
#include "source.h"

struct phc_keep {
	const struct clock_opener *opener;
	/* clock_phc_adopt(); for tests others can be given. */
	int (*adopt)(struct clock_phc **phc, int fd, char *error, size_t error_size);
	char path[OWAMP_CLOCK_PATH_SIZE];
	struct clock_phc *phc; /* NULL: not open */
	int64_t retry_mono;    /* not to be opened before */
	unsigned failures;     /* readings in a row that were no use */
	char why[OWAMP_CLOCK_TEXT_SIZE];
};

void phc_keep_init(struct phc_keep *keep, const struct clock_opener *opener);

/*
 * Opens what is at path, unless that is open already or did not work a moment
 * ago, and takes a reading. false: why says why there is none.
 */
bool phc_keep_sample(struct phc_keep *keep, const char *path, int64_t mono_ns);

/* After phc_keep_sample(): whether what was converted was of use. One that is never is opened anew. */
void phc_keep_note(struct phc_keep *keep, bool of_use);

void phc_keep_close(struct phc_keep *keep);

#endif
