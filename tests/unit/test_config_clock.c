/* The section "clock" in owampd's configuration, and who may ask for its status. */
#include "config_fixture.h"

/* message: what follows the path of the file. */
static void read_bad(const char *text, const char *message)
{
	struct file file = make_file(text);
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "%s:%s\n", file.path, message);
	bad(run("-c", file.path, NULL), 1, wanted);
	close(file.fd);
}

static struct config *read_good(const char *text)
{
	struct file file = make_file(text);
	struct config *config = good(run("-c", file.path, NULL));

	close(file.fd);
	return config;
}

static void test_none(void **state)
{
	struct owamp_clock_config wanted;
	struct config *config = good(run("-f", NULL));

	(void)state;
	owamp_clock_config_default(&wanted);
	assert_int_equal(wanted.count, 4);
	assert_true(config_same_clock(&config->clock, &wanted));
	assert_listen(config, 0, "::", 861, true);
	config_free(config);
	config = read_good("keep = 2d\n");
	assert_true(config_same_clock(&config->clock, &wanted));
	config_free(config);
	config = read_good("clock { }\n");
	assert_true(config_same_clock(&config->clock, &wanted));
	config_free(config);
}

/* Between other keys, with comments in it. */
static void test_section(void **state)
{
	struct config *config =
		read_good("keep = 2d\n"
			  "clock { # of this host\n"
			  "\tphc \"nic\" { device = /dev/ptp3 timescale = utc accuracy = 250ns }\n"
			  "\t/* first\n\tchoice */ ptp \"grand\" {\n"
			  "\t\tsocket = \"/run/p\"\n\t\tdomain = 24\n\t}\n"
			  "\tdrift_max = 50\n\tholdover = 3ms\n"
			  "}\n"
			  "slots_max = 7\n");

	(void)state;
	assert_int_equal(config->keep_ns, 2 * 86400 * S);
	assert_int_equal(config->slots_max, 7);
	assert_int_equal(config->clock.count, 2);
	assert_int_equal(config->clock.sources[0].kind, OWAMP_CLOCK_KIND_PHC);
	assert_string_equal(config->clock.sources[0].phc.device, "/dev/ptp3");
	assert_int_equal(config->clock.sources[0].phc.timescale, OWAMP_CLOCK_UTC);
	assert_int_equal(config->clock.sources[0].phc.accuracy_ns, 250);
	assert_string_equal(config->clock.sources[1].name, "grand");
	assert_string_equal(config->clock.sources[1].ptp.socket, "/run/p");
	assert_int_equal(config->clock.sources[1].ptp.domain, 24);
	assert_int_equal(config->clock.drift_max_ppb, 50000);
	assert_int_equal(config->clock.holdover_ns, 3000000);
	config_free(config);
}

static void test_bad_section(void **state)
{
	struct file file = make_file(
		"keep = 1d\n# one\n/* two\nthree */\nclock {\n\tdrift_max = fast\n\tholdover = x\n}\n");
	struct outcome outcome = run("-c", file.path, NULL);
	char wanted[160];

	(void)state;
	assert_int_equal(outcome.exit_status, 1);
	snprintf(wanted, sizeof(wanted), "%s:6: clock: drift_max: 'fast', expected ", file.path);
	assert_memory_equal(outcome.err, wanted, strlen(wanted));
	close(file.fd);
	read_bad("clock {\n\tptp \"grand\" {\n\n\t\tfree_running = perhaps\n\t}\n}\n",
		 "4: clock: ptp \"grand\": free_running: 'perhaps', expected yes or no");
	read_bad("clock {\n\tptp \"a\" { }\n}\nclock { }\n",
		 "4: clock: is given twice, expected one section");
	/* What a copy that was cut short looks like. */
	read_bad("user = x\nclock {\n\tptp \"a\" { socket = /x", "2: brace without an end, expected }");
	read_bad("listen = {\n\"[::]:861\",", "1: brace without an end, expected }");
	read_bad("clock {\n\tcaesium \"a\" { }\n}\n", "2: clock: no such option 'caesium'");
	read_bad("clock {\n\tkeep = 1d\n}\n", "2: clock: no such option 'keep'");
	read_bad("clock {\n}\nkeep = soon\n", "3: keep: 'soon', expected a time from 1.0 to 315360000 s as "
					      "NUMBER[ns|us|ms|s|min|h|d], such as "
					      "0.5, 90s or 1d");
}

/* The directory of the start does not count in the section, as its file may be others' as well. */
static void test_paths(void **state)
{
	char directory[256], wanted[300];
	struct config *config = read_good("status_socket = answers\n");

	(void)state;
	assert_non_null(getcwd(directory, sizeof(directory)));
	snprintf(wanted, sizeof(wanted), "%s/answers", directory);
	assert_string_equal(config->status_socket, wanted);
	config_free(config);
	read_bad("clock {\n\tptp \"p\" {\n\t\tsocket = answers\n\t}\n}\n",
		 "3: clock: ptp \"p\": socket: 'answers', expected an absolute path of at most 107 octets");
}

