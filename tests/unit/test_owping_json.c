#include "owping_json_fixture.h"

static void test_run(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;

	(void)state;
	fixture_begin(&f);
	fixture_report(&f);
	run = ordinary_run(&f);
	root = document(&f, &run, 2);
	assert_number(root, "format", 1);
	assert_text(root, "program", "owping");
	assert_text(root, "version", "9.8.7");
	assert_text(root, "target", "server.example:861");
	assert_text(root, "server.address", "192.0.2.2");
	assert_number(root, "server.port", 18809);
	assert_text(root, "mode", "encrypted");
	assert_number(root, "server_start_ns", FIXTURE_START_NS);
	assert_number(root, "connect_ns", 1500);
	assert_number(root, "setup_ns", 2500);
	assert_false_at(root, "interrupted");
	assert_number(root, "exit_status", 3);
	assert_null_at(root, "error");
	assert_true_at(root, "clock.synchronized");
	assert_number(root, "clock.bound_ns", 70);
	assert_number(root, "clock.drift_ppb", 500000);
	assert_text(root, "clock.source", "ptp");
	assert_size(root, "clock.sources", 0);
	assert_size(root, "tests", 2);
	json_decref(root);
	fixture_end(&f);
}

static void test_failed_run(void **state)
{
	struct owping_json_run run = {
		.version = "1",
		.connect_ns = -1,
		.setup_ns = -1,
		.interrupted = true,
		.exit_status = 1,
		.error = OWAMP_ETIMEOUT,
		.reason = "no \"answer\"\n",
	};
	struct fixture f;
	json_t *root;

	(void)state;
	fixture_begin(&f);
	root = document(&f, &run, 0);
	assert_number(root, "error.code", OWAMP_ETIMEOUT);
	assert_text(root, "error.text", owamp_error_text(OWAMP_ETIMEOUT));
	assert_text(root, "error.reason", "no \"answer\"\n");
	assert_null_at(root, "server");
	assert_null_at(root, "mode");
	assert_null_at(root, "server_start_ns");
	assert_null_at(root, "connect_ns");
	assert_null_at(root, "setup_ns");
	assert_true_at(root, "interrupted");
	assert_text(root, "clock.source", "none");
	assert_false_at(root, "clock.synchronized");
	/* The kernel's word for what nobody knows. */
	assert_number(root, "clock.bound_ns", 16000000000);
	assert_null_at(root, "clock.age_ns");
	assert_size(root, "tests", 0);
	json_decref(root);
	/* Not UTF-8. */
	run.reason = "\xff";
	root = document(&f, &run, 0);
	assert_text(root, "error.reason", "(not UTF-8)");
	json_decref(root);
	/* A report that could not be made. */
	root = document(&f, &run, 1);
	assert_size(root, "tests", 0);
	json_decref(root);
}

static void test_archive(void **state)
{
	struct owping_archived sessions[2] = {
		{.result = OWPING_ARCHIVE_REPLACED, .outcome = ARCHIVE_FINISHED},
		{.result = OWPING_ARCHIVE_FAILED, .outcome = ARCHIVE_BROKEN, .reason = "disk full"},
	};
	struct owping_archive archive = {.error = "wrong"};
	struct owping_json_run run;
	struct fixture f;
	json_t *root;

	(void)state;
	fixture_begin(&f);
	root = ordinary_document(&f, &run);
	assert_null_at(root, "archive");
	json_decref(root);
	run.archive = &archive;
	root = document(&f, &run, 1);
	assert_null_at(root, "archive");
	json_decref(root);
	archive.path = "results.db";
	root = document(&f, &run, 1);
	assert_text(root, "archive.file", "results.db");
	assert_text(root, "archive.error", "wrong");
	assert_size(root, "archive.sessions", 0);
	json_decref(root);
	archive.error[0] = '\0';
	archive.sessions = sessions;
	archive.session_count = 2;
	sessions[0].sid[15] = 0x1f;
	root = document(&f, &run, 1);
	assert_null_at(root, "archive.error");
	assert_text(root, "archive.sessions.0.sid", "0000000000000000000000000000001f");
	assert_text(root, "archive.sessions.0.result", "replaced");
	assert_text(root, "archive.sessions.0.outcome", "finished");
	assert_null_at(root, "archive.sessions.0.reason");
	assert_text(root, "archive.sessions.1.result", "failed");
	assert_text(root, "archive.sessions.1.outcome", "broken");
	assert_text(root, "archive.sessions.1.reason", "disk full");
	json_decref(root);
	fixture_end(&f);
}

