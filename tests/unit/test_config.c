#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "owamp/session.h"
#include "owampd/config.h"

#define S          INT64_C(1000000000)
#define ARGS_MAX   20
#define OUTPUT_MAX 8192
#define OPEN       OWAMP_MODE_OPEN
#define SECURE     (OWAMP_MODE_AUTHENTICATED | OWAMP_MODE_ENCRYPTED)

/* What one run printed, and what came of it. */
struct outcome {
	struct config *config;
	int exit_status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
};

static int divert(FILE *stream, int *saved)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	assert_true(fd >= 0);
	fflush(stream);
	*saved = dup(fileno(stream));
	assert_true(*saved >= 0);
	assert_true(dup2(fd, fileno(stream)) >= 0);
	return fd;
}

static void restore(FILE *stream, int fd, int saved, char *text)
{
	ssize_t size;

	fflush(stream);
	assert_true(dup2(saved, fileno(stream)) >= 0);
	size = pread(fd, text, OUTPUT_MAX - 1, 0);
	assert_true(size >= 0);
	text[size] = '\0';
	close(saved);
	close(fd);
}

/* Arguments after the program's name, NULL-ended. */
static struct outcome run(const char *first, ...)
{
	char *argv[ARGS_MAX + 2] = {"owampd"};
	struct outcome outcome = {.exit_status = 77};
	int argc = 1, out, err, saved_out, saved_err;
	const char *argument = first;
	va_list arguments;

	va_start(arguments, first);
	for (; argument; argument = va_arg(arguments, const char *)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = (char *)(uintptr_t)argument;
	}
	va_end(arguments);
	out = divert(stdout, &saved_out);
	err = divert(stderr, &saved_err);
	outcome.config = config_from_arguments(argc, argv, &outcome.exit_status);
	restore(stderr, err, saved_err, outcome.err);
	restore(stdout, out, saved_out, outcome.out);
	return outcome;
}

static struct config *good(struct outcome outcome)
{
	assert_string_equal(outcome.err, "");
	assert_string_equal(outcome.out, "");
	assert_int_equal(outcome.exit_status, 0);
	assert_non_null(outcome.config);
	return outcome.config;
}

static void bad(struct outcome outcome, int exit_status, const char *err)
{
	assert_string_equal(outcome.err, err);
	assert_string_equal(outcome.out, "");
	assert_int_equal(outcome.exit_status, exit_status);
	assert_null(outcome.config);
}

struct file {
	int fd;
	char path[64];
};

static struct file make_file(const char *text)
{
	struct file file = {.fd = memfd_create("config", MFD_CLOEXEC)};

	assert_true(file.fd >= 0);
	assert_int_equal(write(file.fd, text, strlen(text)), strlen(text));
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static struct config *read_good(const char *text)
{
	struct file file = make_file(text);
	struct config *config = good(run("--config", file.path, NULL));

	close(file.fd);
	return config;
}

/* message: what follows the path of the file. */
static void read_bad(const char *text, const char *message)
{
	struct file file = make_file(text);
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "%s:%s\n", file.path, message);
	bad(run("-c", file.path, NULL), 1, wanted);
	close(file.fd);
}

