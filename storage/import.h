/*
 * A client's results into an archive: sessions that are over, with all their
 * records at hand. What still runs goes through the writer.
 */
#ifndef STORAGE_IMPORT_H
#define STORAGE_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "archive.h"

struct import {
	struct archive_session session;
	/* summaries_due is not looked at. A session that is invalid gets no packets. */
	struct archive_end end;
	/*
	 * In the order of arrival; those that the sender never reached are left out.
	 * All of a packet but one become duplicates: its first arrival counts, or its
	 * first loss if it never arrived.
	 */
	const struct owamp_record *records;
	uint32_t record_count;
	unsigned transaction_rows; /* 0: 100000 */
	/* Now and then, with the records stored so far; NULL: not asked for. */
	void (*progress)(void *context, uint32_t done);
	void *context;
};

enum import_result {
	IMPORT_STORED,
	IMPORT_REPLACED, /* what was there was worse: not finished, or of an import that broke off */
	IMPORT_KEPT,     /* what was there is no worse and was left as it is; reason says what it is */
};

/*
 * Stores a session whole, summaries included. A long one takes several
 * transactions, during which it is marked as broken; what a crash leaves of it
 * stays so until it is imported again. A session that is there already is
 * replaced in one transaction, so that nothing is lost before the new one is
 * there, and only by one that is finished.
 *
 * Returns 0, or a code with one line in reason: OWAMP_ESTATE if the session is
 * there and still runs, OWAMP_ESYSTEM, OWAMP_ENOMEM, ...
 */
int archive_import(struct archive *archive, const struct import *import, enum import_result *result,
		   char *reason, size_t reason_size);

#endif
