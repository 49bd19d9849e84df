/* owping: one measurement of one-way delay, loss and reordering. */
#include <owamp/error.h>

#include "owping/clock.h"
#include "owping/output.h"
#include "owping/run.h"

static int add_tests(struct owping_run *run)
{
	static const enum owamp_direction directions[] = {OWAMP_TO_SERVER, OWAMP_FROM_SERVER};
	const bool wanted[] = {run->options->to_server, run->options->from_server};

	for (int i = 0; i < 2; i++) {
		struct owamp_test_config test;
		int index;

		if (!wanted[i])
			continue;
		owping_test_config(&test, run->options, directions[i]);
		index = owamp_client_add_test(run->client, &test);
		if (index < 0)
			return owping_run_fail(run, index, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct owping_save saves[2] = {0};
	struct owping_options options;
	struct owping_run run;
	unsigned save_count = 0;
	int status = owping_begin(&options, OWPING_PING, argc, argv);

	if (status >= 0)
		goto cleanup;
	if (options.clock) {
		status = owping_clock(&options);
		goto cleanup;
	}
	if (options.to_server)
		saves[save_count++].path = options.save_to;
	if (options.from_server)
		saves[save_count++].path = options.save_from;
	owping_run_init(&run, &options);
	if (owping_output_prepare(&run, saves, save_count) == 0 && owping_run_open(&run) == 0 &&
	    add_tests(&run) == 0)
		owping_run_go(&run);
	status = owping_output(&run, saves, save_count);
	owping_run_close(&run);
cleanup:
	owping_options_free(&options);
	return status;
}
