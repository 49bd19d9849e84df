#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/client.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#define SECOND_NS INT64_C(1000000000)

/* From the request to the schedule's start: setting many sessions up takes a while. */
#define START_DELAY_NS (3 * SECOND_NS)
#define TIMEOUT_NS     (2 * SECOND_NS)

/* Beyond what the sessions take by their schedules: then something is broken. */
#define PATIENCE_NS (120 * SECOND_NS)

/* Files of one process beside those of connections and sessions. */
#define OTHER_FILES 64

struct bench {
	const struct bench_options *options;
	struct bench_results *results;
	struct owamp_engine *engine;
	struct connection *connections;
	unsigned connection_count;
	unsigned running;
	bool interrupted;
};

struct connection {
	struct bench *bench;
	struct owamp_client *client;
	int error;
	char reason[256];
};

static void quit(struct bench *bench)
{
	owamp_loop_quit(owamp_engine_loop(bench->engine));
}

static void connection_done(void *context, int error, const char *reason)
{
	struct connection *connection = context;

	connection->error = error;
	snprintf(connection->reason, sizeof connection->reason, "%s", reason);
	if (--connection->bench->running == 0)
		quit(connection->bench);
}

static void interrupted(void *context, int signal)
{
	struct bench *bench = context;

	(void)signal;
	bench->interrupted = true;
	quit(bench);
}

static void too_late(struct owamp_timer *timer)
{
	fprintf(stderr, "bench_sessions: the sessions did not end in time\n");
	quit(timer->context);
}

/* Every other session in each direction, where both are wanted. */
static enum owamp_direction direction(const struct bench_options *options, unsigned session)
{
	if (options->to && options->from)
		return session % 2 ? OWAMP_FROM_SERVER : OWAMP_TO_SERVER;
	return options->to ? OWAMP_TO_SERVER : OWAMP_FROM_SERVER;
}

static int add_tests(struct connection *connection, unsigned first, unsigned count)
{
	const struct bench_options *options = connection->bench->options;
	const struct owamp_slot slot = {
		.type = OWAMP_SLOT_EXPONENTIAL,
		.interval = owamp_interval_from_ns((uint64_t)(1e9 / options->rate)),
	};
	struct owamp_test_config test = {
		.packets = (uint32_t)(options->rate * options->seconds),
		.slots = &slot,
		.slot_count = 1,
		.timeout_ns = TIMEOUT_NS,
		.start_delay_ns = START_DELAY_NS,
	};

	for (unsigned i = 0; i < count; i++) {
		int error;

		test.direction = direction(options, first + i);
		error = owamp_client_add_test(connection->client, &test);
		if (error < 0)
			return error;
	}
	return 0;
}

static int start_connection(struct bench *bench, struct connection *connection, unsigned first,
			    unsigned count)
{
	const struct bench_options *options = bench->options;
	const struct owamp_client_config config = {
		.host = options->host,
		.port = options->port,
		.modes = options->encrypted ? OWAMP_MODE_ENCRYPTED : OWAMP_MODE_OPEN,
		.key_id = options->encrypted ? BENCH_KEY_ID : NULL,
		.secret = options->encrypted ? (const uint8_t *)BENCH_SECRET : NULL,
		.secret_size = options->encrypted ? strlen(BENCH_SECRET) : 0,
		.step_timeout_ns = 60 * SECOND_NS,
	};
	const struct owamp_client_callbacks callbacks = {.done = connection_done, .context = connection};
	int error;

	*connection = (struct connection){.bench = bench, .error = OWAMP_EPARTIAL, .reason = "not finished"};
	error = owamp_client_new(&connection->client, bench->engine, &config, &callbacks);
	if (!error)
		error = add_tests(connection, first, count);
	if (!error)
		error = owamp_client_start(connection->client);
	if (!error)
		bench->running++;
	return error;
}

static int start_all(struct bench *bench)
{
	const struct bench_options *options = bench->options;
	unsigned connection = 0;
	int error = 0;

	for (unsigned first = 0; first < options->sessions && !error; first += options->per_connection) {
		unsigned left = options->sessions - first;
		unsigned count = left < options->per_connection ? left : options->per_connection;

		error = start_connection(bench, &bench->connections[connection++], first, count);
	}
	return error;
}

