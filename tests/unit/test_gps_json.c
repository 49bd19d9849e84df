/*
 * What gpsd says. The lines of 3.22 are as it sent them; those of 3.25 (API 14)
 * as its gpsd_json(5) describes them.
 */
#include "reference.h"

#include <stdio.h>

#include <owamp/error.h>

#include "clock/gps_json.h"

#define DEVICE "/dev/pts/0"

#define VERSION_322                                                                                          \
	"{\"class\":\"VERSION\",\"release\":\"3.22\",\"rev\":\"3.22\",\"proto_major\":3,\"proto_minor\":14}"
#define DEVICES_322                                                                                          \
	"{\"class\":\"DEVICES\",\"devices\":[{\"class\":\"DEVICE\",\"path\":\"/dev/pts/0\","                 \
	"\"activated\":\"2026-11-21T18:33:30.751Z\",\"native\":0,\"bps\":38400,\"parity\":\"N\","            \
	"\"stopbits\":1,\"cycle\":1.00}]}"
#define WATCH_322                                                                                            \
	"{\"class\":\"WATCH\",\"enable\":true,\"json\":true,\"nmea\":false,\"raw\":0,\"scaled\":false,"      \
	"\"timing\":true,\"split24\":false,\"pps\":true}"
#define TOFF_322                                                                                             \
	"{\"class\":\"TOFF\",\"device\":\"/dev/pts/0\",\"real_sec\":1795286011, \"real_nsec\":0,"            \
	"\"clock_sec\":1795286011,\"clock_nsec\":151059687}"
#define TPV_322                                                                                              \
	"{\"class\":\"TPV\",\"device\":\"/dev/pts/0\",\"mode\":3,\"time\":\"2026-11-21T18:33:31.000Z\","     \
	"\"ept\":0.005,\"lat\":48.117300000,\"lon\":11.516666667,\"altHAE\":592.3000,\"altMSL\":545.4000,"   \
	"\"alt\":545.4000,\"track\":84.4000,\"magtrack\":87.7264,\"magvar\":3.3,\"speed\":0.010,"            \
	"\"geoidSep\":46.900,\"rtime\": 1795286011.151188334,\"sor\": 0.000000000,\"chars\":0,\"sats\": 0,"  \
	"\"week\":0,\"tow\":0.000,\"rollovers\":2,\"eph\":17.100}"
#define TPV_NO_FIX_322                                                                                       \
	"{\"class\":\"TPV\",\"device\":\"/dev/pts/0\",\"mode\":1,\"time\":\"2026-11-21T18:33:37.000Z\","     \
	"\"ept\":0.005}"
#define ERROR_322 "{\"class\":\"ERROR\",\"message\":\"Unrecognized request '?FOO;\\n'\"}"

#define PPS_325                                                                                              \
	"{\"class\":\"PPS\",\"device\":\"/dev/ttyS0\",\"real_sec\":1330212592, \"real_nsec\":0,"             \
	"\"clock_sec\":1330212592,\"clock_nsec\":343184,\"precision\":-20,\"shm\":\"NTP1\",\"qErr\":-1201}"
#define TOFF_325                                                                                             \
	"{\"class\":\"TOFF\",\"device\":\"/dev/ttyUSB0\",\"real_sec\":1330212592, \"real_nsec\":343182,"     \
	"\"clock_sec\":1330212592,\"clock_nsec\":343184,\"precision\":-2,\"shm\":\"NTP0\"}"
#define TPV_325                                                                                              \
	"{\"class\":\"TPV\",\"device\":\"/dev/ttyS0\",\"status\":2,\"mode\":3,"                              \
	"\"time\":\"2012-02-25T23:29:52.000Z\",\"leapseconds\":18,\"ept\":0.005,\"lat\":46.498293369}"

static struct gps_json_message expect(const char *text, enum gps_json_class class)
{
	size_t size = strlen(text);
	struct gps_json_message message;

	assert_int_equal(gps_json_next(&text, &size, &message), 1);
	assert_int_equal(message.class, class);
	return message;
}

static void expect_refused(const char *text, const char *why)
{
	size_t size = strlen(text);
	struct gps_json_message message;

	assert_int_equal(gps_json_next(&text, &size, &message), OWAMP_EINVAL);
	assert_string_equal(message.text, why);
	assert_int_equal(gps_json_next(&text, &size, &message), 0);
}

static void test_greeting(void **state)
{
	struct gps_json_message message;

	(void)state;
	expect(VERSION_322, GPS_JSON_VERSION);
	expect(WATCH_322, GPS_JSON_OTHER);
	message = expect(ERROR_322, GPS_JSON_ERROR);
	/* No line feed gets through to a log. */
	assert_string_equal(message.text, "Unrecognized request '?FOO;?'");
}

