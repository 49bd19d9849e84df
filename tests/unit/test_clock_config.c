/* The section clock { ... }: what it may say, what it comes to, and what is said about errors in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include <owamp/error.h>

#include "clock/conffile.h"
#include "clock/config.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

static int make_file(const char *text, char path[64])
{
	int fd = memfd_create("clock.conf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static struct owamp_clock_config read_good(const char *text)
{
	struct owamp_clock_config config;
	char path[64], error[512] = "";
	int fd = make_file(text, path);
	int result = clock_config_load(&config, path, error, sizeof(error));

	assert_string_equal(error, "");
	assert_int_equal(result, 0);
	close(fd);
	return config;
}

/* message: what follows the path of the file. */
static void read_bad(const char *text, const char *message)
{
	struct owamp_clock_config config;
	char path[64], error[512] = "", wanted[512];
	int fd = make_file(text, path);

	assert_int_equal(clock_config_load(&config, path, error, sizeof(error)), OWAMP_EINVAL);
	snprintf(wanted, sizeof(wanted), "%s%s", path, message);
	assert_string_equal(error, wanted);
	close(fd);
}

static void assert_names(const struct owamp_clock_config *config, const char *names)
{
	char text[OWAMP_CLOCK_SOURCES_MAX * (OWAMP_CLOCK_NAME_SIZE + 1)] = "";

	for (size_t i = 0; i < config->count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, config->sources[i].name);
	}
	assert_string_equal(text, names);
}

/* clock.h's constants, spelled out. */
static void assert_defaults(const struct owamp_clock_config *config)
{
	const struct owamp_clock_source_config *sources = config->sources;

	assert_names(config, "ptp gps chrony kernel");
	assert_int_equal(config->drift_max_ppb, 100000);
	assert_int_equal(config->holdover_ns, MS);
	assert_int_equal(config->holdover_time_ns, 600 * S);
	assert_int_equal(config->smear_ns, 0);
	assert_string_equal(config->leap_file, "/usr/share/zoneinfo/leap-seconds.list");
	assert_null(config->open);
	assert_int_equal(sources[0].kind, OWAMP_CLOCK_KIND_PTP);
	assert_string_equal(sources[0].ptp.socket, "/var/run/ptp4l");
	assert_int_equal(sources[0].ptp.domain, 0);
	assert_int_equal(sources[0].ptp.accuracy_ns, 0);
	assert_int_equal(sources[0].ptp.hop_error_ns, 0);
	assert_int_equal(sources[0].ptp.classes[0], 0xc0);
	assert_int_equal(sources[0].ptp.classes[1] | sources[0].ptp.classes[2] | sources[0].ptp.classes[3],
			 0);
	assert_false(sources[0].ptp.free_running);
	assert_int_equal(sources[1].kind, OWAMP_CLOCK_KIND_GPS);
	assert_string_equal(sources[1].gps.host, "127.0.0.1");
	assert_int_equal(sources[1].gps.port, 2947);
	assert_string_equal(sources[1].gps.device, "");
	assert_int_equal(sources[1].gps.pps_error_ns, 20000);
	assert_int_equal(sources[1].gps.serial_error_ns, 500 * MS);
	assert_int_equal(sources[1].gps.serial_offset_ns, 0);
	assert_string_equal(sources[1].gps.user, "");
	assert_int_equal(sources[2].kind, OWAMP_CLOCK_KIND_CHRONY);
	assert_string_equal(sources[2].chrony.host, "127.0.0.1");
	assert_int_equal(sources[2].chrony.port, 323);
	assert_string_equal(sources[2].chrony.socket, "");
	assert_int_equal(sources[3].kind, OWAMP_CLOCK_KIND_KERNEL);
}

static void test_nothing(void **state)
{
	static const char *const texts[] = {
		"clock {}",
		"clock {\n}\n",
		"a = clock\nb = clock\nclock { }",
		"other { clock { drift_max = 7 } }\n'clock' {}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct owamp_clock_config config = read_good(texts[i]);

		assert_defaults(&config);
	}
}

