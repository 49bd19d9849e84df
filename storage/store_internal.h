/* What the index of sessions and their fetching share. */
#ifndef STORAGE_STORE_INTERNAL_H
#define STORAGE_STORE_INTERNAL_H

#include <owamp/worker.h>

#include "store.h"

/* Records that are read at a time. */
#define STORE_BATCH 2048

/* The archive as the fetching thread sees it; that thread's only. */
struct store_reader {
	const char *path;
	struct archive *archive; /* NULL: to be opened */
	struct owamp_record records[STORE_BATCH];
};

struct store_session {
	struct store_session *next; /* in its bucket */
	struct store *store;
	uint8_t sid[OWAMP_SID_SIZE];
	char *owner;
	struct sockaddr *peer; /* NULL: nobody's, or its owner's */
	enum archive_outcome outcome;
	bool there;       /* in the index */
	bool archived;    /* in the archive, or on the way there */
	bool written;     /* all of it is in the file */
	bool removal_due; /* from the archive, after the last fetch */
	unsigned fetches;
	unsigned references;
	void *grant;

	struct writer_session *handle; /* while it runs */
	uint64_t overhead;
	uint64_t appended;   /* records */
	uint64_t duplicates; /* among them */
	uint64_t left_out;
	uint64_t lost;
};

struct store_reader *store_reader(struct store_session *session);
struct owamp_worker *store_worker(struct store_session *session);
struct writer *store_writer(struct store_session *session);

void store_begin_fetch(struct store_session *session);
void store_end_fetch(struct store_session *session);

#endif