static void test_status_socket(void **state)
{
	char path[120], wanted[400];
	struct config *config = good(run("--status-socket", "/run/owampd/status", NULL));

	(void)state;
	assert_string_equal(config->status_socket, "/run/owampd/status");
	config_free(config);
	config = good(run("-f", NULL));
	assert_null(config->status_socket);
	config_free(config);
	bad(run("--status-socket", "", NULL), 2, "option --status-socket: '', expected the path of a file\n");
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	config = good(run("--status-socket", path, NULL));
	assert_int_equal(strlen(config->status_socket), 107);
	config_free(config);
	path[107] = 'p';
	path[108] = '\0';
	snprintf(wanted, sizeof(wanted),
		 "option --status-socket: '%.60s', expected at most 107 octets, with the directory of the "
		 "start\n",
		 path);
	bad(run("--status-socket", path, NULL), 2, wanted);
	read_bad("\nstatus_socket = a\nstatus_socket = b\n",
		 "3: status_socket: is given twice, expected one value");
}

static void test_clock_status(void **state)
{
	struct config *config = good(run("--clock-status", NULL));

	(void)state;
	assert_true(config->clock_status);
	assert_false(config->json);
	config_free(config);
	config = good(run("--json", "--clock-status", "--status-socket=/s", NULL));
	assert_true(config->clock_status && config->json);
	config_free(config);
	bad(run("--json", NULL), 2, "option --json: expected --clock-status with it\n");
	bad(run("--json", "--check-config", NULL), 2, "option --json: expected --clock-status with it\n");
	bad(run("--check-config", "--clock-status", NULL), 2,
	    "options --clock-status and --check-config: expected one of the two\n");
}

/* A file that is named is looked at, and sources that are not there are no mistake. */
static void test_check(void **state)
{
	static const char *const more[] = {"", "\tsmear = 24h\n"};
	struct file leap = make_file("nonsense\n"), file;
	struct outcome outcome;
	char text[400];

	(void)state;
	file = make_file("clock {\n\tptp \"p\" { socket = /nowhere/ptp4l }\n}\n");
	outcome = run("--check-config", "-c", file.path, NULL);
	assert_string_equal(outcome.err, "");
	assert_int_equal(outcome.exit_status, 0);
	close(file.fd);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		snprintf(text, sizeof(text), "clock {\n%s\tleap_file = %s\n}\n", more[i], leap.path);
		file = make_file(text);
		outcome = run("--check-config", "-c", file.path, NULL);
		assert_int_equal(outcome.exit_status, 1);
		snprintf(text, sizeof(text), "%s:%zu: clock: leap_file: %s:1: expected a time ", file.path,
			 2 + i, leap.path);
		assert_memory_equal(outcome.err, text, strlen(text));
		close(file.fd);
	}
	close(leap.fd);
}

#define DIFFERS(field, value)                                                                                \
	do {                                                                                                 \
		struct owamp_clock_config other = config;                                                    \
                                                                                                             \
		other.field = (value);                                                                       \
		assert_false(config_same_clock(&config, &other));                                            \
		assert_false(config_same_clock(&other, &config));                                            \
	} while (0)

static void test_same(void **state)
{
	struct owamp_clock_config config, same;

	(void)state;
	owamp_clock_config_default(&config);
	for (size_t i = 0; i < 6; i++)
		owamp_clock_source_default(&config.sources[i], (enum owamp_clock_kind)i);
	config.count = 6;
	same = config;
	/* What is not read does not count. */
	same.sources[6].name[0] = 'x';
	same.sources[0].name[20] = 'x';
	same.open_context = &same;
	assert_true(config_same_clock(&config, &same));
	DIFFERS(count, 5);
	DIFFERS(drift_max_ppb, 1);
	DIFFERS(holdover_ns, 1);
	DIFFERS(holdover_time_ns, 1);
	DIFFERS(smear_ns, 1);
	DIFFERS(leap_file[3], 'x');
	DIFFERS(sources[0].kind, OWAMP_CLOCK_KIND_PHC);
	DIFFERS(sources[5].name[0], 'x');
	DIFFERS(sources[0].ptp.socket[2], 'x');
	DIFFERS(sources[0].ptp.domain, 1);
	DIFFERS(sources[0].ptp.accuracy_ns, 1);
	DIFFERS(sources[0].ptp.hop_error_ns, 1);
	DIFFERS(sources[0].ptp.classes[3], 1);
	DIFFERS(sources[0].ptp.free_running, true);
	DIFFERS(sources[1].phc.device[0], 'x');
	DIFFERS(sources[1].phc.timescale, OWAMP_CLOCK_UTC);
	DIFFERS(sources[1].phc.accuracy_ns, 1);
	DIFFERS(sources[2].gps.host[0], '8');
	DIFFERS(sources[2].gps.port, 1);
	DIFFERS(sources[2].gps.device[0], 'x');
	DIFFERS(sources[2].gps.pps_error_ns, 1);
	DIFFERS(sources[2].gps.serial_error_ns, 1);
	DIFFERS(sources[2].gps.serial_offset_ns, 1);
	DIFFERS(sources[2].gps.user[0], 'x');
	DIFFERS(sources[3].shm.unit, 2);
	DIFFERS(sources[3].shm.error_ns, 1);
	DIFFERS(sources[3].shm.user[0], 'x');
	DIFFERS(sources[4].chrony.host[0], '8');
	DIFFERS(sources[4].chrony.port, 1);
	DIFFERS(sources[4].chrony.socket[0], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),          cmocka_unit_test(test_section),
		cmocka_unit_test(test_bad_section),   cmocka_unit_test(test_paths),
		cmocka_unit_test(test_status_socket), cmocka_unit_test(test_clock_status),
		cmocka_unit_test(test_check),         cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