static void test_devices(void **state)
{
	struct gps_json_message message = expect(DEVICES_322, GPS_JSON_DEVICES);

	(void)state;
	assert_int_equal(message.device_count, 1);
	assert_string_equal(message.devices[0].path, DEVICE);
	assert_true(message.devices[0].activated);
	message = expect("{\"class\":\"DEVICES\",\"devices\":[]}", GPS_JSON_DEVICES);
	assert_int_equal(message.device_count, 0);
	message = expect("{\"class\":\"DEVICES\",\"devices\":[{\"class\":\"DEVICE\",\"path\":\"/a\"},"
			 "{\"class\":\"DEVICE\",\"path\":\"/b\",\"activated\":0},7]}",
			 GPS_JSON_DEVICES);
	assert_int_equal(message.device_count, 3);
	assert_string_equal(message.devices[0].path, "/a");
	assert_false(message.devices[0].activated);
	assert_string_equal(message.devices[1].path, "/b");
	assert_false(message.devices[1].activated);
	assert_string_equal(message.devices[2].path, "");
	expect_refused("{\"class\":\"DEVICES\"}", "DEVICES: devices must be a list");
}

/* More than there is room for, and names longer than that. */
static void test_many_devices(void **state)
{
	char text[4000] = "{\"class\":\"DEVICES\",\"devices\":[";
	struct gps_json_message message;

	(void)state;
	for (int i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"path\":\"%0110d\"}",
			 i ? "," : "", i);
	strcat(text, "]}");
	message = expect(text, GPS_JSON_DEVICES);
	assert_int_equal(message.device_count, GPS_JSON_DEVICES_MAX);
	assert_int_equal(strlen(message.devices[7].path), OWAMP_CLOCK_PATH_SIZE - 1);
}

static void test_device(void **state)
{
	struct gps_json_message message =
		expect("{\"class\":\"DEVICE\",\"path\":\"/dev/pts/0\",\"driver\":\"NMEA0183\","
		       "\"activated\":\"2026-11-21T18:33:31.151Z\",\"native\":0}",
		       GPS_JSON_DEVICE);

	(void)state;
	assert_string_equal(message.device.path, DEVICE);
	assert_true(message.device.activated);
	message = expect("{\"class\":\"DEVICE\",\"path\":\"/dev/pts/0\",\"activated\":0}", GPS_JSON_DEVICE);
	assert_false(message.device.activated);
}

static void test_fix(void **state)
{
	struct gps_json_message message = expect(TPV_322, GPS_JSON_TPV);

	(void)state;
	assert_string_equal(message.device.path, DEVICE);
	assert_int_equal(message.mode, 3);
	assert_int_equal(message.tai_utc, 0);
	assert_int_equal(expect(TPV_NO_FIX_322, GPS_JSON_TPV).mode, 1);
	/* GPS - UTC was 18 s, TAI - GPS is 19 s. */
	message = expect(TPV_325, GPS_JSON_TPV);
	assert_int_equal(message.tai_utc, 37);
	assert_int_equal(message.mode, 3);
	expect_refused("{\"class\":\"TPV\"}", "TPV: mode must be a whole number from 0 to 3");
	expect_refused("{\"class\":\"TPV\",\"mode\":4}", "TPV: mode must be a whole number from 0 to 3");
	expect_refused("{\"class\":\"TPV\",\"mode\":\"3\"}", "TPV: mode must be a whole number from 0 to 3");
	expect_refused("{\"class\":\"TPV\",\"mode\":3,\"leapseconds\":1001}",
		       "TPV: leapseconds must be a whole number from 0 to 1000");
}

static void test_times(void **state)
{
	struct gps_json_message message = expect(TOFF_322, GPS_JSON_TOFF);

	(void)state;
	assert_string_equal(message.device.path, DEVICE);
	assert_int_equal(message.reference_ns, INT64_C(1795286011000000000));
	assert_int_equal(message.clock_ns, INT64_C(1795286011151059687));
	message = expect(TOFF_325, GPS_JSON_TOFF);
	assert_string_equal(message.device.path, "/dev/ttyUSB0");
	assert_int_equal(message.clock_ns - message.reference_ns, 2);
	expect_refused("{\"class\":\"TOFF\",\"real_sec\":1,\"real_nsec\":0,\"clock_sec\":1}",
		       "TOFF: clock_sec and clock_nsec must be whole numbers");
	expect_refused(
		"{\"class\":\"TOFF\",\"real_sec\":1.5,\"real_nsec\":0,\"clock_sec\":1,\"clock_nsec\":0}",
		"TOFF: real_sec and real_nsec must be whole numbers");
	expect_refused(
		"{\"class\":\"TOFF\",\"real_sec\":-1,\"real_nsec\":0,\"clock_sec\":1,\"clock_nsec\":0}",
		"TOFF: real_sec and real_nsec must be a time from 1970 to 2106");
	expect_refused("{\"class\":\"TOFF\",\"real_sec\":1,\"real_nsec\":0,\"clock_sec\":1,"
		       "\"clock_nsec\":1000000000}",
		       "TOFF: clock_sec and clock_nsec must be a time from 1970 to 2106");
	expect_refused("{\"class\":\"TOFF\",\"real_sec\":9223372036854775807,\"real_nsec\":0,"
		       "\"clock_sec\":1,\"clock_nsec\":0}",
		       "TOFF: real_sec and real_nsec must be a time from 1970 to 2106");
}

