#include "owping_line.h"

static void test_defaults(void **state)
{
	static const uint32_t open_only[4] = {OWAMP_MODE_OPEN, 0, 0, 0};
	struct line line;
	struct owping_options *options = &line.options;

	(void)state;
	assert_accepted(&line, OWPING_PING, "host.example");
	assert_string_equal(options->target, "host.example");
	assert_string_equal(options->host, "host.example");
	assert_int_equal(options->port, 0);
	assert_int_equal(options->family, AF_UNSPEC);
	assert_int_equal(options->packets, 100);
	assert_int_equal(options->slot_count, 1);
	assert_int_equal(options->slots[0].type, OWAMP_SLOT_EXPONENTIAL);
	/* 0.1 s of 2^32: 429496729.6 */
	assert_int_equal(options->slots[0].interval, 429496730);
	assert_int_equal(options->timeout_ns, 2000000000);
	assert_int_equal(options->start_delay_ns, 1000000000);
	assert_int_equal(options->end_delay_ns, 500000000);
	assert_int_equal(options->padding, 0);
	assert_false(options->zero_padding);
	assert_int_equal(options->dscp, 0);
	assert_int_equal(options->port_low, 8760);
	assert_int_equal(options->port_high, 9960);
	assert_true(options->to_server);
	assert_true(options->from_server);
	assert_int_equal(options->modes, OWAMP_MODE_OPEN);
	assert_memory_equal(options->preference, open_only, sizeof(open_only));
	assert_int_equal(options->pbkdf2_max, 65536);
	assert_int_equal(options->step_timeout_ns, 10000000000);
	assert_int_equal(options->connect_timeout_ns, 0);
	assert_int_equal(options->format, OWPING_TEXT);
	assert_int_equal(options->unit, 'm');
	assert_int_equal(options->bucket_ns, 100000);
	assert_false(options->bucket_given);
	/* 1 s + 100 x 0.1 s + 2 s + 0.5 s */
	assert_int_equal(owping_options_duration_ns(options) / 1000, 13500000);
	owping_options_free(options);
}

static void test_every_letter(void **state)
{
	struct line line;
	struct owping_options *options = &line.options;

	(void)state;
	assert_accepted(&line, OWPING_PING,
			"-c 7 -i 1f -L 0.25 -s 1000 --zero-padding -D EF -P 9000-9001 -z 3 -E 0.125 -A AE "
			"-u lena -k keys -S 192.0.2.9 -B eth0 -6 -a 5,99.9 -b 0.001 -v3 -U -n u -p -d /tmp "
			"--pbkdf2-max 1024 --connect-timeout 4 --step-timeout 5 -T to [2001:db8::1]:8861");
	assert_int_equal(options->packets, 7);
	assert_int_equal(options->slots[0].type, OWAMP_SLOT_FIXED);
	assert_int_equal(options->slots[0].interval, OWAMP_SECOND);
	assert_int_equal(options->timeout_ns, 250000000);
	assert_int_equal(options->padding, 1000);
	assert_true(options->zero_padding);
	assert_int_equal(options->dscp, 46);
	assert_int_equal(options->port_low, 9000);
	assert_int_equal(options->port_high, 9001);
	assert_int_equal(options->start_delay_ns, 3000000000);
	assert_int_equal(options->end_delay_ns, 125000000);
	assert_int_equal(options->modes, OWAMP_MODE_AUTHENTICATED | OWAMP_MODE_ENCRYPTED);
	assert_int_equal(options->preference[0], OWAMP_MODE_AUTHENTICATED);
	assert_int_equal(options->preference[1], OWAMP_MODE_ENCRYPTED);
	assert_int_equal(options->preference[2], 0);
	assert_string_equal(options->user, "lena");
	assert_string_equal(options->key_file, "keys");
	assert_string_equal(options->source, "192.0.2.9");
	assert_string_equal(options->interface, "eth0");
	assert_int_equal(options->family, AF_INET6);
	assert_int_equal(options->percentile_count, 2);
	assert_true(options->percentiles[0] == 5);
	assert_true(options->percentiles[1] == 99.9);
	assert_int_equal(options->bucket_ns, 1000000);
	assert_true(options->bucket_given);
	assert_true(options->verbose);
	assert_int_equal(options->verbose_limit, 3);
	assert_true(options->unix_time);
	assert_int_equal(options->unit, 'u');
	assert_true(options->print_files);
	assert_string_equal(options->directory, "/tmp");
	assert_int_equal(options->pbkdf2_max, 1024);
	assert_int_equal(options->connect_timeout_ns, 4000000000);
	assert_int_equal(options->step_timeout_ns, 5000000000);
	assert_string_equal(options->save_to, "to");
	assert_true(options->to_server);
	assert_false(options->from_server);
	assert_string_equal(options->host, "2001:db8::1");
	assert_int_equal(options->port, 8861);
	owping_options_free(options);
}

