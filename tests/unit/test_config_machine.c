/* Keys about what the data plane asks of the machine. */
#include "config_fixture.h"

#include <sched.h>

static struct config *with(const char *option, const char *value)
{
	return good(run(option, value, NULL));
}

/* As an option and, spelt with underscores, in a file. */
static void refused(const char *name, const char *value, const char *why)
{
	char option[40], key[40], text[160], wanted[512];
	struct file file;

	snprintf(option, sizeof(option), "--%s", name);
	snprintf(wanted, sizeof(wanted), "option --%s: '%s', expected %s\n", name, value, why);
	bad(run(option, value, NULL), 2, wanted);
	snprintf(key, sizeof(key), "%s", name);
	for (char *c = key; *c; c++)
		*c = *c == '-' ? '_' : *c;
	snprintf(text, sizeof(text), "\n%s = \"%s\"\n", key, value);
	file = make_file(text);
	snprintf(wanted, sizeof(wanted), "%s:2: %s: '%s', expected %s\n", file.path, key, value, why);
	bad(run("-c", file.path, NULL), 1, wanted);
	close(file.fd);
}

static void test_priority(void **state)
{
	static const char *const wrong[] = {"100", "-1", "", "10x", "high"};
	struct config *config = with("--realtime-priority", "0");

	(void)state;
	assert_int_equal(config->realtime_priority, 0);
	config_free(config);
	config = with("--realtime-priority", "99");
	assert_int_equal(config->realtime_priority, 99);
	config_free(config);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused("realtime-priority", wrong[i], "an integer from 0 to 99");
}

static void test_lock_memory(void **state)
{
	static const char *const wrong[] = {"", "1", "true", "Yes", "yes "};
	struct config *config = with("--lock-memory", "no");

	(void)state;
	assert_false(config->lock_memory);
	config_free(config);
	config = with("--lock-memory", "yes");
	assert_true(config->lock_memory);
	config_free(config);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused("lock-memory", wrong[i], "yes or no");
}

static void test_spin(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} right[] = {{"auto", OWAMP_SPIN_AUTO}, {"0", 0},          {"1ns", 1},         {"1us", 1000},
		     {"2.5us", 2500},           {"0.02ms", 20000}, {"0.001", 1000000}, {"1ms", 1000000},
		     {"1000us", 1000000}};
	static const char *const wrong[] = {"",     "1.001ms", "1001us", "1",
					    "-1us", "1ps",     "50 us",  "automatic"};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct config *config = with("--spin", right[i].text);

		assert_int_equal(config->spin_ns, right[i].ns);
		config_free(config);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused("spin", wrong[i], "auto, or a time from 0 to 1ms, such as 50us");
}

/* Only CPUs that there are and that we may use; with two of them, all is seen. */
static void test_cpus(void **state)
{
	static const char *const wrong[] = {"", "-1", "any ", "100000", "99999999999999999999", "0x0"};
	cpu_set_t all, one;
	size_t first = 0, other;
	char number[16], why[160];
	struct config *config;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(first, &all))
		first++;
	other = first + 1;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	snprintf(number, sizeof(number), "%zu", first);
	config = good(run("--pacer-cpu", number, "--collector-cpu", number, NULL));
	assert_int_equal(config->pacer_cpu, first);
	assert_int_equal(config->collector_cpu, first);
	config_free(config);
	config = with("--pacer-cpu", "any");
	assert_int_equal(config->pacer_cpu, -1);
	config_free(config);
	snprintf(why, sizeof(why), "any, or the number of a CPU that owampd may use: %zu", first);
	snprintf(number, sizeof(number), "%zu", other);
	refused("pacer-cpu", number, why);
	refused("collector-cpu", number, why);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused("collector-cpu", wrong[i], why);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2 || !CPU_ISSET(other, &all))
		return;
	config = with("--collector-cpu", number);
	assert_int_equal(config->pacer_cpu, -1);
	assert_int_equal(config->collector_cpu, other);
	config_free(config);
}