/* Who names a file wants what is in it, not the defaults for a word that was misspelt. */
static void test_no_clock(void **state)
{
	static const char *const texts[] = {
		"",
		"\n# only this\n",
		"clokc {\n\tkernel k { }\n}\n",
		"kernel k { }\n",
		"root:*:19000:0:99999:7:::\n",
		"user = nobody\n",
		"listen = {\"clock\"}\n",
		"a = clock\nb = clock\n",
		"other { clock { drift_max = 7 } }\n",
		"pid_file = /run/clock\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		read_bad(texts[i], ": no section clock, expected clock { ... }");
}

/* The example says what holds without it. */
static void test_example(void **state)
{
	struct owamp_clock_config config;
	char error[512] = "";

	(void)state;
	assert_int_equal(clock_config_load(&config, EXAMPLES "/clock.conf", error, sizeof(error)), 0);
	assert_string_equal(error, "");
	assert_defaults(&config);
}

/* All sections and keys that clock_config_options() has, so that the example cannot leave one out. */
static void test_example_complete(void **state)
{
	static const char *const wanted[] = {
		"socket",    "domain",    "accuracy", "hop_error", "classes",      "free_running",  "device",
		"timescale", "host",      "port",     "pps_error", "serial_error", "serial_offset", "unit",
		"error",     "drift_max", "holdover", "smear",     "leap_file",    "holdover_time",
	};
	char text[8192], error[512], *octets;
	size_t size;

	(void)state;
	assert_int_equal(conffile_read(EXAMPLES "/clock.conf", &octets, &size, error, sizeof(error)), 0);
	assert_true(size < sizeof(text));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		snprintf(text, sizeof(text), "%s = ", wanted[i]);
		if (!strstr(octets, text))
			fail_msg("%s is not in the example", wanted[i]);
	}
	free(octets);
}

static void test_values(void **state)
{
	struct owamp_clock_config config =
		read_good("clock {\n"
			  "	shm pps { unit = 2 error = 1.5us user = nobody }\n"
			  "	chrony \"ntp 1\" { socket = /run/chrony/chronyd.sock }\n"
			  "	ptp eth0 {\n"
			  "		socket = \"/run/a b\"\n"
			  "		domain = 255\n"
			  "		accuracy = 25ns\n"
			  "		hop_error = 70ns\n"
			  "		classes = {0, 63, 64, /* one more */ 255}\n"
			  "		free_running = yes\n"
			  "	}\n"
			  "	phc card { device = /dev/ptp3 timescale = utc accuracy = 0.5ms }\n"
			  "	ptp eth1 { classes = {} } gps roof {\n"
			  "		host = ::1\n"
			  "		port = 2948\n"
			  "		device = /dev/ttyS1\n"
			  "		pps_error = 5us\n"
			  "		serial_error = 0.1s\n"
			  "		serial_offset = 140ms\n"
			  "		user = root\n"
			  "	}\n"
			  "	chrony far { host = 192.0.2.7 port = 1323 }\n"
			  "	drift_max = 0.25\n"
			  "	holdover = 2s\n"
			  "	holdover_time = 1.5h\n"
			  "	smear = 24h\n"
			  "}\n");
	const struct owamp_clock_source_config *sources = config.sources;

	(void)state;
	assert_names(&config, "pps ntp 1 eth0 card eth1 roof far");
	assert_int_equal(sources[0].kind, OWAMP_CLOCK_KIND_SHM);
	assert_int_equal(sources[0].shm.unit, 2);
	assert_int_equal(sources[0].shm.error_ns, 1500);
	assert_string_equal(sources[0].shm.user, "nobody");
	assert_int_equal(sources[1].kind, OWAMP_CLOCK_KIND_CHRONY);
	assert_string_equal(sources[1].chrony.host, "");
	assert_string_equal(sources[1].chrony.socket, "/run/chrony/chronyd.sock");
	assert_string_equal(sources[2].ptp.socket, "/run/a b");
	assert_int_equal(sources[2].ptp.domain, 255);
	assert_int_equal(sources[2].ptp.accuracy_ns, 25);
	assert_int_equal(sources[2].ptp.hop_error_ns, 70);
	assert_true(sources[2].ptp.classes[0] == (UINT64_C(1) | UINT64_C(1) << 63));
	assert_true(sources[2].ptp.classes[1] == 1);
	assert_true(sources[2].ptp.classes[2] == 0);
	assert_true(sources[2].ptp.classes[3] == UINT64_C(1) << 63);
	assert_true(sources[2].ptp.free_running);
	assert_string_equal(sources[3].phc.device, "/dev/ptp3");
	assert_int_equal(sources[3].phc.timescale, OWAMP_CLOCK_UTC);
	assert_int_equal(sources[3].phc.accuracy_ns, MS / 2);
	assert_true(sources[4].ptp.classes[0] == 0);
	assert_string_equal(sources[5].gps.host, "::1");
	assert_int_equal(sources[5].gps.port, 2948);
	assert_string_equal(sources[5].gps.device, "/dev/ttyS1");
	assert_int_equal(sources[5].gps.pps_error_ns, 5000);
	assert_int_equal(sources[5].gps.serial_error_ns, 100 * MS);
	assert_int_equal(sources[5].gps.serial_offset_ns, 140 * MS);
	assert_string_equal(sources[5].gps.user, "root");
	assert_string_equal(sources[6].chrony.host, "192.0.2.7");
	assert_int_equal(sources[6].chrony.port, 1323);
	assert_string_equal(sources[6].chrony.socket, "");
	assert_int_equal(config.drift_max_ppb, 250);
	assert_int_equal(config.holdover_ns, 2 * S);
	assert_int_equal(config.holdover_time_ns, 5400 * S);
	assert_int_equal(config.smear_ns, 86400 * S);
}