/* Nothing was measured, though the server did as it was told. */
static void test_nothing(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;

	(void)state;
	fixture_begin(&f);
	f.result.record_count = 0;
	assert_int_equal(owping_report_new(&f.report, &f.result, true, 20, 30, FIXTURE_START_NS), 0);
	run = ordinary_run(&f);
	root = document(&f, &run, 1);
	assert_text(root, "tests.0.outcome", "failed");
	assert_number(root, "tests.0.error.code", OWAMP_EINVAL);
	assert_text(root, "tests.0.error.reason",
		    "nothing from packet 20 on: the session has 10 packets, the last of them is 9");
	json_decref(root);
	fixture_end(&f);
}

static void test_session(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	f.skips[0] = (struct owamp_skip_range){3, 3};
	f.result.skip_count = 1;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0");
	assert_text(test, "direction", "to_server");
	assert_text(test, "outcome", "partial");
	assert_null_at(test, "error");
	assert_null_at(test, "accept");
	assert_null_at(test, "accept_text");
	assert_text(test, "sid", "7f000001eeab696ece8dda48b9ec3619");
	assert_text(test, "mode", "encrypted");
	assert_text(test, "sender.address", "192.0.2.1");
	assert_number(test, "sender.port", 9308);
	assert_text(test, "receiver.address", "192.0.2.2");
	assert_number(test, "receiver.port", 18809);
	assert_number(test, "packets", 10);
	assert_number(test, "start_time_ns", FIXTURE_START_NS);
	assert_size(test, "schedule", 2);
	assert_text(test, "schedule.0.type", "exponential");
	assert_number(test, "schedule.0.interval_ns", 250000000);
	assert_text(test, "schedule.1.type", "fixed");
	assert_number(test, "schedule.1.interval_ns", 0);
	assert_number(test, "timeout_ns", 2000000000);
	assert_number(test, "padding", 20);
	assert_number(test, "dscp", 46);
	assert_number(test, "type_p", 0x2e000000);
	assert_number(test, "next_seq", 10);
	assert_size(test, "skip_ranges", 1);
	assert_number(test, "skip_ranges.0.0", 3);
	assert_number(test, "skip_ranges.0.1", 3);
	assert_number(test, "first_seq", 0);
	assert_number(test, "end_seq", 10);
	assert_null(json_object_get(test, "records"));
	json_decref(root);
	fixture_end(&f);
}

/* The numbers are worked out in test_owping_report.c. */
static void test_summary(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	f.options.percentiles[0] = 99.9;
	f.options.percentile_count = 1;
	f.options.bucket_given = true;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0");
	assert_number(test, "summary.sent", 10);
	assert_number(test, "summary.received", 9);
	assert_number(test, "summary.lost", 1);
	assert_number(test, "summary.dropped", 0);
	assert_number(test, "summary.skipped", 0);
	assert_number(test, "summary.duplicates", 1);
	assert_number(test, "summary.missing_records", 1);
	assert_number(test, "summary.unknown", 0);
	assert_number(test, "summary.first_ns", FIXTURE_START_NS);
	assert_number(test, "summary.last_ns", FIXTURE_START_NS + 900000000);
	assert_number(test, "summary.delay_min_ns", 1000000);
	assert_number(test, "summary.delay_median_ns", 1500000);
	assert_number(test, "summary.delay_mean_ns", 17955556);
	assert_number(test, "summary.delay_max_ns", 150300000);
	assert_number(test, "summary.jitter_ns", 148800000);
	assert_number(test, "summary.ipdv_count", 7);
	assert_number(test, "summary.ipdv_mean_ns", 42614286);
	assert_number(test, "summary.ipdv_max_ns", 148900000);
	assert_size(test, "percentiles", 1);
	assert_true(json_number_value(at(test, "percentiles.0.percent")) == 99.9);
	assert_number(test, "percentiles.0.delay_ns", 150300000);
	assert_number(test, "histogram.bucket_width_ns", 1000000);
	assert_size(test, "histogram.buckets", 2);
	assert_number(test, "histogram.buckets.0.lower_ns", 1000000);
	assert_number(test, "histogram.buckets.0.count", 8);
	assert_number(test, "histogram.buckets.1.lower_ns", 150000000);
	assert_number(test, "histogram.buckets.1.count", 1);
	assert_number(test, "ttl.min", 249);
	assert_number(test, "ttl.max", 250);
	assert_size(test, "ttl.values", 2);
	assert_number(test, "ttl.values.1.ttl", 250);
	assert_number(test, "ttl.values.1.count", 9);
	assert_number(test, "reordering.reordered", 1);
	assert_size(test, "reordering.n_reordered", 1);
	assert_number(test, "reordering.n_reordered.0", 1);
	assert_number(test, "clock_error.error_ns", 1464845);
	assert_number(test, "clock_error.send_error_ns", 488282);
	assert_number(test, "clock_error.receive_error_ns", 976563);
	assert_true_at(test, "clock_error.send_synchronized");
	assert_true_at(test, "clock_error.receive_synchronized");
	assert_size(test, "warnings", 1);
	assert_text(test, "warnings.0", "the receiver has no record of 1 packet: counted as lost");
	json_decref(root);
	fixture_end(&f);
}

