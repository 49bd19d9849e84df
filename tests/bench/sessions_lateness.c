#include "sessions.h"

#include <math.h>
#include <stdlib.h>

#include <owamp/schedule.h>
#include <owamp/stats.h>

static bool reserve(struct sessions_lateness *lateness, size_t more)
{
	size_t capacity = 2 * lateness->capacity + more;
	int64_t *values;

	if (lateness->count + more <= lateness->capacity)
		return true;
	values = reallocarray(lateness->values, capacity, sizeof *values);
	if (!values)
		return false;
	lateness->values = values;
	lateness->capacity = capacity;
	return true;
}

/* The schedule once more, from the SID, as an array: records come in any order. */
static owamp_ntp *due_times(const struct owamp_request *request)
{
	owamp_ntp *due = calloc((size_t)request->packets + 1, sizeof *due);
	struct owamp_schedule *schedule = NULL;

	if (!due || owamp_schedule_new(&schedule, request->slots, request->slot_count, request->sid)) {
		free(due);
		return NULL;
	}
	for (uint32_t seq = 0; seq < request->packets; seq++)
		due[seq] = request->start + owamp_schedule_next(schedule);
	owamp_schedule_free(schedule);
	return due;
}

bool sessions_lateness_add(struct sessions_lateness *lateness, const struct owamp_result *result)
{
	owamp_ntp *due = due_times(&result->request);

	if (!due || !reserve(lateness, result->record_count)) {
		free(due);
		return false;
	}
	for (uint32_t i = 0; i < result->record_count; i++) {
		const struct owamp_record *record = &result->records[i];

		if (!owamp_record_lost(record) && record->seq < result->request.packets)
			lateness->values[lateness->count++] =
				owamp_ntp_diff_ns(record->send_time, due[record->seq]);
	}
	lateness->sorted = false;
	free(due);
	return true;
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

double sessions_lateness_percentile_us(struct sessions_lateness *lateness, double percent)
{
	if (lateness->count == 0)
		return NAN;
	if (!lateness->sorted)
		qsort(lateness->values, lateness->count, sizeof *lateness->values, compare);
	lateness->sorted = true;
	return (double)lateness->values[owamp_percentile_rank(percent, lateness->count) - 1] / 1e3;
}

double sessions_lateness_mean_us(const struct sessions_lateness *lateness)
{
	double sum = 0;

	for (size_t i = 0; i < lateness->count; i++)
		sum += (double)lateness->values[i] / 1e3;
	return lateness->count > 0 ? sum / (double)lateness->count : NAN;
}