/* Limits alone leave the sources alone, and an appended class the usual ones. */
static void test_partly(void **state)
{
	struct owamp_clock_config config = read_good("clock { holdover = 20us smear = no }");

	(void)state;
	assert_names(&config, "ptp gps chrony kernel");
	assert_int_equal(config.holdover_ns, 20000);
	assert_int_equal(config.holdover_time_ns, 600 * S);
	config = read_good("clock { holdover_time = 0s }");
	assert_int_equal(config.holdover_ns, MS);
	assert_int_equal(config.holdover_time_ns, 0);
	config = read_good("clock { ptp a { classes += {13} } phc b { timescale = tai } }");
	assert_names(&config, "a b");
	assert_int_equal(config.sources[0].ptp.classes[0], 0x20c0);
	assert_string_equal(config.sources[1].phc.device, "/dev/ptp0");
	assert_int_equal(config.sources[1].phc.timescale, OWAMP_CLOCK_TAI);
}

/* owampd's file will do. */
static void test_others(void **state)
{
	struct owamp_clock_config config = read_good("listen = { \"[::1]:861\", /* } */ \"}\" }\n"
						     "keys = /etc/owamp/keys # {\n"
						     "what { is = this { clock { drift_max = 6 } } }\n"
						     "function(1, 2)\n"
						     "'clock' { # in quotes as well\n"
						     "	drift_max = 5\n"
						     "}\n"
						     "user = clock group = x\n");

	(void)state;
	assert_int_equal(config.drift_max_ppb, 5000);
}

