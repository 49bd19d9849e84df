/*
 * Measures one-way delay from a server with the installed libowamp alone.
 *
 *	cc -std=c17 -o measure measure.c $(pkg-config --cflags --libs libowamp)
 *	./measure HOST [PORT [KEYFILE USER]]
 *
 * Without a key the measurement is unauthenticated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <owamp/client.h>
#include <owamp/error.h>
#include <owamp/keyfile.h>
#include <owamp/loop.h>
#include <owamp/stats.h>

struct program {
	struct owamp_engine *engine;
	int error;
};

static void on_done(void *context, int error, const char *reason)
{
	struct program *program = context;

	program->error = error;
	if (error)
		fprintf(stderr, "measure: %s\n", reason);
	owamp_loop_quit(owamp_engine_loop(program->engine));
}

static int print(const struct owamp_result *result)
{
	struct owamp_summary summary;
	struct owamp_stats *stats;
	int error;

	if (result->error) {
		fprintf(stderr, "measure: %s\n", result->reason);
		return result->error;
	}
	error = owamp_stats_new(&stats, result->request.packets);
	for (uint32_t i = 0; !error && i < result->record_count; i++)
		error = owamp_stats_record(stats, &result->records[i]);
	if (!error)
		error = owamp_stats_finish(stats, result->next_seq, result->skips, result->skip_count,
					   &summary);
	if (!error) {
		printf("%u sent, %u lost, %u duplicates\n", summary.sent, summary.lost, summary.duplicates);
		if (summary.dropped)
			printf("%u dropped by this host, not by the network\n", summary.dropped);
		if (summary.received)
			printf("one-way delay min/median/max = %.1f/%.1f/%.1f us, each clock within "
			       "%.1f/%.1f us\n",
			       (double)summary.delay_min_ns / 1e3, (double)summary.delay_median_ns / 1e3,
			       (double)summary.delay_max_ns / 1e3, (double)summary.send_error_ns / 1e3,
			       (double)summary.receive_error_ns / 1e3);
	}
	owamp_stats_free(stats);
	return error;
}

int main(int argc, char **argv)
{
	/* 100 packets as a Poisson stream of 100 a second. */
	const struct owamp_slot slot = {OWAMP_SLOT_EXPONENTIAL, OWAMP_SECOND / 100};
	const struct owamp_test_config test = {
		.direction = OWAMP_FROM_SERVER,
		.packets = 100,
		.slots = &slot,
		.slot_count = 1,
		.timeout_ns = 1000000000,
	};
	struct program program = {.error = OWAMP_EINVAL};
	struct owamp_client_callbacks callbacks = {.done = on_done, .context = &program};
	struct owamp_client_config config = {.modes = OWAMP_MODE_OPEN};
	struct owamp_keyfile *keys = NULL;
	struct owamp_client *client = NULL;
	char error[256];

	if (argc != 2 && argc != 3 && argc != 5) {
		fprintf(stderr, "usage: measure HOST [PORT [KEYFILE USER]]\n");
		return 2;
	}
	config.host = argv[1];
	if (argc > 2)
		config.port = (uint16_t)strtoul(argv[2], NULL, 10);
	if (argc == 5) {
		if (owamp_keyfile_load(&keys, argv[3], error, sizeof error)) {
			fprintf(stderr, "measure: %s\n", error);
			return 1;
		}
		config.modes = OWAMP_MODE_ENCRYPTED | OWAMP_MODE_AUTHENTICATED;
		config.key_id = argv[4];
		config.secret = owamp_keyfile_find(keys, argv[4], &config.secret_size);
	}
	/* The packets are the server's to send: nothing is asked of this machine, see engine.h. */
	if (owamp_engine_new(&program.engine, NULL, error, sizeof error)) {
		fprintf(stderr, "measure: %s\n", error);
		goto cleanup;
	}
	if (owamp_client_new(&client, program.engine, &config, &callbacks) == 0 &&
	    owamp_client_add_test(client, &test) == 0 && owamp_client_start(client) == 0 &&
	    owamp_loop_run(owamp_engine_loop(program.engine)) == 0 && program.error == 0)
		program.error = print(owamp_client_result(client, 0));
cleanup:
	owamp_client_free(client);
	owamp_engine_free(program.engine);
	owamp_keyfile_free(keys);
	return program.error ? 1 : 0;
}
