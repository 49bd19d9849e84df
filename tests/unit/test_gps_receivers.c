/* What is believed of what the receivers of a gpsd said, and for how long. */
#include "gps_receivers_world.h"

/* The message was 150 ms late, of which 120 ms are usual. */
static void test_serial(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	devices(&w, A, true, NULL);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 400 * MS, 150 * MS);
	assert_valid(&w, "gps-serial", 99 * S + 600 * MS, 30 * MS, 200 * MS,
		     "3D fix of /dev/ttyS0, by the arrival of its messages");
	assert_int_equal(judge(&w).tai_utc, 37);
	/* The same measurement, later. */
	pass(&w, S);
	assert_int_equal(judge(&w).mono_ns, 99 * S + 600 * MS);
}

/* Pulses are better, as long as there are any. */
static void test_pulse(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 2);
	mark(&w, GPS_JSON_TOFF, A, 400 * MS, 150 * MS);
	mark(&w, GPS_JSON_PPS, A, 500 * MS, -1500);
	assert_valid(&w, "gps-pps", 99 * S + 500 * MS, -1500, 5000 + 954,
		     "2D fix, pulses of /dev/ttyS0 (precision 2^-20 s)");
	for (int i = 0; i < 4; i++) {
		pass(&w, S);
		fix(&w, A, 2);
		mark(&w, GPS_JSON_TOFF, A, 400 * MS, 150 * MS);
		assert_string_equal(judge(&w).source, "gps-pps");
	}
	pass(&w, 500 * MS + 1);
	assert_valid(&w, "gps-serial", 103 * S + 600 * MS, 30 * MS, 200 * MS,
		     "2D fix of /dev/ttyS0, by the arrival of its messages");
}

static void test_no_fix(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_PPS, A, 0, 100);
	mark(&w, GPS_JSON_TOFF, A, 0, 100);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	fix(&w, A, 1);
	assert_doubtful(&w, "no fix (mode 1)");
	assert_true(judge(&w).measured);
	assert_int_equal(judge(&w).tai_utc, 0);
	fix(&w, A, 0);
	assert_doubtful(&w, "no fix (mode 0)");
}

/* What was dated without a fix does not count when there is one. */
static void test_fix_found(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	mark(&w, GPS_JSON_PPS, A, 0, 7 * S);
	assert_doubtful(&w, A " pulses, but no receiver of gpsd has a fix");
	fix(&w, A, 1);
	mark(&w, GPS_JSON_PPS, A, 0, 7 * S);
	mark(&w, GPS_JSON_TOFF, A, 0, 7 * S);
	pass(&w, S);
	fix(&w, A, 3);
	assert_doubtful(&w, A " has a fix, but gpsd tells neither its pulses (PPS) nor its messages (TOFF)");
	assert_false(judge(&w).measured);
	mark(&w, GPS_JSON_PPS, A, 0, 100);
	assert_int_equal(judge(&w).offset_ns, 100);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
}

/* Pulses without a word of a fix, and messages that are older than they look. */
static void test_stale(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_PPS, A, 0, 100);
	for (int i = 0; i < 5; i++) {
		pass(&w, S);
		mark(&w, GPS_JSON_PPS, A, 0, 100);
		assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	}
	pass(&w, S);
	mark(&w, GPS_JSON_PPS, A, 0, 100);
	assert_doubtful(&w, A " has not said for 6 s whether it has a fix");
	/* One that came any time in the last 6 s. */
	gps_receivers_take(&w.receivers,
			   &(struct gps_json_message){.class = GPS_JSON_TPV, .device.path = A, .mode = 3},
			   &w.now, w.now.mono_ns - 6 * S);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	/* A pulse of 6 s ago. */
	fix(&w, A, 3);
	mark(&w, GPS_JSON_PPS, A, 6 * S, 100);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	assert_false(judge(&w).measured);
}

static void test_silent(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	assert_doubtful(&w, "gpsd has no receiver");
	devices(&w, A, true, NULL);
	pass(&w, 7 * S);
	assert_doubtful(&w,
			"nothing of " A " has come from gpsd for 7 s: the receiver is silent, or gpsd hangs");
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 0);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	pass(&w, 5 * S + 1);
	devices(&w, A, true, NULL);
	assert_doubtful(&w,
			"nothing of " A " has come from gpsd for 5 s: the receiver is silent, or gpsd hangs");
	assert_false(judge(&w).measured);
}

static void test_inactive(void **state)
{
	struct world w = at_start("");
	struct gps_json_message gone = of(GPS_JSON_DEVICE, A);

	(void)state;
	begin(&w);
	devices(&w, A, false, NULL);
	assert_doubtful(&w, "gpsd does not have " A " open: it is not there, or may not be read");
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 0);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	take(&w, &gone);
	assert_doubtful(&w, "gpsd does not have " A " open: it is not there, or may not be read");
	gone.device.activated = true;
	take(&w, &gone);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	/* Taken away. */
	devices(&w, NULL, true, NULL);
	assert_doubtful(&w, "gpsd has no receiver");
	devices(&w, A, true, NULL);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
}

static void test_wanted(void **state)
{
	struct world w = at_start(B);

	(void)state;
	begin(&w);
	assert_doubtful(&w, "gpsd has no receiver " B);
	devices(&w, A, true, P);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 0);
	assert_doubtful(&w, "gpsd has no receiver " B ", only " A ", " P);
	fix(&w, B, 3);
	mark(&w, GPS_JSON_TOFF, B, 0, 130 * MS);
	assert_valid(&w, "gps-serial", 100 * S, 10 * MS, 200 * MS,
		     "3D fix of " B ", by the arrival of its messages");
}

