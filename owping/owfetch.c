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
	if (saves == NULL) {
		owping_complain(OWPING_FETCH, "out of memory");
		goto cleanup;
	}
	for (unsigned i = 0; i < options.fetch_count; i++)
		saves[i].path = options.fetches[i].save_file;
	owping_run_init(&run, &options);
	if (owping_output_prepare(&run, saves, options.fetch_count) == 0 && owping_run_open(&run) == 0 &&
	    add_fetches(&run) == 0)
		owping_run_go(&run);
	status = owping_output(&run, saves, options.fetch_count);
	owping_run_close(&run);
cleanup:
	free(saves);
	owping_options_free(&options);
	return status;
}
