#include "sessions.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <owamp/client.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#include "programs.h"

#define SECOND_NS INT64_C(1000000000)

/* As owping asks for. */
#define REALTIME_PRIORITY 10

/* Beyond what the sessions take by their schedules: then something is broken. */
#define PATIENCE_NS (120 * SECOND_NS)

/* Files of one process beside those of connections and sessions, of either of which each side has one. */
#define OTHER_FILES 64

struct bench {
	const struct sessions_options *options;
	struct sessions_results *results;
	struct owamp_engine *engine;
	struct connection *connections;
	unsigned connection_count;
	unsigned running;
	unsigned measuring; /* connections all of whose sessions were started */
	int64_t begin_ns;
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

static void connection_state(void *context, enum owamp_client_state state)
{
	const struct connection *connection = context;
	struct bench *bench = connection->bench;

	if (state == OWAMP_CLIENT_MEASURING && ++bench->measuring == bench->connection_count)
		bench->results->set_up_s = (double)(owamp_mono_ns() - bench->begin_ns) / 1e9;
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
static enum owamp_direction direction(const struct sessions_options *options, unsigned session)
{
	if (options->to && options->from)
		return session % 2 ? OWAMP_FROM_SERVER : OWAMP_TO_SERVER;
	return options->to ? OWAMP_TO_SERVER : OWAMP_FROM_SERVER;
}

static int add_tests(struct connection *connection, unsigned first, unsigned count)
{
	const struct sessions_options *options = connection->bench->options;
	const struct owamp_slot slot = {
		.type = OWAMP_SLOT_EXPONENTIAL,
		.interval = owamp_interval_from_ns((uint64_t)(1e9 / options->rate)),
	};
	struct owamp_test_config test = {
		.packets = (uint32_t)(options->rate * options->seconds),
		.slots = &slot,
		.slot_count = 1,
		.timeout_ns = (int64_t)(options->timeout * 1e9),
		.start_delay_ns = (int64_t)(options->start_delay * 1e9),
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
	const struct sessions_options *options = bench->options;
	const struct owamp_client_config config = {
		.host = options->host,
		.port = options->port,
		.modes = options->encrypted ? OWAMP_MODE_ENCRYPTED : OWAMP_MODE_OPEN,
		.key_id = options->encrypted ? BENCH_KEY_ID : NULL,
		.secret = options->encrypted ? (const uint8_t *)BENCH_SECRET : NULL,
		.secret_size = options->encrypted ? strlen(BENCH_SECRET) : 0,
		.step_timeout_ns = 60 * SECOND_NS,
	};
	const struct owamp_client_callbacks callbacks = {
		.state = connection_state, .done = connection_done, .context = connection};
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
	const struct sessions_options *options = bench->options;
	unsigned connection = 0;
	int error = 0;

	for (unsigned first = 0; first < options->sessions && !error; first += options->per_connection) {
		unsigned left = options->sessions - first;
		unsigned count = left < options->per_connection ? left : options->per_connection;

		error = start_connection(bench, &bench->connections[connection++], first, count);
	}
	return error;
}

static void add_records(struct sessions_results *results, const struct owamp_result *result)
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
	struct sessions_results *results = bench->results;
	const char *reason = result->error ? result->reason : connection->reason;

	if (result->error || connection->error) {
		if (!results->first_reason[0])
			snprintf(results->first_reason, sizeof results->first_reason, "%s", reason);
	} else {
		results->complete++;
	}
	add_records(results, result);
	if (!sessions_lateness_add(result->direction == OWAMP_TO_SERVER ? &results->bench.lateness
									: &results->server.lateness,
				   result))
		fprintf(stderr, "bench_sessions: out of memory\n");
	if (result->has_send_health) {
		results->bench.sent += result->send_health.sent;
		results->bench.send_errors += result->send_health.send_errors;
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

static int start_engine(struct bench *bench)
{
	struct owamp_engine_config config = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_engine_granted granted;
	char reason[256] = "";
	int error;

	if (!bench->options->ordinary) {
		config.realtime_priority = REALTIME_PRIORITY;
		config.lock_memory = true;
	}
	error = owamp_engine_new(&bench->engine, &config, reason, sizeof reason);
	if (error) {
		fprintf(stderr, "bench_sessions: %s\n", reason);
		return error;
	}
	owamp_engine_granted(bench->engine, &granted);
	bench->results->realtime = granted.realtime;
	return 0;
}

/* All sessions from the beginning to the end. */
static int run(const struct sessions_options *options, struct sessions_results *results)
{
	struct bench bench = {.options = options, .results = results};
	struct owamp_timer timer = {.expired = too_late, .context = &bench};
	int error = OWAMP_ENOMEM;

	bench.connection_count = (options->sessions - 1) / options->per_connection + 1;
	bench.connections = calloc(bench.connection_count, sizeof *bench.connections);
	if (bench.connections)
		error = start_engine(&bench);
	if (!error)
		error = watch_signals(&bench);
	if (!error)
		error = owamp_loop_set_timer(
			owamp_engine_loop(bench.engine), &timer,
			owamp_mono_ns() +
				(int64_t)((options->seconds + options->start_delay + options->timeout) *
					  1e9) +
				PATIENCE_NS);
	bench.begin_ns = owamp_mono_ns();
	if (!error)
		error = start_all(&bench);
	if (!error && bench.running > 0)
		error = owamp_loop_run(owamp_engine_loop(bench.engine));
	if (!error && bench.interrupted)
		error = OWAMP_EPARTIAL;
	add_results(&bench);
	sessions_own_usage(&results->bench.usage);
	for (unsigned i = 0; bench.connections && i < bench.connection_count; i++)
		owamp_client_free(bench.connections[i].client);
	owamp_engine_free(bench.engine);
	free(bench.connections);
	return error;
}

static bool is_right(const struct sessions_results *results)
{
	return results->complete == results->sessions && results->bench.socket_drops == 0 &&
	       results->server.socket_drops == 0 &&
	       (!results->server_known ||
		(results->server.usage.processes == 1 && results->server.sessions == results->sessions));
}

static bool start_server(struct server *server, struct sessions_options *options)
{
	const struct server_config config = {
		.program = options->owampd,
		.network = -1,
		.archive = options->archive,
		.shared_port = options->shared_port,
		.more = options->ordinary ? "realtime_priority = 0\n" : NULL,
	};

	if (!server_start(server, &config))
		return false;
	options->host = "127.0.0.1";
	options->port = server->port;
	return true;
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	struct sessions_options options = {
		.sessions = 1000,
		.per_connection = 50,
		.seconds = 10,
		.rate = 10,
		.start_delay = 3,
		.timeout = 2,
		.owampd = programs_path("owampd/owampd", path),
	};
	struct sessions_results results = {0};
	struct server server = {.process = {.pid = -1}};
	unsigned files;
	bool ok = true;
	int error;

	process_init();
	if (!sessions_parse(&options, argc, argv)) {
		sessions_print_usage();
		return 2;
	}
	files = options.sessions + options.sessions / options.per_connection + OTHER_FILES;
	if (!process_raise_files(files)) {
		fprintf(stderr, "bench_sessions: %u open files are not allowed: ulimit -n\n", files);
		return 1;
	}
	results.server_known = !options.host;
	if (results.server_known && !start_server(&server, &options))
		return 1;
	results.sessions = options.sessions;
	error = run(&options, &results);
	if (results.server_known)
		ok = sessions_end_server(&server, &results.server);
	server_remove(&server);
	if (error)
		fprintf(stderr, "bench_sessions: %s\n", owamp_error_text(error));
	sessions_report(&options, &results);
	free(results.bench.lateness.values);
	free(results.server.lateness.values);
	return ok && !error && is_right(&results) ? 0 : 1;
}
