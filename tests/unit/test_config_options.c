#include "config_fixture.h"

#include <limits.h>
#include <net/if.h>
#include <sys/stat.h>

#define OPEN   OWAMP_MODE_OPEN
#define SECURE (OWAMP_MODE_AUTHENTICATED | OWAMP_MODE_ENCRYPTED)

struct log {
	char text[1024];
	unsigned lines;
};

static void keep_log(void *context, const char *line)
{
	struct log *log = context;

	snprintf(log->text, sizeof(log->text), "%s", line);
	log->lines++;
}

static void test_options_win(void **state)
{
	struct file file =
		make_file("listen = {\"192.0.2.1\", \"192.0.2.2\"}\n"
			  "test_ports = 1-2\nmodes = O\nkeys = /a\nlimits = /b\nuser = u\ngroup = g\n"
			  "pid_file = /p\narchive = /d\npbkdf2_count = 1024\nlog_level = error\nkeep = 2d\n");
	struct config *config =
		good(run("--listen", "198.51.100.1", "-f", "--config", file.path, "--listen=[::1]:99",
			 "--test-ports", "0", "--modes", "A", "--keys", "/A", "--limits=/B", NULL));

	(void)state;
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 0, "198.51.100.1", 861, false);
	assert_listen(config, 1, "::1", 99, false);
	assert_int_equal(config->test_port_low, 0);
	assert_int_equal(config->test_port_high, 0);
	assert_int_equal(config->modes, OWAMP_MODE_AUTHENTICATED);
	assert_string_equal(config->keys_path, "/A");
	assert_string_equal(config->limits_path, "/B");
	assert_true(config->foreground);
	assert_int_equal(config->keep_ns, 2 * 86400 * S);
	config_free(config);
	config = good(run("-c", file.path, "--user", "U", "--group", "G", "--pid-file", "/P", "--archive",
			  "/D", "--pbkdf2-count", "2048", "--log-level", "debug", NULL));
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 1, "192.0.2.2", 861, false);
	assert_string_equal(config->user, "U");
	assert_string_equal(config->group, "G");
	assert_string_equal(config->pid_file, "/P");
	assert_string_equal(config->archive_path, "/D");
	assert_int_equal(config->pbkdf2_count, 2048);
	assert_int_equal(config->log_level, LOG_DEBUG);
	assert_false(config->foreground);
	config_free(config);
	close(file.fd);
}

static void test_listen(void **state)
{
	static const char *const wrong[] = {
		"",           "0",         "65536",         "::1",       "::1:861",
		"[::1",       "[]:861",    "[::1]861",      "1.2.3.4:",  "1.2.3.4:0",
		"1.2.3",      "localhost", "1.2.3.4:861x",  "[1.2.3.4]", "[::1]:70000",
		"1.2.3.4:-1", ":",         "[::1%nosuchif]"};
	struct config *config;
	struct sockaddr_in6 in6;
	char err[256];

	(void)state;
	config = good(run("--listen", "8861", "--listen", ":8862", "--listen", "[::]", "--listen",
			  "0.0.0.0:1", "--listen", "[fe80::1%lo]:65535", NULL));
	assert_int_equal(config->listen_count, 7);
	/* Of all addresses one family may be missing. */
	assert_listen(config, 0, "::", 8861, true);
	assert_listen(config, 1, "0.0.0.0", 8861, true);
	assert_listen(config, 2, "::", 8862, true);
	assert_listen(config, 3, "0.0.0.0", 8862, true);
	assert_listen(config, 4, "::", 861, false);
	assert_listen(config, 5, "0.0.0.0", 1, false);
	assert_listen(config, 6, "fe80::1", 65535, false);
	memcpy(&in6, &config->listen[6].address, sizeof(in6));
	assert_int_equal(in6.sin6_scope_id, if_nametoindex("lo"));
	config_free(config);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(err, sizeof(err),
			 "option --listen: '%s', expected ADDRESS, ADDRESS:PORT or PORT, with IPv6 addresses "
			 "in "
			 "brackets\n",
			 wrong[i]);
		bad(run("--listen", wrong[i], NULL), 2, err);
	}
}

static void test_test_ports(void **state)
{
	static const char *const wrong[] = {"",        "-",     "5-",    "-5", "5-4", "0-5",
					    "1-65536", "65536", "1-2-3", "a",  "00-1"};
	struct config *config;
	char err[256];

	(void)state;
	config = good(run("--test-ports", "9000", NULL));
	assert_int_equal(config->test_port_low, 9000);
	assert_int_equal(config->test_port_high, 9000);
	config_free(config);
	config = good(run("--test-ports", "1-65535", NULL));
	assert_int_equal(config->test_port_low, 1);
	assert_int_equal(config->test_port_high, 65535);
	config_free(config);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(
			err, sizeof(err),
			"option --test-ports: '%s', expected LOW-HIGH, one port, or 0 for any, of ports 1 to "
			"65535\n",
			wrong[i]);
		bad(run("--test-ports", wrong[i], NULL), 2, err);
	}
}

