/* Sums a story up with plain loops and compares the archive's tables with it. */
#include "summary_fixture.h"

#include "storage/histogram.h"

/* Towards the past, also before 1970. */
static int64_t begin_of(int64_t ns, int64_t unit)
{
	__int128 shifted = (__int128)ns + (__int128)unit * 1000000000;

	return (int64_t)(shifted / unit * unit - (__int128)unit * 1000000000);
}

static int ascending(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* The smallest that at least that share does not exceed, found by trying. */
static int64_t exact_percentile(const int64_t *sorted, size_t count, size_t permille)
{
	size_t i = 0;

	while ((i + 1) * 1000 < permille * count)
		i++;
	return sorted[i];
}

static bool is_first_arrival(const struct story *story, const struct packet *packet)
{
	return story_counts(story, packet) && !packet->lost && !packet->duplicate;
}

/* Which first arrivals came after one with a higher number (RFC 4737, by its definition). */
static bool *find_reordered(const struct story *story)
{
	bool *reordered = calloc(story->count + 1, sizeof *reordered);
	int64_t highest = -1;

	for (size_t i = 0; i < story->count; i++) {
		if (!is_first_arrival(story, &story->packets[i]))
			continue;
		reordered[i] = story->packets[i].seq < highest;
		if (story->packets[i].seq > highest)
			highest = story->packets[i].seq;
	}
	return reordered;
}

/* The sorted delays of the minute or hour. */
static size_t delays_of(const struct story *story, int64_t begin_ns, int64_t unit, int64_t *delays)
{
	size_t count = 0;

	for (size_t i = 0; i < story->count; i++) {
		const struct packet *packet = &story->packets[i];

		if (is_first_arrival(story, packet) && begin_of(packet->send_ns, unit) == begin_ns)
			delays[count++] = packet->delay_ns;
	}
	qsort(delays, count, sizeof *delays, ascending);
	return count;
}

static void assert_column(sqlite3_stmt *st, int column, int64_t expected)
{
	if (sqlite3_column_int64(st, column) != expected)
		fail_msg("%s of the row of %lld: %lld, expected %lld", sqlite3_column_name(st, column),
			 sqlite3_column_int64(st, 0), sqlite3_column_int64(st, column), (long long)expected);
	assert_int_equal(sqlite3_column_type(st, column), SQLITE_INTEGER);
}

static void assert_counts(sqlite3_stmt *st, const struct story *story, const bool *reordered)
{
	int64_t minute_ns = sqlite3_column_int64(st, 0);
	int64_t received = 0, lost = 0, dropped = 0, duplicates = 0, late = 0, send_error = 0,
		receive_error = 0;
	bool synchronized = true;

	for (size_t i = 0; i < story->count; i++) {
		const struct packet *p = &story->packets[i];

		if (!story_counts(story, p) || begin_of(p->send_ns, MINUTE) != minute_ns)
			continue;
		lost += p->lost && !p->dropped && !p->duplicate;
		dropped += p->dropped && !p->duplicate;
		duplicates += !p->lost && p->duplicate;
		if (p->lost || p->duplicate)
			continue;
		received++;
		late += reordered[i];
		if (ref_error_ns(p->send_error) > send_error)
			send_error = ref_error_ns(p->send_error);
		if (ref_error_ns(p->receive_error) > receive_error)
			receive_error = ref_error_ns(p->receive_error);
		synchronized = synchronized && (p->send_error & SYNCED) && (p->receive_error & SYNCED);
	}
	assert_column(st, 1, received + lost + dropped);
	assert_column(st, 2, received);
	assert_column(st, 3, lost);
	assert_column(st, 4, duplicates);
	assert_column(st, 5, late);
	assert_column(st, 16, dropped);
	for (int column = 6; received == 0 && column <= 15; column++)
		assert_int_equal(sqlite3_column_type(st, column), SQLITE_NULL);
	if (received == 0)
		return;
	assert_column(st, 13, send_error);
	assert_column(st, 14, receive_error);
	assert_column(st, 15, synchronized);
}

static void assert_delays(sqlite3_stmt *st, const int64_t *delays, size_t count)
{
	static const size_t permille[] = {1, 500, 950, 990, 999, 1000};

	if (count == 0)
		return;
	assert_column(st, 6, delays[0]);
	for (int i = 1; i < 6; i++)
		assert_column(st, 6 + i, exact_percentile(delays, count, permille[i]));
	assert_column(st, 12, exact_percentile(delays, count, 950) - exact_percentile(delays, count, 500));
}

static sqlite3_stmt *query(struct place *place, const char *sql)
{
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(archive_sqlite(place->archive), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(st, 1, place->session_id), SQLITE_OK);
	return st;
}

/* The begins of the units that occur, ascending; returns how many. */
static size_t units_of(const struct story *story, int64_t unit, bool received_only, int64_t *begins)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < story->count; i++) {
		const struct packet *p = &story->packets[i];

		if (received_only ? is_first_arrival(story, p)
				  : story_counts(story, p) && !(p->lost && p->duplicate))
			begins[count++] = begin_of(p->send_ns, unit);
	}
	qsort(begins, count, sizeof *begins, ascending);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || begins[i] != begins[i - 1])
			begins[kept++] = begins[i];
	return kept;
}

