/* owfetch: the results of earlier sessions, by their SIDs. */
#include <stdlib.h>

#include <owamp/error.h>

#include "owping/output.h"
#include "owping/run.h"

static int add_fetches(struct owping_run *run)
{
	const struct owping_options *options = run->options;

	for (unsigned i = 0; i < options->fetch_count; i++) {
		int index = owamp_client_add_fetch(run->client, options->fetches[i].sid, options->begin_seq,
						   options->end_seq);

		if (index < 0)
			return owping_run_fail(run, index, NULL);
	}
	return 0;
}

static int open_saves(const struct owping_options *options, struct owping_save *saves)
{
	for (unsigned i = 0; i < options->fetch_count; i++) {
		saves[i].path = options->fetches[i].save_file;
		if (owping_save_open(&saves[i], OWPING_FETCH) < 0)
			return OWAMP_ESYSTEM;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct owping_save *saves = NULL;
	struct owping_options options;
	struct owping_run run;
	int status = owping_begin(&options, OWPING_FETCH, argc, argv);

	if (status >= 0)
		goto cleanup;
	status = OWPING_EXIT_FAILED;
	saves = calloc(options.fetch_count, sizeof(*saves));
	if (saves == NULL || open_saves(&options, saves) < 0)
		goto cleanup;
	if (owping_run_open(&run, &options) == 0 && add_fetches(&run) == 0)
		owping_run_go(&run);
	status = owping_output(&run, saves, options.fetch_count);
	owping_run_close(&run);
cleanup:
	free(saves);
	owping_options_free(&options);
	return status;
}
