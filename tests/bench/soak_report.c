#include "soak.h"

#include <math.h>

#include <jansson.h>

void soak_print_sample(const struct soak_options *options, const struct soak_sample *sample, bool first)
{
	FILE *out = options->json ? stderr : stdout;

	if (first)
		fprintf(out, "%8s %10s %6s %11s %6s %8s %10s %11s %9s %9s\n", "minute", "memory MiB", "CPU %",
			"packets", "lost", "dropped", "archive MiB", "late p50 us", "p99", "max");
	fprintf(out, "%8.1f %10.1f %6.1f %11llu %6llu %8llu %10.1f ", sample->minutes, sample->resident_mib,
		sample->cpu_percent, (unsigned long long)sample->packets, (unsigned long long)sample->lost,
		(unsigned long long)sample->dropped, sample->archive_mib);
	if (isnan(sample->late_p50_us))
		fprintf(out, "%11s %9s %9s\n", "-", "-", "-");
	else
		fprintf(out, "%11.1f %9.1f %9.1f\n", sample->late_p50_us, sample->late_p99_us,
			sample->late_max_us);
	(void)fflush(out);
}

static void print_growth(const char *what, const struct soak_growth *growth, const char *unknown)
{
	if (!growth->known)
		printf("%s: not known: %s\n", what, unknown);
	else
		printf("%s %s: median %.1f MiB in the second quarter, %.1f MiB in the last (%+.1f %%)\n",
		       what, growth->flat ? "flat" : "NOT FLAT", growth->before_mib, growth->after_mib,
		       growth->percent);
}

static json_t *real(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *growth_json(const struct soak_growth *growth)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "second_quarter_mib", real(growth->before_mib),
			 "last_quarter_mib", real(growth->after_mib), "growth_percent", real(growth->percent),
			 "flat", growth->known ? json_boolean(growth->flat) : json_null());
}

static json_t *samples_json(const struct soak_samples *samples)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < samples->count; i++) {
		const struct soak_sample *s = &samples->list[i];

		json_array_append_new(list,
				      json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:o, s:o, s:o}",
						"minutes", s->minutes, "resident_mib", s->resident_mib,
						"cpu_percent", s->cpu_percent, "archive_mib", s->archive_mib,
						"packets", (json_int_t)s->packets, "lost",
						(json_int_t)s->lost, "dropped", (json_int_t)s->dropped,
						"late_p50_us", real(s->late_p50_us), "late_p99_us",
						real(s->late_p99_us), "late_max_us", real(s->late_max_us)));
	}
	return list;
}

static void print_json(const struct soak_options *options, const struct soak_samples *samples,
		       const struct soak_verdict *verdict, unsigned rounds, unsigned complete)
{
	json_t *root = json_pack("{s:f, s:f, s:i, s:f, s:f, s:b, s:b, s:i, s:i, s:o, s:o, s:o}", "hours",
				 options->hours, "rate", options->rate, "sessions", (int)options->sessions,
				 "round_minutes", options->minutes, "keep_minutes", options->keep, "both",
				 options->both, "encrypted", options->encrypted, "rounds", (int)rounds,
				 "rounds_complete", (int)complete, "memory", growth_json(&verdict->memory),
				 "archive", growth_json(&verdict->archive), "samples", samples_json(samples));

	if (root && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0)
		putchar('\n');
	json_decref(root);
}

void soak_report(const struct soak_options *options, const struct soak_samples *samples,
		 const struct soak_verdict *verdict, unsigned rounds, unsigned complete)
{
	if (options->json) {
		print_json(options, samples, verdict, rounds, complete);
		return;
	}
	printf("\n%u of %u rounds accounted for all their packets\n", complete, rounds);
	print_growth("memory", &verdict->memory, "the run had too few lines");
	print_growth("archive", &verdict->archive,
		     "it was not full before the second quarter (keep and two rounds)");
}
