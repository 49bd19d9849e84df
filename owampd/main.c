#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"

struct program {
	struct server server;
	int ready;        /* the parent that waits to hear that we are; -1 in the foreground */
	bool pid_written; /* the file is ours to remove */
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

static int write_pid(const char *path)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fprintf(file, "%ld\n", (long)getpid()) > 0;

	if (file && fclose(file))
		ok = false;
	if (!ok)
		log_write(LOG_ERR, "pid_file %s: %s", path, strerror(errno));
	return ok ? 0 : -1;
}

static int drop_privileges(const struct config *config)
{
	const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
	const struct group *group = config->group ? getgrnam(config->group) : NULL;
	gid_t gid;

	if (config->group && !group) {
		log_write(LOG_ERR, "group \"%s\" does not exist", config->group);
		return -1;
	}
	if (!config->user)
		return 0;
	if (!user) {
		log_write(LOG_ERR, "user \"%s\" does not exist", config->user);
		return -1;
	}
	gid = group ? group->gr_gid : user->pw_gid;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid)) {
		log_write(LOG_ERR, "changing to user \"%s\": %s", config->user, strerror(errno));
		return -1;
	}
	log_write(LOG_INFO, "running as user %s", config->user);
	return 0;
}

/*
 * The only fork there is, before any thread. The parent stays until the server
 * is ready, so that what goes wrong before is seen and has an exit status.
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

/* Everything is read and checked before anything changes. */
static void reload(struct program *program)
{
	struct server *server = &program->server;
	struct owamp_keyfile *keys, *keys_before;
	struct policy *policy;
	struct config *config;
	int error_level = LOG_ERR, info_level = LOG_INFO;
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
	if (!same_addresses(config, server->config))
		log_write(LOG_WARNING, "reload: a change of listen takes effect at the next start");
	policy_adopt(policy, server->policy);
	policy_free(server->policy);
	config_free(server->config);
	keys_before = server->keys;
	server->policy = policy;
	server->keys = keys;
	server->config = config;
	log_set_level(config->log_level);
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
	int level = LOG_INFO;
	char modes[80];

	if (owamp_engine_new(&server->engine) || store_new(&server->store)) {
		log_write(LOG_ERR, "starting: %s", strerror(errno));
		return -1;
	}
	server->loop = owamp_engine_loop(server->engine);
	server->start_time = owamp_ntp_from_unix_ns(owamp_real_ns());
	if (owamp_loop_signals(server->loop, signals, sizeof signals / sizeof signals[0], on_signal,
			       program)) {
		log_write(LOG_ERR, "signals: %s", strerror(errno));
		return -1;
	}
	if (server_listen(server))
		return -1;
	if (server->config->pid_file && write_pid(server->config->pid_file))
		return -1;
	program->pid_written = server->config->pid_file != NULL;
	if (drop_privileges(server->config))
		return -1;
	tell_ready(program);
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

static void clean_up(struct program *program)
{
	struct server *server = &program->server;

	if (server->loop)
		server_stop(server);
	owamp_engine_free(server->engine);
	store_free(server->store, server_release_grant);
	policy_free(server->policy);
	owamp_keyfile_free(server->keys);
	/* After the drop of privileges the folder may not be ours: then at least it names no process. */
	if (program->pid_written && unlink(server->config->pid_file) && truncate(server->config->pid_file, 0))
		log_write(LOG_WARNING, "pid_file %s could not be removed: %s", server->config->pid_file,
			  strerror(errno));
	config_free(server->config);
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
	if (load(server->config, &server->keys, &server->policy, error, sizeof error)) {
		fprintf(stderr, "owampd: %s\n", error);
		config_free(server->config);
		return 1;
	}
	/* A log that nobody reads any more is no reason to end. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!server->config->foreground && go_to_background(&program.ready)) {
		clean_up(&program);
		return 1;
	}
	log_open(true, server->config->log_level);
	raise_descriptor_limit();
	status = run(&program) ? 1 : 0;
	clean_up(&program);
	return status;
}
