/* What owping asks of this machine. */
#include "owping_line.h"

/* What the engine is asked for: the values are those of engine.h. */
static void test_meter_defaults(void **state)
{
	struct owamp_engine_config config;
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "h");
	assert_false(line.options.realtime_given);
	owping_engine_config(&config, &line.options, NULL);
	assert_int_equal(config.realtime_priority, 10);
	assert_null(config.clock);
	assert_true(config.lock_memory);
	assert_true(config.keeps_privileges);
	assert_int_equal(config.spin_ns, OWAMP_SPIN_AUTO);
	assert_int_equal(config.pacer_cpu, -1);
	assert_int_equal(config.collector_cpu, -1);
	assert_null(config.hardware_interfaces);
	owping_options_free(&line.options);
	/* What only fetches or connects asks for nothing out of the ordinary. */
	assert_accepted(&line, OWPING_UP, "h");
	owping_engine_config(&config, &line.options, NULL);
	assert_int_equal(config.realtime_priority, 0);
	assert_false(config.lock_memory);
	assert_int_equal(config.pacer_cpu, -1);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_FETCH, "h 7f000001eeab696ece8dda48b9ec3619");
	owping_engine_config(&config, &line.options, NULL);
	assert_int_equal(config.realtime_priority, 0);
	assert_false(config.lock_memory);
	owping_options_free(&line.options);
}

static void test_meter(void **state)
{
	struct owamp_engine_config config;
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING,
			"--realtime-priority 99 --spin 0.00002 --pacer-cpu 1 --collector-cpu 0 "
			"--hardware-timestamps eth0,enp1s0.100 h");
	assert_true(line.options.realtime_given);
	owping_engine_config(&config, &line.options, NULL);
	assert_int_equal(config.realtime_priority, 99);
	assert_true(config.lock_memory);
	assert_int_equal(config.spin_ns, 20000);
	assert_int_equal(config.pacer_cpu, 1);
	assert_int_equal(config.collector_cpu, 0);
	assert_string_equal(config.hardware_interfaces[0], "eth0");
	assert_string_equal(config.hardware_interfaces[1], "enp1s0.100");
	assert_null(config.hardware_interfaces[2]);
	owping_options_free(&line.options);
	/* An ordinary program, on request. */
	assert_accepted(&line, OWPING_PING,
			"--realtime-priority=0 --spin 0 --pacer-cpu any --hardware-timestamps c h");
	owping_engine_config(&config, &line.options, NULL);
	assert_int_equal(config.realtime_priority, 0);
	assert_false(config.lock_memory);
	assert_int_equal(config.spin_ns, 0);
	assert_int_equal(config.pacer_cpu, -1);
	assert_string_equal(config.hardware_interfaces[0], "c");
	assert_null(config.hardware_interfaces[1]);
	owping_options_free(&line.options);
	/* The last one counts; names may be cut short. */
	assert_accepted(&line, OWPING_PING, "--spin 0 --realtime 3 --spin auto --pacer 4 --pacer any h");
	assert_int_equal(line.options.spin_ns, OWAMP_SPIN_AUTO);
	assert_int_equal(line.options.realtime_priority, 3);
	assert_int_equal(line.options.pacer_cpu, -1);
	owping_options_free(&line.options);
	assert_accepted(&line, OWPING_PING, "--spin .001 h");
	assert_int_equal(line.options.spin_ns, OWAMP_SPIN_MAX);
	owping_options_free(&line.options);
}

static void test_meter_refusals(void **state)
{
	static const char *const lists[] = {",",      "eth0,", ",eth0",           "a,,b",
					    "eth0/1", "a,b,a", "sixteen-letters-"};

	(void)state;
	assert_refused(
		OWPING_PING, "--realtime-priority 100 h",
		"--realtime-priority 100: expected a priority from 1 to 99, or 0 for ordinary scheduling");
	assert_refused(
		OWPING_PING, "--realtime-priority -1 h",
		"--realtime-priority -1: expected a priority from 1 to 99, or 0 for ordinary scheduling");
	assert_refused(
		OWPING_PING, "--realtime-priority fifo h",
		"--realtime-priority fifo: expected a priority from 1 to 99, or 0 for ordinary scheduling");
	assert_refused(
		OWPING_PING, "--spin 0.001000001 h",
		"--spin 0.001000001: expected seconds from 0 to 0.001, with at most nine decimals, or auto");
	assert_refused(OWPING_PING, "--spin 50us h",
		       "--spin 50us: expected seconds from 0 to 0.001, with at most nine decimals, or auto");
	assert_refused(OWPING_PING, "--pacer-cpu 1024 h",
		       "--pacer-cpu 1024: expected the number of a CPU, from 0 to 1023, or any");
	assert_refused(OWPING_PING, "--collector-cpu 0-1 h",
		       "--collector-cpu 0-1: expected the number of a CPU, from 0 to 1023, or any");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char text[80], error[160];

		snprintf(text, sizeof(text), "--hardware-timestamps %s h", lists[i]);
		snprintf(
			error, sizeof(error),
			"--hardware-timestamps %s: expected names of interfaces, each once, comma separated, "
			"such as eth0,eth1",
			lists[i]);
		assert_refused(OWPING_PING, text, error);
	}
	assert_refused(OWPING_PING, "--hardware-timestamps a --hardware-timestamps b h",
		       "--hardware-timestamps b: given twice: expected one list, such as eth0,eth1");
	assert_refused(OWPING_PING, "h --hardware-timestamps",
		       "--hardware-timestamps: the option needs an argument");
	assert_refused(OWPING_UP, "--realtime-priority 5 h",
		       "--realtime-priority: no such option, or not so");
	assert_refused(OWPING_FETCH, "--spin 0 h 7f000001eeab696ece8dda48b9ec3619",
		       "--spin: no such option, or not so");
}

static void test_meter_clock(void **state)
{
	struct owamp_clock_config clock = {.count = 0};
	struct owamp_engine_config config;
	struct line line;

	(void)state;
	assert_accepted(&line, OWPING_PING, "h");
	owping_engine_config(&config, &line.options, &clock);
	assert_ptr_equal(config.clock, &clock);
	owping_options_free(&line.options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meter_defaults),
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_meter_refusals),
		cmocka_unit_test(test_meter_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