static void add_send_health(struct bench_side *side, const struct owamp_send_health *health)
{
	side->sent += health->sent;
	side->send_errors += health->send_errors;
	side->lateness.packets += health->sent;
	side->lateness.sum_us += health->lateness_mean_ns / 1e3 * (double)health->sent;
	if ((double)health->lateness_max_ns / 1e3 > side->lateness.max_us)
		side->lateness.max_us = (double)health->lateness_max_ns / 1e3;
}

static void add_records(struct bench_results *results, const struct owamp_result *result)
{
	uint8_t *seen = calloc((size_t)result->request.packets + 1, 1);

	if (!seen)
		return;
	for (uint32_t i = 0; i < result->record_count; i++) {
		const struct owamp_record *record = &result->records[i];

		if (owamp_record_lost(record))
			results->lost++;
		else if (seen[record->seq]++)
			results->duplicates++;
		else
			results->received++;
	}
	free(seen);
}

static void add_result(struct bench *bench, const struct connection *connection,
		       const struct owamp_result *result)
{
	struct bench_results *results = bench->results;
	const char *reason = result->error ? result->reason : connection->reason;

	if (result->error || connection->error) {
		if (!results->first_reason[0])
			snprintf(results->first_reason, sizeof results->first_reason, "%s", reason);
	} else {
		results->complete++;
	}
	add_records(results, result);
	if (result->has_send_health) {
		add_send_health(&bench->results->bench, &result->send_health);
		for (uint32_t i = 0; i < result->skip_count; i++)
			results->bench.skipped += result->skips[i].last - result->skips[i].first + 1;
	}
	if (result->has_receive_health)
		results->bench.socket_drops += result->receive_health.socket_drops;
}

static void add_results(struct bench *bench)
{
	for (unsigned i = 0; i < bench->connection_count; i++) {
		const struct connection *connection = &bench->connections[i];

		if (!connection->client)
			continue;
		for (unsigned test = 0; test < owamp_client_result_count(connection->client); test++)
			add_result(bench, connection, owamp_client_result(connection->client, test));
	}
}

static int watch_signals(struct bench *bench)
{
	static const int signals[] = {SIGINT, SIGTERM};

	return owamp_loop_signals(owamp_engine_loop(bench->engine), signals,
				  sizeof signals / sizeof signals[0], interrupted, bench);
}

/* All sessions from the beginning to the end. */
static int run(const struct bench_options *options, struct bench_results *results)
{
	struct bench bench = {.options = options, .results = results};
	struct owamp_timer timer = {.expired = too_late, .context = &bench};
	int error = OWAMP_ENOMEM;

	bench.connection_count = (options->sessions - 1) / options->per_connection + 1;
	bench.connections = calloc(bench.connection_count, sizeof *bench.connections);
	if (bench.connections)
		error = owamp_engine_new(&bench.engine, NULL, NULL, 0);
	if (!error)
		error = watch_signals(&bench);
	if (!error)
		error = owamp_loop_set_timer(owamp_engine_loop(bench.engine), &timer,
					     owamp_mono_ns() + options->seconds * SECOND_NS + PATIENCE_NS);
	if (!error)
		error = start_all(&bench);
	if (!error && bench.running > 0)
		error = owamp_loop_run(owamp_engine_loop(bench.engine));
	if (!error && bench.interrupted)
		error = OWAMP_EPARTIAL;
	add_results(&bench);
	bench_own_usage(&results->bench.usage);
	for (unsigned i = 0; bench.connections && i < bench.connection_count; i++)
		owamp_client_free(bench.connections[i].client);
	owamp_engine_free(bench.engine);
	free(bench.connections);
	return error;
}

static const char usage[] =
	"usage: bench_sessions [OPTION]...\n"
	"Runs many OWAMP sessions at a time against one owampd, which it starts itself on loopback,\n"
	"and prints what that took. Exit status 0 if all sessions were complete, no packet was dropped\n"
	"at a socket of either side, and owampd was one process.\n\n"
	"  -n, --sessions N        sessions (1000)\n"
	"  -r, --rate R            packets per second of each, Poisson (10)\n"
	"  -d, --seconds S         how long (10)\n"
	"  -C, --per-connection N  sessions of each control connection (50)\n"
	"  -t, --to, -f, --from    one direction only\n"
	"  -e, --encrypted         encrypted mode\n"
	"      --owampd FILE       the server to start (the one that was built with this program)\n"
	"      --server HOST:PORT  use this server, open mode; nothing is known of its resources\n"
	"      --json              print JSON\n";