static void assert_listen(const struct config *config, size_t index, const char *address, uint16_t port,
			  bool is_default)
{
	const struct config_address *listen = &config->listen[index];
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	char text[INET6_ADDRSTRLEN] = "";

	assert_true(index < config->listen_count);
	if (listen->address.ss_family == AF_INET6) {
		assert_int_equal(listen->size, sizeof(in6));
		memcpy(&in6, &listen->address, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
		assert_int_equal(ntohs(in6.sin6_port), port);
	} else {
		assert_int_equal(listen->address.ss_family, AF_INET);
		assert_int_equal(listen->size, sizeof(in));
		memcpy(&in, &listen->address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
		assert_int_equal(ntohs(in.sin_port), port);
	}
	assert_string_equal(text, address);
	assert_int_equal(listen->is_default, is_default);
}

static void assert_defaults(const struct config *config)
{
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 0, "::", 861, true);
	assert_listen(config, 1, "0.0.0.0", 861, true);
	assert_int_equal(config->test_port_low, 8760);
	assert_int_equal(config->test_port_high, 9960);
	assert_int_equal(config->modes, OPEN);
	assert_null(config->keys_path);
	assert_null(config->limits_path);
	assert_null(config->user);
	assert_null(config->group);
	assert_null(config->pid_file);
	assert_int_equal(config->pbkdf2_count, 8192);
	assert_int_equal(config->connections_max, 1000);
	assert_int_equal(config->handshakes_max, 100);
	assert_int_equal(config->connections_per_address_max, 50);
	assert_int_equal(config->handshake_timeout_ns, 10 * S);
	assert_int_equal(config->control_timeout_ns, 1800 * S);
	assert_int_equal(config->end_delay_ns, S / 2);
	assert_int_equal(config->slots_max, 1024);
	assert_int_equal(config->sessions_per_connection_max, 1024);
	assert_int_equal(config->keep_ns, 86400 * S);
	assert_int_equal(config->log_level, LOG_INFO);
	assert_false(config->foreground);
	assert_false(config->check_only);
}

static void test_defaults(void **state)
{
	struct config *config = good(run(NULL));

	(void)state;
	assert_defaults(config);
	config_free(config);
	config = read_good("");
	assert_defaults(config);
	config_free(config);
	config_free(NULL);
}

static void test_whole_file(void **state)
{
	struct config *config = read_good("# all of it\n"
					  "listen = {\"[::1]:861\", \"192.0.2.1:8861\"}\n"
					  "test_ports = \"20000-20010\"\n"
					  "modes = \"OE\"\n"
					  "keys = \"/etc/owampd.pfs\"\n"
					  "limits = /etc/owampd.limits\n"
					  "user = owamp\n"
					  "group = \"daemon\"\n"
					  "pid_file = /run/owampd.pid\n"
					  "pbkdf2_count = 1024\n"
					  "connections_max = 10\n"
					  "handshakes_max = 11\n"
					  "connections_per_address_max = 12\n"
					  "handshake_timeout = 2.5\n"
					  "control_timeout = 5min\n"
					  "end_delay = 250ms\n"
					  "slots_max = 13\n"
					  "sessions_per_connection_max = 14\n"
					  "keep = 12h\n"
					  "log_level = warning\n");

	(void)state;
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 0, "::1", 861, false);
	assert_listen(config, 1, "192.0.2.1", 8861, false);
	assert_int_equal(config->test_port_low, 20000);
	assert_int_equal(config->test_port_high, 20010);
	assert_int_equal(config->modes, OWAMP_MODE_OPEN | OWAMP_MODE_ENCRYPTED);
	assert_string_equal(config->keys_path, "/etc/owampd.pfs");
	assert_string_equal(config->limits_path, "/etc/owampd.limits");
	assert_string_equal(config->user, "owamp");
	assert_string_equal(config->group, "daemon");
	assert_string_equal(config->pid_file, "/run/owampd.pid");
	assert_int_equal(config->pbkdf2_count, 1024);
	assert_int_equal(config->connections_max, 10);
	assert_int_equal(config->handshakes_max, 11);
	assert_int_equal(config->connections_per_address_max, 12);
	assert_int_equal(config->handshake_timeout_ns, 2500000000);
	assert_int_equal(config->control_timeout_ns, 300 * S);
	assert_int_equal(config->end_delay_ns, 250000000);
	assert_int_equal(config->slots_max, 13);
	assert_int_equal(config->sessions_per_connection_max, 14);
	assert_int_equal(config->keep_ns, 43200 * S);
	assert_int_equal(config->log_level, LOG_WARNING);
	config_free(config);
}

static void test_options_win(void **state)
{
	struct file file =
		make_file("listen = {\"192.0.2.1\", \"192.0.2.2\"}\n"
			  "test_ports = 1-2\nmodes = O\nkeys = /a\nlimits = /b\nuser = u\ngroup = g\n"
			  "pid_file = /p\npbkdf2_count = 1024\nlog_level = error\nkeep = 2d\n");
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
	config = good(run("-c", file.path, "--user", "U", "--group", "G", "--pid-file", "/P",
			  "--pbkdf2-count", "2048", "--log-level", "debug", NULL));
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 1, "192.0.2.2", 861, false);
	assert_string_equal(config->user, "U");
	assert_string_equal(config->group, "G");
	assert_string_equal(config->pid_file, "/P");
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
	read_bad("modes = EO\n", " modes: A and E need a key file, expected keys to name one");
	bad(run("--modes", "EE", NULL), 2,
	    "option --modes: 'EE', expected letters of E, A and O, each at most once\n");
	bad(run("--modes", "X", NULL), 2,
	    "option --modes: 'X', expected letters of E, A and O, each at most once\n");
	bad(run("--modes", "", NULL), 2, "option --modes: '', expected at least one letter of E, A and O\n");
}

static void test_pbkdf2_count(void **state)
{
	static const char *const wrong[] = {"512",      "1025",  "0", "-1024",
					    "33554432", "1024x", "",  "99999999999999999999"};
	char err[128];

	(void)state;
	config_free(good(run("--pbkdf2-count", "16777216", NULL)));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(err, sizeof(err),
			 "option --pbkdf2-count: '%s', expected a power of two from 1024 to 16777216\n",
			 wrong[i]);
		bad(run("--pbkdf2-count", wrong[i], NULL), 2, err);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} right[] = {
		{"1", S},
		{"1s", S},
		{"1000ms", S},
		{"1.000000001", S + 1},
		{"1.0000000019", S + 1},
		{"2.5min", 150 * S},
		{"0.5h", 1800 * S},
		{"1.5d", 129600 * S},
		{"3650d", INT64_C(3650) * 86400 * S},
	};
	static const char *const wrong[] = {"",
					    "0",
					    "0.999999999",
					    "1.",
					    ".5",
					    "1x",
					    "1 s",
					    "-1",
					    "1min30s",
					    "1us",
					    "d",
					    "3651d",
					    "9999999999999d",
					    "99999999999999999999"};
	char text[80], message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct config *config;

		snprintf(text, sizeof(text), "keep = \"%s\"\n", right[i].text);
		config = read_good(text);
		assert_int_equal(config->keep_ns, right[i].ns);
		config_free(config);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "\nkeep = \"%s\"\n", wrong[i]);
		snprintf(message, sizeof(message),
			 "2: keep: '%s', expected a time from 1.0 to 315360000 s as NUMBER[ms|s|min|h|d], "
			 "such as "
			 "0.5, 90s or 1d",
			 wrong[i]);
		read_bad(text, message);
	}
	read_bad("handshake_timeout = 0.09\n", "1: handshake_timeout: '0.09', expected a time from 0.1 to "
					       "3600 s as NUMBER[ms|s|min|h|d], such as "
					       "0.5, 90s or 1d");
	config_free(read_good("end_delay = 0\n"));
}