static void test_modes(void **state)
{
	struct config *config;

	(void)state;
	config = good(run("--keys", "/k", NULL));
	assert_int_equal(config->modes, OPEN | SECURE);
	config_free(config);
	config = good(run("--keys", "/k", "--modes", "OAE", NULL));
	assert_int_equal(config->modes, OPEN | SECURE);
	config_free(config);
	config = good(run("--keys", "/k", "--modes", "O", NULL));
	assert_int_equal(config->modes, OPEN);
	config_free(config);
	config = good(run("--modes", "O", NULL));
	assert_int_equal(config->modes, OPEN);
	config_free(config);
	bad(run("--modes", "E", NULL), 2,
	    "option --modes: A and E need a key file, expected keys to name one\n");
	bad(run("--modes", "OA", NULL), 2,
	    "option --modes: A and E need a key file, expected keys to name one\n");
	bad(run("--modes", "EE", NULL), 2,
	    "option --modes: 'EE', expected letters of E, A and O, each at most once\n");
	bad(run("--modes", "X", NULL), 2,
	    "option --modes: 'X', expected letters of E, A and O, each at most once\n");
	bad(run("--modes", "", NULL), 2, "option --modes: '', expected at least one letter of E, A and O\n");
}

static void test_bad_options(void **state)
{
	struct config *config;

	(void)state;
	bad(run("--nonsense", NULL), 2,
	    "option --nonsense: not known, or with a value it does not take; see owampd --help\n");
	bad(run("-f", "-fx", NULL), 2,
	    "option -fx: not known, or with a value it does not take; see owampd --help\n");
	/* What was left over of the arguments is forgotten. */
	bad(run("-xf", NULL), 2,
	    "option -xf: not known, or with a value it does not take; see owampd --help\n");
	config = good(run(NULL));
	assert_false(config->foreground);
	config_free(config);
	bad(run("--foreground=1", NULL), 2,
	    "option --foreground=1: not known, or with a value it does not take; see owampd --help\n");
	bad(run("--keys", NULL), 2, "option --keys: expected a value\n");
	bad(run("-c", NULL), 2, "option -c: expected a value\n");
	bad(run("-f", "now", NULL), 2, "argument 'now': expected options only; see owampd --help\n");
	bad(run("--log-level", "loud", NULL), 2,
	    "option --log-level: 'loud', expected debug, info, notice, warning or error\n");
}

static void test_help_and_version(void **state)
{
	struct outcome outcome = run("--version", NULL);

	(void)state;
	assert_null(outcome.config);
	assert_int_equal(outcome.exit_status, 0);
	assert_string_equal(outcome.out, "owampd " OWAMP_VERSION "\n");
	outcome = run("-h", "--nonsense", NULL);
	assert_null(outcome.config);
	assert_int_equal(outcome.exit_status, 0);
	assert_memory_equal(outcome.out, "Usage: owampd ", 14);
	assert_string_equal(outcome.err, "");
}

static void test_check_config(void **state)
{
	struct file limits = make_file("limit root with disk=1\nassign default root\n");
	struct file keys = make_file("alice 61\n"), config;
	struct outcome outcome;
	char text[256], wanted[512];

	(void)state;
	snprintf(text, sizeof(text), "limits = \"%s\"\nkeys = \"%s\"\n", limits.path, keys.path);
	config = make_file(text);
	outcome = run("--check-config", "-c", config.path, NULL);
	assert_null(outcome.config);
	assert_int_equal(outcome.exit_status, 0);
	assert_string_equal(outcome.err, "");
	snprintf(wanted, sizeof(wanted), "%s: ok\n%s: ok\n%s: ok\n", config.path, limits.path, keys.path);
	assert_string_equal(outcome.out, wanted);

	outcome = run("--check-config", NULL);
	assert_null(outcome.config);
	assert_int_equal(outcome.exit_status, 0);
	assert_string_equal(outcome.out, "options: ok\n");

	/* All files are looked at, not only up to the first bad one. */
	assert_int_equal(pwrite(limits.fd, "x", 1, 0), 1);
	assert_int_equal(pwrite(keys.fd, "alice g", 7, 0), 7);
	outcome = run("--check-config", "-c", config.path, NULL);
	assert_null(outcome.config);
	assert_int_equal(outcome.exit_status, 1);
	snprintf(wanted, sizeof(wanted), "%s: ok\n", config.path);
	assert_string_equal(outcome.out, wanted);
	snprintf(wanted, sizeof(wanted),
		 "%s:1: 'ximit', expected 'limit', 'assign' or a comment\n"
		 "%s:1: character 1 of the secret is not a hexadecimal digit\n",
		 limits.path, keys.path);
	assert_string_equal(outcome.err, wanted);
	close(limits.fd);
	close(keys.fd);
	close(config.fd);
}

