#include "archive.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include <owamp/engine.h>

#include "storage/archive.h"

/* As the row has it. */
struct bare_row {
	int64_t session_id;
	int64_t send_time_ns;
	int64_t delay_ns;
	uint32_t arrival;
	uint32_t seq;
	int send_residue;
	int receive_residue;
	int send_error;
	int receive_error;
	int ttl;
	bool duplicate;
	bool lost;
};

static void fill_row(struct bare_row *row, const struct feed_entry *entry)
{
	const struct owamp_record *record = &entry->record;

	*row = (struct bare_row){
		.session_id = entry->session->session_id,
		.send_time_ns = owamp_ntp_to_unix_ns(record->send_time, entry->session->start_ns),
		.arrival = entry->session->arrival++,
		.seq = record->seq,
		.send_error = record->send_error,
		.receive_error = record->receive_error,
		.ttl = record->ttl,
		.duplicate = record->duplicate,
		.lost = owamp_record_lost(record),
	};
	row->send_residue = (int)owamp_ntp_diff(record->send_time, owamp_ntp_from_unix_ns(row->send_time_ns));
	if (row->lost)
		return;
	row->delay_ns = owamp_ntp_diff_ns(record->receive_time, record->send_time);
	row->receive_residue = (int)(owamp_ntp_diff(record->receive_time, record->send_time) -
				     (int64_t)owamp_interval_from_ns((uint64_t)row->delay_ns));
}

static bool insert_row(sqlite3_stmt *statement, const struct bare_row *row)
{
	bool ok;

	sqlite3_bind_int64(statement, 1, row->session_id);
	sqlite3_bind_int64(statement, 2, row->arrival);
	sqlite3_bind_int64(statement, 3, row->seq);
	sqlite3_bind_int64(statement, 4, row->send_time_ns);
	if (row->lost)
		sqlite3_bind_null(statement, 5);
	else
		sqlite3_bind_int64(statement, 5, row->delay_ns);
	sqlite3_bind_int(statement, 6, row->duplicate);
	sqlite3_bind_int(statement, 7, row->send_error);
	sqlite3_bind_int(statement, 8, row->receive_error);
	sqlite3_bind_int(statement, 9, row->ttl);
	sqlite3_bind_int(statement, 10, row->send_residue);
	sqlite3_bind_int(statement, 11, row->receive_residue);
	ok = sqlite3_step(statement) == SQLITE_DONE;
	return sqlite3_reset(statement) == SQLITE_OK && ok;
}

static bool insert_rows(struct archive *archive, const struct bare_row *rows, size_t count,
			size_t transaction)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v3(
			  archive_sqlite(archive),
			  "INSERT INTO packet_rows (session_id, arrival, seq, send_time_ns, delay_ns,"
			  " marks, send_error_estimate, receive_error_estimate, ttl, send_residue,"
			  " receive_residue) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			  -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK;

	for (size_t i = 0; i < count && ok;) {
		size_t end = i + transaction < count ? i + transaction : count;

		ok = archive_begin(archive) == 0;
		for (; i < end && ok; i++)
			ok = insert_row(statement, &rows[i]);
		ok = ok && archive_commit(archive) == 0;
	}
	sqlite3_finalize(statement);
	return ok;
}

static bool insert_sessions(struct archive *archive, struct feed_session *sessions, unsigned count)
{
	bool ok = archive_begin(archive) == 0;

	for (unsigned i = 0; i < count && ok; i++) {
		const struct archive_session row = feed_session_row(&sessions[i]);

		sessions[i].arrival = 0;
		ok = archive_session_insert(archive, &row, &sessions[i].session_id) == 0;
	}
	return ok && archive_commit(archive) == 0;
}

bool feed_bare(const char *path, struct feed_session *sessions, unsigned count,
	       const struct feed_entry *entries, size_t entry_count, size_t transaction, double *seconds)
{
	struct bare_row *rows = calloc(entry_count, sizeof *rows);
	struct archive *archive = NULL;
	char error[512] = "out of memory";
	int64_t begin;
	bool ok = false;

	if (!rows || archive_open(&archive, path, ARCHIVE_WRITE, error, sizeof error))
		goto cleanup;
	if (!insert_sessions(archive, sessions, count))
		goto failed;
	for (size_t i = 0; i < entry_count; i++)
		fill_row(&rows[i], &entries[i]);
	begin = owamp_mono_ns();
	ok = insert_rows(archive, rows, entry_count, transaction);
	*seconds = (double)(owamp_mono_ns() - begin) / 1e9;
failed:
	if (!ok)
		snprintf(error, sizeof error, "%s: %s", path, sqlite3_errmsg(archive_sqlite(archive)));
cleanup:
	if (!ok)
		fprintf(stderr, "archive: %s\n", error);
	archive_close(archive);
	free(rows);
	return ok;
}
