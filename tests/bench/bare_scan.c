#include "bare.h"

#include <stdio.h>
#include <time.h>

#include <sqlite3.h>

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool bare_scan(double *rows_per_s, const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	double begin = seconds_now();
	volatile uint64_t sum = 0;
	uint64_t rows = 0;
	int result;

	result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	while (result == SQLITE_OK || result == SQLITE_ROW) {
		result = sqlite3_step(st);
		for (int i = 0; result == SQLITE_ROW && i < sqlite3_column_count(st); i++)
			sum += (uint64_t)sqlite3_column_int64(st, i);
		rows += result == SQLITE_ROW;
	}
	(void)sum;
	if (result != SQLITE_DONE)
		fprintf(stderr, "bench: FAILED: reading %s: %s\n", path, sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	*rows_per_s = (double)rows / (seconds_now() - begin);
	return result == SQLITE_DONE;
}
