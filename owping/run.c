#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/clock.h"
#include "owping/format.h"
#include "owping/run.h"

int owping_run_fail(struct owping_run *run, int error, const char *reason)
{
	run->error = error;
	if (reason != NULL && *reason != '\0')
		snprintf(run->reason, sizeof(run->reason), "%s", reason);
	else if (error == OWAMP_ESYSTEM && errno != 0)
		snprintf(run->reason, sizeof(run->reason), "%s", strerror(errno));
	else
		snprintf(run->reason, sizeof(run->reason), "%s", owamp_error_text(error));
	return error;
}

/* Unix, and as long after the sessions started as it is, even if the clock was set back since. */
static int64_t now(const struct owping_run *run)
{
	if (run->agreed_ns == 0)
		return owamp_real_ns();
	return archive_session_end(run->agreed_ns, owamp_mono_ns() - run->agreed_mono, owamp_real_ns());
}

static void on_state(void *context, enum owamp_client_state state)
{
	struct owping_run *run = context;

	run->state = state;
	if (state == OWAMP_CLIENT_AUTHENTICATING) {
		run->connected_mono = owamp_mono_ns();
		owamp_loop_cancel_timer(owamp_engine_loop(run->engine), &run->connect_timer);
	}
	if ((state == OWAMP_CLIENT_REQUESTING || state == OWAMP_CLIENT_FETCHING) && run->ready_mono == 0)
		run->ready_mono = owamp_mono_ns();
	if (state == OWAMP_CLIENT_MEASURING) {
		run->agreed_ns = owamp_real_ns();
		run->agreed_mono = owamp_mono_ns();
	}
	if (state == OWAMP_CLIENT_STOPPING)
		run->ended_ns = now(run);
	if (state == OWAMP_CLIENT_MEASURING)
		owping_progress_start(&run->progress, run->options, owamp_engine_loop(run->engine),
				      run->client);
	else if (state > OWAMP_CLIENT_STOPPING)
		owping_progress_end(&run->progress);
}

static void on_done(void *context, int error, const char *reason)
{
	struct owping_run *run = context;

	run->done = true;
	if (run->ended_ns == 0)
		run->ended_ns = now(run);
	if (error == 0 && run->ready_mono == 0)
		run->ready_mono = owamp_mono_ns();
	if (error != 0 && !run->connect_timeout)
		owping_run_fail(run, error, reason);
	owamp_loop_quit(owamp_engine_loop(run->engine));
}

static void on_signal(void *context, int signal)
{
	struct owping_run *run = context;

	run->interrupts++;
	run->signal = signal;
	if (!run->done)
		owamp_client_stop(run->client);
}

static void on_connect_timeout(struct owamp_timer *timer)
{
	struct owping_run *run = timer->context;
	char time[OWPING_TEXT_SIZE];
	char reason[160];

	if (run->done || run->state != OWAMP_CLIENT_CONNECTING)
		return;
	run->connect_timeout = true;
	snprintf(reason, sizeof(reason), "no connection within %s",
		 owping_format_delay_auto(time, run->options->connect_timeout_ns));
	owping_run_fail(run, OWAMP_ETIMEOUT, reason);
	owamp_client_stop(run->client);
	if (!run->done)
		owamp_client_stop(run->client);
}

static int watch_signals(struct owping_run *run)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};
	int signals[sizeof(wanted) / sizeof(wanted[0])];
	size_t count = 0;

	/* nohup and shells ignore signals for a reason. */
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct sigaction action;

		if (sigaction(wanted[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			signals[count++] = wanted[i];
	}
	return owamp_loop_signals(owamp_engine_loop(run->engine), signals, count, on_signal, run);
}

static int load_credentials(struct owping_run *run)
{
	const struct owping_options *options = run->options;
	char reason[512];
	bool chosen;
	int error = owping_credentials_load(&run->credentials, options, &chosen, reason, sizeof(reason));

	if (error < 0)
		return owping_run_fail(run, error, reason);
	if (chosen && !options->quiet)
		owping_complain(options->program, "using the key of %s, the only one in %s",
				run->credentials.key_id, options->key_file);
	return 0;
}

void owping_run_init(struct owping_run *run, const struct owping_options *options)
{
	memset(run, 0, sizeof(*run));
	run->options = options;
}

/* The option to blame, if the engine's error is about one of its interfaces: "lo: ...". */
static bool blames_interface(const struct owping_options *options, const char *error)
{
	for (const char **name = options->hardware_interfaces; name != NULL && *name != NULL; name++) {
		size_t size = strlen(*name);

		if (strncmp(error, *name, size) == 0 && strncmp(error + size, ": ", 2) == 0)
			return true;
	}
	return false;
}

static int engine_fail(struct owping_run *run, int error, const char *reason)
{
	char line[sizeof(run->reason)];

	if (!blames_interface(run->options, reason))
		return owping_run_fail(run, error, reason);
	snprintf(line, sizeof(line), "--hardware-timestamps: %.*s", (int)sizeof(line) - 32, reason);
	return owping_run_fail(run, error, line);
}

static int start_engine(struct owping_run *run)
{
	struct owamp_engine_config config;
	struct owamp_clock_config clock;
	char reason[sizeof(run->reason)] = "";
	int error;

	/* What only fetches or connects stamps nothing. */
	if (run->options->program == OWPING_PING) {
		error = owping_clock_configure(&clock, run->options, reason, sizeof(reason));
		if (error < 0)
			return owping_run_fail(run, error, reason);
		owping_engine_config(&config, run->options, &clock);
	} else {
		owping_engine_config(&config, run->options, NULL);
	}
	errno = 0;
	error = owamp_engine_new(&run->engine, &config, reason, sizeof(reason));
	if (error < 0)
		return engine_fail(run, error, reason);
	owamp_engine_granted(run->engine, &run->granted);
	owping_clock_read(&run->clock, owamp_engine_clock(run->engine));
	return 0;
}

int owping_run_open(struct owping_run *run)
{
	struct owamp_client_callbacks callbacks = {.state = on_state, .done = on_done, .context = run};
	struct owamp_client_config config;
	int error;

	if (load_credentials(run) < 0 || start_engine(run) < 0)
		return run->error;
	errno = 0;
	error = watch_signals(run);
	if (error < 0)
		return owping_run_fail(run, error, NULL);
	owping_client_config(&config, run->options, &run->credentials);
	error = owamp_client_new(&run->client, run->engine, &config, &callbacks);
	return error < 0 ? owping_run_fail(run, error, NULL) : 0;
}

int owping_run_go(struct owping_run *run)
{
	struct owamp_loop *loop = owamp_engine_loop(run->engine);
	int error;

	run->started_mono = owamp_mono_ns();
	run->connect_timer.expired = on_connect_timeout;
	run->connect_timer.context = run;
	if (run->options->connect_timeout_ns > 0)
		owamp_loop_set_timer(loop, &run->connect_timer,
				     run->started_mono + run->options->connect_timeout_ns);
	errno = 0;
	error = owamp_client_start(run->client);
	if (error < 0)
		return owping_run_fail(run, error, NULL);
	if (!run->done && owamp_loop_run(loop) < 0)
		owping_run_fail(run, OWAMP_ESYSTEM, NULL);
	owamp_loop_cancel_timer(loop, &run->connect_timer);
	owping_progress_end(&run->progress);
	return run->error;
}

void owping_run_close(struct owping_run *run)
{
	owamp_client_free(run->client);
	if (run->engine != NULL)
		owamp_engine_free(run->engine);
	owping_credentials_free(&run->credentials);
	owping_archive_close(&run->archive);
	run->client = NULL;
	run->engine = NULL;
}
