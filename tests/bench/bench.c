#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "programs.h"

struct part {
	const char *name;
	bool (*run)(struct bench *bench);
	const char *text;
};

static const struct part parts[] = {
	{"rate", part_rate, "lossless packet rate and CPU per packet, in O, A and E"},
	{"lateness", part_lateness, "how late packets leave, idle and beside CPU burners"},
	{"delay", part_delay, "reported delay against the kernel's transmit and receive stamps"},
	{"sessions", part_sessions, "10 to 10,000 sessions in one owampd: memory, lateness"},
	{"fetch", part_fetch, "records per second of Fetch-Session"},
	{"handshakes", part_handshakes, "control connections per second, with keys and without"},
};

#define PARTS (sizeof parts / sizeof parts[0])

__attribute__((format(printf, 2, 0))) static void say(const char *begin, const char *format,
						      va_list arguments)
{
	fputs(begin, stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void bench_progress(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("bench: ", format, arguments);
	va_end(arguments);
}

bool bench_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("bench: FAILED: ", format, arguments);
	va_end(arguments);
	return false;
}

void bench_add(struct bench *bench, struct table *table)
{
	if (!bench->json)
		table_print(table);
	json_object_set_new(bench->tables, table_name(table), table_json(table));
	table_free(table);
}

static void print_usage(void)
{
	fputs("usage: bench [OPTION]... [PART]...\n"
	      "Runs owampd, owping and owfetch on loopback and between namespaces of its own, and prints "
	      "what\n"
	      "they cost and how exact they are, beside bare loops of the same run. Wants a release build, "
	      "an\n"
	      "idle machine, and for all of it root. Exit status 0 if all of it worked, however slowly.\n\n"
	      "  --json   print JSON\n"
	      "  --quick  see only whether it all works: the figures are of no worth\n\n"
	      "Parts, all if none is named:\n",
	      stderr);
	for (size_t i = 0; i < PARTS; i++)
		fprintf(stderr, "  %-10s  %s\n", parts[i].name, parts[i].text);
}

static const struct part *find_part(const char *name)
{
	for (size_t i = 0; i < PARTS; i++) {
		if (strcmp(parts[i].name, name) == 0)
			return &parts[i];
	}
	fprintf(stderr, "bench: there is no part \"%s\"\n", name);
	return NULL;
}

static bool parse(struct bench *bench, bool wanted[PARTS], int argc, char **argv)
{
	static const struct option names[] = {
		{"json", no_argument, NULL, 'j'},
		{"quick", no_argument, NULL, 'q'},
		{NULL, 0, NULL, 0},
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (letter == 'j')
			bench->json = true;
		else if (letter == 'q')
			bench->quick = true;
		else
			return false;
	}
	for (size_t i = 0; i < PARTS; i++)
		wanted[i] = optind == argc;
	for (int i = optind; i < argc; i++) {
		const struct part *part = find_part(argv[i]);

		if (!part)
			return false;
		wanted[part - parts] = true;
	}
	return true;
}

static bool prepare(struct bench *bench)
{
	const char *parent = getenv("TMPDIR");

	(void)programs_path("owampd/owampd", bench->owampd);
	(void)programs_path("owping/owping", bench->owping);
	(void)programs_path("owping/owfetch", bench->owfetch);
	(void)programs_path("tests/bench/bench_sessions", bench->sessions);
	snprintf(bench->directory, sizeof bench->directory, "%s/owamp-bench-XXXXXX",
		 parent && strlen(parent) < 32 ? parent : "/tmp");
	bench->tables = json_object();
	if (!bench->tables || !mkdtemp(bench->directory))
		return bench_fail("%s: %s", bench->directory, strerror(errno));
	snprintf(bench->output, sizeof bench->output, "%s/output", bench->directory);
	snprintf(bench->errors, sizeof bench->errors, "%s/errors", bench->directory);
	return true;
}

static bool run(struct bench *bench, const bool wanted[PARTS])
{
	bool ok = true;

	bench_add(bench, facts_table());
	for (size_t i = 0; i < PARTS && !process_interrupted(); i++) {
		if (wanted[i] && !parts[i].run(bench)) {
			fprintf(stderr, "bench: FAILED: %s\n", parts[i].name);
			ok = false;
		}
	}
	if (process_interrupted()) {
		fputs("bench: interrupted\n", stderr);
		ok = false;
	}
	if (bench->json)
		ok = json_dumpf(bench->tables, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 && ok;
	if (bench->json)
		putchar('\n');
	return fflush(stdout) == 0 && ok;
}

static void clean_up(struct bench *bench)
{
	(void)unlink(bench->output);
	(void)unlink(bench->errors);
	if (rmdir(bench->directory))
		(void)bench_fail("%s: %s", bench->directory, strerror(errno));
	json_decref(bench->tables);
}

int main(int argc, char **argv)
{
	struct bench bench = {.json = false};
	bool wanted[PARTS];
	bool ok;

	process_init();
	if (!parse(&bench, wanted, argc, argv)) {
		print_usage();
		return 2;
	}
	if (!prepare(&bench))
		return 1;
	ok = run(&bench, wanted);
	clean_up(&bench);
	return ok ? 0 : 1;
}