static void assert_minutes(struct place *place, const struct story *story)
{
	int64_t *begins = calloc(story->count + 1, sizeof *begins);
	int64_t *delays = calloc(story->count + 1, sizeof *delays);
	size_t minutes = units_of(story, MINUTE, false, begins);
	bool *reordered = find_reordered(story);
	sqlite3_stmt *st =
		query(place, "SELECT minute_ns, sent, received, lost, duplicates, reordered, delay_min_ns,"
			     " delay_p50_ns, delay_p95_ns, delay_p99_ns, delay_p999_ns, delay_max_ns,"
			     " jitter_ns, send_error_ns, receive_error_ns, synchronized, dropped FROM minutes"
			     " WHERE session_id = ? ORDER BY minute_ns");

	for (size_t i = 0; i < minutes; i++) {
		size_t count = delays_of(story, begins[i], MINUTE, delays);

		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		assert_column(st, 0, begins[i]);
		assert_counts(st, story, reordered);
		assert_delays(st, delays, count);
	}
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	free(reordered);
	free(delays);
	free(begins);
}

/* From the table alone, as anybody with sqlite3 would. */
static int64_t merged_percentile(struct place *place, int64_t hour_ns, size_t count, size_t permille)
{
	sqlite3_stmt *st = query(place, "SELECT delay_ns, packets FROM histograms"
					" WHERE session_id = ? AND hour_ns = ? ORDER BY delay_ns");
	int64_t delay_ns, packets = 0;

	assert_int_equal(sqlite3_bind_int64(st, 2, hour_ns), SQLITE_OK);
	do {
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		delay_ns = sqlite3_column_int64(st, 0);
		packets += sqlite3_column_int64(st, 1);
	} while ((size_t)packets * 1000 < permille * count);
	sqlite3_finalize(st);
	return delay_ns;
}

static void assert_hour(struct place *place, int64_t hour_ns, const int64_t *delays, size_t count)
{
	static const size_t permille[] = {1, 100, 500, 900, 950, 990, 999, 1000};
	sqlite3_stmt *st = query(place, "SELECT delay_ns, packets FROM histograms"
					" WHERE session_id = ? AND hour_ns = ? ORDER BY delay_ns");

	assert_int_equal(sqlite3_bind_int64(st, 2, hour_ns), SQLITE_OK);
	for (size_t i = 0, same; i < count; i += same) {
		int64_t middle = histogram_middle(delays[i]);

		for (same = 1; i + same < count && histogram_middle(delays[i + same]) == middle; same++)
			;
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		assert_column(st, 0, middle);
		assert_column(st, 1, (int64_t)same);
	}
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	for (size_t i = 0; i < sizeof permille / sizeof permille[0]; i++) {
		int64_t exact = exact_percentile(delays, count, permille[i]);

		assert_true(llabs(merged_percentile(place, hour_ns, count, permille[i]) - exact) * 100 <=
			    llabs(exact));
	}
}

static void assert_histograms(struct place *place, const struct story *story)
{
	int64_t *begins = calloc(story->count + 1, sizeof *begins);
	int64_t *delays = calloc(story->count + 1, sizeof *delays);
	size_t hours = units_of(story, HOUR, true, begins);
	sqlite3_stmt *st = query(place, "SELECT DISTINCT hour_ns FROM histograms WHERE session_id = ?"
					" ORDER BY hour_ns");

	for (size_t i = 0; i < hours; i++) {
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		assert_column(st, 0, begins[i]);
		assert_hour(place, begins[i], delays, delays_of(story, begins[i], HOUR, delays));
	}
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	free(delays);
	free(begins);
}

static int by_seq(const void *left, const void *right)
{
	const struct packet *a = left, *b = right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

static void assert_losses(struct place *place, const struct story *story)
{
	struct packet *lost = calloc(story->count + 1, sizeof *lost);
	sqlite3_stmt *st = query(place, "SELECT first_seq, last_seq, begin_ns, end_ns FROM losses"
					" WHERE session_id = ? ORDER BY first_seq");
	size_t count = 0;

	for (size_t i = 0; i < story->count; i++)
		if (story->packets[i].lost && !story->packets[i].dropped &&
		    story_counts(story, &story->packets[i]))
			lost[count++] = story->packets[i];
	qsort(lost, count, sizeof *lost, by_seq);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && lost[i + n].seq - lost[i + n - 1].seq <= 1; n++)
			;
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		assert_column(st, 0, lost[i].seq);
		assert_column(st, 1, lost[i + n - 1].seq);
		assert_column(st, 2, lost[i].send_ns);
		assert_column(st, 3, lost[i + n - 1].send_ns);
	}
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	free(lost);
}

void assert_summed_up(struct place *place, const struct story *story)
{
	assert_minutes(place, story);
	assert_histograms(place, story);
	assert_losses(place, story);
}
