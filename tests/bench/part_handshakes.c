/* Control connections that are set up and closed again, several at a time, by libowamp against owampd. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/client.h>
#include <owamp/error.h>
#include <owamp/loop.h>

#include "bare.h"
#include "bench.h"
#include "process.h"
#include "server.h"

#define AT_A_TIME 16

#define SECONDS       3.0
#define QUICK_SECONDS 0.3
#define BARE_SECONDS  0.5

/* Clients that have begun may end. */
#define END_S 20

#define LOOK_NS INT64_C(20000000)

struct kind {
	const char *name;
	uint32_t mode;
	unsigned count; /* of PBKDF2; 0: no key */
};

struct load {
	struct owamp_engine *engine;
	struct owamp_client_config config;
	struct owamp_timer look;
	int64_t begin_ns;
	int64_t end_ns;
	unsigned running;
	unsigned long done; /* before end_ns */
	int error;
	char reason[256];
};

/* One of those at a time. */
struct caller {
	struct load *load;
	struct owamp_client *client;
};

static void call(struct caller *caller);

static void fail(struct load *load, int error, const char *reason)
{
	if (load->error)
		return;
	load->error = error;
	snprintf(load->reason, sizeof load->reason, "%s", reason);
}

static void called(void *context, int error, const char *reason)
{
	struct caller *caller = context;
	struct load *load = caller->load;

	owamp_client_free(caller->client);
	caller->client = NULL;
	load->running--;
	if (error)
		fail(load, error, reason);
	else if (owamp_mono_ns() < load->end_ns)
		load->done++;
	if (!load->error && owamp_mono_ns() < load->end_ns && !process_interrupted())
		call(caller);
	if (load->running == 0)
		owamp_loop_quit(owamp_engine_loop(load->engine));
}

static void call(struct caller *caller)
{
	const struct owamp_client_callbacks callbacks = {.done = called, .context = caller};
	struct load *load = caller->load;
	int error = owamp_client_new(&caller->client, load->engine, &load->config, &callbacks);

	if (!error)
		error = owamp_client_start(caller->client);
	if (!error) {
		load->running++;
		return;
	}
	owamp_client_free(caller->client);
	caller->client = NULL;
	fail(load, error, owamp_error_text(error));
}

static void look(struct owamp_timer *timer)
{
	struct load *load = timer->context;
	struct owamp_loop *loop = owamp_engine_loop(load->engine);
	int64_t now = owamp_mono_ns();

	if (process_interrupted())
		fail(load, OWAMP_EPARTIAL, "interrupted");
	else if (now > load->end_ns + END_S * INT64_C(1000000000))
		fail(load, OWAMP_EPARTIAL, "connections do not end");
	else {
		(void)owamp_loop_set_timer(loop, timer, now + LOOK_NS);
		return;
	}
	owamp_loop_quit(loop);
}

static bool run(struct load *load, double seconds)
{
	struct caller callers[AT_A_TIME] = {{.load = NULL}};
	char reason[256] = "";
	int error = owamp_engine_new(&load->engine, NULL, reason, sizeof reason);

	if (error) {
		fail(load, error, reason);
		return false;
	}
	load->look = (struct owamp_timer){.expired = look, .context = load};
	load->begin_ns = owamp_mono_ns();
	load->end_ns = load->begin_ns + (int64_t)(seconds * 1e9);
	for (size_t i = 0; i < AT_A_TIME && !load->error; i++) {
		callers[i].load = load;
		call(&callers[i]);
	}
	look(&load->look);
	if (load->running > 0) {
		error = owamp_loop_run(owamp_engine_loop(load->engine));
		if (error)
			fail(load, error, owamp_error_text(error));
	}
	owamp_loop_cancel_timer(owamp_engine_loop(load->engine), &load->look);
	for (size_t i = 0; i < AT_A_TIME; i++)
		owamp_client_free(callers[i].client);
	owamp_engine_free(load->engine);
	return load->error == 0;
}

static bool shake_hands(struct bench *bench, const struct kind *kind, double seconds, double *per_s)
{
	char more[40];
	const struct server_config config = {
		.program = bench->owampd, .network = -1, .more = kind->count ? more : NULL};
	struct load load = {.running = 0};
	struct server server;
	bool ok;

	snprintf(more, sizeof more, "pbkdf2_count = %u\n", kind->count);
	if (!server_start(&server, &config))
		return false;
	load.config = (struct owamp_client_config){.host = "127.0.0.1",
						   .port = server.port,
						   .modes = kind->mode,
						   .key_id = kind->count ? BENCH_KEY_ID : NULL,
						   .secret = (const uint8_t *)BENCH_SECRET,
						   .secret_size = kind->count ? strlen(BENCH_SECRET) : 0};
	ok = run(&load, seconds);
	*per_s = (double)load.done / seconds;
	if (!ok)
		(void)bench_fail("handshakes: %s", load.reason);
	ok = server_end(&server) && ok;
	server_remove(&server);
	return ok && (load.done > 0 || bench_fail("not one handshake in %.1f s", seconds));
}

static bool measure(struct bench *bench, const struct kind *kind, struct table *table)
{
	double seconds = bench->quick ? QUICK_SECONDS : SECONDS, per_s, bare;
	bool ok;

	bench_progress("handshakes: %s, PBKDF2 count %u", kind->name, kind->count);
	ok = kind->count ? bare_pbkdf2(&bare, kind->count, bench->quick ? 0.1 : BARE_SECONDS)
			 : bare_connections(&bare, bench->quick ? 0.1 : BARE_SECONDS);
	if (!ok || !shake_hands(bench, kind, seconds, &per_s))
		return false;
	table_text(table, kind->name);
	table_number(table, kind->count ? (double)kind->count : NAN);
	table_number(table, per_s);
	table_number(table, bare);
	table_number(table, per_s / bare);
	return true;
}

bool part_handshakes(struct bench *bench)
{
	static const struct kind kinds[] = {
		{"open", OWAMP_MODE_OPEN, 0},
		{"authenticated", OWAMP_MODE_AUTHENTICATED, 1024},
		{"encrypted", OWAMP_MODE_ENCRYPTED, 1024},
		{"encrypted", OWAMP_MODE_ENCRYPTED, 8192},
	};
	struct table *table = table_new("handshakes", "Control connections, set up and closed, 16 at a time");
	size_t step = bench->quick ? 2 : 1;
	bool ok = true;

	table_column(table, "mode", "mode", -1);
	table_column(table, "pbkdf2_count", "PBKDF2 count", 0);
	table_column(table, "handshakes_per_s", "per s", 0);
	table_column(table, "bare_per_s", "bare loop", 0);
	table_column(table, "ratio", "ratio", 2);
	table_note(
		table,
		"Bare, open mode: TCP connections; with keys: PBKDF2 of one thread, of which each handshake "
		"takes one here and one in owampd,");
	table_note(table, "at the same time where there are two CPUs.");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && ok; i += step)
		ok = measure(bench, &kinds[i], table);
	bench_add(bench, table);
	return ok;
}