/* As tzdata has it, from elsewhere, and damaged. */
static void test_leap_file(void **state)
{
	static const char list[] = "#@\t7889270400\n2272060800\t10\n";
	char path[] = "/tmp/owamp-leap-XXXXXX", text[128], message[128];
	struct owamp_clock_config config;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, list, sizeof(list) - 1), sizeof(list) - 1);
	snprintf(text, sizeof(text), "clock {\n\tleap_file = %s\n}\n", path);
	config = read_good(text);
	assert_string_equal(config.leap_file, path);
	assert_int_equal(write(fd, "soon\n", 5), 5);
	close(fd);
	snprintf(message, sizeof(message),
		 ":2: clock: leap_file: %s:3: expected a time in seconds since 1900, in digits", path);
	read_bad(text, message);
	assert_int_equal(unlink(path), 0);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"clock {\n ptp \"eth0\" {\n  domain = 300\n }\n}\n",
		 ":3: clock: ptp \"eth0\": domain: '300', expected a number from 0 to 255"},
		{"clock { ptp a { domain = -1 } }",
		 ":1: clock: ptp \"a\": domain: '-1', expected a number from 0 to 255"},
		{"clock { ptp a { domain = 1x } }",
		 ":1: clock: ptp \"a\": domain: '1x', expected a number from 0 to 255"},
		{"clock { ptp a { classes = {6, 256} } }",
		 ":1: clock: ptp \"a\": classes: '256', expected a number from 0 to 255"},
		{"clock { ptp a { socket = ptp4l } }",
		 ":1: clock: ptp \"a\": socket: 'ptp4l', expected an absolute path of at most 107 octets"},
		{"clock { ptp a { accuracy = 25 ns } }",
		 ":1: clock: ptp \"a\": accuracy: '25', expected a time from 0s to 10s with unit ns, us, "
		 "ms, s, min or h"},
		{"clock { ptp a { accuracy = 25xs } }",
		 ":1: clock: ptp \"a\": accuracy: '25xs', expected a time from 0s to 10s with unit ns, us, "
		 "ms, s, min or h"},
		{"clock { ptp a { accuracy = 10.1s } }",
		 ":1: clock: ptp \"a\": accuracy: '10.1s', expected a time from 0s to 10s with unit ns, us, "
		 "ms, s, min or h"},
		{"clock { ptp a { free_running = maybe } }",
		 ":1: clock: ptp \"a\": free_running: 'maybe', expected yes or no"},
		{"clock { ptp a { domain = 1\ndomain = 1 } }",
		 ":2: clock: ptp \"a\": domain: is given twice, expected one value"},
		{"clock { phc a { timescale = gps } }",
		 ":1: clock: phc \"a\": timescale: 'gps', expected tai or utc"},
		{"clock { gps a { host = gps.example } }",
		 ":1: clock: gps \"a\": host: 'gps.example', expected a numeric address, or localhost"},
		{"clock { gps a { port = 0 } }",
		 ":1: clock: gps \"a\": port: '0', expected a number from 1 to 65535"},
		{"clock { gps a { port = 65536 } }",
		 ":1: clock: gps \"a\": port: '65536', expected a number from 1 to 65535"},
		{"clock {\n gps a {\n user = nobody.else } }",
		 ":3: clock: gps \"a\": user: 'nobody.else', expected the name of a user of this host"},
		{"clock { gps a { user = \"\" } }",
		 ":1: clock: gps \"a\": user: '', expected the name of a user of this host"},
		{"clock {\n shm a { user = a234567890123456789012345678901 } }",
		 ":2: clock: shm \"a\": user: 'a234567890123456789012345678901', expected the name of a user "
		 "of "
		 "this host"},
		{"clock { shm a { unit = 256 } }",
		 ":1: clock: shm \"a\": unit: '256', expected a number from 0 to 255"},
		{"clock { chrony a {\n host = ::1\n socket = /run/x\n } }",
		 ":4: clock: chrony \"a\": socket excludes host and port, expected one way"},
		{"clock { chrony a { port = 1 socket = /run/x } }",
		 ":1: clock: chrony \"a\": socket excludes host and port, expected one way"},
		{"clock { kernel a { error = 1us } }", ":1: clock: kernel \"a\": no such option 'error'"},
		{"\n\nclock { ntp a { } }", ":3: clock: no such option 'ntp'"},
		{"clock { listen = 861 }", ":1: clock: no such option 'listen'"},
		{"clock { drift_max = 0 }",
		 ":1: clock: drift_max: '0', expected parts per million from 0.001 to 500, without a unit"},
		{"clock { drift_max = 0.0009 }", ":1: clock: drift_max: '0.0009', expected parts per million "
						 "from 0.001 to 500, without a unit"},
		{"clock { drift_max = 500.001 }",
		 ":1: clock: drift_max: '500.001', expected parts per million from 0.001 to 500, without a "
		 "unit"},
		{"clock { drift_max = 5ppm }", ":1: clock: drift_max: '5ppm', expected parts per million "
					       "from 0.001 to 500, without a unit"},
		{"clock { drift_max = 5. }",
		 ":1: clock: drift_max: '5.', expected parts per million from 0.001 to 500, without a unit"},
		{"clock { holdover = 17s }", ":1: clock: holdover: '17s', expected a time from 0s to 16s "
					     "with unit ns, us, ms, s, min or h"},
		{"clock { holdover_time = 25h }", ":1: clock: holdover_time: '25h', expected a time from 0s "
						  "to 24h with unit ns, us, ms, s, min or h"},
		{"clock { smear = yes }",
		 ":1: clock: smear: 'yes', expected a time from 1s to 48h with unit ns, "
		 "us, ms, s, min or h, or no"},
		{"clock { smear = 0s }",
		 ":1: clock: smear: '0s', expected a time from 1s to 48h with unit ns, "
		 "us, ms, s, min or h, or no"},
		{"clock {\n leap_file = /nowhere/leap\n}",
		 ":2: clock: leap_file: /nowhere/leap: No such file or directory"},
		{"clock { smear = 1s\nleap_file = /nowhere/leap }",
		 ":2: clock: leap_file: /nowhere/leap: No such file or directory"},
		{"clock { leap_file = /dev/null }",
		 ":1: clock: leap_file: '/dev/null', expected a leap-seconds.list"},
		{"clock { leap_file = /etc }", ":1: clock: leap_file: '/etc', expected a leap-seconds.list"},
		{"clock { leap_file = \"\" }",
		 ":1: clock: leap_file: '', expected an absolute path of at most 107 octets"},
		{"clock {\n ptp a { }\n ptp a { }\n}", ":3: clock: found duplicate title 'a'"},
		{"clock {\n ptp a { }\n gps a { }\n}",
		 ":3: clock: gps \"a\": ptp \"a\" has that name, expected another"},
		{"clock {\n gps a { }\n ptp a { }\n}",
		 ":3: clock: ptp \"a\": gps \"a\" has that name, expected another"},
		{"clock { ptp \"\" { } }",
		 ":1: clock: ptp \"\": the name, expected 1 to 31 printable ASCII characters"},
		{"clock { ptp aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { } }",
		 ":1: clock: ptp \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": the name, expected 1 to 31 printable "
		 "ASCII characters"},
		{"clock { ptp \"a\tb\" { } }",
		 ":1: clock: ptp \"a?b\": the name, expected 1 to 31 printable ASCII characters"},
		{"clock { ptp { } }", ":1: clock: missing title for section 'ptp'"},
		{"clock\n{\n}\nclock {\n}\n", ":5: clock: is given twice, expected one section"},
		{"clock = 5\n", ":1: missing opening brace for section 'clock'"},
		{"user = x\nclock {\n ptp a {\n", ":2: brace without an end, expected }"},
		{"listen = {\nclock { }\n", ":1: brace without an end, expected }"},
		{"clock {\n}\n}\n", ":3: unexpected closing brace"},
		{"other { }\n}\nclock { }\n", ":2: unexpected closing brace"},
		{"clock { /* ptp a { } }\n", ":1: comment without an end, expected */"},
		{"clock { # what\n /* is\n\n this */ ptp a { // it\n domain\n= 999 } }",
		 ":6: clock: ptp \"a\": domain: '999', expected a number from 0 to 255"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		read_bad(cases[i].text, cases[i].message);
}