static void test_shared_port(void **state)
{
	static const char *const wrong[] = {"", "65536", "-1", "861-862", "any"};
	struct config *config = with("--shared-test-port", "65535");

	(void)state;
	assert_int_equal(config->shared_test_port, 65535);
	config_free(config);
	/* In test_ports too, or the TCP port: no matter. */
	config = good(
		run("--shared-test-port", "9000", "--test-ports", "9000", "--listen", "[::1]:9000", NULL));
	assert_int_equal(config->shared_test_port, 9000);
	assert_listen(config, 0, "::1", 9000, false);
	config_free(config);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused("shared-test-port", wrong[i], "an integer from 0 to 65535");
}

/* The first option replaces the list of the file, others add to it. */
static void test_interfaces(void **state)
{
	struct file file = make_file("hardware_timestamps = {\"a\", \"b\"}\n");
	struct config *config = good(run("--hardware-timestamps", "c", "-c", file.path,
					 "--hardware-timestamps", "fifteen-letters", NULL));

	(void)state;
	assert_string_equal(config->hardware_timestamps[0], "c");
	assert_string_equal(config->hardware_timestamps[1], "fifteen-letters");
	assert_null(config->hardware_timestamps[2]);
	config_free(config);
	config = good(run("-c", file.path, NULL));
	assert_string_equal(config->hardware_timestamps[1], "b");
	assert_null(config->hardware_timestamps[2]);
	config_free(config);
	close(file.fd);
	file = make_file("hardware_timestamps = {}\n");
	config = good(run("-c", file.path, NULL));
	assert_null(config->hardware_timestamps);
	config_free(config);
	close(file.fd);
	config = with("--hardware-timestamps", "a,b");
	assert_string_equal(config->hardware_timestamps[0], "a");
	assert_string_equal(config->hardware_timestamps[1], "b");
	assert_null(config->hardware_timestamps[2]);
	config_free(config);
	refused("hardware-timestamps", "a,", "the name of a network interface");
	refused("hardware-timestamps", "a,bb,a", "each interface once");
	refused("hardware-timestamps", "", "the name of a network interface");
	refused("hardware-timestamps", "sixteen--letters", "the name of a network interface");
	refused("hardware-timestamps", "a b", "the name of a network interface");
	refused("hardware-timestamps", "a/b", "the name of a network interface");
}

/* Over several options, or several strings of a list; a second list begins anew. */
static void test_interface_twice(void **state)
{
	struct file file = make_file("keep = 1d\nhardware_timestamps = {\"a\", \"b\",\n\"a\"}\n");
	char wanted[512];
	struct config *config;

	(void)state;
	snprintf(wanted, sizeof(wanted), "%s:3: hardware_timestamps: 'a', expected each interface once\n",
		 file.path);
	bad(run("-c", file.path, NULL), 1, wanted);
	close(file.fd);
	bad(run("--hardware-timestamps", "a", "--hardware-timestamps", "b,a", NULL), 2,
	    "option --hardware-timestamps: 'b,a', expected each interface once\n");
	file = make_file("hardware_timestamps = {\"a\"}\nhardware_timestamps = {\"a\"}\n");
	config = good(run("--hardware-timestamps", "a", "-c", file.path, NULL));
	assert_string_equal(config->hardware_timestamps[0], "a");
	assert_null(config->hardware_timestamps[1]);
	config_free(config);
	close(file.fd);
}

static void test_check_interfaces(void **state)
{
	struct outcome outcome = run("--check-config", "--hardware-timestamps", "lo", NULL);

	(void)state;
	assert_int_equal(outcome.exit_status, 0);
	assert_string_equal(outcome.err, "");
	outcome = run("--check-config", "--hardware-timestamps", "nosuchif", "--hardware-timestamps", "lo",
		      "--hardware-timestamps", "norisit", NULL);
	assert_int_equal(outcome.exit_status, 1);
	assert_string_equal(outcome.err, "hardware_timestamps: there is no interface \"nosuchif\"\n"
					 "hardware_timestamps: there is no interface \"norisit\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_lock_memory),
		cmocka_unit_test(test_spin),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_interface_twice),
		cmocka_unit_test(test_check_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
