#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <owamp/error.h>

#include "check.h"
#include "clock_status.h"
#include "log.h"
#include "opener.h"
#include "pidfile.h"
#include "privileges.h"
#include "status.h"

struct program {
	struct server server;
	int ready; /* the parent that waits to hear that we are; -1 in the foreground */
	struct pidfile *pidfile;
	struct config *start; /* as it was at the start: what only a restart changes */
	int argc;
	char **argv;
};

/* Thousands of sessions need a descriptor each. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Keys and limits that the configuration names; nothing is kept if one of them is wrong. */
static int load(const struct config *config, struct owamp_keyfile **keys, struct policy **policy, char *error,
		size_t error_size)
{
	*keys = NULL;
	*policy = NULL;
	if (config->keys_path && owamp_keyfile_load(keys, config->keys_path, error, error_size))
		return -1;
	if (policy_load(policy, config->limits_path, error, error_size)) {
		owamp_keyfile_free(*keys);
		*keys = NULL;
		return -1;
	}
	return 0;
}

static int take_pid_file(struct program *program)
{
	const char *path = program->server.config->pid_file;
	char error[160];

	if (!path || !pidfile_take(&program->pidfile, path, error, sizeof error))
		return 0;
	log_write(LOG_ERR, "pid_file %s: %s", path, error);
	return -1;
}

static int drop_privileges(const struct config *config)
{
	struct privileges privileges;
	char error[160];

	if (privileges_find(&privileges, config, error, sizeof error)) {
		log_write(LOG_ERR, "%s", error);
		return -1;
	}
	if (privileges_drop(&privileges)) {
		log_write(LOG_ERR, "changing to %s \"%s\": %s", config->user ? "user" : "group",
			  config->user ? config->user : config->group, strerror(errno));
		return -1;
	}
	if (config->user)
		log_write(LOG_INFO, "running as user %s", config->user);
	return 0;
}

/*
 * Before any thread. The parent stays until the server is ready, so that what
 * goes wrong before is seen and has an exit status.
 */
static int go_to_background(int *ready)
{
	int ends[2];
	pid_t child;
	char octet;

	if (pipe2(ends, O_CLOEXEC) || (child = fork()) < 0) {
		fprintf(stderr, "owampd: going to the background: %s\n", strerror(errno));
		return -1;
	}
	if (child == 0) {
		close(ends[0]);
		*ready = ends[1];
		return setsid() < 0 ? -1 : 0;
	}
	close(ends[1]);
	_exit(read(ends[0], &octet, 1) == 1 ? 0 : 1);
}

/* Before any thread, and before there are secrets in memory, which it would have too. */
static void start_opener(struct server *server)
{
	const struct config *config = server->config;
	struct privileges after;
	char error[160];

	/* That there is no such user is said when it is time to become it. */
	if (geteuid() != 0 || privileges_find(&after, config, error, sizeof error) || !after.wanted ||
	    !opener_is_needed(&config->clock))
		return;
	if (opener_start(&server->opener, &config->clock))
		log_write(
			LOG_WARNING,
			"clock sources that only root can open are lost when they restart: the process that "
			"would open them again cannot be started: %s",
			strerror(errno));
}

/* Before any thread. */
static int bind_status(struct server *server)
{
	const struct config *config = server->config;
	struct privileges after;
	char error[256];
	int result;

	if (!config->status_socket)
		return 0;
	result = privileges_find(&after, config, error, sizeof error);
	if (!result)
		result = status_bind(&server->status, config->status_socket, &after, error, sizeof error);
	if (result)
		log_write(LOG_ERR, "%s", error);
	return result;
}

static int serve_status(struct server *server)
{
	if (!server->status)
		return 0;
	if (status_serve(server->status, server->loop, owamp_engine_clock(server->engine))) {
		log_write(LOG_ERR, "status_socket %s: %s", server->config->status_socket, strerror(errno));
		return -1;
	}
	return 0;
}

/* From here on the log is syslog's, and the terminal is let go. */
static void tell_ready(struct program *program)
{
	int null;

	if (program->ready < 0)
		return;
	log_open(false, program->server.config->log_level);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		close(null);
	}
	if (write(program->ready, "", 1) != 1)
		log_write(LOG_NOTICE, "who started this did not wait");
	close(program->ready);
	program->ready = -1;
}