static void test_bad_file(void **state)
{
	(void)state;
	read_bad("\n# x\nlistens = 1\n", "3: no such option 'listens'");
	read_bad("keep 5\n", "1: missing equal sign after option 'keep'");
	read_bad("\n}\n", "2: unexpected closing brace");
	read_bad("user = \"a\nb\n", "3: premature end of file");
	read_bad("user = \"\"\n", "1: user: '', expected a name");
	read_bad("keys = \"\"\n", "1: keys: '', expected the path of a file");
	read_bad("\n\nslots_max = 0\n", "3: slots_max: '0', expected an integer from 1 to 1000000");
	read_bad("connections_max = 1000001\n",
		 "1: connections_max: '1000001', expected an integer from 1 to 1000000");
	read_bad("connections_max = 5x\n", "1: connections_max: '5x', expected an integer from 1 to 1000000");
	read_bad("connections_max = -5\n", "1: connections_max: '-5', expected an integer from 1 to 1000000");
	read_bad("log_level = loud\n",
		 "1: log_level: 'loud', expected debug, info, notice, warning or error");
	read_bad("keep = 1\n\nkeep = 2\n", "3: keep: is given twice, expected one value");
	read_bad("listen = {}\n", " listen: the list is empty, expected at least one address");
	read_bad("listen = {\"1.2.3.4\",\n\"x\"}\n",
		 "2: listen: 'x', expected ADDRESS, ADDRESS:PORT or PORT, with IPv6 addresses in brackets");
	/* A message is one line, whatever it repeats. */
	read_bad("user = a\nlog_level = \"a\\nb\"\n",
		 "2: log_level: 'a?b', expected debug, info, notice, warning or error");
	bad(run("-c", "/nonexistent/conf", NULL), 1,
	    "/nonexistent/conf: cannot read: No such file or directory\n");
	bad(run("-c", "/", NULL), 1, "/: cannot read: Is a directory\n");
	bad(run("-c", "/dev/zero", NULL), 1, "/dev/zero: the file is larger than 4 MiB\n");
}

/* libConfuse alone loses count of lines, and refuses comments in lists. */
static void test_comments(void **state)
{
	struct config *config = read_good("#\n### x\n// y\n/* a\n# b */ user = 'a#b' # user = c\n"
					  "listen = { # addresses\n"
					  "\t\"192.0.2.1\", // one\n"
					  "\t/* two */ \"192.0.2.2\"\n"
					  "}#end\n"
					  "keys = /x//y#z # z\n"
					  "limits = \"/a\\\"#b\"# c");

	(void)state;
	assert_string_equal(config->user, "a#b");
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 1, "192.0.2.2", 861, false);
	assert_string_equal(config->keys_path, "/x//y");
	assert_string_equal(config->limits_path, "/a\"#b");
	config_free(config);

	read_bad("# 1\n# 2\nuser = a # 3\n/* 4\n5 */ // 5\nfoo = 1\n", "6: no such option 'foo'");
	read_bad("# 1\nkeep = x\n", "2: keep: 'x', expected a time from 1.0 to 315360000 s as "
				    "NUMBER[ms|s|min|h|d], such as 0.5, 90s "
				    "or 1d");
	read_bad("user = a\n/* keep = 1\n", "2: comment without an end, expected */");
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
	struct file limits = make_file("limit root with disk=1\n"), keys = make_file("alice 61\n"), config;
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
		 "%s:1: keep: 'x', expected a time from 1.0 to 315360000 s as NUMBER[ms|s|min|h|d], such as "
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
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_whole_file),
		cmocka_unit_test(test_options_win),    cmocka_unit_test(test_listen),
		cmocka_unit_test(test_test_ports),     cmocka_unit_test(test_modes),
		cmocka_unit_test(test_pbkdf2_count),   cmocka_unit_test(test_durations),
		cmocka_unit_test(test_bad_file),       cmocka_unit_test(test_comments),
		cmocka_unit_test(test_bad_options),    cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_check_config),   cmocka_unit_test(test_reload),
		cmocka_unit_test(test_relative_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
