#include "owping/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <owamp/engine.h>
#include <owamp/error.h>

#include "clock/config.h"
#include "clock/report.h"
#include "clock/select.h"
#include "owping/common.h"
#include "owping/format.h"

#define SECOND_NS INT64_C(1000000000)
#define LOOK_NS   (SECOND_NS / 20)

/* The first rounds, which follow each other faster: by then each source had its chance. */
#define ROUNDS      9
#define ROUNDS_WAIT (5 * SECOND_NS)

/* By which one round of the sampler's may follow the other sooner than in a second. */
#define LATE_NS (SECOND_NS / 5)

struct watch {
	const struct owping_options *options;
	struct owamp_clock *clock;
	sigset_t signals; /* blocked: they end the waiting */
	bool interrupted;
};

int owping_clock_configure(struct owamp_clock_config *config, const struct owping_options *options,
			   char *error, size_t error_size)
{
	const char *path = options->clock_config;

	if (path == NULL && access(OWPING_CLOCK_CONF, F_OK) == 0)
		path = OWPING_CLOCK_CONF;
	if (path != NULL)
		return clock_config_load(config, path, error, error_size);
	owamp_clock_config_default(config);
	return 0;
}

void owping_clock_unknown(struct owamp_clock_status *status)
{
	*status = (struct owamp_clock_status){
		.snapshot = {.bound_ns = SELECT_UNKNOWN_BOUND_NS,
			     .drift_ppb = SELECT_UNKNOWN_DRIFT_PPB,
			     .source = OWAMP_CLOCK_NONE},
		.bound_ns = SELECT_UNKNOWN_BOUND_NS,
	};
}

/* nohup and shells ignore signals for a reason. */
static void block_signals(struct watch *watch)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(&watch->signals);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct sigaction action;

		if (sigaction(wanted[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&watch->signals, wanted[i]);
	}
	pthread_sigmask(SIG_BLOCK, &watch->signals, NULL);
}

static void wait_until(struct watch *watch, int64_t mono_ns)
{
	while (!watch->interrupted) {
		int64_t left = mono_ns - owamp_mono_ns();
		struct timespec time = {.tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS};

		if (left <= 0)
			return;
		watch->interrupted = sigtimedwait(&watch->signals, NULL, &time) > 0;
	}
}

static void wait_for_rounds(struct watch *watch)
{
	bool terminal = owping_terminal(stderr);
	int64_t end = owamp_mono_ns() + ROUNDS_WAIT;
	uint64_t rounds;

	while ((rounds = owamp_clock_rounds(watch->clock)) < ROUNDS && !watch->interrupted &&
	       owamp_mono_ns() < end) {
		if (terminal)
			fprintf(stderr, "\r\033[Kasking the clock's sources, %" PRIu64 " of %d times", rounds,
				ROUNDS);
		wait_until(watch, owamp_mono_ns() + LOOK_NS);
	}
	if (terminal)
		fputs("\r\033[K", stderr);
}

static int print_json(const struct owamp_clock_status *status)
{
	json_t *object = json_pack("{s:o}", "clock", clock_report_json(status));
	int result = object == NULL ? -1 : json_dumpf(object, stdout, JSON_REAL_PRECISION(12));

	json_decref(object);
	putchar('\n');
	return result;
}

static void print_line(const struct owamp_clock_status *status, bool first)
{
	const struct owamp_clock_source_status *used = NULL;
	char time[OWPING_TEXT_SIZE];
	char bound[OWPING_TEXT_SIZE];
	char offset[OWPING_TEXT_SIZE] = "-";
	char alarm[OWAMP_CLOCK_TEXT_SIZE];

	snprintf(alarm, sizeof(alarm), "%s", status->alarm);
	for (size_t i = 0; i < status->count; i++) {
		if (status->sources[i].used)
			used = &status->sources[i];
	}
	if (used != NULL && used->measured)
		owping_format_delay_auto(offset, used->offset_ns);
	if (first)
		printf("%-24s  %-10s  S  %8s  %10s\n", "time", "source", "bound", "offset");
	printf("%sZ  %-10s  %d  %8s  %10s%s%s\n", owping_format_time(time, status->now_real, false, 3),
	       status->snapshot.source, status->snapshot.synchronized,
	       clock_report_bound(bound, status->bound_ns), offset, alarm[0] ? "  ALARM: " : "",
	       clock_report_clean(alarm));
}

