#include "config_fixture.h"

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

static void assert_defaults(const struct config *config)
{
	assert_int_equal(config->listen_count, 2);
	assert_listen(config, 0, "::", 861, true);
	assert_listen(config, 1, "0.0.0.0", 861, true);
	assert_int_equal(config->test_port_low, 8760);
	assert_int_equal(config->test_port_high, 9960);
	assert_int_equal(config->modes, OWAMP_MODE_OPEN);
	assert_null(config->keys_path);
	assert_null(config->limits_path);
	assert_null(config->user);
	assert_null(config->group);
	assert_null(config->pid_file);
	assert_null(config->archive_path);
	assert_int_equal(config->archive_max, UINT64_C(10737418240));
	assert_int_equal(config->keep_summaries_ns, INT64_C(34560000) * S);
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
	assert_int_equal(config->realtime_priority, 10);
	assert_true(config->lock_memory);
	assert_int_equal(config->spin_ns, OWAMP_SPIN_AUTO);
	assert_int_equal(config->pacer_cpu, -1);
	assert_int_equal(config->collector_cpu, -1);
	assert_null(config->hardware_timestamps);
	assert_int_equal(config->shared_test_port, 0);
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
					  "archive = /var/lib/owamp/archive.db\n"
					  "archive_max = 3g\n"
					  "keep_summaries = 30d\n"
					  "pbkdf2_count = 1024\n"
					  "connections_max = 10\n"
					  "handshakes_max = 11\n"
					  "connections_per_address_max = 12\n"
					  "handshake_timeout = 2.5\n"
					  "control_timeout = 5min\n"
					  "end_delay = 250ms\n"
					  "slots_max = 13\n"
					  "sessions_per_connection_max = 14\n"
					  "realtime_priority = 99\n"
					  "lock_memory = no\n"
					  "spin = 20us\n"
					  "pacer_cpu = any\n"
					  "collector_cpu = any\n"
					  "hardware_timestamps = {\"eth0\", \"eth1.7\"}\n"
					  "shared_test_port = 861\n"
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
	assert_string_equal(config->archive_path, "/var/lib/owamp/archive.db");
	assert_int_equal(config->archive_max, UINT64_C(3221225472));
	assert_int_equal(config->keep_summaries_ns, 2592000 * S);
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
	assert_int_equal(config->realtime_priority, 99);
	assert_false(config->lock_memory);
	assert_int_equal(config->spin_ns, 20000);
	assert_int_equal(config->pacer_cpu, -1);
	assert_int_equal(config->collector_cpu, -1);
	assert_string_equal(config->hardware_timestamps[0], "eth0");
	assert_string_equal(config->hardware_timestamps[1], "eth1.7");
	assert_null(config->hardware_timestamps[2]);
	assert_int_equal(config->shared_test_port, 861);
	assert_int_equal(config->log_level, LOG_WARNING);
	config_free(config);
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
		{"1000000us", S},
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
			 "2: keep: '%s', expected a time from 1.0 to 315360000 s as NUMBER[ns|us|ms|s|min|h|d], "
			 "such as "
			 "0.5, 90s or 1d",
			 wrong[i]);
		read_bad(text, message);
	}
	read_bad("handshake_timeout = 0.09\n", "1: handshake_timeout: '0.09', expected a time from 0.1 to "
					       "3600 s as NUMBER[ns|us|ms|s|min|h|d], such as "
					       "0.5, 90s or 1d");
	config_free(read_good("end_delay = 0\n"));
}

static void test_octets(void **state)
{
	static const struct {
		const char *text;
		uint64_t octets;
	} right[] = {
		{"0", 0},
		{"0k", 0},
		{"1048576", 1048576},
		{"1024k", 1048576},
		{"1M", 1048576},
		{"1000000t", UINT64_C(1099511627776000000)},
		{"1099511627776000000", UINT64_C(1099511627776000000)},
	};
	static const char *const wrong[] = {"",
					    "1",
					    "1048575",
					    "1023k",
					    "-1",
					    "1.5g",
					    "g",
					    "1 g",
					    "1gb",
					    "1x",
					    "1gg",
					    "0x",
					    "1000001t",
					    "9999999999999t",
					    "99999999999999999999"};
	char text[80], message[256];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct config *config;

		snprintf(text, sizeof(text), "archive_max = \"%s\"\n", right[i].text);
		config = read_good(text);
		assert_int_equal(config->archive_max, right[i].octets);
		config_free(config);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "\narchive_max = \"%s\"\n", wrong[i]);
		snprintf(message, sizeof(message),
			 "2: archive_max: '%s', expected octets as an integer with an optional suffix k, m, "
			 "g or t, from 1m to 1000000t (0: no limit)",
			 wrong[i]);
		read_bad(text, message);
	}
}

/* Summaries are kept as long as packets at least, also if only those were asked for. */
static void test_keep_summaries(void **state)
{
	struct config *config = read_good("keep = 401d\n");

	(void)state;
	assert_int_equal(config->keep_summaries_ns, INT64_C(401) * 86400 * S);
	config_free(config);
	config = read_good("keep_summaries = 36500d\nkeep = 1\n");
	assert_int_equal(config->keep_summaries_ns, INT64_C(36500) * 86400 * S);
	config_free(config);
	config_free(read_good("keep_summaries = 1h\nkeep = 1h\n"));
	read_bad("keep_summaries = 59min\nkeep = 1h\n",
		 " keep_summaries: is shorter than keep, expected at least as much");
	read_bad("keep_summaries = 1h\n", " keep_summaries: is shorter than keep, expected at least as much");
}

static void test_bad_file(void **state)
{
	(void)state;
	read_bad("\n# x\nlistens = 1\n", "3: no such option 'listens'");
	read_bad("keep 5\n", "1: missing equal sign after option 'keep'");
	read_bad("\n}\n", "2: unexpected closing brace");
	read_bad("user = \"a\nb\n", "3: premature end of file");
	read_bad("user = \"\"\n", "1: user: '', expected a name");
	read_bad("archive = \"\"\n", "1: archive: '', expected the path of a file");
	read_bad("keys = \"\"\n", "1: keys: '', expected the path of a file");
	read_bad("\n\nslots_max = 0\n", "3: slots_max: '0', expected an integer from 1 to 1000000");
	read_bad("connections_max = 1000001\n",
		 "1: connections_max: '1000001', expected an integer from 1 to 1000000");
	read_bad("connections_max = 5x\n", "1: connections_max: '5x', expected an integer from 1 to 1000000");
	read_bad("connections_max = -5\n", "1: connections_max: '-5', expected an integer from 1 to 1000000");
	read_bad("log_level = loud\n",
		 "1: log_level: 'loud', expected debug, info, notice, warning or error");
	read_bad("keep = 1\n\nkeep = 2\n", "3: keep: is given twice, expected one value");
	read_bad("modes = EO\n", " modes: A and E need a key file, expected keys to name one");
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
				    "NUMBER[ns|us|ms|s|min|h|d], such as 0.5, 90s "
				    "or 1d");
	read_bad("user = a\n/* keep = 1\n", "2: comment without an end, expected */");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_whole_file),
		cmocka_unit_test(test_pbkdf2_count), cmocka_unit_test(test_durations),
		cmocka_unit_test(test_octets),       cmocka_unit_test(test_keep_summaries),
		cmocka_unit_test(test_bad_file),     cmocka_unit_test(test_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
