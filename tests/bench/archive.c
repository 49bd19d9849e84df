#include "archive.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include <owamp/engine.h>

#define SESSIONS_MAX 10000
#define ROUNDS_MAX   99

#define RATE "rate.db"
#define BIG  "archive.db"

/* Leaves room for the files' names. */
#define DIRECTORY_MAX (PATH_MAX - 64)

struct options {
	unsigned rows;
	unsigned sessions;
	unsigned rounds;
	unsigned packets;
	unsigned pairs;
	const char *parent;
	const char *document;
	bool keep;
	bool json;
};

/* Schedules begin at the next hour: what lies before now would be closed before it was written. */
static int64_t first_hour(void)
{
	return (owamp_real_ns() / HOUR_NS + 1) * HOUR_NS;
}

/* Records that were made before. */
struct array {
	const struct feed_entry *entries;
	size_t count;
	size_t next;
};

static bool array_next(void *context, struct feed_entry *entry)
{
	struct array *array = context;

	if (array->next == array->count)
		return false;
	*entry = array->entries[array->next++];
	return true;
}

/* Sessions side by side, each at its rate: the one whose next packet is due first comes first. */
struct merged {
	struct feed_session *sessions;
	unsigned count;
	uint64_t records;
};

static int64_t due(const struct feed_session *session)
{
	if (!session->again && session->next_seq == session->request.packets)
		return INT64_MAX;
	return session->start_ns + session->next_seq * session->interval_ns -
	       (session->again ? SECOND_NS / 100 : 0);
}

static bool merged_next(void *context, struct feed_entry *entry)
{
	struct merged *merged = context;
	struct feed_session *first = &merged->sessions[0];

	for (unsigned i = 1; i < merged->count; i++) {
		if (due(&merged->sessions[i]) < due(first))
			first = &merged->sessions[i];
	}
	entry->session = first;
	if (!feed_next(first, &entry->record))
		return false;
	merged->records++;
	return true;
}

static void make_path(char *path, size_t size, const char *directory, const char *name)
{
	snprintf(path, size, "%s/%s", directory, name);
}

static void remove_archive(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
}