/* 2^-20 s are 954 ns, rounded up; 1201 ps are 2 ns. */
static void test_pulse(void **state)
{
	struct gps_json_message message = expect(PPS_325, GPS_JSON_PPS);

	(void)state;
	assert_string_equal(message.device.path, "/dev/ttyS0");
	assert_int_equal(message.reference_ns, INT64_C(1330212592000000000));
	assert_int_equal(message.clock_ns, INT64_C(1330212592000343184));
	assert_int_equal(message.precision, -20);
	assert_int_equal(message.error_ns, 954 + 2);
#define PPS "{\"class\":\"PPS\",\"real_sec\":1,\"real_nsec\":0,\"clock_sec\":1,\"clock_nsec\":0"
	assert_int_equal(expect(PPS ",\"precision\":-10}", GPS_JSON_PPS).error_ns, 976563);
	expect_refused(PPS "}", "PPS: precision must be a power of 2 below an hour");
	expect_refused(PPS ",\"precision\":40}", "PPS: precision must be a power of 2 below an hour");
	expect_refused(PPS ",\"precision\":-20,\"qErr\":1000000000001}",
		       "PPS: qErr must be picoseconds, a second at most");
	expect_refused("{\"class\":\"PPS\",\"precision\":-20}",
		       "PPS: real_sec and real_nsec must be whole numbers");
}

/* A line may hold several; after what is not JSON there is nothing. */
static void test_several(void **state)
{
	const char *text = " " VERSION_322 "\r\n" TPV_322 TOFF_322 " ";
	size_t size = strlen(text);
	const enum gps_json_class expected[] = {GPS_JSON_VERSION, GPS_JSON_TPV, GPS_JSON_TOFF};
	struct gps_json_message message;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(gps_json_next(&text, &size, &message), 1);
		assert_int_equal(message.class, expected[i]);
	}
	assert_int_equal(gps_json_next(&text, &size, &message), 0);
	assert_int_equal(size, 0);

	/* One that makes no sense is no reason to lose the next. */
	text = "{\"class\":\"TPV\"}" TOFF_322;
	size = strlen(text);
	assert_int_equal(gps_json_next(&text, &size, &message), OWAMP_EINVAL);
	assert_int_equal(gps_json_next(&text, &size, &message), 1);
	assert_int_equal(message.class, GPS_JSON_TOFF);
}

static void test_not_json(void **state)
{
	static const char *const texts[] = {"$GPRMC,183331.00,A,4807.0380,N*11", "{", "{\"class\":\"TPV\"",
					    "\x80", "{\"a\":99999999999999999999}"};
	struct gps_json_message message;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const char *text = texts[i];
		size_t size = strlen(text);

		assert_int_equal(gps_json_next(&text, &size, &message), OWAMP_EINVAL);
		assert_memory_equal(message.text, "not JSON: ", 10);
		assert_int_equal(size, 0);
		assert_true(text == texts[i] + strlen(texts[i]));
	}
	expect_refused("[1]", "not a JSON object");
	expect("{}", GPS_JSON_OTHER);
	expect("{\"class\":7}", GPS_JSON_OTHER);
}

/* Any part of a line, and no octet beyond it. */
static void test_parts(void **state)
{
	const char line[] = PPS_325;

	(void)state;
	for (size_t size = 0; size < sizeof line - 1; size++) {
		char *part = malloc(size > 0 ? size : 1);
		const char *text = part;
		size_t left = size;
		struct gps_json_message message;

		memcpy(part, line, size);
		assert_int_equal(gps_json_next(&text, &left, &message), size == 0 ? 0 : OWAMP_EINVAL);
		free(part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),     cmocka_unit_test(test_devices),
		cmocka_unit_test(test_many_devices), cmocka_unit_test(test_device),
		cmocka_unit_test(test_fix),          cmocka_unit_test(test_times),
		cmocka_unit_test(test_pulse),        cmocka_unit_test(test_several),
		cmocka_unit_test(test_not_json),     cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