static void test_refused(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *test;

	(void)state;
	fixture_begin(&f);
	f.result.error = OWAMP_EREFUSED;
	f.result.accept = OWAMP_ACCEPT_PERMANENT_RESOURCES;
	snprintf(f.result.reason, sizeof(f.result.reason), "refused");
	f.result.record_count = 0;
	f.result.stopped = false;
	f.result.request.start = 0;
	memset(&f.result.sender, 0, sizeof(f.result.sender));
	f.options.percentiles[0] = 5;
	f.options.percentile_count = 1;
	root = ordinary_document(&f, &run);
	test = at(root, "tests.0");
	assert_text(test, "outcome", "failed");
	assert_number(test, "error.code", OWAMP_EREFUSED);
	assert_text(test, "error.reason", "refused");
	assert_number(test, "accept", 4);
	assert_text(test, "accept_text", owamp_accept_text(4));
	assert_null_at(test, "sender");
	assert_null_at(test, "start_time_ns");
	assert_null_at(test, "next_seq");
	assert_null_at(test, "histogram");
	assert_null_at(test, "summary.first_ns");
	assert_null_at(test, "summary.delay_min_ns");
	assert_null_at(test, "summary.delay_mean_ns");
	assert_null_at(test, "summary.jitter_ns");
	assert_null_at(test, "summary.ipdv_mean_ns");
	assert_null_at(test, "percentiles.0.delay_ns");
	assert_null_at(test, "ttl.min");
	assert_null_at(test, "clock_error.error_ns");
	assert_null_at(test, "health.send");
	assert_null_at(test, "health.receive");
	json_decref(root);
	fixture_end(&f);
}

static void test_records(void **state)
{
	struct owping_json_run run;
	struct fixture f;
	json_t *root;
	json_t *list;

	(void)state;
	fixture_begin(&f);
	f.records[1] = fixture_lost;
	f.records[2].send_error = 0x1501;
	f.options.records = true;
	fixture_report(&f);
	run = ordinary_run(&f);
	root = document(&f, &run, 2);
	assert_size(root, "tests.1.records", 10);
	list = at(root, "tests.0.records");
	assert_number(list, "0.seq", 0);
	assert_number(list, "0.send_time_ns", FIXTURE_START_NS);
	assert_number(list, "0.receive_time_ns", FIXTURE_START_NS + 1000000);
	assert_number(list, "0.delay_ns", 1000000);
	assert_number(list, "0.send_error_ns", 488282);
	assert_number(list, "0.receive_error_ns", 976563);
	assert_true_at(list, "0.send_synchronized");
	assert_true_at(list, "0.receive_synchronized");
	assert_number(list, "0.ttl", 250);
	assert_number(list, "1.seq", 3);
	assert_number(list, "1.send_time_ns", FIXTURE_START_NS + 300000000);
	assert_null_at(list, "1.receive_time_ns");
	assert_null_at(list, "1.delay_ns");
	assert_null_at(list, "1.ttl");
	assert_false_at(list, "1.send_synchronized");
	assert_false_at(list, "2.send_synchronized");
	assert_number(list, "5.seq", 5);
	assert_number(list, "5.delay_ns", 150300000);
	json_decref(root);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),     cmocka_unit_test(test_failed_run),
		cmocka_unit_test(test_session), cmocka_unit_test(test_summary),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_records),
		cmocka_unit_test(test_archive), cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