/* The first integer of a query; -1 on failure. */
static int64_t integer(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int64_t value = -1;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		value = sqlite3_column_int64(st, 0);
	else
		fprintf(stderr, "archive: %s: %s\n", path, sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

/* Octets of the file that are in use. */
static int64_t file_octets(const char *path)
{
	return integer(path, "SELECT (page_count - freelist_count) * page_size"
			     " FROM pragma_page_count, pragma_freelist_count, pragma_page_size");
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof *values, compare);
	return values[count / 2];
}

/* Records of sessions that run at a time, in turn. */
static struct feed_entry *make_entries(struct feed_session *sessions, unsigned count, size_t rows)
{
	struct feed_entry *entries = calloc(rows, sizeof *entries);

	for (size_t i = 0; entries && i < rows; i++) {
		entries[i].session = &sessions[i % count];
		if (!feed_next(entries[i].session, &entries[i].record)) {
			free(entries);
			entries = NULL;
		}
	}
	return entries;
}

static bool through_writer(const char *path, struct feed_session *sessions, unsigned count,
			   const struct feed_entry *entries, size_t rows, struct feed_result *result)
{
	struct array array = {.entries = entries, .count = rows};
	const struct feed_source source = {.next = array_next, .context = &array};
	struct feed *feed;
	bool ok = feed_new(&feed, path) && feed_run(feed, sessions, count, &source, result);

	feed_free(feed);
	if (ok && integer(path, "SELECT count(*) FROM packets") != (int64_t)rows) {
		fprintf(stderr, "archive: %s: not all records are there\n", path);
		ok = false;
	}
	return ok;
}

static bool measure_rate(const struct options *options, const char *directory, unsigned count,
			 struct rate *rate)
{
	struct feed_session *sessions = calloc(count, sizeof *sessions);
	double bare[ROUNDS_MAX], writer[ROUNDS_MAX];
	struct feed_entry *entries = NULL;
	char path[PATH_MAX];
	bool ok = sessions != NULL;

	make_path(path, sizeof path, directory, RATE);
	for (unsigned i = 0; i < count && ok; i++)
		feed_session_init(&sessions[i], i, i, false, first_hour(), 100, UINT32_MAX);
	if (ok)
		entries = make_entries(sessions, count, options->rows);
	ok = entries != NULL;
	for (unsigned i = 0; i < count && ok; i++)
		sessions[i].request.packets = sessions[i].next_seq;
	for (unsigned round = 0; round < options->rounds && ok; round++) {
		struct feed_result result;
		double seconds;

		ok = through_writer(path, sessions, count, entries, options->rows, &result);
		if (!ok)
			break;
		rate->octets = (double)file_octets(path) / options->rows;
		rate->transaction = (options->rows - 1) / result.transactions + 1;
		remove_archive(path);
		ok = feed_bare(path, sessions, count, entries, options->rows, rate->transaction, &seconds);
		writer[round] = options->rows / result.seconds;
		bare[round] = options->rows / seconds;
		remove_archive(path);
	}
	if (ok) {
		rate->sessions = count;
		rate->bare = median(bare, options->rounds);
		rate->writer = median(writer, options->rounds);
	}
	free(entries);
	free(sessions);
	return ok;
}

static bool measure_rates(const struct options *options, const char *directory, struct report *report)
{
	const unsigned counts[] = {1, options->sessions};

	report->rows = options->rows;
	report->rounds = options->rounds;
	for (size_t i = 0; options->rows > 0 && i < sizeof counts / sizeof counts[0]; i++) {
		if (!measure_rate(options, directory, counts[i], &report->rates[i]))
			return false;
		report->rate_count++;
	}
	return true;
}

/* Packets per second of a pair, in each direction. */
static unsigned pair_rate(unsigned pair)
{
	static const unsigned rates[] = {10, 10, 20, 100};

	return rates[pair % 4];
}

/* All pairs, both directions, from hour to hour, until there are enough packets. */
static bool build(const struct options *options, const char *path, struct report *report, int64_t *end_ns)
{
	unsigned count = 2 * options->pairs;
	struct feed_session *sessions = calloc(count, sizeof *sessions);
	struct feed *feed = NULL;
	bool ok = sessions && feed_new(&feed, path);

	for (*end_ns = first_hour(); ok && report->packets < options->packets; *end_ns += HOUR_NS) {
		struct merged merged = {.sessions = sessions, .count = count};
		const struct feed_source source = {.next = merged_next, .context = &merged};
		struct feed_result result;

		for (unsigned i = 0; i < count; i++)
			feed_session_init(&sessions[i], report->sessions++, i / 2, i % 2, *end_ns,
					  pair_rate(i / 2), 3600 * pair_rate(i / 2));
		ok = feed_run(feed, sessions, count, &source, &result);
		report->packets += merged.records;
		report->build_seconds += result.seconds;
	}
	feed_free(feed);
	free(sessions);
	return ok;
}

static bool measure_queries(const struct options *options, const char *directory, struct report *report)
{
	struct query_parameters parameters;
	struct feed_session first;
	char path[PATH_MAX];
	bool ok;

	make_path(path, sizeof path, directory, BIG);
	if (!build(options, path, report, &parameters.to_ns))
		return false;
	report->file_octets = file_octets(path);
	report->octets = (double)report->file_octets / (double)report->packets;
	feed_session_init(&first, 0, 0, false, parameters.to_ns, pair_rate(0), 1);
	parameters.from_ns = parameters.to_ns - 24 * HOUR_NS;
	parameters.sender = first.sender;
	parameters.receiver = first.receiver;
	(void)owamp_sid_text(first.request.sid, parameters.sid);
	ok = queries_load(&report->queries, options->document, path) &&
	     queries_run(&report->queries, path, &parameters, options->rounds);
	return ok;
}

static const char usage[] =
	"usage: archive [OPTION]...\n"
	"Prints how many rows per second the writer gets into an archive, beside a bare prepared INSERT on\n"
	"the same disk; builds a big archive and prints how long each query of docs/archive.md takes there.\n"
	"Exit status 0 if all of it worked, however long it took.\n\n"
	"  -r, --rows N         packets of each measurement of the writer (1000000); 0: none\n"
	"  -n, --sessions N     sessions at a time in the second measurement (100)\n"
	"  -R, --rounds N       medians of so many (3)\n"
	"  -p, --packets N      packets in the big archive (10000000), in full hours; 0: none\n"
	"  -P, --pairs N        pairs of endpoints there, each with both directions (4)\n"
	"  -d, --dir PATH       where the archives are made (TMPDIR, or /tmp)\n"
	"  -k, --keep           leave the big one there\n"
	"      --document FILE  with the queries (docs/archive.md of the source)\n"
	"      --json           print JSON\n";

static bool number(const char *text, unsigned min, unsigned max, unsigned *value)
{
	char *end;
	unsigned long parsed;

	errno = 0;
	parsed = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || parsed < min || parsed > max) {
		fprintf(stderr, "archive: \"%s\" is not a number from %u to %u\n", text, min, max);
		return false;
	}
	*value = (unsigned)parsed;
	return true;
}