static void test_long_names(void **state)
{
	struct line line;
	struct owping_options *options = &line.options;

	(void)state;
	assert_accepted(&line, OWPING_PING,
			"--count=3 --interval 2f,0f --timeout=1 --padding=9 --from --dscp=0x2e --ports=0 "
			"--source=::1 --ipv6 --percentiles=50 --bucket-width=1 --json --records --quiet h");
	assert_int_equal(options->packets, 3);
	assert_int_equal(options->slot_count, 2);
	assert_int_equal(options->slots[0].interval, 2 * OWAMP_SECOND);
	assert_int_equal(options->slots[1].interval, 0);
	assert_int_equal(options->slots[1].type, OWAMP_SLOT_FIXED);
	assert_int_equal(options->dscp, 46);
	assert_int_equal(options->port_low, 0);
	assert_int_equal(options->port_high, 0);
	assert_false(options->to_server);
	assert_true(options->from_server);
	assert_int_equal(options->format, OWPING_JSON);
	assert_true(options->records);
	assert_true(options->quiet);
	owping_options_free(options);
	assert_accepted(&line, OWPING_PING, "--verbose h");
	assert_true(options->verbose);
	assert_int_equal(options->verbose_limit, UINT32_MAX);
	owping_options_free(options);
}

static void test_directions(void **state)
{
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "-t h");
	assert_true(line.options.to_server && !line.options.from_server);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "-t -F file h");
	assert_true(line.options.to_server && line.options.from_server);
	assert_string_equal(line.options.save_from, "file");
	assert_null(line.options.save_to);
	owping_options_free(&line.options);
	assert_refused(OWPING_PING, "-T x -F x h", "-T and -F name the same file, x");
}