static void test_count(void **state)
{
	struct owamp_clock_config config;
	char text[1024] = "clock {\n";

	(void)state;
	for (int i = 0; i < 16; i++)
		sprintf(text + strlen(text), "%s s%d { }\n", i % 2 ? "shm" : "kernel", i);
	strcat(text, "}");
	config = read_good(text);
	assert_names(&config, "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 s12 s13 s14 s15");
	strcpy(text + strlen(text) - 1, "phc s16 { }\n}");
	read_bad(text, ":18: clock: phc \"s16\": is one too many, expected at most 16 sources");
}

static void test_no_file(void **state)
{
	struct owamp_clock_config config;
	char error[512] = "";

	(void)state;
	assert_int_equal(clock_config_load(&config, "/nowhere/clock.conf", error, sizeof(error)),
			 OWAMP_ESYSTEM);
	assert_string_equal(error, "/nowhere/clock.conf: cannot read: No such file or directory");
}

static void test_no_section(void **state)
{
	struct owamp_clock_config config;
	char why[64] = "";

	(void)state;
	assert_int_equal(clock_config_take(NULL, &config, why, sizeof(why)), 0);
	assert_defaults(&config);
}

/* What is read must be what the library takes. */
static void test_starts(void **state)
{
	struct owamp_clock_config config =
		read_good("clock { kernel \"a kernel\" { } leap_file = " OWAMP_CLOCK_LEAP_FILE " }");
	struct owamp_clock *clock;
	char error[256] = "";

	(void)state;
	assert_int_equal(owamp_clock_new(&clock, &config, error, sizeof(error)), 0);
	owamp_clock_free(clock);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),    cmocka_unit_test(test_no_clock),
		cmocka_unit_test(test_example),    cmocka_unit_test(test_example_complete),
		cmocka_unit_test(test_values),     cmocka_unit_test(test_partly),
		cmocka_unit_test(test_others),     cmocka_unit_test(test_bad),
		cmocka_unit_test(test_count),      cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_no_section), cmocka_unit_test(test_starts),
		cmocka_unit_test(test_leap_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
