/* Which minute, hour and row of losses a record counts for. */
#include "summary.h"

#include <stdlib.h>
#include <string.h>

#include <owamp/error.h>
#include <owamp/timestamp.h>

#include "summary_internal.h"

/* Send times lie within 68 years of it, and must fit. */
#define NEAR_MAX_NS (INT64_C(150) * 365 * 86400 * SUMMARY_SECOND_NS)

int64_t summary_near(int64_t near_ns)
{
	if (near_ns > NEAR_MAX_NS)
		return NEAR_MAX_NS;
	return near_ns < -NEAR_MAX_NS ? -NEAR_MAX_NS : near_ns;
}

int summary_new(struct summary **summary, int64_t timeout_ns, int64_t near_ns)
{
	struct summary *s;

	*summary = NULL;
	if (timeout_ns < 0 || near_ns != summary_near(near_ns))
		return OWAMP_EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return OWAMP_ENOMEM;
	s->timeout_ns = timeout_ns;
	s->near_ns = near_ns;
	s->closed_before_ns = INT64_MIN;
	s->cut = UINT64_MAX;
	s->minutes.row_size = sizeof(struct minute_row);
	s->hours.row_size = sizeof(struct hour_row);
	s->losses.row_size = sizeof(struct loss_row);
	*summary = s;
	return 0;
}

static void free_hours(struct row_list *hours, size_t count)
{
	struct hour_row *rows = hours->rows;

	for (size_t i = 0; i < count; i++)
		histogram_free(rows[i].histogram);
}

void summary_free(struct summary *summary)
{
	if (!summary)
		return;
	minute_tree_free(&summary->open);
	free_hours(&summary->hours, summary->hours.count);
	free(summary->minutes.rows);
	free(summary->hours.rows);
	free(summary->losses.rows);
	free(summary->skips);
	free(summary);
}

void *row_list_push(struct row_list *list)
{
	char *row;

	if (list->count == list->capacity) {
		size_t capacity = list->capacity + list->capacity / 2 + 4;
		void *rows = reallocarray(list->rows, capacity, list->row_size);

		if (!rows)
			return NULL;
		list->rows = rows;
		list->capacity = capacity;
	}
	row = (char *)list->rows + list->count++ * list->row_size;
	return memset(row, 0, list->row_size);
}

void *row_list_last(const struct row_list *list)
{
	if (list->count == list->written)
		return NULL;
	return (char *)list->rows + (list->count - 1) * list->row_size;
}

static void drop_written(struct row_list *list)
{
	size_t left = list->count - list->written;

	if (left > 0)
		memmove(list->rows, (char *)list->rows + list->written * list->row_size,
			left * list->row_size);
	list->count = left;
	list->written = 0;
	/* Many at once are rare and need not be paid for from then on. */
	if (left == 0) {
		free(list->rows);
		list->rows = NULL;
		list->capacity = 0;
	}
}

int64_t summary_floor(int64_t ns, int64_t unit)
{
	int64_t rest = ns % unit;

	return ns - (rest < 0 ? rest + unit : rest);
}

static bool counts(const struct summary *summary, uint32_t seq)
{
	return seq < summary->cut && !owamp_skips_contain(summary->skips, summary->skip_count, seq);
}

/* Losses come with ascending numbers, mostly; what does not is joined in the archive. */
static int add_loss(struct summary *summary, uint32_t seq, int64_t send_ns)
{
	struct loss_row *row = row_list_last(&summary->losses);

	if (row && seq >= row->first_seq && seq <= row->last_seq)
		return 0;
	if (row && seq == (uint64_t)row->last_seq + 1) {
		row->last_seq = seq;
		row->end_ns = send_ns;
		return 0;
	}
	row = row_list_push(&summary->losses);
	if (!row)
		return OWAMP_ENOMEM;
	*row = (struct loss_row){seq, seq, send_ns, send_ns};
	return 0;
}

static int add_lost(struct summary *summary, struct minute *minute, const struct owamp_record *record,
		    int64_t send_ns)
{
	int error = add_loss(summary, record->seq, send_ns);

	if (!error)
		minute->row.lost++;
	return error;
}

static void raise_to(int64_t *largest, int64_t value)
{
	if (value > *largest)
		*largest = value;
}

static int add_received(struct summary *summary, struct minute *minute, const struct owamp_record *record)
{
	struct minute_row *row = &minute->row;
	bool first = row->received == 0;
	int error = minute_add_delay(&summary->open, minute,
				     owamp_ntp_diff_ns(record->receive_time, record->send_time));

	if (error)
		return error;
	if (record->seq >= summary->next_expected)
		summary->next_expected = (uint64_t)record->seq + 1;
	else
		row->reordered++;
	raise_to(&row->send_error_ns, owamp_error_estimate_ns(record->send_error));
	raise_to(&row->receive_error_ns, owamp_error_estimate_ns(record->receive_error));
	row->synchronized = (first || row->synchronized) &&
			    owamp_error_estimate_synchronized(record->send_error) &&
			    owamp_error_estimate_synchronized(record->receive_error);
	return 0;
}

