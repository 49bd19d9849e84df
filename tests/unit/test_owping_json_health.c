/* How this host did its part, in JSON. */
#include "owping_json_fixture.h"

static void test_health(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	f.result.has_send_health = true;
	f.result.send_health = (struct owamp_send_health){.sent = 9,
							  .send_errors = 1,
							  .last_errno = 101,
							  .lateness_p50_ns = 11,
							  .lateness_p99_ns = 12,
							  .lateness_p999_ns = 13,
							  .lateness_max_ns = 5000,
							  .lateness_mean_ns = 17.6,
							  .stamp_gap_max_ns = 40,
							  .kernel_stamps = 7,
							  .kernel_gap_p50_ns = 21,
							  .kernel_gap_p99_ns = 22,
							  .kernel_gap_max_ns = 23};
	f.result.has_receive_health = true;
	f.result.receive_health.socket_drops = 2;
	f.result.receive_health.strangers = 3;
	f.result.receive_health.unstamped = 4;
	f.result.receive_health.hardware_stamped = 8;
	f.result.receive_health.window_octets = 4096;
	f.result.receive_buffer_octets = 212992;
	f.result.receive_buffer_wanted = 4194304;
	f.result.receive_health.counters.results[OWAMP_RECEIVE_TIME] = 5;
	f.result.receive_health.counters.time_offset_ns = -6;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0.health");
	assert_number(test, "send.sent", 9);
	assert_number(test, "send.send_errors", 1);
	assert_text(test, "send.last_error", "Network is unreachable");
	assert_number(test, "send.lateness_p50_ns", 11);
	assert_number(test, "send.lateness_p99_ns", 12);
	assert_number(test, "send.lateness_p999_ns", 13);
	assert_number(test, "send.lateness_max_ns", 5000);
	assert_number(test, "send.lateness_mean_ns", 18);
	assert_number(test, "send.stamp_gap_max_ns", 40);
	assert_number(test, "send.kernel_stamps", 7);
	assert_number(test, "send.kernel_gap_p50_ns", 21);
	assert_number(test, "send.kernel_gap_p99_ns", 22);
	assert_number(test, "send.kernel_gap_max_ns", 23);
	assert_number(test, "receive.socket_drops", 2);
	assert_number(test, "receive.strangers", 3);
	assert_number(test, "receive.unstamped", 4);
	assert_number(test, "receive.hardware_stamped", 8);
	assert_number(test, "receive.window_octets", 4096);
	assert_number(test, "receive.receive_buffer_octets", 212992);
	assert_number(test, "receive.receive_buffer_wanted", 4194304);
	assert_number(test, "receive.discarded.time", 5);
	assert_number(test, "receive.discarded.hmac", 0);
	assert_number(test, "receive.time_offset_ns", -6);
	assert_false_at(test, "receive.failed");
	json_decref(root);
	fixture_end(&f);
}

/* Without the kernel's stamps nothing is known of the gap. */
static void test_health_unknown(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	f.result.has_send_health = true;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0.health");
	assert_number(test, "send.kernel_stamps", 0);
	assert_null_at(test, "send.kernel_gap_p50_ns");
	assert_null_at(test, "send.kernel_gap_p99_ns");
	assert_null_at(test, "send.kernel_gap_max_ns");
	/* Nothing left, nothing was late. */
	assert_null_at(test, "send.lateness_p50_ns");
	assert_null_at(test, "send.lateness_p99_ns");
	assert_null_at(test, "send.lateness_p999_ns");
	json_decref(root);
	fixture_end(&f);
}

static void test_meter(void **state)
{
	struct owamp_engine_granted granted = {.realtime = true, .memory_locked = true, .spin_ns = 50000};
	struct owping_json_run run;
	struct fixture f;
	json_t *root;

	(void)state;
	fixture_begin(&f);
	root = ordinary_document(&f, &run);
	assert_null_at(root, "meter");
	json_decref(root);
	run.granted = &granted;
	f.options.realtime_priority = 10;
	root = document(&f, &run, 1);
	assert_number(root, "meter.realtime_priority", 10);
	assert_true_at(root, "meter.realtime");
	assert_null_at(root, "meter.realtime_error");
	assert_true_at(root, "meter.memory_locked");
	assert_null_at(root, "meter.memory_error");
	assert_number(root, "meter.spin_ns", 50000);
	json_decref(root);
	granted = (struct owamp_engine_granted){.realtime_errno = 1, .memory_errno = 12};
	root = document(&f, &run, 1);
	assert_false_at(root, "meter.realtime");
	assert_text(root, "meter.realtime_error", "Operation not permitted");
	assert_false_at(root, "meter.memory_locked");
	assert_text(root, "meter.memory_error", "Cannot allocate memory");
	assert_number(root, "meter.spin_ns", 0);
	json_decref(root);
	/* Only owping is a meter. */
	f.options.program = OWPING_FETCH;
	root = document(&f, &run, 1);
	assert_null_at(root, "meter");
	json_decref(root);
	fixture_end(&f);
}

/* A packet of ours that we dropped ourselves is not lost, and the records say which it was. */
static void test_dropped(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	fixture_lose(&f);
	f.records[7].dropped = true;
	f.options.records = true;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0");
	assert_number(test, "summary.sent", 10);
	assert_number(test, "summary.received", 9);
	assert_number(test, "summary.lost", 0);
	assert_number(test, "summary.dropped", 1);
	assert_text(test, "outcome", "partial");
	assert_false_at(test, "records.0.dropped");
	assert_null_at(test, "records.7.receive_time_ns");
	assert_true_at(test, "records.7.dropped");
	json_decref(root);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_health_unknown),
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