/* Of several the one that says most, and of such the first; what one of them said stays its own. */
static void test_several(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	devices(&w, A, true, B);
	fix(&w, B, 2);
	mark(&w, GPS_JSON_TOFF, B, 0, 121 * MS);
	assert_int_equal(judge(&w).offset_ns, MS);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 122 * MS);
	assert_int_equal(judge(&w).offset_ns, 2 * MS);
	mark(&w, GPS_JSON_PPS, B, 0, 3);
	assert_int_equal(judge(&w).offset_ns, 3);
	fix(&w, B, 1);
	assert_int_equal(judge(&w).offset_ns, 2 * MS);
	fix(&w, A, 1);
	assert_doubtful(&w, "no fix (mode 1)");
	/* A new list, in another order, is no loss. */
	fix(&w, B, 2);
	mark(&w, GPS_JSON_TOFF, B, 0, 121 * MS);
	devices(&w, B, true, A);
	assert_int_equal(judge(&w).offset_ns, MS);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
}

/* gpsd dates the pulses of a device that says nothing by any receiver's fix. */
static void test_only_pulses(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	devices(&w, A, true, P);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 150 * MS);
	mark(&w, GPS_JSON_PPS, P, 0, 900);
	assert_valid(&w, "gps-pps", 100 * S, 900, 5954, "3D fix, pulses of " P " (precision 2^-20 s)");
	assert_int_equal(judge(&w).tai_utc, 37);
	fix(&w, A, 1);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	/* Those in between were dated by nobody. */
	pass(&w, S);
	mark(&w, GPS_JSON_PPS, P, 0, 900 * S);
	fix(&w, A, 3);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	mark(&w, GPS_JSON_PPS, P, 0, 901);
	assert_int_equal(judge(&w).offset_ns, 901);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
}

/* What was measured before the clock was set is void, also if it comes after. */
static void test_set(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 120 * MS);
	mark(&w, GPS_JSON_PPS, A, 0, 0);
	gps_receivers_distrust(&w.receivers);
	w.now.real_ns += 2 * S;
	assert_doubtful(&w, "the clock was set: waiting for what is measured since");
	assert_false(judge(&w).measured);
	pass(&w, S);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_PPS, A, 3 * S, 0);
	assert_doubtful(&w, "the clock was set: waiting for what is measured since");
	pass(&w, S);
	gps_receivers_trust(&w.receivers);
	mark(&w, GPS_JSON_PPS, A, 0, 2 * S);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	assert_int_equal(judge(&w).offset_ns, 2 * S);
}

/* 1024 weeks back: said as it is. */
static void test_rollover(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, INT64_C(619315200) * S + 120 * MS);
	assert_int_equal(judge(&w).offset_ns, INT64_C(619315200) * S);
	w.config.gps.serial_offset_ns = INT64_MIN;
	mark(&w, GPS_JSON_TOFF, A, 0, 0);
	w.config.gps.serial_offset_ns = INT64_MAX;
	mark(&w, GPS_JSON_TOFF, A, 0, 0);
	w.config.gps.pps_error_ns = INT64_MAX;
	mark(&w, GPS_JSON_PPS, A, 0, 0);
	assert_true(judge(&w).error_ns == INT64_MAX);
	/* Further apart than there are numbers for. */
	w.config.gps.serial_error_ns = 10 * S;
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
}

static void test_nonsense(void **state)
{
	struct world w = at_start("");
	struct gps_json_message error = {.class = GPS_JSON_ERROR, .text = "out of order"};

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	gps_receivers_wonder(&w.receivers, "PPS: odd", w.now.mono_ns);
	assert_doubtful(&w, "what gpsd says cannot be used: PPS: odd");
	take(&w, &error);
	assert_doubtful(&w, "what gpsd says cannot be used: error: out of order");
	pass(&w, 4 * S);
	fix(&w, A, 3);
	pass(&w, 2 * S);
	assert_doubtful(&w, A " has a fix, but gpsd tells neither its pulses (PPS) nor its messages (TOFF)");
}

/* More than there is room for, with the longest names. */
static void test_many(void **state)
{
	struct world w = at_start("/no");
	char path[OWAMP_CLOCK_PATH_SIZE];

	(void)state;
	begin(&w);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	for (int i = 0; i < 20; i++) {
		path[0] = (char)('a' + i);
		fix(&w, path, 3);
		mark(&w, GPS_JSON_PPS, path, 0, i);
	}
	assert_int_equal(w.receivers.count, GPS_JSON_DEVICES_MAX);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	assert_int_equal(strlen(judge(&w).text), OWAMP_CLOCK_TEXT_SIZE - 1);
	w.config.gps.device[0] = '\0';
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	assert_int_equal(judge(&w).offset_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serial),   cmocka_unit_test(test_pulse),
		cmocka_unit_test(test_no_fix),   cmocka_unit_test(test_fix_found),
		cmocka_unit_test(test_stale),    cmocka_unit_test(test_silent),
		cmocka_unit_test(test_inactive), cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_several),  cmocka_unit_test(test_only_pulses),
		cmocka_unit_test(test_set),      cmocka_unit_test(test_rollover),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
