/* Packet records as rows, to the last bit of their 32.32 timestamps. */
#include "archive.h"

#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "archive_internal.h"

/* A span that can be negative. */
static int64_t span_from_ns(int64_t ns)
{
	if (ns < 0)
		return -(int64_t)owamp_interval_from_ns((uint64_t)0 - (uint64_t)ns);
	return (int64_t)owamp_interval_from_ns((uint64_t)ns);
}

void archive_split_time(owamp_ntp time, int64_t near_ns, int64_t *ns, int64_t *residue)
{
	*ns = owamp_ntp_to_unix_ns(time, near_ns);
	*residue = owamp_ntp_diff(time, owamp_ntp_from_unix_ns(*ns));
}

owamp_ntp archive_join_time(int64_t ns, int64_t residue)
{
	return owamp_ntp_from_unix_ns(ns) + (uint64_t)residue;
}

/* The column marks. */
#define DUPLICATE 1
#define DROPPED   2

static int marks_of(const struct owamp_record *record)
{
	return (record->duplicate ? DUPLICATE : 0) |
	       (owamp_record_lost(record) && record->dropped ? DROPPED : 0);
}

#define INSERT                                                                                               \
	"INSERT INTO packet_rows (session_id, arrival, seq, send_time_ns, delay_ns, marks,"                  \
	" send_error_estimate, receive_error_estimate, ttl, send_residue, receive_residue) VALUES "
#define ROW         "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define FOUR_ROWS   ROW ", " ROW ", " ROW ", " ROW
#define ROW_COLUMNS 11

/* Much of what an INSERT costs is for the statement, not the row. More rows hardly gain anything. */
#define ROWS_AT_ONCE 16

static const char insert_sql[] = INSERT ROW;
static const char insert_rows_sql[] = INSERT FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS;

/* The parameters of a row that follow those of so many others. */
static void bind_row(sqlite3_stmt *st, int row, int64_t session_id, uint32_t arrival,
		     const struct owamp_record *record, int64_t near_ns)
{
	int64_t send_ns, send_residue, receive_residue = 0;
	int i = row * ROW_COLUMNS;

	archive_split_time(record->send_time, near_ns, &send_ns, &send_residue);
	(void)sqlite3_bind_int64(st, i + 1, session_id);
	(void)sqlite3_bind_int64(st, i + 2, arrival);
	(void)sqlite3_bind_int64(st, i + 3, record->seq);
	(void)sqlite3_bind_int64(st, i + 4, send_ns);
	if (!owamp_record_lost(record)) {
		int64_t delay_ns = owamp_ntp_diff_ns(record->receive_time, record->send_time);
		owamp_ntp receive_time = record->send_time + (uint64_t)span_from_ns(delay_ns);

		receive_residue = owamp_ntp_diff(record->receive_time, receive_time);
		(void)sqlite3_bind_int64(st, i + 5, delay_ns);
	}
	(void)sqlite3_bind_int(st, i + 6, marks_of(record));
	(void)sqlite3_bind_int(st, i + 7, record->send_error);
	(void)sqlite3_bind_int(st, i + 8, record->receive_error);
	(void)sqlite3_bind_int(st, i + 9, record->ttl);
	(void)sqlite3_bind_int64(st, i + 10, send_residue);
	(void)sqlite3_bind_int64(st, i + 11, receive_residue);
}

int archive_packet_insert(struct archive *archive, int64_t session_id, uint32_t arrival,
			  const struct owamp_record *record, int64_t near_ns)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_PACKET_ADD, insert_sql);

	if (!st)
		return archive_failed(archive);
	bind_row(st, 0, session_id, arrival, record, near_ns);
	return archive_run(archive, st);
}

static int insert_rows(struct archive *archive, int64_t session_id, uint32_t arrival,
		       const struct owamp_record *const records[], int64_t near_ns)
{
	sqlite3_stmt *st = archive_statement(archive, ARCHIVE_ST_PACKETS_ADD, insert_rows_sql);

	if (!st)
		return archive_failed(archive);
	for (int i = 0; i < ROWS_AT_ONCE; i++)
		bind_row(st, i, session_id, arrival + (uint32_t)i, records[i], near_ns);
	return archive_run(archive, st);
}

int archive_packets_insert(struct archive *archive, int64_t session_id, uint32_t arrival,
			   const struct owamp_record *const records[], uint32_t count, int64_t near_ns)
{
	uint32_t done = 0;
	int error = 0;

	for (; count - done >= ROWS_AT_ONCE && !error; done += ROWS_AT_ONCE)
		error = insert_rows(archive, session_id, arrival + done, records + done, near_ns);
	for (; done < count && !error; done++)
		error = archive_packet_insert(archive, session_id, arrival + done, records[done], near_ns);
	return error;
}