static void test_modes(void **state)
{
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "-u lena -k keys h");
	assert_int_equal(line.options.modes, OWAMP_MODE_ENCRYPTED | OWAMP_MODE_AUTHENTICATED);
	assert_int_equal(line.options.preference[0], OWAMP_MODE_ENCRYPTED);
	assert_int_equal(line.options.preference[1], OWAMP_MODE_AUTHENTICATED);
	assert_int_equal(line.options.preference[2], 0);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "-k keys -A EAO h");
	assert_int_equal(line.options.modes, OWAMP_MODE_MASK);
	assert_int_equal(line.options.preference[2], OWAMP_MODE_OPEN);
	assert_null(line.options.user);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "-A O h");
	assert_int_equal(line.options.modes, OWAMP_MODE_OPEN);
	owping_options_free(&line.options);
	assert_refused(OWPING_PING, "-A EAO h", "-A EAO needs a key: give -k FILE and -u IDENTITY");
	assert_refused(OWPING_PING, "-A A h", "-A A needs a key: give -k FILE and -u IDENTITY");
	assert_refused(OWPING_PING, "-u lena h", "-u needs -k FILE, where the key of lena is");
	assert_refused(OWPING_PING, "-A O -k keys h",
		       "-A O uses no key: leave -u and -k away, or allow A or E");
	assert_refused(OWPING_PING, "-A AA h",
		       "-A AA: expected letters of A, E, O, each once, the preferred one first");
	assert_refused(OWPING_PING, "-A X h",
		       "-A X: expected letters of A, E, O, each once, the preferred one first");
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused(OWPING_PING, "", "no server: expected HOST, HOST:PORT or [ADDRESS]:PORT");
	assert_refused(OWPING_PING, "a b", "b: one server is enough");
	assert_refused(OWPING_PING, "a:0", "a:0: expected HOST, HOST:PORT or [ADDRESS]:PORT");
	assert_refused(OWPING_PING, "-c 0 h", "-c 0: expected a number from 1 to 4294967295");
	assert_refused(OWPING_PING, "-c 4294967296 h",
		       "-c 4294967296: expected a number from 1 to 4294967295");
	assert_refused(OWPING_PING, "-c -1 h", "-c -1: expected a number from 1 to 4294967295");
	assert_refused(OWPING_PING, "-i 1g h",
		       "-i 1g: expected seconds up to 500000000 with e or f, comma separated and not all 0, "
		       "such as 0.1e or 1f,0f");
	assert_refused(OWPING_PING, "-i 0f,0e h",
		       "-i 0f,0e: expected seconds up to 500000000 with e or f, comma separated and not all "
		       "0, such as 0.1e or 1f,0f");
	assert_refused(OWPING_PING, "-L 0 h",
		       "-L 0: expected seconds above 0 and up to 500000000, with at most nine decimals, such "
		       "as 0.5");
	assert_refused(OWPING_PING, "-E x h",
		       "-E x: expected seconds from 0 to 500000000, with at most nine decimals, such as 0.5");
	assert_refused(OWPING_PING, "-s 65494 h", "-s 65494: expected a number of octets from 0 to 65493");
	assert_refused(OWPING_PING, "-n k h", "-n k: expected one of n, u, m, s");
	assert_refused(OWPING_PING, "--pbkdf2-max 65535 h",
		       "--pbkdf2-max 65535: expected a power of two from 1024 to 2147483648");
	assert_refused(OWPING_PING, "-4 -6 h", "-4 and -6 exclude each other");
	assert_refused(OWPING_PING, "-M -R h", "-M, -R and --json exclude each other");
	assert_refused(OWPING_PING, "--records h", "--records needs --json");
	assert_refused(OWPING_PING, "-v -R h", "-v cannot be used with -M, -R, -Q or --json");
	assert_refused(OWPING_PING, "-v -Q h", "-v cannot be used with -M, -R, -Q or --json");
	assert_refused(OWPING_PING, "-Q -M h", "-Q leaves nothing for -M to print");
	assert_refused(OWPING_PING, "-p -R h", "-p saves summaries: it cannot be used with -R, -Q or --json");
	assert_refused(OWPING_PING, "-d x h", "-d needs -p");
	assert_refused(OWPING_PING, "-y h", "-y: no such option");
	assert_refused(OWPING_PING, "h -c", "-c: the option needs an argument");
	assert_refused(OWPING_PING, "h --count", "--count: the option needs an argument");
	assert_refused(OWPING_PING, "--begin 1 h", "--begin: no such option, or not so");
	assert_refused(OWPING_UP, "-c 3 h", "-c: no such option");
}

/* Above what the library, the mode or the clock allow. */
static void test_limits(void **state)
{
	struct line line;

	(void)state;
	assert_refused(OWPING_PING, "-L 500000001 h",
		       "-L 500000001: expected seconds above 0 and up to 500000000, with at most nine "
		       "decimals, such as 0.5");
	/* 1 s + 10 x 50000000 s + 2 s + 0.5 s */
	assert_refused(OWPING_PING, "-c 10 -i 50000000f h",
		       "-c 10: the session would last 500000003 s (-c times -i, -z, -L, -E): expected less "
		       "than 500000000 s");
	assert_refused(OWPING_PING, "-c 4294967295 -i 500000000f h",
		       "-c 4294967295: the session would last more than 9223372036 s (-c times -i, -z, -L, "
		       "-E): expected less than 500000000 s");
	assert_accepted(&line, OWPING_PING, "-c 10 -i 49999999f h");
	owping_options_free(&line.options);
	/* UDP over IPv4 takes 65507 octets, of which 14 or 48 are the packet's own. */
	assert_accepted(&line, OWPING_PING, "-s 65493 h");
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "-s 65459 -k keys h");
	owping_options_free(&line.options);
	assert_refused(OWPING_PING, "-s 65460 -k keys h",
		       "-s 65460: expected at most 65459 octets, as packets of the authenticated and "
		       "encrypted modes have 48 without padding");
	assert_refused(OWPING_PING, "-s 65460 -k keys -A OE h",
		       "-s 65460: expected at most 65459 octets, as packets of the authenticated and "
		       "encrypted modes have 48 without padding");
}