static bool parse(struct options *options, int argc, char **argv)
{
	enum { OPTION_DOCUMENT = 256, OPTION_JSON };
	static const struct option names[] = {
		{"rows", required_argument, NULL, 'r'},
		{"sessions", required_argument, NULL, 'n'},
		{"rounds", required_argument, NULL, 'R'},
		{"packets", required_argument, NULL, 'p'},
		{"pairs", required_argument, NULL, 'P'},
		{"dir", required_argument, NULL, 'd'},
		{"keep", no_argument, NULL, 'k'},
		{"document", required_argument, NULL, OPTION_DOCUMENT},
		{"json", no_argument, NULL, OPTION_JSON},
		{NULL, 0, NULL, 0},
	};
	bool ok = true;
	int letter;

	while (ok && (letter = getopt_long(argc, argv, "r:n:R:p:P:d:k", names, NULL)) != -1) {
		switch (letter) {
		case 'r':
			ok = number(optarg, 0, 100000000, &options->rows);
			break;
		case 'n':
			ok = number(optarg, 1, SESSIONS_MAX, &options->sessions);
			break;
		case 'R':
			ok = number(optarg, 1, ROUNDS_MAX, &options->rounds);
			break;
		case 'p':
			ok = number(optarg, 0, 1000000000, &options->packets);
			break;
		case 'P':
			ok = number(optarg, 1, 1000, &options->pairs);
			break;
		case 'd':
			options->parent = optarg;
			break;
		case 'k':
			options->keep = true;
			break;
		case OPTION_DOCUMENT:
			options->document = optarg;
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		default:
			ok = false;
		}
	}
	if (ok && optind != argc)
		fprintf(stderr, "archive: \"%s\" is one argument too many\n", argv[optind]);
	return ok && optind == argc;
}

static bool run(const struct options *options, const char *directory)
{
	struct report report = {0};
	bool ok = measure_rates(options, directory, &report);

	if (ok && options->packets > 0)
		ok = measure_queries(options, directory, &report);
	ok = ok && report_print(&report, options->json);
	queries_free(&report.queries);
	return ok;
}

static void clean_up(const struct options *options, const char *directory)
{
	char path[PATH_MAX];

	make_path(path, sizeof path, directory, RATE);
	remove_archive(path);
	make_path(path, sizeof path, directory, BIG);
	if (options->keep) {
		fprintf(stderr, "archive: kept: %s\n", path);
		return;
	}
	remove_archive(path);
	if (rmdir(directory))
		fprintf(stderr, "archive: %s: %s\n", directory, strerror(errno));
}

int main(int argc, char **argv)
{
	struct options options = {
		.rows = 1000000,
		.sessions = 100,
		.rounds = 3,
		.packets = 10000000,
		.pairs = 4,
		.parent = getenv("TMPDIR"),
		.document = BENCH_DOCUMENT,
	};
	char directory[DIRECTORY_MAX];
	bool ok;

	if (!parse(&options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!options.parent)
		options.parent = "/tmp";
	errno = ENAMETOOLONG;
	if ((size_t)snprintf(directory, sizeof directory, "%s/owamp-archive-XXXXXX", options.parent) >=
		    sizeof directory ||
	    !mkdtemp(directory)) {
		fprintf(stderr, "archive: %s: %s\n", options.parent, strerror(errno));
		return 1;
	}
	ok = run(&options, directory);
	clean_up(&options, directory);
	return ok ? 0 : 1;
}