int summary_record(struct summary *summary, const struct owamp_record *record)
{
	bool lost = owamp_record_lost(record);
	struct minute *minute;
	int64_t send_ns, minute_ns;
	int error = 0;

	if (!counts(summary, record->seq) || (lost && record->duplicate))
		return 0;
	send_ns = owamp_ntp_to_unix_ns(record->send_time, summary->near_ns);
	minute_ns = summary_floor(send_ns, SUMMARY_MINUTE_NS);
	if (!summary->counted || record->seq > summary->seq_max)
		summary->seq_max = record->seq;
	summary->counted = true;
	if (minute_ns < summary->closed_before_ns) {
		summary->stale = true;
		return 0;
	}
	minute = minute_tree_get(&summary->open, minute_ns);
	if (!minute)
		error = OWAMP_ENOMEM;
	else if (lost && record->dropped)
		minute->row.dropped++;
	else if (lost)
		error = add_lost(summary, minute, record, send_ns);
	else if (record->duplicate)
		minute->row.duplicates++;
	else
		error = add_received(summary, minute, record);
	if (error)
		summary->stale = true;
	return error;
}

int summary_skips(struct summary *summary, const struct owamp_skip_range *skips, uint32_t count)
{
	struct owamp_skip_range *copy = NULL;

	if (!owamp_skips_valid(skips, count))
		return OWAMP_EDATA;
	if (count > 0) {
		copy = reallocarray(NULL, count, sizeof *copy);
		if (!copy) {
			summary->stale = true;
			return OWAMP_ENOMEM;
		}
		memcpy(copy, skips, count * sizeof *copy);
	}
	free(summary->skips);
	summary->skips = copy;
	summary->skip_count = count;
	if (count > 0 && summary->counted && summary->seq_max >= skips[0].first)
		summary->stale = true;
	return 0;
}

void summary_cut(struct summary *summary, uint32_t next_seq)
{
	summary->cut = next_seq;
	if (summary->counted && summary->seq_max >= next_seq)
		summary->stale = true;
}

static struct hour_row *hour_of(struct summary *summary, int64_t minute_ns)
{
	int64_t hour_ns = summary_floor(minute_ns, SUMMARY_HOUR_NS);
	struct hour_row *row = row_list_last(&summary->hours);
	struct histogram *histogram;

	/* Minutes are closed in their order, so hours are as well. */
	if (row && row->hour_ns == hour_ns)
		return row;
	if (histogram_new(&histogram))
		return NULL;
	row = row_list_push(&summary->hours);
	if (row)
		*row = (struct hour_row){hour_ns, histogram};
	else
		histogram_free(histogram);
	return row;
}

/* The delays are in order, so each bucket is looked up once. */
static int add_delays(struct histogram *histogram, const struct minute *minute)
{
	size_t count = minute->row.received;
	int error = 0;

	for (size_t i = 0, n; i < count && !error; i += n) {
		int64_t lowest, highest;

		histogram_edges(minute->delays[i], &lowest, &highest);
		for (n = 1; i + n < count && minute->delays[i + n] <= highest; n++)
			;
		error = histogram_add(histogram, minute->delays[i], n);
	}
	return error;
}

static int ready(struct summary *summary, struct minute *minute)
{
	struct minute_row *row;
	struct hour_row *hour;

	minute_finish(minute);
	if (minute->row.received > 0) {
		hour = hour_of(summary, minute->row.minute_ns);
		if (!hour || add_delays(hour->histogram, minute))
			return OWAMP_ENOMEM;
	}
	row = row_list_push(&summary->minutes);
	if (!row)
		return OWAMP_ENOMEM;
	*row = minute->row;
	return 0;
}

/* Minutes that begin before this can no longer change. */
static int64_t settled_before(const struct summary *summary, int64_t now_ns)
{
	int64_t ns;

	if (now_ns == INT64_MAX)
		return INT64_MAX;
	if (__builtin_sub_overflow(now_ns, summary->timeout_ns, &ns) ||
	    __builtin_sub_overflow(ns, SUMMARY_GRACE_NS + SUMMARY_MINUTE_NS, &ns) ||
	    ns < INT64_MIN + SUMMARY_MINUTE_NS)
		return INT64_MIN;
	return summary_floor(ns, SUMMARY_MINUTE_NS) + SUMMARY_MINUTE_NS;
}

int summary_close_before(struct summary *summary, int64_t before_ns, uint64_t max, bool *more)
{
	uint64_t count = 0;
	int error = 0;

	*more = true;
	if (before_ns > summary->closed_before_ns)
		summary->closed_before_ns = before_ns;
	while (count < max) {
		struct minute *minute = minute_tree_take(&summary->open, before_ns);
		int result;

		if (!minute) {
			*more = false;
			break;
		}
		count += 1 + minute->row.received;
		result = ready(summary, minute);
		minute_free(minute);
		if (result) {
			summary->stale = true;
			error = result;
		}
	}
	return error;
}

int summary_close(struct summary *summary, int64_t now_ns)
{
	bool more;

	return summary_close_before(summary, settled_before(summary, now_ns), UINT64_MAX, &more);
}

bool summary_is_stale(const struct summary *summary)
{
	return summary->stale;
}

bool summary_is_ready(const struct summary *summary)
{
	return summary->minutes.count > 0 || summary->hours.count > 0 || summary->losses.count > 0;
}

void summary_stored(struct summary *summary)
{
	free_hours(&summary->hours, summary->hours.written);
	drop_written(&summary->hours);
	drop_written(&summary->minutes);
	drop_written(&summary->losses);
}

static size_t octets_of(const struct row_list *list)
{
	return list->capacity * list->row_size;
}

size_t summary_memory(const struct summary *summary)
{
	const struct hour_row *hours = summary->hours.rows;
	size_t octets = sizeof *summary + summary->open.octets;

	octets += octets_of(&summary->minutes) + octets_of(&summary->hours) + octets_of(&summary->losses);
	for (size_t i = 0; i < summary->hours.count; i++)
		octets += histogram_memory(hours[i].histogram);
	return octets + summary->skip_count * sizeof *summary->skips;
}