static void test_archive(void **state)
{
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "h");
	assert_null(line.options.archive);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "--archive results.db -T to h");
	assert_string_equal(line.options.archive, "results.db");
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_FETCH, "--archive results.db h 7f000001eeab696ece8dda48b9ec3619");
	assert_string_equal(line.options.archive, "results.db");
	owping_options_free(&line.options);
	assert_refused(OWPING_UP, "--archive results.db h", "--archive: no such option, or not so");
	assert_refused(OWPING_PING, "-T x --archive x h", "-T and --archive name the same file, x");
	assert_refused(OWPING_PING, "-F x --archive x h", "-F and --archive name the same file, x");
	assert_refused(OWPING_FETCH, "--archive x --begin 0 h 7f000001eeab696ece8dda48b9ec3619",
		       "--archive stores whole sessions: leave --begin and --end away");
	assert_refused(OWPING_FETCH, "--archive x --end 5 h 7f000001eeab696ece8dda48b9ec3619",
		       "--archive stores whole sessions: leave --begin and --end away");
}

static void test_fetch(void **state)
{
	struct line line;
	struct owping_options *options = &line.options;
	static const uint8_t sid[16] = {0x7f, 0,    0,    1,    0xee, 0xab, 0x69, 0x6e,
					0xce, 0x8d, 0xda, 0x48, 0xb9, 0xec, 0x36, 0x19};

	(void)state;
	assert_accepted(&line, OWPING_FETCH,
			"--begin 2 --end 0x10 h:862 7f000001eeab696ece8dda48b9ec3619 one.txt "
			"7F000001EEAB696ECE8DDA48B9EC3619 00000000000000000000000000000001 two.txt");
	assert_string_equal(options->host, "h");
	assert_int_equal(options->port, 862);
	assert_int_equal(options->begin_seq, 2);
	assert_int_equal(options->end_seq, 16);
	assert_int_equal(options->fetch_count, 3);
	assert_memory_equal(options->fetches[0].sid, sid, 16);
	assert_string_equal(options->fetches[0].save_file, "one.txt");
	assert_memory_equal(options->fetches[1].sid, sid, 16);
	assert_null(options->fetches[1].save_file);
	assert_int_equal(options->fetches[2].sid[15], 1);
	assert_string_equal(options->fetches[2].save_file, "two.txt");
	owping_options_free(options);
	assert_refused(OWPING_FETCH, "h", "no SID: expected SERVER SID [FILE] ...");
	assert_refused(OWPING_FETCH, "h 7f", "7f: expected a SID, 32 hexadecimal digits");
	assert_refused(OWPING_FETCH, "h 7f000001eeab696ece8dda48b9ec3619 a b",
		       "b: expected a SID, 32 hexadecimal digits");
	assert_refused(OWPING_FETCH, "--begin 3 --end 2 h 7f000001eeab696ece8dda48b9ec3619",
		       "--begin is beyond --end");
}

static void test_help(void **state)
{
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "-h");
	assert_true(line.options.help);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_UP, "--version --nonsense");
	assert_true(line.options.version);
	owping_options_free(&line.options);
}

