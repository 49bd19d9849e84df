#include "soak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fewer samples tell nothing of four quarters. */
#define SAMPLES_MIN 8

/* Of a double in struct soak_sample. */
typedef size_t field;

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Over samples [from, to); NAN if there are none. */
static double median(const struct soak_samples *samples, size_t from, size_t to, field offset)
{
	double *values = to > from ? calloc(to - from, sizeof *values) : NULL;
	double middle;

	if (!values)
		return NAN;
	for (size_t i = from; i < to; i++)
		memcpy(&values[i - from], (const char *)&samples->list[i] + offset, sizeof *values);
	qsort(values, to - from, sizeof *values, compare);
	middle = values[(to - from) / 2];
	free(values);
	return middle;
}

static void compare_quarters(const struct soak_samples *samples, field offset, double allowed,
			     struct soak_growth *growth)
{
	size_t quarter = samples->count / 4;

	growth->known = samples->count >= SAMPLES_MIN;
	growth->before_mib = median(samples, quarter, 2 * quarter, offset);
	growth->after_mib = median(samples, samples->count - quarter, samples->count, offset);
	growth->percent = 100 * (growth->after_mib / growth->before_mib - 1);
	growth->flat = growth->known && growth->percent <= allowed;
}

void soak_judge(const struct soak_options *options, const struct soak_samples *samples,
		struct soak_verdict *verdict)
{
	/* A session goes when it was kept for so long after its round; its room is there for the next but
	 * one. */
	double full = options->keep + 2 * options->minutes;

	compare_quarters(samples, offsetof(struct soak_sample, resident_mib), options->growth,
			 &verdict->memory);
	/* Where in a round a quarter begins makes a difference. */
	compare_quarters(samples, offsetof(struct soak_sample, archive_mib), 2 * options->growth,
			 &verdict->archive);
	if (verdict->archive.known && samples->list[samples->count / 4].minutes < full)
		verdict->archive.known = false;
}