static bool number(const char *text, double max, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return end != text && *end == '\0' && errno == 0 && *value > 0 && *value <= max;
}

static bool whole_number(const char *text, unsigned max, unsigned *value)
{
	double parsed;

	if (!number(text, max, &parsed) || parsed != (unsigned)parsed)
		return false;
	*value = (unsigned)parsed;
	return true;
}

static bool split_server(char *text, struct bench_options *options)
{
	char *colon = strrchr(text, ':');
	unsigned port;

	if (!colon || colon == text || !whole_number(colon + 1, UINT16_MAX, &port))
		return false;
	*colon = '\0';
	options->host = text;
	options->port = (uint16_t)port;
	return true;
}

static bool parse(struct bench_options *options, int argc, char **argv)
{
	enum { OPTION_OWAMPD = 256, OPTION_SERVER, OPTION_JSON };
	static const struct option names[] = {
		{"sessions", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 'd'},
		{"per-connection", required_argument, NULL, 'C'},
		{"to", no_argument, NULL, 't'},
		{"from", no_argument, NULL, 'f'},
		{"encrypted", no_argument, NULL, 'e'},
		{"owampd", required_argument, NULL, OPTION_OWAMPD},
		{"server", required_argument, NULL, OPTION_SERVER},
		{"json", no_argument, NULL, OPTION_JSON},
		{NULL, 0, NULL, 0},
	};
	bool ok = true;
	int letter;

	while (ok && (letter = getopt_long(argc, argv, "n:r:d:C:tfe", names, NULL)) != -1) {
		switch (letter) {
		case 'n':
			ok = whole_number(optarg, 100000, &options->sessions);
			break;
		case 'r':
			ok = number(optarg, 100000, &options->rate);
			break;
		case 'd':
			ok = whole_number(optarg, 86400, &options->seconds);
			break;
		case 'C':
			ok = whole_number(optarg, 100000, &options->per_connection);
			break;
		case 't':
			options->to = true;
			break;
		case 'f':
			options->from = true;
			break;
		case 'e':
			options->encrypted = true;
			break;
		case OPTION_OWAMPD:
			options->owampd = optarg;
			break;
		case OPTION_SERVER:
			ok = split_server(optarg, options);
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		default:
			return false;
		}
		if (!ok)
			fprintf(stderr, "bench_sessions: bad value \"%s\"\n", optarg);
	}
	if (!options->to && !options->from)
		options->to = options->from = true;
	return ok && optind == argc && options->rate * options->seconds >= 1;
}

/* ../../owampd/owampd from where this program is. */
static const char *built_owampd(void)
{
	static char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof path - 32);

	if (size <= 0)
		return "owampd";
	path[size] = '\0';
	*strrchr(path, '/') = '\0';
	strcat(path, "/../../owampd/owampd");
	return path;
}

static bool is_right(const struct bench_results *results)
{
	return results->complete == results->sessions && results->bench.socket_drops == 0 &&
	       results->server.socket_drops == 0 &&
	       (!results->server_known ||
		(results->server.usage.processes == 1 && results->server.sessions == results->sessions));
}

int main(int argc, char **argv)
{
	struct bench_options options = {.sessions = 1000, .per_connection = 50, .seconds = 10, .rate = 10};
	struct bench_results results = {0};
	struct bench_server server;
	bool ok;
	int error;

	options.owampd = built_owampd();
	if (!parse(&options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!bench_raise_files(2 * options.sessions + OTHER_FILES)) {
		fprintf(stderr, "bench_sessions: %u open files are not allowed: ulimit -n\n",
			2 * options.sessions + OTHER_FILES);
		return 1;
	}
	results.server_known = !options.host;
	if (results.server_known) {
		if (!bench_server_start(&server, &options))
			return 1;
		options.host = "127.0.0.1";
		options.port = server.port;
	}
	results.sessions = options.sessions;
	error = run(&options, &results);
	ok = !results.server_known || bench_server_end(&server, &results.server);
	if (error)
		fprintf(stderr, "bench_sessions: %s\n", owamp_error_text(error));
	bench_report(&options, &results);
	return ok && !error && is_right(&results) ? 0 : 1;
}