/* A line for each that is wrong, in this order. */
static void test_check_references(void **state)
{
	char directory[] = "/tmp/test_config_XXXXXX", archive[64], pid_file[64], wanted[512];
	struct outcome outcome;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(archive, sizeof(archive), "%s/archive", directory);
	snprintf(pid_file, sizeof(pid_file), "%s/pid", directory);
	outcome = run("--check-config", "--archive", archive, "--pid-file", pid_file, NULL);
	assert_int_equal(outcome.exit_status, 0);
	assert_string_equal(outcome.err, "");
	snprintf(wanted, sizeof(wanted), "options: ok\n%s: ok, to be created\n", archive);
	assert_string_equal(outcome.out, wanted);
	/* Nothing was made. */
	assert_int_equal(access(archive, F_OK), -1);
	assert_int_equal(access(pid_file, F_OK), -1);

	outcome = run("--check-config", "--archive", "/nonexistent/a", "--pid-file", "/nonexistent/p", NULL);
	assert_int_equal(outcome.exit_status, 1);
	assert_string_equal(outcome.out, "options: ok\n");
	assert_string_equal(outcome.err,
			    "pid_file /nonexistent/p: cannot be written: No such file or directory\n"
			    "archive /nonexistent/a: no file can be made in its folder: No such file or "
			    "directory\n");
	outcome = run("--check-config", "--user", "no such user", "--group", "daemon", NULL);
	assert_int_equal(outcome.exit_status, 1);
	assert_string_equal(outcome.err, "user \"no such user\" does not exist\n");
	outcome = run("--check-config", "--user", "root", "--group", "no such group", NULL);
	assert_int_equal(outcome.exit_status, 1);
	assert_string_equal(outcome.err, "group \"no such group\" does not exist\n");

	file = fopen(archive, "w");
	assert_non_null(file);
	fputs("This is no archive, and long enough to be seen as none by whoever reads its head, which has "
	      "100 octets.\n",
	      file);
	fclose(file);
	outcome = run("--check-config", "--archive", archive, NULL);
	assert_int_equal(outcome.exit_status, 1);
	snprintf(wanted, sizeof(wanted), "archive %s: file is not a database\n", archive);
	assert_string_equal(outcome.err, wanted);
	assert_int_equal(truncate(archive, 0), 0);
	outcome = run("--check-config", "--archive", archive, NULL);
	assert_int_equal(outcome.exit_status, 0);
	assert_int_equal(unlink(archive), 0);
	assert_int_equal(rmdir(directory), 0);
}

/* Whoever is root now, the server will be its user: the folder must be that one's. */
static void test_check_as_user(void **state)
{
	char directory[] = "/tmp/test_config_XXXXXX", archive[64], wanted[256];
	struct outcome outcome;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(directory));
	snprintf(archive, sizeof(archive), "%s/archive", directory);
	outcome = run("--check-config", "--archive", archive, "--user", "nobody", NULL);
	assert_int_equal(outcome.exit_status, 1);
	snprintf(wanted, sizeof(wanted), "archive %s: no file can be made in its folder: Permission denied\n",
		 archive);
	assert_string_equal(outcome.err, wanted);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	outcome = run("--check-config", "--archive", archive, "--user", "nobody", NULL);
	assert_int_equal(outcome.exit_status, 0);
	assert_int_equal(rmdir(directory), 0);
}

/* Who has a class and no key gets in nowhere: that is worth a line, and no more. */
static void test_check_users(void **state)
{
	struct file limits = make_file("limit root with disk=1\nassign user alice root\n"
				       "assign user bob root\n");
	struct file keys = make_file("alice 61\n");
	struct outcome outcome = run("--check-config", "--limits", limits.path, "--keys", keys.path, NULL);
	char wanted[512];

	(void)state;
	assert_int_equal(outcome.exit_status, 0);
	snprintf(wanted, sizeof(wanted), "warning: %s:3: user 'bob' has no key in %s\n", limits.path,
		 keys.path);
	assert_string_equal(outcome.err, wanted);
	outcome = run("--check-config", "--limits", limits.path, NULL);
	assert_int_equal(outcome.exit_status, 0);
	snprintf(wanted, sizeof(wanted),
		 "warning: %s:2: user 'alice' has no key: no key file is set\n"
		 "warning: %s:3: user 'bob' has no key: no key file is set\n",
		 limits.path, limits.path);
	assert_string_equal(outcome.err, wanted);
	close(limits.fd);
	close(keys.fd);
}