bool owping_clock_is_line_due(int64_t line_mono, int64_t round_mono)
{
	return round_mono - line_mono >= SECOND_NS - LATE_NS;
}

/* The state after the next round that is a line of its own, or after what should have been time enough. */
static void wait_for_line(struct watch *watch, int64_t line_mono, struct owamp_clock_status *status)
{
	int64_t end = owamp_mono_ns() + ROUNDS_WAIT;

	do {
		wait_until(watch, owamp_mono_ns() + LOOK_NS);
		owamp_clock_status(watch->clock, status);
	} while (!watch->interrupted && !owping_clock_is_line_due(line_mono, status->now_mono) &&
		 owamp_mono_ns() < end);
}

/* Once a second; whoever reads along sees each at once. Returns the lines, or -1. */
static int64_t look_on(struct watch *watch)
{
	int64_t line_mono = owamp_mono_ns();
	int64_t lines = 0;

	while (lines < watch->options->clock_seconds) {
		struct owamp_clock_status status;
		int result = 0;

		wait_for_line(watch, line_mono, &status);
		if (watch->interrupted)
			break;
		line_mono = status.now_mono;
		if (watch->options->format == OWPING_JSON)
			result = print_json(&status);
		else
			print_line(&status, lines == 0);
		if (result < 0 || fflush(stdout) != 0)
			return -1;
		lines++;
	}
	return lines;
}

static int show(struct watch *watch)
{
	struct owamp_clock_status status;
	bool json = watch->options->format == OWPING_JSON;
	int64_t result = 0;

	if (watch->options->clock_seconds > 0)
		result = look_on(watch);
	else
		wait_for_rounds(watch);
	owamp_clock_status(watch->clock, &status);
	if (result == 0 && json)
		result = print_json(&status);
	if (!json) {
		if (watch->options->clock_seconds > 0)
			putchar('\n');
		clock_report_text(stdout, &status, owping_colors(stdout));
	}
	return result >= 0 && fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1;
}

int owping_clock_report_error(FILE *out, const char *reason)
{
	json_t *object = json_pack("{s:n, s:o}", "clock", "error", clock_report_string(reason));
	int result = object == NULL ? -1 : json_dumpf(object, out, 0);

	json_decref(object);
	fputc('\n', out);
	return result;
}

static int refuse(const struct owping_options *options, const char *reason)
{
	owping_complain(options->program, "%s", reason);
	if (options->format == OWPING_JSON)
		(void)owping_clock_report_error(stdout, reason);
	return OWPING_EXIT_FAILED;
}

int owping_clock(const struct owping_options *options)
{
	struct watch watch = {.options = options};
	struct owamp_clock_config config;
	char reason[512] = "";
	int status = OWPING_EXIT_OK;
	int error = owping_clock_configure(&config, options, reason, sizeof(reason));

	if (error < 0)
		return refuse(options, reason);
	error = owamp_clock_new(&watch.clock, &config, reason, sizeof(reason));
	if (error < 0)
		return refuse(options, reason[0] != '\0' ? reason : owamp_error_text(error));
	/* Not before: the first round can take long, and would not be ended by them. */
	block_signals(&watch);
	if (show(&watch) < 0) {
		owping_complain(options->program, "standard output: %s", strerror(errno));
		status = OWPING_EXIT_FAILED;
	}
	owamp_clock_free(watch.clock);
	return status;
}
