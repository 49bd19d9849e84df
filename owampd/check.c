#include "owampd/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owamp/error.h"
#include "owampd/privileges.h"
#include "owampd/status.h"
#include "storage/archive.h"

#define LINE_SIZE (PATH_MAX + 512)

struct check {
	const struct config *config;
	void (*log)(void *context, const char *line);
	void *context;
	unsigned wrong;
};

__attribute__((format(printf, 2, 3))) static void fail(struct check *check, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	check->log(check->context, line);
	check->wrong++;
}

struct users {
	const struct config *config;
	const struct owamp_keyfile *keys;
	void (*log)(void *context, const char *line);
	void *context;
};

static void check_user(void *context, const char *user, unsigned number)
{
	const struct users *users = context;
	const char *keys_path = users->config->keys_path;
	char line[LINE_SIZE];
	size_t size;

	if (users->keys && owamp_keyfile_find(users->keys, user, &size))
		return;
	snprintf(line, sizeof(line), "%s:%u: user '%s' %s%s", users->config->limits_path, number, user,
		 keys_path ? "has no key in " : "has no key: no key file is set", keys_path ? keys_path : "");
	users->log(users->context, line);
}

void check_users(const struct config *config, const struct policy *policy, const struct owamp_keyfile *keys,
		 void (*log)(void *context, const char *line), void *context)
{
	struct users users = {.config = config, .keys = keys, .log = log, .context = context};
	char line[LINE_SIZE];

	if (!policy_assigns(policy)) {
		snprintf(line, sizeof(line), "%s: no \"assign\" line: nobody is allowed anything",
			 config->limits_path);
		log(context, line);
	}
	policy_users(policy, check_user, &users);
}

static void warn(void *context, const char *text)
{
	const struct check *check = context;
	char line[LINE_SIZE + 16];

	snprintf(line, sizeof(line), "warning: %s", text);
	check->log(check->context, line);
}

/* The files that are read at the start and at each reload. */
static void check_files(struct check *check)
{
	const struct config *config = check->config;
	struct owamp_keyfile *keys = NULL;
	struct policy *policy = NULL;
	char error[LINE_SIZE];
	bool keys_known = true;

	if (config->limits_path && policy_load(&policy, config->limits_path, error, sizeof(error)))
		fail(check, "%s", error);
	else if (config->limits_path)
		printf("%s: ok\n", config->limits_path);
	if (config->keys_path && owamp_keyfile_load(&keys, config->keys_path, error, sizeof(error))) {
		fail(check, "%s", error);
		keys_known = false;
	} else if (config->keys_path) {
		printf("%s: ok\n", config->keys_path);
	}
	if (policy && keys_known)
		check_users(config, policy, keys, warn, check);
	policy_free(policy);
	owamp_keyfile_free(keys);
}

/* Can a file be made in the folder of path? Otherwise errno says why not. */
static bool folder_takes_files(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";

	if (slash && (size_t)(slash - path) + 2 <= sizeof(folder)) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

static void check_pid_file(struct check *check)
{
	const char *path = check->config->pid_file;

	if (path && !folder_takes_files(path))
		fail(check, "pid_file %s: cannot be written: %s", path, strerror(errno));
}

static void check_status_socket(struct check *check, const struct privileges *privileges)
{
	const char *path = check->config->status_socket;
	char error[LINE_SIZE];

	if (path && status_check(path, privileges, error, sizeof(error)))
		fail(check, "%s", error);
}

/* As the server's user. */
static int check_archive(void *context)
{
	struct check *check = context;
	const char *path = check->config->archive_path;
	struct archive *archive = NULL;
	struct stat status;
	char error[LINE_SIZE];

	/* SQLite puts files of its own beside it. */
	if (!folder_takes_files(path)) {
		fail(check, "archive %s: no file can be made in its folder: %s", path, strerror(errno));
		return 0;
	}
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS)) {
		if (errno != ENOENT)
			fail(check, "archive %s: %s", path, strerror(errno));
		else
			printf("%s: ok, to be created\n", path);
		return 0;
	}
	/* An empty file becomes an archive, as one that is not there. */
	if ((stat(path, &status) || status.st_size > 0) &&
	    archive_open(&archive, path, ARCHIVE_READ, error, sizeof(error)))
		fail(check, "archive %s", error);
	else
		printf("%s: ok\n", path);
	archive_close(archive);
	return 0;
}

/* Whether their hardware can stamp is for the start to find out: looking would switch it on. */
static void check_interfaces(struct check *check)
{
	char **names = check->config->hardware_timestamps;

	for (; names && *names; names++) {
		if (if_nametoindex(*names) == 0)
			fail(check, "hardware_timestamps: there is no interface \"%s\"", *names);
	}
}

/* What its section refers to; sources that are not there may come. */
static void check_clock(struct check *check)
{
	struct owamp_clock *clock;
	char error[256];

	if (owamp_clock_new(&clock, &check->config->clock, error, sizeof(error)))
		fail(check, "clock: %s", error[0] ? error : "cannot be watched");
	else
		owamp_clock_free(clock);
}

unsigned check_config(const struct config *config, void (*log)(void *context, const char *line),
		      void *context)
{
	struct check check = {.config = config, .log = log, .context = context};
	struct privileges privileges;
	char error[LINE_SIZE];
	int unknown = privileges_find(&privileges, config, error, sizeof(error));

	check_files(&check);
	check_pid_file(&check);
	check_status_socket(&check, &privileges);
	check_interfaces(&check);
	check_clock(&check);
	if (unknown)
		fail(&check, "%s", error);
	else if (config->archive_path && privileges_try(&privileges, check_archive, &check))
		fail(&check, "archive %s: changing to the server's user: %s", config->archive_path,
		     strerror(errno));
	return check.wrong;
}