static void log_line(void *context, const char *line)
{
	log_write(*(int *)context, "%s", line);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_addresses(const struct config *a, const struct config *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (size_t i = 0; i < a->listen_count; i++) {
		const struct sockaddr *one = (const struct sockaddr *)&a->listen[i].address;
		const struct sockaddr *other = (const struct sockaddr *)&b->listen[i].address;

		if (!owamp_address_equal(one, other) || owamp_address_port(one) != owamp_address_port(other))
			return false;
	}
	return true;
}

static bool same_names(char *const *a, char *const *b)
{
	while (a && b && *a && *b && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return (!a || !*a) && (!b || !*b);
}

/* Said at each reload, for as long as it is so. */
static void warn_of_restart(const struct config *start, const struct config *now)
{
	const struct {
		const char *name;
		bool same;
	} keys[] = {
		{"listen", same_addresses(start, now)},
		{"user", same_text(start->user, now->user)},
		{"group", same_text(start->group, now->group)},
		{"pid_file", same_text(start->pid_file, now->pid_file)},
		{"archive", same_text(start->archive_path, now->archive_path)},
		{"status_socket", same_text(start->status_socket, now->status_socket)},
		{"clock", config_same_clock(&start->clock, &now->clock)},
		{"realtime_priority", start->realtime_priority == now->realtime_priority},
		{"lock_memory", start->lock_memory == now->lock_memory},
		{"spin", start->spin_ns == now->spin_ns},
		{"pacer_cpu", start->pacer_cpu == now->pacer_cpu},
		{"collector_cpu", start->collector_cpu == now->collector_cpu},
		{"hardware_timestamps", same_names(start->hardware_timestamps, now->hardware_timestamps)},
		{"shared_test_port", start->shared_test_port == now->shared_test_port},
	};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (!keys[i].same)
			log_write(LOG_WARNING, "reload: a change of %s takes effect at the next start",
				  keys[i].name);
	}
}

/* The one of the start stays. */
static void take_config(struct program *program, struct config *config)
{
	if (program->server.config != program->start)
		config_free(program->server.config);
	program->server.config = config;
}

/* Everything is read and checked before anything changes. */
static void reload(struct program *program)
{
	struct server *server = &program->server;
	struct owamp_keyfile *keys, *keys_before;
	struct policy *policy;
	struct config *config;
	int error_level = LOG_ERR, warning_level = LOG_WARNING, info_level = LOG_INFO;
	char error[512];

	config = config_reload(program->argc, program->argv, log_line, &error_level);
	if (!config) {
		log_write(LOG_ERR, "reload: nothing was changed");
		return;
	}
	if (load(config, &keys, &policy, error, sizeof error)) {
		log_write(LOG_ERR, "%s", error);
		log_write(LOG_ERR, "reload: nothing was changed");
		config_free(config);
		return;
	}
	warn_of_restart(program->start, config);
	check_users(config, policy, keys, log_line, &warning_level);
	policy_adopt(policy, server->policy);
	policy_free(server->policy);
	take_config(program, config);
	keys_before = server->keys;
	server->policy = policy;
	server->keys = keys;
	log_set_level(config->log_level);
	results_retention(server);
	server_reloaded(server, keys_before);
	owamp_keyfile_free(keys_before);
	log_write(LOG_NOTICE, "reloaded: %zu keys", keys ? owamp_keyfile_count(keys) : 0);
	policy_describe(policy, log_line, &info_level);
}

static void on_signal(void *context, int signal)
{
	struct program *program = context;

	if (signal == SIGHUP) {
		reload(program);
		return;
	}
	log_write(LOG_NOTICE, "%s: ending", signal == SIGINT ? "SIGINT" : "SIGTERM");
	owamp_loop_quit(program->server.loop);
}

static int run(struct program *program)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct server *server = &program->server;
	int level = LOG_INFO, warning_level = LOG_WARNING;
	char modes[80];

	if (bind_status(server) || machine_start(server))
		return -1;
	server->start_time = owamp_ntp_from_unix_ns(owamp_real_ns());
	if (owamp_loop_signals(server->loop, signals, sizeof signals / sizeof signals[0], on_signal,
			       program)) {
		log_write(LOG_ERR, "signals: %s", strerror(errno));
		return -1;
	}
	if (server_listen(server) || ports_open(server))
		return -1;
	/* The archive belongs to the user that the server runs as. */
	if (take_pid_file(program) || drop_privileges(server->config) || results_open(server))
		return -1;
	if (serve_status(server))
		return -1;
	check_users(server->config, server->policy, server->keys, log_line, &warning_level);
	tell_ready(program);
	machine_describe(server);
	if (clock_log_start(server)) {
		log_write(LOG_ERR, "watching the clock: %s", strerror(errno));
		return -1;
	}
	policy_describe(server->policy, log_line, &level);
	log_write(LOG_NOTICE, "owampd " OWAMP_VERSION " ready: %s; %zu keys",
		  owamp_modes_text(server->config->modes, modes, sizeof modes),
		  server->keys ? owamp_keyfile_count(server->keys) : 0);
	if (owamp_loop_run(server->loop)) {
		log_write(LOG_ERR, "event loop: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* Not 0: results were lost. */
static int clean_up(struct program *program)
{
	struct server *server = &program->server;
	const char *reason;
	pid_t left;
	int error;

	if (server->loop)
		server_stop(server);
	clock_log_stop(server);
	status_close(server->status);
	ports_close(server);
	error = store_free(server->store);
	owamp_engine_free(server->engine);
	left = opener_stop(server->opener);
	if (left)
		log_write(LOG_WARNING,
			  "the process that opens clock sources as root does not end (process %d): it will "
			  "when it no longer hangs",
			  (int)left);
	policy_free(server->policy);
	owamp_keyfile_free(server->keys);
	reason = pidfile_release(program->pidfile);
	if (reason)
		log_write(LOG_WARNING, "pid_file %s could not be removed: %s", program->start->pid_file,
			  reason);
	take_config(program, NULL);
	config_free(program->start);
	return error;
}

int main(int argc, char **argv)
{
	struct program program = {.argc = argc, .argv = argv, .ready = -1};
	struct server *server = &program.server;
	char error[512];
	int status;

	server->config = config_from_arguments(argc, argv, &status);
	if (!server->config)
		return status;
	program.start = server->config;
	if (server->config->clock_status) {
		status = clock_status_show(server->config);
		config_free(server->config);
		return status;
	}
	/* A log that nobody reads any more is no reason to end. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!server->config->foreground && go_to_background(&program.ready)) {
		(void)clean_up(&program);
		return 1;
	}
	log_open(true, server->config->log_level);
	start_opener(server);
	if (load(server->config, &server->keys, &server->policy, error, sizeof error)) {
		fprintf(stderr, "owampd: %s\n", error);
		(void)clean_up(&program);
		return 1;
	}
	raise_descriptor_limit();
	status = run(&program) ? 1 : 0;
	return clean_up(&program) ? 1 : status;
}
