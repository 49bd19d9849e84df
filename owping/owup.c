/* owup: whether a server is there and lets us in, and since when it runs. */
#include <stdio.h>

#include <owamp/error.h>

#include "owping/format.h"
#include "owping/output.h"
#include "owping/run.h"

static void print_server(const struct owping_run *run)
{
	const struct owping_options *options = run->options;
	const struct sockaddr *peer = owamp_client_peer(run->client);
	int64_t start_ns = owamp_client_server_start(run->client);
	char text[OWPING_TEXT_SIZE];

	printf("server:\t%s %s\n", options->target, peer != NULL ? owping_format_endpoint(text, peer) : "");
	printf("mode:\t%s\n", owamp_mode_name(owamp_client_mode(run->client)));
	if (start_ns != 0) {
		printf("start:\t%s\n", owping_format_time(text, start_ns, options->unix_time, 3));
		printf("up:\t%lld s, by the clocks of both hosts\n", (long long)((owamp_real_ns() - start_ns) / 1000000000));
	}
	printf("connect:\t%s\n", owping_format_delay_auto(text, run->connected_mono - run->started_mono));
	printf("set-up:\t%s\n", owping_format_delay_auto(text, run->ready_mono - run->connected_mono));
}

int main(int argc, char **argv)
{
	struct owping_options options;
	struct owping_run run;
	int status = owping_begin(&options, OWPING_UP, argc, argv);

	if (status >= 0)
		goto cleanup;
	owping_run_init(&run, &options);
	if (owping_run_open(&run) == 0 && owping_run_go(&run) == 0 && !options.quiet && run.interrupts == 0 &&
	    options.format == OWPING_TEXT)
		print_server(&run);
	status = owping_output(&run, NULL, 0);
	owping_run_close(&run);
cleanup:
	owping_options_free(&options);
	return status;
}