int archive_packets_seek(struct archive *archive, int64_t session_id, uint32_t begin_seq, uint32_t end_seq,
			 struct archive_walk *walk, uint32_t *count)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_PACKET_SEEK,
		"SELECT count(*), coalesce(min(arrival), 0), coalesce(max(arrival), -1)"
		" FROM packet_rows WHERE session_id = ? AND arrival >= 0 AND seq BETWEEN ? AND ?");
	int error = 0;

	*walk = (struct archive_walk){.session_id = session_id, .begin_seq = begin_seq, .end_seq = end_seq};
	*count = 0;
	if (!st)
		return archive_failed(archive);
	(void)sqlite3_bind_int64(st, 1, session_id);
	(void)sqlite3_bind_int64(st, 2, begin_seq);
	(void)sqlite3_bind_int64(st, 3, end_seq);
	if (sqlite3_step(st) == SQLITE_ROW) {
		*count = (uint32_t)sqlite3_column_int64(st, 0);
		walk->next_arrival = (uint64_t)sqlite3_column_int64(st, 1);
		walk->end_arrival = (uint64_t)sqlite3_column_int64(st, 2) + 1;
	} else {
		error = archive_failed(archive);
	}
	(void)sqlite3_reset(st);
	return error;
}

enum column {
	C_ARRIVAL,
	C_SEQ,
	C_SEND_TIME,
	C_DELAY,
	C_MARKS,
	C_SEND_ERROR,
	C_RECEIVE_ERROR,
	C_TTL,
	C_SEND_RESIDUE,
	C_RECEIVE_RESIDUE,
};

static void decode(sqlite3_stmt *st, struct owamp_record *record)
{
	int64_t delay_ns = sqlite3_column_int64(st, C_DELAY);

	*record = (struct owamp_record){
		.seq = (uint32_t)sqlite3_column_int64(st, C_SEQ),
		.send_time = archive_join_time(sqlite3_column_int64(st, C_SEND_TIME),
					       sqlite3_column_int64(st, C_SEND_RESIDUE)),
		.duplicate = sqlite3_column_int(st, C_MARKS) & DUPLICATE,
		.send_error = (uint16_t)sqlite3_column_int(st, C_SEND_ERROR),
		.receive_error = (uint16_t)sqlite3_column_int(st, C_RECEIVE_ERROR),
		.ttl = (uint8_t)sqlite3_column_int(st, C_TTL),
	};
	if (sqlite3_column_type(st, C_DELAY) != SQLITE_NULL)
		record->receive_time = record->send_time + (uint64_t)span_from_ns(delay_ns) +
				       (uint64_t)sqlite3_column_int64(st, C_RECEIVE_RESIDUE);
	record->dropped = owamp_record_lost(record) && sqlite3_column_int(st, C_MARKS) & DROPPED;
}

int archive_packets_read(struct archive *archive, struct archive_walk *walk, struct owamp_record *records,
			 uint32_t max, uint32_t *count)
{
	sqlite3_stmt *st = archive_statement(
		archive, ARCHIVE_ST_PACKET_READ,
		"SELECT arrival, seq, send_time_ns, delay_ns, marks, send_error_estimate,"
		" receive_error_estimate, ttl, send_residue, receive_residue FROM packet_rows"
		" WHERE session_id = ? AND arrival BETWEEN ? AND ? AND seq BETWEEN ? AND ?"
		" ORDER BY arrival");
	int step = SQLITE_ROW, error = 0;

	*count = 0;
	if (!st)
		return archive_failed(archive);
	/* One beyond the largest arrival that a row can have would be the smallest. */
	if (walk->next_arrival == walk->end_arrival)
		return 0;
	(void)sqlite3_bind_int64(st, 1, walk->session_id);
	(void)sqlite3_bind_int64(st, 2, (int64_t)walk->next_arrival);
	(void)sqlite3_bind_int64(st, 3, (int64_t)(walk->end_arrival - 1));
	(void)sqlite3_bind_int64(st, 4, walk->begin_seq);
	(void)sqlite3_bind_int64(st, 5, walk->end_seq);
	while (*count < max && (step = sqlite3_step(st)) == SQLITE_ROW) {
		walk->next_arrival = (uint64_t)sqlite3_column_int64(st, C_ARRIVAL) + 1;
		decode(st, &records[(*count)++]);
	}
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		error = archive_failed(archive);
	(void)sqlite3_reset(st);
	return error;
}
