/* Pulses that are numbered a second wrong. */
#include "gps_receivers_world.h"

/* gpsd numbers pulses by messages: by more than the error of those they cannot differ. */
static void test_another_second(void **state)
{
	static const char *const text =
		"pulse and messages disagree on the second: they are 1.030 s apart, and "
		"serial_error is 0.200 s";
	struct world w = at_start("");

	(void)state;
	begin(&w);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 400 * MS, 150 * MS);
	mark(&w, GPS_JSON_PPS, A, 500 * MS, -S);
	assert_doubtful(&w, text);
	assert_true(judge(&w).measured);
	assert_string_equal(judge(&w).source, "gps-pps");
	mark(&w, GPS_JSON_PPS, A, 500 * MS, S + 60 * MS);
	assert_doubtful(&w, text);
	/* As far as the messages' own error; beyond. */
	mark(&w, GPS_JSON_PPS, A, 500 * MS, 230 * MS);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	mark(&w, GPS_JSON_PPS, A, 500 * MS, -170 * MS);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
	mark(&w, GPS_JSON_PPS, A, 500 * MS, -170 * MS - 1);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	mark(&w, GPS_JSON_PPS, A, 500 * MS, 230 * MS + 1);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	/* Of messages of long ago nothing is known; of pulses the messages are left. */
	pass(&w, 4 * S + 500 * MS + 1);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_PPS, A, 0, -S);
	mark(&w, GPS_JSON_TOFF, A, 0, 150 * MS);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_DOUBTFUL);
	for (int i = 0; i < 5; i++) {
		pass(&w, S + MS);
		fix(&w, A, 3);
		mark(&w, GPS_JSON_PPS, A, 0, -S);
		assert_int_equal(judge(&w).state, i < 4 ? OWAMP_CLOCK_DOUBTFUL : OWAMP_CLOCK_VALID);
	}
	for (int i = 0; i < 5; i++) {
		pass(&w, S + MS);
		fix(&w, A, 3);
		mark(&w, GPS_JSON_TOFF, A, 0, 150 * MS);
		assert_int_equal(judge(&w).state, i < 4 ? OWAMP_CLOCK_DOUBTFUL : OWAMP_CLOCK_VALID);
	}
	assert_string_equal(judge(&w).source, "gps-serial");
}

/* A device that only pulses is numbered by another's messages. */
static void test_another_second_of_another(void **state)
{
	struct world w = at_start("");

	(void)state;
	begin(&w);
	devices(&w, A, true, P);
	fix(&w, A, 3);
	mark(&w, GPS_JSON_TOFF, A, 0, 120 * MS);
	mark(&w, GPS_JSON_PPS, P, 0, 2 * S);
	assert_doubtful(&w, "pulse and messages disagree on the second: they are 2.000 s apart, and "
			    "serial_error is 0.200 s");
	mark(&w, GPS_JSON_PPS, P, 0, 0);
	assert_int_equal(judge(&w).state, OWAMP_CLOCK_VALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_second),
		cmocka_unit_test(test_another_second_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