static void test_check_nobody(void **state)
{
	static const char *const somebody[] = {"assign default root\n", "assign net 192.0.2.0/24 root\n"};
	struct file limits = make_file("limit root with allow_open_mode=on\n");
	struct outcome outcome = run("--check-config", "--limits", limits.path, NULL);
	char wanted[512];

	(void)state;
	assert_int_equal(outcome.exit_status, 0);
	snprintf(wanted, sizeof(wanted), "warning: %s: no \"assign\" line: nobody is allowed anything\n",
		 limits.path);
	assert_string_equal(outcome.err, wanted);
	close(limits.fd);
	for (size_t i = 0; i < sizeof(somebody) / sizeof(somebody[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "limit root with allow_open_mode=on\n%s", somebody[i]);
		limits = make_file(text);
		outcome = run("--check-config", "--limits", limits.path, NULL);
		assert_string_equal(outcome.err, "");
		close(limits.fd);
	}
}

static void test_reload(void **state)
{
	struct file file = make_file("keep = 1\nuser = a\n");
	char *argv[] = {"owampd", "--user", "b", "-c", file.path, NULL};
	struct config *config = good(run("--user", "b", "-c", file.path, NULL));
	struct log log = {.lines = 0};
	char wanted[512];

	(void)state;
	assert_int_equal(config->keep_ns, S);
	config_free(config);
	assert_int_equal(pwrite(file.fd, "keep = 7", 8, 0), 8);
	config = config_reload(5, argv, keep_log, &log);
	assert_non_null(config);
	assert_int_equal(config->keep_ns, 7 * S);
	assert_string_equal(config->user, "b");
	config_free(config);
	assert_int_equal(log.lines, 0);

	assert_int_equal(pwrite(file.fd, "keep = x", 8, 0), 8);
	assert_null(config_reload(5, argv, keep_log, &log));
	assert_int_equal(log.lines, 1);
	snprintf(wanted, sizeof(wanted),
		 "%s:1: keep: 'x', expected a time from 1.0 to 315360000 s as NUMBER[ns|us|ms|s|min|h|d], such "
		 "as "
		 "0.5, 90s "
		 "or 1d",
		 file.path);
	assert_string_equal(log.text, wanted);
	close(file.fd);
}

/* Relative paths mean the directory of the start, in a reload too. */
static void test_relative_paths(void **state)
{
	char directory[] = "/tmp/test_config_XXXXXX", home[PATH_MAX], wanted[PATH_MAX + 32];
	char *argv[] = {"owampd", "-c", "owampd.conf", "--limits", "sub/limits", NULL};
	struct log log = {.lines = 0};
	struct config *config;
	FILE *file;

	(void)state;
	assert_non_null(getcwd(home, sizeof(home)));
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	file = fopen("owampd.conf", "w");
	assert_non_null(file);
	fputs("keys = owampd.pfs\npid_file = /run/x\n", file);
	fclose(file);
	config = good(run("-c", "owampd.conf", "--limits", "sub/limits", NULL));
	snprintf(wanted, sizeof(wanted), "%s/owampd.pfs", directory);
	assert_string_equal(config->keys_path, wanted);
	snprintf(wanted, sizeof(wanted), "%s/sub/limits", directory);
	assert_string_equal(config->limits_path, wanted);
	assert_string_equal(config->pid_file, "/run/x");
	config_free(config);

	assert_int_equal(chdir("/"), 0);
	config = config_reload(5, argv, keep_log, &log);
	assert_non_null(config);
	assert_string_equal(config->limits_path, wanted);
	config_free(config);
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(unlink("owampd.conf"), 0);
	assert_int_equal(chdir(home), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_win),    cmocka_unit_test(test_listen),
		cmocka_unit_test(test_test_ports),     cmocka_unit_test(test_modes),
		cmocka_unit_test(test_bad_options),    cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_check_config),   cmocka_unit_test(test_reload),
		cmocka_unit_test(test_relative_paths), cmocka_unit_test(test_check_references),
		cmocka_unit_test(test_check_as_user),  cmocka_unit_test(test_check_users),
		cmocka_unit_test(test_check_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