static void test_configs(void **state)
{
	struct owping_credentials credentials = {
		.key_id = "lena", .secret = (const uint8_t *)"s", .secret_size = 1};
	struct owamp_client_config config;
	struct owamp_test_config test;
	struct line line;

	(void)state;
	assert_accepted(
		&line, OWPING_PING,
		"-4 -S 192.0.2.9 -B eth1 -k keys --pbkdf2-max 2048 --step-timeout 3 -c 5 -i 1f -L 4 -s 6 "
		"--zero-padding -D 7 -P 10-20 -z 8 -E 0 host:99");
	owping_client_config(&config, &line.options, &credentials);
	assert_string_equal(config.host, "host");
	assert_int_equal(config.port, 99);
	assert_int_equal(config.family, AF_INET);
	assert_string_equal(config.source, "192.0.2.9");
	assert_string_equal(config.interface, "eth1");
	assert_int_equal(config.modes, OWAMP_MODE_ENCRYPTED | OWAMP_MODE_AUTHENTICATED);
	assert_int_equal(config.preference[0], OWAMP_MODE_ENCRYPTED);
	assert_string_equal(config.key_id, "lena");
	assert_int_equal(config.secret_size, 1);
	assert_int_equal(config.pbkdf2_count_max, 2048);
	assert_int_equal(config.step_timeout_ns, 3000000000);
	owping_test_config(&test, &line.options, OWAMP_FROM_SERVER);
	assert_int_equal(test.direction, OWAMP_FROM_SERVER);
	assert_int_equal(test.packets, 5);
	assert_int_equal(test.slot_count, 1);
	assert_int_equal(test.slots[0].interval, OWAMP_SECOND);
	assert_int_equal(test.timeout_ns, 4000000000);
	assert_int_equal(test.padding, 6);
	assert_true(test.zero_padding);
	assert_int_equal(test.dscp, 7);
	assert_int_equal(test.port_low, 10);
	assert_int_equal(test.port_high, 20);
	assert_int_equal(test.start_delay_ns, 8000000000);
	/* 0 would be the library's default. */
	assert_int_equal(test.end_delay_ns, 1);
	owping_options_free(&line.options);
}

static void test_clock(void **state)
{
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "h");
	assert_false(line.options.clock);
	assert_null(line.options.clock_config);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "--clock");
	assert_true(line.options.clock);
	assert_int_equal(line.options.clock_seconds, 0);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "--json --clock=7 --clock-config /etc/x");
	assert_true(line.options.clock);
	assert_int_equal(line.options.clock_seconds, 7);
	assert_int_equal(line.options.format, OWPING_JSON);
	assert_string_equal(line.options.clock_config, "/etc/x");
	owping_options_free(&line.options);
	/* With a measurement it says what the error bounds come from. */
	assert_accepted(&line, OWPING_PING, "--clock-config file h");
	assert_false(line.options.clock);
	assert_string_equal(line.options.clock_config, "file");
	owping_options_free(&line.options);
	assert_refused(OWPING_PING, "--clock h", "h: --clock looks at this host only, expected no server");
	/* An optional argument must not stand apart. */
	assert_refused(OWPING_PING, "--clock 5", "5: --clock looks at this host only, expected no server");
	assert_refused(OWPING_PING, "--clock=0",
		       "--clock 0: expected a number of seconds, from 1 to 4294967295");
	assert_refused(OWPING_PING, "--clock=1s",
		       "--clock 1s: expected a number of seconds, from 1 to 4294967295");
	assert_refused(OWPING_PING, "--clock -c 3",
		       "--clock cannot be used with -c: expected --clock-config and --json at most");
	assert_refused(OWPING_PING, "--archive x --clock",
		       "--clock cannot be used with --archive: expected --clock-config and --json at most");
	assert_refused(OWPING_PING, "-v --clock",
		       "--clock cannot be used with -v: expected --clock-config and --json at most");
	assert_refused(OWPING_PING, "--clock-config", "--clock-config: the option needs an argument");
	assert_refused(OWPING_UP, "--clock", "--clock: no such option, or not so");
	assert_refused(OWPING_FETCH, "--clock-config x h 7f000001eeab696ece8dda48b9ec3619",
		       "--clock-config: no such option, or not so");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_every_letter),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_directions),
		cmocka_unit_test(test_modes),      cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_limits),     cmocka_unit_test(test_archive),
		cmocka_unit_test(test_fetch),      cmocka_unit_test(test_help),
		cmocka_unit_test(test_configs),    cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
